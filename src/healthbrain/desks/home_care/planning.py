"""The unit's day: applications to assess, visits nobody can make first, a column of stops per nurse, changes told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods, require_POST

from healthbrain.access.gate import page
from healthbrain.desks import posted
from healthbrain.desks.home_care import words
from healthbrain.desks.i18n import day as daily
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.actions import homecare
from healthbrain.dispatch.actions import homecare_visits as visits
from healthbrain.dispatch.actions.homecare_week import plan_week
from healthbrain.dispatch.queries import homecare as reads
from healthbrain.dispatch.rules.home.model import Change
from healthbrain.kernel.errors import HealthBrainError, Invalid, NotFound
from healthbrain.notices import queries as messages

AHEAD = 14  # days of visits made at once from the page
LINES = 3  # plan lines on the form


def _day(request: HttpRequest) -> dt.date:
    return words.day_of(request.POST.get("day") or request.GET.get("day", ""), as_of(request))


@page(permission="homecare.plan")
def show(request: HttpRequest) -> HttpResponse:
    """The day board."""
    return _board(request, ())


def _board(request: HttpRequest, changes: Sequence[Change]) -> HttpResponse:
    actor: Any = request.actor  # type: ignore[attr-defined]
    day = _day(request)
    board = reads.board(actor, day)
    stops = {stop.id: stop for nurse in board.nurses for stop in nurse.stops} | {s.id: s for s in board.uncovered}
    context = {
        "board": board, "day": day, "earlier": day - dt.timedelta(days=1), "later": day + dt.timedelta(days=1),
        "open": [row for row in reads.applications(actor) if row.status == "applied"], "beds": reads.beds(actor),
        "changes": [(change, stops[int(change.visit)]) for change in changes if int(change.visit) in stops],
        "told": messages.told([stop.message for stop in stops.values() if stop.message]),
        "names": {nurse.id: nurse.name for nurse in board.nurses}, "services": knowledge.services(),
        **words.context(),
    }  # fmt: skip
    return render(request, "home_care/plan.html", context)


@page(permission="homecare.plan")
@require_http_methods(["GET", "POST"])
def week(request: HttpRequest) -> HttpResponse:
    """Seven days by nurse; a post plans them as one."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    first = _day(request)
    if request.method == "POST":
        try:
            left = plan_week(by=actor, now=words.moment(request), first=first)
        except HealthBrainError as error:
            say(request, str(error), level="failed")
        else:
            if left:
                failed = t("一周已排好，{n} 次上门没有护士能去", "Planned; {n} visits nobody can make", n=left)
                say(request, failed, level="failed")
            else:
                say(request, t("一周已排好，全部有人上门", "The week is planned; every visit is covered"))
        return HttpResponseRedirect(f"/homecare/plan/week?day={first}")
    context = {
        "week": reads.week(actor, first), "day": first, "earlier": first - dt.timedelta(days=7),
        "later": first + dt.timedelta(days=7), **words.context(),
    }  # fmt: skip
    return render(request, "home_care/week.html", context)


def _make(request: HttpRequest, day: dt.date) -> Sequence[Change]:
    actor: Any = request.actor  # type: ignore[attr-defined]
    visits.generate_visits(by=actor, first=day, last=day + dt.timedelta(days=AHEAD - 1))
    left = visits.plan_day(by=actor, now=words.moment(request), day=day)
    if left:
        say(request, t("已排好，{n} 次上门没有护士能去", "Planned; {n} visits nobody can make", n=left), level="failed")
    else:
        say(request, t("已排好，全部有人上门", "Planned; every visit is covered"))
    return ()


def _tell(request: HttpRequest, day: dt.date) -> Sequence[Change]:
    count = visits.tell_families(by=request.actor, now=words.moment(request), day=day)  # type: ignore[attr-defined]
    say(
        request,
        t("已告知 {n} 家；没有消息送达的请电话联系", "{n} families told; phone those no message reached", n=count),
    )
    return ()


def _out(request: HttpRequest, day: dt.date) -> Sequence[Change]:
    last = max(day, words.day_of(request.POST.get("until", ""), day))
    changed = visits.nurse_away(
        by=request.actor,  # type: ignore[attr-defined]
        now=words.moment(request),
        nurse_id=posted.whole(request, "nurse"),
        first=day,
        last=last,
        reason=request.POST.get("reason", ""),
    )
    if last > day:
        later = sum(len(changes) for one, changes in changed.items() if one > day)
        text = t(
            "到 {d} 都不派她，以后几天改了 {n} 处", "Out until {d}; {n} changes on later days", d=daily(last), n=later
        )
        say(request, text)
    elif not changed[day]:
        say(request, t("已记下，没有上门要改派", "Kept; none of her visits had to move"))
    return changed[day]


def _back(request: HttpRequest, day: dt.date) -> Sequence[Change]:
    nurse = posted.whole(request, "nurse")
    if visits.nurse_back(by=request.actor, now=words.moment(request), nurse_id=nurse, day=day):  # type: ignore[attr-defined]
        say(request, t("已恢复上班；要派给她请再排一次", "She is back; plan the day again to give her visits"))
    return ()


