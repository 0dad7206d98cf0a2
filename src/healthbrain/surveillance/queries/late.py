"""How many cases of the last days are still to be reported, from a place's own delays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from healthbrain.surveillance import completeness
from healthbrain.surveillance.rules.completeness import triangle_of
from healthbrain.surveillance.rules.nowcast import nowcast


@dataclass(frozen=True, slots=True)
class Estimate:
    """A day whose cases are not all reported: how many it will have had. An estimate, never a count."""

    day: dt.date
    median: int
    low: int
    high: int
    percent: int  # probability of the interval


def estimated(place_code: str, syndrome: str, first: dt.date | None, counts: Sequence[int]) -> tuple[Estimate, ...]:
    """For the days of a chart from which more is to come, as it stood on the chart's last day.

    None for institutions (what they report is of the same day), and where too few cases or days of report teach.
    """
    if first is None or not place_code or not counts:
        return ()
    limits = completeness.limits()
    last = first + dt.timedelta(days=len(counts) - 1)
    since = last - dt.timedelta(days=limits.days - 1)
    rows = completeness.delays(place_code, [syndrome], last)
    triangle = triangle_of(rows, since, limits)
    if triangle is None:
        return ()
    now = nowcast(triangle, memory=limits.memory, level=limits.level)
    found = []
    for age in range(min(limits.longest_delay, len(counts))):
        row, seen = limits.days - 1 - age, counts[len(counts) - 1 - age]
        # The chart counts episodes, the triangle persons: what is to come is added to what the chart shows.
        median, low, high = (round(seen + part[row] - now.reported[row]) for part in (now.median, now.low, now.high))
        if high > seen:
            found.append(Estimate(last - dt.timedelta(days=age), median, low, high, round(100 * limits.level)))
    return tuple(reversed(found))
