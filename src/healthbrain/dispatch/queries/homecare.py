"""What the pages of home care show: applications, beds, the day by nurse, one nurse's tour, one visit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.actions.families import visit_key
from healthbrain.dispatch.actions.homecare import purpose_of
from healthbrain.dispatch.models import Application, CareNurse, HomeBed, HomeVisit, LandMark, NurseAbsence, VisitNurse
from healthbrain.dispatch.rules.homecare import Said, Service
from healthbrain.kernel.errors import NotAllowed, NotFound
from healthbrain.residents.models import Resident


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a row is about."""

    id: int
    name: str
    sex: str
    birth_date: dt.date | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    id: int
    person: Person
    channel: str
    need: str
    applied_at: dt.datetime
    contact_name: str
    contact_phone: str
    recommendation: str
    status: str
    status_zh: str
    reason: str
    own: bool  # the actor may take it back: he sent it, or it is about him


@dataclass(frozen=True, slots=True)
class Item:
    id: int
    service: Said
    goal: str
    weekdays: tuple[int, ...]
    people: int
    reached: str


@dataclass(frozen=True, slots=True)
class Bed:
    """A home bed with its open plan. address and point as driven to."""

    id: int
    person: Person
    address: str
    barthel: int
    admitted_on: dt.date
    review_due: dt.date
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """One visit as the day shows it. Minutes since midnight; nurses: names of all who come."""

    id: int
    bed: int
    person: Person
    address: str
    service: Said
    minutes: int
    people: int
    begins: float | None
    told: tuple[float, float] | None
    window: tuple[float, float]
    status: str
    urgent: bool
    nurses: tuple[str, ...]
    why: Said | None  # uncovered
    message: str = ""  # key of what the family was told last (`notices.queries.told`)


@dataclass(frozen=True, slots=True)
class NurseDay:
    id: int
    name: str
    skills: tuple[str, ...]
    out: bool
    stops: tuple[Stop, ...]

    @property
    def minutes(self) -> int:
        """Minutes at the doors."""
        return sum(stop.minutes for stop in self.stops)


@dataclass(frozen=True, slots=True)
class Board:
    nurses: tuple[NurseDay, ...]
    uncovered: tuple[Stop, ...]
    untold: int
    total: int


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture of a visit; its bytes come from `homecare_record.photo`."""

    id: int
    kind: str
    taken_at: dt.datetime


@dataclass(frozen=True, slots=True)
class VisitView:
    """One visit at the door: what to do, what was found last time."""

    stop: Stop
    service: Service
    goal: str
    resident_id: int
    arrived_at: dt.datetime | None
    arrived_metres: float | None
    finished_at: dt.datetime | None
    record: Mapping[str, Any]
    taught: Mapping[str, str]
    signed_by: str
    signature: str  # SVG path in rules.homecare.SIGNATURE_BOX; "" where only the name was typed
    last: tuple[dt.date, Mapping[str, float]] | None
    photos: tuple[Photo, ...]
    last_photos: tuple[Photo, ...]


def _person(row: Resident) -> Person:
    return Person(row.pk, row.name, row.sex, row.birth_date, row.phone)


def applications(actor: Actor) -> list[ApplicationRow]:
    """Applications the actor may see, those to decide first, then the newest; at most 50."""
    gate.require(actor, "homecare.apply")
    rows = gate.visible(Application.objects.select_related("resident"), actor, purpose_of(actor))
    newest = sorted(rows.order_by("-applied_at")[:50], key=lambda a: a.status != Application.Status.APPLIED)
    return [_application(row, actor) for row in newest]


def application(actor: Actor, application_id: int) -> ApplicationRow:
    """One application to assess. Raises NotFound, NotAllowed."""
    gate.require(actor, "homecare.plan")
    rows = gate.visible(Application.objects.select_related("resident"), actor, purpose_of(actor))
    found = rows.filter(pk=application_id).first()
    if found is None:
        raise NotFound("没有这份申请 No such application")
    return _application(found, actor)


def _application(row: Application, actor: Actor) -> ApplicationRow:
    return ApplicationRow(
        row.pk, _person(row.resident), row.channel, row.need, row.applied_at, row.contact_name, row.contact_phone,
        row.recommendation, row.status, row.get_status_display(), row.reason,
        row.applied_by == actor.account_id or actor.role == "resident",
    )  # fmt: skip


def door(actor: Actor, resident_id: int) -> tuple[str, float, float] | None:
    """Address and map point of a resident's village or township; None where the map does not know it."""
    gate.require(actor, "homecare.plan")
    found = gate.visible(Resident.objects.all(), actor, purpose_of(actor)).filter(pk=resident_id).first()
    if found is None or not found.division_code:
        return None
    code = found.division_code
    marks = LandMark.objects.filter(code__in=[code, code[:12], code[:9]], kind__in=["village", "township"])
    mark = max(marks, key=lambda m: len(m.code), default=None)
    return (found.address or mark.name, mark.x, mark.y) if mark else None


