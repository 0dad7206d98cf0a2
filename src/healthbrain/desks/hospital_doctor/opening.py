"""Opening a record: purpose, scope or broken glass, and one audit event per opening."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import quote

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from healthbrain.access.gate import broke_glass, sees_everybody
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.desks.hospital_doctor.purpose import purpose_of
from healthbrain.desks.shell import render
from healthbrain.kernel.errors import NotAllowed
from healthbrain.residents import queries as residents
from healthbrain.residents.queries import ResidentRow

OPENED = "opened"  # session: "<resident>:<purpose>" → when
ONE_OPENING = 1800  # seconds: moving between the tabs of one record is one opening


@dataclass(frozen=True, slots=True)
class Opened:
    """A record this person may read now."""

    resident: ResidentRow
    purpose: str
    emergency: bool


def open_record(request: HttpRequest, resident_id: int) -> Opened | HttpResponse:
    """The opened record, or the page to show instead: choose a purpose, or break the glass."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    purpose = purpose_of(request)
    if not purpose:
        return HttpResponseRedirect(f"/find?next={quote(request.get_full_path())}")
    try:
        found = residents.resident(actor, resident_id, purpose)
    except NotAllowed:
        context = {"resident_id": resident_id, "may_break": actor.may("record.break_glass")}
        return render(request, "hospital_doctor/outside.html", context, status=403)
    if found.id != resident_id:  # merged into somebody: one address for one person
        return HttpResponseRedirect(
            request.get_full_path().replace(f"/residents/{resident_id}", f"/residents/{found.id}", 1)
        )
    emergency = not sees_everybody(actor, purpose) and broke_glass(actor, resident_id)
    purpose = "emergency" if emergency else purpose
    _record_opening(request, actor, resident_id, purpose)
    return Opened(found, purpose, emergency)


def _record_opening(request: HttpRequest, actor: Actor, resident_id: int, purpose: str) -> None:
    now, key = time.time(), f"{resident_id}:{purpose}"
    opened = {k: at for k, at in request.session.get(OPENED, {}).items() if now - at < ONE_OPENING}
    if key in opened:
        return
    with transaction.atomic():
        audit.record(by=actor, action="record.open", resident_id=resident_id, purpose=purpose)
    request.session[OPENED] = opened | {key: now}
