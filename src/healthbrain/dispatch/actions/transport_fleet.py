"""The transport fleet by day: a vehicle breaks down or comes back, who drives it and when, who was phoned."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.models import Account
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import transport_day
from healthbrain.dispatch.actions import families, journal, transport, transport_drive
from healthbrain.dispatch.models import Ride, TransportVehicle, Vehicle
from healthbrain.dispatch.rules.transport import Spot
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Conflict, Invalid, NotFound

WAITING = (Ride.Status.PLANNED, Ride.Status.ON_WAY)


@dataclass(frozen=True, slots=True)
class Lost:
    """What a vehicle out of service came to. moved: rides other vehicles took over, told times kept.

    broken: ids of told rides that cannot be kept, to be phoned. later: rides of days beyond, left on it.
    """

    moved: int = 0
    broken: tuple[int, ...] = ()
    later: int = 0


def _vehicle(vehicle_id: int) -> Vehicle:
    vehicle = Vehicle.objects.select_for_update().filter(pk=vehicle_id, transport__isnull=False).first()
    if vehicle is None:
        raise NotFound("没有这辆转运车 No such transport vehicle")
    return vehicle


@transaction.atomic
def set_working(
    *, by: Actor, now: dt.datetime, vehicle_id: int, working: bool, reason: str, stands_at: Spot | None = None,
    back_on: dt.date | None = None,
) -> Lost:  # fmt: skip
    """Take a transport vehicle out of service, or bring it back.

    Out of service, its rides of today, and of the days until it is `back_on`, go to the other vehicles at once: told
    times are kept where that is possible; where not, the ride stands as 未能安排 and its family has a message.
    Passengers on board change over where it `stands_at`. Days from `back_on` on are planned with it again; without that
    date other days are left: it may be back. Raises Invalid without a reason or for a day gone by, NotFound, Conflict
    when somebody is on board and nobody says where.
    """
    gate.require(by, "transport.plan")
    if not working and not reason.strip():
        raise Invalid("请写明停用原因 Say why it is out of service")
    today = local(now).date()
    if back_on is not None and back_on <= today:
        raise Invalid("恢复日期要在今天以后 The day it is back must lie ahead")
    vehicle = _vehicle(vehicle_id)
    vehicle.status = Vehicle.Status.IDLE if working else Vehicle.Status.OFF
    vehicle.save(update_fields=["status"])
    TransportVehicle.objects.filter(pk=vehicle.pk).update(back_on=None if working else back_on)
    found = Lost() if working else _out(vehicle, back_on, by=by, now=now, stands_at=stands_at)
    detail = {"working": working, "reason": reason.strip(), "moved": found.moved, "broken": list(found.broken)}
    detail |= {"back_on": back_on.isoformat()} if back_on else {}
    audit.record(by=by, action="transport.vehicle", subject=f"vehicle/{vehicle.code}", detail=detail)
    return found


@transaction.atomic
def bring_back(*, now: dt.datetime) -> list[str]:
    """Vehicles whose day has come are in service again, for the emergency desk too: their codes. The worker asks."""
    due = list(
        Vehicle.objects.select_for_update(of=("self",))
        .select_related("transport")
        .filter(status=Vehicle.Status.OFF, transport__back_on__lte=local(now).date())
    )
    for vehicle in due:
        vehicle.status = Vehicle.Status.IDLE
        vehicle.save(update_fields=["status"])
        day = vehicle.transport.back_on
        TransportVehicle.objects.filter(pk=vehicle.pk).update(back_on=None)
        detail = {"working": True, "reason": f"到了恢复日期 {day} the day it was to be back"}
        audit.record(by=SYSTEM, action="transport.vehicle", subject=f"vehicle/{vehicle.code}", detail=detail)
    if due:
        transport.tell(local(now).date())
        journal.tell()
    return [vehicle.code for vehicle in due]


def _out(vehicle: Vehicle, back_on: dt.date | None, *, by: Actor, now: dt.datetime, stands_at: Spot | None) -> Lost:
    """Today, and each day until it is back."""
    today = local(now).date()
    ahead = Ride.objects.filter(vehicle=vehicle, day__gt=today, status__in=WAITING)
    until = today + dt.timedelta(days=1) if back_on is None else back_on
    days = sorted({today, *ahead.filter(day__lt=until, trip_km__isnull=True).values_list("day", flat=True)})
    moved = 0
    broken: list[int] = []
    for day in days:
        count, lost = _replace(vehicle, day, by=by, now=now, stands_at=stands_at)
        moved, broken = moved + count, broken + lost
        transport.tell(day)
    return Lost(moved, tuple(broken), ahead.count())


def _replace(
    vehicle: Vehicle, day: dt.date, *, by: Actor, now: dt.datetime, stands_at: Spot | None
) -> tuple[int, list[int]]:
    """Rides of one day given to the others: how many, and the ids of those that cannot be kept."""
    row = transport_day.lock(day)
    rides = list(
        Ride.objects.select_for_update(of=("self",))
        .select_related("booking__resident")
        .filter(vehicle=vehicle, day=day, status__in=(*WAITING, Ride.Status.ON_BOARD), trip_km__isnull=True)
    )
    aboard = [ride for ride in rides if ride.status == Ride.Status.ON_BOARD]
    if aboard and stands_at is None:
        raise Conflict(
            "乘客还在车上 A passenger is on board", hint="写明车停在哪里，安排换车 say where the vehicle stands"
        )
    minute = transport_day.minute_of(now, day)
    for ride in rides:
        if ride in aboard and stands_at is not None:
            _change_over(ride, stands_at, minute)
        ride.status, ride.set_off, ride.vehicle, ride.position = Ride.Status.PLANNED, None, None, None
        ride.save()
    broken = transport_drive.recover(row, by=by, now=now) if rides else []
    lost = {ride.pk for ride in broken}
    for ride in broken:
        _say_broken(ride, now)
    for ride in aboard:
        if ride.pk not in lost:
            families.ride(
                ride, now, "车辆故障，正在派另一辆车接替", "the vehicle broke down, another one is coming",
                key=f"ride:{ride.pk}:change-over", level="urgent",
            )  # fmt: skip
    return sum(ride.pk not in lost for ride in rides), [ride.pk for ride in broken]


def _change_over(ride: Ride, at: Spot, minute: float) -> None:
    """He waits in the broken vehicle: fetched there as soon as can be."""
    ride.note = f"途中换车，原上车点 changed over, was fetched at: {ride.from_text}"
    ride.from_text, ride.from_x, ride.from_y = at.text, at.x, at.y
    ride.pickup_from = ride.pickup_until = ride.after_minutes = None
    ride.promised_from = ride.promised_until = minute
    ride.picked_up = None


def _say_broken(ride: Ride, now: dt.datetime) -> None:
    told = f"{families.clock(ride.promised_from)}–{families.clock(ride.promised_until)}"
    families.ride(
        ride, now, f"原定 {told} 不能按时，转运中心马上打电话商量",
        f"{told} cannot be kept, the centre will phone at once",
        key=f"ride:{ride.pk}:broken:{round(ride.promised_from or 0)}", level="urgent",
    )  # fmt: skip


@transaction.atomic
def assign_crew(
    *, by: Actor, now: dt.datetime, vehicle_id: int, account_id: int | None, shift_from: dt.time, shift_until: dt.time
) -> tuple[int, ...]:
    """Who drives a vehicle, and when; told rides of today and later that the new shift cannot keep, to be phoned.

    account_id None: nobody. A driver moves from the vehicle he had. Raises Invalid (the shift, not a driver),
    NotFound, Conflict while he has a passenger on board of another vehicle.
    """
    gate.require(by, "transport.plan")
    if shift_from >= shift_until:
        raise Invalid("班次的开始要早于结束 The shift must begin before it ends")
    vehicle = _vehicle(vehicle_id)
    if account_id is not None:
        if not Account.objects.filter(pk=account_id, role="transport_driver", is_active=True).exists():
            raise Invalid("请选择转运车组账号 Choose a transport crew's account")
        others = Vehicle.objects.select_for_update().filter(crew_id=account_id).exclude(pk=vehicle.pk)
        if Ride.objects.filter(vehicle__in=others, status=Ride.Status.ON_BOARD).exists():
            raise Conflict("该车组另一辆车上有乘客 This crew has a passenger on board of another vehicle")
        others.update(crew=None)
    vehicle.crew_id = account_id
    vehicle.save(update_fields=["crew"])
    shift = TransportVehicle.objects.get(pk=vehicle.pk)
    moved = (shift.shift_from, shift.shift_until) != (shift_from, shift_until)
    shift.shift_from, shift.shift_until = shift_from, shift_until
    shift.save(update_fields=["shift_from", "shift_until"])
    broken: list[Ride] = []
    if moved:
        days = Ride.objects.filter(vehicle=vehicle, day__gte=local(now).date(), status__in=WAITING)
        for day in sorted(set(days.values_list("day", flat=True))):
            broken += transport_drive.recover(transport_day.lock(day), by=by, now=now)
    for ride in broken:
        _say_broken(ride, now)
    detail = {"crew": account_id, "from": f"{shift_from:%H:%M}", "until": f"{shift_until:%H:%M}", "broken": len(broken)}
    audit.record(by=by, action="transport.crew", subject=f"vehicle/{vehicle.code}", detail=detail)
    transport.tell(local(now).date())
    return tuple(ride.pk for ride in broken)


@transaction.atomic
def phoned(*, by: Actor, now: dt.datetime, ride_id: int) -> None:
    """The family of a ride that cannot be kept has been phoned. Again changes nothing. Raises NotFound."""
    gate.require(by, "transport.plan")
    ride = Ride.objects.select_for_update(of=("self",)).select_related("booking").filter(pk=ride_id).first()
    if ride is None:
        raise NotFound("没有这个行程 No such ride")
    if ride.phoned_at is None:
        ride.phoned_at = now
        ride.save(update_fields=["phoned_at"])
        audit.record(
            by=by, action="transport.phoned", purpose="treatment", resident_id=ride.booking.resident_id,
            subject=f"transport/{ride.booking_id}", detail={"ride": ride.pk},
        )  # fmt: skip
        transport.tell(ride.day)
