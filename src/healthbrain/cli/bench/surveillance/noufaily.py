"""Noufaily's weekly design, 42 scenarios × 50 series × 49 weeks: our detector and R's methods on the same series."""

from __future__ import annotations

from typing import Any

from healthbrain.cli.bench.surveillance.designs import compare, parameters
from healthbrain.cli.output import Advance
from healthbrain.surveillance.rules.benchmark import weekly

REPLICATES = 50
METHODS = (
    "own",
    "flex_noufaily",
    "flex_farrington",
    "classic",
    "ears_c1",
    "ears_c2",
    "bayes2",
    "rki2",
    "cdc",
    "percentile_p80",
)
GOAL = {"fpr_percent": 0.9, "pod": 0.53, "sensitivity": 0.34, "ppv": 0.70}


def run(residents: int | None, advance: Advance, seed: int = 20260701) -> dict[str, Any]:
    """Measures of every method. The seed decides the series; `own` was tuned on others."""
    trial = weekly(parameters("noufaily42"), REPLICATES, seed)
    methods = compare(trial, METHODS, advance)
    own = methods["own"]
    reached = own["fpr_percent"] <= GOAL["fpr_percent"] and all(
        own[name] >= GOAL[name] for name in ("pod", "sensitivity", "ppv")
    )
    return {"seed": seed, "series": trial.series.n_series, "goal": GOAL, "reached": reached, "methods": methods}
