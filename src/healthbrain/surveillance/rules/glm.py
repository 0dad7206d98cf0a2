"""Quasi-Poisson regression of thousands of short count series at once.

Model, for one series: E y = exp(offset + level effect + slope x time), variance phi x mean, prior weights w.
With one mean per level (a factor) and one slope, the normal matrix X'WX is diagonal but for one row: iteratively
reweighted least squares needs no linear solver, only sums over the rows of each level. Source: McCullagh & Nelder
(1989), Generalized Linear Models, 2nd ed., sections 2.5 and 6.2.

The start (mean = count + 0.1) and the stop (relative change of the deviance below 1e-8, at most 25 steps) are those of
R's `glm`: where a level has only zeros the estimate runs to minus infinity, and the numbers depend on when one stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from healthbrain.surveillance.rules.series import Bools, Floats

TOLERANCE = 1e-8
STEPS = 25
ROUNDING = 1e-12  # a t below is a slope of zero: it must not pass a threshold of p < 1 by luck
STILL = 1e-11  # a slope that moves less changes no fitted mean by more than rounding does
SMALLEST_MEAN = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Design:
    """Rows of one regression, the same for every series fitted together.

    level: number of each row's level, 0 ... p - 1, ascending, each present (n,). time: distance to now, negative (n,);
    now is time 0 in level `now_level`.
    """

    level: NDArray[np.intp]
    time: Floats
    now_level: int

    @property
    def n_levels(self) -> int:
        return int(self.level.max()) + 1

    def sums(self, weights: Floats) -> Floats:
        """Sums by level of weights, weights x time, weights x time squared (B, 3p), for weights (B, n).

        Not a matrix product: a threaded BLAS on such narrow matrices spends its time waiting for its own threads.
        """
        return np.hstack([self.by_level(weights), *self.moments(weights)])

    def moments(self, weights: Floats) -> tuple[Floats, Floats]:
        first = weights * self.time
        return self.by_level(first), self.by_level(first * self.time)

    def by_level(self, values: Floats) -> Floats:
        """Sums over the rows of each level (B, p)."""
        return np.add.reduceat(values, self.first_rows, axis=1)

    @cached_property
    def first_rows(self) -> NDArray[np.intp]:
        return np.searchsorted(self.level, np.arange(self.n_levels))


@dataclass(frozen=True, eq=False)
class Fit:
    """One fitted regression per series (B series, n rows, p levels).

    level (B, p), slope (B,): coefficients. mean (B, n): fitted means. working (B, n): prior weight x mean of the last
    step. weight, centre (B, p), spread (B,): per level the sum of working weights, the weighted mean time, and the
    weighted sum of squares of time within levels; together the inverse of X'WX. converged (B,).
    """

    design: Design
    level: Floats
    slope: Floats
    mean: Floats
    working: Floats
    weight: Floats
    centre: Floats
    spread: Floats
    converged: Bools
    trend: bool

    @property
    def freedom(self) -> int:
        """Residual degrees of freedom n - p - (1 with trend)."""
        return int(self.mean.shape[1] - self.level.shape[1] - self.trend)

    def hat(self) -> Floats:
        """Leverages (B, n): the diagonal of the hat matrix."""
        inverse = 1.0 / self.weight[:, self.design.level]
        if self.trend:
            distance = self.design.time - self.centre[:, self.design.level]
            inverse += distance * distance / self.spread[:, None]
        return self.working * inverse

    def pearson(self, y: Floats) -> Floats:
        """Dispersion: Pearson's chi-squared over the degrees of freedom (B,), not limited to 1 from below."""
        residual = (y - self.mean) / self.mean
        return np.einsum("bn,bn,bn->b", self.working, residual, residual) / self.freedom

    def now(self) -> tuple[Floats, Floats]:
        """Linear predictor at time 0 without offset (B,), and its variance for dispersion 1 (B,)."""
        at = self.design.now_level
        variance = 1.0 / self.weight[:, at]
        if self.trend:
            variance = variance + self.centre[:, at] ** 2 / self.spread
        return self.level[:, at], variance

    def trend_pvalue(self, dispersion: Floats) -> Floats:
        """Two-sided t test of the slope (B,) for a given dispersion."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = self.slope / np.sqrt(dispersion / self.spread)
        return np.where(np.abs(t) < ROUNDING, 1.0, 2.0 * stdtr(self.freedom, -np.abs(t)))


def fit(design: Design, y: Floats, *, trend: bool, prior: Floats | None = None, offset: Floats | None = None) -> Fit:
    """Fit every series: y, prior (1 when None) and offset (0 when None) are (B, n)."""
    p = design.n_levels
    weighted = y if prior is None else prior * y
    target = design.sums(weighted)[:, : 2 * p]  # of counts, and of counts x time, by level
    start, logs = y + 0.1, np.log(y + 0.1)
    working = start if prior is None else prior * start
    constant = _saturated(y, prior)
    deviance = constant - 2.0 * (np.einsum("bn,bn->b", weighted, logs) - working.sum(1))
    if offset is not None:
        constant = constant - 2.0 * np.einsum("bn,bn->b", weighted, offset)

    sums = design.sums(working)
    response = logs - 0.1 / start if offset is None else logs - 0.1 / start - offset
    change = _increment(design.sums(working * response)[:, : 2 * p], sums, p, trend, subtract=False)
    coefficients, before = change.copy(), np.full_like(change, np.nan)
    converged, active, now = np.zeros(len(y), dtype=bool), np.arange(len(y)), sums.copy()
    for step in range(STEPS):
        moving = active[(np.abs(change[active, p]) > STILL) | (step == 0)]
        still = np.setdiff1d(active, moving, assume_unique=True)
        # A slope at rest: the step only scales each level, and with it its sums; no row needs to be looked at.
        now[still] = sums[still] * np.tile(np.exp(change[still, :p]), 3)
        mean = _means(design, coefficients[moving], None if offset is None else offset[moving])
        now[moving] = design.sums(mean if prior is None else prior[moving] * mean)
        fitted = now[active, :p].sum(1) - _log_likelihood(coefficients[active], target[active], p)
        after = constant[active] + 2.0 * fitted
        done = np.abs(after - deviance[active]) / (np.abs(after) + 0.1) < TOLERANCE
        deviance[active] = after
        converged[active[done]] = True
        active = active[~done]
        if step == STEPS - 1 or not len(active):
            break
        sums[active], before[active] = now[active], coefficients[active]
        change[active] = _increment(target[active], sums[active], p, trend)
        coefficients[active] += change[active]
    stepped = ~np.isnan(before[:, 0])
    last = _means(design, before[stepped], None if offset is None else offset[stepped])
    working[stepped] = last if prior is None else prior[stepped] * last
    weight = sums[:, :p]
    centre = sums[:, p : 2 * p] / weight
    spread = (sums[:, 2 * p :] - centre * sums[:, p : 2 * p]).sum(1)
    mean = _means(design, coefficients, offset)
    return Fit(design, coefficients[:, :p], coefficients[:, p], mean, working, weight, centre, spread, converged, trend)


def _increment(target: Floats, sums: Floats, p: int, trend: bool, *, subtract: bool = True) -> Floats:
    """Solve the bordered diagonal system for the change of the coefficients (B, p + 1), slope last."""
    weight, first, second = sums[:, :p], sums[:, p : 2 * p], sums[:, 2 * p :]
    residual = target - sums[:, : 2 * p] if subtract else target
    change = np.zeros((len(sums), p + 1))
    with np.errstate(divide="ignore", invalid="ignore"):  # a level of one zero count has no weight left: NaN
        centre = first / weight
        if trend:
            change[:, p] = (residual[:, p:] - centre * residual[:, :p]).sum(1) / (second - centre * first).sum(1)
        change[:, :p] = residual[:, :p] / weight - change[:, p:] * centre
    return change


def _means(design: Design, coefficients: Floats, offset: Floats | None) -> Floats:
    eta = coefficients[:, -1:] * design.time
    eta += coefficients[:, design.level]
    if offset is not None:
        eta += offset
    with np.errstate(over="ignore"):
        np.exp(eta, out=eta)
    return np.maximum(eta, SMALLEST_MEAN, out=eta)


def _log_likelihood(coefficients: Floats, target: Floats, p: int) -> Floats:
    """Sum of weight x count x linear predictor (B,), from the sums by level."""
    levels = np.einsum("bp,bp->b", coefficients[:, :p], target[:, :p])
    return levels + coefficients[:, p] * target[:, p:].sum(1)


def _saturated(y: Floats, prior: Floats | None) -> Floats:
    """2 x sum of weight x (y log y - y): what the deviance does not owe to the model (B,)."""
    terms = y * np.log(np.maximum(y, SMALLEST_MEAN)) - y
    return 2.0 * (terms if prior is None else prior * terms).sum(1)
