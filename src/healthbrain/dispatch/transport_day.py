"""A day of non-emergency transport between rows and solver: the rides as requests, the solver's plan as rows.

Rides no vehicle carries yet stay out of the standing plan: it holds exactly what has been told to people.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from healthbrain.dispatch import knowledge_transport as knowledge
from healthbrain.dispatch import network
from healthbrain.dispatch.knowledge_roads import straight_line
from healthbrain.dispatch.models import DayPlan, EventVehicle, Ride, TransportVehicle
from healthbrain.dispatch.models import Vehicle as VehicleRow
from healthbrain.dispatch.rules import darp
from healthbrain.dispatch.rules import transport as rules
from healthbrain.dispatch.rules.darp.model import ALWAYS, After, End, Key, Load, Rest, Route, Solution, Stop, Window
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Invalid, NotFound

STANDING = (Ride.Status.PLANNED, Ride.Status.ON_WAY, Ride.Status.ON_BOARD)
OUT, BACK = "out", "back"


def minute_of(moment: dt.datetime, day: dt.date) -> float:
    """Minutes since midnight of `day` in county time."""
    return (local(moment) - dt.datetime.combine(day, dt.time())).total_seconds() / 60.0


def called_in() -> set[int]:
    """Vehicles a mass casualty has now."""
    return set(EventVehicle.objects.filter(released__isnull=True).values_list("vehicle_id", flat=True))


def long_days(km: float) -> int:
    """Days a trip of so many kilometres one way takes its vehicle."""
    return rules.long_days(km, kmh=knowledge.figure("long_kmh"), hours=knowledge.figure("long_hours"))


def on_long_trip(day: dt.date) -> set[int]:
    """Vehicles away on a long trip that day, begun then or before."""
    since = day - dt.timedelta(days=long_days(rules.LONGEST_KM))
    gone = Ride.objects.filter(day__range=(since, day), trip_km__isnull=False, vehicle__isnull=False)
    gone = gone.exclude(status__in=[Ride.Status.CANCELLED, Ride.Status.NO_SHOW])
    rows = gone.values_list("vehicle", "day", "trip_km")
    return {vehicle for vehicle, first, km in rows if day < first + dt.timedelta(days=long_days(km or 0.0))}


def out_of_service(row: TransportVehicle, day: dt.date) -> bool:
    """It does not work that day: off, and not back by then."""
    return row.vehicle.status == VehicleRow.Status.OFF and (row.back_on is None or day < row.back_on)


def fleet(day: dt.date, *, now: dt.datetime) -> list[TransportVehicle]:
    """Vehicles to plan with: in service, not at a mass casualty today, not on a long trip."""
    gone = on_long_trip(day) | (called_in() if day == local(now).date() else set())
    rows = TransportVehicle.objects.select_related("vehicle__station").order_by("vehicle__code")
    return [row for row in rows if row.pk not in gone and not out_of_service(row, day)]


@dataclass(slots=True)
class Day:
    """One day as the solver sees it. `plan`: what stands and was told; `requests` asks for any ride handed to `load`.

    moment: minute of now when the day is today, else None. candidates: rides outside the standing plan, by key.
    """

    day: dt.date
    moment: float | None
    rides: dict[int, Ride]
    candidates: dict[int, Ride]
    place: dict[tuple[int, str], int]
    points: np.ndarray
    estimated: np.ndarray
    minutes: np.ndarray
    plan: darp.Plan

    def request(self, key: int) -> darp.Request:
        return _request(self, key, self.candidates[key])

    def driving(self, key: int) -> float:
        """Minutes from door to door without a detour."""
        return float(self.minutes[self.place[key, "pickup"], self.place[key, "delivery"]])


def load(day: dt.date, *, now: dt.datetime, candidates: Sequence[tuple[int, Ride]] = ()) -> Day:
    """The day's standing plan with room for `candidates` (key, ride saved or not). Raises Invalid, NotFound.

    Of today only what is still to do is planned: riders on board are brought, vehicles stand where they were last.
    """
    today = local(now).date()
    if day < today:
        raise Invalid("这一天已经过去 That day is over", hint="请选今天或以后 choose today or later")
    vehicles = fleet(day, now=now)
    if not vehicles:
        raise NotFound(
            "当天没有可用的转运车 No transport vehicle that day", hint="恢复车辆后再安排 bring one back first"
        )
    usable = {v.pk for v in vehicles}
    standing = Ride.objects.filter(day=day, status__in=STANDING, trip_km__isnull=True).select_related("booking")
    rides = {r.pk: r for r in standing if r.status != Ride.Status.ON_BOARD or r.vehicle_id in usable}
    offered = {key: ride for key, ride in candidates if key not in rides}
    moment = minute_of(now, day) if day == today else None
    last = _last_points(day, usable) if moment is not None else {}
    place, points = _places(rides | offered, vehicles, last)
    between = network.times("normal").between(points, points, straight_line("normal"))
    minutes = between.ms / 60_000.0
    minutes[(points[:, None] == points[None]).all(axis=2)] = 0.0  # a door to itself: no way off the road and back
    blank = darp.Plan(darp.Instance((), tuple(_vehicle(v, place) for v in vehicles), minutes, minutes), Solution((), 0))
    made = Day(day, moment, rides, offered, place, points, between.estimated, minutes, blank)
    made.plan = _standing_plan(made, last)
    return made


def _last_points(day: dt.date, usable: set[int]) -> dict[int, tuple[float, float]]:
    """Where each vehicle was last seen by a button of its driver."""
    found: dict[int, tuple[dt.datetime, float, float]] = {}
    for ride in Ride.objects.filter(day=day, vehicle__in=usable):
        moments = ((ride.delivered, ride.to_x, ride.to_y), (ride.turned_away, ride.from_x, ride.from_y),
                   (ride.picked_up, ride.from_x, ride.from_y))  # fmt: skip
        for at, x, y in moments:
            number = ride.vehicle_id or 0
            if at is not None and (number not in found or at > found[number][0]):
                found[number] = (at, x, y)
    return {vehicle: (x, y) for vehicle, (_, x, y) in found.items()}


def _places(
    rides: dict[int, Ride], vehicles: list[TransportVehicle], last: dict[int, tuple[float, float]]
) -> tuple[dict[tuple[int, str], int], np.ndarray]:
    place: dict[tuple[int, str], int] = {}
    points: list[tuple[float, float]] = []

    def put(key: tuple[int, str], x: float, y: float) -> None:
        place[key] = len(points)
        points.append((x, y))

    for key, ride in rides.items():
        put((key, "pickup"), ride.from_x, ride.from_y)
        put((key, "delivery"), ride.to_x, ride.to_y)
    for vehicle in vehicles:
        station = vehicle.vehicle.station
        put((vehicle.pk, "depot"), station.x, station.y)
        put((vehicle.pk, "last"), *last.get(vehicle.pk, (station.x, station.y)))
    return place, np.array(points, dtype=np.float64).reshape(-1, 2)


def _vehicle(row: TransportVehicle, place: dict[tuple[int, str], int]) -> darp.Vehicle:
    depot, shift = place[row.pk, "depot"], Window(_minutes(row.shift_from), _minutes(row.shift_until))
    rest = Window(knowledge.figure("rest_from"), knowledge.figure("rest_until"))
    return darp.Vehicle(
        key=row.pk,
        start=depot,
        end=depot,
        layouts=tuple(Load(*layout) for layout in row.layouts),
        shift=shift,
        equipment=frozenset(row.equipment),
        rest=Rest(rest, row.rest_minutes) if row.rest_minutes else None,
    )


def _minutes(at: dt.time) -> float:
    return at.hour * 60.0 + at.minute


def _window(earliest: float | None, latest: float | None) -> Window:
    return Window(ALWAYS.earliest if earliest is None else earliest, ALWAYS.latest if latest is None else latest)


def _request(day: Day, key: int, ride: Ride) -> darp.Request:
    """A ride as asked. What is told is narrowed by the promises, not here."""
    booking, posture = ride.booking, knowledge.postures()[ride.booking.posture]
    pickup, delivery = _window(ride.pickup_from, ride.pickup_until), _window(ride.deliver_from, ride.deliver_until)
    after, earliest = _after(day, ride), pickup.earliest
    if day.moment is not None:
        earliest = max(earliest, day.moment)
    if after is None and ride.leg == BACK and (ready := _ready(ride)) is not None:
        earliest = max(earliest, ready)
    return darp.Request(
        key=key,
        pickup=End(day.place[key, "pickup"], Window(earliest, max(pickup.latest, earliest)), posture.board),
        delivery=End(day.place[key, "delivery"], delivery, posture.alight),
        load=posture.load(booking.companions),
        max_ride=posture.max_ride,
        needs=frozenset({"oxygen"} if booking.oxygen else ()),
        cohort=booking.infection or None,
        after=after,
        label=ride.from_text,
    )


def _after(day: Day, ride: Ride) -> After | None:
    """The link to the way out, while that is still to be driven."""
    if ride.leg != BACK or ride.after_minutes is None:
        return None
    same = knowledge.purposes()[ride.booking.purpose].same_vehicle
    for key, other in (day.rides | day.candidates).items():
        same_booking = other.booking is ride.booking or (other.booking_id and other.booking_id == ride.booking_id)
        if other.leg == OUT and same_booking:
            return After(key, ride.after_minutes, same)
    return None


def _ready(ride: Ride) -> float | None:
    """When the way back may begin after a way out that is over."""
    out = Ride.objects.filter(booking_id=ride.booking_id, leg=OUT, delivered__isnull=False).first()
    if out is None or out.delivered is None or ride.after_minutes is None:
        return None
    return minute_of(out.delivered, ride.day) + ride.after_minutes


def _late(day: Day, ride: Ride) -> bool:
    """Told windows that have gone by, and vehicles already on the way to the door: fetched as soon as can be."""
    if day.moment is None:
        return False
    latest = _window(None, ride.promised_until).latest
    return ride.status == Ride.Status.ON_WAY or latest <= day.moment


def _standing_plan(day: Day, last: dict[int, tuple[float, float]]) -> darp.Plan:
    requests: list[darp.Request] = []
    promises: dict[Key, darp.Promise] = {}
    for key, ride in day.rides.items():
        request = _request(day, key, ride)
        if ride.promised_from is not None and ride.promised_until is not None:
            promises[key] = darp.Promise(Window(ride.promised_from, ride.promised_until))
        if ride.status != Ride.Status.ON_BOARD and _late(day, ride):
            request, promises[key] = _as_soon_as_can_be(day, ride, request)
        requests.append(request)
    instance = replace(day.plan.instance, requests=tuple(requests))
    plan = darp.Plan(instance, _solution(day), promises)
    return plan if day.moment is None else _from_now_on(day, plan, last, day.moment)


def _as_soon_as_can_be(day: Day, ride: Ride, request: darp.Request) -> tuple[darp.Request, darp.Promise]:
    """No window any more; the vehicle that has set off stays his."""
    still = Window(day.moment or 0.0, ALWAYS.latest)
    made = replace(
        request, pickup=replace(request.pickup, window=still), delivery=replace(request.delivery, window=ALWAYS)
    )
    return made, darp.Promise(still, vehicle=ride.vehicle_id if ride.status == Ride.Status.ON_WAY else None)


def _from_now_on(day: Day, plan: darp.Plan, last: dict[int, tuple[float, float]], moment: float) -> darp.Plan:
    positions = [
        darp.Position(v.key, day.place[int(v.key), "last"], max(moment, v.shift.earliest))
        for v in plan.instance.vehicles
        if v.key in last
    ]
    aboard: dict[Key, tuple[Key, float]] = {
        key: (int(ride.vehicle_id or 0), minute_of(ride.picked_up, day.day))
        for key, ride in day.rides.items()
        if ride.status == Ride.Status.ON_BOARD and ride.picked_up is not None
    }
    return darp.under_way(plan, positions, aboard=aboard, now=moment)[1]


def _solution(day: Day) -> Solution:
    """The stored routes as the solver's start."""
    row = DayPlan.objects.filter(day=day.day).first()
    routes = []
    for route in row.routes if row else []:
        stops = [
            Stop(act, day.place[ride, act], arrival, begin, departure, ride)
            for act, ride, arrival, begin, departure in route["stops"]
            if ride in day.rides
        ]
        routes.append(Route(route["vehicle"], tuple(stops), 0.0))
    return Solution(tuple(routes), 0.0)


