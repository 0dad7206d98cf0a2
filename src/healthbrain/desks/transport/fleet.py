"""The planner's vehicles: out of service and back, who drives, the shift; families phoned."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.access.queries import accounts
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.desks.transport import words
from healthbrain.desks.transport.board import chosen_day, moment
from healthbrain.dispatch.actions import transport_fleet
from healthbrain.dispatch.queries import transport as reads
from healthbrain.dispatch.rules.transport import Spot
from healthbrain.kernel.errors import HealthBrainError, Invalid


@page(permission="transport.plan")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """All vehicles with crew and shift."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    board = reads.day_board(actor, day=as_of(request), now=moment(request))
    drivers = [one for one in accounts() if one.role == "transport_driver" and one.is_active]
    context = {"vehicles": board.vehicles, "drivers": drivers, "doors": reads.doors(), **words.context()}
    context["tomorrow"] = as_of(request) + dt.timedelta(days=1)
    return render(request, "transport/fleet.html", context)


@page(permission="transport.plan")
@require_POST
def working(request: HttpRequest, vehicle_id: int) -> HttpResponse:
    """Out of service, or back; the answer says what became of its rides."""
    back = request.POST.get("working") == "yes"
    try:
        lost = transport_fleet.set_working(
            by=request.actor, now=moment(request), vehicle_id=vehicle_id, working=back,  # type: ignore[attr-defined]
            reason=request.POST.get("reason", ""), stands_at=_spot(request), back_on=_back_on(request),
        )  # fmt: skip
    except HealthBrainError as error:
        say(request, str(error), level="failed")
        return HttpResponseRedirect("/transport/vehicles")
    if back:
        say(request, t("车辆已恢复；有未能安排的行程请重排", "Back; plan anew if rides have no vehicle"))
    elif lost.broken:
        text = t("{n} 个行程已转给其他车；{m} 家要马上打电话", "{n} rides moved; {m} families to phone now",
                 n=lost.moved, m=len(lost.broken))  # fmt: skip
        say(request, text, level="failed")
    else:
        say(request, t("已停用，{n} 个行程已转给其他车", "Out of service, {n} rides moved", n=lost.moved))
    if lost.later:
        say(request, t("以后还有 {n} 个行程留在这辆车上", "{n} rides of later days are still on it", n=lost.later))
    return HttpResponseRedirect("/transport")


def _back_on(request: HttpRequest) -> dt.date | None:
    """The day it works again; None when nobody knows."""
    text = request.POST.get("back_on", "").strip()
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Invalid(t("请选恢复日期", "Choose the day it is back")) from error


def _spot(request: HttpRequest) -> Spot | None:
    label = request.POST.get("stands_at", "").strip()
    if not label:
        return None
    door = next((d for d in reads.doors() if d.label == label), None)
    if door is None:
        raise Invalid(t("找不到地点“{label}”", "Unknown place “{label}”", label=label))
    return Spot(label, door.spot.x, door.spot.y)


def _time(request: HttpRequest, name: str) -> dt.time:
    try:
        return dt.time.fromisoformat(request.POST.get(name, ""))
    except ValueError as error:
        raise Invalid(t("时间写成 14:10 这样", "Write the time like 14:10")) from error


@page(permission="transport.plan")
@require_POST
def crew(request: HttpRequest, vehicle_id: int) -> HttpResponse:
    """Driver and shift of a vehicle."""
    chosen = request.POST.get("crew", "")
    try:
        broken = transport_fleet.assign_crew(
            by=request.actor, now=moment(request), vehicle_id=vehicle_id,  # type: ignore[attr-defined]
            account_id=int(chosen) if chosen.isdigit() and len(chosen) < 16 else None,
            shift_from=_time(request, "from"), shift_until=_time(request, "until"),
        )  # fmt: skip
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    else:
        if broken:
            text = t(
                "已保存；{n} 个已告知的行程排不下，请打电话", "Saved; {n} told rides do not fit: phone", n=len(broken)
            )
            say(request, text, level="failed")
        else:
            say(request, t("车组和班次已保存", "Crew and shift saved"))
    return HttpResponseRedirect("/transport/vehicles")


@page(permission="transport.plan")
@require_POST
def phoned(request: HttpRequest, ride_id: int) -> HttpResponse:
    """This family has been phoned."""
    transport_fleet.phoned(by=request.actor, now=moment(request), ride_id=ride_id)  # type: ignore[attr-defined]
    say(request, t("已记为电话告知", "Kept: phoned"))
    return HttpResponseRedirect(f"/transport?day={chosen_day(request)}")
