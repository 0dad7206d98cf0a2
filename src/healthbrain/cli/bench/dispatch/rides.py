"""bench dispatch darp, bench dispatch booking: patient transport on the published instances."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from healthbrain.cli.output import Advance

FOLDER, SECONDS = "HEALTHBRAIN_DARP", 10.0
# Best known totals. Set a: Cordeau (2006) and the exact solutions since; R: Cordeau & Laporte (2003) and improvements.
BEST = {
    "a2-16": 294.25,
    "a2-20": 344.83,
    "a2-24": 431.12,
    "a3-24": 344.83,
    "a3-30": 494.85,
    "a3-36": 583.19,
    "a4-32": 485.50,
    "a4-40": 557.69,
    "a4-48": 668.82,
    "a5-40": 498.41,
    "a5-50": 686.62,
    "a5-60": 808.42,
    "a6-48": 604.12,
    "a6-60": 819.25,
    "a6-72": 916.05,
    "a7-56": 724.04,
    "a7-70": 889.12,
    "a7-84": 1033.37,
    "a8-64": 747.46,
    "a8-80": 945.73,
    "a8-96": 1229.66,
}


def darp(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Every instance of the folder, SECONDS each on one core: cost, gap to the best known in per cent, broken rules."""
    from healthbrain.dispatch.rules.darp import cordeau, solve, violations, warm_up

    before = time.perf_counter()
    warm_up()
    started = time.perf_counter() - before
    rows: dict[str, dict[str, Any]] = {}
    files = _files()
    for number, file in enumerate(files):
        instance = cordeau.parse(file.read_text(encoding="utf-8"), name=file.stem)
        plan = solve(instance, seconds=SECONDS)
        broken = len(violations(instance, plan)) + len(plan.unserved)
        row: dict[str, Any] = {"cost": round(plan.cost, 2), "broken": broken, "cpu_s": round(plan.cpu_seconds, 1)}
        if file.stem in BEST:
            row["gap_percent"] = round(100.0 * (plan.cost / BEST[file.stem] - 1.0), 3)
        rows[file.stem] = row
        advance(number + 1, len(files), file.stem)
    gaps = [row["gap_percent"] for row in rows.values() if "gap_percent" in row]
    return {
        "seconds_each": SECONDS,
        "start_up_s": round(started, 1),
        "instances": rows,
        "all_rules_kept": all(row["broken"] == 0 for row in rows.values()),
        "mean_gap_percent": round(sum(gaps) / len(gaps), 3) if gaps else None,
        "worst_gap_percent": max(gaps, default=None),
        "best_known_reached": sum(gap <= 0.005 for gap in gaps),
    }


def _files() -> list[Path]:
    """Instances of the folder named by HEALTHBRAIN_DARP."""
    named = os.environ.get(FOLDER)
    files = sorted(Path(named).glob("*.txt")) if named else []
    if not files:
        raise click.UsageError(
            f"Set {FOLDER} to a folder with the files of Cordeau & Laporte (a2-16.txt …); docs/dispatch.md says where."
        )
    return files


def booking(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Milliseconds to answer a booking beside 60 planned and promised rides of a made-up day; 40 bookings."""
    import numpy as np

    from healthbrain.dispatch.rules.darp import Plan, Promise, promise, solve, violations
    from healthbrain.dispatch.rules.darp.model import End, Instance, Load, Request, Vehicle, Window

    draw = np.random.default_rng(11)
    spots = draw.uniform(0.0, 30.0, (121, 2))
    ways = np.hypot(*(spots[:, None] - spots[None]).transpose(2, 0, 1))
    kinds = (Load(seats=1), Load(seats=1, wheelchairs=1), Load(seats=1, stretchers=1))

    def ride(key: int) -> Request:
        up, down = draw.choice(120, 2, replace=False) + 1
        opens = float(draw.integers(84, 192) * 5)
        load = kinds[int(draw.choice(3, p=[0.7, 0.2, 0.1]))]
        return Request(key, End(int(up), Window(opens, opens + 60.0), 5.0), End(int(down), minutes=5.0), load, 75.0)

    layouts = (Load(4, 1, 0), Load(2, 0, 1))
    fleet = tuple(Vehicle(key, 0, 0, layouts, Window(360.0, 1200.0), 720.0) for key in range(6))
    instance = Instance(tuple(ride(key) for key in range(60)), fleet, ways, ways)
    solution = solve(instance, seconds=3.0)
    told = {key: Promise(Window(begin - 5.0, begin + 25.0)) for key, begin in solution.begins("pickup").items()}
    plan = Plan(instance, solution, told)
    waits, cpu, yes, kept = [], [], 0, True
    for number in range(40):
        before = time.process_time()
        offer = promise(plan, replace(ride(1000 + number)))
        cpu.append(time.process_time() - before)
        waits.append(offer.seconds)
        yes += offer.accepted
        if offer.plan is not None:
            kept = kept and not violations(offer.plan.instance, offer.plan.solution)
        advance(number + 1, 40, "booking")
    ordered = sorted(waits)
    return {
        "planned": len(told),
        "bookings": 40,
        "yes": yes,
        "p50_ms": round(1000 * ordered[20], 1),
        "max_ms": round(1000 * ordered[-1], 1),
        "cpu_max_ms": round(1000 * max(cpu), 1),
        "rules_kept": kept,
    }
