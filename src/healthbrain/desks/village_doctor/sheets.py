"""The national record sheets: up to four visits side by side, as on paper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from healthbrain.care import queries as care
from healthbrain.desks import forms
from healthbrain.desks.hospital_doctor.opening import Opened
from healthbrain.desks.shell import as_of, is_synthetic
from healthbrain.records import queries as records

COLUMNS = 4  # visits a sheet holds


def open_tasks(enrolments: Iterable[Any]) -> list[Any]:
    """Their open tasks, the most pressing first."""
    found = [task for e in enrolments for task in e.tasks]
    return sorted(found, key=lambda task: (not task.urgent, task.due))


def context(request: HttpRequest, opened: Opened, form: forms.Form) -> dict[str, Any]:
    """The last four visits, oldest first, empty columns for the rest."""
    actor, day = request.actor, as_of(request)  # type: ignore[attr-defined]
    found = list(records.forms(actor, opened.resident.id, form.id, opened.purpose, limit=COLUMNS))[::-1]
    enrolments = care.enrolments(actor, opened.resident.id, day, opened.purpose)
    enrolment = next((e for e in enrolments if e.programme == form.programme), None)
    tasks = open_tasks([enrolment] if enrolment else [])
    upcoming = next((task.due for task in tasks if task.task == "follow-up"), None)
    visits: list[dict[str, Any] | None] = []
    for index, row in enumerate(found):
        newest = index == len(found) - 1
        state = enrolment.risk_level if enrolment and newest else ""
        visits.append(
            row
            | {
                "bmi": forms.body_mass_index(row["values"]),
                "classification": forms.classify(form, row["values"], state),
                "next": upcoming if newest else None,
            }
        )
    visits += [None] * (COLUMNS - len(visits))
    return {"form": form, "person": opened.resident, "visits": visits}


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
