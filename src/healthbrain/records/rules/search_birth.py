"""Patients by date of birth, through the tokens: each date stands there as its year, its month and its day.

A comparison becomes the years, months and days that lie wholly within it; who is known by year or month only, where
the bound cuts that, is asked himself (R4 search.html#date compares ranges). The order is walked year by year.
Years of birth before 1800 or after 2099 are nobody's: comparisons pass them over, and in the order they come last.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable

from healthbrain.records.rules.search import Query
from healthbrain.records.rules.search_json import Sql, any_of
from healthbrain.records.rules.search_order import Key
from healthbrain.records.rules.search_values import days_of, interval, prefixed

YEARS = range(1800, 2100)
UNKNOWN = "(chr(1) || array_to_string(r.tokens, chr(1))) !~ (chr(1) || 'birthdate=(18|19|20)')"

type Days = tuple[dt.date, dt.date]  # [first, end)


def is_by_birth(query: Query) -> bool:
    """Whether the search is walked year by year of birth."""
    return query.type == "Patient" and [code for code, _ in query.sort[:1]] == ["birthdate"]


def token(year: int, month: int = 0, day: int = 0) -> str:
    return f"birthdate={year}" + (f"-{month:02}" if month else "") + (f"-{day:02}" if day else "")


def born(value: str, exact: Sql, alias: str) -> Sql:
    """One comparison as SQL. `exact` asks the resource itself."""
    prefix, text = prefixed(value)
    ranges = days_of(prefix, interval(text))
    whole, years, months = _buckets(ranges)
    pieces: list[Sql] = [(f"{alias}.tokens && %s::text[]", [whole])] if whole else []
    for cut, finer in ((years, [token(y, m) for y in years for m in range(1, 13)]), (months, _days_within(months))):
        if cut:
            coarse = [token(*part) if isinstance(part, tuple) else token(part) for part in cut]
            sql = f"{alias}.tokens && %s::text[] AND NOT {alias}.tokens && %s::text[] AND {exact[0]}"
            pieces.append((sql, [coarse, finer, *exact[1]]))
    return any_of(pieces) if pieces else ("FALSE", [])


def _buckets(ranges: list[Days]) -> tuple[list[str], list[int], list[tuple[int, int]]]:
    """Tokens of what lies wholly within the ranges; the years and months a bound cuts."""
    whole: list[str] = []
    years: list[int] = []
    months: list[tuple[int, int]] = []
    for year in YEARS:
        start, end = dt.date(year, 1, 1), dt.date(year + 1, 1, 1)
        if _within((start, end), ranges):
            whole.append(token(year))
        elif _touches((start, end), ranges):
            years.append(year)
            for month in range(1, 13):
                own = _month(year, month)
                if _within(own, ranges):
                    whole.append(token(year, month))
                elif _touches(own, ranges):
                    months.append((year, month))
                    whole += [token(d.year, d.month, d.day) for d in _each(own) if _within((d, d + DAY), ranges)]
    return whole, years, months


DAY = dt.timedelta(days=1)


def _month(year: int, month: int) -> Days:
    first = dt.date(year, month, 1)
    return first, first + calendar.monthrange(year, month)[1] * DAY


def _each(days: Days) -> Iterable[dt.date]:
    return (days[0] + n * DAY for n in range((days[1] - days[0]).days))


def _days_within(months: list[tuple[int, int]]) -> list[str]:
    return [token(d.year, d.month, d.day) for month in months for d in _each(_month(*month))]


def _within(days: Days, ranges: list[Days]) -> bool:
    return any(start <= days[0] and days[1] <= end for start, end in ranges)


def _touches(days: Days, ranges: list[Days]) -> bool:
    return any(start < days[1] and days[0] < end for start, end in ranges)


def key_within(year: int, *, down: bool) -> Key:
    """The order within one year. The tokens of a date follow each other: 1950, 1950-03, 1950-03-07."""
    place, start = f"array_position(r.tokens, '{token(year)}')", f"{token(year)}-"
    finer = [f"CASE WHEN r.tokens[{place} + {n}] ^@ '{start}' THEN r.tokens[{place} + {n}] END" for n in (2, 1)]
    return Key(f"coalesce({', '.join(finer)}, '{token(year)}')", "text", down)


def year_of(mark: str) -> int:
    """The year a page's mark stands in; 0 behind everybody whose date of birth is known."""
    text = mark.removeprefix("birthdate=")[:4]
    return int(text) if text.isdecimal() else 0
