"""Farrington flexible on 5,000 series: one current week against five years, with reweighting and trend decision."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from healthbrain.cli.output import Advance
from healthbrain.surveillance.rules.methods import method
from healthbrain.surveillance.rules.series import Floats, SeriesSet

SERIES, HISTORY = 5_000, 5 * 52 + 3
SETTINGS = ("flex_default", "flex_noufaily", "flex_rki", "classic")
REPEATS = 3


def farrington_speed(residents: int | None, advance: Advance, seed: int = 1) -> dict[str, Any]:
    """Best of three, wall and processor seconds (all threads), series simulated before the clock starts."""
    series = SeriesSet(tuple(f"s{i}" for i in range(SERIES)), _counts(np.random.default_rng(seed)))
    found: dict[str, Any] = {"series": SERIES, "weeks_of_history": HISTORY}
    for name in SETTINGS:
        chosen, runs = method(name), []
        for repeat in range(REPEATS):
            advance(repeat, REPEATS, name)
            wall, processor = time.perf_counter(), time.process_time()
            chosen.detect(series, from_index=HISTORY)
            runs.append((time.perf_counter() - wall, time.process_time() - processor))
        wall, processor = min(runs)
        found[name] = {"seconds": round(wall, 3), "cpu_seconds": round(processor, 3)}
    return found


def _counts(random: np.random.Generator) -> Floats:
    """Negative binomial, means from 0.4 to 20 a week, one wave a year, variance 1.05 to 4 times the mean."""
    week = np.arange(HISTORY + 1)
    level = random.uniform(-1, 3, (SERIES, 1))
    mean = np.exp(level + 0.5 * np.cos(2 * np.pi * week / 52))
    dispersion = random.uniform(1.05, 4, (SERIES, 1))
    return random.negative_binomial(mean / (dispersion - 1), 1 / dispersion).astype(np.float64)
