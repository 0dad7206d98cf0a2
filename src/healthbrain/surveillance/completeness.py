"""Who has spoken since when, and how late diagnoses come: the exposure of a pass's series, and delays for a chart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from healthbrain.kernel.db import select
from healthbrain.surveillance.knowledge import read
from healthbrain.surveillance.rules.completeness import DAILY, Delay, Limits, Voice, arrived, heard
from healthbrain.surveillance.rules.series import Floats

RHYTHM_DAYS = 28  # before the days that may be late: does this institution speak every day?
# Bounded by the visit: what is older than the longest delay and the memory teaches nothing. A person counts once, by
# the first record that told of the visit.
_DELAYS = """
    SELECT place, visit_on, delay, count(*) FROM (
        SELECT substr(r.division_code, 1, 9) AS place, c.visit_on, r.id, min(c.report_on) - c.visit_on AS delay
        FROM surveillance_caserecord c LEFT JOIN residents_link l ON l.identity_id = c.identity_id
        JOIN residents_resident r ON r.id = COALESCE(l.resident_id, c.resident_id)
        WHERE starts_with(r.division_code, %(place)s) AND c.syndrome = ANY(%(syndromes)s)
          AND c.visit_on BETWEEN %(since)s AND %(last)s AND c.report_on BETWEEN c.visit_on AND %(last)s
        GROUP BY 1, 2, 3
    ) AS person WHERE delay <= %(longest)s GROUP BY 1, 2, 3
"""
# Rows of 0 count as speaking. {place}, {from_where}: as the counts of the pass are read.
VOICES = """
    SELECT {place} AS place, c.source, min(c.day),
           COALESCE(sum(c.count) FILTER (WHERE c.day > %(last)s - 56), 0)::float
               / least(56, %(last)s - min(c.day) + 1),
           count(DISTINCT c.day) FILTER (WHERE c.day <= %(last)s - %(longest)s
                                           AND c.day > %(last)s - %(longest)s - %(rhythm)s),
           array_agg(DISTINCT c.day) FILTER (WHERE c.day > %(last)s - %(longest)s)
    {from_where} GROUP BY 1, 2, c.organisation_id
"""


def limits() -> Limits:
    said = read("thresholds")["nowcast"]
    return Limits(said["longest_delay"], said["memory"], said["least_cases"], said["least_report_days"], said["level"])


def delays(place_code: str, syndromes: Sequence[str], last: dt.date) -> list[Delay]:
    """(township, day of visit, days until it was reported, persons) of residents below `place_code` ("": all)."""
    bounds = limits()
    parameters = {
        "place": place_code, "syndromes": list(syndromes), "last": last, "longest": bounds.longest_delay,
        "since": last - dt.timedelta(days=bounds.days - 1),
    }  # fmt: skip
    return select(_DELAYS, parameters)


def voices(rows: Sequence[tuple[Any, ...]]) -> list[Voice]:
    """Rows of `VOICES`."""
    return [
        Voice(f"{place}|{source}", began, usual, days >= DAILY * RHYTHM_DAYS, frozenset(lately or ()))
        for place, source, began, usual, days, lately in rows
    ]


def exposure(
    keys: Sequence[tuple[str, str]], spoken: Sequence[Voice], families: Sequence[str], first: dt.date, today: dt.date
) -> Floats:
    """Share heard of each day, (n_series, days) from `first` to `today`. keys: (place, source) of each series."""
    bounds = limits()
    days = (today - first).days + 1
    out = heard([f"{place}|{source}" for place, source in keys], spoken, first, days, bounds.longest_delay)
    late = [row for row, (_, source) in enumerate(keys) if source == "diagnosis"]
    if late:
        places = [keys[row][0].partition(":")[2] for row in late]
        width = min(bounds.longest_delay + 1, days)
        out[np.ix_(late, range(days - width, days))] *= arrived(delays("", families, today), places, today, bounds)[
            :, -width:
        ]
    return out
