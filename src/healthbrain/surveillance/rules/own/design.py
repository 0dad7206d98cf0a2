"""The regressors of a baseline: what a history of this length can tell, and nothing more.

Ladder of minimum history (in the spirit of the United4Surveillance tool, which offers a method only when the history
allows it): below six weeks the level alone; from six weeks daily series know their weekdays; from one and a half
years one yearly wave, from two and a half years two, and a trend; from four years daily series four waves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthbrain.surveillance.rules.series import Dates, Frequency, SeriesSet

Floats = NDArray[np.float64]

YEAR = 365.25
TREND_SCALE = 5.0  # years: the trend's coefficient is the change of the log mean in five years
EPOCH_MONDAY = 4  # 1970-01-05 was a Monday


@dataclass(frozen=True)
class Calendar:
    """Days that are not what their weekday says. holidays: as a Sunday; workdays: weekend days worked as a Monday."""

    holidays: frozenset[np.datetime64] = frozenset()
    workdays: frozenset[np.datetime64] = frozenset()


@dataclass(frozen=True)
class Design:
    """rows (n_periods, p): regressors, zero trend at `origin`; ridge (p,): precision of each coefficient's prior."""

    rows: Floats
    ridge: Floats
    years: float


def build(series: SeriesSet, history: int, calendar: Calendar) -> Design:
    """Regressors for all periods of `series`, as many as `history` periods can tell."""
    n = series.n_periods
    per_year = float(series.frequency)
    years = history / per_year
    columns = [np.ones(n)]
    ridge = [1e-6]
    if series.expected is not None:
        return Design(np.stack(columns, 1), np.array(ridge), years)
    if years >= 2.5:
        columns.append((np.arange(n) - n) / (per_year * TREND_SCALE))
        ridge.append(0.5)
    phase = _phase(series)
    for wave in range(1, _waves(years, series.frequency) + 1):
        columns += [np.cos(wave * phase), np.sin(wave * phase)]
        ridge += [0.25, 0.25]
    if series.frequency is Frequency.DAILY and history >= 42:
        kinds = _weekdays(series.starts, n, calendar)
        columns += [(kinds == day).astype(np.float64) for day in range(7)]
        ridge += [0.25] * 7
        holiday = np.asarray(kinds == 7, np.float64)
        if holiday[:history].sum() >= 3:
            columns.append(holiday)
            ridge.append(0.25)
    return Design(np.stack(columns, 1), np.array(ridge), years)


def _waves(years: float, frequency: Frequency) -> int:
    if years < 1.5:
        return 0
    if years < 2.5:
        return 1
    return 4 if frequency is Frequency.DAILY and years >= 4 else 2


def _phase(series: SeriesSet) -> Floats:
    """Angle of each period in its year; by date where there are dates."""
    if series.starts is None:
        return np.asarray(2 * np.pi * np.arange(series.n_periods) / float(series.frequency), np.float64)
    days: Floats = series.starts.astype("datetime64[D]").astype(np.float64)
    return np.asarray(2 * np.pi * days / YEAR, np.float64)


def _weekdays(starts: Dates | None, n: int, calendar: Calendar) -> NDArray[np.int64]:
    """0 Monday ... 6 Sunday, 7 a holiday; without dates day 1 counts as a Monday."""
    if starts is None:
        return np.arange(n) % 7
    kinds = (starts.astype(np.int64) - EPOCH_MONDAY) % 7
    if calendar.workdays:
        kinds[np.isin(starts, np.array(sorted(calendar.workdays)))] = 0
    if calendar.holidays:
        kinds[np.isin(starts, np.array(sorted(calendar.holidays)))] = 7
    return kinds
