"""The epidemic curve, and attack rates with intervals."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from healthbrain.surveillance.rules.linelist import attack_rate_interval

WIDTHS = (1, 3, 6, 12, 24, 7 * 24)  # hours
MOST_BARS = 40


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar: from its start for `hours`, counts by kind of case."""

    start: dt.datetime
    hours: int
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Rate:
    """An attack rate with its 95 % interval (mid-P; None without a denominator)."""

    group: str
    cases: int
    population: int | None
    rate: float | None
    low: float | None
    high: float | None


def width_for(first: dt.datetime, last: dt.datetime, incubation_hours: float | None = None) -> int:
    """Hours of one bar: a quarter of the incubation period when known (textbook: ⅛ to ½), no more than 40 bars."""
    span = (last - first).total_seconds() / 3600 + 1
    wanted = incubation_hours / 4 if incubation_hours else span / MOST_BARS
    for hours in WIDTHS:
        if hours >= wanted and span / hours <= MOST_BARS:
            return hours
    return WIDTHS[-1]


def epidemic_curve(onsets: Iterable[tuple[dt.datetime, str]], hours: int = 24) -> tuple[Bin, ...]:
    """Bars without gaps from the first to the last onset; bars of a day or more begin at midnight, others on the hour.

    `onsets`: (moment in county time, kind of case). Empty in, empty out. Raises ValueError for a width under an hour.
    """
    if hours < 1:
        raise ValueError("a bar is at least an hour wide")
    ordered = sorted(onsets)
    if not ordered:
        return ()
    first = ordered[0][0].replace(minute=0, second=0, microsecond=0)
    origin = first.replace(hour=0 if hours >= 24 else first.hour - first.hour % hours)
    step = dt.timedelta(hours=hours)
    counts: dict[int, Counter[str]] = {}
    for at, kind in ordered:
        counts.setdefault((at - origin) // step, Counter())[kind] += 1
    return tuple(Bin(origin + n * step, hours, dict(counts.get(n, {}))) for n in range(max(counts) + 1))


def attack_rates(cases: Mapping[str, int], population: Mapping[str, int]) -> tuple[Rate, ...]:
    """Attack rate by group, the highest first; groups without a denominator (or with too small a one) come last."""
    rates = []
    for group in {*cases, *population}:
        ill, all_of_them = cases.get(group, 0), population.get(group)
        if not all_of_them or ill > all_of_them:
            rates.append(Rate(group, ill, all_of_them, None, None, None))
            continue
        low, high = attack_rate_interval(ill, all_of_them)
        rates.append(Rate(group, ill, all_of_them, ill / all_of_them, low, high))
    return tuple(sorted(rates, key=lambda r: (r.rate is None, -(r.rate or 0.0), -r.cases, r.group)))