def lock(day: dt.date) -> DayPlan:
    """The day's plan, locked until commit: bookings of one day come one after the other."""
    DayPlan.objects.get_or_create(day=day)
    return DayPlan.objects.select_for_update().get(day=day)


def routes_of(day: Day, solution: Solution) -> list[dict[str, Any]]:
    """Routes as they are stored: per vehicle km and stops [act, ride, arrival, begin, departure]."""
    made = []
    for route in solution.routes:
        stops = [[s.act, s.request, s.arrival, s.begin, s.departure] for s in route.stops if s.request is not None]
        rests = [[s.arrival, s.begin, s.departure] for s in route.stops if s.act == "rest"]
        km = _km(day, [s.place for s in route.stops])
        made.append({"vehicle": route.vehicle, "km": round(km, 1), "stops": stops, "rests": rests,
                     "leaves": route.stops[0].departure, "back": route.stops[-1].arrival})  # fmt: skip
    return made


def _km(day: Day, places: Sequence[int]) -> float:
    roads = network.times("normal")
    node = roads.snap(day.points[list(places)]).node
    pairs = [(int(a), int(b)) for a, b in itertools.pairwise(node) if a != b]
    return sum(road_km(a, b) for a, b in pairs)


def road_km(start: int, end: int) -> float:
    """Kilometres of the fastest way between two nodes; 0 where no road leads."""
    roads = network.times("normal")
    way = roads.path(start, end)
    return float(roads.graph.length_m[way.arcs].sum()) / 1000.0 if way is not None and len(way.arcs) else 0.0


