"""A school's line list: what do the ill have in common that the well have not?

Each exposure (class, dormitory, floor, meal, water point, activity) splits those asked into exposed and not exposed;
attack rates, the risk ratio with its score interval, Fisher's exact test with its mid-P form, and a ranking that
corrects for the number of exposures looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.stats import binom, hypergeom, norm

from healthbrain.kernel.errors import Invalid


@dataclass(frozen=True)
class Person:
    """ill, and for each exposure asked about: had it or not. An exposure not asked about is left out."""

    ill: bool
    exposures: Mapping[str, bool]


@dataclass(frozen=True)
class Table:
    """exposed ill, exposed well, unexposed ill, unexposed well."""

    exposed_ill: int
    exposed_well: int
    other_ill: int
    other_well: int

    @property
    def exposed(self) -> int:
        return self.exposed_ill + self.exposed_well

    @property
    def others(self) -> int:
        return self.other_ill + self.other_well

    @property
    def attack_rate(self) -> float:
        return self.exposed_ill / self.exposed if self.exposed else float("nan")

    @property
    def other_rate(self) -> float:
        return self.other_ill / self.others if self.others else float("nan")

    @property
    def risk_ratio(self) -> float:
        """Infinite when nobody unexposed is ill; NaN when nobody is."""
        if not self.exposed or not self.others or not (self.exposed_ill + self.other_ill):
            return float("nan")
        return self.attack_rate / self.other_rate if self.other_ill else float("inf")


@dataclass(frozen=True)
class Suspect:
    """One exposure. low, high: 95 % interval of the risk ratio. fisher, mid_p: one-sided, exposed more often ill.

    adjusted: Fisher's p after Holm's correction over all exposures. explained: share of the ill who were exposed.
    """

    exposure: str
    table: Table
    risk_ratio: float
    low: float
    high: float
    fisher: float
    mid_p: float
    adjusted: float
    explained: float

    @property
    def speaks(self) -> bool:
        """More than chance explains, whatever number of exposures was looked at."""
        return self.adjusted < 0.05


def suspects(
    people: Sequence[Person], *, cohorts: Mapping[str, Table] | None = None, confidence: float = 0.95
) -> tuple[Suspect, ...]:
    """All exposures, the most suspect first: adjusted p, then the larger share of the ill explained, then the name.

    cohorts: exposures whose denominators are known without asking anybody, such as the pupils of each class.
    """
    if not 0 < confidence < 1:
        raise Invalid("confidence must lie between 0 and 1.")
    names = sorted({name for person in people for name in person.exposures})
    tables = {name: _table(people, name) for name in names} | dict(cohorts or {})
    exact = {name: fisher(table) for name, table in tables.items()}
    adjusted = _holm({name: p for name, (p, _) in exact.items()})
    found = []
    for name, table in tables.items():
        low, high = interval(table, confidence)
        ill = table.exposed_ill + table.other_ill
        explained = table.exposed_ill / ill if ill else 0.0
        p, mid = exact[name]
        found.append(Suspect(name, table, table.risk_ratio, low, high, p, mid, adjusted[name], explained))
    return tuple(sorted(found, key=lambda s: (s.adjusted, s.fisher, -s.explained, s.exposure)))


def attributes(groups: Sequence[Mapping[str, str]], ill: Sequence[bool]) -> list[Person]:
    """People from a line list of attributes (class: "3-2", dormitory: "B-204"): each value seen is one exposure."""
    values = {(key, value) for row in groups for key, value in row.items() if value}
    return [
        Person(sick, {f"{key}={value}": row[key] == value for key, value in values if row.get(key)})
        for row, sick in zip(groups, ill, strict=True)
    ]


def _table(people: Sequence[Person], name: str) -> Table:
    cells = [0, 0, 0, 0]
    for person in people:
        had = person.exposures.get(name)
        if had is not None:
            cells[(0 if had else 2) + (0 if person.ill else 1)] += 1
    return Table(*cells)


def fisher(table: Table) -> tuple[float, float]:
    """One-sided Fisher p-value and its mid-P form (Lancaster 1961: half the probability of the table itself)."""
    total, ill = table.exposed + table.others, table.exposed_ill + table.other_ill
    if not table.exposed or not table.others:
        return 1.0, 1.0
    upper = float(hypergeom.sf(table.exposed_ill - 1, total, ill, table.exposed))
    here = float(hypergeom.pmf(table.exposed_ill, total, ill, table.exposed))
    return min(upper, 1.0), min(max(upper - 0.5 * here, 0.0), 1.0)


def interval(table: Table, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the risk ratio: score method of Koopman 1984 (Biometrics 40:513), good for zeros and small classes.

    All ill or nobody ill in a group gives an open end (0 or infinity). NaN when a group is empty or nobody is ill.
    """
    if math.isnan(table.risk_ratio):
        return float("nan"), float("nan")
    limit = float(norm.ppf(0.5 + confidence / 2)) ** 2

    def gap(log_ratio: float) -> float:
        return _score(table, math.exp(log_ratio)) - limit

    middle = _centre(table)
    low = 0.0 if table.exposed_ill == 0 else math.exp(_root(gap, middle, -1.0))
    high = math.inf if table.other_ill == 0 else math.exp(_root(gap, middle, 1.0))
    return low, high


