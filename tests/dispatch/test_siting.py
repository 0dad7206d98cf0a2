"""Siting against trying every plan; Erlang's formulas against printed tables and the sums they stand for."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement, product
from math import exp, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthbrain.dispatch.rules.erlang import answered_within, call_centre, erlang_b, erlang_c
from healthbrain.dispatch.rules.siting import Infeasible, double_standard, lscp, mclp, mexclp, p_median

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
