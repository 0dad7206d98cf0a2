"""Where signals come from: coverage of key places, health of feeds, a school's day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.kernel.db import select, select_dicts
from healthbrain.surveillance.knowledge import calendar
from healthbrain.surveillance.models import DirectReport, ReportLine, SchoolClass, Site

PURPOSE = "public-health"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Key places of one kind: how many there are, how many spoke within their rhythm."""

    kind: str
    places: int
    live: int
    silent: int


@dataclass(frozen=True, slots=True)
class Feed:
    organisation_id: int
    organisation: str
    kind: str
    feed: str
    state: str
    since: dt.datetime
    last_at: dt.datetime | None
    expected_every_hours: int
    recent: float | None
    usual: float | None


@dataclass(frozen=True, slots=True)
class ClassDay:
    """A class on a day: what was told, and what the day before told."""

    class_id: int
    grade: str
    name: str
    pupils: int
    told: bool
    absent_ill: int
    absent_other: int
    symptoms: dict[str, int]
    before: dict[str, int]
    before_day: dt.date | None
    reported_at: dt.datetime | None
    report_id: int | None

    @property
    def title(self) -> str:
        return f"{self.grade}{self.name}"

    @property
    def ill(self) -> int:
        return sum(self.symptoms.values())


@dataclass(frozen=True, slots=True)
class SchoolDay:
    organisation_id: int
    organisation: str
    day: dt.date
    school_day: bool
    classes: list[ClassDay]

    @property
    def told(self) -> int:
        return sum(c.told for c in self.classes)


@dataclass(frozen=True, slots=True)
class Told:
    """One report in a school's history."""

    id: int
    day: dt.date
    reported_at: dt.datetime
    reporter: str
    channel: str
    classes: int
    ill: int
    withdrawn: bool
    current: bool


def coverage(actor: Actor) -> list[Coverage]:
    """How many key places there are and how many are live, by kind."""
    require(actor, "signals.read")
    rows = select_dicts(
        """SELECT s.kind, count(*) AS places,
                  count(*) FILTER (WHERE f.state IS NOT NULL AND f.state <> 'silent') AS live
           FROM surveillance_site s LEFT JOIN (
               SELECT organisation_id, min(state) AS state FROM surveillance_feedstate GROUP BY organisation_id
           ) f USING (organisation_id) GROUP BY s.kind ORDER BY s.kind"""
    )
    return [Coverage(r["kind"], r["places"], r["live"], r["places"] - r["live"]) for r in rows]


def feeds(actor: Actor, *, only_ill: bool = True) -> list[Feed]:
    """Feeds of key places and front-ends; the worst first."""
    require(actor, "signals.read")
    rows = select_dicts(
        """SELECT f.organisation_id, o.name AS organisation, o.kind, f.feed, f.state, f.since, f.last_at,
                  f.expected_every_hours, f.recent, f.usual
           FROM surveillance_feedstate f JOIN county_organisation o ON o.id = f.organisation_id
           WHERE f.state <> 'live' OR NOT %s
           ORDER BY array_position(ARRAY['silent', 'late', 'falling', 'live'], f.state), f.since""",
        [only_ill],
    )
    return [Feed(**row) for row in rows]


def school_day(actor: Actor, *, day: dt.date, organisation_id: int | None = None) -> SchoolDay | None:
    """The classes of the actor's school on a day; None when the actor's place has none."""
    require(actor, "absence.report")
    own = visible(Site.objects.select_related("organisation"), actor, PURPOSE)
    site = own.filter(pk=organisation_id or actor.organisation_id).first()
    if site is None:
        return None
    classes = sorted(SchoolClass.objects.filter(organisation_id=site.pk, active=True), key=_order)
    ids = [c.pk for c in classes]
    lines = ReportLine.objects.filter(school_class_id__in=ids, current=True).select_related("report")
    today = {line.school_class_id: line for line in lines.filter(day=day)}
    week = lines.filter(day__lt=day, day__gte=day - dt.timedelta(days=7)).order_by("school_class_id", "-day")
    before = {line.school_class_id: line for line in week.distinct("school_class_id")}
    return SchoolDay(
        site.pk, site.organisation.name, day, calendar().is_school_day(day),
        [_class_day(c, today.get(c.pk), before.get(c.pk)) for c in classes],
    )  # fmt: skip


GRADES = "小中大一二三四五六七八九初高"


def _order(one: SchoolClass) -> tuple[int, str, int, str]:
    """As a school counts: by grade, then by number, so that class 10 follows class 9."""
    rank = GRADES.find(one.grade[:1])
    return rank if rank >= 0 else len(GRADES), one.grade, len(one.name), one.name


def _class_day(one: SchoolClass, line: ReportLine | None, before: ReportLine | None) -> ClassDay:
    return ClassDay(
        one.pk, one.grade, one.name, one.pupils, line is not None, line.absent_ill if line else 0,
        line.absent_other if line else 0, dict(line.symptoms) if line else {}, dict(before.symptoms) if before else {},
        before.day if before else None, line.report.reported_at if line else None, line.report_id if line else None,
    )  # fmt: skip


def history(actor: Actor, *, limit: int = 60) -> list[Told]:
    """What the actor's school told, the newest first."""
    require(actor, "absence.report")
    own = visible(DirectReport.objects.all(), actor, PURPOSE).filter(organisation_id=actor.organisation_id or 0)
    ids = list(own.order_by("-reported_at").values_list("pk", flat=True)[:limit])
    rows = select(
        """SELECT r.id, r.day, r.reported_at, r.reporter, r.channel, count(l.id),
                  COALESCE(sum((SELECT sum(v::int) FROM jsonb_each_text(l.symptoms) AS s (k, v))), 0),
                  r.withdrawn_at IS NOT NULL, COALESCE(bool_and(l.current), FALSE)
           FROM surveillance_directreport r LEFT JOIN surveillance_reportline l ON l.report_id = r.id
           WHERE r.id = ANY(%s) GROUP BY r.id ORDER BY r.reported_at DESC""",
        [ids],
    )
    return [Told(r[0], r[1], r[2], r[3], r[4], int(r[5]), int(r[6]), r[7], r[8]) for r in rows]
