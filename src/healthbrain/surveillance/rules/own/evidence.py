"""How strongly the last counts speak for an outbreak, and how often they would speak so strongly without one.

The last periods are cut into three blocks: this period, the further periods of the middle window, the further periods
of the longest one (weeks 1 | 1 | 1, days 1 | 2 | 4). Against the baseline (independent negative binomial blocks with
means m and sizes n, variance m + m²/n) stand outbreaks that fill the first 1, 2 or 3 blocks with an excess of some
standard deviations, shared among the blocks as their means are. A block with an outbreak keeps its ratio of variance
to mean (size n' = n (m + x) / m), so the likelihood ratio grows with every count. The evidence is the mean likelihood
ratio over these outbreaks: a mixture over change points and sizes in place of one guess.

Its p-value is the chance, over all three blocks, of evidence at least as large: the sum over the two past blocks, cut
into cells, of the chance that this period reaches the count that would be needed. So a false alarm is counted where
it happens, in the joint distribution of the nested windows, and no correction for "three tests" is needed.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOWS = 3
SIZES = np.array([2.0, 4.0, 7.0])  # excess in standard deviations of the window
NODES = 100  # counts at which a block's likelihood ratios are tabulated
CELLS = 11  # cells into which a past block's distribution is cut
POISSON = 1e7  # sizes above are Poisson: differences of log-gammas lose their digits there

# Upper tail probabilities between the cells of a past block: fine where rare high counts decide.
_CUTS = np.array([1.0, 0.8, 0.55, 0.35, 0.2, 0.1, 0.045, 0.018, 0.006, 0.0015, 2e-4, 0.0])


@njit(cache=True, nogil=True)
def _log_pmf(y: float, mean: float, size: float) -> float:
    if size >= POISSON:
        return y * math.log(mean) - mean - math.lgamma(y + 1.0)
    return (
        math.lgamma(y + size)
        - math.lgamma(size)
        - math.lgamma(y + 1.0)
        + size * math.log(size / (size + mean))
        + y * math.log(mean / (size + mean))
    )


@njit(cache=True, nogil=True)
def _log_ratio(y: float, mean: float, size: float, excess: float) -> float:
    """log of the likelihood ratio of one block: baseline plus a Poisson excess against baseline."""
    if size >= POISSON:
        return y * math.log1p(excess / mean) - excess
    big = size * (1.0 + excess / mean)
    shift = (big - size) * math.log(size / (size + mean))
    return math.lgamma(y + big) - math.lgamma(big) - math.lgamma(y + size) + math.lgamma(size) + shift


@njit(cache=True, nogil=True)
def _log_ratios(counts: Floats, mean: float, size: float, excess: float, out: Floats) -> None:
    """`_log_ratio` at equally spaced counts; where they are consecutive from 0, one logarithm each."""
    if counts[0] > 0.0 or counts[1] > 1.0 or size >= POISSON:
        for i in range(len(counts)):
            out[i] = _log_ratio(counts[i], mean, size, excess)
        return
    big = size * (1.0 + excess / mean)
    out[0] = (big - size) * math.log(size / (size + mean))
    for i in range(1, len(counts)):
        out[i] = out[i - 1] + math.log((i - 1.0 + big) / (i - 1.0 + size))


@njit(cache=True, nogil=True)
def _excesses(means: Floats, sizes: Floats) -> Floats:
    """(window, size, block): expected extra cases of each outbreak in each block."""
    out = np.zeros((WINDOWS, len(SIZES), WINDOWS))
    total = 0.0
    variance = 0.0
    for w in range(WINDOWS):
        total += means[w]
        variance += means[w] + means[w] * means[w] / sizes[w]
        for k in range(len(SIZES)):
            # An outbreak is at least one case more than expected, however rare the disease is here.
            excess = max(SIZES[k] * math.sqrt(variance), 1.0)
            for b in range(w + 1):
                out[w, k, b] = excess * means[b] / total
    return out


@njit(cache=True, nogil=True)
def _table(mean: float, size: float, block: int, excess: Floats) -> tuple[Floats, Floats, Floats]:
    """Counts, upper tails P(Y >= count), and log ratios (window, size, node) of one block."""
    spread = math.sqrt(mean + mean * mean / size)
    top = mean + 11.0 * spread + 12.0 * (1.0 + mean / size)
    step = max(1.0, math.ceil(top / (NODES - 1)))
    start = 0.0
    if step > 1.0:
        start = max(0.0, math.floor(mean - 8.0 * spread))
        step = max(1.0, math.ceil((top - start) / (NODES - 1)))
    counts: Floats = start + step * np.arange(NODES).astype(np.float64)
    tails = np.empty(NODES)
    masses = np.empty(NODES)
    for i in range(NODES):
        masses[i] = math.exp(_log_pmf(counts[i], mean, size))
    if step == 1.0:
        running = 0.0
        for i in range(NODES - 1, -1, -1):
            running += masses[i]
            tails[i] = min(running, 1.0)
    else:
        _coarse_tails(masses, step, tails)
    ratios = np.zeros((WINDOWS, len(SIZES), NODES))
    for w in range(block, WINDOWS):
        for k in range(len(SIZES)):
            _log_ratios(counts, mean, size, excess[w, k, block], ratios[w, k])
    return counts, tails, ratios


@njit(cache=True, nogil=True)
def _coarse_tails(masses: Floats, step: float, tails: Floats) -> None:
    """P(Y >= count) from masses `step` apart: the log mass is taken as linear between nodes, geometric sums."""
    tails[NODES - 1] = masses[NODES - 1]
    for i in range(NODES - 2, -1, -1):
        low, high = masses[i], masses[i + 1]
        if low <= 0.0 or high <= 0.0:
            inside = low
        else:
            ratio = (high / low) ** (1.0 / step)
            inside = low * step if abs(ratio - 1.0) < 1e-9 else low * (1.0 - ratio**step) / (1.0 - ratio)
        tails[i] = tails[i + 1] + inside
    total = max(tails[0], 1e-300)
    for i in range(NODES):
        tails[i] = tails[i] / total


@njit(cache=True, nogil=True)
def _cells(tails: Floats, ratios: Floats) -> tuple[Floats, Floats]:
    """Cut a past block into cells of counts: probability (cell) and mean likelihood ratio (cell, term) of each.

    ratios: log ratios (term, node). The mean inside a cell keeps the evidence right on average: it is linear in them.
    """
    masses = np.zeros(CELLS)
    means = np.zeros((CELLS, ratios.shape[0]))
    left = 0
    used = 0
    for c in range(CELLS):
        right = left + 1
        while right < NODES and tails[right] > _CUTS[c + 1]:
            right += 1
        if left >= NODES or tails[left] <= 0.0:
            break
        for i in range(left, min(right, NODES)):
            here = tails[i] - (tails[i + 1] if i + 1 < NODES else 0.0)
            masses[used] += here
            for j in range(ratios.shape[0]):
                means[used, j] += here * math.exp(min(ratios[j, i], 300.0))
        if masses[used] > 0.0:
            means[used] /= masses[used]
            used += 1
        left = right
    return masses[:used], means[:used]


@njit(cache=True, nogil=True)
def _value(coefficients: Floats, ratios: Floats, node: int) -> float:
    value = 0.0
    for j in range(ratios.shape[0]):
        value += coefficients[j] * ratios[j, node]
    return value


@njit(cache=True, nogil=True)
def _chance(level: float, coefficients: Floats, masses: Floats, ratios: Floats, tails: Floats, fine: bool) -> float:
    """P(evidence >= level): for each past (coefficients: past, term) the chance of the count needed.

    ratios: likelihood ratios of this period (term, node). fine: the nodes are all counts; else the tail at the count
    needed is interpolated between nodes (both tail and evidence are near log-linear there).
    """
    total = 0.0
    for p in range(len(masses)):
        low, high = 0, NODES  # the smallest node that reaches the level
        while low < high:
            middle = (low + high) // 2
            if _value(coefficients[p], ratios, middle) >= level:
                high = middle
            else:
                low = middle + 1
        if low == NODES:
            continue
        tail = tails[low]
        if not fine and low > 0 and tail > 0.0:
            under = math.log(_value(coefficients[p], ratios, low - 1))
            over = math.log(_value(coefficients[p], ratios, low))
            share = (math.log(level) - under) / (over - under)
            tail = math.exp((1.0 - share) * math.log(tails[low - 1]) + share * math.log(tail))
        total += masses[p] * tail
    return total


@njit(cache=True, nogil=True)
def _judge(blocks: Floats, means: Floats, sizes: Floats, weights: Floats, alpha: float) -> tuple[float, float, float]:
    """(log evidence, p-value, largest count of this period without alarm) of one test."""
    excess = _excesses(means, sizes)
    terms = WINDOWS * len(SIZES)
    prior = np.empty(terms)
    for w in range(WINDOWS):
        for k in range(len(SIZES)):
            prior[w * len(SIZES) + k] = weights[w] / weights.sum() / len(SIZES)
    now_counts, now_tails, now = _table(means[0], sizes[0], 0, excess)
    _, one_tails, one = _table(means[1], sizes[1], 1, excess)
    _, two_tails, two = _table(means[2], sizes[2], 2, excess)
    # Log ratios are capped: beyond e^300 nothing is decided any more, and sums must stay finite.
    ratios = np.exp(np.minimum(now.reshape(terms, NODES), 300.0))
    mass1, mean1 = _cells(one_tails, one.reshape(terms, NODES))
    mass2, mean2 = _cells(two_tails, two.reshape(terms, NODES))
    coefficients = np.empty((len(mass1) * len(mass2), terms))
    masses = np.empty(len(mass1) * len(mass2))
    for a in range(len(mass1)):
        for b in range(len(mass2)):
            p = a * len(mass2) + b
            masses[p] = mass1[a] * mass2[b]
            for j in range(terms):
                coefficients[p, j] = prior[j] * mean1[a, j] * mean2[b, j]
    own = np.empty(terms)
    evidence = 0.0
    for w in range(WINDOWS):
        for k in range(len(SIZES)):
            past = _log_ratio(blocks[1], means[1], sizes[1], excess[w, k, 1]) if w >= 1 else 0.0
            if w >= 2:
                past += _log_ratio(blocks[2], means[2], sizes[2], excess[w, k, 2])
            j = w * len(SIZES) + k
            own[j] = prior[j] * math.exp(min(past, 300.0))
            here = _log_ratio(blocks[0], means[0], sizes[0], excess[w, k, 0])
            evidence += own[j] * math.exp(min(here, 300.0))
    fine = now_counts[1] == 1.0 and now_counts[0] == 0.0
    # A hair lower, so that the same counts always reach their own evidence despite rounding.
    chance = _chance(evidence * (1.0 - 1e-9), coefficients, masses, ratios, now_tails, fine)
    # The bound: the smallest node whose evidence, with the past as it was, is rare enough.
    low, high = 0, NODES
    rare, common = 0.0, 1.0
    while low < high:
        middle = (low + high) // 2
        level = _value(own, ratios, middle) * (1.0 - 1e-9)
        here = _chance(level, coefficients, masses, ratios, now_tails, fine)
        if here <= alpha:
            high, rare = middle, here
        else:
            low, common = middle + 1, here
    bound = now_counts[min(low, NODES - 1)] - 1.0
    if not fine and low > 0 and rare > 0.0:
        share = math.log(alpha / common) / math.log(rare / common)
        bound = math.floor(now_counts[low - 1] + share * (now_counts[1] - now_counts[0]))
    return math.log(max(evidence, 1e-300)), min(max(chance, 1e-16), 1.0), bound


@njit(cache=True, nogil=True, parallel=True)
def judge(blocks: Floats, means: Floats, sizes: Floats, weights: Floats, alpha: float) -> tuple[Floats, Floats, Floats]:
    """Log evidence, p-value and bound of many tests. blocks, means, sizes: (n_tests, 3), means > 0.

    weights (3,): prior weight of an outbreak one, two, three blocks old.
    """
    n = len(blocks)
    evidence, chance, bound = np.empty(n), np.empty(n), np.empty(n)
    for i in prange(n):
        evidence[i], chance[i], bound[i] = _judge(blocks[i], means[i], sizes[i], weights, alpha)
    return evidence, chance, bound
