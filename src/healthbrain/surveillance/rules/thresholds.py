"""Threshold rules: counts of new cases in a rolling window against a number of a document.

A rule looks at one kind of place, one window length and one number; it is evaluated for every day, never by calendar
week. What fires on neighbouring days is one finding: from the first case that belongs to it to the last.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from healthbrain.kernel.errors import DefinitionError

LEVELS = ("watch", "statistical", "cluster", "outbreak", "report")  # rising
PLACES = ("class", "school", "unit", "family", "village", "township", "county")
SCHOOLS = ("school", "childcare")


@dataclass(frozen=True, slots=True)
class Source:
    """The document behind a number."""

    key: str
    document: str
    clause: str
    date: dt.date
    region: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    at: str
    syndromes: tuple[str, ...]
    days: int
    cases: int
    level: str
    report_hours: int
    source: Source
    binding: bool  # False: a neighbour's rule adopted here as a watch line
    kinds: tuple[str, ...] = ()  # kinds of unit; () = all
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    note: str = ""

    def holds(self, day: dt.date) -> bool:
        return (self.valid_from or self.source.date) <= day <= (self.valid_to or day)


@dataclass(frozen=True, slots=True)
class Rules:
    rules: tuple[Rule, ...]
    quiet_days: int
    grows_by: float

    @property
    def longest(self) -> int:
        """Days of the longest window."""
        return max(rule.days for rule in self.rules)

    def by_id(self, key: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == key), None)


@dataclass(frozen=True, slots=True)
class Unit:
    """What one count speaks of. `place` is a key of PLACES; `kind` of the organisation; `key` names it uniquely."""

    key: str
    place: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule met by a unit. observed: new cases from first_day to last_day; most: the largest window."""

    rule: Rule
    unit: Unit
    syndrome: str
    first_day: dt.date
    last_day: dt.date
    met_on: dt.date
    observed: int
    most: int


def rules_of(tree: Mapping[str, Any]) -> Rules:
    """From knowledge/surveillance/thresholds.yaml; rules of regions neither in force nor adopted are left out."""
    sources = {key: _source(key, row) for key, row in tree["sources"].items()}
    in_force, adopted = tuple(tree["in_force"]), tuple(tree["adopted"])
    found = []
    for row in tree["rules"]:
        source = sources.get(row["source"])
        if (
            source is None
            or row["at"] not in PLACES
            or row["level"] not in LEVELS
            or row["cases"] < 1
            or row["days"] < 1
        ):
            raise DefinitionError(f"thresholds.yaml: rule {row['id']} is not readable")
        binding = source.region in in_force
        if not binding and source.region not in adopted:
            continue
        found.append(
            Rule(
                row["id"], row["at"], tuple(row["syndromes"]), row["days"], row["cases"],
                row["level"] if binding else min(row["level"], "cluster", key=LEVELS.index),
                row["report_hours"], source, binding, tuple(row.get("kinds", ())), row.get("valid_from"),
                row.get("valid_to"), row.get("note", ""),
            )
        )  # fmt: skip
    return Rules(tuple(found), tree["quiet_days"], tree["grows_by"])


def _source(key: str, row: Mapping[str, Any]) -> Source:
    return Source(key, row["document"], row["clause"], row["date"], row["region"], bool(row["verified"]))


def evaluate(
    rules: Rules,
    units: Sequence[Unit],
    syndromes: Sequence[str],
    counts: NDArray[np.int64],
    first_day: dt.date,
    test_from: dt.date,
) -> list[Hit]:
    """Every rule met on a day from `test_from` on.

    counts: (n_series, n_days) new cases a day; row i is `units[i]` and `syndromes[i]`; column 0 is `first_day`.
    The columns must reach back one window before `test_from`; a shorter past only makes windows shorter.
    """
    if not len(units):
        return []
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1), np.int64)
    np.cumsum(counts, axis=1, out=sums[:, 1:])
    start = max(0, (test_from - first_day).days)
    hits: list[Hit] = []
    for rule in rules.rules:
        rows = [i for i, unit in enumerate(units) if syndromes[i] in rule.syndromes and _applies(rule, unit)]
        if rows:
            hits += _met(rule, rows, units, syndromes, counts, sums, first_day, start)
    return hits


def _applies(rule: Rule, unit: Unit) -> bool:
    if rule.at == "school":
        return unit.place == "unit" and unit.kind in SCHOOLS
    return rule.at == unit.place and (not rule.kinds or unit.kind in rule.kinds)


def _met(
    rule: Rule, rows: list[int], units: Sequence[Unit], syndromes: Sequence[str], counts: NDArray[np.int64],
    sums: NDArray[np.int64], first_day: dt.date, start: int,
) -> list[Hit]:  # fmt: skip
    ends = np.arange(start, counts.shape[1])
    begins = np.maximum(ends - rule.days + 1, 0)
    window = sums[np.ix_(rows, ends + 1)] - sums[np.ix_(rows, begins)]
    found = []
    for position in np.flatnonzero((window >= rule.cases).any(axis=1)):
        row = rows[int(position)]
        met = ends[window[position] >= rule.cases]
        for run in _runs(met, rule.days):
            first, last = _span(counts[row], int(run[0]) - rule.days + 1, int(run[-1]))
            when = first_day + dt.timedelta(days=int(run[0]))
            if rule.holds(when):
                found.append(
                    Hit(
                        rule, units[row], syndromes[row], first_day + dt.timedelta(days=first),
                        first_day + dt.timedelta(days=last), when, int(sums[row, last + 1] - sums[row, first]),
                        int(window[position].max()),
                    )
                )  # fmt: skip
    return found


def _runs(days: NDArray[np.int64], gap: int) -> Iterable[NDArray[np.int64]]:
    """Days on which a rule holds, cut where more than a window lies between."""
    return np.split(days, np.flatnonzero(np.diff(days) > gap) + 1)


def _span(counts: NDArray[np.int64], first: int, last: int) -> tuple[int, int]:
    """First and last day with a case within the windows."""
    first = max(first, 0)
    seen = np.flatnonzero(counts[first : last + 1]) + first
    return int(seen[0]), int(seen[-1])
