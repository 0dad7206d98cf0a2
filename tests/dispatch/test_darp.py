"""Dial-a-ride: files, schedules, plans, promises; every rule checked here again, from its definition."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthbrain.dispatch.rules.darp import Plan, Position, Promise, cancel, cordeau, promise, solve, under_way
from healthbrain.dispatch.rules.darp.model import (
    After,
    End,
    Instance,
    Load,
    Request,
    Rest,
    Solution,
    Vehicle,
    Window,
)
from healthbrain.dispatch.rules.darp.timetable import Leg, holds, timetable
from healthbrain.kernel.errors import Conflict, Invalid

TOL = 1e-6


def keeps_the_rules(instance: Instance, plan: Solution) -> None:
    """Cordeau & Laporte (2003), section 2, and the county's own rules; written apart from the solver."""
    place_of = instance.minutes
    fleet = {v.key: v for v in instance.vehicles}
    asked = {r.key: r for r in instance.requests}
    up: dict = {}
    down: dict = {}
    car: dict = {}
    length = 0.0
    for route in plan.routes:
        vehicle = fleet.pop(route.vehicle)  # each vehicle once
        stops = route.stops
        assert stops[0].place == vehicle.start
        assert stops[-1].place == vehicle.end
        assert stops[-1].begin - stops[0].departure <= vehicle.max_minutes + TOL
        assert vehicle.shift.earliest - TOL <= stops[0].departure
        assert stops[-1].begin <= vehicle.shift.latest + TOL
        for a, b in itertools.pairwise(stops):
            assert b.arrival >= a.departure + place_of[a.place, b.place] - TOL
            assert b.begin >= b.arrival - TOL
            length += instance.cost[a.place, b.place]
        riders: set = set()
        rested = 0
        for stop in stops[1:-1]:
            if stop.act == "rest":
                assert not riders
                assert vehicle.rest is not None
                assert vehicle.rest.window.earliest - TOL <= stop.begin <= vehicle.rest.window.latest + TOL
                assert stop.departure - stop.begin >= vehicle.rest.minutes - TOL
                rested += 1
                continue
            ride = asked[stop.request]
            end = ride.pickup if stop.act == "pickup" else ride.delivery
            assert stop.place == end.place
            assert end.window.earliest - TOL <= stop.begin <= end.window.latest + TOL
            assert stop.departure >= stop.begin + end.minutes - TOL
            if stop.act == "pickup":
                assert ride.key not in up
                up[ride.key], car[ride.key] = stop, vehicle.key
                riders.add(ride.key)
                assert ride.needs <= vehicle.equipment
                assert ride.vehicles is None or vehicle.key in ride.vehicles
            else:
                riders.remove(ride.key)  # KeyError: set down without having been picked up by this vehicle
                down[ride.key] = stop
                assert stop.begin - up[ride.key].departure <= ride.max_ride + TOL
            together = [asked[key] for key in riders]
            taken = np.sum([r.load for r in together], axis=0) if together else np.zeros(3)
            assert any((taken <= np.array(layout)).all() for layout in vehicle.layouts)
            assert len({r.cohort for r in together}) <= 1
            assert not any(r.alone for r in together) or len(together) == 1
        assert not riders
        assert rested == (1 if vehicle.rest else 0)
    assert set(up) == set(down) == set(asked) - {u.request for u in plan.unserved}
    assert plan.cost == pytest.approx(length)
    for key in up:
        after = asked[key].after
        if after:
            assert up[key].begin >= down[after.outward].departure + after.minutes - TOL
            assert not after.same_vehicle or car[key] == car[after.outward]


def feasible(instance: Instance, vehicle: Vehicle, order: list[tuple[Request, str]]) -> bool:
    """Is there any schedule? Bellman-Ford over all pairs of the difference constraints, written from the definition."""
    stops = [(vehicle.start, vehicle.shift, 0.0)]
    stops += [(e.place, e.window, e.minutes) for r, act in order for e in [r.pickup if act == "up" else r.delivery]]
    stops += [(vehicle.end, vehicle.shift, 0.0)]
    size = len(stops)
    least = [[-math.inf] * size for _ in range(size)]  # least[i][j]: begin j - begin i is at least this
    for i in range(size - 1):
        least[i][i + 1] = stops[i][2] + instance.minutes[stops[i][0], stops[i + 1][0]]
    least[size - 1][0] = -vehicle.max_minutes
    for i, (ride, act) in enumerate(order, 1):
        if act == "up":
            j = next(j for j, (other, kind) in enumerate(order, 1) if other is ride and kind == "down")
            least[j][i] = max(least[j][i], -(ride.max_ride + ride.pickup.minutes))
    begin = [stop[1].earliest for stop in stops]
    for _ in range(size + 1):
        changed = False
        for i in range(size):
            for j in range(size):
                if begin[i] + least[i][j] > begin[j] + 1e-9:
                    begin[j] = begin[i] + least[i][j]
                    changed = True
        if any(b > stop[1].latest + 1e-9 for b, stop in zip(begin, stops, strict=True)):
            return False
        if not changed:
            return True
    return False


