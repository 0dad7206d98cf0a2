"""Mass casualties and event cover: plan, roster, victims."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.desks.dispatcher import words
from healthbrain.desks.dispatcher.acts import number
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import render, say
from healthbrain.dispatch.actions import mass as actions
from healthbrain.dispatch.actions import mass_plan as plan
from healthbrain.dispatch.queries import crew, mass
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError, Invalid, NotFound

TAGS = {
    "red": ("红 危重", "Red: critical"),
    "yellow": ("黄 重", "Yellow: serious"),
    "green": ("绿 轻", "Green: slight"),
    "black": ("黑 死亡", "Black: dead"),
}


@page(permission="emergency.dispatch")
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Open events, planned cover, and what was."""
    rows = mass.events(request.actor)  # type: ignore[attr-defined]
    return render(request, "dispatcher/events.html", {"rows": rows, "tags": TAGS, **words.context()})


@page(permission="emergency.dispatch")
@require_GET
def show(request: HttpRequest, event_id: int) -> HttpResponse:
    """One event: roster and victims' log."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    context = {
        "view": mass.event(actor, event_id),
        "hospitals": crew.hospital_states(actor),
        "tags": TAGS,
        **words.context(),
    }
    return render(request, "dispatcher/event.html", context)


@page(permission="emergency.dispatch")
@require_POST
def open_one(request: HttpRequest) -> HttpResponse:
    """Open a mass casualty (from a call, or by name) or plan a cover."""
    try:
        event = actions.open_event(
            by=request.actor,  # type: ignore[attr-defined]
            now=clock.now(),
            kind=request.POST.get("kind", ""),
            name=request.POST.get("name", ""),
            venue=request.POST.get("venue", "").strip(),
            plan=request.POST.get("plan", "").strip(),
            expected=number(request, "expected"),
            starts=_moment(request, "starts"),
            ends=_moment(request, "ends"),
            call_id=number(request, "call"),
        )
    except HealthBrainError as error:
        say(request, str(error), level="failed")
        return HttpResponseRedirect("/dispatch/events")
    return HttpResponseRedirect(f"/dispatch/events/{event}")


def _moment(request: HttpRequest, name: str) -> dt.datetime | None:
    text = request.POST.get(name, "")
    if not text:
        return None
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=clock.COUNTY_ZONE)
    except ValueError as error:
        raise Invalid(t("时间写成 2026-04-03T09:00", "Write the time as 2026-04-03T09:00")) from error


def _roster(request: HttpRequest, event_id: int) -> None:
    actions.roster(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        event_id=event_id,
        vehicle_id=number(request, "vehicle") or 0,
        duty=request.POST.get("duty", "").strip(),
        reason=request.POST.get("reason", "").strip(),
        post_id=number(request, "post"),
    )


def _post(request: HttpRequest, event_id: int) -> None:
    plan.set_post(
        by=request.actor,  # type: ignore[attr-defined]
        event_id=event_id,
        name=request.POST.get("name", ""),
        place=request.POST.get("place", ""),
        staff=number(request, "staff") or 0,
        vehicles=number(request, "vehicles") or 0,
    )


def _person(request: HttpRequest, event_id: int) -> None:
    plan.call_in(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        event_id=event_id,
        name=request.POST.get("name", ""),
        unit=request.POST.get("unit", ""),
        phone=request.POST.get("phone", ""),
        post_id=number(request, "post"),
    )


def _move_on(request: HttpRequest, event_id: int) -> None:
    person = number(request, "person") or 0
    plan.move_on(by=request.actor, now=clock.now(), event_id=event_id, person_id=person)  # type: ignore[attr-defined]


def _count(request: HttpRequest, event_id: int) -> None:
    tags = {tag: number(request, tag) or 0 for tag in TAGS}
    plan.report_count(by=request.actor, now=clock.now(), event_id=event_id, **tags)  # type: ignore[attr-defined]


def _release(request: HttpRequest, event_id: int) -> None:
    actions.release(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        event_id=event_id,
        vehicle_id=number(request, "vehicle") or 0,
    )


def _victim(request: HttpRequest, event_id: int) -> None:
    actions.log_victim(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        event_id=event_id,
        tag=request.POST.get("tag", ""),
        number=number(request, "number"),
        sex=request.POST.get("sex", "0"),
        age=number(request, "age"),
        injury=request.POST.get("injury", ""),
        destination_id=number(request, "destination"),
        vehicle_id=number(request, "vehicle"),
    )


def _close(request: HttpRequest, event_id: int) -> None:
    actions.close_event(by=request.actor, now=clock.now(), event_id=event_id)  # type: ignore[attr-defined]


ACTS: dict[str, Callable[[HttpRequest, int], None]] = {
    "post": _post,
    "person": _person,
    "move-on": _move_on,
    "count": _count,
    "roster": _roster,
    "release": _release,
    "victim": _victim,
    "close": _close,
}


@page(permission="emergency.dispatch")
@require_POST
def act(request: HttpRequest, event_id: int, action: str) -> HttpResponse:
    """One act on an event; what goes wrong is said on its page."""
    if action not in ACTS:
        raise NotFound(t("没有这个操作", "No such action"))
    try:
        ACTS[action](request, event_id)
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return HttpResponseRedirect(f"/dispatch/events/{event_id}")