def way_km(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Kilometres by road from door to door; straight × detour where no road leads."""
    snap = network.times("normal").snap([start, end])
    a, b = (int(n) for n in snap.node)
    km = road_km(a, b)
    if km == 0.0 and a != b:
        km = network.metres(*start, [end])[0] * straight_line("normal").detour / 1000.0
    return km + float(snap.metres.sum()) / 1000.0


def store(row: DayPlan, day: Day, plan: darp.Plan, *, keys: dict[int, int], by: str) -> None:
    """Write a plan: routes, and each ride's vehicle, order, times. `keys`: solver key → ride id of new rides."""
    routes = routes_of(day, plan.solution)
    for route in routes:
        for stop in route["stops"]:
            stop[1] = keys.get(stop[1], stop[1])
    row.routes, row.cost = routes, sum(route["km"] for route in routes)
    row.version += 1
    row.changed_by = by
    row.save()
    _write_rides(day, routes, keys)


def _write_rides(day: Day, routes: Iterable[dict[str, Any]], keys: dict[int, int]) -> None:
    known = day.rides | {keys.get(key, key): ride for key, ride in day.candidates.items()}
    changed = []
    for route in routes:
        order = 0
        for act, number, _, begin, _ in route["stops"]:
            ride = known[number]
            ride.vehicle_id = route["vehicle"]
            if act == "delivery":
                ride.deliver_at = begin
                changed.append(ride)
            elif ride.status != Ride.Status.ON_BOARD:
                ride.pickup_at, ride.position = begin, order
                order += 1
    Ride.objects.bulk_update(changed, ["vehicle", "position", "pickup_at", "deliver_at"])
