"""The daily detector of CDC's NSSP ESSENCE: regression where it explains the baseline, else moving averages.

Burkom, Murphy & Shmueli (2007), Stat Med 26:4202, and the help of ESSENCE (Regression/EWMA switch). Numbers agree with
`pynssp` 0.1.0 of CDC's NSSP programme, the published reference, including its two off-by-ones: the averages use
29 days where the text says 28, and the least standard error of the regression takes one degree of freedom more.
Red: p < 0.01 (alarm); yellow: p < 0.05.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.series import Detection, Floats, SeriesSet, tested

SHORTEST = 11  # days of baseline before the first test; it grows to `baseline`
TERMS = 8  # intercept, slope, six days of the week
YELLOW = 0.05


@dataclass(frozen=True)
class EssenceSettings:
    """baseline, guard in days; weights of the two averages; r2: least adjusted R squared of the regression."""

    baseline: int = 28
    guard: int = 2
    slow: float = 0.4
    fast: float = 0.9
    r2: float = 0.60
    alpha: float = 0.01

    def __post_init__(self) -> None:
        if self.baseline < 14 or self.baseline % 7 or self.guard < 0 or not 0 < self.alpha < 1:
            raise Invalid("ESSENCE: baseline a multiple of 7 from 14 on, guard >= 0 and 0 < alpha < 1 are needed.")
        if not (0 < self.slow < 1 and 0 < self.fast < 1):
            raise Invalid("ESSENCE: both weights must lie between 0 and 1.")


def essence(series: SeriesSet, *, from_index: int, settings: EssenceSettings) -> Detection:
    """Averages are carried from the first day of the series on, so what is known early changes what is said late."""
    periods = tested(series, from_index, settings.baseline + settings.guard, "ESSENCE")
    regression = _regression(series.counts, periods, settings)
    averages = _averages(series.counts, periods, settings)
    explained = regression[3] >= settings.r2
    expected, bound, pvalue = (np.where(explained, a, b) for a, b in zip(regression[:3], averages, strict=True))
    observed = series.counts[:, periods]
    return Detection("ESSENCE", periods, observed, expected, bound, pvalue < settings.alpha, pvalue)


def _regression(
    counts: Floats, periods: NDArray[np.intp], settings: EssenceSettings
) -> tuple[Floats, Floats, Floats, Floats]:
    """Expected, bound, p-value and adjusted R squared (n_series, n_tested): count ~ time + day of the week."""
    n, free = settings.baseline, settings.baseline - TERMS
    shape = (len(counts), len(periods))
    expected, spread, r2 = np.empty(shape), np.empty(shape), np.empty(shape)
    least = 1.01 / round(float(stdtrit(free + 1, 1.0 - YELLOW)), 5)
    wider = np.sqrt((n + 7) * (n - 4) / (n * (n - 7)))
    # The first days of the baseline repeat every week, and with them the design: seven hat matrices serve all days.
    time = np.arange(n, dtype=np.float64)
    for phase in range(7):
        days = np.flatnonzero((periods - settings.guard - n) % 7 == phase)
        design = np.column_stack([np.eye(7)[(np.arange(n) + phase) % 7], time])
        solve = np.linalg.pinv(design)
        now = np.append(np.eye(7)[(n + settings.guard + phase) % 7], n + settings.guard)
        for day in days:
            last = periods[day] - settings.guard
            y = counts[:, last - n : last]
            beta = y @ solve.T
            residual = ((y - beta @ design.T) ** 2).sum(1) / free
            total = y.var(1, ddof=1)
            expected[:, day] = np.maximum(beta @ now, 0.0)
            spread[:, day] = np.maximum(np.sqrt(residual) * wider, least)
            r2[:, day] = np.where(total > 0, 1.0 - residual / np.where(total > 0, total, 1.0), 0.0)
    pvalue = stdtr(free, -(counts[:, periods] - expected) / spread)
    return expected, expected + float(stdtrit(free, 1.0 - settings.alpha)) * spread, pvalue, r2


def _averages(counts: Floats, periods: NDArray[np.intp], settings: EssenceSettings) -> tuple[Floats, Floats, Floats]:
    """Expected, bound and p-value (n_series, n_tested): the more striking of a slow and a fast moving average."""
    weights = np.array([settings.slow, settings.fast])
    shape = (len(counts), len(periods))
    expected, bound, pvalue = np.empty(shape), np.empty(shape), np.empty(shape)
    average = np.repeat(counts[:, :1], 2, axis=1)
    start = SHORTEST + settings.guard
    for day in range(1, int(periods[-1]) + 1):
        before = average
        average = weights * counts[:, day : day + 1] + (1.0 - weights) * before
        if day < start:
            continue
        last = day - settings.guard
        past = counts[:, max(0, last - settings.baseline - 1) : last]
        mean, spread, free = _spread(past, weights, settings.guard)
        distance = (average - mean) / spread
        if day >= periods[0]:
            column = day - int(periods[0])
            limit = mean + float(stdtrit(free, 1.0 - settings.alpha)) * spread
            expected[:, column] = mean[:, 0]
            bound[:, column] = ((limit - (1.0 - weights) * before) / weights).min(1)
            pvalue[:, column] = stdtr(free, -distance.max(1))
        red = round(float(stdtrit(free, 0.99)), 5)
        average = np.where(np.abs(distance) > red, mean + np.sign(distance) * red * spread, average)
    return expected, np.maximum(bound, 0.0), pvalue


def _spread(past: Floats, weights: Floats, guard: int) -> tuple[Floats, Floats, int]:
    """Mean (n_series, 1) of the baseline, standard errors of both averages (n_series, 2), degrees of freedom."""
    n = past.shape[1]
    warning = round(float(stdtrit(n - 1, 0.975)), 5)
    rest = 1.0 - weights
    factor = np.sqrt(weights / (2.0 - weights) + 1.0 / n - 2.0 * rest ** (guard + 1) * (1.0 - rest**n) / n)
    least = weights / warning * (1.0 + 0.5 * rest**2)
    constant = (0.1289 - (0.2414 - 0.1826 * rest**4) * np.log(10.0 * YELLOW)) * weights / warning
    spread = np.maximum(least, past.std(1, ddof=1)[:, None] * factor + constant)
    return past.mean(1)[:, None], spread, n - 1