def orders(rides: tuple[Request, ...]) -> list[list[tuple[Request, str]]]:
    """All orders of pickups and deliveries with every pickup before its delivery."""
    ends = [(r, act) for r in rides for act in ("up", "down")]
    found = []
    for order in itertools.permutations(ends):
        position = {(r.key, act): i for i, (r, act) in enumerate(order)}
        if all(position[r.key, "up"] < position[r.key, "down"] for r in rides):
            found.append(list(order))
    return found


def best_alone(instance: Instance, vehicle: Vehicle, rides: tuple[Request, ...]) -> float:
    """Least cost of one vehicle serving exactly these rides; inf when it cannot."""
    if not rides:
        return 0.0
    best = math.inf
    for order in orders(rides):
        load, fits = 0, True
        for ride, act in order:
            load += ride.load.seats * (1 if act == "up" else -1)
            fits = fits and load <= vehicle.layouts[0].seats
        places = [vehicle.start, *((r.pickup if a == "up" else r.delivery).place for r, a in order), vehicle.end]
        cost = sum(instance.cost[a, b] for a, b in itertools.pairwise(places))
        if fits and cost < best and feasible(instance, vehicle, order):
            best = float(cost)
    return best


def best_of_all(instance: Instance) -> float:
    """Optimum by trying every split of at most three rides over two equal vehicles."""
    rides = instance.requests
    vehicle = instance.vehicles[0]
    return min(
        best_alone(instance, vehicle, tuple(r for r, side in zip(rides, split, strict=True) if side))
        + best_alone(instance, vehicle, tuple(r for r, side in zip(rides, split, strict=True) if not side))
        for split in itertools.product((True, False), repeat=len(rides))
    )


@st.composite
def small_days(draw: st.DrawFn) -> Instance:
    """Three rides, two vehicles, on a 20 by 20 grid of minutes."""
    numbers = st.integers(0, 20)
    points = np.array([(draw(numbers), draw(numbers)) for _ in range(7)], dtype=float)
    ways = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    rides = []
    for key in range(3):
        opens = draw(st.integers(20, 120))
        window = Window(opens, opens + draw(st.integers(5, 40)))
        at_door = draw(st.booleans())
        up = End(1 + key, window if at_door else Window(0, 400), 3.0)
        down = End(4 + key, Window(0, 400) if at_door else window, 3.0)
        rides.append(Request(key, up, down, Load(draw(st.integers(1, 2))), draw(st.integers(15, 45))))
    limit = float(draw(st.integers(60, 200)))
    fleet = tuple(Vehicle(key, 0, 0, (Load(2),), Window(0, 400), limit) for key in range(2))
    return Instance(tuple(rides), fleet, ways, ways)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small_days())
def test_small_days_are_solved_to_the_optimum(instance: Instance) -> None:
    """Complete plans at brute-force cost whenever brute force finds a complete plan, and never one when it does not."""
    best = best_of_all(instance)
    plan = solve(instance, seconds=0.15)
    keeps_the_rules(instance, plan)
    if math.isinf(best):
        assert plan.unserved
    else:
        assert not plan.unserved
        assert plan.cost == pytest.approx(best, abs=1e-6)


FILE = """2 6 480 3 30
0 0.0 0.0 0 0 0 1440
1 1.0 5.0 3 1 0 1440
2 -4.0 2.0 3 1 100 115
3 6.0 -3.0 3 1 200 215
4 -2.0 -6.0 3 -1 60 75
5 5.0 5.0 3 -1 0 1440
6 -5.0 -5.0 3 -1 0 1440
"""


