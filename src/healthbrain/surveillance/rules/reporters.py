"""Who began or ceased to report: a new hospital lifts the counts of the townships it serves, and nobody is more ill.

What a changed reporter adds is measured in the days after the change, less what the others lost to it (or took over):
only the rest is news of more reporting. Days before it began have then been heard by so much less (`completeness`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from healthbrain.surveillance.rules.series import Floats

CHANCE = 1e-3  # of such a silence, had it reported all the time as it does now
MANY = 8  # cases: one that tells of fewer lifts no series
OF_ONE = 0.9  # a place that tells of one syndrome only is an outbreak, or a laboratory: no new hospital
SETTLED = 28  # days it must have reported before its end is one
COMPARED = 56  # days on either side of a change
LEAST = 0.02  # share heard: the past still teaches a little


@dataclass(frozen=True, slots=True)
class Reporter:
    """Its first and last day, its cases, and how many of them are of its most frequent syndrome."""

    organisation_id: int
    first: dt.date
    last: dt.date
    cases: int
    largest: int


def began(one: Reporter, since: dt.date, today: dt.date) -> bool:
    """Was it silent before because it did not report? `since`: the county's first day."""
    rate = one.cases / ((today - one.first).days + 1)
    several = one.largest <= OF_ONE * one.cases
    return one.cases >= MANY and several and rate * (one.first - since).days > -math.log(CHANCE)


def ended(one: Reporter, today: dt.date) -> bool:
    """Is it silent because it reports no more? A feed that is only late has not been heard either."""
    days = (one.last - one.first).days + 1
    silent = (today - one.last).days
    return one.cases >= MANY and days >= SETTLED and one.cases / days * silent > -math.log(CHANCE)


def heard_otherwise(own: Floats, whole: Floats, change: int, *, begins: bool) -> float:
    """Share of the usual cases that the others tell of, on the side where this one is silent.

    own, whole (days,): cases of this reporter and of all. change: its first day, or the first day without it.
    """
    with_it = slice(change, change + COMPARED) if begins else slice(max(change - COMPARED, 0), change)
    without = slice(max(change - COMPARED, 0), change) if begins else slice(change, change + COMPARED)
    mine, usual = own[with_it].mean(), whole[with_it].mean()
    if not mine:
        return 1.0
    others, alone = usual - mine, whole[without].mean() if whole[without].size else 0.0
    # Two standard errors: what the others lose by chance is no patient of theirs gone to the new one.
    error = 2.0 * math.sqrt(max(alone, others) / max(min(whole[with_it].size, whole[without].size), 1))
    moved = max(alone - others - error, 0.0)
    return max(1.0 - max(mine - moved, 0.0) / usual, LEAST)


def exposure(
    changes: Mapping[int, tuple[int, int]],
    own: Mapping[tuple[int, str], Floats],
    whole: Mapping[str, Floats],
    days: int,
) -> dict[str, Floats]:
    """Share heard of each day by place (days,). changes: organisation → its first day, and the first without it.

    own: cases by (organisation, place); whole: of all, by place.
    """
    out: dict[str, Floats] = {}
    for (organisation, place), mine in own.items():
        start, stop = changes[organisation]
        line = out.setdefault(place, np.ones(days))
        if start > 0:
            line[:start] *= heard_otherwise(mine, whole[place], start, begins=True)
        if stop < days:
            line[stop:] *= heard_otherwise(mine, whole[place], stop, begins=False)
    return out
