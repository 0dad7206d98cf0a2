"""The planner's day and the driver's steps: plan, release; set off, pick up, deliver, nobody came."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import transport_day
from healthbrain.dispatch.actions import transport
from healthbrain.dispatch.models import Booking, DayPlan, Ride
from healthbrain.dispatch.rules import darp
from healthbrain.dispatch.transport_day import OUT, Day
from healthbrain.kernel.errors import Conflict, NotAllowed, NotFound


@dataclass(frozen=True, slots=True)
class Planned:
    """What planning a day came to. broken: told and not possible any more; uncovered: waiting without a vehicle."""

    km: float
    covered: int
    broken: int
    uncovered: int


def plan_day(*, by: Actor, now: dt.datetime, day: dt.date, version: int, seconds: float = 1.5) -> Planned:
    """Plan the day anew, every told window kept; rides that wait get one if there is room.

    version: the plan the planner saw. The search runs without a lock; when the plan moved meanwhile, Conflict says by
    whom and nothing is overwritten. A told ride that cannot be kept any more stays, as 未能安排 with the reason.
    """
    gate.require(by, "transport.plan")
    _check_version(DayPlan.objects.get_or_create(day=day)[0], version)
    broken = Ride.objects.filter(
        day=day, status=Ride.Status.UNSERVED, promised_from__isnull=False, trip_km__isnull=True
    ).select_related("booking")
    found = _solve(transport_day.load(day, now=now, candidates=[(r.pk, r) for r in broken]), seconds)
    with transaction.atomic():
        row = transport_day.lock(day)
        _check_version(row, version)
        lost = _settle(row, *found, by=by)
        row.planned_at = now
        row.save(update_fields=["planned_at"])
        covered, still = _cover(row, by=by, now=now)
        detail = {"km": row.cost, "broken": lost, "uncovered": still}
        audit.record(by=by, action="transport.plan", subject=f"transport-day/{day}", detail=detail)
        transport.tell(day)
    return Planned(row.cost, covered, lost, still)


def _check_version(row: DayPlan, version: int) -> None:
    if row.version != version:
        raise Conflict(
            f"计划刚被 {row.changed_by} 改过 {row.changed_by} has just changed the plan",
            hint="页面已更新，请看过再排 look at the new plan, then plan again",
        )


def recover(row: DayPlan, *, by: Actor, now: dt.datetime, seconds: float = 0.4) -> list[Ride]:
    """Plan what remains of a locked day with the vehicles there are now; the told rides that cannot be kept.

    As `plan_day`, for a vehicle that fell out while people wait: they stand as 未能安排 with the reason.
    """
    told = Ride.objects.filter(day=row.day, promised_from__isnull=False, trip_km__isnull=True)
    before = set(told.filter(status=Ride.Status.UNSERVED).values_list("pk", flat=True))
    try:
        _settle(row, *_solve(transport_day.load(row.day, now=now), seconds), by=by)
    except NotFound as error:  # no vehicle is left at all
        told.filter(status__in=(Ride.Status.PLANNED, Ride.Status.ON_WAY)).update(
            status=Ride.Status.UNSERVED, note=error.message, vehicle=None, position=None
        )
    lost = told.filter(status=Ride.Status.UNSERVED).exclude(pk__in=before)
    return list(lost.select_related("booking__resident").order_by("promised_from"))


def _solve(day: Day, seconds: float) -> tuple[Day, darp.Plan]:
    """Everybody told is kept; when that is impossible, as many as can be."""
    plan = day.plan
    promises = dict(plan.promises)
    requests = list(plan.instance.requests)
    for key, ride in day.candidates.items():
        requests.append(day.request(key))
        promises[key] = darp.Promise(darp.model.Window(ride.promised_from or 0.0, ride.promised_until or 0.0))
    instance = plan.instance.with_requests(tuple(requests))
    try:
        solved = darp.solve(instance, seconds=seconds, pinned=promises, start=plan.solution)
    except Conflict:
        solved = darp.solve(darp.keep(instance, promises), seconds=seconds, start=plan.solution)
    return day, darp.Plan(instance, solved, promises)


def _settle(row: DayPlan, day: Day, plan: darp.Plan, *, by: Actor) -> int:
    """Store the plan; who fell out of it stays visible. How many."""
    lost = {int(u.request): u.reason[0] for u in plan.solution.unserved}
    rides = day.rides | day.candidates
    for key, reason in lost.items():
        ride = rides[key]
        ride.status, ride.note, ride.vehicle_id, ride.position = Ride.Status.UNSERVED, reason, None, None
        ride.save(update_fields=["status", "note", "vehicle", "position"])
    for key, ride in day.candidates.items():
        if key not in lost:
            ride.status, ride.note = Ride.Status.PLANNED, ""
            ride.save(update_fields=["status", "note"])
    transport_day.store(row, day, plan, keys={}, by=by.name)
    return len(lost)


def _cover(row: DayPlan, *, by: Actor, now: dt.datetime) -> tuple[int, int]:
    """Try those who were never told anything, first come first served: (covered, still waiting)."""
    waiting = Ride.objects.filter(
        day=row.day, status=Ride.Status.UNSERVED, promised_from__isnull=True, trip_km__isnull=True
    )
    covered = still = 0
    for ride in waiting.select_related("booking").order_by("booking__asked_at", "pk"):
        try:
            transport.insert(row, ride, by=by, now=now)
            covered += 1
        except Conflict as error:
            Ride.objects.filter(pk=ride.pk).update(note=error.message)
            still += 1
    return covered, still


@transaction.atomic
def release_day(*, by: Actor, now: dt.datetime, day: dt.date) -> None:
    """Tell the drivers: from now on their pages show the day, and every change at once."""
    gate.require(by, "transport.plan")
    row = transport_day.lock(day)
    row.released_at = now
    row.save(update_fields=["released_at"])
    audit.record(by=by, action="transport.release", subject=f"transport-day/{day}", detail={"version": row.version})
    transport.tell(day)


def _own_ride(by: Actor, ride_id: int) -> Ride:
    """A ride, locked, that the actor may drive: the planner's any, a driver his vehicle's. NotFound, NotAllowed."""
    rides = Ride.objects.select_for_update(of=("self",)).select_related("booking", "vehicle")
    ride = rides.filter(pk=ride_id).first()
    if ride is None:
        raise NotFound("没有这个行程 No such ride")
    if not by.may("transport.plan"):
        gate.require(by, "transport.drive")
        if ride.vehicle is None or ride.vehicle.crew_id != by.account_id:
            raise NotAllowed("这不是本车的行程 Not a ride of your vehicle")
    return ride


def _audit(by: Actor, action: str, ride: Ride) -> None:
    audit.record(
        by=by, action=action, purpose="treatment", resident_id=ride.booking.resident_id,
        subject=f"transport/{ride.booking_id}", detail={"ride": ride.pk, "leg": ride.leg},
    )  # fmt: skip
    transport.tell(ride.day)


def _gone(ride: Ride) -> Conflict:
    words = "行程状态已变 The ride has changed"
    if ride.status == Ride.Status.CANCELLED:
        words = "乘客已取消 The passenger cancelled"
    return Conflict(words, hint="看下一个 see the next")


@transaction.atomic
def set_off(*, by: Actor, now: dt.datetime, ride_id: int) -> bool:
    """On the way to the door; False when that was known."""
    ride = _own_ride(by, ride_id)
    if ride.status in (Ride.Status.ON_WAY, Ride.Status.ON_BOARD, Ride.Status.DONE):
        return False
    if ride.status != Ride.Status.PLANNED:
        raise _gone(ride)
    ride.status, ride.set_off = Ride.Status.ON_WAY, now
    ride.save(update_fields=["status", "set_off"])
    _audit(by, "transport.set_off", ride)
    return True


@transaction.atomic
def pick_up(*, by: Actor, now: dt.datetime, ride_id: int) -> bool:
    """He sits in the vehicle; False when that was known."""
    ride = _own_ride(by, ride_id)
    if ride.status in (Ride.Status.ON_BOARD, Ride.Status.DONE):
        return False
    if ride.status not in (Ride.Status.PLANNED, Ride.Status.ON_WAY):
        raise _gone(ride)
    ride.status, ride.picked_up = Ride.Status.ON_BOARD, now
    ride.save(update_fields=["status", "picked_up"])
    _audit(by, "transport.pick_up", ride)
    return True


@transaction.atomic
def deliver(*, by: Actor, now: dt.datetime, ride_id: int) -> bool:
    """Set down; False when that was known. The booking ends with its last ride."""
    ride = _own_ride(by, ride_id)
    if ride.status == Ride.Status.DONE:
        return False
    if ride.status != Ride.Status.ON_BOARD:
        raise _gone(ride)
    ride.status, ride.delivered = Ride.Status.DONE, now
    ride.save(update_fields=["status", "delivered"])
    transport.close(Booking.objects.select_for_update().get(pk=ride.booking_id))
    _audit(by, "transport.deliver", ride)
    return True


@transaction.atomic
def no_show(*, by: Actor, now: dt.datetime, ride_id: int) -> bool:
    """Nobody came to the door: the way back falls away too, and the day goes on without them."""
    ride = _own_ride(by, ride_id)
    if ride.status == Ride.Status.NO_SHOW:
        return False
    if ride.status not in (Ride.Status.PLANNED, Ride.Status.ON_WAY):
        raise _gone(ride)
    row = transport_day.lock(ride.day)
    ride.status, ride.turned_away = Ride.Status.NO_SHOW, now
    ride.save(update_fields=["status", "turned_away"])
    if ride.leg == OUT:
        back = Ride.objects.filter(booking=ride.booking, status__in=transport.OPEN).exclude(pk=ride.pk)
        back.update(status=Ride.Status.CANCELLED, note="去程未乘车 not ridden on the way out")
    transport.close(Booking.objects.select_for_update().get(pk=ride.booking_id))
    transport.replan(row, by=by, now=now)
    _audit(by, "transport.no_show", ride)
    return True
