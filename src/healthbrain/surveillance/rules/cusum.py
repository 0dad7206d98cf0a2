"""CUSUM of transformed Poisson counts (Rossi, Lampugnani & Marchi 1999, Stat Med 18:2111), as R's `cusum`.

R never resets: after one outbreak the sum stays above the limit for months. `reset=True` starts again from 0 after
each alarm, as a chart on a wall would be used; False gives R's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.series import Detection, Floats, SeriesSet, tested

Transformation = Literal["standard", "rossi", "anscombe"]


@dataclass(frozen=True)
class CusumSettings:
    """k: reference value. h: decision limit. The mean is `expected` of the series, else that of all earlier counts."""

    k: float = 1.04
    h: float = 2.26
    transformation: Transformation = "standard"
    reset: bool = False

    def __post_init__(self) -> None:
        if self.k <= 0 or self.h <= 0 or self.transformation not in ("standard", "rossi", "anscombe"):
            raise Invalid("CUSUM: k > 0, h > 0 and a transformation standard, rossi or anscombe are needed.")


def cusum(series: SeriesSet, *, from_index: int, settings: CusumSettings) -> Detection:
    periods = tested(series, from_index, 1, "CUSUM")
    observed = series.counts[:, periods]
    if series.expected is None:
        mean = np.broadcast_to(series.counts[:, :from_index].mean(1)[:, None], observed.shape).copy()
    else:
        mean = series.expected[:, periods]
    step = _transform(observed, mean, settings.transformation) - settings.k
    bound, alarm = np.empty(observed.shape), np.zeros(observed.shape, dtype=bool)
    total = np.zeros(series.n_series)
    for column in range(len(periods)):
        room = settings.h + settings.k - total
        bound[:, column] = _needed(room, mean[:, column], settings.transformation)
        total = np.maximum(0.0, total + step[:, column])
        alarm[:, column] = total >= settings.h
        if settings.reset:
            total = np.where(alarm[:, column], 0.0, total)
    return Detection("CUSUM", periods, observed, mean, bound, alarm, np.full(observed.shape, np.nan))


def _transform(count: Floats, mean: Floats, how: Transformation) -> Floats:
    """Roughly standard normal; 0 where nothing is expected and nothing came, infinite where something came."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if how == "standard":
            z = (count - mean) / np.sqrt(mean)
        elif how == "rossi":
            z = (count - 3.0 * mean + 2.0 * np.sqrt(count * mean)) / (2.0 * np.sqrt(mean))
        else:
            z = 1.5 * (np.cbrt(count) ** 2 - np.cbrt(mean) ** 2) / mean ** (1 / 6)
    return np.where(mean > 0, z, np.where(count > 0, np.inf, 0.0))


def _needed(room: Floats, mean: Floats, how: Transformation) -> Floats:
    """The count whose transformed value fills `room` (B,); whole for `standard`, as in R."""
    if how == "standard":
        return np.maximum(np.ceil(mean + np.sqrt(mean) * room), 0.0)
    if how == "rossi":
        square = 4.0 * mean + 2.0 * room * np.sqrt(mean)  # below 0: even no case keeps the sum above the limit
        return np.where(square >= 0, (np.sqrt(np.maximum(square, 0.0)) - np.sqrt(mean)) ** 2, 0.0)
    return np.maximum(np.cbrt(mean) ** 2 + room * mean ** (1 / 6) / 1.5, 0.0) ** 1.5
