"""Reads of non-emergency transport: the planner's day, a vehicle's route, a booking, how well it goes."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge_transport as knowledge
from healthbrain.dispatch import transport_day
from healthbrain.dispatch.actions.transport import purpose_of
from healthbrain.dispatch.models import Booking, DayPlan, LandMark, Ride, TransportVehicle
from healthbrain.dispatch.rules.transport import Spot
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import NotAllowed, NotFound

OVER = (Ride.Status.CANCELLED, Ride.Status.NO_SHOW)


@dataclass(frozen=True, slots=True)
class RideRow:
    """One way on the day's board. `shown`: its state in one word, computed: late and stranded count as states.

    begins, ends: planned minutes, or the driver's where he has pressed.
    """

    id: int
    booking_id: int
    resident_id: int
    name: str
    phone: str
    leg: str
    purpose: str
    posture: str
    companions: int
    oxygen: bool
    infection: str
    status: str
    shown: str
    note: str
    from_text: str
    to_text: str
    from_xy: tuple[float, float]
    to_xy: tuple[float, float]
    promised: tuple[float, float] | None
    asked: tuple[float | None, float | None, float | None, float | None]
    begins: float | None
    ends: float | None
    vehicle_id: int | None
    vehicle: str
    trip_km: float | None
    channel: str
    phoned: bool

    @property
    def uncovered(self) -> bool:
        return self.shown in ("unserved", "stranded")


def ride_row(ride: Ride, *, now: dt.datetime, gone: frozenset[int] = frozenset()) -> RideRow:
    booking, resident = ride.booking, ride.booking.resident
    told = None
    if ride.promised_from is not None and ride.promised_until is not None:
        told = (ride.promised_from, ride.promised_until)

    def at(moment: dt.datetime | None, planned: float | None) -> float | None:
        return planned if moment is None else transport_day.minute_of(moment, ride.day)

    return RideRow(
        id=ride.pk, booking_id=booking.pk, resident_id=booking.resident_id, name=resident.name,
        phone=booking.contact_phone or resident.phone or "", leg=ride.leg, purpose=booking.purpose,
        posture=booking.posture, companions=booking.companions, oxygen=booking.oxygen, infection=booking.infection,
        status=ride.status, shown=_shown(ride, now=now, gone=gone), note=ride.note, from_text=ride.from_text,
        to_text=ride.to_text, from_xy=(ride.from_x, ride.from_y), to_xy=(ride.to_x, ride.to_y), promised=told,
        asked=(ride.pickup_from, ride.pickup_until, ride.deliver_from, ride.deliver_until),
        begins=at(ride.picked_up, ride.pickup_at), ends=at(ride.delivered, ride.deliver_at),
        vehicle_id=ride.vehicle_id, vehicle=ride.vehicle.code if ride.vehicle else "", trip_km=ride.trip_km,
        channel=booking.channel, phoned=ride.phoned_at is not None,
    )  # fmt: skip


def _shown(ride: Ride, *, now: dt.datetime, gone: frozenset[int]) -> str:
    waiting = ride.status in (Ride.Status.PLANNED, Ride.Status.ON_WAY)
    if waiting and ride.vehicle_id in gone:
        return "stranded"
    if waiting and ride.promised_until is not None and ride.day <= local(now).date():
        limit = ride.promised_until + knowledge.figure("late_after")
        if transport_day.minute_of(now, ride.day) > limit:
            return "late"
    return ride.status


@dataclass(frozen=True, slots=True)
class VehicleRow:
    """One vehicle of the day. away: "", off, mass (at a mass casualty) or long; km of its planned route.

    back_on: off until the day before; None also when nobody knows how long.
    """

    id: int
    code: str
    away: str
    back_on: dt.date | None
    layouts: tuple[tuple[int, ...], ...]
    equipment: tuple[str, ...]
    shift: tuple[float, float]
    rides: tuple[RideRow, ...]
    rests: tuple[tuple[float, float], ...]
    km: float
    crew: str
    crew_id: int | None
    aboard: bool


@dataclass(frozen=True, slots=True)
class Board:
    """The day. rides: uncovered first, then by time."""

    day: dt.date
    version: int
    changed_by: str
    released: dt.datetime | None
    km: float
    rides: tuple[RideRow, ...]
    vehicles: tuple[VehicleRow, ...]

    @property
    def uncovered(self) -> list[RideRow]:
        return [r for r in self.rides if r.uncovered]

    @property
    def to_phone(self) -> list[RideRow]:
        """Told, not to be kept, and nobody has phoned yet."""
        return [r for r in self.uncovered if r.promised is not None and not r.phoned]

    @property
    def late(self) -> list[RideRow]:
        return [r for r in self.rides if r.shown == "late"]


def _rides(actor: Actor) -> QuerySet[Ride]:
    """Rides of bookings the actor may see: through the gate."""
    bookings = gate.visible(Booking.objects.all(), actor, purpose_of(actor))
    return Ride.objects.filter(booking__in=bookings).select_related("booking__resident", "vehicle")


def day_board(actor: Actor, *, day: dt.date, now: dt.datetime) -> Board:
    """The planner's day. Raises NotAllowed for other roles."""
    gate.require(actor, "transport.plan")
    long = transport_day.on_long_trip(day)
    vehicles = list(TransportVehicle.objects.select_related("vehicle__crew").order_by("vehicle__code"))
    borrowed = transport_day.called_in() if day == local(now).date() else set()
    off = {v.pk for v in vehicles if transport_day.out_of_service(v, day)}
    gone = frozenset(off | borrowed)
    rows = [ride_row(r, now=now, gone=gone) for r in _rides(actor).filter(day=day)]
    rows.sort(key=lambda r: (not r.uncovered, r.status in OVER, r.shown != "late", _when(r)))
    plan = DayPlan.objects.filter(day=day).first()
    routes = {r["vehicle"]: r for r in plan.routes} if plan else {}
    away = dict.fromkeys(long, "long") | dict.fromkeys(borrowed, "mass") | dict.fromkeys(off, "off")
    lines = tuple(_vehicle(v, rows, routes.get(v.pk, {}), away.get(v.pk, "")) for v in vehicles)
    return Board(
        day=day, version=plan.version if plan else 0, changed_by=plan.changed_by if plan else "",
        released=plan.released_at if plan else None, km=plan.cost if plan else 0.0, rides=tuple(rows), vehicles=lines,
    )  # fmt: skip


