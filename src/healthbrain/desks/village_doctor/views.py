"""Today, why, and one resident in one key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from healthbrain.access.gate import page
from healthbrain.care import actions as care_actions
from healthbrain.care import queries as care
from healthbrain.desks import forms
from healthbrain.desks.hospital_doctor.opening import Opened, open_record
from healthbrain.desks.i18n import age_of, months_of, said, sex_of, t
from healthbrain.desks.i18n import day as day_words
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import as_of, render, say
from healthbrain.desks.village_doctor import lines, papers
from healthbrain.kernel.errors import Invalid
from healthbrain.records import queries as records
from healthbrain.records.terms import answer_words, unit_words

PROGRAMMES = {  # chips, in the order a station works
    "hypertension": ("高血压", "Hypertension"),
    "type-2-diabetes": ("2型糖尿病", "Type-2 diabetes"),
    "copd": ("慢阻肺", "COPD"),
    "elderly": ("老年人", "Elderly"),
    "child-0-6": ("0–6岁儿童", "Children 0–6"),
    "hypertension-risk": ("高血压高危", "Hypertension risk"),
    "hypertension-screening": ("35岁测血压", "Pressure from 35"),
    "copd-screening": ("慢阻肺筛查", "COPD screening"),
    "colorectal-screening": ("大肠癌筛查", "Colorectal screening"),
}
STATE_WORDS = {
    "urgent": ("紧急", "urgent"),
    "overdue": ("逾期", "overdue"),
    "due": ("到期", "due"),
    "abnormal": ("异常", "abnormal"),
    "returned": ("退回", "returned"),
    "upcoming": ("可提前办", "can be done early"),
}
HOLDS = {  # why a task waits: its words, and the action
    "deferred": (("改期", "Later"), care_actions.defer),
    "refused": (("居民不愿做", "The resident refuses"), care_actions.refuse),
    "contraindicated": (("不适合做（医学原因）", "Not suitable (medical grounds)"), care_actions.contraindicate),
}
FIRST = ("loinc|8480-6", "loinc|14771-0", "loinc|4548-4", "loinc|29463-7")  # blood pressure, glucose, HbA1c, weight
SHOWN_ITEMS = 6
SHOWN_READINGS = 4


@dataclass(frozen=True, slots=True)
class Reading:
    code: str
    label: str
    unit: str
    points: list[tuple[str, Any]]


@page(permission="care.work")
def today(request: HttpRequest) -> HttpResponse:
    """The day's work, answer first."""
    day = as_of(request)
    columns = [
        Column("name", t("姓名", "Name"), sortable=True, value=lambda line: lines.masked(line.name)),
        Column("sex", t("性别", "Sex"), value=lambda line: sex_of(line.sex)),
        Column("age", t("年龄", "Age"), value=lambda line: age_of(line.birth_date, day)),
        Column("programme", t("项目", "Programme"), sortable=True, value=lambda line: _programme(line.programme)),
        Column("what", t("要做的事", "What to do"), value=lambda line: line.what),
        Column("why", t("为什么", "Why"), value=lambda line: line.why),
        Column("due", t("最迟", "Due"), sortable=True, value=lambda line: line.due.isoformat()),
        Column("state", t("状态", "State"), value=lambda line: t(*STATE_WORDS[line.state])),
    ]
    listing = Listing.of(request, columns)
    chosen = {key: request.GET.get(key, "") for key in ("programme", "state")}
    text = request.GET.get("q", "").strip()
    rows, listing.total, answer = lines.today(
        request.actor,  # type: ignore[attr-defined]
        day,
        programme=chosen["programme"],
        state=chosen["state"] if chosen["state"] in STATE_WORDS else "",
        text=text,
        limit=listing.limit,
        offset=listing.offset,
        order=listing.order,
    )
    listing.rows = rows
    if listing.exporting:
        return listing.workbook(request, t("今日任务", "Today's tasks"))
    context = {
        "listing": listing,
        "answer": answer,
        "states": [(key, t(*STATE_WORDS[key]), answer.counts.get(key, 0)) for key in STATE_WORDS],
        "programme_chips": _chips(listing, "programme", chosen["programme"], PROGRAMMES),
        "chosen": chosen,
        "text": text,
    }
    return render(request, "village_doctor/today.html", context)


def _programme(name: str) -> str:
    return t(*PROGRAMMES[name]) if name in PROGRAMMES else name


