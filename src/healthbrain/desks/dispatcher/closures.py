"""Roads that are closed or slow: two clicks on the map, a reason, and every recommendation drives round it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.desks import posted
from healthbrain.desks.dispatcher import maps
from healthbrain.desks.dispatcher.acts import real
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import render, say
from healthbrain.dispatch.actions import roads
from healthbrain.dispatch.queries import roads as reads
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError, Invalid


@page(permission="emergency.dispatch")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """What is closed now. The first click is the start, the second the end; then the stretch is to be confirmed."""
    ends = [_point(request, *names) for names in (("x1", "y1"), ("x", "y"))]
    start, end = ends if ends[0] else (ends[1], None)
    km, line = reads.between(start, end) if start and end else (0.0, ())
    rows = reads.road_changes(request.actor, now=clock.now())  # type: ignore[attr-defined]
    at = maps.plane()
    dots = [maps.Mark("call", t("起点", "Start"), at.px(start[0]), at.py(start[1]))] if start else []
    context = {
        "rows": rows,
        "start": start,
        "end": end,
        "km": km,
        "plane": at,
        "marks": maps.legible(maps.fixed_marks() + dots),
        "stretches": maps.stretches(rows) + ([maps.stretch("chosen", "", line)] if line else []),
    }
    return render(request, "dispatcher/closures.html", context)


def _point(request: HttpRequest, across: str, up: str) -> tuple[float, float] | None:
    try:
        return float(request.GET[across]), float(request.GET[up])
    except (KeyError, ValueError):
        return None


@page(permission="emergency.dispatch")
@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """Close the stretch, or slow it down."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    try:
        share = posted.figure(request, "share")
        if share is None:
            raise Invalid(t("请选择封闭或缓行", "Choose closed or slow"))
        km = roads.change_road(
            by=actor,
            now=clock.now(),
            name=request.POST.get("name", ""),
            start=(real(request, "x1"), real(request, "y1")),
            end=(real(request, "x2"), real(request, "y2")),
            share=share,
            hours=posted.figure(request, "hours"),
        )
        say(
            request,
            t(
                "已生效：约 {km} 公里，推荐会绕开",
                "In force: about {km} km; recommendations go round it",
                km=f"{km:.1f}",
            ),
        )
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return HttpResponseRedirect("/dispatch/closures")


@page(permission="emergency.dispatch")
@require_POST
def lift(request: HttpRequest, change_id: int) -> HttpResponse:
    """The road is open again."""
    try:
        name = roads.lift(by=request.actor, now=clock.now(), change_id=change_id)  # type: ignore[attr-defined]
        say(request, t("已恢复通行：{name}", "Open again: {name}", name=name))
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return HttpResponseRedirect("/dispatch/closures")
