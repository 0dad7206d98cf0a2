"""What the two published designs have in common: parameter files, methods side by side, one row of measures each."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from healthbrain import knowledge
from healthbrain.cli.output import Advance
from healthbrain.surveillance.rules.benchmark import Measures, Trial, measure
from healthbrain.surveillance.rules.methods import method


def parameters(name: str) -> list[dict[str, float]]:
    """Rows of knowledge/surveillance/NAME.csv; lines that begin with # tell the source."""
    path = Path(knowledge.__path__[0]) / "surveillance" / f"{name}.csv"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def compare(trial: Trial, names: Sequence[str], advance: Advance) -> dict[str, dict[str, Any]]:
    """Each method over the whole trial: its measures, and the seconds it took."""
    rows: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(names, 1):
        clock, cpu = time.perf_counter(), time.process_time()
        detection = method(name).detect(trial.series, from_index=trial.from_index)
        spent = {
            "seconds": round(time.perf_counter() - clock, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        }
        rows[name] = {**row(measure(trial, detection.alarm)), **spent}
        if name == "own":
            rows[name]["by_size"] = {
                str(size): round(measure(trial, detection.alarm, np.flatnonzero(trial.size == size)).pod, 3)
                for size in np.unique(trial.size)
            }
        advance(number, len(names), name)
    return rows


def row(found: Measures) -> dict[str, Any]:
    """fpr in percent, everything else as it is."""
    return {
        "fpr_percent": round(100 * found.fpr, 2),
        "pod": round(found.pod, 3),
        "pod_first": round(found.pod_first, 3),
        "sensitivity": round(found.sensitivity, 3),
        "ppv": round(found.ppv, 3),
        "npv": round(found.npv, 3),
        "f1": round(found.f1, 3),
        "timeliness": round(found.timeliness, 3),
        "odds_ratio": round(found.odds, 1),
    }
