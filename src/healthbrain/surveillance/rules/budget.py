"""So many false signals a week for the whole county, set by the user, kept whatever the number of series.

A budget of b false signals a week over m tested series and r passes a week is a per-test level of b / (r m) when the
p-values are exact. They are not quite: counts are discrete (so p-values are too large), series share weather and
holidays, models are wrong. `calibrate` therefore learns from p-values of past passes how often p ≤ x really comes,
after known outbreaks are taken out, and `corrected` maps a p-value to that share; below the smallest p-values seen, the
tail is continued by a Pareto law fitted to the smallest share of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.series import Bools, Floats

TAIL = 0.02  # the smallest share of past p-values, to which the tail is fitted
LEAST = 200  # fewer past p-values teach nothing: the level stays nominal


@dataclass(frozen=True, eq=False)
class Calibration:
    """past: sorted p-values of quiet passes. knee, slope: P(p <= x) = TAIL · (x / knee)^slope below the knee."""

    past: Floats
    knee: float
    slope: float


def calibrate(past: Floats) -> Calibration | None:
    """From p-values of series and periods outside known outbreaks, any shape, NaN ignored. None: too few to learn."""
    values = np.sort(np.asarray(past, np.float64).ravel())
    values = values[np.isfinite(values)]
    if len(values) < LEAST:
        return None
    tail = values[: max(int(TAIL * len(values)), 10)]
    knee = float(tail[-1])
    # Hill's estimator on the log scale: exact p-values give slope 1. A prior of ten tests at slope 1 steadies it, and
    # a tail that falls faster than nominal is not trusted further than nominal.
    logs = np.log(knee / np.maximum(tail[:-1], 1e-300))
    slope = (len(logs) + 10.0) / (float(logs.sum()) + 10.0)
    return Calibration(values, knee, min(slope, 1.0))


def corrected(pvalues: Floats, calibration: Calibration | None) -> Floats:
    """Share of quiet tests with a p-value as small; the p-value itself where nothing was learnt."""
    pvalues = np.asarray(pvalues, np.float64)
    if calibration is None:
        return pvalues
    past, knee = calibration.past, calibration.knee
    share = (np.searchsorted(past, pvalues, side="right") + 1.0) / (len(past) + 1.0)
    at_knee = (np.searchsorted(past, knee, side="right") + 1.0) / (len(past) + 1.0)
    deep = at_knee * (np.maximum(pvalues, 1e-300) / knee) ** calibration.slope
    return np.where(np.isnan(pvalues), np.nan, np.where(pvalues < knee, deep, np.maximum(share, at_knee)))


def within_budget(
    pvalues: Floats,
    able: Bools,
    *,
    weekly_false: float,
    passes_a_week: int,
    calibration: Calibration | None = None,
) -> Bools:
    """Which series (n,) signal in this pass. able: could signal at all (cases there, not in a quiet period).

    A series that could not be tested (NaN) uses none of the budget; the level is the same for all others.
    """
    if weekly_false <= 0 or passes_a_week < 1:
        raise Invalid("The budget must be above 0 false signals a week, with at least one pass a week.")
    share = corrected(pvalues, calibration)
    level = weekly_false / passes_a_week / max(int(np.isfinite(share).sum()), 1)
    return np.asarray((share <= level) & able)


def ranking(pvalues: Floats, observed: Floats, expected: Floats) -> NDArray[np.intp]:
    """Order in which signals deserve a look: rarest first, then the larger excess; unknown last. Ties keep order."""
    known = np.where(np.isnan(pvalues), 2.0, pvalues)
    return np.lexsort((-(observed - np.nan_to_num(expected)), known))
