"""Siting against trying every plan; Erlang's formulas against printed tables and the sums they stand for."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement, product
from math import exp, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthbrain.dispatch import network
from healthbrain.dispatch.knowledge_roads import straight_line
from healthbrain.dispatch.models import LandMark
from healthbrain.dispatch.queries import planning
from healthbrain.dispatch.queries import siting as county
from healthbrain.dispatch.rules.erlang import answered_within, call_centre, erlang_b, erlang_c
from healthbrain.dispatch.rules.plans import Site, apply, written
from healthbrain.dispatch.rules.siting import Infeasible, double_standard, lscp, mclp, mexclp, p_median
from healthbrain.kernel.errors import Invalid, NotAllowed
from tests.dispatch import emergency_county

SITES = 6


@st.composite
def problems(draw):
    """Minutes from 3–9 zones to 6 sites, and demand."""
    zones = draw(st.integers(3, 9))
    cost = draw(st.lists(st.lists(st.integers(1, 20), min_size=SITES, max_size=SITES), min_size=zones, max_size=zones))
    return np.array(cost), np.array(draw(st.lists(st.integers(1, 9), min_size=zones, max_size=zones)), float)


def plans(p, fixed=()):
    return [c for c in combinations(range(SITES), p) if set(fixed) <= set(c)]


@settings(max_examples=25, deadline=None)
@given(problem=problems(), p=st.integers(1, 4), keep=st.booleans())
def test_mclp_and_p_median_equal_trying_every_plan(problem, p, keep):
    cost, demand = problem
    cover, fixed = cost <= 8, [2] if keep else []
    reached = max(demand[cover[:, list(c)].any(axis=1)].sum() for c in plans(p, fixed)) / demand.sum()
    found = mclp(cover, demand, p, fixed=fixed)
    assert (found.optimal, found.value) == (True, pytest.approx(reached))
    assert set(fixed) <= set(found.sites)
    assert demand[cover[:, list(found.sites)].any(axis=1)].sum() / demand.sum() == pytest.approx(reached)
    nearest = min((demand * cost[:, list(c)].min(axis=1)).sum() for c in plans(p, fixed)) / demand.sum()
    assert p_median(cost, demand, p, fixed=fixed).value == pytest.approx(nearest)


@settings(max_examples=25, deadline=None)
@given(problem=problems(), keep=st.booleans())
def test_lscp_equals_trying_every_plan(problem, keep):
    cost, _ = problem
    cover, fixed = cost <= 8, [1] if keep else []
    possible = cover.any(axis=1)
    fewest = next(
        p
        for p in range(SITES + 1)
        if any((cover[:, list(c)].any(axis=1) | ~possible).all() for c in plans(p, fixed) if set(fixed) <= set(c))
    )
    found = lscp(cover, fixed=fixed)
    assert (found.value, found.uncovered) == (fewest, tuple(np.flatnonzero(~possible)))


def expected(cover, demand, sites, busy):
    count = cover[:, list(sites)].sum(axis=1)
    return (demand * (1 - busy**count)).sum() / demand.sum()


@settings(max_examples=25, deadline=None)
@given(problem=problems(), vehicles=st.integers(1, 4), busy=st.sampled_from([0.1, 0.5, 0.8]))
def test_mexclp_equals_trying_every_plan_with_fixed_vehicles_and_places(problem, vehicles, busy):
    cost, demand = problem
    cover = cost <= 8
    allowed = [c for c in combinations_with_replacement(range(SITES), vehicles) if 3 in c and c.count(0) <= 1]
    best = max(expected(cover, demand, c, busy) for c in allowed)
    found = mexclp(cover, demand, vehicles, busy, fixed={3: 1}, capacity={0: 1})
    assert (found.optimal, found.value) == (True, pytest.approx(best, abs=1e-7))
    assert found.sites in allowed


@settings(max_examples=25, deadline=None)
@given(problem=problems(), share=st.sampled_from([0.3, 0.7]))
def test_double_standard_equals_trying_every_plan(problem, share):
    cost, demand = problem
    near, far = cost <= 8, cost <= 16
    possible = far.any(axis=1)

    def twice(c):
        once, wide = near[:, list(c)].sum(axis=1), far[:, list(c)].any(axis=1)
        if not (wide | ~possible).all() or demand[once >= 1].sum() / demand.sum() < share - 1e-9:
            return -1.0
        return demand[once >= 2].sum() / demand.sum()

    best = max(twice(c) for c in combinations_with_replacement(range(SITES), 3))
    if best < 0:
        with pytest.raises(Infeasible):
            double_standard(near, far, demand, 3, share)
    else:
        assert double_standard(near, far, demand, 3, share).value == pytest.approx(best, abs=1e-7)


def test_impossible_wishes_are_refused_in_words():
    cover, demand = np.ones((3, 2), dtype=bool), [1, 1, 1]
    for wish in (
        lambda: mclp(cover, demand, 3),
        lambda: mclp(cover, demand, 1, fixed=[0, 1]),
        lambda: mexclp(cover, demand, 2, 0.5, fixed={0: 3}),
        lambda: mexclp(cover, demand, 4, 0.5, capacity={0: 1, 1: 1}),
    ):
        with pytest.raises(Infeasible):
            wish()
    with pytest.raises(ValueError, match="demand"):
        mclp(cover, [0, 0, 0], 1)


def test_a_plan_is_written_as_it_is_read():
    now = [Site(1, "东", 1.0, 2.0, 2), Site(2, "西", 5.0, 2.0, 1), Site(3, "南", 3.0, 0.5, 1)]
    plan = written(now, [(now[0], 1), (now[2], 1), (Site(0, "", 3.0, 2.0, 0), 2)])
    assert plan == "c2,v1-1,a@3.00000;2.00000*2"
    after = [(s.id, s.x, s.vehicles) for s in apply(plan, now)]
    assert after == [(1, 1.0, 1), (3, 3.0, 1), (0, 3.0, 2)]


class TestOfTheCounty:
    """The planner's question over the made county: stations in the east and west, most calls there, a middle town."""

    @pytest.fixture
    def centre(self, db):
        county._land.cache_clear()
        county._sited.cache_clear()
        made = emergency_county.build()
        emergency_county.history(made)
        return made

    @pytest.fixture
    def asked(self, centre):
        def ask(model, keep=("east", "west"), more=1, near=2.0, far=30.0, share=0.4):
            ids = tuple(centre.stations[name].pk for name in keep)
            day = emergency_county.NOW.date()
            return county.site(centre.actors["bureau"], county.Asked(model, ids, more, near, far, share), day=day)

        return ask

    @pytest.mark.parametrize("model", county.MODELS)
    def test_the_answer_beats_every_other_new_site_and_the_what_if_page_reads_it(self, asked, centre, model):
        found = asked(model)
        assert found.proven
        after = apply(found.plan, planning.sites_now())
        assert np.array([(s.x, s.y) for s in after]) == pytest.approx(
            np.array([(s.site.x, s.site.y) for s in found.standings])
        )
        assert found.after.vehicles == sum(s.vehicles for s in after)
        marks = list(LandMark.objects.order_by("id"))
        zones, now = [(m.x, m.y) for m in marks], [(s.x, s.y) for s in planning.sites_now()]
        calls = np.array([1 + 15 * (m.name in {"东浦镇", "西塘镇"}) for m in marks])  # one each for the quiet places
        travel = network.times()

        def reached(extra):
            minutes = travel.between([*now, *extra], zones, straight_line("siren")).ms.min(axis=0) / 60_000
            return calls @ (minutes <= 2) / calls.sum(), calls @ minutes / calls.sum()

        assert reached([]) == pytest.approx((found.before.once, found.before.mean))
        if model in {"mclp", "p-median"}:
            best = [reached([z]) for z in zones]
            assert found.after.once == pytest.approx(max(b[0] for b in best)) or model == "p-median"
            assert found.after.mean == pytest.approx(min(b[1] for b in best)) or model == "mclp"
        if model == "lscp":
            assert found.after.once == 1.0

    def test_a_station_that_may_move_stays_where_moving_brings_nothing(self, asked):
        found = asked("p-median", keep=("east",), more=0)
        assert [s.change for s in found.standings] == ["", ""]
        assert found.plan == ""

    def test_vehicles_of_a_kept_station_stay_and_closed_ones_hand_theirs_on(self, asked, centre):
        found = asked("mexclp", keep=("east",), more=2)
        east = next(s for s in found.standings if s.site.id == centre.stations["east"].pk)
        assert (east.before, east.site.vehicles >= 2, found.after.vehicles) == (2, True, 5)

    def test_what_cannot_be_is_said(self, asked, centre):
        for wish in ({"model": "double-standard", "far": 2.5, "more": 0}, {"model": "mclp", "more": 50},
                     {"model": "best"}, {"model": "mclp", "near": 0.0}, {"model": "mclp", "more": -1}):  # fmt: skip
            with pytest.raises(Invalid):
                asked(**wish)
        with pytest.raises(NotAllowed):
            county.site(centre.actors["crew"], county.usual(planning.sites_now()), day=emergency_county.NOW.date())


