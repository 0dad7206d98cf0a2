"""Several weak voices about the same place and syndrome: hospital, pharmacy, school, ambulance.

p-values become normal scores and are added with weights (Stouffer 1949; weights: Liptak 1958). Sources that rise and
fall together (a cold week fills clinics and pharmacies alike) would be counted twice: the correlation of sources is
estimated from quiet past passes and enters the variance of the sum, so that the fused p-value keeps its meaning.
Where only one of many sources sees the outbreak, the truncated product (Zaykin et al. 2002, Genet Epidemiol 22:170) of
the small p-values is the better voice; `fuse` takes the smaller of both, corrected for having looked twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, ndtr, ndtri
from scipy.stats import binom

from healthbrain.kernel.errors import Invalid

Floats = NDArray[np.float64]

TRUNCATE = 0.05
SMALLEST, LARGEST = 1e-15, 0.95  # a quiet source says "nothing seen", not "the opposite seen": its score is bounded
VOICE = 0.1  # a source with a larger p-value says nothing of its own
SHRINK = 50.0  # passes that the assumption of independence is worth


@dataclass(frozen=True)
class Fused:
    """pvalue (n,): of all sources together. sum_p, product_p: of the two ways. sources (n,): how many had a say."""

    pvalue: Floats
    sum_p: Floats
    product_p: Floats
    sources: NDArray[np.int64]


def correlation(past: Floats) -> Floats:
    """(m, m) correlation of the normal scores of m sources. past (n_passes, m), NaN: source silent; shrunk to none."""
    scores = _scores(past)
    known = np.isfinite(scores)
    counts = known.T.astype(np.float64) @ known
    centre = np.where(known, scores, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    centred = np.where(known, scores - centre, 0.0)
    deviation = np.sqrt((centred**2).sum(0) / np.maximum(known.sum(0), 1))
    joint = (centred.T @ centred) / np.maximum(counts, 1.0)
    matrix = joint / np.maximum(np.outer(deviation, deviation), 1e-12) * counts / (counts + SHRINK)
    matrix = np.clip(matrix, 0.0, 0.99)  # a negative one would be a gift: sources do not cancel each other's noise
    np.fill_diagonal(matrix, 1.0)
    return np.asarray(matrix, np.float64)


def fuse(pvalues: Floats, weights: Floats, matrix: Floats | None = None) -> Fused:
    """pvalues (n, m): n place-syndromes, m sources, NaN where a source is silent. weights (m,) > 0; matrix (m, m)."""
    pvalues, weights = np.asarray(pvalues, np.float64), np.asarray(weights, np.float64)
    if pvalues.ndim != 2 or weights.shape != (pvalues.shape[1],) or (weights <= 0).any():
        raise Invalid("fuse needs p-values (n, m) and m weights above 0.")
    if ((pvalues < 0) | (pvalues > 1)).any():
        raise Invalid("p-values lie between 0 and 1.")
    matrix = np.eye(len(weights)) if matrix is None else matrix
    scores = _scores(pvalues)
    known = np.isfinite(scores)
    used = np.where(known, weights, 0.0)
    variance = np.einsum("nm,mk,nk->n", used, matrix, used)
    total = np.where(known, scores * weights, 0.0).sum(1)
    sum_p = np.where(known.any(1), ndtr(-total / np.sqrt(np.maximum(variance, 1e-12))), np.nan)
    # Correlated sources are fewer voices than they are many (Kish's effective number).
    effective = np.where(known.any(1), used.sum(1) ** 2 / np.maximum(variance, 1e-12), 0.0)
    product_p = truncated_product(pvalues, effective)
    both = np.minimum(sum_p, product_p)
    single = known.sum(1) == 1
    alone = np.nanmin(np.where(known, pvalues, np.inf), axis=1, initial=np.inf)
    fused = np.where(single, alone, np.minimum(1.0 - (1.0 - both) ** 2, 1.0))
    return Fused(np.where(known.any(1), fused, np.nan), sum_p, product_p, known.sum(1))


def truncated_product(pvalues: Floats, effective: Floats | None = None, cut: float = TRUNCATE) -> Floats:
    """P-value (n,) of the product of those p-values <= cut. effective (n,): independent sources the m are worth.

    Under independence the number K of small p-values is binomial and -log of their product, each over the cut, is
    Gamma(K, 1): P = Σ_k P(K = k) P(Gamma(k) >= observed). Zaykin 2002, eq. 3, in the incomplete gamma form.
    """
    pvalues = np.asarray(pvalues, np.float64)
    known = np.isfinite(pvalues)
    m = known.sum(1)
    worth = m if effective is None else np.clip(effective, 1.0, np.maximum(m, 1))
    small = known & (np.nan_to_num(pvalues, nan=1.0) <= cut)
    each = np.where(small, -np.log(np.clip(np.nan_to_num(pvalues, nan=1.0), SMALLEST, 1.0) / cut), 0.0)
    # m correlated sources say m / worth times too much.
    heard = (each.sum(1) - np.log(cut) * small.sum(1)) * worth / np.maximum(m, 1)
    out = np.zeros(len(pvalues))
    whole = np.ceil(worth).astype(np.int64)
    for k in range(1, int(whole.max(initial=0)) + 1):
        chance = np.where(k <= whole, binom.pmf(k, whole, cut), 0.0)
        out += chance * gammaincc(k, np.maximum(heard + k * np.log(cut), 0.0))
    return np.where(m == 0, np.nan, np.where(small.any(1), np.minimum(out, 1.0), 1.0))


def smallest(pvalues: Floats) -> Floats:
    """One p-value for several series of one source (k, n) → (n,): the smallest, as rare as it is among k (Šidák)."""
    known = np.isfinite(pvalues).sum(0)
    least = np.min(np.where(np.isfinite(pvalues), pvalues, 1.0), axis=0)
    return np.where(known > 0, -np.expm1(known * np.log1p(-np.minimum(least, 1.0 - 1e-12))), np.nan)


def _scores(pvalues: Floats) -> Floats:
    return np.asarray(-ndtri(np.clip(pvalues, SMALLEST, LARGEST)), np.float64)
