"""Quantiles and tails of the negative binomial with variance phi x mean, for whole arrays at once."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, gammainc, gammaincc, ndtri

from healthbrain.surveillance.rules.series import Floats

COUNTABLE = 1e9  # above, the normal quantile is exact to far below one in a million, and bisection has no whole steps


def nb_upper_tail(count: Floats, mean: Floats, phi: Floats) -> Floats:
    """P(Y >= count), Y negative binomial with size mean/(phi - 1); Poisson where phi <= 1. Arrays broadcast."""
    count, mean, phi = np.broadcast_arrays(np.asarray(count, float), np.asarray(mean, float), np.asarray(phi, float))
    over = phi > 1
    size = np.where(over, mean / np.where(over, phi - 1, 1), 1.0)
    share = 1.0 - 1.0 / np.maximum(phi, 1.0)
    at = np.maximum(count, 0.5)
    tail = np.where(over, betainc(at, size, share), gammainc(at, mean))
    return np.where(count <= 0, 1.0, tail)


def nb_lower_tail(count: Floats, mean: Floats, phi: Floats) -> Floats:
    """P(Y <= count), count >= 0."""
    over = phi > 1
    size = np.where(over, mean / np.where(over, phi - 1, 1), 1.0)
    return np.where(over, betainc(size, count + 1.0, 1.0 / np.maximum(phi, 1.0)), gammaincc(count + 1.0, mean))


def nb_quantile(probability: float, mean: Floats, phi: Floats) -> Floats:
    """Smallest count with P(Y <= count) >= probability: a first guess, then exact steps of bisection. NaN for NaN.

    Infinite at probability 1, as in R: an alpha below 1e-16 leaves 1 - alpha = 1.
    """
    mean, phi = np.broadcast_arrays(np.asarray(mean, float), np.asarray(phi, float))
    found = np.full(mean.shape, np.nan)
    if probability >= 1.0:
        return np.where(np.isfinite(mean) & np.isfinite(phi), np.inf, found)
    huge = np.isfinite(mean) & (mean >= COUNTABLE)
    found[huge] = mean[huge] + ndtri(probability) * np.sqrt(mean[huge] * phi[huge])
    known = np.isfinite(phi) & (mean < COUNTABLE)
    m, f = mean[known], phi[known]
    need = probability * (1.0 - 64 * np.finfo(float).eps)  # so that a tail equal to alpha counts as reached, as in R
    low = np.full(m.shape, -1.0)
    high = np.ceil(m + (ndtri(probability) + 1.0) * np.sqrt(m * f) + 3.0)
    while (short := nb_lower_tail(high, m, f) < need).any():
        low = np.where(short, high, low)
        high = np.where(short, 2.0 * high + 1.0, high)
    while (open_ := high - low > 1).any():
        middle = np.floor((low + high) / 2)
        reached = nb_lower_tail(middle, m, f) >= need
        high, low = np.where(open_ & reached, middle, high), np.where(open_ & ~reached, middle, low)
    found[known] = high
    return found
