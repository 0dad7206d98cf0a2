"""The false-alarm budget and the fusion of sources keep their promises on simulated quiet counties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, poisson

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.budget import calibrate, corrected, ranking, within_budget
from healthbrain.surveillance.rules.fusion import correlation, fuse, truncated_product


def discrete(rng, shape, mean=0.7):
    """p-values of Poisson counts: many ties, P(p <= x) < x."""
    return poisson.sf(rng.poisson(mean, shape) - 1, mean)


@pytest.mark.parametrize("kind", ["exact", "discrete", "too_small"])
def test_false_signals_a_week_stay_within_the_budget(kind):
    rng = np.random.default_rng(1)
    draw = {
        "exact": lambda shape: rng.uniform(size=shape),
        "discrete": lambda shape: discrete(rng, shape),
        "too_small": lambda shape: rng.uniform(size=shape) ** 1.5,
    }[kind]
    series, weeks = 3_000, 60
    learnt = calibrate(draw((series, 60)))
    able = np.ones(series, bool)
    signals = [
        within_budget(draw(series), able, weekly_false=3, passes_a_week=1, calibration=learnt).sum()
        for _ in range(weeks)
    ]
    # Poisson with mean 3 over 60 weeks: 180 expected, 4 standard errors are 54.
    assert sum(signals) <= 234
    if kind != "discrete":
        assert sum(signals) >= 100


def test_without_calibration_wrong_pvalues_break_the_budget():
    """The reason why it exists."""
    rng = np.random.default_rng(2)
    p = rng.uniform(size=(60, 3_000)) ** 1.5
    raw = sum(within_budget(row, np.ones(3_000, bool), weekly_false=3, passes_a_week=1).sum() for row in p)
    assert raw > 400


def test_correction_is_monotone_and_keeps_unknown_unknown():
    learnt = calibrate(np.random.default_rng(3).uniform(size=5_000) ** 1.3)
    p = np.sort(np.concatenate([10.0 ** -np.linspace(0, 14, 400)]))
    share = corrected(p, learnt)
    assert (np.diff(share) >= -1e-15).all()
    assert np.isnan(corrected(np.array([np.nan]), learnt)).all()
    assert calibrate(np.array([0.5] * 20)) is None
    assert corrected(p, None) is p


def test_ranking_and_refusals():
    order = ranking(np.array([0.01, np.nan, 0.001, 0.01]), np.array([5.0, 9, 4, 9]), np.array([1.0, 1, 1, 1]))
    assert order.tolist() == [2, 3, 0, 1]
    with pytest.raises(Invalid):
        within_budget(np.array([0.1]), np.array([True]), weekly_false=0, passes_a_week=7)


# Fusion ---------------------------------------------------------------------------------------------------------


def correlated(rng, n, m, rho):
    shared = rng.normal(size=(n, 1))
    return norm.sf(np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=(n, m)))


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_fused_pvalues_are_not_too_small_when_sources_move_together(rho):
    rng = np.random.default_rng(4)
    matrix = correlation(correlated(rng, 2_000, 4, rho))
    found = fuse(correlated(rng, 60_000, 4, rho), np.array([1.0, 1, 0.5, 2]), matrix).pvalue
    for alpha in (0.05, 0.01):
        assert (found <= alpha).mean() <= 1.15 * alpha + 4 * np.sqrt(alpha / 60_000)


def test_ignoring_the_correlation_would_be_wrong():
    rng = np.random.default_rng(5)
    found = fuse(correlated(rng, 60_000, 4, 0.8), np.ones(4)).sum_p
    assert (found <= 0.01).mean() > 0.03


def test_agreeing_weak_sources_are_strong_together_and_one_strong_source_is_heard():
    agree = fuse(np.full((1, 4), 0.02), np.ones(4)).pvalue[0]
    assert agree < 0.001
    alone = fuse(np.array([[1e-8, 0.6, 0.7, 0.5]]), np.ones(4)).pvalue[0]
    assert alone < 1e-5
    assert fuse(np.full((1, 4), 0.5), np.ones(4)).pvalue[0] > 0.3


def test_silent_sources_change_nothing():
    with_gap = fuse(np.array([[0.01, np.nan, np.nan], [np.nan] * 3]), np.ones(3))
    assert with_gap.pvalue[0] == pytest.approx(0.01)
    assert np.isnan(with_gap.pvalue[1])
    assert with_gap.sources.tolist() == [1, 0]


def test_truncated_product_by_simulation():
    rng = np.random.default_rng(6)
    p = truncated_product(rng.uniform(size=(200_000, 5)))
    for alpha in (0.05, 0.01, 0.001):
        assert (p <= alpha).mean() == pytest.approx(alpha, rel=0.2)


def test_truncated_product_of_one_pvalue_is_itself():
    assert truncated_product(np.array([[0.03], [0.001], [0.4]])) == pytest.approx([0.03, 0.001, 1.0])
