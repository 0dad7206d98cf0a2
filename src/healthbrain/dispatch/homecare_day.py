"""A day of home care between rows and solver: nurses on duty, visits, the standing tours; and plans back into rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch import network
from healthbrain.dispatch.knowledge_roads import straight_line
from healthbrain.dispatch.models import CareNurse, HomeVisit, NurseAbsence, VisitNurse
from healthbrain.dispatch.rules.darp.model import Key, Rest, Window
from healthbrain.dispatch.rules.home.model import Call, Day, DayPlan, Nurse, Pin, Tour, Visit
from healthbrain.kernel.clock import local

Status = HomeVisit.Status
OPEN = (Status.PLANNED, Status.UNCOVERED)
BEGUN = (Status.ARRIVED, Status.DONE)


class Made(NamedTuple):
    """A visit somebody has begun: from and until, minutes since midnight."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """One day of one unit. `standing` is what is planned now, visits begun with the minutes they really began."""

    visits: Mapping[int, HomeVisit]
    standing: DayPlan
    known: Mapping[Key, frozenset[Key]]
    pinned: Mapping[Key, Pin]


def minute_of(at: dt.time) -> float:
    """Minutes since midnight."""
    return at.hour * 60.0 + at.minute


def minute_now(now: dt.datetime, day: dt.date) -> float:
    """Minutes since midnight of `day`, negative before it."""
    return (local(now) - dt.datetime.combine(day, dt.time())).total_seconds() / 60.0


def load(by: Actor, day: dt.date, *, now: dt.datetime) -> Loaded:
    """The day of the actor's unit, its visits locked until commit."""
    rows = HomeVisit.objects.select_for_update(of=("self",)).select_related("bed__resident", "bed__application")
    rows = rows.filter(day=day, status__in=(*OPEN, *BEGUN), bed__organisation__path__startswith=by.path)
    visits = {visit.pk: visit for visit in rows.order_by("pk")}
    absent = NurseAbsence.objects.filter(day=day).values_list("nurse_id", flat=True)
    crew = CareNurse.objects.filter(active=True, organisation__path__startswith=by.path).exclude(pk__in=list(absent))
    nurses = list(crew.order_by("pk"))
    points = [(n.x, n.y) for n in nurses] + [(v.bed.x, v.bed.y) for v in visits.values()]
    moment, usual = minute_now(now, day), _usual(visits, day)
    solver_day = Day(
        tuple(_nurse(row, place) for place, row in enumerate(nurses)),
        tuple(_visit(row, place, usual, moment) for place, row in enumerate(visits.values(), len(nurses))),
        _minutes(points),
    )
    standing = _standing(solver_day, visits, now=moment)
    pinned: dict[Key, Pin] = {
        v.pk: Pin(window=Window(v.promised_from, v.promised_until))
        for v in visits.values()
        if v.status in OPEN and not _late(v, moment) and v.promised_from is not None and v.promised_until is not None
    }
    return Loaded(visits, standing, _known(visits, day), pinned)


def _minutes(points: Sequence[tuple[float, float]]) -> np.ndarray:
    """Driving minutes between all points, straight-line guesses where no road leads."""
    if not points:
        return np.zeros((0, 0))
    xy = np.array(points, dtype=np.float64)
    return np.asarray(network.times("normal").between(xy, xy, straight_line("normal")).ms / 60_000.0)


def _nurse(row: CareNurse, place: int) -> Nurse:
    shift = Window(minute_of(row.shift_from), minute_of(row.shift_until))
    window = Window(knowledge.figure("rest_from"), knowledge.figure("rest_until"))
    rests = shift.earliest <= window.earliest and window.latest <= shift.latest
    rest = Rest(window, knowledge.figure("rest_minutes")) if rests else None
    return Nurse(row.pk, place, place, shift, frozenset(row.skills), rest)


def _late(row: HomeVisit, moment: float) -> bool:
    """Should have begun, has not: made as soon as can be, whatever was told."""
    return row.status in OPEN and (row.promised_until or row.window_until) < moment


