"""Siren speeds learned from a county's own drives.

A drive is a way through the network and the time it really took. With t_c the normal time spent on roads of class c,
observed ≈ Σ_c t_c / f_c + error, f_c = siren speed ÷ normal speed on that class. 1/f_c is found by Huber's regression
(Huber 1964; iteratively reweighted, k = 1.345), pulled to the default like a ridge prior worth `prior` drives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from healthbrain.dispatch.rules.roads import Floats, Ints, RoadGraph
from healthbrain.dispatch.rules.travel import Route

_HUBER = 1.345  # 95 % efficiency under normal errors
_PLAUSIBLE = (0.7, 3.0)  # an answer outside says that the timestamps are wrong, not that vehicles fly


@dataclass(frozen=True, slots=True)
class Learning:
    """`minimum` drives on a class before it is touched, `prior` = drives the `default` factor weighs as much as."""

    minimum: int
    prior: float
    default: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What came out for one road class. `drives`: how many used it for a tenth of their time or more."""

    road_class: str
    factor: float
    drives: int
    learned: bool


def class_times(graph: RoadGraph, route: Route) -> Floats:
    """Normal milliseconds that a way spends on each road class [classes]."""
    out = np.zeros(len(graph.classes))
    np.add.at(out, graph.road_class[route.arcs], graph.times["normal"][route.arcs])
    return out


def learn_factors(
    spent: Floats, observed_ms: Floats, classes: tuple[str, ...], settings: Learning
) -> tuple[Learned, ...]:
    """Factors per class from `spent` [drives, classes] (`class_times`) and observed milliseconds [drives].

    Drives with no way, no time, or a speed beyond all doubt are left out. A class with fewer than `minimum` drives
    keeps the default.
    """
    spent, observed = np.asarray(spent, np.float64), np.asarray(observed_ms, np.float64)
    total = spent.sum(axis=1)
    ratio = np.divide(total, observed, out=np.zeros_like(total), where=observed > 0)
    keep = (total > 0) & np.isfinite(observed) & (ratio >= _PLAUSIBLE[0] / 2) & (ratio <= _PLAUSIBLE[1] * 2)
    spent, observed, total = spent[keep], observed[keep], total[keep]
    drives = (spent >= 0.1 * total[:, None]).sum(axis=0) if len(total) else np.zeros(len(classes), dtype=np.int64)
    enough = drives >= settings.minimum
    inverse = np.full(len(classes), 1.0 / settings.default)
    if enough.any():
        fixed = spent[:, ~enough] @ inverse[~enough]
        inverse[enough] = _huber_ridge(spent[:, enough], observed - fixed, 1.0 / settings.default, settings.prior)
    factors = np.clip(1.0 / np.maximum(inverse, 1e-9), *_PLAUSIBLE)
    return tuple(
        Learned(name, round(float(factors[k]), 3), int(drives[k]), bool(enough[k])) for k, name in enumerate(classes)
    )


def _huber_ridge(spent: Floats, observed: Floats, default: float, prior: float) -> Floats:
    """Slopes [classes] of observed on spent, robust, pulled to `default` with the weight of `prior` average drives."""
    size = np.maximum(spent.sum(axis=1), 1.0)
    rows, answer = spent / size[:, None], observed / size  # relative errors: a long drive does not rule alone
    pull = prior * (rows**2).mean(axis=0)
    weight, slope = np.ones(len(rows)), np.full(rows.shape[1], default)
    for _ in range(50):
        left = (rows * weight[:, None]).T @ rows + np.diag(pull)
        new = np.linalg.solve(left, (rows * weight[:, None]).T @ answer + pull * default)
        miss = answer - rows @ new
        spread = max(float(np.median(np.abs(miss))) / 0.6745, 1e-6)
        weight = np.minimum(1.0, _HUBER * spread / np.maximum(np.abs(miss), 1e-12))
        if np.abs(new - slope).max() < 1e-7:
            return np.asarray(new)
        slope = new
    return slope


def siren_times(graph: RoadGraph, learned: tuple[Learned, ...]) -> Ints:
    """Siren milliseconds per arc: normal time over the class's factor, never below 1."""
    factor = {one.road_class: one.factor for one in learned}
    per_class = np.array([factor[name] for name in graph.classes])
    return np.maximum(1, np.rint(graph.times["normal"] / per_class[graph.road_class])).astype(np.int64)
