"""Where stations and vehicles should stand: five classical models, each with existing sites held fixed, solved to
proven optimality by branch and bound (HiGHS, through scipy: coverage may stay continuous once the sites are whole,
which CP-SAT cannot use; measured in docs/adr/0015).

LSCP: Toregas et al., Operations Research 19 (1971). MCLP: Church & ReVelle, Papers in Regional Science 32 (1974).
p-median: Hakimi 1964; ReVelle & Swain 1970. MEXCLP: Daskin, Transportation Science 17 (1983). Double standard:
Gendreau, Laporte & Semet, Location Science 5 (1997).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_matrix

from healthbrain.dispatch.rules.roads import Floats

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Plan:
    """A siting. `sites`: one entry per facility or vehicle, ascending; `value`: the model's own figure (see the
    function); `bound`: the proven limit of any plan; `uncovered`: zones that no site reaches at all."""

    sites: tuple[int, ...]
    value: float
    bound: float
    optimal: bool
    uncovered: tuple[int, ...]


class Infeasible(ValueError):
    """No plan meets the demands; the message says which."""


@dataclass
class _Program:
    """A mixed-integer program to be minimised, put together in blocks; the first variables are the sites."""

    cost: list[Floats] = field(default_factory=list)
    lower: list[Floats] = field(default_factory=list)
    upper: list[Floats] = field(default_factory=list)
    whole: list[Floats] = field(default_factory=list)
    entries: list[tuple[Any, Any, Any]] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)
    count: int = 0

    def variables(self, cost: ArrayLike, lower: ArrayLike, upper: ArrayLike, *, whole: bool) -> NDArray[np.int64]:
        """New variables; their numbers."""
        price = np.asarray(cost, dtype=np.float64)
        self.cost.append(price)
        self.lower.append(np.broadcast_to(np.asarray(lower, np.float64), price.shape))
        self.upper.append(np.broadcast_to(np.asarray(upper, np.float64), price.shape))
        self.whole.append(np.full(len(price), float(whole)))
        self.count += len(price)
        return np.arange(self.count - len(price), self.count)

    def row(self, columns: ArrayLike, values: ArrayLike, low: float, high: float) -> None:
        """One constraint: low ≤ Σ values · columns ≤ high."""
        at = np.asarray(columns, dtype=np.int64)
        self.entries.append((len(self.limits), at, np.broadcast_to(np.asarray(values, np.float64), at.shape)))
        self.limits.append((low, high))

    def solve(self, seconds: float) -> Any:
        """The solver's answer; raises Infeasible when there is none."""
        row = np.concatenate([np.full(len(at), r) for r, at, _ in self.entries])
        column, value = (np.concatenate([e[k] for e in self.entries]) for k in (1, 2))
        matrix = coo_matrix((value, (row, column)), shape=(len(self.limits), self.count)).tocsr()
        low, high = np.array(self.limits).T
        found = milp(
            np.concatenate(self.cost),
            constraints=LinearConstraint(matrix, low, high),
            integrality=np.concatenate(self.whole),
            bounds=Bounds(np.concatenate(self.lower), np.concatenate(self.upper)),
            options={"time_limit": seconds, "mip_rel_gap": 0.0},
        )
        if found.x is None:
            raise Infeasible("no plan meets these demands: more sites or vehicles, or a wider standard")
        return found


def lscp(cover: ArrayLike, *, fixed: Sequence[int] = (), seconds: float = 30.0) -> Plan:
    """Fewest sites that reach every reachable zone. cover: bool [zones, sites]. value = number of sites."""
    reach = _reach(cover)
    program = _Program()
    program.variables(np.ones(reach.shape[1]), _at_least(fixed, reach.shape[1]), 1, whole=True)
    for sites in _groups(reach, np.ones(len(reach)))[0]:
        program.row(sites, 1, 1, np.inf)
    return _plan(program.solve(seconds), reach, sign=1)


