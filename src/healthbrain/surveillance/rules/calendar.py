"""Which days are workdays and school days: holidays and make-up workdays by a dated table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Calendar:
    """`covered`: the years the table knows; outside them only weekends are known to be free."""

    holidays: frozenset[dt.date]
    workdays: frozenset[dt.date]  # weekend days that are worked
    terms: tuple[tuple[dt.date, dt.date], ...]
    covered: frozenset[int]

    @classmethod
    def of(cls, files: Iterable[Mapping[str, Any]]) -> Calendar:
        """From the files of knowledge/calendar."""
        holidays: set[dt.date] = set()
        workdays: set[dt.date] = set()
        terms: list[tuple[dt.date, dt.date]] = []
        for file in files:
            for row in file["holidays"]:
                holidays.update(_days(*row["days"]))
            workdays.update(file["workdays"])
            terms += [(first, last) for first, last in file["school_terms"]]
        return cls(frozenset(holidays), frozenset(workdays), tuple(sorted(terms)), frozenset(d.year for d in holidays))

    def is_workday(self, day: dt.date) -> bool:
        if day in self.workdays:
            return True
        return day not in self.holidays and day.weekday() < SATURDAY

    def is_school_day(self, day: dt.date) -> bool:
        """A workday within a term. Without a table of terms every workday is one."""
        in_term = not self.terms or any(first <= day <= last for first, last in self.terms)
        return in_term and self.is_workday(day)

    def last_school_days(self, day: dt.date, count: int) -> list[dt.date]:
        """The `count` school days up to and including `day`, oldest first; fewer when the table has no more."""
        found: list[dt.date] = []
        for back in range(400):
            candidate = day - dt.timedelta(days=back)
            if self.is_school_day(candidate):
                found.append(candidate)
                if len(found) == count:
                    break
        return found[::-1]

    def exposure(self, days: Sequence[dt.date], *, school: bool) -> NDArray[np.float64]:
        """1 for a day that is worked (or taught), 0 for one that is not: what a series' zero means."""
        open_on = self.is_school_day if school else self.is_workday
        return np.array([float(open_on(day)) for day in days])


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
