"""One evening of a whole county: every daily series judged for today, and both scans over all sites."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from healthbrain.cli.output import Advance
from healthbrain.surveillance.rules.budget import within_budget
from healthbrain.surveillance.rules.own import OwnSettings, detect_own
from healthbrain.surveillance.rules.scan import scan_expected, scan_permutation
from healthbrain.surveillance.rules.series import Frequency, SeriesSet
from healthbrain.surveillance.rules.zones import nearest

SERIES, DAYS, SITES, NEIGHBOURS, WINDOW, PERMUTED_DAYS = 10_000, 1_095, 600, 25, 7, 90


def run(residents: int | None, advance: Advance, seed: int = 20260703) -> dict[str, Any]:
    """Seconds on the wall and of the processors, after one small pass that compiles the inner loops."""
    rng = np.random.default_rng(seed)
    counts = county(rng, SERIES, DAYS)
    zones = nearest(rng.uniform(0, 40_000, (SITES, 2)), NEIGHBOURS)
    one_pass(counts[:64], zones, seed)
    advance(1, 3, "series")
    clock, cpu = time.perf_counter(), time.process_time()
    steps = one_pass(counts, zones, seed)
    wall = time.perf_counter() - clock
    return {
        "seed": seed,
        "series": SERIES,
        "days": DAYS,
        "sites": SITES,
        "seconds": round(wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "goal_seconds": 10,
        **steps,
    }


def county(rng: np.random.Generator, n: int, days: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Synthetic daily counts: levels from a case a month to dozens a day, weekday and season, over-dispersed."""
    day = np.arange(days)
    level = np.exp(rng.normal(-0.5, 1.5, (n, 1)))
    season = 1 + 0.4 * np.cos(2 * np.pi * day / 365.25 + rng.uniform(0, 2 * np.pi, (n, 1)))
    weekday = np.where(day % 7 >= 5, 0.5, 1.2)
    return rng.poisson(level * season * weekday * rng.gamma(2.0, 0.5, (n, days))).astype(np.float64)


def one_pass(counts: np.ndarray[Any, np.dtype[np.float64]], zones: Any, seed: int) -> dict[str, Any]:
    """Judge the last day of all series, choose within the budget, scan the first series as the sites' syndrome."""
    n = len(counts)
    series = SeriesSet(tuple(f"s{i}" for i in range(n)), counts, Frequency.DAILY)
    start = time.perf_counter()
    detection = detect_own(series, from_index=counts.shape[1] - 1, settings=OwnSettings())
    judged = time.perf_counter()
    chosen = within_budget(detection.pvalue[:, -1], counts[:, -1] > 0, weekly_false=2.0, passes_a_week=7)
    sites = np.resize(np.arange(n), len(zones.order))
    usual = np.repeat(detection.expected[sites], WINDOW, axis=1)
    scan_expected(counts[sites, -WINDOW:], usual, usual, zones, seed=seed)
    expected = time.perf_counter()
    scan_permutation(counts[sites, -PERMUTED_DAYS:], zones, longest=WINDOW, seed=seed)
    return {
        "detect_seconds": round(judged - start, 2),
        "scan_expected_seconds": round(expected - judged, 2),
        "scan_permutation_seconds": round(time.perf_counter() - expected, 2),
        "signals": int(chosen.sum()),
    }
