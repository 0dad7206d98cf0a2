"""Comparable periods of past years by rank or by mean: China's moving percentile, and historical mean + k SD.

The national system (CIDARS) compares a week with a percentile of the 25 counts of the same week, two before and two
after, in each of five years (Yang et al. 2011; Wang RP et al. 2017, BMC Public Health 17:570); P80 in running use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.comparable import reference_counts
from healthbrain.surveillance.rules.series import Detection, SeriesSet


@dataclass(frozen=True)
class PercentileSettings:
    """percentile: 0-100, linear between ranks. b years, windows of +-w. least: fewer cases never alarm."""

    percentile: float = 80.0
    b: int = 5
    w: int = 2
    least: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.percentile <= 100 or self.b < 1 or self.w < 0:
            raise Invalid("Moving percentile: percentile 0-100, b >= 1 and w >= 0 are needed.")


@dataclass(frozen=True)
class HistoricalSettings:
    """Mean + sds x standard deviation (n - 1) of the same reference counts."""

    sds: float = 2.0
    b: int = 5
    w: int = 2

    def __post_init__(self) -> None:
        if self.b < 1 or self.w < 0 or self.b * (2 * self.w + 1) < 2:
            raise Invalid("Historical mean: b >= 1 and w >= 0 with at least two counts in all are needed.")


def moving_percentile(series: SeriesSet, *, from_index: int, settings: PercentileSettings) -> Detection:
    """expected: the median of the reference counts. pvalue: (1 + reference counts at least as large) / (n + 1)."""
    periods, past = reference_counts(
        series, from_index, b=settings.b, w=settings.w, this_year=False, method="Moving percentile"
    )
    bound = np.percentile(past, settings.percentile, axis=2)
    observed = series.counts[:, periods]
    as_large = (past >= observed[:, :, None]).sum(2)
    alarm = (observed > bound) & (observed >= settings.least)
    pvalue = (1.0 + as_large) / (past.shape[2] + 1.0)
    return Detection("Moving percentile", periods, observed, np.median(past, axis=2), bound, alarm, pvalue)


def historical_mean(series: SeriesSet, *, from_index: int, settings: HistoricalSettings) -> Detection:
    periods, past = reference_counts(
        series, from_index, b=settings.b, w=settings.w, this_year=False, method="Historical mean"
    )
    mean = past.mean(2)
    bound = mean + settings.sds * past.std(2, ddof=1)
    observed = series.counts[:, periods]
    nothing = np.full(observed.shape, np.nan)
    return Detection("Historical mean", periods, observed, mean, bound, observed > bound, nothing)
