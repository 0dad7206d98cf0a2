"""bench dispatch simulation, move-up: a year of calls, and what moving vehicles up is worth."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from healthbrain.cli.bench.dispatch.city import benched
from healthbrain.cli.output import Advance
from healthbrain.dispatch import year
from healthbrain.dispatch.rules.demand import draw_calls, flat_rate
from healthbrain.dispatch.rules.simulate import POLICIES, Stream, figure, make_stream, measures

YEAR_CALLS = 67_000
CALLS_PER_DAY = 280  # the JEMSS Auckland demand file
TARGET_S = 720.0
FLEETS = (18, 20, 22, 24, 26)
DAYS, PILOT_DAYS, REPLICATIONS = 90, 60, 4
STATIC_BUSY = (0.2, 0.3, 0.4, 0.5, 0.6)


def _ground(*, all_sirens: bool) -> tuple[year.Ground, list[float]]:
    place = benched()
    capacity = {k: s.capacity for k, s in enumerate(place.city.stations)}
    settings = year.play(TARGET_S, capacity)
    ground, _ = year.ground(
        place.travel, place.stations, place.hospitals, place.city.graph.doors, settings, all_sirens=all_sirens
    )
    return ground, [place.city.rates.get(p, 1.0) for p in (1, 2, 3)]


def _stream(ground: year.Ground, mix: list[float], per_day: float, days: float, seed: list[int]) -> Stream:
    random = np.random.default_rng(seed)
    drawn = draw_calls(flat_rate(np.arange(len(ground.demand)), per_day, mix), days, random)
    return make_stream(drawn.time, drawn.place, drawn.priority, ground.durations, random)


def simulation(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Seconds per replication of one year, each policy alone; compiling and tables beforehand, both reported apart."""
    started = time.perf_counter()
    ground, mix = _ground(all_sirens=False)
    figures: dict[str, Any] = {"tables_s": round(time.perf_counter() - started, 1)}
    homes = ground.homes(18)
    stream = _stream(ground, mix, YEAR_CALLS / 365, 365, [1, 0])
    few = _stream(ground, mix, 100, 2, [1, 1])
    figures |= {"calls": len(stream.time), "ambulances": len(homes), "seconds": {}, "cpu_seconds": {}}
    for number, policy in enumerate(POLICIES):
        ground.run(policy, homes, [few], lambda done: None)
        wall, cpu = time.perf_counter(), time.process_time()
        ground.run(policy, homes, [stream], lambda done: None)
        figures["seconds"][policy] = round(time.perf_counter() - wall, 2)
        figures["cpu_seconds"][policy] = round(time.process_time() - cpu, 2)
        advance(number + 1, len(POLICIES), policy)
    return figures


def move_up(residents: int | None, advance: Advance) -> dict[str, Any]:
    """DMEXCLP move-up against static homes, same calls. Static homes: optimal MEXCLP for several q, the best of them
    chosen
    by a pilot simulation on other calls. Late = response over 12 minutes; all calls with sirens."""
    ground, mix = _ground(all_sirens=True)
    pilot = [_stream(ground, mix, CALLS_PER_DAY, PILOT_DAYS, [2, 0])]
    streams = [_stream(ground, mix, CALLS_PER_DAY, DAYS, [3, k]) for k in range(REPLICATIONS)]
    rows = []
    for number, fleet in enumerate(FLEETS):
        advance(number, len(FLEETS), f"{fleet} ambulances")
        homes = _best_homes(ground, fleet, pilot)
        rows.append({"ambulances": fleet, **_compared(ground, homes, streams)})
    changes = [row["late_change"] for row in rows]
    return {
        "calls_per_day": CALLS_PER_DAY,
        "days": DAYS,
        "replications": REPLICATIONS,
        "table": rows,
        "late_change_mean": round(float(np.mean(changes)), 4),
        "late_change_worst": max(changes),
        "mean_response_not_worse": all(row["moved_mean"] <= row["static_mean"] for row in rows),
    }


def _best_homes(ground: year.Ground, fleet: int, pilot: list[Stream]) -> tuple[int, ...]:
    candidates = {ground.homes(fleet, busy) for busy in STATIC_BUSY}

    def late(homes: tuple[int, ...]) -> float:
        outcome = ground.run("closest", homes, pilot, lambda done: None)[0]
        return measures(outcome, pilot[0], TARGET_S)["late"]

    return min(sorted(candidates), key=late)


def _compared(ground: year.Ground, homes: tuple[int, ...], streams: list[Stream]) -> dict[str, Any]:
    """Paired on the same calls: the interval is that of the differences."""
    found = {}
    moves = 0.0
    for policy in ("closest", "dmexclp"):
        outcomes = ground.run(policy, homes, streams, lambda done: None)
        found[policy] = [measures(o, s, TARGET_S) for o, s in zip(outcomes, streams, strict=True)]
        moves = float(np.mean([o.moves.sum() for o in outcomes])) / DAYS / len(homes)
    static, moved = found["closest"], found["dmexclp"]
    change = figure([b["late"] / a["late"] - 1 for a, b in zip(static, moved, strict=True)])
    return {
        "static_late": round(figure([m["late"] for m in static]).mean, 4),
        "moved_late": round(figure([m["late"] for m in moved]).mean, 4),
        "late_change": round(change.mean, 4),
        "late_change_interval": [round(change.low or 0.0, 4), round(change.high or 0.0, 4)],
        "static_mean": round(figure([m["mean"] for m in static]).mean, 2),
        "moved_mean": round(figure([m["mean"] for m in moved]).mean, 2),
        "moves_per_vehicle_day": round(moves, 1),
    }
