"""The driver's phone: who is next, where, one big button. Every press may come late and twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.desks.transport import words
from healthbrain.desks.transport.board import moment
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.actions import transport_drive
from healthbrain.dispatch.queries import transport as reads
from healthbrain.dispatch.rules.timeline import stamp
from healthbrain.kernel.errors import HealthBrainError, NotFound

STEPS: dict[str, Callable[..., bool]] = {
    "set-off": transport_drive.set_off,
    "pick-up": transport_drive.pick_up,
    "deliver": transport_drive.deliver,
    "no-show": transport_drive.no_show,
}


@page(permission="signed-in")
@require_GET
def show(request: HttpRequest, vehicle_id: int | None = None) -> HttpResponse:
    """The vehicle's day: its crew's own, the planner's any (checked by the query)."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    found = reads.vehicle_route(actor, vehicle_id, day=as_of(request), now=moment(request))
    return render(request, "transport/drive.html", {"drive": found, **words.context()})


def _reading(request: HttpRequest, name: str) -> dt.datetime | None:
    """The device's clock in milliseconds since 1970; nonsense counts as none."""
    try:
        return dt.datetime.fromtimestamp(float(request.POST.get(name, "")) / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


@page(permission="signed-in")
@require_POST
def step(request: HttpRequest, ride_id: int, step: str) -> HttpResponse:
    """One press; kept on the phone without a network (crew.js), so its own moment counts."""
    if step not in STEPS:
        raise NotFound(t("没有这个步骤", "No such step"))
    asks_json = request.headers.get("Accept") == "application/json"
    tolerance = knowledge.desk("clock_tolerance")
    when = stamp(moment(request), _reading(request, "pressed"), _reading(request, "sent"), tolerance=tolerance).at
    try:
        STEPS[step](by=request.actor, now=when, ride_id=ride_id)  # type: ignore[attr-defined]
    except HealthBrainError as error:
        if asks_json:
            return JsonResponse({"message": str(error)}, status=error.status)
        say(request, str(error), level="failed")
    if asks_json:
        return JsonResponse({})
    vehicle = request.POST.get("vehicle", "")
    return HttpResponseRedirect(f"/transport/drive/{vehicle}" if vehicle.isdigit() else "/transport/drive")
