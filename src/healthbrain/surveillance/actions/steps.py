"""What every action on an event shares: load it locked, write its step and its audit event, tell the open pages."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.surveillance.models.response import EventStep, PublicHealthEvent

OPEN = ("verifying", "confirmed")


def load(by: Actor, event_id: int, *, any_state: bool = False) -> PublicHealthEvent:
    """The event, locked for this transaction. Raises NotAllowed, NotFound, or Conflict when it is closed."""
    require(by, "signals.work")
    found = visible(PublicHealthEvent.objects.all(), by, "public-health").select_for_update(of=("self",))
    event = found.filter(pk=event_id).first()
    if event is None:
        raise NotFound("没有这个事件，或不在您的范围内 No such event in your scope")
    if not any_state and event.status not in OPEN:
        raise Conflict("事件已结案或已排除，不能再改 The event is closed", hint="先重新打开事件 Reopen it first.")
    return event


def write(
    event: PublicHealthEvent,
    by: Actor,
    at: dt.datetime,
    kind: str,
    *,
    note: str = "",
    handling: bool = False,
    resident_id: int | None = None,
    **detail: Any,
) -> None:
    """One step of the timeline, its audit event, and NOTIFY outbreaks. `handling`: this is work on the event, and the
    first such work stops the clock "signal to first handling"."""
    if handling and event.handled_at is None:
        event.handled_at = at
        event.save(update_fields=["handled_at"])
    EventStep.objects.create(
        event=event, at=at, kind=kind, detail=detail, note=note, account_id=by.account_id, actor=by.name
    )
    audit.record(
        by=by, action=f"outbreak.{kind}", resident_id=resident_id, subject=f"outbreak/{event.pk}",
        purpose="public-health", detail={**detail, **({"note": note} if note else {})},
    )  # fmt: skip
    announce(event)


def announce(event: PublicHealthEvent) -> None:
    """Tell open pages that this event changed."""
    named = {"event": event.pk} | ({"organisations": [event.organisation_id]} if event.organisation_id else {})
    db.notify("outbreaks", json.dumps(named))


def said(text: str, what_zh: str, what_en: str, least: int = 2) -> str:
    """`text` trimmed. Raises Invalid when it says nothing."""
    if len(text.strip()) < least:
        raise Invalid(f"请写明{what_zh} Say {what_en}")
    return text.strip()
