"""Read the audit log: who looked at a resident, a search, and the proof that nothing was changed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from healthbrain.audit.models import AuditEvent
from healthbrain.audit.rules import GENESIS, Entry
from healthbrain.kernel.db import select

ORDERS = {"at": "at", "actor": "actor", "role": "role", "action": "action", "resident": "resident_id"}


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the log as a page shows it."""

    id: int
    at: dt.datetime
    actor: str
    role: str
    action: str
    purpose: str
    resident_id: int | None
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of a walk along every chain. `broken` names the first bad event of a lane."""

    events: int
    lanes: int
    broken: tuple[int, ...]

    @property
    def ok(self) -> bool:
        return not self.broken


def _rows(events: Any) -> list[AuditRow]:
    fields = ("id", "at", "actor", "role", "action", "purpose", "resident_id", "subject", "detail")
    return [AuditRow(*row) for row in events.values_list(*fields)]


def of_resident(resident_id: int, *, limit: int = 200) -> list[AuditRow]:
    """Who saw or changed this resident's record, newest first. One indexed query."""
    return _rows(AuditEvent.objects.filter(resident_id=resident_id).order_by("-at", "-id")[:limit])


def search(
    *,
    account_id: int | None = None,
    actor: str = "",
    resident_id: int | None = None,
    action: str = "",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    limit: int = 100,
    offset: int = 0,
    order: str = "-at",
) -> tuple[list[AuditRow], int]:
    """Events by who, whom, what and when, newest first or by `order` (of ORDERS); and how many there are in all."""
    events = AuditEvent.objects.all()
    if account_id is not None:
        events = events.filter(account_id=account_id)
    if actor:
        events = events.filter(actor__icontains=actor)
    if resident_id is not None:
        events = events.filter(resident_id=resident_id)
    if action:
        events = events.filter(action__startswith=action)
    if since:
        events = events.filter(at__gte=since)
    if until:
        events = events.filter(at__lt=until)
    column = ORDERS[order.removeprefix("-")]
    last = True if column == "resident_id" else None  # elsewhere it would keep the index on "-at" from being used
    first = F(column).desc(nulls_last=last) if order.startswith("-") else F(column).asc()
    return _rows(events.order_by(first, "-at", "-id")[offset : offset + limit]), events.count()


def verify() -> Verification:
    """Recompute every hash, lane by lane, and compare the ends with the heads. Linear in the number of events."""
    events, broken = 0, []
    heads = {lane: bytes(head) for lane, head in select("SELECT lane, hash FROM audit_lanehead")}
    for lane, head in heads.items():
        previous, bad = GENESIS, None
        for event in AuditEvent.objects.filter(lane=lane).order_by("id").iterator(chunk_size=5000):
            events += 1
            entry = Entry(
                event.at,
                event.lane,
                event.account_id,
                event.actor,
                event.role,
                event.action,
                event.purpose,
                event.resident_id,
                event.subject,
                event.detail,
            )
            chained = entry.chained(previous)
            if bytes(event.previous_hash) != previous or bytes(event.hash) != chained:
                bad = bad or event.id
            previous = bytes(event.hash)
        if bad is None and previous != head:
            bad = 0  # the tail was cut off: no event to name
        if bad is not None:
            broken.append(bad)
    return Verification(events=events, lanes=len(heads), broken=tuple(broken))
