"""Direct reports: morning checks and absence of a school, and rumours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from healthbrain.surveillance.knowledge import chips, classifier
from healthbrain.surveillance.models import AbsentPupil, DirectReport, DirtyCount, ReportLine, Rumour, SchoolClass

PURPOSE = "public-health"
OLDEST_DAYS = 60  # a school enters at most this far back; older corrections go through the disease-control centre


@dataclass(frozen=True, slots=True)
class Pupil:
    """A pupil named in a morning check."""

    name: str = ""
    sex: str = "0"
    symptoms: tuple[str, ...] = ()
    onset_on: dt.date | None = None
    dormitory: str = ""
    canteen: bool | None = None
    resident_id: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A class on a day. symptoms: chip of absence.yaml → pupils who have it today; each pupil once.

    fresh: of these, new today; None: what is more than on the last school day told.
    """

    class_id: int
    symptoms: Mapping[str, int] = field(default_factory=dict)
    fresh: Mapping[str, int] | None = None
    absent_ill: int | None = None  # None: all of the ill are absent
    absent_other: int = 0
    pupils: Sequence[Pupil] = ()


def report_absence(
    *,
    by: Actor,
    organisation_id: int,
    day: dt.date,
    lines: Sequence[Line],
    now: dt.datetime,
    channel: str = "desk",
) -> int:
    """Record the morning check of classes for a day; the report's id. A class told again replaces what was told.

    Raises NotAllowed (another school), NotFound (no such class), Invalid (numbers that cannot be, a day ahead).
    """
    require(by, "absence.report")
    if not (now.date() - dt.timedelta(days=OLDEST_DAYS) <= day <= now.date()):
        raise Invalid("只能报告今天或 60 天以内的日期 Only today or a day of the last 60")
    if not lines:
        raise Invalid("没有班级 No class in the report")
    with transaction.atomic():
        classes = {c.pk: c for c in _classes(by, organisation_id).filter(pk__in=[line.class_id for line in lines])}
        if missing := [line.class_id for line in lines if line.class_id not in classes]:
            raise NotFound(f"没有这些班级 No such classes: {missing}")
        report = DirectReport.objects.create(
            organisation_id=organisation_id, day=day, channel=channel, reported_at=now, account_id=by.account_id,
            reporter=by.name,
        )  # fmt: skip
        before = _before(list(classes), day)
        ReportLine.objects.filter(school_class_id__in=classes, day=day, current=True).update(current=False)
        rows = [_row(report, line, classes[line.class_id], before.get(line.class_id, {}), day) for line in lines]
        ReportLine.objects.bulk_create(rows)
        AbsentPupil.objects.bulk_create(_pupils(lines, rows))
        _mark(organisation_id, day, now)
        audit.record(
            by=by, action="absence.report", subject=f"organisation/{organisation_id}",
            detail={"day": day.isoformat(), "classes": len(rows), "ill": sum(sum(r.symptoms.values()) for r in rows)},
        )  # fmt: skip
    return int(report.pk)


def withdraw_report(*, by: Actor, report_id: int, now: dt.datetime) -> None:
    """Take back a report: the lines it replaced hold again. Raises NotFound, Conflict when a newer one replaced it."""
    require(by, "absence.report")
    with transaction.atomic():
        own = visible(DirectReport.objects.all(), by, PURPOSE).select_for_update()
        report = own.filter(pk=report_id, withdrawn_at=None).first()
        if report is None:
            raise NotFound("没有这份报告 No such report")
        lines = ReportLine.objects.filter(report=report)
        if lines.filter(current=False).exists():
            raise Conflict("之后又报过，请直接改最新的一份 It was told again later; change the newest one")
        classes = list(lines.values_list("school_class_id", flat=True))
        lines.update(current=False)
        report.withdrawn_at = now
        report.save(update_fields=["withdrawn_at"])
        earlier = ReportLine.objects.filter(school_class_id__in=classes, day=report.day, report__withdrawn_at=None)
        newest = earlier.order_by("school_class_id", "-pk").distinct("school_class_id").values_list("pk", flat=True)
        ReportLine.objects.filter(pk__in=list(newest)).update(current=True)
        _mark(report.organisation_id, report.day, now)
        audit.record(by=by, action="absence.withdraw", subject=f"organisation/{report.organisation_id}")


