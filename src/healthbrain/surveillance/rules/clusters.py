"""A cluster that was there yesterday is news only when it changed (as New York City reports them, Greene 2016)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    NEW = "new"
    GROWN = "grown"
    UNCHANGED = "unchanged"
    OVER = "over"


@dataclass(frozen=True)
class Known:
    """A cluster as it was reported: sites, first and last day of its window, cases."""

    sites: frozenset[int]
    first: dt.date
    last: dt.date
    cases: float


@dataclass(frozen=True)
class Compared:
    """`cluster` of today (None: over) and the earlier one it continues (None: new)."""

    change: Change
    cluster: Known | None
    before: Known | None


def compare(today: Sequence[Known], before: Sequence[Known]) -> list[Compared]:
    """Each cluster of today once, then those of before that have no continuation.

    Continuation: a shared site and overlapping days; of several the one that shares most sites. Grown: more sites, or
    more cases than before; a window that only moved on with the calendar is unchanged.
    """
    out: list[Compared] = []
    continued: set[int] = set()
    for cluster in today:
        related = [i for i, old in enumerate(before) if old.sites & cluster.sites and old.last >= cluster.first]
        if not related:
            out.append(Compared(Change.NEW, cluster, None))
            continue
        continued.update(related)
        old = before[max(related, key=lambda i: (len(before[i].sites & cluster.sites), -i))]
        grown = bool(cluster.sites - old.sites) or cluster.cases > old.cases
        out.append(Compared(Change.GROWN if grown else Change.UNCHANGED, cluster, old))
    out += [Compared(Change.OVER, None, old) for i, old in enumerate(before) if i not in continued]
    return out
