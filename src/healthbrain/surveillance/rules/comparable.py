"""Reference counts of the simple rules: the last w periods, and windows of +-w around now in the last b years."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from healthbrain.surveillance.rules.series import Floats, SeriesSet, tested, windows


def offsets(series: SeriesSet, *, b: int, w: int, this_year: bool) -> NDArray[np.intp]:
    """Offsets of the reference periods, a year being `frequency` periods."""
    year = int(series.frequency)
    recent = list(range(-w, 0)) if this_year else []
    past = [-year * i + step for i in range(1, b + 1) for step in range(-w, w + 1)]
    return np.array(recent + past, dtype=np.intp)


def reference_counts(
    series: SeriesSet, from_index: int, *, b: int, w: int, this_year: bool, method: str
) -> tuple[NDArray[np.intp], Floats]:
    """Tested periods, and their reference counts (n_series, n_tested, n_reference)."""
    back = offsets(series, b=b, w=w, this_year=this_year)
    periods = tested(series, from_index, int(-back.min()), method)
    return periods, windows(series.counts, periods, back)