def report_rumour(
    *,
    by: Actor,
    text: str,
    day: dt.date,
    now: dt.datetime,
    syndrome: str = "",
    place_code: str | None = None,
    organisation_id: int | None = None,
    people: int | None = None,
    reporter: str = "",
) -> int:
    """Keep what somebody heard; with a place and a syndrome, told or plain from its words, it is one more source.

    Raises Invalid.
    """
    require(by, "signals.work")
    if not text.strip() or day > now.date():
        raise Invalid("写明听到了什么、从哪天开始 Say what was heard and since when")
    if syndrome and syndrome not in classifier().words:
        raise Invalid(f"没有这个症候群 No such syndrome: {syndrome}")
    guessed = classifier().of_complaint(text)
    syndrome = syndrome or (guessed[0] if len(guessed) == 1 else "")
    with transaction.atomic():
        rumour = Rumour.objects.create(
            at=now, day=day, place_id=place_code, organisation_id=organisation_id, syndrome=syndrome, people=people,
            text=text.strip(), reporter=reporter, account_id=by.account_id,
        )  # fmt: skip
        if syndrome and (organisation_id or place_code):
            db.execute(
                """INSERT INTO surveillance_dailycount
                       (organisation_id, place_code, source, syndrome, age_group, day, basis, count, arrived)
                   VALUES (%s, %s, 'rumour', %s, '', %s, 'report', %s, %s)
                   ON CONFLICT (source, syndrome, organisation_id, place_code, day, age_group, basis)
                   DO UPDATE SET count = surveillance_dailycount.count + EXCLUDED.count, arrived = EXCLUDED.arrived""",
                [organisation_id, "" if organisation_id else place_code, syndrome, day, people or 1, now],
            )
            DirtyCount.objects.create(
                source="count", syndrome=syndrome, organisation_id=organisation_id, day=day, since=now
            )
        audit.record(by=by, action="rumour.report", subject=f"rumour/{rumour.pk}")
    return int(rumour.pk)


def _classes(by: Actor, organisation_id: int) -> QuerySet[SchoolClass]:
    own = visible(SchoolClass.objects.filter(active=True), by, PURPOSE).filter(organisation_id=organisation_id)
    if not own.exists():
        raise NotAllowed("这不是您的学校，或还没有登记班级 Not your school, or it has no classes yet")
    return own


def _before(class_ids: list[int], day: dt.date) -> dict[int, dict[str, int]]:
    """Symptoms of the last day told before `day`, at most a week old, by class."""
    rows = (
        ReportLine.objects.filter(
            school_class_id__in=class_ids, current=True, day__lt=day, day__gte=day - dt.timedelta(days=7)
        )
        .order_by("school_class_id", "-day")
        .distinct("school_class_id")
    )
    return {row.school_class_id: row.symptoms for row in rows}


def _row(
    report: DirectReport, line: Line, school_class: SchoolClass, before: Mapping[str, int], day: dt.date
) -> ReportLine:
    ill = {chip: int(n) for chip, n in line.symptoms.items() if n}
    if unknown := sorted(ill.keys() - chips().keys()):
        raise Invalid(f"没有这些症状 No such symptoms: {', '.join(unknown)}")
    total = sum(ill.values())
    absent = total if line.absent_ill is None else line.absent_ill
    told = line.fresh
    fresh = {c: n - min(n, before.get(c, 0)) for c, n in ill.items()} if told is None else {
        c: min(n, int(told.get(c, n))) for c, n in ill.items()
    }  # fmt: skip
    numbers = [*ill.values(), *fresh.values(), absent, line.absent_other]
    if min(numbers) < 0 or max(total, absent) + line.absent_other > school_class.pupils:
        raise Invalid(
            f"{school_class}：人数不对，全班 {school_class.pupils} 人 Numbers cannot be: the class has"
            f" {school_class.pupils} pupils"
        )
    return ReportLine(
        report=report, school_class=school_class, day=day, pupils=school_class.pupils, absent_ill=absent,
        absent_other=line.absent_other, symptoms=ill, fresh={c: n for c, n in fresh.items() if n},
    )  # fmt: skip


def _pupils(lines: Sequence[Line], rows: Sequence[ReportLine]) -> list[AbsentPupil]:
    return [
        AbsentPupil(
            line=row, name=p.name, sex=p.sex, symptoms=list(p.symptoms), onset_on=p.onset_on, dormitory=p.dormitory,
            canteen=p.canteen, resident_id=p.resident_id,
        )
        for line, row in zip(lines, rows, strict=True)
        for p in line.pupils
    ]  # fmt: skip


def _mark(organisation_id: int, day: dt.date, now: dt.datetime) -> None:
    DirtyCount.objects.create(source="school", organisation_id=organisation_id, day=day, since=now)
    db.notify("dirty")
