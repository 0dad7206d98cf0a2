"""Batches: one for each file, message or call; what counts up in the transaction of each chunk."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl
from django.db import connection
from django.db.models import Q

from healthbrain.kernel import db
from healthbrain.kernel.copying import copy_frame
from healthbrain.kernel.errors import Conflict
from healthbrain.records.intake.files import readable
from healthbrain.records.intake.prepared import Prepared, Reject
from healthbrain.records.intake.report import KEPT
from healthbrain.records.models import Batch

RESUMABLE = (Batch.Status.RUNNING, Batch.Status.FAILED, Batch.Status.CANCELLED)


def content_hash(path: Path) -> bytes:
    """Hash of a file, read in pieces."""
    found = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            found.update(block)
    return found.digest()


def taken_before(digests: Sequence[bytes]) -> set[bytes]:
    """Which of these files have been taken in before, byte for byte, and not been rolled back.

    A file sent twice is a repeated delivery: its rows, older by now than a correction that came between, must not undo
    that correction. A new export that says again what once was said is another file, and counts.
    """
    found = Batch.objects.filter(content_hash__in=list(digests), status=Batch.Status.DONE)
    return {
        bytes(h) for h in found.filter(Q(stored__gt=0) | Q(waiting__gt=0)).values_list("content_hash", flat=True) if h
    }


def as_known(prepared: Prepared) -> Prepared:
    """The rows of a repeated file: written where they are not known, never over what is."""
    return replace(prepared, resources=prepared.resources.with_columns(weak=pl.lit(True)))


def claim(digest: bytes) -> None:
    """Only one process reads one file at a time. Raises Conflict when another is at it."""
    key = int.from_bytes(digest[:8], signed=True)
    if not db.select("SELECT pg_try_advisory_lock(%s)", (key,))[0][0]:
        raise Conflict("这个文件正在被另一个进程读取 Another process is reading this file", hint="等它结束 wait for it")


def release(digest: bytes) -> None:
    db.select("SELECT pg_advisory_unlock(%s)", (int.from_bytes(digest[:8], signed=True),))


def begin(
    path: Path,
    form: str,
    digest: bytes,
    *,
    account_id: int | None,
    source_id: int | None,
    beside: Sequence[int] = (),
) -> Batch:
    """A new batch for the file, or the one a crash or a cancel left unfinished, to go on where it stopped.

    `beside`: batches of this very intake that are still open; the same file may lie in two folders.
    """
    unfinished = Batch.objects.filter(content_hash=digest, name=readable(path.name), status__in=RESUMABLE)
    if (left := unfinished.exclude(pk__in=beside).order_by("-id").first()) is not None:
        left.status = Batch.Status.RUNNING
        left.save(update_fields=["status"])
        return left
    return Batch.objects.create(
        name=readable(path.name),
        path=readable(str(path.resolve())),
        format=form,
        content_hash=digest,
        account_id=account_id,
        source_id=source_id,
    )


def of_call(name: str, form: str, *, account_id: int | None, source_id: int | None) -> Batch:
    """The batch of one message or call."""
    return Batch.objects.create(name=name, format=form, account_id=account_id, source_id=source_id)


def reserve(count: int) -> list[int]:
    """Ids for batches that are written once, with their counts, when their rows are in."""
    sql = "SELECT nextval(pg_get_serial_sequence('records_batch', 'id')) FROM generate_series(1, %s)"
    return [row[0] for row in db.select(sql, (count,))]


COUNTS = ("rows_in", "stored", "duplicates", "rejected", "waiting")


def counts(batch: Batch) -> Counter[str]:
    """How many rows it has had, and how they ended."""
    return Counter({name: getattr(batch, name) for name in COUNTS})


def add_counts(batch: Batch, prepared: Prepared, ends: dict[str, int], *, done: bool, now: dt.datetime) -> None:
    """Count a chunk into its batch and save it, with its rejects, in the transaction that stored it."""
    rejected = len(prepared.rejects)
    batch.rows_in += prepared.rows
    batch.rejected += rejected
    batch.waiting += ends.get("waiting", 0)
    batch.stored += ends.get("stored", 0)
    batch.duplicates += prepared.rows - rejected - ends.get("waiting", 0) - ends.get("stored", 0)
    batch.by_type = dict(Counter(batch.by_type) + Counter({_text(k): n for k, n in prepared.by_type.items()}))
    batch.notes = (batch.notes + [[n.row, _text(n.field), _text(n.message)] for n in prepared.notes[:KEPT]])[:KEPT]
    batch.position = prepared.position
    if done:
        batch.status, batch.finished = Batch.Status.DONE, now
    if rejected:
        _reject(batch.pk, prepared.rejects)


def _text(words: str) -> str:
    """What PostgreSQL takes as text: a sender's own names of types and elements may hold a NUL."""
    return words.replace("\x00", "")


def save(batch: Batch) -> bool:
    """Write the counts; True when somebody cancelled the batch meanwhile (it stays cancelled)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM records_batch WHERE id = %s FOR UPDATE", (batch.pk,))
        cancelled = cursor.fetchone()[0] == Batch.Status.CANCELLED
    if cancelled and batch.status != Batch.Status.DONE:
        batch.status = Batch.Status.CANCELLED
    batch.save()
    return batch.status == Batch.Status.CANCELLED


def _reject(batch_id: int, rejects: list[Reject]) -> None:
    rows: dict[str, list[Any]] = {
        "batch_id": [batch_id] * len(rejects),
        "row": [r.row for r in rejects],
        "field": [r.field for r in rejects],
        "reason": [r.reason for r in rejects],
        "message": [r.message for r in rejects],
        "raw": [r.raw for r in rejects],
    }
    frame = pl.DataFrame(rows)
    texts = pl.col("field", "message", "raw").str.replace_all("\x00", "", literal=True)
    copy_frame("records_rejectedrow", frame.with_columns(texts))
