"""The past of a county that joins: key places, classes, and what they reported before anybody listened here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.county.models import Organisation
from healthbrain.kernel import db
from healthbrain.surveillance import counting
from healthbrain.surveillance.models import AbsentPupil, DirectReport, SchoolClass, Site

CHUNK = 20_000


@transaction.atomic
def load_places(
    sites: Mapping[str, tuple[str | None, int | None]], classes: Iterable[tuple[str, str, str, int]], *, by: Actor
) -> list[int]:
    """Key places: organisation code → (township code, population); classes: (code, grade, name, pupils), their ids."""
    organisations = {o.code: o for o in Organisation.objects.filter(code__in=sites)}
    Site.objects.bulk_create(
        [
            Site(
                organisation=organisations[code], kind=organisations[code].kind, township_id=township,
                population=population, workdays_only=organisations[code].kind in {"school", "childcare"},
                due_hour=10 if organisations[code].kind in {"school", "childcare"} else 18,
                national_front_end=organisations[code].kind == "hospital",
            )
            for code, (township, population) in sites.items()
        ],
        update_conflicts=True, unique_fields=["organisation"],
        update_fields=["kind", "township", "population", "workdays_only", "due_hour", "national_front_end"],
    )  # fmt: skip
    rows = [
        SchoolClass(organisation=organisations[code], grade=grade, name=name, pupils=pupils)
        for code, grade, name, pupils in classes
    ]
    SchoolClass.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["organisation", "grade", "name"], update_fields=["pupils"]
    )
    audit.record(by=by, action="surveillance.load_places", subject="register", detail={"sites": len(sites)})
    return [row.pk for row in rows]


@transaction.atomic
def load_lines(rows: Iterable[tuple[int, dt.date, dt.datetime, int, int, str, str]], *, by: Actor) -> int:
    """Class lines of the past: (class id, day, reported at, absent ill, absent otherwise, symptoms, fresh); JSON texts.

    The newest of a school and day must come in one call; counts are made at once. How many lines were loaded.
    """
    classes = {c.pk: c for c in SchoolClass.objects.all()}
    told: dict[tuple[int, dt.date], DirectReport] = {}
    lines = []
    for class_id, day, at, ill, other, symptoms, fresh in rows:
        organisation = classes[class_id].organisation_id
        report = told.get((organisation, day))
        if report is None:
            report = told[organisation, day] = DirectReport(
                organisation_id=organisation, day=day, channel="feed", reported_at=at, reporter="历史数据"
            )
        report.reported_at = max(report.reported_at, at)
        lines.append((report, class_id, day, ill, other, symptoms, fresh))
    DirectReport.objects.bulk_create(told.values(), batch_size=CHUNK)
    db.copy_rows(
        "surveillance_reportline",
        ("report_id", "school_class_id", "day", "pupils", "absent_ill", "absent_other", "symptoms", "fresh", "current"),
        (
            (report.pk, class_id, day, classes[class_id].pupils, ill, other, symptoms, fresh, True)
            for report, class_id, day, ill, other, symptoms, fresh in lines
        ),
    )
    counting.recount_schools(told.keys())
    audit.record(by=by, action="surveillance.load_lines", subject="history", detail={"lines": len(lines)})
    return len(lines)


@transaction.atomic
def load_counts(rows: Iterable[tuple[int, str, str, dt.date, int, dt.datetime]], *, by: Actor) -> int:
    """Daily counts of the past: (organisation id, source, item, day, count, arrived). How many were loaded."""
    counted = [(o, "", source, item, "", day, "report", n, arrived) for o, source, item, day, n, arrived in rows]
    db.copy_rows("surveillance_dailycount", counting.COLUMNS, counted)
    audit.record(by=by, action="surveillance.load_counts", subject="history", detail={"rows": len(counted)})
    return len(counted)


def name_pupils(rows: Iterable[Mapping[str, Any]]) -> int:
    """Pupils named in lines on record: line_id, resident_id, name, sex, symptoms, onset_on, dormitory, canteen."""
    return len(AbsentPupil.objects.bulk_create([AbsentPupil(**row) for row in rows]))