def _chips(listing: Listing, key: str, chosen: str, words: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    every = {"label": t("全部", "All"), "href": listing.url(**{key: None}), "on": not chosen}
    return [every] + [
        {"label": t(zh, en), "href": listing.url(**{key: name}), "on": chosen == name}
        for name, (zh, en) in words.items()
    ]


@page(permission="care.work")
def why(request: HttpRequest, task_id: int) -> HttpResponse:
    """Why this task: inputs with dates and institutions, threshold, document and clause, version."""
    day = as_of(request)
    context = {
        "explained": care.explain(task_id, request.actor, day),  # type: ignore[attr-defined]
        "unit": lambda code: said(unit_words(code)),
        "holds": [(kind, t(*words)) for kind, (words, _) in HOLDS.items()],
        "later": day + dt.timedelta(days=14),
    }
    return render(request, "village_doctor/why.html", context)


@page(permission="care.work")
@require_POST
def hold(request: HttpRequest, task_id: int) -> HttpResponse:
    """Not now, refused or not suitable until a day, with a reason; or taken up again."""
    day, actor, kind = as_of(request), request.actor, request.POST.get("kind", "")  # type: ignore[attr-defined]
    if kind == "resume":
        care_actions.resume(by=actor, task_id=task_id, as_of=day)
        say(request, t("这件事又在名单里了", "It is on the list again"))
        return HttpResponseRedirect("/today")
    try:
        until = dt.date.fromisoformat(request.POST.get("until", ""))
    except ValueError as error:
        raise Invalid(t("请填再提醒的日期", "Fill in the day to ask again")) from error
    if kind not in HOLDS:
        raise Invalid(t("请选为什么现在不做", "Choose why it is not done now"))
    HOLDS[kind][1](by=actor, task_id=task_id, reason=request.POST.get("reason", ""), until=until, as_of=day)
    say(request, t("已记下，{day}再提醒", "Noted: asked again on {day}", day=day_words(until, day)))
    return HttpResponseRedirect("/today")


@page(permission="care.work")
def resident(request: HttpRequest, resident_id: int) -> HttpResponse:
    """One resident in one key: who, how he stands in each programme, last readings, drugs, what is open."""
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    day, actor, person = as_of(request), request.actor, opened.resident  # type: ignore[attr-defined]
    history = records.history(actor, resident_id, opened.purpose)
    panels = records.results(history.events, sex=person.sex, birth=person.birth_date)
    enrolments = care.enrolments(actor, resident_id, day, opened.purpose)
    fitting = _fitting({e.programme for e in enrolments})
    context = {
        "person": person,
        "enrolments": enrolments,
        "readings": latest_readings(panels),
        "medicines": [m for m in records.medication(history.events, as_of=day) if m.current],
        "diagnoses": records.diagnoses(history.events)[:8],
        "actions": _with_actions(enrolments, resident_id, day),
        "forms": _named(fitting),
        "sheets": papers.for_forms(fitting, months_of(person.birth_date, day)),
    }
    return render(request, "village_doctor/resident.html", context)


def _fitting(programmes: set[str]) -> list[str]:
    """Forms of the programmes a resident is in; the follow-ups and a blood pressure when he is in none."""
    fitting = [name for name in forms.form_ids() if _fits(forms.load(name), programmes)]
    return fitting or [
        name for name in forms.form_ids() if forms.load(name).classification or name == "blood-pressure-check"
    ]


def _fits(form: forms.Form, programmes: set[str]) -> bool:
    """One of its programmes is enough; a form for two conditions is for those who have both."""
    return programmes >= set(form.answers) if form.parts else bool(programmes & set(form.answers))


def _named(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, said(forms.load(name).short)) for name in names]


def _with_actions(enrolments: Sequence[Any], resident_id: int, day: dt.date) -> list[tuple[Any, list[Any]]]:
    """The enrolments with their tasks and what to press for each."""
    together = care.waiting_together([resident_id], lines.FOLLOW_UP, day).get(resident_id, set())
    return [
        (e, [(t, *lines.action_of(e.programme, t.task, resident_id, t.task_id, together)) for t in e.tasks])
        for e in enrolments
    ]


def latest_readings(panels: Sequence[Any]) -> list[Reading]:
    """A few results as they are spoken: blood pressure as one pair, what a follow-up looks at first."""
    found = []
    for panel in panels:
        first = panel.series[0]
        words = unit_words(first.unit)
        label = "/".join(t(s.term.zh, s.term.en) for s in panel.series[:2])
        found.append(Reading(first.term.code, label, t(words["zh"], words["en"]), _points(panel.series[:2])))
    order = {code: rank for rank, code in enumerate(FIRST)}
    found.sort(key=lambda reading: order.get(reading.code, len(order)))  # stable: the rest stays newest first
    return found[:SHOWN_ITEMS]


def _points(series: Sequence[Any]) -> list[tuple[str, Any]]:
    """(value in words, point) of one series, or of two that were taken together."""
    shown = []
    for point in series[0].points[:SHOWN_READINGS]:
        pair = [point, *[p for other in series[1:] for p in other.points if p.at == point.at][:1]]
        shown.append(("/".join(_spoken(p, series[0].term.code) for p in pair), point))
    return shown


def _spoken(point: Any, code: str) -> str:
    if point.value is not None:
        return f"{point.value:g}"
    return said(answer_words(point.text, code)) if point.text else "—"