@pytest.mark.parametrize(
    ("load", "lines", "lost"), [(2, 3, 4 / 19), (1, 1, 0.5), (1, 2, 0.2), (10, 15, 0.0365), (0, 3, 0.0)]
)
def test_erlang_b_by_table(load, lines, lost):
    assert erlang_b(load, lines) == pytest.approx(lost, abs=5e-5)


@pytest.mark.parametrize(("load", "seats"), list(product([0.5, 2.0, 7.5], [8, 12])))
def test_erlang_c_is_the_sum_it_stands_for(load, seats):
    top = load**seats / factorial(seats) * seats / (seats - load)
    waits = top / (sum(load**k / factorial(k) for k in range(seats)) + top)
    assert erlang_c(load, seats) == pytest.approx(waits)
    within = 1 - waits * exp(-(seats - load) * 10 / 150)
    assert answered_within(load, seats, 10, 150) == pytest.approx(within)


def test_seats_are_the_fewest_that_keep_the_promise():
    plan = call_centre(120, 150, within_s=10, share=0.95, blocking=0.001)
    assert plan.load == pytest.approx(5.0)
    assert plan.answered >= 0.95
    assert call_centre(120, 150, within_s=10, share=0.95, blocking=0.001, seats=plan.seats - 1).answered < 0.95
    assert plan.blocked <= 0.001
    assert plan.lines >= plan.seats
    flooded = call_centre(3600, 150, within_s=10, share=0.95, blocking=0.001, seats=32)
    assert (flooded.answered, flooded.wait_s) == (0.0, float("inf"))


def test_large_centres_do_not_overflow():
    assert 0 < erlang_b(900.0, 950) < 0.02
    assert erlang_b(1.0, 5000) == 0.0
