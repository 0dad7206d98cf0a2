"""Prepared chunks into the database, one transaction, tried again when another writer was first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import polars as pl
from django.db import DataError, IntegrityError, OperationalError, transaction

from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel.clock import now
from healthbrain.records import store as records_store
from healthbrain.records.intake import batches
from healthbrain.records.intake.prepared import Prepared, Reject
from healthbrain.records.models import Batch
from healthbrain.records.rules.reasons import message

ATTEMPTS = 4


@dataclass(slots=True)
class Outcome:
    new_persons: list[int] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)


def store(parts: list[tuple[Batch, Prepared]], *, by: Actor, done: bool) -> Outcome:
    """Write the chunks of these batches in one transaction and count them. Rows the database refuses are rejected."""
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _store(parts, by, done)
        except (IntegrityError, OperationalError):  # a key somebody else wrote first, or a deadlock
            if attempt == ATTEMPTS - 1:
                raise
            _forget(parts)
        except DataError:
            _forget(parts)
            break
    return _store_piecewise(parts, by, done)


def _forget(parts: list[tuple[Batch, Prepared]]) -> None:
    """Counts of a transaction that did not happen."""
    for batch, _ in parts:
        batch.refresh_from_db()


def _store(parts: list[tuple[Batch, Prepared]], by: Actor, done: bool) -> Outcome:
    moment = now()
    joined = _joined(parts)
    written = records_store.write(joined, now=moment)
    for batch, prepared in parts:
        batches.add_counts(batch, prepared, batches.ends_of(written.ends, batch.pk), done=done, now=moment)
    cancelled = batches.save([batch for batch, _ in parts])
    ids = [batch.pk for batch, _ in parts]
    subject = f"batch/{ids[0]}" if len(ids) == 1 else f"batch/{min(ids)}-{max(ids)}"
    counted = dict(Counter(written.ends["end"])) if len(written.ends) else {}
    rejected = sum(len(prepared.rejects) for _, prepared in parts)
    audit.record(
        by=by, action="intake.store", subject=subject, detail=counted | ({"rejected": rejected} if rejected else {})
    )
    return Outcome(written.new_persons, cancelled)


def _joined(parts: list[tuple[Batch, Prepared]]) -> Prepared:
    framed = [p.resources.with_columns(pl.lit(b.pk, pl.Int64).alias("batch_id")) for b, p in parts]
    if len(parts) == 1:
        return replace(parts[0][1], resources=framed[0])
    return Prepared(
        pl.concat(framed), pl.concat([p.events for _, p in parts]), pl.concat([p.persons for _, p in parts])
    )


def _store_piecewise(parts: list[tuple[Batch, Prepared]], by: Actor, done: bool) -> Outcome:
    """Halve the rows until the one the database refuses stands alone; reject that one."""
    total = Outcome()
    for batch, prepared in parts:
        for piece in _pieces(batch, prepared, by):
            outcome = store([(batch, piece)], by=by, done=done)
            total.new_persons += outcome.new_persons
            total.cancelled |= outcome.cancelled
    return total


def _pieces(batch: Batch, prepared: Prepared, by: Actor) -> list[Prepared]:
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
