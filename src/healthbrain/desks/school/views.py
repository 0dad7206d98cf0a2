"""Today's classes, one class, the rest in one go, undo, history."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from healthbrain.access.gate import page
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.surveillance import knowledge
from healthbrain.surveillance.actions import signals as actions
from healthbrain.surveillance.actions.signals import Line
from healthbrain.surveillance.queries import feeds
from healthbrain.surveillance.queries.feeds import ClassDay, SchoolDay


def moment(request: HttpRequest) -> dt.datetime:
    """Now, on the day the pages speak of."""
    now = clock.now()
    return now.replace(year=(day := as_of(request)).year, month=day.month, day=day.day)


def chosen_day(request: HttpRequest) -> dt.date:
    """The day asked for, at the latest today."""
    try:
        return min(dt.date.fromisoformat(request.GET.get("day", "")), as_of(request))
    except ValueError:
        return as_of(request)


def school_of(request: HttpRequest, day: dt.date) -> SchoolDay:
    found = feeds.school_day(request.actor, day=day)  # type: ignore[attr-defined]
    if found is None:
        raise NotFound(
            t("您的单位还没有登记班级", "Your place has no classes yet"),
            hint=t("请联系疾控中心登记学校和班级。", "Ask the disease-control centre to register it."),
        )
    return found


@page(permission="absence.report")
def today(request: HttpRequest) -> HttpResponse:
    """Which classes told, which are missing; the rest told at full attendance with one button."""
    day = chosen_day(request)
    school = school_of(request, day)
    return render(
        request, "school/today.html",
        {"school": school, "day": day, "missing": [c for c in school.classes if not c.told], "words": _words(school),
         "earlier": day - dt.timedelta(days=1), "later": day + dt.timedelta(days=1)},
    )  # fmt: skip


def _words(school: SchoolDay) -> dict[int, str]:
    """What a class told, in words: 呕吐 3、事假 1."""
    names = {key: t(row["zh"], row["en"]) for key, row in knowledge.chips().items()}
    found = {}
    for one in school.classes:
        parts = [f"{names[chip]} {n}" for chip, n in one.symptoms.items()]
        parts += [t("事假 {n}", "leave {n}", n=one.absent_other)] if one.absent_other else []
        found[one.class_id] = t("、", ", ").join(parts) or t("全勤", "All present")
    return found


@page(permission="absence.report")
def school_class(request: HttpRequest, class_id: int) -> HttpResponse:
    """One class: yesterday's figures stand there already; steppers change them."""
    day = chosen_day(request)
    school = school_of(request, day)
    one = next((c for c in school.classes if c.class_id == class_id), None)
    if one is None:
        raise NotFound(t("没有这个班", "No such class"))
    error = ""
    if request.method == "POST":
        try:
            return _save(request, school, one, day)
        except Invalid as refused:
            error = refused.message
    start = one.symptoms if one.told else one.before
    context = {
        "school": school, "one": one, "day": day, "error": error,
        "symptoms": _chips("symptoms", start, one, request), "diagnosed": _chips("diagnosed", start, one, request),
        "other": request.POST.get("other", one.absent_other),
    }  # fmt: skip
    return render(request, "school/class.html", context, status=422 if error else 200)


def _chips(part: str, start: dict[str, int], one: ClassDay, request: HttpRequest) -> list[dict[str, Any]]:
    rows = knowledge.read("absence")[part]
    return [
        {
            "key": key, "word": t(row["zh"], row["en"]), "value": request.POST.get(f"n-{key}", start.get(key, 0)),
            "before": one.before.get(key, 0),
        }
        for key, row in rows.items()
    ]  # fmt: skip


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "").strip() or "0"
    if not text.isdigit() or len(text) > 4:
        raise Invalid(t("人数要填整数", "A whole number of pupils"))
    return int(text)


def _save(request: HttpRequest, school: SchoolDay, one: ClassDay, day: dt.date) -> HttpResponse:
    ill = {chip: _number(request, f"n-{chip}") for chip in knowledge.chips()}
    absent = _number(request, "absent") if request.POST.get("absent", "").strip() else None
    line = Line(one.class_id, symptoms=ill, absent_ill=absent, absent_other=_number(request, "other"))
    report = actions.report_absence(
        by=request.actor,  # type: ignore[attr-defined]
        organisation_id=school.organisation_id, day=day, lines=[line], now=moment(request),
    )  # fmt: skip
    total = sum(ill.values())
    words = t("病 {n} 人", "{n} ill", n=total) if total else t("全勤", "all present")
    say(request, t("{c} 已报：{w}", "{c} told: {w}", c=one.title, w=words), undo_url=f"/absence/reports/{report}/undo")
    return HttpResponseRedirect(_address(day, as_of(request)))


def _address(day: dt.date, today: dt.date) -> str:
    return "/absence" if day == today else f"/absence?day={day}"


@page(permission="absence.report")
@require_POST
def rest(request: HttpRequest) -> HttpResponse:
    """All classes that have not told yet are at full attendance."""
    day = chosen_day(request)
    school = school_of(request, day)
    lines = [Line(c.class_id) for c in school.classes if not c.told]
    if lines:
        report = actions.report_absence(
            by=request.actor,  # type: ignore[attr-defined]
            organisation_id=school.organisation_id, day=day, lines=lines, now=moment(request),
        )  # fmt: skip
        say(
            request, t("{n} 个班已报全勤", "{n} classes told: all present", n=len(lines)),
            undo_url=f"/absence/reports/{report}/undo",
        )  # fmt: skip
    return HttpResponseRedirect(_address(day, as_of(request)))


@page(permission="absence.report")
@require_POST
def undo(request: HttpRequest, report_id: int) -> HttpResponse:
    """Take back one report; what stood before holds again."""
    actions.withdraw_report(by=request.actor, report_id=report_id, now=moment(request))  # type: ignore[attr-defined]
    say(request, t("已撤销", "Taken back"))
    return HttpResponseRedirect("/absence/history" if request.POST.get("from") == "history" else "/absence")


@page(permission="absence.report")
def history(request: HttpRequest) -> HttpResponse:
    """What this school told, the newest first."""
    rows = feeds.history(request.actor)  # type: ignore[attr-defined]
    return render(request, "school/history.html", {"rows": rows, "channels": CHANNELS})


CHANNELS = {"desk": ("网页", "page"), "xlsx": ("表格", "sheet"), "feed": ("接口", "feed")}