def _urgent(request: HttpRequest, day: dt.date) -> Sequence[Change]:
    earliest, latest = words.clock_time(request, "from"), words.clock_time(request, "until")
    return visits.urgent_visit(
        by=request.actor,  # type: ignore[attr-defined]
        now=words.moment(request),
        bed_id=posted.whole(request, "bed"),
        service=request.POST.get("service", ""),
        day=day,
        window=(earliest.hour * 60.0 + earliest.minute, latest.hour * 60.0 + latest.minute),
    )[1]


ACTS: dict[str, Callable[[HttpRequest, dt.date], Sequence[Change]]] = {
    "make": _make,
    "tell": _tell,
    "out": _out,
    "back": _back,
    "urgent": _urgent,
}


@page(permission="homecare.plan")
@require_POST
def act(request: HttpRequest, action: str) -> HttpResponse:
    """Plan, tell, repair. A repair answers with the board and what changed, told once."""
    if action not in ACTS:
        raise NotFound(t("没有这个操作", "No such action"))
    day = _day(request)
    try:
        changes = ACTS[action](request, day)
    except HealthBrainError as error:
        say(request, str(error), level="failed")
        changes = ()
    return _board(request, changes) if changes else HttpResponseRedirect(f"/homecare/plan?day={day}")


def _lines(request: HttpRequest) -> list[homecare.Line]:
    """The plan lines that name a service."""
    found = []
    for n in range(LINES):
        service = request.POST.get(f"service{n}", "")
        if service:
            days = tuple(int(d) for d in request.POST.getlist(f"days{n}") if d.isdigit())
            opens, closes = words.clock_time(request, f"from{n}"), words.clock_time(request, f"until{n}")
            found.append(homecare.Line(service, request.POST.get(f"goal{n}", ""), days, opens, closes))
    return found


def _assessment(request: HttpRequest, door: tuple[str, float, float] | None) -> homecare.Assessment:
    if door is None:
        raise Invalid(
            t("地图上没有这位居民的村或街道", "The map does not know this resident's village"),
            hint=t("请数据管理员补全行政区划", "ask the data steward to complete the division"),
        )
    scores = {name: int(v) for name in knowledge.scores() if (v := request.POST.get(name, "")).isdigit()}
    x, y = posted.figure(request, "x"), posted.figure(request, "y")
    return homecare.Assessment(
        scores, tuple(request.POST.getlist("findings")), request.POST.get("address", ""),
        door[1] if x is None else x, door[2] if y is None else y, request.POST.get("note", "").strip(),
    )  # fmt: skip


@page(permission="homecare.plan")
def assess(request: HttpRequest, application_id: int) -> HttpResponse:
    """The assessment at home: admit with a plan, or decline with the reason."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    row, error = reads.application(actor, application_id), ""
    door = reads.door(actor, row.person.id)
    if request.method == "POST":
        now = words.moment(request)
        try:
            if request.POST.get("do") == "decline":
                reason = request.POST.get("reason", "")
                homecare.decline(by=actor, now=now, application_id=application_id, reason=reason)
                say(request, t("已答复：不收治", "Answered: not admitted"))
            else:
                homecare.assess(
                    by=actor, now=now, application_id=application_id, assessment=_assessment(request, door),
                    plan=_lines(request), override=request.POST.get("override", "").strip(),
                )  # fmt: skip
                say(request, t("已建床，请生成并排好上门", "Admitted: now plan the visits"))
            return HttpResponseRedirect("/homecare/plan")
        except HealthBrainError as problem:
            error = str(problem)
    context = {
        "row": row, "door": door, "error": error, "known": knowledge.assessment(), "services": knowledge.services(),
        "weekday_names": [t(*pair) for pair in words.WEEKDAYS], "lines": range(LINES), "typed": words.typed(request),
        "findings": request.POST.getlist("findings"),
        "days": [request.POST.getlist(f"days{n}") for n in range(LINES)], **words.context(),
    }  # fmt: skip
    return render(request, "home_care/assess.html", context, status=422 if error else 200)


@page(permission="homecare.plan")
def bed(request: HttpRequest, bed_id: int) -> HttpResponse:
    """One home bed: review the goals, or discharge."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    found = next((one for one in reads.beds(actor) if one.id == bed_id), None)
    if found is None:
        raise NotFound(t("没有这张家庭病床，或已撤床", "No such home bed, or discharged"))
    error = ""
    if request.method == "POST":
        now = words.moment(request)
        try:
            if request.POST.get("do") == "discharge":
                count = homecare.discharge(by=actor, now=now, bed_id=bed_id, outcome=request.POST.get("outcome", ""))
                say(request, t("已撤床，取消 {n} 次上门", "Discharged; {n} visits cancelled", n=count))
            else:
                results = {item.id: request.POST.get(f"item{item.id}", "") for item in found.items}
                homecare.review(by=actor, now=now, bed_id=bed_id, results=results, note=request.POST.get("note", ""))
                say(request, t("已复评", "Reviewed"))
            return HttpResponseRedirect("/homecare/plan")
        except HealthBrainError as problem:
            error = str(problem)
    context = {"bed": found, "error": error, "known": knowledge.assessment(), **words.context()}
    return render(request, "home_care/bed.html", context, status=422 if error else 200)