def _centre(table: Table) -> float:
    """A log ratio inside the interval."""
    shifted = (table.exposed_ill + 0.5) / (table.exposed + 0.5) * (table.others + 0.5) / (table.other_ill + 0.5)
    return math.log(table.risk_ratio) if 0 < table.risk_ratio < math.inf else math.log(shifted)


def _root(gap: Callable[[float], float], middle: float, direction: float) -> float:
    """The log ratio on one side where the score reaches its limit."""
    far = middle + direction
    while gap(far) < 0 and abs(far - middle) < 60:
        far += direction
    return float(brentq(gap, middle, far)) if gap(middle) < 0 else middle


def _score(table: Table, ratio: float) -> float:
    """Koopman's chi-square of a given risk ratio, at the maximum likelihood rates under it."""
    x, n, y, m = table.exposed_ill, table.exposed, table.other_ill, table.others
    a = ratio * (n + m)
    b = -(ratio * (n + y) + m + x)
    c = float(x + y)
    other = (-b - math.sqrt(max(b * b - 4 * a * c, 0.0))) / (2 * a)
    # Both terms by themselves: Koopman's closed form divides nothing by nothing where everybody of a group is ill.
    return _distance(x, n, ratio * other) + _distance(y, m, other)


def _distance(ill: int, people: int, rate: float) -> float:
    """Pearson's chi-square of one group at a given attack rate."""
    rate = min(max(rate, 1e-12), 1 - 1e-12)
    return (ill - people * rate) ** 2 / (people * rate * (1 - rate))


def _holm(pvalues: Mapping[str, float]) -> dict[str, float]:
    """Holm 1979: step-down correction for the number of exposures looked at."""
    ordered = sorted(pvalues.items(), key=lambda item: (item[1], item[0]))
    out: dict[str, float] = {}
    largest = 0.0
    for rank, (name, p) in enumerate(ordered):
        largest = max(largest, min(p * (len(ordered) - rank), 1.0))
        out[name] = largest
    return out


def attack_rate_interval(ill: int, people: int, confidence: float = 0.95) -> tuple[float, float]:
    """Mid-P interval of an attack rate (Berry & Armitage 1995): narrower than Clopper-Pearson, right on average."""
    if not 0 <= ill <= people or people == 0:
        raise Invalid(f"{ill} ill of {people} people is no attack rate.")
    edge = (1 - confidence) / 2

    def upper_tail(rate: float) -> float:
        return float(binom.sf(ill, people, rate) + 0.5 * binom.pmf(ill, people, rate)) - edge

    def lower_tail(rate: float) -> float:
        return float(binom.cdf(ill - 1, people, rate) + 0.5 * binom.pmf(ill, people, rate)) - edge

    low = 0.0 if ill == 0 else float(brentq(upper_tail, 0.0, ill / people))
    high = 1.0 if ill == people else float(brentq(lower_tail, ill / people, 1.0))
    return low, high