def _visit(row: HomeVisit, place: int, usual: Mapping[int, float], moment: float) -> Visit:
    window = Window(row.window_from, row.window_until)
    if _late(row, moment):
        window = Window(moment, max(row.window_until, moment + knowledge.figure("told_width")))
    return Visit(
        key=row.pk,
        patient=row.bed_id,
        place=place,
        window=window,
        minutes=float(row.minutes),
        needs=knowledge.services()[row.service].persons(row.people),
        usual=usual.get(row.item_id or 0),
        priority=knowledge.figure("urgent_priority") if row.urgent else 1.0,
    )


def _usual(visits: Mapping[int, HomeVisit], day: dt.date) -> dict[int, float]:
    """Item → the minute its last visit began as planned."""
    items = {v.item_id for v in visits.values() if v.item_id}
    past = HomeVisit.objects.filter(item__in=items, day__lt=day, begins__isnull=False).order_by("day")
    return {item: begins for item, begins in past.values_list("item_id", "begins") if item and begins is not None}


def _known(visits: Mapping[int, HomeVisit], day: dt.date) -> dict[Key, frozenset[Key]]:
    """Patient → nurses who have been there."""
    found: dict[Key, frozenset[Key]] = {}
    past = VisitNurse.objects.filter(visit__bed__in={v.bed_id for v in visits.values()}, visit__day__lt=day)
    for bed, nurse in past.filter(visit__status=Status.DONE).values_list("visit__bed_id", "nurse_id").distinct():
        found[bed] = found.get(bed, frozenset()) | {nurse}
    return found


def _standing(day: Day, visits: Mapping[int, HomeVisit], *, now: float) -> DayPlan:
    """Stored tours as the solver's value. What should have begun by now and has not stands as beginning now."""
    when = {pk: _made(visit, now) for pk, visit in visits.items() if visit.status in BEGUN}
    for pk, visit in visits.items():
        if visit.status == Status.PLANNED and visit.begins is not None:
            begin = max(visit.begins, now)
            when[pk] = Made(begin, begin + visit.minutes)
    place = {visit.key: visit.place for visit in day.visits}
    calls: dict[int, list[Call]] = {}
    on_duty = {nurse.key for nurse in day.nurses}
    for number, nurse in VisitNurse.objects.filter(visit__in=list(when)).values_list("visit_id", "nurse_id"):
        if nurse in on_duty:
            made = when[number]
            calls.setdefault(nurse, []).append(Call(number, place[number], made.begin, made.begin, made.end))
    tours = tuple(
        Tour(nurse, tuple(sorted(row, key=lambda c: c.begin)), 0.0, 0.0, 0.0, 0.0) for nurse, row in calls.items()
    )
    return DayPlan(day, tours, 0.0, 0.0)


def _made(visit: HomeVisit, now: float) -> Made:
    begin = min(minute_now(visit.arrived_at, visit.day) if visit.arrived_at else now, now - 1e-3)
    if visit.status == Status.DONE:
        return Made(begin, min(minute_now(visit.finished_at, visit.day) if visit.finished_at else now, now))
    return Made(begin, max(begin + visit.minutes, now))


def save(plan: DayPlan, visits: Mapping[int, HomeVisit]) -> None:
    """Write who comes when. Visits the plan does not speak of stay as they are."""
    begins = plan.begins()
    for visit in plan.day.visits:
        row = visits[int(visit.key)]
        row.begins = begins.get(visit.key)
        row.status = Status.UNCOVERED if row.begins is None else Status.PLANNED
        row.record = {}
    for missed in plan.uncovered:
        visits[int(missed.visit)].record = {"uncovered": list(missed.reason)}
    spoken = [visits[int(visit.key)] for visit in plan.day.visits]
    HomeVisit.objects.bulk_update(spoken, ["begins", "status", "record"])
    VisitNurse.objects.filter(visit__in=spoken).delete()
    VisitNurse.objects.bulk_create(
        VisitNurse(visit_id=int(call.visit), nurse_id=int(tour.nurse), position=number, arrives=call.arrival)
        for tour in plan.tours
        for number, call in enumerate((c for c in tour.calls if c.visit is not None), 1)
        if call.visit is not None
    )
