"""How many cases of the last days are still to be reported, from a place's own delays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from healthbrain.kernel.db import select
from healthbrain.surveillance.knowledge import read
from healthbrain.surveillance.rules.nowcast import nowcast

# Bounded by the visit: what is older than the longest delay and the memory teaches nothing.
_DELAYS = """
    SELECT c.visit_on, c.report_on - c.visit_on, count(DISTINCT r.id) FROM surveillance_caserecord c
    LEFT JOIN residents_link l ON l.identity_id = c.identity_id
    JOIN residents_resident r ON r.id = COALESCE(l.resident_id, c.resident_id)
    WHERE starts_with(r.division_code, %s) AND c.syndrome = %s AND c.visit_on BETWEEN %s AND %s
      AND c.report_on BETWEEN c.visit_on AND %s AND c.report_on - c.visit_on <= %s
    GROUP BY 1, 2
"""


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
    limits = read("thresholds")["nowcast"]
    longest, days = limits["longest_delay"], limits["memory"] + limits["longest_delay"]
    last = first + dt.timedelta(days=len(counts) - 1)
    since = last - dt.timedelta(days=days - 1)
    rows = select(_DELAYS, [place_code, syndrome, since, last, last, longest])
    triangle = np.zeros((days, longest + 1))
    for day, delay, n in rows:
        triangle[(day - since).days, delay] = n
    reports = {day + dt.timedelta(days=delay) for day, delay, _ in rows}
    if triangle.sum() < limits["least_cases"] or len(reports) < limits["least_report_days"]:
        return ()
    now = nowcast(triangle, memory=limits["memory"], level=limits["level"])
    found = []
    for age in range(min(longest, len(counts))):
        row, seen = days - 1 - age, counts[len(counts) - 1 - age]
        # The chart counts episodes, the triangle persons: what is to come is added to what the chart shows.
        median, low, high = (round(seen + part[row] - now.reported[row]) for part in (now.median, now.low, now.high))
        if high > seen:
            found.append(Estimate(last - dt.timedelta(days=age), median, low, high, round(100 * limits["level"])))
    return tuple(reversed(found))
