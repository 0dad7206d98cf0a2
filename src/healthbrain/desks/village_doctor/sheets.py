"""What the national record sheets print: the visits of one resident, and what the record knows besides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
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
    found = list(records.forms(actor, person.id, form.id, opened.purpose, limit=limit))[::-1]
    enrolments = care.enrolments(actor, person.id, day, opened.purpose)
    enrolment = next((e for e in enrolments if e.programme == form.programme), None)
    visits: list[dict[str, Any] | None] = []
    for index, row in enumerate(found):
        newest = index == len(found) - 1
        state = enrolment.risk_level if enrolment and newest else ""
        sort = forms.classify(form, row["values"], state)
        told = {
            "date": papers.date(row["at"]), "by": row["by"], "bmi": f"{forms.body_mass_index(row['values']) or ''}",
            "classification": f"{sort['number']} {sort['zh']}" if sort else "",
            "next": papers.date(_next(form, enrolment, day)) if newest else "",
        }  # fmt: skip
        visits.append(row | {"told": told})
    columns = _by_age(sheet, visits, person.birth_date) if sheet.ages else visits + [None] * sheet.columns
    known = _known(request, opened, day, masked=masked)
    return {
        "sheet": sheet, "person": person, "lines": papers.lines(sheet, columns[: sheet.columns], known),
    }  # fmt: skip


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


def _known(request: HttpRequest, opened: Opened, day: dt.date, *, masked: bool) -> dict[str, str]:
    """What the record says, as the papers write it: who, the year's results, diagnoses, stays, drugs, vaccinations."""
    person = opened.resident
    events = records.history(request.actor, person.id, opened.purpose).events  # type: ignore[attr-defined]
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
