"""The desk in one look: queue with clocks, the call, the recommendation."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks.dispatcher import maps, words
from healthbrain.desks.shell import render
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.queries import calls, patient, recommend, roads
from healthbrain.kernel import clock
from healthbrain.residents import queries as residents

SHOWN_VEHICLES, SHOWN_HOSPITALS = 5, 3


@page(permission="emergency.dispatch")
@require_GET
def desk(request: HttpRequest) -> HttpResponse:
    """The whole desk; `call` in the address chooses which one is open, else the first of the queue."""
    now = clock.now()
    rows = calls.queue(request.actor, now=now)  # type: ignore[attr-defined]
    chosen = _chosen(request)
    context = {"rows": rows, "chosen": chosen, "override": knowledge.overrides(), **words.context()}
    if chosen:
        row = calls.call(request.actor, chosen, now=now)  # type: ignore[attr-defined]
        context |= _call_context(request, row) | _advice_context(request, row)
    return render(request, "dispatcher/desk.html", context)


def _chosen(request: HttpRequest) -> int | None:
    given = request.GET.get("call", "")
    return int(given) if given.isdigit() else None


def _call_context(request: HttpRequest, row: calls.CallRow) -> dict[str, Any]:
    one = row.call
    return {
        "row": row,
        "one": one,
        "plane": maps.plane(),
        "stretches": maps.stretches(roads.road_changes(request.actor, now=clock.now())),  # type: ignore[attr-defined]
        "marks": maps.legible(maps.fixed_marks()),
        "last_place": None if one.x is not None else calls.last_place_of(one.phone, before=one.pk),
        "duplicates": calls.duplicates(one),
        "person": patient.resident_of(request.actor, one),  # type: ignore[attr-defined]
        "instructions": [(key, knowledge.instructions()[key]) for key in row.stands.instructions],
        "sources": knowledge.question_sources(),
        "types": knowledge.types(),
        "priorities": knowledge.priorities(),
    }


def _advice_context(request: HttpRequest, row: calls.CallRow) -> dict[str, Any]:
    now = clock.now()
    found = recommend.recommend(request.actor, row.call.pk, now=now)  # type: ignore[attr-defined]
    return {
        "row": row,
        "one": row.call,
        "active": [m for m in row.missions if not m.ended],
        "found": found,
        "vehicles": found.vehicles[:SHOWN_VEHICLES],
        "hospitals": found.hospitals[:SHOWN_HOSPITALS],
        "helpers": calls.helpers(row.call, today=now.date()),
    }


@page(permission="emergency.dispatch")
@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """The queue alone, for its live region."""
    rows = calls.queue(request.actor, now=clock.now())  # type: ignore[attr-defined]
    return render(request, "dispatcher/queue_part.html", {"rows": rows, "chosen": _chosen(request), **words.context()})


@page(permission="emergency.dispatch")
@require_GET
def advice(request: HttpRequest) -> HttpResponse:
    """The recommendation alone, for its live region."""
    chosen = _chosen(request)
    context = {"override": knowledge.overrides(), "chosen": chosen, **words.context()}
    if chosen:
        row = calls.call(request.actor, chosen, now=clock.now())  # type: ignore[attr-defined]
        context |= _advice_context(request, row)
    return render(request, "dispatcher/advice_part.html", context)


@page(permission="emergency.dispatch")
@require_GET
def places(request: HttpRequest) -> HttpResponse:
    """Address search while typing."""
    found = calls.places(request.GET.get("place", ""))
    return render(request, "dispatcher/places_part.html", {"found": found, "chosen": _chosen(request)})


@page(permission="emergency.dispatch")
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    """Residents who may be the patient, masked; the search is audited, its words are not kept."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    text, chosen = request.GET.get("q", "").strip(), _chosen(request)
    found = residents.find(actor, text, patient.PURPOSE, 6, permission="emergency.dispatch") if text else []
    with transaction.atomic():
        audit.record(
            by=actor,
            action="emergency.find_patient",
            subject=f"call/{chosen}",
            purpose=patient.PURPOSE,
            detail={"found": len(found)},
        )
    return render(request, "dispatcher/people_part.html", {"found": found, "chosen": chosen})


@page(permission="emergency.dispatch")
@require_GET
def timeline(request: HttpRequest, call_id: int) -> HttpResponse:
    """Every moment of a call with whose clock it was; a look at a person's emergency, audited."""
    row = calls.call(request.actor, call_id, now=clock.now())  # type: ignore[attr-defined]
    with transaction.atomic():
        audit.record(
            by=request.actor,  # type: ignore[attr-defined]
            action="emergency.timeline",
            subject=f"call/{call_id}",
            purpose="emergency",
            resident_id=row.call.resident_id,
        )
    return render(request, "dispatcher/timeline.html", {"row": row, "one": row.call, **words.context()})
