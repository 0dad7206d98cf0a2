"""Our own detector: false alarms at the chosen rate, monotone, blind to order and to the future, never lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from healthbrain.surveillance.rules.own import Calendar, OwnSettings, detect_own
from healthbrain.surveillance.rules.own.baseline import fit
from healthbrain.surveillance.rules.own.evidence import POISSON, SIZES, judge
from healthbrain.surveillance.rules.series import Frequency, SeriesSet, TooLittleHistory

WEIGHTS = np.array([2.0, 1.0, 0.2])

QUICK = settings(max_examples=25, deadline=None)


def weekly(counts, **more):
    counts = np.atleast_2d(np.asarray(counts, float))
    return SeriesSet(tuple(f"s{i}" for i in range(len(counts))), counts, Frequency.WEEKLY, **more)


def daily(counts, **more):
    counts = np.atleast_2d(np.asarray(counts, float))
    return SeriesSet(tuple(f"s{i}" for i in range(len(counts))), counts, Frequency.DAILY, **more)


def one(blocks, means, sizes, alpha=0.01):
    arrays = [np.array([a], float) for a in (blocks, means, sizes)]
    evidence, chance, bound = judge(*arrays, WEIGHTS, alpha)
    return evidence[0], chance[0], bound[0]


# The p-value ----------------------------------------------------------------------------------------------------


def slow_evidence(counts, means, sizes):
    """The definition, with scipy's distribution functions."""
    total = 0.0
    for w in range(3):
        m, n = np.array(means[: w + 1]), np.array(sizes[: w + 1])
        for k in SIZES:
            excess = max(k * np.sqrt((m + m * m / n).sum()), 1.0)
            high = m + excess * m / m.sum()
            big = n * high / m
            seen = np.array(counts[: w + 1])
            ratio = nbinom.logpmf(seen, big, big / (big + high)) - nbinom.logpmf(seen, n, n / (n + m))
            total += WEIGHTS[w] / WEIGHTS.sum() / len(SIZES) * np.exp(ratio.sum())
    return total


@pytest.mark.parametrize(("means", "sizes"), [((0.4, 0.5, 0.3), (0.5, 0.7, 0.4)), ((2.0, 1.5, 3.0), (4.0, 2.0, 6.0))])
@pytest.mark.parametrize("counts", [(3, 0, 1), (5, 2, 0), (2, 4, 3)])
def test_pvalue_is_the_sum_over_all_outcomes_at_least_as_telling(means, sizes, counts):
    """Brute force over every triple of counts up to 20."""
    grid = np.arange(21)
    masses = [nbinom.pmf(grid, n, n / (n + m)) for m, n in zip(means, sizes, strict=True)]
    here = slow_evidence(counts, means, sizes)
    # Only the newest count decides inside a row of past counts, and evidence grows with it.
    chance = 0.0
    for a in grid:
        for b in grid:
            if masses[1][a] * masses[2][b] < 1e-6:
                continue
            low = next((y for y in grid if slow_evidence((y, a, b), means, sizes) >= here * (1 - 1e-9)), None)
            if low is not None:
                chance += masses[1][a] * masses[2][b] * nbinom.sf(low - 1, sizes[0], sizes[0] / (sizes[0] + means[0]))
    evidence, ours, _ = one(counts, means, sizes)
    assert evidence == pytest.approx(np.log(here), rel=1e-6)
    # Cells stand for many past counts: within a tenth where decisions are made.
    assert ours == pytest.approx(chance, rel=0.12)


