"""EARS C1, C2, C3 (Hutwagner et al. 2003, J Urban Health 80:i89; Fricker et al. 2008, Stat Med 27:3407).

C3 exists twice. `published`: the sum of the excesses max(0, C2 - 1) of the last three periods, this one included.
`as_installed`: R `surveillance` 1.20.3, whose bound is the count itself plus sd x (z - the two previous excesses): the
count of this period cancels out. It is here to reproduce R's numbers, not to be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.series import Detection, Floats, SeriesSet, tested, windows

GUARD = 2  # periods between the baseline of C2 and C3 and the tested one: an outbreak's first days stay out of it


@dataclass(frozen=True)
class EarsSettings:
    """baseline: periods averaged. min_sigma: least standard deviation (0.5-1 suits sparse series). alpha: one-sided."""

    method: Literal["C1", "C2", "C3", "C3_as_installed"] = "C1"
    baseline: int = 7
    min_sigma: float = 0.0
    alpha: float = 0.001

    def __post_init__(self) -> None:
        if self.baseline < 2 or self.min_sigma < 0 or not 0 < self.alpha < 1:
            raise Invalid("EARS: baseline >= 2, min_sigma >= 0 and 0 < alpha < 1 are needed.")


def ears(series: SeriesSet, *, from_index: int, settings: EarsSettings) -> Detection:
    gap = 0 if settings.method == "C1" else GUARD
    needs = settings.baseline + gap + (2 if settings.method.startswith("C3") else 0)
    periods = tested(series, from_index, needs, f"EARS {settings.method}")
    z = float(ndtri(1.0 - settings.alpha))
    observed = series.counts[:, periods]
    mean, sd = _baseline(series, periods, gap, settings)
    if settings.method in ("C1", "C2"):
        bound = mean + z * sd
        pvalue = _pvalue(observed - mean, sd)
        return Detection(f"EARS {settings.method}", periods, observed, mean, bound, observed > bound, pvalue)
    if settings.method == "C3":
        before = _excess(series, periods - 1, settings) + _excess(series, periods - 2, settings)
        with np.errstate(invalid="ignore"):
            needed = np.where(before >= z, 0.0, np.maximum(mean + sd * (1.0 + z - before), 0.0))
        statistic = before + _excess(series, periods, settings)
        return Detection("EARS C3", periods, observed, mean, needed, observed > needed, ndtr(-statistic))
    before = _raw_excess(series, periods - 1, settings) + _raw_excess(series, periods - 2, settings)
    with np.errstate(invalid="ignore"):
        bound = np.maximum(observed + sd * (z - before), 0.0)
        alarm = observed > bound
    return Detection("EARS C3 as installed", periods, observed, mean, bound, alarm, np.full(observed.shape, np.nan))


def _baseline(series: SeriesSet, periods: NDArray[np.intp], gap: int, settings: EarsSettings) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n - 1) of the baseline (n_series, n_tested); the latter at least min_sigma."""
    past = windows(series.counts, periods, np.arange(-settings.baseline, 0) - gap)
    return past.mean(2), np.maximum(past.std(2, ddof=1), settings.min_sigma)


def _excess(series: SeriesSet, periods: NDArray[np.intp], settings: EarsSettings) -> Floats:
    """max(0, C2 - 1). Without any spread in the baseline: infinite for a count above the mean, else 0."""
    mean, sd = _baseline(series, periods, GUARD, settings)
    above = series.counts[:, periods] - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        standard = np.where(sd > 0, above / sd, np.where(above > 0, np.inf, 0.0))
    return np.maximum(standard - 1.0, 0.0)


def _raw_excess(series: SeriesSet, periods: NDArray[np.intp], settings: EarsSettings) -> Floats:
    """The same as R has it: not a number where a baseline without spread meets a count equal to its mean."""
    mean, sd = _baseline(series, periods, GUARD, settings)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum((series.counts[:, periods] - mean) / sd - 1.0, 0.0)


def _pvalue(above: Floats, sd: Floats) -> Floats:
    """Upper tail of the normal distribution the bound is made from."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return ndtr(-np.where(sd > 0, above / sd, np.where(above > 0, np.inf, 0.0)))