def beds(actor: Actor) -> list[Bed]:
    """Open home beds, the earliest review first."""
    gate.require(actor, "homecare.plan")
    rows = gate.visible(HomeBed.objects.filter(discharged_on__isnull=True), actor, purpose_of(actor))
    return [_bed(row) for row in rows.select_related("resident").prefetch_related("plan").order_by("review_due", "pk")]


def _bed(row: HomeBed) -> Bed:
    items = tuple(
        Item(i.pk, knowledge.services()[i.service].title, i.goal, tuple(i.weekdays), i.people, i.reached)
        for i in row.plan.all()
        if i.ends is None
    )
    return Bed(
        row.pk, _person(row.resident), row.address, row.assessment["total"], row.admitted_on, row.review_due, items
    )


def _visits(actor: Actor) -> QuerySet[HomeVisit]:
    rows = gate.visible(HomeVisit.objects.all(), actor, purpose_of(actor))
    return rows.select_related("bed__resident", "item").order_by("begins", "pk")


def _names(visits: Iterable[HomeVisit]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    rows = VisitNurse.objects.filter(visit__in=[v.pk for v in visits]).order_by("pk")
    for visit, name in rows.values_list("visit_id", "nurse__account__name"):
        found[visit] = (*found.get(visit, ()), name)
    return found


def _stop(row: HomeVisit, names: Mapping[int, tuple[str, ...]]) -> Stop:
    told = None
    if row.promised_from is not None and row.promised_until is not None:
        told = (row.promised_from, row.promised_until)
    reason = row.record.get("uncovered")
    why = {"zh": reason[0], "en": reason[1]} if reason else None
    return Stop(
        row.pk, row.bed_id, _person(row.bed.resident), row.bed.address, knowledge.services()[row.service].title,
        row.minutes, row.people, row.begins, told, (row.window_from, row.window_until), row.status, row.urgent,
        names.get(row.pk, ()), why, visit_key(row) if told else "",
    )  # fmt: skip


def board(actor: Actor, day: dt.date) -> Board:
    """The day of the actor's unit: a row of stops per nurse, and what nobody can make."""
    gate.require(actor, "homecare.plan")
    visits = list(_visits(actor).filter(day=day).exclude(status=HomeVisit.Status.CANCELLED))
    names = _names(visits)
    stops = {visit.pk: _stop(visit, names) for visit in visits}
    tours: dict[int, list[Stop]] = {}
    whose = set(VisitNurse.objects.filter(visit__in=list(stops)).values_list("visit_id", "nurse_id"))
    for visit in visits:
        for nurse in {n for v, n in whose if v == visit.pk}:
            tours.setdefault(nurse, []).append(stops[visit.pk])
    out = set(NurseAbsence.objects.filter(day=day).values_list("nurse_id", flat=True))
    crew = CareNurse.objects.filter(active=True, organisation__path__startswith=actor.path).select_related("account")
    given = {visit for visit, _ in whose}
    waiting = [s for s in stops.values() if s.id not in given and s.status in ("planned", "uncovered")]
    return Board(
        tuple(
            NurseDay(n.pk, n.account.name, tuple(n.skills), n.pk in out, tuple(tours.get(n.pk, ())))
            for n in crew.order_by("pk")
        ),
        tuple(sorted(waiting, key=lambda s: (not s.urgent, s.window))),
        sum(s.status == "planned" and s.told is None and s.begins is not None for s in stops.values()),
        len(stops),
    )


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days. of: nurse → per day (visits, minutes at the doors). faces: mean number of nurses a patient sees."""

    days: tuple[dt.date, ...]
    nurses: tuple[tuple[int, str], ...]
    of: Mapping[int, tuple[tuple[int, int], ...]]
    totals: tuple[int, ...]
    uncovered: tuple[int, ...]
    faces: float | None


def week(actor: Actor, first: dt.date) -> Week:
    """Seven days of the actor's unit from `first`; two queries. Raises NotAllowed."""
    gate.require(actor, "homecare.plan")
    days = tuple(first + dt.timedelta(days=n) for n in range(7))
    rows = _visits(actor).filter(day__range=(days[0], days[-1])).exclude(status=HomeVisit.Status.CANCELLED)
    visits = {v.pk: v for v in rows}
    crew = CareNurse.objects.filter(active=True, organisation__path__startswith=actor.path).select_related("account")
    nurses = tuple((n.pk, n.account.name) for n in crew.order_by("pk"))
    load = {number: [[0, 0] for _ in days] for number, _ in nurses}
    faces: dict[int, set[int]] = {}
    for number, nurse in VisitNurse.objects.filter(visit__in=list(visits)).values_list("visit_id", "nurse_id"):
        visit = visits[number]
        faces.setdefault(visit.bed_id, set()).add(nurse)
        if nurse in load:
            cell = load[nurse][(visit.day - first).days]
            cell[0], cell[1] = cell[0] + 1, cell[1] + visit.minutes
    open_ones = [v for v in visits.values() if v.status == HomeVisit.Status.UNCOVERED or v.begins is None]
    return Week(
        days, nurses, {n: tuple((a, b) for a, b in cells) for n, cells in load.items()},
        tuple(sum(v.day == day for v in visits.values()) for day in days),
        tuple(sum(v.day == day for v in open_ones) for day in days),
        sum(map(len, faces.values())) / len(faces) if faces else None,
    )  # fmt: skip


def tour(actor: Actor, day: dt.date) -> list[Stop]:
    """The actor's own visits of a day, in order."""
    gate.require(actor, "homecare.visit")
    own = VisitNurse.objects.filter(nurse_id=actor.account_id, visit__day=day).values_list("visit_id", flat=True)
    visits = list(_visits(actor).filter(pk__in=list(own)).exclude(status=HomeVisit.Status.CANCELLED))
    names = _names(visits)
    return [_stop(visit, names) for visit in visits]


def visit(actor: Actor, visit_id: int) -> VisitView:
    """One of the actor's visits. The caller audits the look. Raises NotFound, NotAllowed."""
    gate.require(actor, "homecare.visit")
    row = _visits(actor).filter(pk=visit_id).first()
    if row is None:
        raise NotFound("没有这次上门 No such visit")
    if not row.nurses.filter(nurse_id=actor.account_id).exists():
        raise NotAllowed("这次上门不是派给您的 Not one of your visits")
    past = row.bed.visits.filter(service=row.service, status=HomeVisit.Status.DONE).exclude(pk=row.pk)
    last = past.order_by("-day").first()
    return VisitView(
        _stop(row, _names([row])),
        knowledge.services()[row.service],
        row.item.goal if row.item else "",
        row.bed.resident_id,
        row.arrived_at,
        row.arrived_metres,
        row.finished_at,
        row.record,
        row.taught,
        row.signed_by,
        bytes(row.signature or b"").decode(),
        (last.day, last.record.get("measures", {})) if last else None,
        photos_of(row),
        photos_of(last) if last else (),
    )


def photos_of(visit: HomeVisit) -> tuple[Photo, ...]:
    return tuple(Photo(*row) for row in visit.photos.order_by("pk").values_list("pk", "kind", "taken_at"))
