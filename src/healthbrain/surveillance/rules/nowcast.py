"""How many cases of the last days are still to be reported.

The reporting triangle (day of onset × delay) is read backwards in time: among cases reported with a delay of at most
d days, what share came on day d exactly? These reverse-time hazards need no complete days and are estimated from the
newest rows only (Lawless 1994, Can J Stat 22:15; Höhle & an der Heiden 2014, Biometrics 70:993, eq. 2). Their products
give the share reported by now; what is missing is negative binomial, wider where the share is uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import nbinom

from healthbrain.kernel.errors import Invalid

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Nowcast:
    """Per day of onset, oldest first: reported so far, share of it (0 ... 1), expected total, interval, median."""

    reported: Floats
    share: Floats
    expected: Floats
    low: Floats
    high: Floats
    median: Floats


def reported_by(triangle: Floats, *, memory: int = 28, level: float = 0.9) -> Floats:
    """Share of a day's cases that are reported within 0 ... longest days (longest + 1,): upper end of the interval.

    Upper, because a share taken too small makes a rise of every day: where delays are little known, less is corrected.
    The variance of a product of hazards is Greenwood's.
    """
    counts, age = _known(triangle)
    share, doubt = _reported_by(counts, age, memory)
    spread = np.sqrt(doubt) * (1.0 - share)  # of the logarithm of the share
    return np.minimum(1.0, share * np.exp(float(ndtri((1 + level) / 2)) * spread))


def nowcast(triangle: Floats, *, memory: int = 28, level: float = 0.9) -> Nowcast:
    """triangle (n_days, longest + 1): cases of onset day i reported d days later; cells after now are NaN or ignored.

    Row i is known up to delay n_days - 1 - i. memory: days of report from which delays are learnt.
    level: probability of the interval.
    """
    if memory < 1 or not 0 < level < 1:
        raise Invalid("A nowcast needs memory >= 1 and 0 < level < 1.")
    counts, age = _known(triangle)
    width = counts.shape[1]
    share, uncertain = _reported_by(counts, age, memory)
    reported = counts.sum(1)
    delay = np.minimum(age[:, 0], width - 1)
    p, doubt = share[delay], uncertain[delay]
    # Half a case for a day without any report yet: it is not known to be empty while reports are to come.
    missing = (reported + 0.5) * (1 - p) / p
    missing = np.where(p >= 1.0, 0.0, missing)
    # Given the reported, the missing are negative binomial with size reported + 1/2; doubt about p widens them.
    size = 1.0 / (1.0 / (reported + 0.5) + doubt)
    edge = (1 - level) / 2
    chance = size / (size + np.maximum(missing, 1e-12))
    low = np.where(missing > 0, nbinom.ppf(edge, size, chance), 0.0)
    high = np.where(missing > 0, nbinom.ppf(1 - edge, size, chance), 0.0)
    middle = np.where(missing > 0, nbinom.ppf(0.5, size, chance), 0.0)
    return Nowcast(reported, p, reported + missing, reported + low, reported + high, reported + middle)


def _known(triangle: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The part of the triangle that can be known by now, and the age of each row in days (n, 1)."""
    triangle = np.asarray(triangle, np.float64)
    if len(triangle) < 2:
        raise Invalid("A nowcast needs at least two days.")
    age = np.arange(len(triangle) - 1, -1, -1)[:, None]
    counts = np.where(np.arange(triangle.shape[1])[None, :] <= age, np.nan_to_num(triangle), 0.0)
    if (counts < 0).any():
        raise Invalid("Counts of a reporting triangle must be >= 0.")
    return counts, age


def _reported_by(counts: Floats, age: NDArray[np.int64], memory: int) -> tuple[Floats, Floats]:
    """Share of all cases reported within d days, and the squared variation coefficient of its odds."""
    width = counts.shape[1]
    share, doubt = np.ones(width), np.zeros(width)
    running, variance = 1.0, 0.0
    within = np.cumsum(counts, axis=1)
    for d in range(width - 1, 0, -1):
        # Rows old enough to have seen delay d, and whose report at delay d came within the memory.
        rows = (age[:, 0] >= d) & (age[:, 0] - d < memory)
        at, upto = counts[rows, d].sum(), within[rows, d].sum()
        # One pseudo-case in a hundred: a delay never seen is rare, not impossible.
        hazard = (at + 0.01) / (upto + 1.0)
        running *= 1.0 - hazard
        variance += hazard / ((1.0 - hazard) * (upto + 1.0))
        share[d - 1] = running
        doubt[d - 1] = variance / max(1.0 - running, 1e-9) ** 2
    return share, doubt
