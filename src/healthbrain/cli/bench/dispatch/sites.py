"""bench dispatch siting: 500 zones by 60 sites, with existing sites fixed, to proven optimality."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from healthbrain.cli.bench.dispatch.city import benched
from healthbrain.cli.output import Advance
from healthbrain.dispatch.rules.siting import Plan, double_standard, lscp, mclp, mexclp, p_median

ZONES, SITES, REACH_MIN = 500, 60, 8
FAR_MIN, SHARE = 20, 0.9  # the tightest double standard these 18 vehicles meet: the hardest to prove


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Seconds and proof for each model on real road times: the city's stations (three of them fixed) and drawn
    sites."""
    place, draw = benched(), np.random.default_rng(4)
    travel, doors = place.travel["siren"], place.city.graph.doors
    zones = draw.choice(doors, ZONES, replace=False)
    stations = travel.snap(place.stations).node
    sites = np.r_[stations, draw.choice(doors, SITES - len(stations), replace=False)]
    minutes = travel.many_to_many(sites, zones).T / 60_000
    cover, demand = minutes <= REACH_MIN, draw.integers(1, 100, ZONES)
    models: dict[str, Callable[[], Plan]] = {
        "lscp": lambda: lscp(cover, fixed=[0, 1, 2]),
        "mclp_p10": lambda: mclp(cover, demand, 10, fixed=[0, 1, 2]),
        "mexclp_18": lambda: mexclp(cover, demand, 18, 0.5, fixed={0: 1, 1: 1, 2: 1}),
        "double_standard_18": lambda: double_standard(
            cover, minutes <= FAR_MIN, demand, 18, SHARE, fixed={0: 1, 1: 1, 2: 1}
        ),
        "p_median_10": lambda: p_median(minutes, demand, 10, fixed=[0, 1, 2]),
    }
    figures: dict[str, Any] = {"zones": ZONES, "sites": SITES, "fixed": 3}
    for number, (name, solve) in enumerate(models.items()):
        wall, cpu = time.perf_counter(), time.process_time()
        plan = solve()
        figures[name] = {
            "seconds": round(time.perf_counter() - wall, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "proven": plan.optimal,
            "value": round(plan.value, 4),
            "bound": round(plan.bound, 4),
        }
        advance(number + 1, len(models), name)
    return figures
