"""bench dispatch rank: 50 vehicles ranked for a call, in the engine."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from healthbrain.cli.bench.dispatch.city import benched
from healthbrain.cli.bench.place import percentile
from healthbrain.cli.output import Advance
from healthbrain.dispatch import year
from healthbrain.dispatch.knowledge_roads import straight_line
from healthbrain.dispatch.rules.rank import CLEARING, IDLE, RETURNING, ROLLING, Call, RankSettings, Vehicle, rank

VEHICLES, CALLS = 50, 2_000


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """p50 and p99 in milliseconds over 2,000 calls: exact road times, coverage lost, reasons. Places drawn over the
    city."""
    place, draw = benched(), np.random.default_rng(1)
    graph, travel = place.city.graph, place.travel["siren"]
    coverage = year.city_coverage(place.city, travel, year.play(720.0))
    settings = RankSettings(estimate=straight_line(), tolerance_s=year.play(720.0).tolerance_s)
    waits, work = [], []
    for number in range(CALLS + 50):
        vehicles = [_vehicle(k, int(draw.choice(graph.doors)), place) for k in range(VEHICLES)]
        node = draw.choice(graph.doors)
        call = Call(float(graph.x[node]), float(graph.y[node]), 1 + number % 3)
        wall, cpu = time.perf_counter(), time.process_time()
        rank(call, vehicles, travel, coverage, settings)
        waits.append(1000 * (time.perf_counter() - wall))
        work.append(1000 * (time.process_time() - cpu))
        advance(number, CALLS + 50, "rank")
    waits, work = waits[50:], work[50:]  # the first calls warm the caches
    return {
        "nodes": graph.nodes,
        "vehicles": VEHICLES,
        "calls": CALLS,
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
        "cpu_p50_ms": percentile(work, 0.5),
        "cpu_p99_ms": percentile(work, 0.99),
    }


def _vehicle(number: int, node: int, place: Any) -> Vehicle:
    """A quarter each idle at a station, returning, clearing, and on the way to a priority 3 call."""
    status = (IDLE, RETURNING, CLEARING, ROLLING)[number % 4]
    x, y = float(place.city.graph.x[node]), float(place.city.graph.y[node])
    station = number % len(place.stations)
    if status == IDLE:
        x, y = place.stations[station]
    return Vehicle(str(number), x, y, status, wait_s=120.0, priority=3, site=station)
