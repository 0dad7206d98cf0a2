"""What if: move, add or close a station or vehicle, and see the county before and after; seats and lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.desks.dispatcher import maps, words
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.queries import planning, roads
from healthbrain.dispatch.rules.plans import apply
from healthbrain.kernel.errors import HealthBrainError


@page(permission="emergency.plan")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """The plan is in the address: it can be sent to somebody, and 'back' undoes a step."""
    plan = request.GET.get("plan", "")
    if request.GET.get("x"):
        return HttpResponseRedirect(_url("", _placed(request, plan), _policies(request)))
    day, error, policies = as_of(request), "", _policies(request)
    now = planning.sites_now()
    try:
        sites = apply(plan, now)
    except HealthBrainError as problem:
        error, sites = str(problem), now
    context = {
        "plan": plan,
        "error": error,
        "sites": sites,
        "with_word": lambda word: _url("", f"{plan},{word}".strip(","), policies),
        "undo": _url("", plan.rpartition(",")[0], policies),
        "figures_url": _url("/figures", plan, policies, 1),
        "policies": policies,
        "usual": planning.POLICY,
        "choices": {name: t(*words.POLICIES[name]) for name in planning.POLICIES},
        "playing": bool(plan) or policies[0] != policies[1],
        "plane": maps.plane(),
        "marks": _marks(sites),
        "lines": _lines(request, day),
        "sirens": roads.siren_speeds(request.actor),  # type: ignore[attr-defined]
        **words.context(),
    }
    return render(request, "dispatcher/planning.html", context)


def _policies(request: HttpRequest) -> tuple[str, str]:
    """How today's vehicles are sent in the simulation, and how the plan's."""
    before, after = (request.GET.get(name, "") or planning.POLICY for name in ("before", "after"))
    return before, after


def _url(page: str, plan: str, policies: tuple[str, str], replications: int = 0) -> str:
    """Plan and policies in one address; the usual policy goes without saying. `n` stands last."""
    given = {"before": policies[0], "after": policies[1]}
    query = {"plan": plan} | {name: one for name, one in given.items() if one != planning.POLICY}
    query |= {"n": str(replications)} if replications else {}
    return f"/dispatch/planning{page}?{urlencode(query)}"


@page(permission="emergency.plan")
@require_GET
def figures(request: HttpRequest) -> HttpResponse:
    """The plan after `n` replications. The answer asks for one more by itself until it has all, or the reader stops."""
    plan, wanted, policies = request.GET.get("plan", ""), request.GET.get("n", ""), _policies(request)
    done = min(int(wanted), planning.REPLICATIONS) if wanted.isdigit() and int(wanted[:4]) else 1
    context: dict[str, Any] = {"found": None, "error": "", "all": planning.REPLICATIONS, "norms": knowledge.norms()}
    try:
        actor: Any = request.actor  # type: ignore[attr-defined]
        found = planning.what_if(actor, plan, day=as_of(request), replications=done, policies=policies)
        sites = apply(plan, planning.sites_now())
        context |= {"found": found, "plane": maps.plane(), "marks": _marks(sites, found.townships)}
    except HealthBrainError as problem:
        context["error"] = str(problem)
    stopped = bool(request.GET.get("stop"))
    more = not stopped and done < planning.REPLICATIONS
    context |= {
        "stopped": stopped,
        "policy_names": [t(*words.POLICIES[name]) for name in policies] if policies[0] != policies[1] else [],
        "next": _url("/figures", plan, policies, done + 1) if more and not context["error"] else "",
        "stop": _url("/figures", plan, policies, done) + "&stop=1",
        "onward": _url("/figures", plan, policies, done + 1) if stopped else "",
    }
    return render(request, "dispatcher/planning_figures.html", context)


def _placed(request: HttpRequest, plan: str) -> str:
    """A click on the map moves the chosen station, or adds a new one."""
    x, y = request.GET.get("x", ""), request.GET.get("y", "")
    moving = request.GET.get("moving", "")
    word = f"m{moving}@{x};{y}" if moving.isdigit() else f"a@{x};{y}*1"
    return f"{plan},{word}".strip(",")


def _marks(sites: list[Any], towns: tuple[planning.Row, ...] = ()) -> list[maps.Mark]:
    """Townships with their mean minutes once they are known, hospitals, and the plan's stations."""
    at, known = maps.plane(), {town.name: town for town in towns}
    fixed = [_with_mean(m, known.get(m.label)) for m in maps.fixed_marks() if m.kind != "station"]
    return maps.legible(fixed + [maps.Mark("station", s.name, at.px(s.x), at.py(s.y), s.change) for s in sites])


def _with_mean(mark: maps.Mark, town: planning.Row | None) -> maps.Mark:
    if mark.kind != "town" or town is None:
        return mark
    label = f"{mark.label} {town.mean.before.mean:.1f} → {town.mean.after.mean:.1f}"
    tone = "" if not town.mean.sure else "better" if town.mean.change.mean < 0 else "worse"
    return replace(mark, label=label, tone=tone)


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
