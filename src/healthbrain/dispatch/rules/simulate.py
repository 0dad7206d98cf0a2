"""A year of ambulance work under a policy: replications with common random numbers, figures with confidence
intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from healthbrain.dispatch.rules.coverage import Coverage, compliance_table
from healthbrain.dispatch.rules.roads import Floats, Ints
from healthbrain.dispatch.rules.simulation.loop import run
from healthbrain.dispatch.rules.simulation.network import FAR, Network, Places
from healthbrain.dispatch.rules.simulation.state import HOME, MEXCLP, TABLE, Calls, Policy, make_state, make_tables

MINUTE = 60_000
POLICIES = {
    "closest": "the closest free vehicle goes; free vehicles return to their home station",
    "reassignment": "as closest, and a priority 1 call may take a vehicle from a lower priority",
    "tolerance": "as closest, but below priority 1 the vehicle that costs least coverage within a tolerance",
    "dmexclp": "as closest, and free vehicles stand where they add most coverage (move-up)",
    "compliance": "as closest, and free vehicles follow a compliance table (so many free: these stations)",
}


@dataclass(frozen=True, slots=True)
class Service:
    """Durations in minutes: mean and coefficient of variation (gamma); share taken to hospital."""

    chute: tuple[float, float]
    scene: tuple[float, float]
    handover: tuple[float, float]
    transported: float


@dataclass(frozen=True, slots=True)
class PlaySettings:
    """How policies play. Seconds; `slow`: priorities that drive without sirens; `capacity`: places by station."""

    target_s: float
    chute_moving_s: float
    tolerance_s: Mapping[int, float]
    slow: frozenset[int] = frozenset()
    reassign_for: frozenset[int] = frozenset({1})
    busy: float = 0.5
    minimum_gain: float = 0.02
    price_per_hour: float = 0.0
    longest_s: float = 1200.0
    per_shift: int = 6
    shift_h: float = 12.0
    capacity: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Stream:
    """The calls of one replication with all that chance decides: milliseconds [N]; `place`: index into the places."""

    time: Ints
    place: Ints
    priority: Ints
    chute: Ints
    scene: Ints
    handover: Ints
    transported: Ints


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of each call of one replication [N], and of each vehicle [V]. Milliseconds; -1 = never reached."""

    response: Ints
    waited: Ints
    vehicle: Ints
    sent: Ints
    busy: Floats
    moves: Ints
    moved_ms: Ints


def make_stream(
    time: ArrayLike, place: ArrayLike, priority: ArrayLike, service: Service, random: np.random.Generator
) -> Stream:
    """Draws the durations of every call, in one fixed order, so that all policies meet the same ones."""
    when = np.asarray(time, dtype=np.int64)
    n = len(when)
    chute, scene, handover = (_gamma(*one, n, random) for one in (service.chute, service.scene, service.handover))
    transported = (random.random(n) < service.transported).astype(np.int64)
    return Stream(
        when, np.asarray(place, np.int64), np.asarray(priority, np.int64), chute, scene, handover, transported
    )


def with_given(stream: Stream, given: Mapping[str, Ints]) -> Stream:
    """The stream with what a history knows (chute, scene, handover in ms, transported 0/1; -1 = not given)."""
    known = {name: np.where(values >= 0, values, getattr(stream, name)) for name, values in given.items()}
    return replace(stream, **known)


def _gamma(mean: float, variation: float, n: int, random: np.random.Generator) -> Ints:
    """Milliseconds of gamma durations given in minutes; variation 0 = always the mean, 1 = exponential."""
    if mean <= 0:
        return np.zeros(n, dtype=np.int64)
    if variation <= 0:
        return np.full(n, round(mean * MINUTE), dtype=np.int64)
    shape = 1.0 / variation**2
    return np.rint(random.gamma(shape, mean * MINUTE / shape, n)).astype(np.int64)


