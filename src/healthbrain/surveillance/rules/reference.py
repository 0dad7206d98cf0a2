"""Which past periods a tested period is compared with: windows in past years, and seasonal levels between them.

Farrington et al. (1996), J R Statist Soc A 159:547, section 3.2; Noufaily et al. (2013), Stat Med 32:1206, section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from healthbrain.surveillance.rules.glm import Design
from healthbrain.surveillance.rules.series import Dates, Frequency, SeriesSet


@dataclass(frozen=True, eq=False)
class Reference:
    """Tested periods that look back in the same way. offsets: rows relative to the tested period, negative (n,)."""

    offsets: NDArray[np.intp]
    design: Design
    periods: NDArray[np.intp]


def years_back(series: SeriesSet, periods: NDArray[np.intp], years: int, *, calendar: bool) -> NDArray[np.intp]:
    """Index of the same period i = 1 ... years ago (n_tested, years); below 0 where it lies before the first one.

    By number: `frequency` periods are a year. By calendar: the same day i years ago (29 February becomes 1 March), and
    for weeks the nearest day that is the same weekday.
    """
    back = np.arange(1, years + 1)
    if not calendar or series.starts is None:
        return periods[:, None] - int(series.frequency) * back[None, :]
    starts = series.starts
    then = _same_day(starts[periods][:, None], back[None, :])
    if series.frequency is Frequency.MONTHLY:
        months = then.astype("datetime64[M]").astype(np.int64) - starts[0].astype("datetime64[M]").astype(np.int64)
        return months.astype(np.intp)
    days = (then - starts[0]).astype(np.int64)
    step = 7 if series.frequency is Frequency.WEEKLY else 1
    return np.floor_divide(days + step // 2, step).astype(np.intp)


def _same_day(days: Dates, years: NDArray[np.int64]) -> Dates:
    month = days.astype("datetime64[M]")
    into = days - month.astype("datetime64[D]")
    return (month - 12 * years).astype("datetime64[D]") + into


def references(
    series: SeriesSet, periods: NDArray[np.intp], *, b: int, w: int, levels: int, skip: int, calendar: bool
) -> list[Reference]:
    """Tested periods grouped by equal reference rows. b years, windows of +-w, `skip` last periods left out."""
    back = periods[:, None] - years_back(series, periods, b, calendar=calendar)
    starts = series.starts if calendar and series.frequency is Frequency.MONTHLY else None
    patterns, which = np.unique(back, axis=0, return_inverse=True)
    which = which.reshape(-1)
    if starts is not None:  # months differ in days: each tested month has its own distances in time
        patterns, which = back, np.arange(len(periods))
    found = []
    for number, pattern in enumerate(patterns):
        offsets, level = reference_rows(tuple(int(step) for step in pattern), w=w, levels=levels, skip=skip)
        kept, level = np.unique(level, return_inverse=True)
        mine = periods[which == number]
        if starts is None:
            time = offsets / float(series.frequency)
        else:
            time = (starts[mine[0] + offsets] - starts[mine[0]]).astype(np.float64) / 365.0
        design = Design(level.reshape(-1), time, int(np.searchsorted(kept, levels - 1)))
        found.append(Reference(offsets, design, mine))
    return found


def reference_rows(
    back: tuple[int, ...], *, w: int, levels: int, skip: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Offsets of the reference rows and their level, 0 ... levels - 1; now belongs to the last level.

    back: distance to the same period 1, 2, ... years ago. The windows, and the w periods before now, are the last
    level. The periods between two windows are cut into levels - 1 blocks of equal length, what is left over goes one
    period each to the first blocks. With one level only the windows count. Rows come sorted by level.
    """
    anchors = (*(-distance for distance in reversed(back)), 0)
    level = {anchor + step: levels - 1 for anchor in anchors for step in range(-w, w + 1)}
    if levels > 1:
        for older, newer in pairwise(anchors):
            between = range(older + w + 1, newer - w)
            for number, block in enumerate(np.array_split(np.array(between), levels - 1)):
                level.update((int(offset), number) for offset in block)
    rows = sorted((offset for offset in level if offset < -skip), key=lambda offset: (level[offset], offset))
    return np.array(rows, dtype=np.intp), np.array([level[row] for row in rows], dtype=np.intp)


def oldest(series: SeriesSet, *, b: int, w: int, calendar: bool) -> int:
    """Index of the first period whose windows all lie inside the series; n_periods when there is none."""
    every = np.arange(series.n_periods, dtype=np.intp)
    fits = years_back(series, every, b, calendar=calendar)[:, -1] - w >= 0
    return int(np.argmax(fits)) if fits.any() else series.n_periods
