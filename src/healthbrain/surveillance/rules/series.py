"""What a detector reads and what it says: many series on one calendar, and one answer per series and period.

Every detector is a function `detect(series, *, from_index, settings) -> Detection`. It tests the periods `from_index`,
`from_index + 1`, ..., the last one; each test sees only counts up to and including the tested period. Series never
influence each other: a detector gives the same numbers for one series alone and among thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from healthbrain.kernel.errors import Invalid

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Dates = NDArray[np.datetime64]


class Frequency(IntEnum):
    """Periods in one year: how far "the same period last year" lies back when periods have no dates."""

    MONTHLY = 12
    WEEKLY = 52
    DAILY = 365


class TooLittleHistory(Invalid):
    """The first tested period does not have the past the method needs."""


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Counts of many series over the same periods.

    names: one per series, unique. counts: float (n_series, n_periods), finite and >= 0.
    starts: the first day of each period as datetime64[D], or None when periods are just numbered (then a year is
    `frequency` periods). labels: how a period is written in output; made from starts or numbers when left out.
    population, expected: like counts, population > 0 and expected >= 0; None when not known.
    """

    names: tuple[str, ...]
    counts: Floats
    frequency: Frequency = Frequency.WEEKLY
    starts: Dates | None = None
    labels: tuple[str, ...] = ()
    population: Floats | None = None
    expected: Floats | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "counts", _matrix(self.counts, "counts", len(self.names), None))
        if len(set(self.names)) != len(self.names):
            raise Invalid(f"Two series have the same name: {_first_double(self.names)}.")
        n = self.counts.shape[1]
        if self.starts is not None:
            object.__setattr__(self, "starts", _regular(np.asarray(self.starts, "datetime64[D]"), self.frequency, n))
        if not self.labels:
            object.__setattr__(self, "labels", self._default_labels())
        if len(self.labels) != n:
            raise Invalid(f"{len(self.labels)} labels for {n} periods.")
        for field in ("population", "expected"):
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, _matrix(value, field, len(self.names), n))
        if self.population is not None and (self.population <= 0).any():
            raise Invalid("population must be above 0 in every period.")

    def _default_labels(self) -> tuple[str, ...]:
        if self.starts is None:
            return tuple(str(i + 1) for i in range(self.counts.shape[1]))
        return tuple(str(day) for day in self.starts)

    @property
    def n_series(self) -> int:
        return int(self.counts.shape[0])

    @property
    def n_periods(self) -> int:
        return int(self.counts.shape[1])

    @cached_property
    def cumulative(self) -> Floats:
        """Running sums with a leading zero (n_series, n_periods + 1): any window's sum is one subtraction."""
        sums = np.zeros((self.n_series, self.n_periods + 1))
        np.cumsum(self.counts, axis=1, out=sums[:, 1:])
        return sums

    def pick(self, rows: Sequence[int]) -> SeriesSet:
        """The same periods, only these series, in this order."""
        index = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            names=tuple(self.names[i] for i in index),
            counts=self.counts[index],
            population=None if self.population is None else self.population[index],
            expected=None if self.expected is None else self.expected[index],
        )

    def until(self, stop: int) -> SeriesSet:
        """The past only: periods 0 ... stop - 1."""
        return replace(
            self,
            counts=self.counts[:, :stop],
            starts=None if self.starts is None else self.starts[:stop],
            labels=self.labels[:stop],
            population=None if self.population is None else self.population[:, :stop],
            expected=None if self.expected is None else self.expected[:, :stop],
        )


@dataclass(frozen=True, eq=False)
class Detection:
    """What a detector says about each series (row) and each tested period (column).

    periods: indices of the tested periods in the SeriesSet (n_tested,). All other arrays are (n_series, n_tested).
    expected: what was to be expected; NaN where the method has no notion of it or could not tell.
    bound: the count above which (for `or_equal` methods: from which on) the method speaks; NaN where it could not tell
    (for Farrington also: too few recent cases to speak at all). alarm is False there.
    pvalue: chance of a count at least as large without an outbreak; NaN where the method has none.
    """

    method: str
    periods: NDArray[np.intp]
    observed: Floats
    expected: Floats
    bound: Floats
    alarm: Bools
    pvalue: Floats

    def __post_init__(self) -> None:
        shape = self.observed.shape
        for field in ("expected", "bound", "alarm", "pvalue"):
            if getattr(self, field).shape != shape:
                raise ValueError(f"{self.method}: {field} has shape {getattr(self, field).shape}, not {shape}")
        if len(self.periods) != shape[1]:
            raise ValueError(f"{self.method}: {len(self.periods)} periods for {shape[1]} columns")


def tested(series: SeriesSet, from_index: int, needs: int, method: str) -> NDArray[np.intp]:
    """Indices of the periods to test. `needs`: periods of history before the first one; fewer is an error."""
    if not 0 <= from_index < series.n_periods:
        raise Invalid(f"There is no period {from_index} among {series.n_periods}.")
    if from_index < needs:
        raise TooLittleHistory(
            f"{method} needs {needs} periods of history before the first tested one, {series.labels[from_index]}"
            f" has {from_index}.",
            hint="Start later (--from), or choose a method for short histories (ears_c1, cusum).",
        )
    return np.arange(from_index, series.n_periods, dtype=np.intp)


def windows(values: Floats, periods: NDArray[np.intp], offsets: Sequence[int] | NDArray[np.intp]) -> Floats:
    """values (n_series, n_periods) at periods + offsets: (n_series, n_tested, n_offsets). Offsets are negative."""
    index = np.asarray(periods)[:, None] + np.asarray(offsets, dtype=np.intp)[None, :]
    return values[:, index]


def _matrix(value: object, name: str, rows: int, columns: int | None) -> Floats:
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != rows or (columns is not None and matrix.shape[1] != columns):
        raise Invalid(f"{name} has shape {matrix.shape}, expected ({rows} series, {columns or 'n'} periods).")
    if matrix.shape[1] == 0:
        raise Invalid("There is no period at all.")
    if not np.isfinite(matrix).all():
        raise Invalid(f"{name} has a missing or infinite value.")
    if (matrix < 0).any():
        row, column = np.argwhere(matrix < 0)[0]
        raise Invalid(f"{name} is negative ({matrix[row, column]:g}) in series {row + 1}, period {column + 1}.")
    return matrix


def _regular(starts: Dates, frequency: Frequency, n: int) -> Dates:
    """Period starts must follow each other without gap: 7 days, 1 day, or consecutive calendar months."""
    if len(starts) != n:
        raise Invalid(f"{len(starts)} period starts for {n} periods.")
    if frequency is Frequency.MONTHLY:
        steps, right = np.diff(starts.astype("datetime64[M]").astype(np.int64)), 1
    else:
        steps, right = np.diff(starts.astype(np.int64)), 7 if frequency is Frequency.WEEKLY else 1
    wrong = np.flatnonzero(steps != right)
    if len(wrong):
        at = int(wrong[0])
        what = "appears twice" if steps[at] == 0 else "is followed by a gap" if steps[at] > right else "is out of step"
        raise Invalid(f"The period starting {starts[at]} {what} (next: {starts[at + 1]}).")
    return starts


def _first_double(names: tuple[str, ...]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
