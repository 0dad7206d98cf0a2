"""One question to a day: can this be promised beside everything told, when, by whom, at what fee? Writes nothing."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field, replace
from decimal import Decimal

from healthbrain.dispatch import knowledge_transport as knowledge
from healthbrain.dispatch import transport_day
from healthbrain.dispatch.models import Booking, Ride
from healthbrain.dispatch.rules import darp
from healthbrain.dispatch.rules import transport as rules
from healthbrain.dispatch.rules.darp.booking import GRID
from healthbrain.dispatch.rules.darp.model import End, Window, meet
from healthbrain.dispatch.transport_day import BACK, OUT, Day
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Conflict, Invalid, NotFound

SECONDS = 0.25  # of search a way; `promise` may take it twice for alternatives: both ways answer within a second


@dataclass(slots=True)
class Draft:
    """A booking not yet saved, its rides by solver key (below zero), and the day they are put to."""

    booking: Booking
    rides: dict[int, Ride]
    day: Day | None = None


@dataclass(slots=True)
class Answer:
    """unfit: questions that call for 120. told: the window of each way by leg; failed: the way that has none.

    alternatives: windows the failed way could have. fee: yuan of both ways, with its lines by leg.
    """

    unfit: tuple[str, ...] = ()
    accepted: bool = False
    told: dict[str, Window] = field(default_factory=dict)
    vehicle: dict[str, int] = field(default_factory=dict)
    failed: str = ""
    reason: tuple[str, str] = ("", "")
    alternatives: tuple[Window, ...] = ()
    fee: Decimal = Decimal(0)
    lines: tuple[tuple[str, str, Decimal], ...] = ()
    estimated: bool = False
    until: dt.date | None = None  # a long trip: the last day its vehicle is away
    seconds: float = 0.0
    plan: darp.Plan | None = None


def check(asked: rules.Asked, *, now: dt.datetime) -> None:
    """Raises Invalid for what cannot be: a day gone by, an unknown posture, a time that is none."""
    today = local(now).date()
    ahead = int(knowledge.figure("book_ahead"))
    if not today <= asked.day <= today + dt.timedelta(days=ahead):
        raise Invalid(f"只能预约今天起 {ahead} 天内 Only today and {ahead} days ahead", hint="请改日期 change the day")
    if asked.purpose not in knowledge.purposes() or asked.posture not in knowledge.postures():
        raise Invalid("请选择用车目的和体位 Choose purpose and posture")
    if asked.infection not in knowledge.cohorts() or asked.wish.meaning not in ("arrive", "pickup"):
        raise Invalid("请从列出的选项里选 Choose one of the options")
    if not 0 <= asked.companions <= int(knowledge.figure("companions_max")):
        raise Invalid(f"陪同最多 {int(knowledge.figure('companions_max'))} 人 Too many companions")
    times = [asked.wish.at] + ([asked.back_at] if asked.back_at is not None else [])
    if not all(math.isfinite(at) and 0 <= at < 1440 for at in times):
        raise Invalid("时间应在 0:00–23:59 The time must lie within the day")
    if asked.day == today and asked.wish.at <= transport_day.minute_of(now, today):
        raise Invalid("这个时间已经过去 That time is over", hint="请改时间 choose a later time")
    _check_places(asked)


def _check_places(asked: rules.Asked) -> None:
    long = knowledge.purposes()[asked.purpose].long
    if long != (asked.trip_km is not None):
        raise Invalid("出省长途请选“出省长途”并写公里数 A long trip needs its purpose and its kilometres")
    if asked.trip_km is not None:
        if not knowledge.figure("long_min_km") <= asked.trip_km <= rules.LONGEST_KM:
            least, most = knowledge.figure("long_min_km"), rules.LONGEST_KM
            raise Invalid(f"长途里程应在 {least:g}–{most:g} 公里 Kilometres out of range")
        return
    if (asked.origin.x, asked.origin.y) == (asked.target.x, asked.target.y):
        raise Invalid("出发地和目的地相同 Both places are the same")


def draft(asked: rules.Asked, *, by: int | None, now: dt.datetime) -> Draft:
    """Booking and rides as they would be saved, windows filled in."""
    booking = Booking(
        resident_id=asked.resident_id, channel=asked.channel, asked_by=by or 0, asked_at=now, purpose=asked.purpose,
        contact_name=asked.contact_name, contact_phone=asked.contact_phone, posture=asked.posture,
        companions=asked.companions, oxygen=asked.oxygen, infection=asked.infection, answers=dict(asked.answers),
    )  # fmt: skip
    pickup, delivery = rules.windows(asked.wish, early=knowledge.figure("early"), span=knowledge.figure("pickup_span"))
    out = _ride(booking, OUT, asked, asked.origin, asked.target, pickup, delivery)
    rides = {-1: out}
    purpose = knowledge.purposes()[asked.purpose]
    if asked.back and asked.trip_km is None:
        treatment = purpose.return_after or 0.0
        wait, ride = knowledge.figure("return_wait"), knowledge.postures()[asked.posture].max_ride
        window = (
            Window(asked.back_at, asked.back_at + wait)
            if asked.back_at is not None
            else rules.return_window(asked.wish, treatment=treatment, ride=ride, wait=wait)
        )
        back = _ride(booking, BACK, asked, asked.target, asked.origin, window, Window(0.0, math.inf))
        back.after_minutes = treatment if asked.back_at is None else 0.0
        rides[-2] = back
    return Draft(booking, rides)


def _ride(
    booking: Booking, leg: str, asked: rules.Asked, start: rules.Spot, end: rules.Spot, pickup: Window, drop: Window
) -> Ride:
    def finite(at: float, blank: float) -> float | None:
        return None if at == blank else at

    return Ride(
        booking=booking, leg=leg, day=asked.day, from_text=start.text, from_x=start.x, from_y=start.y, to_text=end.text,
        to_x=end.x, to_y=end.y, trip_km=asked.trip_km,
        pickup_from=finite(pickup.earliest, 0.0), pickup_until=finite(pickup.latest, math.inf),
        deliver_from=finite(drop.earliest, 0.0), deliver_until=finite(drop.latest, math.inf),
    )  # fmt: skip


def answer(asked: rules.Asked, made: Draft, *, now: dt.datetime, told: dict[str, Window] | None = None) -> Answer:
    """Is there room? `told`: windows that were shown already; only these will do. Fills `made.day`."""
    if unfit := rules.unfit(asked.answers, knowledge.questions()):
        return Answer(unfit=tuple(unfit))
    found = Answer()
    price(made, found)
    if asked.trip_km is not None:
        return _long(asked, made, found, now=now)
    try:
        made.day = transport_day.load(asked.day, now=now, candidates=list(made.rides.items()))
    except NotFound as error:
        found.failed, found.reason = OUT, (error.message, error.message)
        return found
    found.estimated = bool(made.day.estimated.any())
    plan = made.day.plan
    for key, ride in made.rides.items():
        if (limit := _too_far(made.day, key, ride)) is not None:
            found.failed, found.reason = ride.leg, limit
            return found
        request = made.day.request(key)
        if told and ride.leg in told:
            request = replace(request, pickup=_within(request.pickup, told[ride.leg]))
        offer = darp.promise(plan, request, seconds=SECONDS)
        found.seconds += offer.seconds
        if not offer.accepted or offer.plan is None or offer.pickup is None:
            found.failed, found.reason, found.alternatives = ride.leg, offer.reason, offer.alternatives
            return found
        plan = offer.plan
        found.told[ride.leg] = offer.pickup
    for key, ride in made.rides.items():  # of the whole plan: the way back may have moved the way out
        found.vehicle[ride.leg] = int(plan.solution.vehicle_of(key) or 0)
    found.accepted, found.plan = True, plan
    return found


def _within(end: End, told: Window) -> End:
    window = meet(end.window, told)
    if window.earliest > window.latest:
        raise Conflict("告知的时段已不可用 The window told is gone", hint="请重新询问 ask again")
    return replace(end, window=window)


def _too_far(day: Day, key: int, ride: Ride) -> tuple[str, str] | None:
    limit, needs = knowledge.postures()[ride.booking.posture].max_ride, day.driving(key)
    if needs <= limit:
        return None
    return (
        f"单程要 {needs:.0f} 分钟，超过该体位最长乘车 {limit:.0f} 分钟",
        f"The ride takes {needs:.0f} min; the limit for this posture is {limit:.0f}",
    )


def _long(asked: rules.Asked, made: Draft, found: Answer, *, now: dt.datetime) -> Answer:
    """A vehicle for all its days: one with nothing else to do that can carry him."""
    leaves, hours = asked.wish.at, (asked.trip_km or 0.0) / knowledge.figure("long_kmh")
    if asked.wish.meaning == "arrive":
        leaves -= 60.0 * hours
    if leaves < 0.0:
        found.failed = OUT
        found.reason = (
            f"路上约 {hours:.0f} 小时，要前一天出发：请选前一天，写几点可以出门",
            f"About {hours:.0f} h on the road: choose the day before, and when he is ready to leave",
        )
        return found
    load = knowledge.postures()[asked.posture].load(asked.companions)
    days = span(asked.day, asked.trip_km)
    free = [{v.pk for v in transport_day.fleet(day, now=now)} for day in days]
    busy = Ride.objects.filter(day__in=days, status__in=transport_day.STANDING, vehicle__isnull=False)
    usable = set.intersection(*free) - set(busy.values_list("vehicle", flat=True))
    for vehicle in transport_day.fleet(asked.day, now=now):
        fits = any(all(n <= room for n, room in zip(load, layout, strict=True)) for layout in vehicle.layouts)
        if vehicle.pk in usable and fits and (not asked.oxygen or "oxygen" in vehicle.equipment):
            width = knowledge.figure("told_width")
            first = math.floor(leaves / GRID) * GRID
            found.told[OUT] = Window(first, min(first + width, 1440.0))
            found.vehicle[OUT], found.accepted, found.until = vehicle.pk, True, days[-1]
            return found
    found.failed = OUT
    found.reason = (
        f"没有连续 {len(days)} 天都空着、坐得下的车", f"No vehicle that can carry him is free for {len(days)} days"
    )  # fmt: skip
    return found


def span(day: dt.date, trip_km: float | None) -> list[dt.date]:
    """The days a ride touches: its own, and of a long trip those until the vehicle is home again."""
    days = 1 if trip_km is None else transport_day.long_days(min(trip_km, rules.LONGEST_KM))
    return [day + dt.timedelta(days=n) for n in range(days)]


def price(made: Draft, found: Answer) -> None:
    """Fee of every way, line by line."""
    lines = []
    for ride in made.rides.values():
        km = ride.trip_km
        if km is None:
            km = transport_day.way_km((ride.from_x, ride.from_y), (ride.to_x, ride.to_y))
        booking = ride.booking
        fare = rules.fare(
            knowledge.fares(), km=km, posture=booking.posture, companions=booking.companions, oxygen=booking.oxygen
        )
        lines += [(ride.leg, name, yuan) for name, yuan in fare]
    found.lines, found.fee = tuple(lines), sum((yuan for *_, yuan in lines), Decimal(0))
