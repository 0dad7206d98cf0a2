"""RKI 1-3: the rule of the Robert Koch Institute (Altmann 2003), as in R `surveillance` 1.20.3.

Mean of comparable counts up to 20: the upper end of the 95 % interval of Crow & Gardner (1959), Biometrika 46:441,
for its whole part; above 20: mean + 2 standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.comparable import reference_counts
from healthbrain.surveillance.rules.series import Detection, SeriesSet

# Crow & Gardner (1959), table 1, 95 %: upper limit of a Poisson mean for an observed count of 0, 1, ..., 20.
UPPER_LIMIT = np.array([
    3.285, 5.323, 6.686, 8.102, 9.598, 11.177, 12.817, 13.765, 14.921, 16.768, 17.633,
    19.05, 20.335, 21.364, 22.945, 23.762, 25.4, 26.306, 27.735, 28.966, 30.017,
])  # fmt: skip
LARGEST_MEAN = 20.0


@dataclass(frozen=True)
class RkiSettings:
    """RKI 1: (b=0, w=6, this_year) the last 6 periods. 2: (b=1, w=6, this_year). 3: (b=2, w=4) 18 of two years."""

    b: int = 2
    w: int = 4
    this_year: bool = False

    def __post_init__(self) -> None:
        if self.b < 0 or self.w < 1 or (self.b == 0 and not self.this_year):
            raise Invalid("RKI: b >= 0 (>= 1 without this year) and w >= 1 are needed.")


def rki(series: SeriesSet, *, from_index: int, settings: RkiSettings) -> Detection:
    periods, past = reference_counts(
        series, from_index, b=settings.b, w=settings.w, this_year=settings.this_year, method="RKI"
    )
    mean = past.mean(2)
    small = UPPER_LIMIT[np.minimum(mean, LARGEST_MEAN).astype(np.intp)]
    bound = np.where(mean <= LARGEST_MEAN, small, mean + 2.0 * past.std(2, ddof=1))
    observed = series.counts[:, periods]
    return Detection("RKI", periods, observed, mean, bound, observed > bound, np.full(observed.shape, np.nan))
