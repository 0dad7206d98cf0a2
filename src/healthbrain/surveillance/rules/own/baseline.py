"""What is usual: a robust quasi-Poisson regression of many series at once, and a level that follows slow drift.

log E(y) = offset + X β, Var(y) = φ E(y), fitted by iteratively reweighted least squares for all series in the same
matrix products. Past outbreaks are in every real history: a period far above its mean loses weight with the square of
its residual, as in Noufaily et al. 2013 (Stat Med 32:1206, §3.5), here on the square-root scale. A small ridge keeps
what a short or empty history cannot tell (a weekday without any case, all zeros) at finite values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]

OUTLYING = 2.58  # standardised residual from which a period loses weight: 1 in 200 of a clean history
HALF_CASE = 0.5  # Jeffreys: what an all-zero history has seen, spread over its length
LARGEST_STEP = 2.0  # in one iteration no coefficient moves by more
ROUNDS = 8
FRESH = (0, 1, 2, 4)  # rounds that compute the curvature anew; between them it hardly changes


@dataclass(frozen=True)
class Fit:
    """One regression per series: beta (n_series, p), covariance (X'WX + ridge)⁻¹ (n_series, p, p) without dispersion.

    dispersion: (n_series,). means: (n_series, n), fitted.
    """

    beta: Floats
    covariance: Floats
    dispersion: Floats
    means: Floats


def fit(
    counts: Floats, design: Floats, offset: Floats, ridge: Floats, *, start: Fit | None = None, fresh: bool = True
) -> Fit:
    """counts (n_series, n), design (n, p), offset (n_series or 1, n or 1), ridge (p,): precision of each coefficient.

    With `start`, the fit of a history a little shorter, two rounds are enough; `fresh` renews its curvature.
    """
    n_series, n = counts.shape
    y = counts + HALF_CASE / n
    roots = np.sqrt(y)
    if start is None:
        beta = np.zeros((n_series, design.shape[1]))
        beta[:, 0] = np.log(y.sum(1) / np.broadcast_to(np.exp(offset), (len(offset), n)).sum(1))
        covariance, dispersion = np.empty(0), np.ones(n_series)
    else:
        beta, covariance, dispersion = start.beta, start.covariance, start.dispersion
    for step in range(ROUNDS if start is None else 2):
        means = _means(beta, design, offset)
        # The first rounds find the level and season: outliers of a wrong mean are no outliers.
        robust = step > 1 or start is not None
        weights = _weights(roots, means, dispersion) if robust else np.ones_like(y)
        if (start is None and step in FRESH) or (start is not None and fresh and step == 1):
            covariance = _covariance(weights * means, design, ridge)
        score = (weights * (y - means)) @ design - ridge * beta
        move = np.einsum("spq,sq->sp", covariance, score)
        largest = np.maximum(np.abs(move).max(1, keepdims=True), 1e-12)
        beta = beta + move * np.minimum(1.0, LARGEST_STEP / largest)
        if step > 0:
            dispersion = _dispersion(counts, means, weights, design.shape[1])
    return Fit(beta, covariance, dispersion, means)


def _means(beta: Floats, design: Floats, offset: Floats) -> Floats:
    means = beta @ design.T
    means += offset
    np.clip(means, -25.0, 25.0, out=means)
    return np.exp(means, out=means)


def _weights(roots: Floats, means: Floats, dispersion: Floats) -> Floats:
    """1 for usual periods, falling with the square of the residual 2(√y - √μ)/√φ above the threshold."""
    room = 0.5 * OUTLYING * np.sqrt(dispersion)[:, None]
    excess = roots - np.sqrt(means)
    np.maximum(excess, room, out=excess)
    np.divide(room, excess, out=excess)
    return np.multiply(excess, excess, out=excess)


def _covariance(heavy: Floats, design: Floats, ridge: Floats) -> Floats:
    """Inverse curvature (n_series, p, p). Sums in single precision: a Newton direction needs no more."""
    p = design.shape[1]
    upper = np.triu_indices(p)
    products = (design[:, upper[0]] * design[:, upper[1]]).astype(np.float32)
    gram = np.empty((len(heavy), p, p))
    gram[:, upper[0], upper[1]] = heavy.astype(np.float32) @ products
    gram[:, upper[1], upper[0]] = gram[:, upper[0], upper[1]]
    gram[:, np.arange(p), np.arange(p)] += ridge + 1e-5 * gram[:, np.arange(p), np.arange(p)]
    return np.linalg.inv(gram)


def _dispersion(counts: Floats, means: Floats, weights: Floats, p: int) -> Floats:
    """Weighted Pearson statistic over its degrees of freedom; at least 1 (Poisson) unless the data clearly say less.

    Closed days (a mean far below the usual one) tell nothing about dispersion and give no degree of freedom.
    """
    each = weights / means
    pearson = (each * (counts - means) ** 2).sum(1)
    there = means > 0.01 * means.mean(1, keepdims=True)
    freedom = np.maximum((weights * there).sum(1) - p, 1.0)
    estimate = pearson / freedom
    # Less than Poisson's variance comes from averaged or rounded feeds. A Poisson count's squared residual has variance
    # 2 + 1/mean: where hardly anything ever happens, that nothing happened says nothing about the variance.
    error = np.sqrt(2.0 * freedom + (each * there).sum(1)) / freedom
    clearly_less = estimate + 4.0 * error < 1.0
    return np.where(clearly_less, np.maximum(estimate, 1e-3), np.maximum(estimate, 1.0))


def spread(fitted: Fit, rows: Floats) -> Floats:
    """Variance of the fitted log mean at design rows (m, p): (n_series, m)."""
    return fitted.dispersion[:, None] * np.einsum("mp,spq,mq->sm", rows, fitted.covariance, rows, optimize=True)


def drift(counts: Floats, fitted: Fit, lags: Sequence[int]) -> Floats:
    """Variance of the level (n_series,) from the covariance of residuals `lags` periods apart.

    What residuals of one period say about those some weeks later is exactly what following the level can gain. An
    outbreak is shorter than the lags. Only what is beyond two standard errors counts, so that noise is not followed.
    """
    room = 3.0 * np.sqrt(fitted.dispersion[:, None] * fitted.means) + 2.0 * fitted.means
    residual = np.minimum(counts - fitted.means, room)
    crossed = np.zeros(len(counts))
    expected = np.full(len(counts), 1e-12)
    for lag in (lag for lag in lags if lag < counts.shape[1]):
        crossed += np.einsum("st,st->s", residual[:, lag:], residual[:, :-lag])
        expected += np.einsum("st,st->s", fitted.means[:, lag:], fitted.means[:, :-lag])
    error = fitted.dispersion * np.sqrt(len(lags) / expected)
    return np.maximum(crossed / expected - 2.0 * error, 0.0)


def level(
    counts: Floats, means: Floats, dispersion: Floats, variance: Floats, half_life: float
) -> tuple[Floats, Floats]:
    """Factor on the expected counts from the newest part of the history, and the variance of its logarithm.

    counts, means: (n_series, m), the newest period last. A gamma prior of mean 1 and the drift's variance meets
    counts whose weight halves every `half_life` periods.
    """
    weights = 0.5 ** (np.arange(counts.shape[1] - 1, -1, -1.0) / half_life)
    moving = variance > 0
    prior = dispersion / np.where(moving, variance, 1.0)
    seen, usual = counts @ weights, means @ weights
    factor = np.where(moving, (prior + seen) / (prior + usual), 1.0)
    return factor, np.where(moving, variance * prior / (prior + usual), 0.0)


def settled(counts: Floats, means: Floats, dispersion: Floats, variance: Floats, half_life: float, gap: int) -> Floats:
    """Dispersion (n_series,) around means that follow the level, where there is a drift to follow.

    The level of each past period is what `level` would have said `gap` periods before it, so that what following
    explains is not counted as noise a second time.
    """
    moving = np.flatnonzero(variance > 0)
    out = dispersion.copy()
    if len(moving) == 0 or counts.shape[1] <= 2 * gap:
        return out
    counts, means = counts[moving], means[moving]
    decay = [1.0, -(0.5 ** (1.0 / half_life))]
    prior = (dispersion[moving] / variance[moving])[:, None]
    seen, usual = lfilter([1.0], decay, counts), lfilter([1.0], decay, means)
    followed = means[:, gap:] * (prior + seen[:, :-gap]) / (prior + usual[:, :-gap])
    now = out[moving]
    for _ in range(3):
        weights = _weights(np.sqrt(counts[:, gap:]), followed, now)
        now = np.minimum(now, _dispersion(counts[:, gap:], followed, weights, 0))
    out[moving] = now
    return out
