"""Quasi-Poisson regression of thousands of short count series at once.

Model, for one series: E y = exp(offset + level effect + slope x time), variance phi x mean, prior weights w.
With one mean per level (a factor) and one slope, the normal matrix X'WX is diagonal but for one row: iteratively
reweighted least squares needs no linear solver, only sums over the rows of each level, and these are one matrix
product for all series. Source: McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., sections 2.5 and 6.2.

The start (mean = count + 0.1) and the stop (relative change of the deviance below 1e-8, at most 25 steps) are those of
R's `glm`: where a level has only zeros the estimate runs to minus infinity, and the numbers depend on when one stops.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, xlogy

from healthbrain.surveillance.rules.series import Bools, Floats

TOLERANCE = 1e-8
STEPS = 25
SMALLEST_MEAN = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Design:
    """Rows of one regression, the same for every series fitted together.

    level: number of each row's level, 0 ... p - 1, each present (n,). time: distance to now, negative (n,);
    now is time 0 in level `now_level`.
    """

    level: NDArray[np.intp]
    time: Floats
    now_level: int

    @property
    def n_levels(self) -> int:
        return int(self.level.max()) + 1

    @property
    def one_hot(self) -> Floats:
        """(n, p): 1 where the row belongs to the level."""
        return np.eye(self.n_levels)[self.level]

    def moments(self) -> Floats:
        """(n, 3p): one-hot, one-hot x time, one-hot x time squared. Weights @ moments = all sums a step needs."""
        one = self.one_hot
        time = self.time[:, None]
        return np.hstack([one, one * time, one * time * time])


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
        return 2.0 * stdtr(self.freedom, -np.abs(t))

    def take(self, rows: NDArray[np.intp] | Bools) -> Fit:
        """Only these series."""
        parts = ("level", "slope", "mean", "working", "weight", "centre", "spread", "converged")
        return replace(self, **{part: getattr(self, part)[rows] for part in parts})


def fit(design: Design, y: Floats, *, trend: bool, prior: Floats | None = None, offset: Floats | None = None) -> Fit:
    """Fit every series: y, prior (1 when None) and offset (0 when None) are (B, n)."""
    moments, p = design.moments(), design.n_levels
    predictors = np.vstack([design.one_hot.T, design.time])
    weighted = y if prior is None else prior * y
    target = weighted @ moments[:, : 2 * p]  # sums of counts, and of counts x time, by level
    constant = _saturated(y, prior)

    coefficients, working, sums = _first_step(design, y, prior, offset, moments, trend)
    mean = _means(coefficients, predictors, offset)
    deviance = _deviance(y, y + 0.1, prior)
    converged = np.zeros(len(y), dtype=bool)
    active = np.arange(len(y))
    for step in range(STEPS):
        if step:
            stepped = working[active], sums[active], coefficients[active]
            coefficients[active] = stepped[2] + _increment(target[active], stepped[1], p, trend)
            offsets = None if offset is None else offset[active]
            mean[active] = _means(coefficients[active], predictors, offsets)
        weights = mean[active] if prior is None else prior[active] * mean[active]
        now = weights @ moments
        before = deviance[active]
        after = constant[active] + 2.0 * (
            now[:, :p].sum(1)
            - _log_likelihood(coefficients[active], target[active], p)
            - (0.0 if offset is None else np.einsum("bn,bn->b", weighted[active], offset[active]))
        )
        deviance[active] = after
        done = np.abs(after - before) / (np.abs(after) + 0.1) < TOLERANCE
        converged[active[done]] = True
        keep = ~done
        if step == STEPS - 1 or not keep.any():
            break
        working[active[keep]], sums[active[keep]] = weights[keep], now[keep]
        active = active[keep]
    weight = sums[:, :p]
    centre = sums[:, p : 2 * p] / weight
    spread = (sums[:, 2 * p :] - centre * sums[:, p : 2 * p]).sum(1)
    return Fit(design, coefficients[:, :p], coefficients[:, p], mean, working, weight, centre, spread, converged, trend)


def _first_step(
    design: Design, y: Floats, prior: Floats | None, offset: Floats | None, moments: Floats, trend: bool
) -> tuple[Floats, Floats, Floats]:
    """Weighted least squares from the start mean = y + 0.1: coefficients (B, p + 1), weights (B, n), sums (B, 3p)."""
    p = design.n_levels
    start = y + 0.1
    working = start if prior is None else prior * start
    response = np.log(start) - 0.1 / start
    if offset is not None:
        response = response - offset
    sums = working @ moments
    return _increment((working * response) @ moments[:, : 2 * p], sums, p, trend, subtract=False), working, sums


def _increment(target: Floats, sums: Floats, p: int, trend: bool, *, subtract: bool = True) -> Floats:
    """Solve the bordered diagonal system for the change of the coefficients (B, p + 1), slope last."""
    weight, first, second = sums[:, :p], sums[:, p : 2 * p], sums[:, 2 * p :]
    residual = target - sums[:, : 2 * p] if subtract else target
    change = np.zeros((len(sums), p + 1))
    centre = first / weight
    if trend:
        spread = (second - centre * first).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            change[:, p] = (residual[:, p:] - centre * residual[:, :p]).sum(1) / spread
    change[:, :p] = residual[:, :p] / weight - change[:, p:] * centre
    return change


def _means(coefficients: Floats, predictors: Floats, offset: Floats | None) -> Floats:
    eta = coefficients @ predictors
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
    terms = xlogy(y, y) - y
    return 2.0 * (terms if prior is None else prior * terms).sum(1)


def _deviance(y: Floats, mean: Floats, prior: Floats | None) -> Floats:
    """Poisson deviance (B,)."""
    terms = xlogy(y, y / mean) - (y - mean)
    return 2.0 * (terms if prior is None else prior * terms).sum(1)
