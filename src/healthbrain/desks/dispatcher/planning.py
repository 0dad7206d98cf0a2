"""What if: move, add or close a station or vehicle, and see the county before and after; seats and lines."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.desks.dispatcher import maps, words
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.queries import planning
from healthbrain.dispatch.rules.plans import apply
from healthbrain.kernel.errors import HealthBrainError


@page(permission="emergency.plan")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """The plan is in the address: it can be sent to somebody, and 'back' undoes a step."""
    plan = request.GET.get("plan", "")
    if request.GET.get("x"):
        return HttpResponseRedirect(f"/dispatch/planning?plan={quote(_placed(request, plan))}")
    day, error, found = as_of(request), "", None
    now = planning.sites_now()
    try:
        sites = apply(plan, now)
        if plan:
            found = planning.what_if(request.actor, plan, day=day)  # type: ignore[attr-defined]
    except HealthBrainError as problem:
        error, sites = str(problem), now
    context = {
        "plan": plan,
        "error": error,
        "found": found,
        "sites": sites,
        "norms": knowledge.norms(),
        "with_word": lambda word: f"/dispatch/planning?plan={quote(f'{plan},{word}'.strip(','))}",
        "undo": f"/dispatch/planning?plan={quote(plan.rpartition(',')[0])}",
        "plane": maps.plane(),
        "marks": _marks(sites),
        "one": None,
        "lines": _lines(request, day),
        **words.context(),
    }
    return render(request, "dispatcher/planning.html", context)


def _placed(request: HttpRequest, plan: str) -> str:
    """A click on the map moves the chosen station, or adds a new one."""
    x, y = request.GET.get("x", ""), request.GET.get("y", "")
    moving = request.GET.get("moving", "")
    word = f"m{moving}@{x};{y}" if moving.isdigit() else f"a@{x};{y}*1"
    return f"{plan},{word}".strip(",")


def _marks(sites: list[Any]) -> list[maps.Mark]:
    at = maps.plane()
    fixed = [m for m in maps.fixed_marks() if m.kind != "station"]
    return fixed + [maps.Mark("station", s.name, at.px(s.x), at.py(s.y), s.change) for s in sites]


def _lines(request: HttpRequest, day: Any) -> dict[str, Any]:
    """The calculator: what was typed, else the county's busiest hour and the norms."""
    start = knowledge.lines()
    given = {
        "calls": planning.busiest_hour(day),
        "talk": start["talk"],
        "within": float(knowledge.norms()["answer"]["value"]),
        "share": 100 * start["answer_share"],
        "blocking": 100 * start["blocking"],
    }
    try:
        given |= {name: float(request.GET[name]) for name in given if request.GET.get(name)}
        found = planning.lines(
            request.actor,  # type: ignore[attr-defined]
            calls_per_hour=given["calls"],
            talk_s=given["talk"],
            within_s=given["within"],
            share=given["share"] / 100,
            blocking=given["blocking"] / 100,
        )
    except (ValueError, HealthBrainError) as error:
        text = str(error) if isinstance(error, HealthBrainError) else t("请填数字", "Numbers, please")
        return {"given": given, "found": None, "error": text}
    return {"given": given, "found": found, "error": ""}
