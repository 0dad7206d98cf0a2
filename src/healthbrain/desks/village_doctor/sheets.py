"""What the national record sheets print: the visits of one resident, and what the record knows besides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from healthbrain.care import queries as care
from healthbrain.desks import forms
from healthbrain.desks.hospital_doctor.opening import Opened
from healthbrain.desks.i18n import months_of
from healthbrain.desks.shell import as_of, is_synthetic
from healthbrain.desks.village_doctor import papers
from healthbrain.kernel.masking import mask_id_number
from healthbrain.records import queries as records
from healthbrain.records.terms import term

MOST = 12  # visits looked through for a sheet whose columns are ages
YEAR = dt.timedelta(days=365)
SEXES = {"1": "1 男", "2": "2 女"}


def open_tasks(enrolments: Iterable[Any]) -> list[Any]:
    """Their open tasks, the most pressing first."""
    found = [task for e in enrolments for task in e.tasks]
    return sorted(found, key=lambda task: (not task.urgent, task.due))


def context(request: HttpRequest, opened: Opened, sheet: papers.Sheet, *, masked: bool = True) -> dict[str, Any]:
    """The sheet filled in with the last visits, oldest first, empty columns for the rest."""
    actor, day, person = request.actor, as_of(request), opened.resident  # type: ignore[attr-defined]
    form = forms.load(sheet.form)
    limit = MOST if sheet.ages else sheet.columns
    events = records.history(actor, person.id, opened.purpose).events
    found = list(records.forms(actor, person.id, form.id, opened.purpose, limit=limit))[::-1]
    days = care.days_done(person.id, form.programme, form.answers[form.programme], day)
    found = _with_others(form, found, events, days)[-limit:]
    enrolments = care.enrolments(actor, person.id, day, opened.purpose)
    enrolment = next((e for e in enrolments if e.programme == form.programme), None)
    tall = _height(form, events)
    visits: list[dict[str, Any] | None] = []
    for index, row in enumerate(found):
        newest = index == len(found) - 1
        state = enrolment.risk_level if enrolment and newest else ""
        sort = forms.classify(form, row["values"], state)
        told = {
            "date": papers.date(row["at"]),
            "by": row["by"],
            "bmi": f"{forms.body_mass_index(tall | row['values']) or ''}",
            "classification": f"{sort['number']} {sort['zh']}" if sort else "",
            "next": papers.date(_next(form, enrolment, day)) if newest else "",
        }
        visits.append(row | {"told": told})
    columns = _by_age(sheet, visits, person.birth_date) if sheet.ages else visits + [None] * sheet.columns
    known = _known(opened, events, day, masked=masked)
    return {
        "sheet": sheet, "person": person, "lines": papers.lines(sheet, columns[: sheet.columns], known),
    }  # fmt: skip


def _with_others(form: forms.Form, found: list[Any], events: Sequence[Any], days: Sequence[dt.date]) -> list[Any]:
    """With the visits that counted and were not typed here: what other institutions measured on those days."""
    typed = {row["at"].date() for row in found}
    others = []
    for day in days:
        of_day = sorted((e for e in events if e.at.date() == day), key=lambda e: e.at)
        if day in typed or not of_day:
            continue
        newest = {e.code: e for e in of_day if e.kind == "observation" and not e.flag}
        values = {item.id: value for item in form.fields if (value := _measured(item, newest.get(item.code)))}
        way = next((e.code.partition("|")[2] for e in of_day if e.code.startswith("class|")), "")
        if form.has("visit_mode") and form.field("visit_mode").words_of(way) != way:
            values["visit_mode"] = way
        where = next((e.organisation for e in of_day if e.code in newest), of_day[0].organisation)
        others.append({"at": of_day[-1].at, "values": values, "by": where})
    return sorted([*found, *others], key=lambda row: row["at"])


def _height(form: forms.Form, events: Sequence[Any]) -> dict[str, float]:
    """The last height, for the body mass index: it is measured once a year, the weight at each visit."""
    code = form.field("height").code if form.has("height") else ""
    known = [e for e in events if code and e.code == code and e.value is not None and not e.flag]
    return {"height": max(known, key=lambda e: e.at).value} if known else {}


def _measured(item: forms.Field, event: Any) -> Any:
    """The answer an observation gives to a field; None when it gives none."""
    if event is None:
        return None
    if item.kind == "number":
        return event.value
    known = any(option.value == event.text for option in item.options)
    return ([event.text] if item.kind == "choices" else event.text) if known else None


def _next(form: forms.Form, enrolment: Any, day: dt.date) -> dt.date | None:
    """When this form is due again; when it is not, what the programme asks for next."""
    coming = [task for task in (enrolment.tasks if enrolment else []) if task.due >= day]
    own = [task for task in coming if task.task in form.answers[form.programme]]
    return min((task.due for task in own or coming), default=None)


def _by_age(sheet: papers.Sheet, visits: list[Any], born: dt.date | None) -> list[Any]:
    """Of each age the last visit made in it."""
    ages = [(months_of(born, visit["at"].date()), visit) for visit in visits]
    return [
        next((visit for months, visit in reversed(ages) if months is not None and low <= months < high), None)
        for _, low, high in sheet.ages
    ]


def _known(opened: Opened, events: Sequence[Any], day: dt.date, *, masked: bool) -> dict[str, str]:
    """What the record says, as the papers write it: who, the year's results, diagnoses, stays, drugs, vaccinations."""
    person = opened.resident
    year = [one for one in events if one.at.date() > day - YEAR]
    results: dict[str, Any] = {}
    for one in sorted(year, key=lambda one: one.at):
        if one.kind == "observation" and one.value is not None and not one.flag:
            results[f"={one.code}"] = f"{one.value:g}"
    stays = [v for v in records.visits(year) if v.visit_class.code == "class|IMP"]
    drugs = [m for m in records.medication(events, as_of=day) if m.current]
    given = [e for e in year if e.kind == "immunization"]
    return results | {
        "sex": SEXES.get(person.sex, "9 未说明的性别"),
        "born": papers.date(person.birth_date),
        "address": "",
        "id_number": (mask_id_number(person.id_number) if masked else person.id_number) or "",
        "diagnoses": "、".join(d.term.zh for d in records.diagnoses(events)),
        "stays": _listed(
            [f"{papers.date(v.at)} {v.organisation}" for v in stays], "入/出院日期 原因 医疗机构名称 病案号"
        ),
        "medicines": _listed([m.term.zh for m in drugs], "药物名称 用法 用量 用药时间 服药依从性"),
        "vaccinations": _listed(
            [f"{term(e.code).zh} {papers.date(e.at)} {e.organisation}" for e in given], "名称 接种日期 接种机构"
        ),
    }


def _listed(found: list[str], asked: str) -> str:
    """What the record has; nothing: what the paper asks for, with room for the pen."""
    return "；".join(found) or asked.replace(" ", papers.BLANK)


def pdf(request: HttpRequest, data: dict[str, Any]) -> bytes:
    """The sheet as PDF, fonts from this machine, nothing fetched."""
    from weasyprint import HTML

    markup = render_to_string(
        "village_doctor/sheet_paper.html",
        data | {"today": as_of(request), "shell_synthetic": is_synthetic()},
        request=request,
    )

    def refuse(address: str, *args: Any, **kwargs: Any) -> Any:
        raise ValueError(f"a record sheet fetches nothing: {address}")

    return bytes(HTML(string=markup, url_fetcher=refuse).write_pdf())