def mclp(cover: ArrayLike, demand: ArrayLike, p: int, *, fixed: Sequence[int] = (), seconds: float = 30.0) -> Plan:
    """`p` sites (existing ones included) that reach most demand. value = share of demand reached."""
    reach, weight = _reach(cover), _weights(demand)
    program = _chosen(reach.shape[1], p, fixed)
    groups, amounts = _groups(reach, weight)
    covered = program.variables(-amounts, 0, 1, whole=False)
    for sites, one in zip(groups, covered, strict=True):
        program.row([*sites, one], [*[1] * len(sites), -1], 0, np.inf)
    return _plan(program.solve(seconds), reach, sign=-1)


def mexclp(
    cover: ArrayLike,
    demand: ArrayLike,
    vehicles: int,
    busy: float,
    *,
    fixed: Mapping[int, int] | None = None,
    capacity: Mapping[int, int] | None = None,
    seconds: float = 30.0,
) -> Plan:
    """`vehicles` placed so that most demand is expected to find a free one in reach, each busy with probability
    `busy`.

    fixed: site → vehicles that must stay there; capacity: site → most vehicles. value = expected share covered.
    """
    reach, weight = _reach(cover), _weights(demand)
    program = _standing(reach.shape[1], vehicles, fixed or {}, capacity or {})
    groups, amounts = _groups(reach, weight)
    steps = min(vehicles, _worth(busy))
    gain = (1 - busy) * busy ** np.arange(steps)  # falling, so a later step is never taken before an earlier one
    for sites, amount in zip(groups, amounts, strict=True):
        taken = program.variables(-amount * gain, 0, 1, whole=False)
        program.row([*sites, *taken], [*[1] * len(sites), *[-1] * steps], 0, np.inf)
    return _plan(program.solve(seconds), reach, sign=-1)


def double_standard(
    near: ArrayLike,
    far: ArrayLike,
    demand: ArrayLike,
    vehicles: int,
    share: float,
    *,
    fixed: Mapping[int, int] | None = None,
    capacity: Mapping[int, int] | None = None,
    seconds: float = 30.0,
) -> Plan:
    """Every zone within the far standard, at least `share` of demand within the near one, and as much as possible
    twice
    within the near one. near, far: bool [zones, sites]. value = share of demand covered twice. Raises Infeasible."""
    close, wide, weight = _reach(near), _reach(far), _weights(demand)
    program = _standing(close.shape[1], vehicles, fixed or {}, capacity or {})
    for sites in {tuple(np.flatnonzero(row).tolist()) for row in wide if row.any()}:
        program.row(sites, 1, 1, np.inf)
    groups, amounts = _groups(close, weight)
    once = program.variables(np.zeros(len(groups)), 0, 1, whole=True)
    # once whole, twice is at most min(once, vehicles − once): whole at the best by itself
    twice = program.variables(-amounts, 0, 1, whole=False)
    for sites, a, b in zip(groups, once, twice, strict=True):
        program.row([*sites, a, b], [*[1] * len(sites), -1, -1], 0, np.inf)
        program.row([a, b], [1, -1], 0, np.inf)
    program.row(once, amounts, share - 1e-9, np.inf)
    return _plan(program.solve(seconds), close & wide, sign=-1)


def p_median(cost: ArrayLike, demand: ArrayLike, p: int, *, fixed: Sequence[int] = (), seconds: float = 30.0) -> Plan:
    """`p` sites (existing ones included) with the least mean cost from each zone to its nearest; cost [zones,
    sites], e.g.
    minutes. value = demand-weighted mean cost."""
    distance, weight = np.asarray(cost, dtype=np.float64), _weights(demand)
    zones, sites = distance.shape
    program = _chosen(sites, p, fixed)
    # with p sites open a zone is never served beyond its (sites − p)-th, nor beyond the nearest fixed one
    limit = np.sort(distance, axis=1)[:, sites - p]
    if len(fixed):
        limit = np.minimum(limit, distance[:, list(fixed)].min(axis=1))
    for zone in range(zones):
        near = np.flatnonzero(distance[zone] <= limit[zone])
        served = program.variables(weight[zone] * distance[zone, near], 0, 1, whole=False)
        program.row(served, 1, 1, 1)
        for site, one in zip(near, served, strict=True):
            program.row([site, one], [1, -1], 0, np.inf)
    return _plan(program.solve(seconds), np.ones_like(distance, dtype=np.bool_), sign=1)


