"""Bookings of non-emergency transport: ask, book, change, cancel, undo, settle, rate."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import knowledge_transport as knowledge
from healthbrain.dispatch import transport_day, transport_offer
from healthbrain.dispatch.actions import families
from healthbrain.dispatch.actions.families import clock
from healthbrain.dispatch.models import Booking, DayPlan, Ride
from healthbrain.dispatch.rules import darp
from healthbrain.dispatch.rules import transport as rules
from healthbrain.dispatch.rules.darp.model import Window
from healthbrain.dispatch.transport_day import BACK
from healthbrain.dispatch.transport_offer import Answer, Draft
from healthbrain.kernel import db
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from healthbrain.residents import queries as people

CHANNEL = "transport"
OPEN = (Ride.Status.PLANNED, Ride.Status.ON_WAY, Ride.Status.UNSERVED)


def tell(day: dt.date) -> None:
    """Pages that show this day renew themselves when the transaction commits. No person's data travels."""
    db.notify(CHANNEL, json.dumps({"day": day.isoformat()}))


def purpose_of(by: Actor) -> str:
    return by.own_purpose if by.role == "resident" else "treatment"


def _require_resident(by: Actor, resident_id: int) -> None:
    """He may book for this person: himself, or somebody in his scope. Raises NotAllowed, NotFound."""
    gate.require(by, "transport.book")
    if by.role == "resident" and resident_id != by.resident_id:
        raise NotAllowed("居民只能为本人预约 A resident books for himself only")
    people.resident(by, resident_id, purpose_of(by))


@transaction.atomic
def ask_for_offer(*, by: Actor, now: dt.datetime, asked: rules.Asked, key: uuid.UUID | None = None) -> Answer:
    """The answer at once: told windows and fee, or why not and which times would do.

    Holds nothing; `book` asks again under a lock. Who must call 120 is kept as a refused booking under `key`.
    Raises Invalid, NotAllowed.
    """
    _require_resident(by, asked.resident_id)
    transport_offer.check(asked, now=now)
    made = transport_offer.draft(asked, by=by.account_id, now=now)
    found = transport_offer.answer(asked, made, now=now)
    detail = {"day": asked.day.isoformat(), "accepted": found.accepted, "unfit": list(found.unfit)}
    audit.record(
        by=by, action="transport.ask", purpose=purpose_of(by), resident_id=asked.resident_id, subject="transport",
        detail=detail,
    )  # fmt: skip
    if found.unfit and key is not None:
        _refuse(made, found, key=key)
    return found


def _refuse(made: Draft, found: Answer, *, key: uuid.UUID) -> None:
    booking = made.booking
    if not Booking.objects.filter(idempotency=key).exists():
        booking.idempotency, booking.status, booking.refusal = key, Booking.Status.REFUSED, found.unfit[0]
        booking.save()


@transaction.atomic
def book(
    *,
    by: Actor,
    now: dt.datetime,
    asked: rules.Asked,
    key: uuid.UUID,
    told: dict[str, Window] | None = None,
    keep_uncovered: bool = False,
) -> int:
    """Book what was offered; the same `key` again is the same booking. Its id.

    told: the windows shown by leg; when they are gone meanwhile, Conflict says so and nothing is changed.
    keep_uncovered: book even without a vehicle; the rides wait as 未能安排 for the planner. Raises Invalid, NotAllowed.
    """
    _require_resident(by, asked.resident_id)
    row, *_ = [transport_day.lock(day) for day in transport_offer.span(asked.day, asked.trip_km)]
    if (known := Booking.objects.filter(idempotency=key).first()) is not None:
        return _same(by, known, asked)
    transport_offer.check(asked, now=now)
    made = transport_offer.draft(asked, by=by.account_id, now=now)
    found = transport_offer.answer(asked, made, now=now, told=told)
    if found.unfit:
        raise _call_120()
    if not found.accepted and not keep_uncovered:
        raise Conflict(f"{found.reason[0]} {found.reason[1]}", hint="请另选时段 choose another time")
    booking = _save(made, found, key=key)
    if found.accepted and found.plan is not None and made.day is not None:
        keys = {number: ride.pk for number, ride in made.rides.items()}
        transport_day.store(row, made.day, found.plan, keys=keys, by=by.name)
    else:
        _touch(row, by)
    _audit(by, "transport.book", booking, {"uncovered": not found.accepted, "fee": str(found.fee)})
    tell(asked.day)
    return booking.pk


def _same(by: Actor, known: Booking, asked: rules.Asked) -> int:
    if known.resident_id != asked.resident_id or known.asked_by != (by.account_id or 0):
        raise Conflict("这个提交编号已被使用 This form was sent before", hint="请刷新页面 reload the page")
    if known.status == Booking.Status.REFUSED:
        raise _call_120()
    return known.pk


def _call_120() -> Invalid:
    words = knowledge.call_120()
    return Invalid(f"{words['zh']} {words['en']}")


