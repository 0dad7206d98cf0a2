"""The epidemic curve, attack rates with intervals, and what cases were exposed to."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WIDTHS = (1, 3, 6, 12, 24, 7 * 24)  # hours
MOST_BARS = 40
Z95 = 1.959963984540054


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
    """An attack rate with its 95 % interval (Wilson 1927; None without a denominator)."""

    group: str
    cases: int
    population: int | None
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Odds:
    """An exposure among the ill and the well: a, b ill with and without it; c, d well with and without it.

    `ratio` is the odds ratio with its 95 % interval (Woolf on counts + ½ when one is zero); None without comparison.
    """

    item: str
    a: int
    b: int
    c: int
    d: int
    ratio: float | None
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


def wilson(cases: int, population: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson, JASA 1927;22:209). Raises ValueError when it is none."""
    if not 0 <= cases <= population or population == 0:
        raise ValueError("cases must lie between 0 and the population")
    p, z2 = cases / population, Z95 * Z95
    middle = p + z2 / (2 * population)
    spread = Z95 * math.sqrt(p * (1 - p) / population + z2 / (4 * population * population))
    scale = 1 + z2 / population
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def attack_rates(cases: Mapping[str, int], population: Mapping[str, int]) -> tuple[Rate, ...]:
    """Attack rate by group, the highest first; groups without a denominator (or with too small a one) come last."""
    rates = []
    for group in {*cases, *population}:
        ill, all_of_them = cases.get(group, 0), population.get(group)
        if not all_of_them or ill > all_of_them:
            rates.append(Rate(group, ill, all_of_them, None, None, None))
            continue
        low, high = wilson(ill, all_of_them)
        rates.append(Rate(group, ill, all_of_them, ill / all_of_them, low, high))
    return tuple(sorted(rates, key=lambda r: (r.rate is None, -(r.rate or 0.0), -r.cases, r.group)))


def odds(item: str, ill: Sequence[bool], well: Sequence[bool]) -> Odds:
    """The 2×2 table of one exposure; True = exposed, persons who did not know are left out by the caller."""
    a, c = sum(ill), sum(well)
    b, d = len(ill) - a, len(well) - c
    if not ill or not well or a + c == 0 or b + d == 0:
        return Odds(item, a, b, c, d, None, None, None)
    more = 0.5 if 0 in (a, b, c, d) else 0.0  # Haldane 1956, Anscombe 1956: keeps the ratio finite
    w, x, y, z = a + more, b + more, c + more, d + more
    log_ratio = math.log(w * z / (x * y))
    spread = Z95 * math.sqrt(1 / w + 1 / x + 1 / y + 1 / z)
    return Odds(item, a, b, c, d, math.exp(log_ratio), math.exp(log_ratio - spread), math.exp(log_ratio + spread))
