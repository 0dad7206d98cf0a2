"""A fixed number of cases inside a rolling window: no statistics, no history. The caller brings number and source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.series import Detection, SeriesSet, tested


@dataclass(frozen=True)
class FixedSettings:
    """threshold: from so many cases on. window: in so many periods, this one included."""

    threshold: float = 1.0
    window: int = 1

    def __post_init__(self) -> None:
        if self.threshold <= 0 or self.window < 1:
            raise Invalid("Fixed threshold: threshold > 0 and window >= 1 are needed.")


def fixed(series: SeriesSet, *, from_index: int, settings: FixedSettings) -> Detection:
    """bound: the largest count of this period that does not alarm, given the periods before. A window that begins
    before the series counts what there is."""
    periods = tested(series, from_index, 0, "Fixed threshold")
    start = np.maximum(periods + 1 - settings.window, 0)
    before = series.cumulative[:, periods] - series.cumulative[:, start]
    observed = series.counts[:, periods]
    bound = np.maximum(np.ceil(settings.threshold) - before - 1.0, 0.0)
    alarm = (before + observed >= settings.threshold) & (observed > 0)
    nothing = np.full(observed.shape, np.nan)
    return Detection("Fixed threshold", periods, observed, nothing, bound, alarm, nothing)
