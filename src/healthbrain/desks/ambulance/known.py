"""What the health record says of the patient in hand: allergies, diagnoses, drugs. Every look is audited."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks.hospital_doctor import record
from healthbrain.desks.shell import as_of, render
from healthbrain.dispatch.queries import patient


def _show(request: HttpRequest, call_id: int) -> HttpResponse:
    actor: Any = request.actor  # type: ignore[attr-defined]
    person, history = patient.known(actor, call_id)
    with transaction.atomic():
        audit.record(
            by=actor,
            action="emergency.record_open",
            subject=f"call/{call_id}",
            purpose=patient.PURPOSE,
            resident_id=person.id,
        )
    found = record.build(history, sex=person.sex, birth=person.birth_date, as_of=as_of(request))
    return render(request, "ambulance/known.html", {"person": person, "record": found})


@page(permission="emergency.dispatch")
@require_GET
def for_desk(request: HttpRequest, call_id: int) -> HttpResponse:
    """For the dispatcher, who tells caller and crew."""
    return _show(request, call_id)


@page(permission="emergency.crew")
@require_GET
def for_crew(request: HttpRequest, call_id: int) -> HttpResponse:
    """For the crew whose vehicle is on the call."""
    return _show(request, call_id)


@page(permission="emergency.arrivals")
@require_GET
def for_hospital(request: HttpRequest, call_id: int) -> HttpResponse:
    """For the hospital the patient is on the way to."""
    return _show(request, call_id)
