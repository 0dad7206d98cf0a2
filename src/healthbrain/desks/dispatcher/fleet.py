"""The fleet on the map, and which move-ups would pay."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.desks.dispatcher import maps, words
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import render, say
from healthbrain.dispatch.actions import moves
from healthbrain.dispatch.queries import calls, fleet, roads
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError

BUSY = {"assigned", "rolling", "on-scene", "transporting", "at-hospital", "clearing"}


@page(permission="emergency.dispatch")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """Where everybody is; renewed by itself."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    now = clock.now()
    rows = fleet.fleet(actor, now=now)
    at = maps.plane()
    marks = maps.fixed_marks() + [
        maps.Mark("vehicle", r.code, at.px(r.x), at.py(r.y), _tone(r)) for r in rows if r.status != "idle"
    ]
    spots = [c for c in calls.queue(actor, now=now) if c.state in {"open", "waiting"}]
    changed = roads.road_changes(actor, now=now)
    context = {
        "closed": len(changed),
        "stretches": maps.stretches(changed),
        "rows": sorted(rows, key=lambda r: (r.status == "idle", not r.quiet, r.code)),
        "free": sum(r.status in {"idle", "returning"} and r.fleet == "emergency" for r in rows),
        "total": sum(r.fleet == "emergency" for r in rows),
        "quiet": [r for r in rows if r.quiet],
        "waiting": len(spots),
        "advice": fleet.move_ups(rows, day=now.date()),
        "plane": at,
        "marks": maps.legible(marks),
        "one": None,
        "ago": lambda seconds: t("没有位置", "no position") if seconds is None else words.minutes(seconds),
        **words.context(),
    }
    return render(request, "dispatcher/fleet.html", context)


@page(permission="emergency.dispatch")
@require_POST
def move(request: HttpRequest, vehicle_id: int, station_id: int) -> HttpResponse:
    """Send a free vehicle to wait at a station: the advice taken, or home again."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    try:
        name = moves.move_up(by=actor, now=clock.now(), vehicle_id=vehicle_id, station_id=station_id)
        say(request, t("已通知车组到 {name} 待命", "The crew is told to wait at {name}", name=name))
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return HttpResponseRedirect("/dispatch/fleet")


def _tone(row: fleet.FleetRow) -> str:
    if row.quiet:
        return "quiet"
    return "busy" if row.status in BUSY else "off" if row.status == "off" else ""
