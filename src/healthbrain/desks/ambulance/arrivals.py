"""The hospital's arrival board: who comes, when, with what; and what the hospital can take."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks.dispatcher import words
from healthbrain.desks.dispatcher.acts import number
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import render, say
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.actions import hospitals
from healthbrain.dispatch.queries import crew
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError

SHOWN = ("systolic", "diastolic", "pulse", "respiration", "oxygen", "gcs", "temperature", "glucose")


@page(permission="emergency.arrivals")
@require_GET
def board(request: HttpRequest) -> HttpResponse:
    """Vehicles on their way here, soonest first."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    rows = crew.arrivals(actor, now=clock.now())
    states = crew.hospital_states(actor)
    own = [s for s in states if actor.county_wide or s.organisation_id == actor.organisation_id]
    context = {"rows": rows, "own": own, "signs": knowledge.vitals(), "shown": SHOWN, **words.context()}
    return render(request, "ambulance/arrivals.html", context)


@page(permission="emergency.arrivals")
@require_POST
def state(request: HttpRequest) -> HttpResponse:
    """What the hospital can take, now."""
    try:
        lost = hospitals.report(
            by=request.actor,  # type: ignore[attr-defined]
            now=clock.now(),
            organisation_id=number(request, "organisation") or 0,
            emergency_beds=number(request, "emergency_beds"),
            icu_beds=number(request, "icu_beds"),
            diverting=request.POST.get("taking") == "diverting",
            closed=request.POST.get("taking") == "closed",
            note=request.POST.get("note", "").strip(),
        )
    except HealthBrainError as error:
        say(request, str(error), level="failed")
        return HttpResponseRedirect("/arrivals")
    told = t("已更新，调度台同时看到", "Updated; the dispatchers see it now")
    say(request, told if not lost else t("已停收：{n} 辆在途车辆将改送", "Closed: {n} on the way divert", n=lost))
    return HttpResponseRedirect("/arrivals")


@page(permission="emergency.arrivals")
@require_GET
def ecg(request: HttpRequest, ecg_id: int) -> HttpResponse:
    """The file as it was sent; a look at a patient's data, audited."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    found = crew.ecg(actor, ecg_id)
    with transaction.atomic():
        audit.record(
            by=actor,
            action="emergency.ecg_open",
            subject=f"mission/{found.mission_id}",
            purpose="emergency",
            resident_id=found.mission.call.resident_id,
        )
    response = HttpResponse(bytes(found.content), content_type=found.kind)
    shown_in_page = found.kind.startswith("image/") or found.kind == "application/pdf"
    response["Content-Disposition"] = (
        "inline" if shown_in_page else "attachment"
    )  # XML could carry script: never inline
    response["Cache-Control"] = "no-store"
    return response