@QUICK
@given(
    st.tuples(*[st.floats(0.01, 3000)] * 3),
    st.floats(1.0, 8.0),
    st.integers(0, 400),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_one_more_case_never_makes_it_less_suspicious(means, phi, now, before, earlier):
    sizes = [min(m / (phi - 1), POISSON) if phi > 1 else POISSON for m in means]
    first = one((now, before, earlier), means, sizes)
    second = one((now + 1, before, earlier), means, sizes)
    assert second[0] >= first[0] - 1e-9
    assert second[1] <= first[1] + 1e-12


@pytest.mark.parametrize(("mean", "phi"), [(0.15, 2.0), (1.0, 1.0), (3.0, 5.0), (40.0, 1.5), (5_000.0, 20.0)])
def test_false_alarms_come_at_the_chosen_rate_when_the_baseline_is_known(mean, phi):
    rng = np.random.default_rng(7)
    n = 6_000
    size = mean / (phi - 1) if phi > 1 else POISSON
    rate = rng.gamma(size, mean / size, (n, 3)) if phi > 1 else np.full((n, 3), mean)
    _, chance, _ = judge(rng.poisson(rate).astype(float), np.full((n, 3), mean), np.full((n, 3), size), WEIGHTS, 0.05)
    for alpha in (0.05, 0.01):
        error = np.sqrt(alpha * (1 - alpha) / n)
        assert (chance <= alpha).mean() <= 1.12 * alpha + 4 * error
        # Sparse counts cannot use alpha up; from a case a week on they nearly do.
        if mean >= 1:
            assert (chance <= alpha).mean() >= 0.6 * alpha - 4 * error


# The whole detector ---------------------------------------------------------------------------------------------


def quiet(n_series, n, mean, phi, seed):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(mean / (phi - 1), phi - 1, (n_series, n)) if phi > 1 else np.full((n_series, n), float(mean))
    return rng.poisson(rate).astype(float)


@pytest.mark.parametrize(("mean", "phi"), [(0.5, 1.5), (8.0, 2.0), (300.0, 3.0)])
def test_quiet_weekly_series_alarm_no_more_often_than_alpha(mean, phi):
    found = detect_own(weekly(quiet(150, 320, mean, phi, 3)), from_index=300)
    n = found.alarm.size
    alpha = 0.0105
    # Tests of one series share its fitted baseline: errors are taken as if there were a third as many.
    assert found.alarm.mean() <= alpha + 4 * np.sqrt(3 * alpha / n)


def test_an_outbreak_is_found_and_bounds_agree_with_alarms():
    counts = quiet(40, 330, 4.0, 1.5, 5)
    counts[:20, 320] += 12
    counts[20:, 319] += 8
    counts[20:, 320] += 8
    found = detect_own(weekly(counts), from_index=310)
    assert found.alarm[:20, 10].mean() > 0.9
    assert found.alarm[20:, 10].mean() > 0.8
    assert ((found.observed > found.bound) == found.alarm).all()
    assert found.expected[:, 0] == pytest.approx(np.full(40, 4.0), rel=0.35)


def test_two_moderate_weeks_say_more_than_one():
    counts = quiet(60, 301, 4.0, 1.5, 6)
    alone, both = counts.copy(), counts.copy()
    alone[:, 299:] = [4, 10]
    both[:, 299:] = [9, 10]
    p = [detect_own(weekly(c), from_index=300).pvalue[:, 0] for c in (alone, both)]
    assert (p[1] < p[0]).all()


def test_past_outbreaks_hardly_move_the_baseline():
    counts = quiet(50, 500, 5.0, 1.3, 8)
    dirty = counts.copy()
    for start in (100, 250, 400):
        dirty[:, start : start + 3] += [20, 25, 10]
    clean, disturbed = (detect_own(weekly(c), from_index=499).expected for c in (counts, dirty))
    assert np.median(disturbed / clean) == pytest.approx(1.0, abs=0.05)


def test_order_of_series_and_company_do_not_matter():
    counts = np.concatenate([quiet(5, 200, m, 2.0, 9) for m in (0.2, 3.0, 50.0)])
    counts[3, -1] += 9
    whole = detect_own(weekly(counts), from_index=190)
    turned = detect_own(weekly(counts[::-1]), from_index=190)
    np.testing.assert_allclose(turned.pvalue[::-1], whole.pvalue, rtol=1e-6)
    single = detect_own(weekly(counts[3]), from_index=190)
    np.testing.assert_allclose(single.pvalue[0], whole.pvalue[3], rtol=1e-6)


def test_a_test_sees_nothing_of_the_future():
    counts = quiet(6, 230, 3.0, 2.0, 10)
    changed = counts.copy()
    changed[:, 221:] += 50
    before, after = (detect_own(weekly(c), from_index=215) for c in (counts, changed))
    np.testing.assert_allclose(after.pvalue[:, :6], before.pvalue[:, :6], rtol=1e-9)


@pytest.mark.parametrize("length", [8, 20, 60, 90, 140])
def test_short_histories_climb_the_ladder(length):
    counts = quiet(10, length, 2.0, 1.2, 11)
    counts[0, -1] = 40
    found = detect_own(weekly(counts), from_index=length - 1)
    assert found.alarm[0, 0]
    assert np.isfinite(found.pvalue).all()
    with pytest.raises(TooLittleHistory):
        detect_own(weekly(counts), from_index=3)


def test_empty_series_stay_silent_until_cases_come():
    counts = np.zeros((2, 300))
    counts[1, -1] = 3
    found = detect_own(weekly(counts), from_index=290)
    assert not found.alarm[0].any()
    assert found.pvalue[0] == pytest.approx(np.ones(10))
    assert found.alarm[1, -1]
    assert not detect_own(weekly(counts), from_index=299, settings=OwnSettings(min_cases=4)).alarm[1, -1]


@pytest.mark.parametrize("before", [[], [100], [40, 200, 300]])
def test_one_case_where_hardly_any_ever_came_is_rare_but_no_proof(before):
    """Empty days say nothing about the variance: the chance of a case stays that of a rare Poisson count."""
    counts = np.zeros((1, 400))
    counts[0, [*before, -1]] = 1
    found = detect_own(daily(counts), from_index=399)
    assert (len(before) + 0.5) / 400 / 20 < found.pvalue[0, 0] < 0.1


def test_huge_counts_and_feeds_with_little_variance_keep_their_meaning():
    rng = np.random.default_rng(12)
    huge = rng.poisson(2e6, (3, 200)).astype(float)
    huge[0, -1] = 2.02e6
    calm = np.round(rng.normal(100, 2.0, (3, 200)))
    calm[0, -1] = 112
    for counts in (huge, calm):
        found = detect_own(weekly(counts), from_index=199)
        assert found.alarm[:, 0].tolist() == [True, False, False]


def test_weekdays_and_holidays_are_expected():
    day = np.datetime64("2023-01-02") + np.arange(800)
    weekday = np.arange(800) % 7
    holidays = frozenset(day[np.arange(60, 800, 45)])
    closed = (weekday >= 5) | np.isin(day, list(holidays))
    rng = np.random.default_rng(13)
    counts = rng.poisson(np.where(closed, 2.0, 20.0), (20, 800)).astype(float)
    series = daily(counts, starts=day)
    found = detect_own(series, from_index=700, settings=OwnSettings(calendar=Calendar(holidays=holidays)))
    assert found.expected[:, closed[700:]].mean() == pytest.approx(2.0, rel=0.15)
    assert found.expected[:, ~closed[700:]].mean() == pytest.approx(20.0, rel=0.05)
    assert found.alarm.mean() < 0.03
    workday = day[700 + int(np.flatnonzero(weekday[700:] == 5)[0])]
    shifted = OwnSettings(calendar=Calendar(holidays=holidays, workdays=frozenset([workday])))
    column = int((workday - day[700]).astype(int))
    assert detect_own(series, from_index=700, settings=shifted).expected[0, column] > 10


def test_five_day_systems_never_alarm_on_closed_days():
    rng = np.random.default_rng(14)
    counts = rng.poisson(10.0, (20, 400)).astype(float) * (np.arange(400) % 7 < 5)
    counts[:, 385:390] += 15
    found = detect_own(daily(counts), from_index=380)
    assert found.alarm[:, 5:10].any(axis=1).all()
    assert not found.alarm[:, found.observed[0] == 0].any()


def test_a_slow_rise_is_followed_not_called_an_outbreak():
    rng = np.random.default_rng(15)
    days = 700
    wave = np.exp(1.2 * np.sin(np.cumsum(rng.normal(0, 0.03, days))))
    counts = rng.poisson(20 * wave, (30, days)).astype(float)
    follow, not_follow = (
        detect_own(daily(counts), from_index=600, settings=OwnSettings(follow=f)).alarm.mean() for f in (True, False)
    )
    assert follow <= not_follow


def test_population_and_given_expectation_are_exposure():
    rng = np.random.default_rng(16)
    people = np.where(np.arange(200) < 150, 1000.0, 3000.0)[None, :].repeat(5, axis=0)
    counts = rng.poisson(people * 0.01).astype(float)
    found = detect_own(weekly(counts, population=people), from_index=190)
    assert found.expected.mean() == pytest.approx(30.0, rel=0.1)
    given_expected = detect_own(weekly(counts, expected=people * 0.01), from_index=190)
    assert given_expected.expected.mean() == pytest.approx(30.0, rel=0.05)


def test_the_regression_agrees_with_an_independent_one():
    """statsmodels' quasi-Poisson fit, on data without outliers."""
    import statsmodels.api as sm

    rng = np.random.default_rng(17)
    x = np.stack([np.ones(300), np.cos(np.arange(300) / 8), np.linspace(-1, 0, 300)], 1)
    counts = rng.poisson(np.exp(x @ [3.0, 0.4, 0.3]), (4, 300)).astype(float)
    ours = fit(counts, x, np.zeros((1, 1)), np.full(3, 1e-9))
    for row, beta in zip(counts, ours.beta, strict=True):
        assert beta == pytest.approx(sm.GLM(row, x, family=sm.families.Poisson()).fit().params, abs=0.02)


@pytest.mark.slow
def test_the_gate_of_the_weekly_design_on_fresh_series():
    from healthbrain.cli.bench.surveillance.designs import parameters
    from healthbrain.surveillance.rules.benchmark import measure
    from healthbrain.surveillance.rules.benchmark import weekly as simulate

    trial = simulate(parameters("noufaily42"), 50, seed=990)
    found = measure(trial, detect_own(trial.series, from_index=trial.from_index).alarm)
    assert found.fpr <= 0.009
    assert found.pod >= 0.53
    assert found.sensitivity >= 0.34
    assert found.ppv >= 0.70
