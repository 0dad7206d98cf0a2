"""Prepared chunks into the database, one transaction, tried again when another writer was first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import polars as pl
import psycopg
from django.db import DatabaseError, DataError, IntegrityError, OperationalError, transaction

from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.clock import now
from healthbrain.records import store as records_store
from healthbrain.records.intake import batches
from healthbrain.records.intake.lanes import Late, Turn
from healthbrain.records.intake.messages import Group
from healthbrain.records.intake.prepared import Prepared, Reject
from healthbrain.records.known import People
from healthbrain.records.models import Batch
from healthbrain.records.rules.reasons import message

ATTEMPTS = 4


@dataclass(slots=True)
class Outcome:
    new_persons: list[int] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)  # by how much those of the batch grew


def store(
    batch: Batch,
    prepared: Prepared,
    *,
    by: Actor,
    done: bool,
    people: People | None = None,
    turn: Turn | None = None,
) -> Outcome:
    """Write one chunk and count it into its batch, in one transaction. Rows the database refuses are rejected.

    `done`: the batch ends with it. Else its commit need not have reached the disk before the next chunk is begun: the
    one that ends the batch waits for the disk, and with it all before it ("Asynchronous Commit", PostgreSQL manual).
    `turn`: its place among the chunks that are written at the same time.
    """
    people, turn = people or People(), turn or Turn()
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                if not done:
                    db.execute("SET LOCAL synchronous_commit = off")
                return _store(batch, prepared, by, done, people, turn)
        except Late:
            turn.at_last()
        except (IntegrityError, OperationalError, DataError) as error:
            turn.at_last()
            people.forget()
            batch.refresh_from_db()
            if not _of_a_row(error):  # a key somebody else wrote first, or a deadlock
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            if prepared.resources.is_empty():  # nothing left to halve: the fault is in the counts, not in a row
                raise
            break
    return _store_piecewise(batch, prepared, by, done)


def _of_a_row(error: DatabaseError) -> bool:
    """Whether the database refuses what a row holds (no such text, a value too long to index), however often tried."""
    return isinstance(error, DataError) or isinstance(error.__cause__, psycopg.errors.ProgramLimitExceeded)


def _store(batch: Batch, prepared: Prepared, by: Actor, done: bool, people: People, turn: Turn) -> Outcome:
    moment = now()
    prepared = replace(prepared, resources=prepared.resources.with_columns(batch_id=pl.lit(batch.pk, pl.Int64)))
    written = records_store.write(prepared, now=moment, people=people, turn=turn)
    if batch.status == Batch.Status.CANCELLED:  # since this chunk was begun
        transaction.set_rollback(True)
        return Outcome(cancelled={batch.pk})
    ends = written.ends.get(batch.pk, {})
    before = batches.counts(batch)
    batches.add_counts(batch, prepared, ends, done=done, now=moment)
    cancelled = {batch.pk} if batches.save(batch) else set()
    _audit(by, f"batch/{batch.pk}", ends, len(prepared.rejects))
    return Outcome(written.new_persons, cancelled, batches.counts(batch) - before)


def _audit(by: Actor, subject: str, ends: dict[str, int], rejected: int) -> None:
    detail = ends | ({"rejected": rejected} if rejected else {})
    audit.record(by=by, action="intake.store", subject=subject, detail=detail)


def store_group(made: list[Batch], group: Group, *, by: Actor) -> Outcome:
    """Write many small files in one transaction, each with its own batch. A file with a row the database refuses is
    written alone, so that it keeps nobody from being stored."""
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _store_group(made, group, by)
        except (IntegrityError, OperationalError, DataError) as error:
            if _of_a_row(error):
                break
            if attempt == ATTEMPTS - 1:
                raise
    total = Outcome()
    for place, batch in enumerate(made):
        _blank(batch)
        batch.pk = None
        batch.save()
        outcome = store(batch, group.alone(place), by=by, done=True)
        total.new_persons += outcome.new_persons
    return total


def _store_group(made: list[Batch], group: Group, by: Actor) -> Outcome:
    moment = now()
    ids = batches.reserve(len(made))
    resources = group.prepared.resources
    places = pl.DataFrame({"batch_id": range(len(ids)), "pk": ids}, schema={"batch_id": pl.Int64, "pk": pl.Int64})
    resources = (
        resources.join(places, on="batch_id", how="left", maintain_order="left").with_columns(batch_id="pk").drop("pk")
    )
    known = batches.taken_before([part.digest for part in group.parts])
    repeated = [pk for pk, part in zip(ids, group.parts, strict=True) if part.digest in known]
    if repeated:
        resources = resources.with_columns(weak=pl.col("weak") | pl.col("batch_id").is_in(repeated))
    written = records_store.write(replace(group.prepared, resources=resources), now=moment)
    ends = written.ends
    for place, (batch, pk) in enumerate(zip(made, ids, strict=True)):
        _blank(batch)
        batch.pk = pk
        part = group.parts[place]
        counted = Prepared(
            resources,
            group.prepared.events,
            group.prepared.persons,
            part.rejects,
            part.notes,
            part.rows,
            part.by_type,
            1,
        )
        batches.add_counts(batch, counted, ends.get(pk, {}), done=True, now=moment)
    Batch.objects.bulk_create(made)
    total = Counter[str]()
    for found in ends.values():
        total.update(found)
    rejected = sum(len(part.rejects) for part in group.parts)
    _audit(by, f"batch/{ids[0]}-{ids[-1]}" if len(ids) > 1 else f"batch/{ids[0]}", dict(total), rejected)
    return Outcome(written.new_persons)


def _blank(batch: Batch) -> None:
    """Counts of an attempt that was taken back."""
    batch.rows_in = batch.stored = batch.duplicates = batch.rejected = batch.waiting = 0
    batch.by_type, batch.notes = {}, []


def _store_piecewise(batch: Batch, prepared: Prepared, by: Actor, done: bool) -> Outcome:
    """Halve the rows until the one the database refuses stands alone; reject that one."""
    total = Outcome()
    for piece in _pieces(batch, prepared):
        outcome = store(batch, piece, by=by, done=done)
        total.new_persons += outcome.new_persons
        total.cancelled |= outcome.cancelled
        total.counts += outcome.counts
    return total


def _pieces(batch: Batch, prepared: Prepared) -> list[Prepared]:
    rows = prepared.resources["row"].unique().sort().to_list()
    if len(rows) <= 1:
        words = message("store-refused")
        refused = [Reject(n, "", "store-refused", words, "".join(prepared.resources["tail"])[:20_000]) for n in rows]
        nothing = _only(prepared, [])
        return [replace(nothing, rejects=[*prepared.rejects, *refused], rows=prepared.rows, by_type=prepared.by_type)]
    half = len(rows) // 2
    first, second = _only(prepared, rows[:half]), _only(prepared, rows[half:])
    # What the whole chunk counted stays with the second half: it is stored last, and carries the position.
    first = replace(first, rows=half, rejects=[], notes=[], by_type=Counter(), position=batch.position)
    return [first, replace(second, rows=prepared.rows - half)]


def _only(prepared: Prepared, rows: list[int]) -> Prepared:
    resources = prepared.resources.filter(pl.col("row").is_in(rows))
    keys = resources.select("key", "hash").unique()
    return replace(
        prepared,
        resources=resources,
        events=prepared.events.join(keys, on=["key", "hash"], how="semi"),
        persons=prepared.persons.join(keys, on=["key", "hash"], how="semi"),
    )