def _reach(cover: ArrayLike) -> Bools:
    reach = np.asarray(cover, dtype=np.bool_)
    if reach.ndim != 2 or not reach.size:
        raise ValueError("cover is a table of zones by sites")
    return reach


def _weights(demand: ArrayLike) -> Floats:
    """Demand as shares."""
    raw = np.asarray(demand, dtype=np.float64)
    if (raw < 0).any() or not np.isfinite(raw).all() or raw.sum() <= 0:
        raise ValueError("demand is not negative and not all zero")
    return raw / raw.sum()


def _groups(reach: Bools, weight: Floats) -> tuple[list[tuple[int, ...]], Floats]:
    """Zones reached by the same sites are one; zones no site reaches drop out. Site lists and summed weights."""
    amount: dict[tuple[int, ...], float] = {}
    for row, w in zip(reach, weight.tolist(), strict=True):
        if row.any():
            key = tuple(int(j) for j in np.flatnonzero(row))
            amount[key] = amount.get(key, 0.0) + w
    return list(amount), np.array(list(amount.values()), dtype=np.float64)


def _at_least(fixed: Sequence[int], sites: int) -> Floats:
    lower = np.zeros(sites)
    lower[list(fixed)] = 1
    return lower


def _chosen(sites: int, p: int, fixed: Sequence[int]) -> _Program:
    """Exactly `p` of the sites, the fixed ones among them."""
    if not len(set(fixed)) <= p <= sites:
        raise Infeasible(f"{p} sites wanted, {len(set(fixed))} fixed, {sites} possible")
    program = _Program()
    opened = program.variables(np.zeros(sites), _at_least(fixed, sites), 1, whole=True)
    program.row(opened, 1, p, p)
    return program


def _standing(sites: int, vehicles: int, fixed: Mapping[int, int], capacity: Mapping[int, int]) -> _Program:
    """Exactly `vehicles` spread over the sites."""
    if sum(fixed.values()) > vehicles:
        raise Infeasible(f"{sum(fixed.values())} vehicles are fixed, there are only {vehicles}")
    room = np.array([capacity.get(j, vehicles) for j in range(sites)], dtype=np.float64)
    keep = np.array([fixed.get(j, 0) for j in range(sites)], dtype=np.float64)
    if room.sum() < vehicles or (keep > room).any():
        raise Infeasible("the sites have fewer places than there are vehicles")
    program = _Program()
    standing = program.variables(np.zeros(sites), keep, room, whole=True)
    program.row(standing, 1, vehicles, vehicles)
    return program


def _worth(busy: float) -> int:
    """How many vehicles in reach of a zone still count: beyond it the gain is less than a billionth."""
    return 1 if busy <= 0 else max(1, int(np.ceil(np.log(1e-9) / np.log(busy))))


def _plan(found: Any, reach: Bools, *, sign: int) -> Plan:
    count = np.rint(found.x[: reach.shape[1]]).astype(np.int64)
    sites = tuple(int(j) for j in np.repeat(np.arange(len(count)), count))
    uncovered = tuple(int(i) for i in np.flatnonzero(~reach.any(axis=1)))
    bound = found.mip_dual_bound if found.mip_dual_bound is not None else found.fun
    return Plan(sites, sign * float(found.fun), sign * float(bound), found.status == 0, uncovered)
