"""How well the county is covered now, what one vehicle's leaving costs, and when moving one up pays.

MEXCLP: Daskin, Transportation Science 17 (1983), expected covered demand Σ d_i (1 − q^k_i), k_i vehicles in
reach of zone i, each busy with probability q. DMEXCLP uses it on the vehicles free now, by where they stand or are
driving to: Jagtenberg,
Bhulai, van der Mei, Operations Research for Health Care 4 (2015). Few moves already give nearly all of the benefit:
van Barneveld, EJOR 252 (2016); hence the threshold and the caps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from healthbrain.dispatch.rules.roads import Floats, Ints
from healthbrain.dispatch.rules.travel import TravelTimes

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Coverage:
    """Demand and reach. zones: node [Z]; demand: share of calls [Z], sums to 1; reach: bool [sites, Z] within
    `target_ms`
    of driving; busy: q, the share of time a vehicle is not free."""

    zones: Ints
    demand: Floats
    sites: Ints
    reach: Bools
    target_ms: int
    busy: float

    def counts(self, sites: ArrayLike) -> Ints:
        """Vehicles in reach of each zone [Z], for free vehicles at (or on the way to) these sites."""
        at = np.asarray(sites, dtype=np.int64)
        return self.reach[at].sum(axis=0).astype(np.int64) if len(at) else np.zeros(len(self.zones), dtype=np.int64)

    def expected(self, sites: ArrayLike) -> float:
        """Expected share of calls reached in time by a free vehicle (MEXCLP)."""
        return float(self.demand @ (1.0 - self.busy ** self.counts(sites)))

    def lost(self, counts: Ints, reached: Bools) -> float:
        """What taking away a vehicle that reaches these zones [Z] costs, when `counts` includes it."""
        return float((1.0 - self.busy) * (self.demand * reached) @ self.busy ** np.maximum(counts - 1.0, 0.0))

    def gained(self, counts: Ints, reached: Bools) -> float:
        """What one more vehicle that reaches these zones [Z] brings, when `counts` does not include it."""
        return float((1.0 - self.busy) * (self.demand * reached) @ self.busy ** counts.astype(np.float64))


def make_coverage(
    travel: TravelTimes, zones: ArrayLike, demand: ArrayLike, sites: ArrayLike, *, target_s: float, busy: float
) -> Coverage:
    """A coverage over zone and site nodes; `target_s` is driving time, so take turnout off the promise first."""
    if not 0.0 <= busy < 1.0:
        raise ValueError("busy is a share below 1")
    z, s = np.asarray(zones, dtype=np.int64), np.asarray(sites, dtype=np.int64)
    weight = np.asarray(demand, dtype=np.float64)
    target = int(target_s * 1000)
    return Coverage(z, weight / weight.sum(), s, travel.many_to_many(s, z) <= target, target, busy)


@dataclass(frozen=True, slots=True)
class Standing:
    """A free vehicle: `site` where it stands or is driving to; `moves` made this shift; `movable` now."""

    vehicle: str
    site: int
    moves: int = 0
    movable: bool = True


@dataclass(frozen=True, slots=True)
class MoveUpSettings:
    """Advise only a gain in expected coverage of at least `minimum_gain`, a drive of at most `longest_s`, and at most
    `per_shift` moves of one crew."""

    minimum_gain: float
    per_shift: int
    longest_s: float


@dataclass(frozen=True, slots=True)
class MoveUp:
    """Advice: this vehicle from site to site. `gain`: expected share of calls more in time; `drive_s` one way."""

    vehicle: str
    origin: int
    target: int
    gain: float
    drive_s: float
    zh: str
    en: str


def move_up(
    standing: Sequence[Standing], coverage: Coverage, between_sites_ms: Ints, settings: MoveUpSettings
) -> list[MoveUp]:
    """The moves worth advising now, best first, one per vehicle; each alone, not all at once."""
    counts = coverage.counts([s.site for s in standing])
    advice: list[MoveUp] = []
    for origin in sorted({s.site for s in standing}):
        crews = [s for s in standing if s.site == origin and s.movable and s.moves < settings.per_shift]
        if not crews:
            continue
        lost = coverage.lost(counts, coverage.reach[origin])
        rest = counts - coverage.reach[origin]
        crew = min(crews, key=lambda s: (s.moves, s.vehicle))  # the crew moved least often goes
        for target in range(len(coverage.sites)):
            drive = float(between_sites_ms[origin, target]) / 1000.0
            gain = coverage.gained(rest, coverage.reach[target]) - lost
            if target != origin and gain >= settings.minimum_gain and drive <= settings.longest_s:
                advice.append(_advice(crew.vehicle, origin, target, gain, drive))
    best: dict[str, MoveUp] = {}
    for one in sorted(advice, key=lambda a: (-a.gain, a.drive_s, a.target)):
        best.setdefault(one.vehicle, one)
    return list(best.values())


def _advice(vehicle: str, origin: int, target: int, gain: float, drive: float) -> MoveUp:
    return MoveUp(
        vehicle,
        origin,
        target,
        gain,
        drive,
        f"预计多 {100 * gain:.1f}% 的呼叫能按时到达，行驶 {drive / 60:.0f} 分钟",
        f"{100 * gain:.1f}% more calls reached in time, {drive / 60:.0f} min to drive",
    )


def compliance_table(coverage: Coverage, most: int, capacity: Mapping[int, int] | None = None) -> list[tuple[int, ...]]:
    """Row k: the sites that k free vehicles should hold (greedy MEXCLP, so row k+1 = row k and one more)."""
    rows: list[tuple[int, ...]] = [()]
    counts = np.zeros(len(coverage.zones), dtype=np.int64)
    for _ in range(most):
        held = rows[-1]
        open_sites = [
            s for s in range(len(coverage.sites)) if capacity is None or held.count(s) < capacity.get(s, most)
        ]
        if not open_sites:
            break
        best = max(open_sites, key=lambda s: (coverage.gained(counts, coverage.reach[s]), -s))
        counts = counts + coverage.reach[best]
        rows.append(tuple(sorted((*held, best))))
    return rows
