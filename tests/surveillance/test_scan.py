"""Space-time scans against brute force on few places, and what they say about planted clusters."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.clusters import Change, Known, compare
from healthbrain.surveillance.rules.scan import gumbel, scan_expected, scan_permutation
from healthbrain.surveillance.rules.zones import adjacent, nearest

QUICK = settings(max_examples=30, deadline=None)


def points(n, seed):
    return np.random.default_rng(seed).uniform(0, 10_000, (n, 2))


def slow_zones(place, most):
    """All sets "a centre and its j nearest", by sorting distances."""
    found = set()
    for centre in range(len(place)):
        order = sorted(range(len(place)), key=lambda i: (math.dist(place[centre], place[i]), i != centre))
        found |= {(frozenset(order[: j + 1])) for j in range(most)}
    return found


def test_nearest_zones_are_all_neighbourhoods():
    place = points(12, 1)
    zones = nearest(place, 5)
    ours = {frozenset(zones.sites(c, j)) for c in range(12) for j in range(5)}
    assert ours == slow_zones(place, 5)
    assert (zones.order[:, 0] == np.arange(12)).all()


def test_zones_stop_at_the_reach_and_the_same_address_keeps_its_centre():
    zones = nearest(np.array([[0, 0], [0, 0], [0, 0], [9_000, 0.0]]), 3, reach=100)
    assert (zones.order[:, 0] == np.arange(4)).all()
    assert zones.order[3].tolist() == [3, -1, -1]
    assert sorted(zones.order[1].tolist()) == [0, 1, 2]


def test_adjacent_zones_grow_by_rings():
    zones = adjacent(5, [(0, 1), (1, 2), (2, 3)], 3)
    assert zones.order[0].tolist() == [0, 1, 2]
    assert zones.order[2].tolist() == [2, 1, 3]
    assert zones.order[4].tolist() == [4, -1, -1]


@QUICK
@given(st.integers(0, 10_000))
def test_expected_scan_finds_the_best_zone_and_window_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    place = points(10, seed)
    means = rng.gamma(1.0, 2.0, (10, 4)) + 0.1
    sizes = np.full((10, 4), 3.0)
    counts = rng.poisson(means * 1.3).astype(float)
    best = 0.0
    for zone in slow_zones(place, 4):
        for window in range(1, 5):
            rows = sorted(zone)
            seen, base = counts[rows, -window:].sum(), means[rows, -window:].sum()
            variance = (means + means**2 / sizes)[rows, -window:].sum()
            if seen > base:
                best = max(best, base / variance * (seen * math.log(seen / base) - seen + base))
    found = scan_expected(counts, means, sizes, nearest(place, 4), seed=1, draws=9)
    assert (found[0].score if found else 0.0) == pytest.approx(best, rel=1e-9)


@QUICK
@given(st.integers(0, 10_000))
def test_permutation_scan_finds_the_best_zone_and_window_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    place = points(9, seed)
    counts = rng.poisson(0.8, (9, 12)).astype(float)
    total = counts.sum()
    best = 0.0
    for zone in slow_zones(place, 4):
        rows = sorted(zone)
        for window in range(1, 4):
            seen = counts[rows, -window:].sum()
            margins = np.isin(np.arange(9), rows), np.arange(12) >= 12 - window
            table = [[counts[np.ix_(a, b)].sum() for b in (margins[1], ~margins[1])] for a in (margins[0], ~margins[0])]
            if seen > counts[rows].sum() * counts[:, -window:].sum() / total and seen >= 2:
                # G statistic of the 2 × 2 table, by scipy
                best = max(best, chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic / 2)
    found = scan_permutation(counts, nearest(place, 4), longest=3, seed=1, draws=9)
    assert (found[0].score if found else 0.0) == pytest.approx(best, rel=1e-9)


def test_a_planted_cluster_is_found_where_and_when_it_is():
    rng = np.random.default_rng(3)
    zones = nearest(points(80, 3), 8)
    means = np.full((80, 7), 0.6)
    counts = rng.poisson(means).astype(float)
    planted = zones.sites(11, 3)
    counts[list(planted), -2:] += 4
    found = scan_expected(counts, means, np.full((80, 7), np.inf), zones, seed=1)
    assert set(found[0].sites) == set(planted)
    assert found[0].periods == 2
    assert found[0].recurrence > 1_000
    history = rng.poisson(0.6, (80, 60)).astype(float)
    history[list(planted), -2:] += 4
    again = scan_permutation(history, zones, longest=7, seed=1)
    assert len(set(again[0].sites) & set(planted)) >= 3
    assert again[0].recurrence > 1_000


def test_a_weak_rise_over_half_of_the_places_is_found_without_a_past():
    """Twelve places with a case a day; six have two more a day for a week. Kulldorff's own score finds one in six."""
    grid = nearest(np.array([(x, y) for y in range(3) for x in range(4)], float), 6)
    found = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        counts = rng.poisson(1.0, (12, 28)).astype(float)
        counts[[0, 1, 2, 4, 5, 6], -7:] += rng.poisson(2.0, (6, 7))
        clusters = scan_permutation(counts, grid, longest=7, seed=seed, draws=99)
        found += bool(clusters) and clusters[0].recurrence >= 365
    assert found >= 5