def make_policy(name: str, network: Network, coverage: Coverage, vehicles: int, settings: PlaySettings) -> Policy:
    """A policy by name; several joined with "+" (`dmexclp+reassignment`). `coverage.sites` are the stations."""
    parts = set(name.split("+"))
    unknown = parts - set(POLICIES)
    if unknown or {"dmexclp", "compliance"} <= parts:
        raise ValueError(f"no such policy: {name}; there are {', '.join(POLICIES)}, joined by +")
    stations, priorities = len(network.stations), 4
    capacity = np.array([settings.capacity.get(s, vehicles) or vehicles for s in range(stations)], dtype=np.int64)
    table = compliance_table(coverage, vehicles, dict(enumerate(capacity.tolist())))
    need = np.array(
        [np.bincount(row, minlength=stations) for row in table] + [np.zeros(stations)] * (vehicles + 1 - len(table))
    ).astype(np.int64)
    by_priority = range(priorities + 1)
    return Policy(
        siren=np.array([int(p in settings.slow) for p in by_priority]),
        reassign=np.array([int("reassignment" in parts and p in settings.reassign_for) for p in by_priority]),
        tolerance=np.array(
            [int("tolerance" in parts and p > 1) * int(settings.tolerance_s.get(p, 0.0) * 1000) for p in by_priority]
        ),
        chute_moving=int(settings.chute_moving_s * 1000),
        relocation=MEXCLP if "dmexclp" in parts else TABLE if "compliance" in parts else HOME,
        capacity=capacity,
        reach=np.ascontiguousarray(coverage.reach, dtype=np.float64),
        demand=np.ascontiguousarray(coverage.demand),
        busy=min(max(coverage.busy, 0.05), 0.95),
        minimum=settings.minimum_gain,
        price=settings.price_per_hour,
        longest=int(settings.longest_s * 1000),
        per_shift=settings.per_shift,
        shift=int(settings.shift_h * 60 * MINUTE),
        need=need,
    )


def simulate(network: Network, places: Places, stream: Stream, homes: Sequence[int], policy: Policy) -> Outcome:
    """One replication. `homes`: station of each vehicle. Calls no vehicle can reach are left out: response -1."""
    tables = make_tables(network, places)
    lost = places.response_siren[:, : len(network.stations)].min(axis=1) >= FAR
    keep = np.flatnonzero(~lost[stream.place])
    parts = (
        stream.time,
        stream.place,
        stream.priority,
        stream.chute,
        stream.scene,
        stream.transported,
        stream.handover,
    )
    calls = Calls(*(np.ascontiguousarray(part[keep]) for part in parts))
    state = make_state(np.asarray(homes), len(keep), len(network.stations), len(policy.demand), len(policy.siren) - 1)
    run(tables, calls, policy, state)
    span = max(1, int(stream.time[-1])) if len(stream.time) else 1
    served = state.arrival >= 0

    def back(values: Ints) -> Ints:
        out = np.full(len(stream.time), -1, dtype=np.int64)
        out[keep] = np.where(served, values, -1)
        return out

    return Outcome(
        response=back(state.arrival - calls.time),
        waited=back(state.first - calls.time),
        vehicle=back(state.vehicle),
        sent=back(state.sent),
        busy=state.busy_ms / span,
        moves=state.moved,
        moved_ms=state.moved_ms,
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over replications with its 95 % confidence interval (Student's t); without replications, no interval."""

    mean: float
    low: float | None
    high: float | None


def figure(values: ArrayLike) -> Figure:
    """Mean and interval of one figure over replications; NaN replications (no such call) are left out."""
    v = np.asarray(values, dtype=np.float64)
    v = v[np.isfinite(v)]
    if not len(v):
        return Figure(float("nan"), None, None)
    mean = float(v.mean())
    if len(v) < 2:
        return Figure(mean, None, None)
    half = float(stats.t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)))
    return Figure(mean, mean - half, mean + half)


def measures(outcome: Outcome, stream: Stream, target_s: float, among: ArrayLike | None = None) -> dict[str, float]:
    """Share late, mean and 90th percentile of response in minutes, over the calls `among` (bool [N]) or all
    reached."""
    chosen = np.ones(len(stream.time), dtype=np.bool_) if among is None else np.asarray(among, dtype=np.bool_)
    response = outcome.response[chosen & (outcome.response >= 0)] / MINUTE
    if not len(response):
        return {"late": float("nan"), "mean": float("nan"), "p90": float("nan")}
    return {
        "late": float((response > target_s / 60).mean()),
        "mean": float(response.mean()),
        "p90": float(np.percentile(response, 90)),
    }
