"""CDC's historical limits on four-week totals (Stroup et al. 1989, Stat Med 8:323; Farrington & Andrews 2003, eq. 8-1).

The total of the last four weeks against the same, the previous and the following four-week total of each of b past
years. `expected`, `bound` and `alarm` are about that total; `observed` is this period's count as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.series import Detection, SeriesSet, tested

BLOCK = 4


@dataclass(frozen=True)
class CdcSettings:
    """b: years back. m: blocks on either side. alpha: two-sided."""

    b: int = 5
    m: int = 1
    alpha: float = 0.01

    def __post_init__(self) -> None:
        if self.b < 1 or self.m < 0 or self.b * (2 * self.m + 1) < 2 or not 0 < self.alpha < 1:
            raise Invalid("CDC: b >= 1, m >= 0 with at least two blocks in all, and 0 < alpha < 1 are needed.")


def cdc(series: SeriesSet, *, from_index: int, settings: CdcSettings) -> Detection:
    year = int(series.frequency)
    if BLOCK * (settings.m + 1) > year:
        raise Invalid(f"CDC: with m={settings.m} last year's blocks reach into the tested one; use a smaller m.")
    back = np.array(
        [-year * i + BLOCK * step for i in range(1, settings.b + 1) for step in range(-settings.m, settings.m + 1)]
    )
    periods = tested(series, from_index, int(-back.min()) + BLOCK - 1, "CDC")
    ends = (periods[:, None] + back) + 1
    past = series.cumulative[:, ends] - series.cumulative[:, ends - BLOCK]
    total = series.cumulative[:, periods + 1] - series.cumulative[:, periods + 1 - BLOCK]
    mean, sd = past.mean(2), past.std(2, ddof=1) * np.sqrt(1.0 + 1.0 / past.shape[2])
    bound = mean + float(ndtri(1.0 - settings.alpha / 2)) * sd
    with np.errstate(divide="ignore", invalid="ignore"):
        pvalue = ndtr(-np.where(sd > 0, (total - mean) / sd, np.where(total > mean, np.inf, 0.0)))
    return Detection("CDC", periods, series.counts[:, periods], mean, bound, total > bound, pvalue)