def _when(row: RideRow) -> float:
    asked = next((at for at in row.asked if at is not None), 0.0)
    return row.begins if row.begins is not None else (row.promised[0] if row.promised else asked)


def _vehicle(row: TransportVehicle, rides: Sequence[RideRow], route: dict[str, Any], away: str) -> VehicleRow:
    return VehicleRow(
        id=row.pk, code=row.vehicle.code, away=away, back_on=row.back_on, layouts=tuple(tuple(x) for x in row.layouts),
        equipment=tuple(row.equipment), shift=(_minutes(row.shift_from), _minutes(row.shift_until)),
        rides=tuple(r for r in rides if r.vehicle_id == row.pk and r.status not in OVER),
        rests=tuple((begin, departure) for _, begin, departure in route.get("rests", ())),
        km=float(route.get("km", 0.0)), crew=row.vehicle.crew.name if row.vehicle.crew else "",
        crew_id=row.vehicle.crew_id,
        aboard=any(r.vehicle_id == row.pk and r.status == Ride.Status.ON_BOARD for r in rides),
    )  # fmt: skip


def _minutes(at: dt.time) -> float:
    return at.hour * 60.0 + at.minute


@dataclass(frozen=True, slots=True)
class Drive:
    """The driver's page: rides still to do in the order of the next press, and those that are over."""

    vehicle_id: int
    code: str
    working: bool
    released: bool
    todo: tuple[RideRow, ...]
    over: tuple[RideRow, ...]


