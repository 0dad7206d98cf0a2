"""Institutions that began or ceased to report diagnoses: what the townships' series must be told of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from healthbrain.kernel.db import select
from healthbrain.surveillance.rules.reporters import Reporter, began, ended, exposure
from healthbrain.surveillance.rules.series import Floats

type Row = tuple[str, str, str, dt.date, int]  # place, source, syndrome, day, count
# Only those are asked for that may have changed: the others report from the first week to the last.
_REPORTERS = """
    SELECT organisation_id, min(first), max(last), sum(n)::int, max(n)::int FROM (
        SELECT organisation_id, syndrome, min(day) AS first, max(day) AS last, sum(count) AS n
        FROM surveillance_dailycount
        WHERE source = 'diagnosis' AND organisation_id IS NOT NULL AND syndrome = ANY(%(families)s)
          AND day BETWEEN %(first)s AND %(last)s GROUP BY 1, 2
    ) AS told GROUP BY 1 HAVING min(first) > %(since)s + 7 OR max(last) < %(last)s - 7
"""
_OWN = """
    SELECT c.organisation_id,
           CASE length(r.division_code) WHEN 6 THEN 'county:' ELSE 'township:' END || substr(r.division_code, 1, 9),
           c.visit_on, count(DISTINCT r.id)
    FROM surveillance_caserecord c LEFT JOIN residents_link l ON l.identity_id = c.identity_id
    JOIN residents_resident r ON r.id = COALESCE(l.resident_id, c.resident_id)
    WHERE c.organisation_id = ANY(%(changed)s) AND c.syndrome = ANY(%(families)s)
      AND c.visit_on BETWEEN %(since)s AND %(last)s AND r.division_code <> ''
    GROUP BY 1, 2, 3
"""


def heard(rows: Sequence[Row], families: Sequence[str], first: dt.date, today: dt.date) -> dict[str, Floats]:
    """Share heard of the diagnoses of each day by place, from `first` to today. rows: counts of residents."""
    told = [(place, day, n) for place, source, _, day, n in rows if source == "diagnosis"]
    if not told:
        return {}
    since = min(day for _, day, _ in told)
    bounds = {"families": list(families), "first": first, "since": since, "last": today}
    days = (today - first).days + 1
    changes = {}
    for row in select(_REPORTERS, bounds):
        one = Reporter(*row)
        start = (one.first - first).days if began(one, since, today) else 0
        stop = (one.last - first).days + 1 if ended(one, today) else days
        if start or stop < days:
            changes[one.organisation_id] = (start, stop)
    if not changes:
        return {}
    whole: dict[str, Floats] = {}
    for place, day, n in told:
        whole.setdefault(place, np.zeros(days))[(day - first).days] += n
    own: dict[tuple[int, str], Floats] = {}
    for organisation, place, day, n in select(_OWN, bounds | {"changed": list(changes)}):
        if place in whole:
            own.setdefault((organisation, place), np.zeros(days))[(day - first).days] += n
    # A person whom several have told of counts once in the whole: nobody tells of more than there are.
    own = {key: np.minimum(mine, whole[key[1]]) for key, mine in own.items()}
    from_day = (since - first).days
    found = exposure(
        {o: (max(start - from_day, 0), stop - from_day) for o, (start, stop) in changes.items()},
        {key: mine[from_day:] for key, mine in own.items()},
        {place: all_[from_day:] for place, all_ in whole.items()},
        days - from_day,
    )
    return {place: np.concatenate([np.ones(from_day), line]) for place, line in found.items()}