def _save(made: Draft, found: Answer, *, key: uuid.UUID) -> Booking:
    booking = made.booking
    booking.idempotency, booking.status = key, Booking.Status.BOOKED
    booking.fee, booking.fee_lines = found.fee, [[leg, name, str(yuan)] for leg, name, yuan in found.lines]
    booking.save()
    for ride in made.rides.values():
        ride.booking = booking
        if found.accepted:
            told = found.told[ride.leg]
            ride.promised_from, ride.promised_until = told.earliest, told.latest
            ride.vehicle_id = found.vehicle[ride.leg]
            if ride.trip_km is not None:
                ride.pickup_at = told.earliest
        else:
            ride.status, ride.note = Ride.Status.UNSERVED, found.reason[0]
        ride.save()
    return booking


def _touch(row: DayPlan, by: Actor) -> None:
    row.version += 1
    row.changed_by = by.name
    row.save(update_fields=["version", "changed_by"])


def _audit(by: Actor, action: str, booking: Booking, detail: dict[str, object] | None = None) -> None:
    audit.record(
        by=by, action=action, purpose=purpose_of(by), resident_id=booking.resident_id,
        subject=f"transport/{booking.pk}", detail=detail or {},
    )  # fmt: skip


def own_booking(by: Actor, booking_id: int) -> Booking:
    """A booking, locked, the actor may change. Raises NotFound, also for one outside his scope."""
    gate.require(by, "transport.book")
    mine = gate.visible(Booking.objects.all(), by, purpose_of(by)).filter(pk=booking_id)
    if not mine.exists():
        raise NotFound("没有这个预约 No such booking")
    return Booking.objects.select_for_update().get(pk=booking_id)


@transaction.atomic
def cancel(*, by: Actor, now: dt.datetime, booking_id: int, reason: str, leg: str = "") -> None:
    """Cancel what has not been ridden yet: all of it, or the way back alone. On the stairs too.

    The vehicle under way stands at the door then and goes on with what remains; its driver's page says so.
    Raises Invalid without a reason, Conflict when nothing is left to cancel or he sits in the vehicle.
    """
    if not reason.strip():
        raise Invalid("请写明取消原因 Say why it is cancelled")
    booking = own_booking(by, booking_id)
    rides = list(booking.rides.select_for_update().order_by("pk"))
    if not rides or booking.status != Booking.Status.BOOKED:
        raise Conflict("预约已结束 The booking is over")
    row = transport_day.lock(rides[0].day)
    chosen = [r for r in rides if r.status in OPEN and (leg != BACK or r.leg == BACK)]
    if not chosen:
        raise Conflict("已上车或已送达，不能取消 On board or over: it cannot be cancelled")
    for ride in chosen:
        if ride.status == Ride.Status.ON_WAY:
            ride.turned_away = now
        ride.status, ride.note = Ride.Status.CANCELLED, reason.strip()
        ride.save(update_fields=["status", "note", "turned_away"])
    close(booking)
    replan(row, by=by, now=now)
    _audit(by, "transport.cancel", booking, {"reason": reason.strip(), "rides": [r.pk for r in chosen]})
    tell(row.day)


def close(booking: Booking) -> None:
    """The booking ends with its last ride."""
    left = list(booking.rides.values_list("status", flat=True))
    if any(s in (*OPEN, Ride.Status.ON_BOARD) for s in left):
        return
    over = Booking.Status.DONE if Ride.Status.DONE in left else Booking.Status.CANCELLED
    booking.status = over
    booking.save(update_fields=["status"])


def replan(row: DayPlan, *, by: Actor, now: dt.datetime, seconds: float = 0.05) -> None:
    """What remains of the day, everybody as told. A plan that cannot be kept is left as it is for the planner."""
    if row.day < local(now).date():
        return
    try:
        day = transport_day.load(row.day, now=now)
        plan = day.plan
        solved = darp.solve(plan.instance, seconds=seconds, pinned=plan.promises, start=plan.solution)
    except (Conflict, NotFound):
        _touch(row, by)
        return
    transport_day.store(row, day, darp.Plan(plan.instance, solved, plan.promises), keys={}, by=by.name)


@transaction.atomic
def restore(*, by: Actor, now: dt.datetime, booking_id: int) -> None:
    """Undo a cancellation: the same windows as told, if the day still has room. Raises Conflict, nothing changed."""
    booking = own_booking(by, booking_id)
    rides = list(booking.rides.filter(status=Ride.Status.CANCELLED, turned_away__isnull=True).order_by("pk"))
    if not rides:
        raise Conflict("没有可恢复的行程 Nothing to bring back")
    row, *_ = [transport_day.lock(day) for day in transport_offer.span(rides[0].day, rides[0].trip_km)]
    if rides[0].trip_km is not None:
        _require_free(rides[0])
    for ride in rides:
        ride.status, ride.note = Ride.Status.PLANNED, ""
        ride.save(update_fields=["status", "note"])
    booking.status = Booking.Status.BOOKED
    booking.save(update_fields=["status"])
    if rides[0].trip_km is None:
        day = transport_day.load(row.day, now=now)
        plan = day.plan
        solved = darp.solve(plan.instance, seconds=0.2, pinned=plan.promises, start=plan.solution)
        transport_day.store(row, day, darp.Plan(plan.instance, solved, plan.promises), keys={}, by=by.name)
    _audit(by, "transport.restore", booking)
    tell(row.day)