def vehicle_route(actor: Actor, vehicle_id: int | None, *, day: dt.date, now: dt.datetime) -> Drive:
    """One vehicle's day: the driver's own, the planner's any. Raises NotFound, NotAllowed."""
    vehicles = TransportVehicle.objects.select_related("vehicle")
    mine = vehicles.filter(vehicle__crew_id=actor.account_id).first() if actor.account_id else None
    row = vehicles.filter(pk=vehicle_id).first() if vehicle_id is not None else mine
    if not actor.may("transport.plan"):
        gate.require(actor, "transport.drive")
        if row is not None and row != mine:
            raise NotAllowed("这不是本车 Not your vehicle")
    if row is None:
        raise NotFound("您的账号没有绑定转运车 No vehicle for this account", hint="请调度员绑定 ask the planner")
    plan = DayPlan.objects.filter(day=day).first()
    long_ago = Q(trip_km__isnull=False, day__gte=day - dt.timedelta(days=31), day__lt=day)
    rides = Ride.objects.filter(Q(day=day) | long_ago & Q(status__in=transport_day.STANDING), vehicle=row.vehicle)
    rides = rides.select_related("booking__resident", "vehicle")
    rows = sorted((ride_row(r, now=now) for r in rides), key=lambda r: (r.status != "on-board", _when(r)))
    done = {Ride.Status.DONE, *OVER}
    return Drive(
        row.pk, row.vehicle.code, not transport_day.out_of_service(row, day),
        (plan is not None and plan.released_at is not None) or any(r.day < day for r in rides),
        tuple(_next_presses([r for r in rows if r.status not in done])), tuple(r for r in rows if r.status in done),
    )  # fmt: skip


def _next_presses(rows: list[RideRow]) -> list[RideRow]:
    """By the next thing to do: who sits on board is set down at `ends`, who waits is fetched at `begins`."""
    return sorted(rows, key=lambda r: (r.ends if r.status == "on-board" else r.begins) or 0.0)


@dataclass(frozen=True, slots=True)
class BookingView:
    """One booking whole."""

    booking: Booking
    rides: tuple[RideRow, ...]
    name: str
    sex: str
    birth_date: dt.date | None


def booking(actor: Actor, booking_id: int, *, now: dt.datetime) -> BookingView:
    """One booking the actor may see. The page that shows it audits the look. Raises NotFound, NotAllowed."""
    gate.require(actor, "transport.book")
    found = gate.visible(Booking.objects.select_related("resident"), actor, purpose_of(actor)).filter(pk=booking_id)
    one = found.first()
    if one is None:
        raise NotFound("没有这个预约 No such booking")
    return _view(one, now)


def _view(one: Booking, now: dt.datetime) -> BookingView:
    rides = one.rides.select_related("booking__resident", "vehicle").order_by("day", "pk")
    rows = tuple(ride_row(r, now=now) for r in rides)
    return BookingView(one, rows, one.resident.name, one.resident.sex, one.resident.birth_date)


def bookings_by(actor: Actor, *, now: dt.datetime, limit: int = 20) -> list[BookingView]:
    """What the actor booked himself, or a resident's own, newest first. Raises NotAllowed."""
    gate.require(actor, "transport.book")
    rows = gate.visible(Booking.objects.select_related("resident"), actor, purpose_of(actor))
    if actor.role != "resident":
        rows = rows.filter(asked_by=actor.account_id or 0)
    return [_view(one, now) for one in rows.exclude(status=Booking.Status.REFUSED).order_by("-asked_at")[:limit]]


@dataclass(frozen=True, slots=True)
class Trip:
    """One way as it was driven. set_off, picked_up, delivered: minutes of its day, None where no button was pressed.

    fee: what this way costs as shown when it was booked; settled, score, remark: of the whole booking.
    """

    day: dt.date
    row: RideRow
    set_off: float | None
    picked_up: float | None
    delivered: float | None
    on_time: bool | None
    fee: Decimal
    settled: bool
    score: int | None
    remark: str

    @property
    def id(self) -> int:
        return self.row.id


def trips(actor: Actor, *, since: dt.date, until: dt.date, now: dt.datetime) -> list[Trip]:
    """The trip log: every way of these days that is over, newest first. The page audits. Raises NotAllowed."""
    gate.require(actor, "transport.plan")
    rides = _rides(actor).filter(day__range=(since, until), status__in=(Ride.Status.DONE, *OVER))
    return [_trip(ride, now) for ride in rides.order_by("-day", "-pickup_at", "pk")]


