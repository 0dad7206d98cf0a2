"""Birthdays by the moon calendar: what a date is called there, and whether another date may be that."""

from __future__ import annotations

import bisect
import datetime as dt
import functools

from borax.calendars.lunardate import MAX_LUNAR_YEAR, MIN_LUNAR_YEAR, MIN_SOLAR_DATE, LCalendars


@functools.cache
def _months() -> tuple[list[int], list[str]]:
    """First day (ordinal) of every month of the calendar, and its year and number: 198606. A leap month keeps both."""
    first, days, called = MIN_SOLAR_DATE.toordinal(), [], []
    for year in range(MIN_LUNAR_YEAR, MAX_LUNAR_YEAR + 1):
        for month, length, _ in LCalendars.iter_year_month(year):
            days.append(first)
            called.append(f"{year}{month:02d}")
            first += length
    return days, called


@functools.lru_cache(maxsize=65536)
def of(born: str) -> str:
    """YYYYMMDD by the moon calendar of a date YYYYMMDD; empty for an unknown date and outside 1900-2100."""
    days, called = _months()
    day = dt.date(int(born[:4]), int(born[4:6]), int(born[6:])).toordinal() if born else 0
    nth = bisect.bisect_right(days, day) - 1
    if nth < 0 or nth == len(days) - 1:
        return ""
    return f"{called[nth]}{day - days[nth] + 1:02d}"


def says(born: str, other: str) -> bool:
    """Whether `other` is `born` by the moon calendar, written with the year of either calendar."""
    by_moon = of(born)
    return by_moon[4:] == other[4:] and by_moon != "" and other[:4] in (by_moon[:4], born[:4])
