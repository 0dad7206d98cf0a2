"""Noufaily's daily design, 16 syndromes × outbreaks of 2, 5, 10 × 4 × 343 days: our detector and ESSENCE's switch."""

from __future__ import annotations

from typing import Any

from healthbrain.cli.bench.surveillance.designs import compare, parameters
from healthbrain.cli.output import Advance
from healthbrain.surveillance.rules.benchmark import daily

SIZES, REPLICATES = (2, 5, 10), 4
METHODS = ("own", "essence", "ears_c1", "ears_c2")
GOAL = {"fpr_percent": 2.7, "pod": 0.92}


def run(residents: int | None, advance: Advance, seed: int = 20260702) -> dict[str, Any]:
    """Measures of every method. The seed decides the series; `own` was tuned on others."""
    trial = daily(parameters("noufaily16"), SIZES, REPLICATES, seed)
    methods = compare(trial, METHODS, advance)
    own = methods["own"]
    reached = own["fpr_percent"] < GOAL["fpr_percent"] and own["pod"] >= GOAL["pod"]
    return {"seed": seed, "series": trial.series.n_series, "goal": GOAL, "reached": reached, "methods": methods}