def test_clusters_share_no_site_and_come_strongest_first():
    rng = np.random.default_rng(4)
    zones = nearest(points(60, 4), 6)
    counts = rng.poisson(1.0, (60, 5)).astype(float)
    found = scan_expected(counts, np.ones((60, 5)), np.full((60, 5), 5.0), zones, seed=1, top=10)
    sites = [s for c in found for s in c.sites]
    assert len(sites) == len(set(sites))
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)


@pytest.mark.parametrize("kind", ["expected", "permutation"])
def test_without_clusters_pvalues_are_as_often_small_as_they_should(kind):
    """200 quiet days: p <= 0.1 on about 20 of them (binomial bounds of 4 standard errors)."""
    zones = nearest(points(25, 5), 5)
    small = 0
    for day in range(200):
        rng = np.random.default_rng(1000 + day)
        if kind == "expected":
            counts = rng.poisson(rng.gamma(2.0, 0.5, (25, 4))).astype(float)
            found = scan_expected(counts, np.ones((25, 4)), np.full((25, 4), 2.0), zones, seed=day, draws=99)
        else:
            found = scan_permutation(rng.poisson(1.0, (25, 20)).astype(float), zones, longest=4, seed=day, draws=99)
        small += bool(found) and found[0].pvalue <= 0.1
    assert 20 - 17 <= small <= 20 + 17


def test_permutation_keeps_the_days_totals():
    """A day on which every place doubles is no cluster."""
    rng = np.random.default_rng(6)
    counts = rng.poisson(2.0, (40, 30)).astype(float)
    counts[:, -1] = rng.poisson(6.0, 40)
    found = scan_permutation(counts, nearest(points(40, 6), 6), longest=3, seed=1)
    assert found[0].pvalue > 0.01


def test_gumbel_tail_matches_the_distribution_it_was_drawn_from():
    maxima = np.random.default_rng(7).gumbel(5.0, 1.5, 20_000)
    assert gumbel(20.0, maxima) == pytest.approx(1 - math.exp(-math.exp(-(20 - 5) / 1.5)), rel=0.2)


def test_nothing_to_find_and_wrong_input():
    zones = nearest(points(5, 8), 3)
    assert scan_permutation(np.zeros((5, 10)), zones, longest=3, seed=1) == ()
    assert scan_expected(np.zeros((5, 3)), np.ones((5, 3)), np.full((5, 3), 2.0), zones, seed=1) == ()
    with pytest.raises(Invalid):
        scan_permutation(np.full((5, 10), 0.5), zones, longest=3, seed=1)
    with pytest.raises(Invalid):
        scan_permutation(np.ones((5, 10)), zones, longest=10, seed=1)


# New, grown, unchanged, over ------------------------------------------------------------------------------------


def known(sites, first, last, cases):
    return Known(frozenset(sites), dt.date(2026, 3, first), dt.date(2026, 3, last), cases)


@pytest.mark.parametrize(
    ("today", "before", "change"),
    [
        (known({1, 2}, 3, 5, 8), [], Change.NEW),
        (known({1, 2}, 3, 5, 8), [known({7}, 2, 4, 9)], Change.NEW),
        (known({1, 2}, 9, 10, 8), [known({1, 2}, 2, 4, 9)], Change.NEW),
        (known({1, 2}, 3, 5, 8), [known({1, 2}, 3, 4, 6)], Change.GROWN),
        (known({1, 2, 3}, 3, 5, 6), [known({1, 2}, 3, 4, 6)], Change.GROWN),
        (known({1, 2}, 3, 5, 6), [known({1, 2}, 2, 4, 6)], Change.UNCHANGED),
        (known({1}, 3, 5, 4), [known({1, 2}, 2, 4, 6)], Change.UNCHANGED),
    ],
)
def test_a_cluster_is_news_only_when_it_changed(today, before, change):
    assert compare([today], before)[0].change is change


def test_what_has_no_continuation_is_over():
    old, gone = known({1, 2}, 2, 4, 6), known({8}, 2, 4, 6)
    found = compare([known({1, 2}, 3, 5, 6)], [old, gone])
    assert [(c.change, c.before) for c in found] == [(Change.UNCHANGED, old), (Change.OVER, gone)]
