"""What came in: batches and the rows that did not make it. For the data steward."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from healthbrain.access.models import Account
from healthbrain.kernel.errors import NotFound
from healthbrain.records.models import Batch, RejectedRow

BATCH_ORDERS = {
    "name": "name", "source": "source__name", "started": "started", "state": "status", "rows_in": "rows_in",
    "stored": "stored", "duplicates": "duplicates", "rejected": "rejected", "waiting": "waiting",
}  # fmt: skip
REJECT_ORDERS = {"batch": "batch_id", "row": "row", "field": "field", "message": "reason"}


@dataclass(frozen=True, slots=True)
class BatchRow:
    id: int
    source: str
    name: str
    format: str
    status: str
    rows_in: int
    stored: int
    duplicates: int
    rejected: int
    waiting: int
    by_type: dict[str, Any]
    notes: tuple[tuple[int, str, str], ...]  # odd, yet taken: row, field, words
    position: int
    account_id: int | None
    by: str
    started: dt.datetime
    finished: dt.datetime | None

    @property
    def adds_up(self) -> bool:
        """A finished batch accounts for every row."""
        return self.rows_in == self.stored + self.duplicates + self.rejected + self.waiting

    @property
    def running(self) -> bool:
        return self.status == Batch.Status.RUNNING


@dataclass(frozen=True, slots=True)
class RejectRow:
    id: int
    batch_id: int
    batch: str
    source: str
    row: int
    field: str
    reason: str
    message: str
    raw: str


@dataclass(frozen=True, slots=True)
class ReasonCount:
    reason: str
    message: str
    rows: int


def _batch_rows(found: Iterable[Batch]) -> list[BatchRow]:
    batches = list(found)
    wanted = {batch.account_id for batch in batches if batch.account_id}
    names = dict(Account.objects.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}
    return [
        BatchRow(
            id=batch.id,
            source=batch.source.name if batch.source else "",
            name=batch.name,
            format=batch.format,
            status=batch.status,
            rows_in=batch.rows_in,
            stored=batch.stored,
            duplicates=batch.duplicates,
            rejected=batch.rejected,
            waiting=batch.waiting,
            by_type=batch.by_type,
            notes=tuple((int(n[0]), str(n[1]), str(n[2])) for n in batch.notes),
            position=batch.position,
            account_id=batch.account_id,
            by=names.get(batch.account_id or 0, ""),
            started=batch.started,
            finished=batch.finished,
        )
        for batch in batches
    ]


def _by(order: str, columns: dict[str, str]) -> str:
    """ "-state" → "-status"."""
    return ("-" if order.startswith("-") else "") + columns[order.removeprefix("-")]


def batches(
    *, status: str = "", source: str = "", text: str = "", offset: int = 0, limit: int = 20, order: str = "-started"
) -> tuple[list[BatchRow], int]:
    """Batches, newest first or by `order` (of BATCH_ORDERS), and how many there are in all."""
    found = Batch.objects.select_related("source").order_by(_by(order, BATCH_ORDERS), "-started", "-id")
    if status:
        found = found.filter(status=status)
    if source:
        found = found.filter(source__code=source)
    if text:
        found = found.filter(name__icontains=text)
    return _batch_rows(found[offset : offset + limit]), found.count()


def batch(batch_id: int) -> BatchRow:
    """One batch. Raises NotFound."""
    found = _batch_rows(Batch.objects.select_related("source").filter(pk=batch_id))
    if not found:
        raise NotFound(f"没有批次 {batch_id}。 No batch {batch_id}.")
    return found[0]


def rejects(
    *, batch_id: int | None = None, reason: str = "", offset: int = 0, limit: int = 20, order: str = "-batch"
) -> tuple[list[RejectRow], int]:
    """Rejected rows, newest batch first or by `order` (of REJECT_ORDERS), then as in the sheet; and how many in all."""
    sequence = (_by(order, REJECT_ORDERS), "-batch_id", "row", "id")
    found = RejectedRow.objects.select_related("batch__source").order_by(*sequence)
    if batch_id is not None:
        found = found.filter(batch_id=batch_id)
    if reason:
        found = found.filter(reason=reason)
    rows = [
        RejectRow(
            id=row.id,
            batch_id=row.batch.pk,
            batch=row.batch.name,
            source=row.batch.source.name if row.batch.source else "",
            row=row.row,
            field=row.field,
            reason=row.reason,
            message=row.message,
            raw=row.raw,
        )
        for row in found[offset : offset + limit]
    ]
    return rows, found.count()


def reasons(batch_id: int | None = None) -> list[ReasonCount]:
    """How many rows were rejected for each reason, most frequent first."""
    from django.db.models import Count, Min

    found = RejectedRow.objects.all() if batch_id is None else RejectedRow.objects.filter(batch_id=batch_id)
    counted = found.values("reason").annotate(rows=Count("id"), words=Min("message")).order_by("-rows", "reason")
    return [ReasonCount(row["reason"], row["words"], row["rows"]) for row in counted]
