"""The next days of an outbreak, if people go on meeting as they do now: a renewal process and its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.reproduction import Reproduction

Floats = NDArray[np.float64]
LONGEST = 21  # days; further ahead nothing of today's contacts is left


@dataclass(frozen=True, eq=False)
class Forecast:
    """Quantiles of daily new cases (days,), and of their sum over all days (low, median, high)."""

    low: Floats
    median: Floats
    high: Floats
    total: tuple[float, float, float]


def forecast(
    cases: Floats,
    interval: Floats,
    now: Reproduction,
    *,
    days: int,
    seed: int,
    dispersion: float = 1.0,
    level: float = 0.9,
    draws: int = 4000,
) -> Forecast:
    """Simulate `days` days: R from the last window's posterior, cases negative binomial.

    dispersion: variance of a day's cases over their mean. level: probability inside the interval.
    """
    if not 1 <= days <= LONGEST:
        raise Invalid(f"A forecast covers 1 to {LONGEST} days.")
    if dispersion < 1 or not 0 < level < 1:
        raise Invalid("dispersion must be >= 1 and 0 < level < 1.")
    rng = np.random.default_rng(seed)
    ratio = rng.gamma(now.shape[-1], now.scale[-1], draws)
    reach = min(len(interval) - 1, len(cases))
    path = np.zeros((draws, reach + days))
    path[:, :reach] = np.asarray(cases, np.float64)[len(cases) - reach :]
    weights = np.asarray(interval[1 : reach + 1])[::-1]
    for day in range(reach, reach + days):
        mean = np.minimum(ratio * (path[:, day - reach : day] @ weights), 1e9)
        rate = mean if dispersion == 1.0 else rng.gamma(mean / (dispersion - 1) + 1e-12) * (dispersion - 1)
        path[:, day] = rng.poisson(rate)
    ahead = path[:, reach:]
    quantiles = (0.5 - level / 2, 0.5, 0.5 + level / 2)
    low, median, high = np.quantile(ahead, quantiles, axis=0)
    total = np.quantile(ahead.sum(1), quantiles)
    return Forecast(low, median, high, (float(total[0]), float(total[1]), float(total[2])))