def _trip(ride: Ride, now: dt.datetime) -> Trip:
    def at(moment: dt.datetime | None) -> float | None:
        return None if moment is None else transport_day.minute_of(moment, ride.day)

    booking, picked_up = ride.booking, at(ride.picked_up)
    on_time = None
    if picked_up is not None and ride.promised_until is not None:
        on_time = picked_up <= ride.promised_until + knowledge.figure("late_after")
    fee = sum((Decimal(yuan) for leg, _, yuan in booking.fee_lines if leg == ride.leg), Decimal(0))
    return Trip(
        ride.day, ride_row(ride, now=now), at(ride.set_off), picked_up, at(ride.delivered), on_time, fee,
        booking.paid is not None, booking.satisfaction, booking.remark,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Indicators:
    """A span of days. on_time: picked up not later than told, of those picked up. refused: reason → how many."""

    rides: int
    served: int
    picked_up: int
    on_time: int
    uncovered: int
    refused: tuple[tuple[str, int], ...]
    fee: Decimal
    paid: Decimal
    rated: int
    satisfaction: float | None
    km: float


def indicators(actor: Actor, *, since: dt.date, until: dt.date) -> Indicators:
    """Both days included. Raises NotAllowed."""
    gate.require(actor, "transport.plan")
    rides = list(_rides(actor).filter(day__range=(since, until)))
    told = [r for r in rides if r.picked_up is not None and r.promised_until is not None]
    slack = knowledge.figure("late_after")
    on_time = sum(
        transport_day.minute_of(r.picked_up, r.day) <= r.promised_until + slack  # type: ignore[arg-type, operator]
        for r in told
    )
    bookings = {r.booking_id: r.booking for r in rides}.values()
    refused = gate.visible(Booking.objects.all(), actor, purpose_of(actor)).filter(
        status=Booking.Status.REFUSED, asked_at__date__range=(since, until)
    )
    reasons = Counter(refused.values_list("refusal", flat=True))
    scores = [b.satisfaction for b in bookings if b.satisfaction is not None]
    kept = [b for b in bookings if b.status != Booking.Status.CANCELLED]
    return Indicators(
        rides=sum(r.status not in OVER for r in rides),
        served=sum(r.status == Ride.Status.DONE for r in rides),
        picked_up=len(told), on_time=on_time,
        uncovered=sum(r.status == Ride.Status.UNSERVED for r in rides),
        refused=tuple(reasons.most_common()),
        fee=sum((b.fee for b in kept if b.fee is not None), Decimal(0)),
        paid=sum((b.paid for b in bookings if b.paid is not None), Decimal(0)),
        rated=len(scores), satisfaction=sum(scores) / len(scores) if scores else None,
        km=sum(DayPlan.objects.filter(day__range=(since, until)).values_list("cost", flat=True)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Door:
    """A place the form offers: its label says the township, so that two villages of one name differ."""

    label: str
    kind: str
    spot: Spot


def doors() -> list[Door]:
    """Hospitals first, then villages by township."""
    marks = list(LandMark.objects.filter(kind__in=["organisation", "village", "township"]).order_by("pk"))
    towns = {m.code: m.name for m in marks if m.kind == "township"}
    found = []
    for mark in marks:
        town = towns.get(mark.township, "")
        hospital = mark.kind == "organisation" and not mark.township
        label = f"{town}{mark.name}" if mark.kind == "village" else mark.name
        found.append(Door(label, "hospital" if hospital else mark.kind, Spot(label, mark.x, mark.y)))
    return sorted(found, key=lambda d: (d.kind != "hospital", d.kind != "village"))


def door_of(division_code: str | None) -> Door | None:
    """The village a resident lives in, when the county's places know it."""
    mark = LandMark.objects.filter(code=(division_code or "")[:12], kind="village").first() if division_code else None
    if mark is None:
        return None
    town = LandMark.objects.filter(code=mark.township, kind="township").first()
    label = f"{town.name if town else ''}{mark.name}"
    return Door(label, "village", Spot(label, mark.x, mark.y))