def _require_free(trip: Ride) -> None:
    """The vehicle of a cancelled long trip was given to nobody else meanwhile. Raises Conflict."""
    days = transport_offer.span(trip.day, trip.trip_km)
    others = Ride.objects.filter(vehicle=trip.vehicle, day__in=days, status__in=transport_day.STANDING)
    if others.exists() or any(trip.vehicle_id in transport_day.on_long_trip(day) for day in days):
        raise Conflict("这辆车已另有安排 The vehicle has other rides by now", hint="请重新预约 book again")


@transaction.atomic
def change_time(*, by: Actor, now: dt.datetime, ride_id: int, at: float) -> Window:
    """Another pickup time for one ride, told anew. Raises Conflict with the times that would do; nothing changed."""
    ride = Ride.objects.select_related("booking").filter(pk=ride_id).first()
    if ride is None:
        raise NotFound("没有这个行程 No such ride")
    booking = own_booking(by, ride.booking_id)
    row = transport_day.lock(ride.day)
    ride.refresh_from_db()
    if ride.status not in (Ride.Status.PLANNED, Ride.Status.UNSERVED) or ride.trip_km is not None:
        raise Conflict("这个行程不能改时间 This ride cannot be moved any more")
    before = ride.status
    ride.status = Ride.Status.CANCELLED  # out of the standing plan while it is asked for again
    ride.save(update_fields=["status"])
    ride.pickup_from, ride.pickup_until = at, at + knowledge.figure("pickup_span")
    ride.deliver_from = ride.deliver_until = None
    window = insert(row, ride, by=by, now=now)
    families.ride(
        ride, now, f"改为 {clock(window.earliest)}–{clock(window.latest)} 接",
        f"fetched {clock(window.earliest)}–{clock(window.latest)} now",
        key=f"ride:{ride.pk}:{round(window.earliest)}",
    )  # fmt: skip
    _audit(by, "transport.change", booking, {"ride": ride.pk, "before": before, "told": list(window)})
    tell(ride.day)
    return window


def insert(row: DayPlan, ride: Ride, *, by: Actor, now: dt.datetime) -> Window:
    """Promise a ride that stands outside the plan and store it. Raises Conflict with alternatives."""
    day = transport_day.load(row.day, now=now, candidates=[(ride.pk, ride)])
    offer = darp.promise(day.plan, day.request(ride.pk), seconds=transport_offer.SECONDS)
    if not offer.accepted or offer.plan is None or offer.pickup is None:
        other = "、".join(f"{clock(w.earliest)}–{clock(w.latest)}" for w in offer.alternatives)
        raise Conflict(f"{offer.reason[0]} {offer.reason[1]}", hint=f"可选 possible: {other}" if other else "")
    told = offer.pickup
    ride.status, ride.note = Ride.Status.PLANNED, ""
    ride.promised_from, ride.promised_until, ride.phoned_at = told.earliest, told.latest, None
    ride.save()
    transport_day.store(row, day, offer.plan, keys={}, by=by.name)
    return told


@transaction.atomic
def settle_fee(*, by: Actor, now: dt.datetime, booking_id: int, waiting_minutes: float = 0.0) -> Decimal:
    """Take the money: the fee as shown and the waiting at the door. Again is the same. Raises Conflict, Invalid."""
    gate.require(by, "transport.plan")
    booking = own_booking(by, booking_id)
    if booking.paid is not None:
        return booking.paid
    if not 0 <= waiting_minutes <= 1440:
        raise Invalid("等候分钟数不对 The waiting minutes are wrong")
    if booking.status != Booking.Status.DONE or booking.fee is None:
        raise Conflict("送达后才能结算 Settle after the ride")
    booking.paid = ridden_fee(booking) + rules.waiting_fee(knowledge.fares(), waiting_minutes)
    booking.paid_at = now
    booking.save(update_fields=["paid", "paid_at"])
    _audit(by, "transport.settle", booking, {"yuan": str(booking.paid), "waiting": waiting_minutes})
    return booking.paid


def ridden_fee(booking: Booking) -> Decimal:
    """The shown fee of the ways that were driven."""
    ridden = set(booking.rides.filter(status=Ride.Status.DONE).values_list("leg", flat=True))
    return sum((Decimal(yuan) for leg, _, yuan in booking.fee_lines if leg in ridden), Decimal(0))


@transaction.atomic
def rate(*, by: Actor, booking_id: int, score: int, remark: str = "") -> None:
    """Satisfaction, 1 to 5, after the ride. Raises Invalid, Conflict."""
    if score not in range(1, 6):
        raise Invalid("请评 1–5 分 Rate from 1 to 5")
    booking = own_booking(by, booking_id)
    if booking.status != Booking.Status.DONE:
        raise Conflict("乘车后才能评价 Rate after the ride")
    booking.satisfaction, booking.remark = score, remark.strip()[:500]
    booking.save(update_fields=["satisfaction", "remark"])
    _audit(by, "transport.rate", booking, {"score": score})