def test_a_file_is_planned_within_every_rule() -> None:
    instance = cordeau.parse(FILE)
    plan = solve(instance, seconds=0.3)
    keeps_the_rules(instance, plan)
    assert not plan.unserved
    with_end_depot = cordeau.parse(FILE + "7 0.0 0.0 0 0 0 1440\n")
    assert len(with_end_depot.requests) == 3
    assert instance.requests[1].pickup.window == Window(100, 115)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("2 6 480 3 30", "2 8 480 3 30"), "announces 8 rides"),
        (("2 6 480 3 30", "2 6 480 3"), "Line 1"),
        (("2 -4.0 2.0 3 1 100 115", "2 -4.0 2.0 3 1 115 100"), "Line 4: node 2 opens at 115"),
        (("3 6.0 -3.0 3 1 200 215", "3 six -3.0 3 1 200 215"), "Line 5"),
        (("4 -2.0 -6.0 3 -1 60 75", "4 -2.0 -6.0 3 -2 60 75"), "sets down 2"),
        (("5 5.0 5.0 3 -1 0 1440\n", ""), "odd number"),
        (("6 -5.0 -5.0 3", "9 -5.0 -5.0 3"), "expected node 6, found 9"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(change: tuple[str, str], message: str) -> None:
    assert change[0] in FILE
    with pytest.raises(Invalid, match=message):
        cordeau.parse(FILE.replace(*change))


def day(*rides: Request, fleet: tuple[Vehicle, ...] | None = None) -> Instance:
    """Places on a line, one minute apart, depot at 0."""
    spots = np.arange(61.0)
    ways = np.abs(spots[:, None] - spots[None])
    vans = fleet or tuple(Vehicle(k, 0, 0, (Load(4, 1, 0), Load(2, 0, 1)), Window(0, 900)) for k in ("A", "B"))
    return Instance(rides, vans, ways, ways)


def ride(key: str, up: int, down: int, opens: float = 100, width: float = 60, **more) -> Request:
    return Request(key, End(up, Window(opens, opens + width), 5.0), End(down, minutes=5.0), **more)


def test_reasons_are_told_for_rides_that_cannot_be() -> None:
    rides = (
        ride("far", 1, 60, max_ride=30.0),
        replace(ride("late", 5, 40), delivery=End(40, Window(100, 110), 5.0)),
        ride("oxygen", 5, 9, needs=frozenset({"oxygen"})),
        ride("two-stretchers", 5, 9, load=Load(0, 0, 2)),
        ride("fine", 5, 9),
    )
    plan = solve(day(*rides), seconds=0.2)
    reasons = {u.request: u.reason[1] for u in plan.unserved}
    assert set(reasons) == {"far", "late", "oxygen", "two-stretchers"}
    assert "59.0 min, its limit is 30 min" in reasons["far"]
    assert "late: the pickup window 01:40–02:40 cannot be met" in reasons["late"]  # 35 min away, due by 01:50
    assert "carries oxygen" in reasons["oxygen"]
    assert "2 stretchers" in reasons["two-stretchers"]


def test_cohorts_and_lone_riders_do_not_meet_in_a_vehicle() -> None:
    one = Vehicle("A", 0, 0, (Load(4),), Window(0, 900))
    shared = tuple(ride(k, 10, 30) for k in ("a", "b"))
    assert solve(day(*shared, fleet=(one,)), seconds=0.2).cost == pytest.approx(60)
    for apart in ({"cohort": "tb"}, {"alone": True}):
        instance = day(shared[0], ride("b", 10, 30, **apart), fleet=(one,))
        plan = solve(instance, seconds=0.2)
        keeps_the_rules(instance, plan)
        assert plan.cost == pytest.approx(100)  # there, back, there again, home
    assert not plan.unserved


def test_the_way_back_waits_for_the_treatment_and_the_crew() -> None:
    out = ride("out", 20, 40)
    back = replace(ride("back", 40, 20, opens=0, width=800), after=After("out", 240.0, same_vehicle=True))
    instance = day(out, back, ride("other", 5, 9, opens=300, width=10))
    plan = solve(instance, seconds=0.3)
    keeps_the_rules(instance, plan)
    assert not plan.unserved
    assert plan.begins("pickup")["back"] >= 100 + 5 + 20 + 5 + 240 - TOL


def test_the_driver_rests_with_nobody_on_board() -> None:
    van = Vehicle("A", 0, 0, (Load(4),), Window(0, 900), rest=Rest(Window(130, 170), 30.0))
    instance = day(*(ride(str(i), 10, 30, opens=60 + 50 * i, width=40) for i in range(4)), fleet=(van,))
    plan = solve(instance, seconds=0.3)
    keeps_the_rules(instance, plan)
    assert not plan.unserved


def test_convertible_places_carry_a_stretcher_only_in_their_layout() -> None:
    van = Vehicle("A", 0, 0, (Load(4, 1, 0), Load(1, 0, 1)), Window(0, 900))
    together = day(ride("s", 10, 30, load=Load(0, 0, 1)), ride("p", 10, 30), fleet=(van,))
    assert solve(together, seconds=0.2).cost == pytest.approx(60)
    apart = day(ride("s", 10, 30, load=Load(0, 0, 1)), ride("p", 10, 30, load=Load(2)), fleet=(van,))
    assert solve(apart, seconds=0.2).cost == pytest.approx(100)


def planned() -> Plan:
    instance = day(*(ride(str(i), 2 * i + 3, 50 - i, opens=60 + 30 * i) for i in range(10)))
    solution = solve(instance, seconds=0.3)
    told = {key: Promise(Window(begin - 5, begin + 10)) for key, begin in solution.begins("pickup").items()}
    return Plan(instance, solution, told)


def test_a_booking_keeps_what_others_were_told() -> None:
    plan = planned()
    offer = promise(plan, ride("new", 7, 45, opens=120))
    assert offer.accepted
    assert offer.plan is not None
    assert offer.pickup is not None
    keeps_the_rules(offer.plan.instance, offer.plan.solution)
    begins = offer.plan.solution.begins("pickup")
    for key, told in offer.plan.promises.items():
        assert told.pickup.earliest - TOL <= begins[key] <= told.pickup.latest + TOL
    assert offer.pickup.latest - offer.pickup.earliest <= 30.0
    assert set(offer.plan.promises) == {*plan.promises, "new"}


def test_a_booking_that_cannot_be_offers_other_times() -> None:
    only = Vehicle("A", 0, 0, (Load(1),), Window(0, 900))
    instance = day(ride("a", 10, 50, opens=100, width=10), fleet=(only,))
    plan = Plan(instance, solve(instance, seconds=0.1), {"a": Promise(Window(100, 110))})
    offer = promise(plan, ride("b", 12, 50, opens=110, width=10), seconds=1.0)
    assert not offer.accepted
    assert offer.reason[1]
    assert offer.alternatives
    again = promise(plan, ride("b", 12, 50, opens=offer.alternatives[0].earliest, width=30))
    assert again.accepted


def test_a_promise_that_cannot_be_kept_is_named() -> None:
    plan = planned()
    with pytest.raises(Conflict, match="3"):
        solve(plan.instance, seconds=0.1, pinned={"3": Promise(Window(0, 2))})


def test_a_cancellation_changes_nobody_elses_told_time() -> None:
    plan = planned()
    rest = cancel(plan, "4")
    keeps_the_rules(rest.instance, rest.solution)
    assert {r.key for r in rest.instance.requests} == {str(i) for i in range(10)} - {"4"}
    begins = rest.solution.begins("pickup")
    assert all(told.pickup.earliest - TOL <= begins[k] <= told.pickup.latest + TOL for k, told in rest.promises.items())


def test_a_patient_who_cancels_on_the_stairs_leaves_the_others_on_board() -> None:
    one = Vehicle("A", 0, 0, (Load(4),), Window(0, 900))
    instance = day(
        ride("on", 10, 50, opens=100, width=5, max_ride=60.0),
        ride("stairs", 20, 50, opens=110, width=30),
        ride("later", 30, 40, opens=300, width=30),
        fleet=(one,),
    )
    plan = Plan(instance, solve(instance, seconds=0.2), {"later": Promise(Window(300, 330))})
    left = plan.solution.routes[0].stops[0].departure
    at = Position("A", 20, 118.0, left_depot=left)
    rest, start = under_way(plan, [at], aboard={"on": ("A", 105.0)}, cancelled=["stairs"], now=118.0)
    again = solve(rest, seconds=0.2, pinned=start.promises, start=start.solution)
    keeps_the_rules(rest, again)
    stops = again.routes[0].stops
    assert stops[0].place == 20
    assert stops[0].departure >= 118.0 - TOL
    assert again.begins("delivery")["on"] <= 105.0 + 60.0 + TOL
    assert not again.unserved
    assert "stairs" not in again.begins("pickup")


def test_the_timetable_waits_at_the_depot_not_at_the_door() -> None:
    """Worked by hand: one rider, door from 100, ten minutes away; eight-step leaves at 90 and rides without waiting."""
    legs = [
        Leg(0, 1000, 0, 0),
        Leg(0, 1000, 5, 10),
        Leg(130, 140, 5, 20, partner=1, ride=60),
        Leg(0, 1000, 0, 10),
    ]
    begins = timetable(legs, 480, [0, 85, 130, 145])
    assert begins == pytest.approx([95, 105, 130, 145])
    assert holds(legs, 480, begins)
