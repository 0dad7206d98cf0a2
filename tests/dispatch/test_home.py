"""Home care: tours, pairs, sequences, breaks, continuity, repair; every rule checked here from its definition."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthbrain.dispatch.rules.darp.model import Rest, Window
from healthbrain.dispatch.rules.home import plan_day, plan_week, repair
from healthbrain.dispatch.rules.home.model import (
    PLAIN,
    Day,
    DayPlan,
    Following,
    NoShow,
    Nurse,
    NurseOut,
    Overrun,
    Pin,
    Urgent,
    Visit,
)

TOL = 1e-6
BASIC, WOUND = frozenset({"basic"}), frozenset({"wound"})
SHIFT = Window(480, 1020)


def keeps_the_rules(plan: DayPlan) -> None:
    """Written apart from the planner."""
    day = plan.day
    nurses = {n.key: n for n in day.nurses}
    visits = {v.key: v for v in day.visits}
    made: dict = {key: [] for key in visits}
    driving = 0.0
    for tour in plan.tours:
        nurse = nurses.pop(tour.nurse)
        here, free = nurse.start, tour.leaves
        assert free >= nurse.shift.earliest - TOL
        for call in tour.calls:
            place = here if call.visit is None else visits[call.visit].place
            driving += day.minutes[here, place]
            assert call.begin >= free + day.minutes[here, place] - TOL
            here, free = place, call.end
            if call.visit is not None:
                made[call.visit].append((nurse, call))
        driving += day.minutes[here, nurse.end]
        assert free + day.minutes[here, nurse.end] <= nurse.shift.latest + TOL
        rests = [c for c in tour.calls if c.visit is None]
        assert len(rests) == (1 if nurse.rest else 0)
        for rest in rests:
            assert nurse.rest.window.earliest - TOL <= rest.begin <= nurse.rest.window.latest + TOL
            assert rest.end - rest.begin >= nurse.rest.minutes - TOL
    assert plan.driving == pytest.approx(driving)
    begin = {}
    for key, calls in made.items():
        visit = visits[key]
        if any(u.visit == key for u in plan.uncovered):
            assert not calls
            continue
        assert len({n.key for n, _ in calls}) == len(calls) == len(visit.needs)
        assert any(
            all(need <= calls[i][0].skills for need, i in zip(visit.needs, order, strict=True))
            for order in itertools.permutations(range(len(calls)))
        )
        for nurse, call in calls:
            assert call.begin == pytest.approx(calls[0][1].begin, abs=TOL)
            assert visit.window.earliest - TOL <= call.begin <= visit.window.latest + TOL
            assert call.end - call.begin >= visit.minutes - TOL
            assert nurse.key not in visit.refused
        begin[key] = calls[0][1].begin
    for visit in visits.values():
        if visit.following and visit.key in begin and visit.following.visit in begin:
            gap = begin[visit.key] - begin[visit.following.visit]
            assert visit.following.earliest - TOL <= gap <= visit.following.latest + TOL


def made_up(seed: int, count: int, nurses: int, pairs: int, rest: Rest | None = None) -> Day:
    draw = np.random.default_rng(seed)
    spots = np.vstack([[20.0, 20.0], draw.uniform(0, 40, (count, 2))])
    ways = np.hypot(*(spots[:, None] - spots[None]).transpose(2, 0, 1))
    team = tuple(Nurse(f"n{k}", 0, 0, SHIFT, BASIC | WOUND if k % 2 == 0 else BASIC, rest) for k in range(nurses))
    visits = []
    for i in range(count):
        opens = 480 + 30 * int(draw.integers(0, 14))
        first = WOUND if i % 4 == 0 else BASIC
        visits.append(
            Visit(i, f"p{i}", i + 1, Window(opens, opens + 120), 20, (first, BASIC) if i < pairs else (first,))
        )
    return Day(team, tuple(visits), ways)


def test_sixty_visits_ten_by_two_within_every_rule() -> None:
    day = made_up(7, 60, 6, 10, Rest(Window(690, 780), 30))
    plan = plan_day(day, seconds=3.0)
    keeps_the_rules(plan)
    assert not plan.uncovered


def best_by_hand(day: Day) -> float:
    """Least driving over all splits and orders of a few visits, one nurse each; inf when not all can be made."""
    best = math.inf
    for split in itertools.product(range(len(day.nurses)), repeat=len(day.visits)):
        total = 0.0
        for k, nurse in enumerate(day.nurses):
            mine = [v for v, who in zip(day.visits, split, strict=True) if who == k]
            total += min((tour_cost(day, nurse, order) for order in itertools.permutations(mine)), default=0.0)
        best = min(best, total)
    return best


def tour_cost(day: Day, nurse: Nurse, order: tuple[Visit, ...]) -> float:
    if not order:
        return 0.0
    here, now, cost = nurse.start, nurse.shift.earliest, 0.0
    for visit in order:
        way = float(day.minutes[here, visit.place])
        now, cost, here = max(now + way, visit.window.earliest), cost + way, visit.place
        if now > visit.window.latest or not visit.needs[0] <= nurse.skills:
            return math.inf
        now += visit.minutes
    way = float(day.minutes[here, nurse.end])
    return cost + way if now + way <= nurse.shift.latest else math.inf


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.integers(20, 150))
def test_small_days_are_planned_to_the_optimum(seed: int, width: int) -> None:
    day = made_up(seed, 5, 2, 0)
    day = replace(
        day, visits=tuple(replace(v, window=Window(v.window.earliest, v.window.earliest + width)) for v in day.visits)
    )
    best = best_by_hand(day)
    plan = plan_day(day, seconds=0.1, weights=PLAIN)
    keeps_the_rules(plan)
    if math.isinf(best):
        assert plan.uncovered
    else:
        assert plan.driving == pytest.approx(best)
        assert not plan.uncovered


def line(*visits: Visit, nurses: tuple[Nurse, ...]) -> Day:
    spots = np.arange(41.0)
    return Day(nurses, visits, np.abs(spots[:, None] - spots[None]))


TWO = (Nurse("a", 0, 0, SHIFT, BASIC), Nurse("b", 40, 40, SHIFT, BASIC))


def test_two_nurses_begin_together_and_sequences_keep_their_gap() -> None:
    visits = (
        Visit("lift", "p", 20, Window(500, 700), 30, (BASIC, BASIC)),
        Visit("insulin", "q", 10, Window(480, 900), 10, (BASIC,)),
        Visit("meal", "q", 10, Window(480, 900), 20, (BASIC,), following=Following("insulin", 30, 45)),
    )
    plan = plan_day(line(*visits, nurses=TWO), seconds=0.3)
    keeps_the_rules(plan)
    assert not plan.uncovered
    assert set(plan.nurses_of()["lift"]) == {"a", "b"}


def test_what_nobody_can_do_is_told_with_the_reason() -> None:
    visits = (
        Visit("drain", "p", 5, Window(500, 700), 30, (WOUND,)),
        Visit("trio", "q", 5, Window(500, 700), 30, (BASIC, BASIC, BASIC)),
        Visit("dawn", "r", 30, Window(400, 485), 30, nurses=frozenset({"a"})),
        Visit("fine", "s", 7, Window(500, 700), 30),
    )
    plan = plan_day(line(*visits, nurses=TWO), seconds=0.2)
    keeps_the_rules(plan)
    reasons = {u.visit: u.reason[1] for u in plan.uncovered}
    assert set(reasons) == {"drain", "trio", "dawn"}
    assert "wound" in reasons["drain"]
    assert "fewer nurses" in reasons["trio"]
    assert "window" in reasons["dawn"]


def test_a_patient_keeps_the_nurse_he_knows() -> None:
    visit = Visit("v", "p", 18, Window(500, 900), 30)
    day = line(visit, nurses=TWO)
    assert plan_day(day, seconds=0.1).nurses_of()["v"] == ("a",)  # 36 minutes of driving against 44
    known = {"p": frozenset({"b"})}
    assert plan_day(day, seconds=0.1, known=known).nurses_of()["v"] == ("b",)


def test_the_usual_time_is_kept_where_it_costs_little() -> None:
    visit = Visit("v", "p", 5, Window(480, 960), 30, usual=840.0)
    begin = plan_day(line(visit, nurses=TWO), seconds=0.1).begins()["v"]
    assert 810 - TOL <= begin <= 870 + TOL


def test_work_is_spread() -> None:
    visits = tuple(Visit(i, i, 10, Window(480, 960), 60) for i in range(6))
    plan = plan_day(line(*visits, nurses=(TWO[0], replace(TWO[0], key="b"))), seconds=0.2)
    assert sorted(len(t.calls) for t in plan.tours) == [3, 3]


def test_a_week_shows_few_faces() -> None:
    days = [made_up(3, 12, 3, 1) for _ in range(3)]
    week = plan_week(days, seconds=1.5)
    for plan in week.days:
        keeps_the_rules(plan)
        assert not plan.uncovered
    single = [len(week.faces[f"p{i}"]) for i in range(1, 12)]
    assert sum(single) / len(single) <= 1.5
    assert sum(week.working.values()) == pytest.approx(sum(t.working for p in week.days for t in p.tours))


def morning() -> DayPlan:
    day = made_up(5, 18, 4, 2)
    plan = plan_day(day, seconds=0.5)
    assert not plan.uncovered
    return plan


def test_a_nurse_falls_ill_and_the_day_goes_on() -> None:
    plan = morning()
    ill = plan.tours[0].nurse
    pins = {k: Pin(frozenset(plan.nurses_of()[k]), Window(b - 5, b + 60)) for k, b in plan.begins().items()
            if ill not in plan.nurses_of()[k] and b > 700}  # fmt: skip
    kept = dict(itertools.islice(pins.items(), 3))
    fixed = repair(plan, [NurseOut(ill, 600)], now=600, seconds=0.5, pinned=kept)
    keeps_the_rules(fixed.plan)
    assert all(tour.nurse != ill for tour in fixed.plan.tours)
    for key, pin in kept.items():
        assert frozenset(fixed.plan.nurses_of()[key]) <= pin.nurses
        assert pin.window.earliest - TOL <= fixed.plan.begins()[key] <= pin.window.latest + TOL
    hers = [key for key, who in plan.nurses_of().items() if ill in who and plan.begins()[key] >= 600]
    assert set(hers) <= {change.visit for change in fixed.changes}
    assert all(begin >= 600 - TOL for begin in fixed.plan.begins().values())


def test_no_show_urgent_and_overrun_are_told_apart() -> None:
    plan = morning()
    begins = plan.begins()
    later = sorted((key for key, begin in begins.items() if begin > 650), key=begins.get)
    urgent = Visit("urgent", "px", 3, Window(650, 760), 20, priority=5.0)
    fixed = repair(plan, [NoShow(later[0]), Urgent(urgent)], now=640, seconds=0.5)
    keeps_the_rules(fixed.plan)
    whys = {change.visit: change.why[1] for change in fixed.changes}
    assert whys[later[0]] == "patient not at home or cancelled"
    assert whys["urgent"] == "urgent visit"
    assert "urgent" in fixed.plan.begins()
    tour, call = next((t, c) for t in plan.tours for c in t.calls if c.begin < 640 < c.end + 60)
    late = repair(plan, [Overrun(call.visit, 700.0)], now=640, seconds=0.5)
    keeps_the_rules(late.plan)
    hers = next((t for t in late.plan.tours if t.nurse == tour.nurse), None)
    if hers is not None and [c for c in tour.calls if c.begin < 640][-1] is call:
        assert hers.leaves >= 700 - TOL
