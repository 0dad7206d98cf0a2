"""Instantaneous reproduction number from daily cases (Cori et al. 2013, Am J Epidemiol 178:1505)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv
from scipy.stats import gamma

from healthbrain.kernel.errors import Invalid

Floats = NDArray[np.float64]

# Prior: mean 5, standard deviation 5, so that "under control" is never the prior's word (Cori 2013, web appendix 1).
PRIOR_SHAPE, PRIOR_SCALE = 1.0, 5.0


@dataclass(frozen=True, eq=False)
class Reproduction:
    """One value per window. last: its last day. shape, scale: gamma posterior. low, median, high: 2.5, 50, 97.5 %.

    reliable: the window holds at least 12 cases, for a coefficient of variation
    below 0.3 (Cori 2013, p. 1507).
    """

    last: NDArray[np.intp]
    shape: Floats
    scale: Floats
    mean: Floats
    low: Floats
    median: Floats
    high: Floats
    reliable: NDArray[np.bool_]


def serial_interval(mean: float, sd: float, longest: int = 60) -> Floats:
    """Probability of a serial interval of 0, 1, ..., days, no weight on 0: a gamma shifted by one day, discretised.

    Cori 2013, web appendix 11: P(k) = k F(k) + (k-2) F(k-2) - 2 (k-1) F(k-1) + ab (2 F'(k-1) - F'(k-2) - F'(k)),
    F of Gamma(a, b), F' of Gamma(a + 1, b), with a b = mean - 1 and a b² = sd².
    """
    if mean <= 1 or sd <= 0:
        raise Invalid("The serial interval needs a mean above one day and a standard deviation above 0.")
    a, b = ((mean - 1) / sd) ** 2, sd**2 / (mean - 1)
    k = np.arange(longest + 1, dtype=np.float64)
    f = [gamma.cdf(k - j, a, scale=b) for j in (0, 1, 2)]
    g = [gamma.cdf(k - j, a + 1, scale=b) for j in (0, 1, 2)]
    raw = k * f[0] + (k - 2) * f[2] - 2 * (k - 1) * f[1] + a * b * (2 * g[1] - g[2] - g[0])
    raw = np.maximum(raw, 0.0)
    raw[0] = 0.0
    return np.asarray(raw / raw.sum(), np.float64)


def infectiousness(cases: Floats, interval: Floats) -> Floats:
    """Λ(t) = Σ_s cases(t - s) w(s): how infectious earlier cases are on day t."""
    return np.asarray(np.convolve(cases, interval)[: len(cases)], np.float64)


def reproduction(cases: Floats, interval: Floats, *, window: int = 7, imported: Floats | None = None) -> Reproduction:
    """Posterior of each window of `window` days; the first ends on day `window`: day 0 cannot be explained.

    cases: all cases by day; imported: those infected elsewhere, who infect but were not infected here.
    Posterior (Cori 2013, eq. 3): Gamma(a + Σ local cases, 1 / (1/b + Σ Λ)).
    """
    cases = np.asarray(cases, np.float64)
    local = cases if imported is None else cases - np.asarray(imported, np.float64)
    if (cases < 0).any() or (local < 0).any():
        raise Invalid("Cases must be >= 0 and at least the imported ones.")
    if not 1 <= window < len(cases):
        raise Invalid(f"A window of {window} days needs more than {window} days of cases.")
    force = infectiousness(cases, interval)
    last = np.arange(window, len(cases))
    sums = np.concatenate([[0.0], np.cumsum(local)])
    forces = np.concatenate([[0.0], np.cumsum(force)])
    seen = sums[last + 1] - sums[last + 1 - window]
    shape = PRIOR_SHAPE + seen
    scale = 1.0 / (1.0 / PRIOR_SCALE + forces[last + 1] - forces[last + 1 - window])
    low, median, high = (gammaincinv(shape, q) * scale for q in (0.025, 0.5, 0.975))
    return Reproduction(last, shape, scale, shape * scale, low, median, high, seen >= 11)
