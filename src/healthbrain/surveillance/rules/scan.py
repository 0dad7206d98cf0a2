"""Where and since when: space-time scans over nested zones and windows that end now.

Two questions. `scan_expected`: are there more cases here than this place's own past makes us expect? (expectation-based
scan: Neill 2009, Int J Forecast 25:498; for over-dispersed counts Tango et al. 2011, Stat Med 30:2207.)
`scan_permutation`: more than the place's and the day's totals explain, with nothing known but cases? (Kulldorff et al.
2005, PLoS Med 2:e59.) The largest score of each of `draws` histories without a cluster gives the p-value; a Gumbel
distribution fitted to them (Abrams et al. 2010, Int J Health Geogr 9:61) reaches beyond 1 / (draws + 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.zones import Zones

Floats = NDArray[np.float64]
EULER = 0.5772156649015329


@dataclass(frozen=True)
class Cluster:
    """sites: indices, the centre first. periods: length of the window that ends now. score: log likelihood ratio.

    pvalue: chance of a score as large anywhere, when nothing is there (Gumbel). recurrence: so many periods pass on
    average between such scores if the scan runs every period.
    """

    sites: tuple[int, ...]
    periods: int
    observed: float
    expected: float
    score: float
    pvalue: float

    @property
    def recurrence(self) -> float:
        return 1.0 / self.pvalue

    @property
    def ratio(self) -> float:
        return self.observed / self.expected if self.expected > 0 else float("inf")


def scan_expected(
    counts: Floats, means: Floats, sizes: Floats, zones: Zones, *, seed: int, draws: int = 199, top: int = 5
) -> tuple[Cluster, ...]:
    """Clusters, the strongest first, that share no site.

    counts, means, sizes: (n_sites, w), newest period last; negative binomial with variance m + m²/size (inf: Poisson).
    """
    counts, means, sizes = (np.asarray(a, np.float64) for a in (counts, means, sizes))
    if not counts.shape == means.shape == sizes.shape or (means < 0).any() or (sizes <= 0).any():
        raise Invalid("counts, means and sizes need one shape, means >= 0, sizes > 0.")
    base, variance = _nested(_windows(means), zones), _nested(_windows(means + means**2 / sizes), zones)
    scores = _expected_scores(_windows(counts), base, variance, zones.order)
    rng = np.random.default_rng(seed)
    finite = np.isfinite(sizes)
    shape = np.where(finite, sizes, 1.0)
    chance = np.where(finite, rng.gamma(shape, 1.0 / shape, (draws, *means.shape)), 1.0)
    drawn = _windows(rng.poisson(chance * means).astype(np.float64))
    return _clusters(scores, _windows(counts), base, zones, _expected_maxima(drawn, base, variance, zones.order), top)


def scan_permutation(
    counts: Floats, zones: Zones, *, longest: int, seed: int, draws: int = 199, top: int = 5
) -> tuple[Cluster, ...]:
    """counts (n_sites, n_periods): whole cases, newest period last; windows of 1 ... `longest` periods that end now."""
    whole = np.asarray(counts).astype(np.int64)
    if (whole != counts).any() or (whole < 0).any():
        raise Invalid("The permutation scan counts whole cases.")
    if not 1 <= longest < whole.shape[1]:
        raise Invalid(f"The longest window must be 1 ... {whole.shape[1] - 1} periods.")
    total = int(whole.sum())
    if total == 0:
        return ()
    recent = _windows(whole[:, -longest:].astype(np.float64))
    of_zone = _nested(whole.sum(1, keepdims=True).astype(np.float64), zones)[:, :, 0]
    of_window = _windows(whole.sum(0)[-longest:].astype(np.float64))
    base = of_zone[:, :, None] * of_window / total
    scores = _permutation_scores(recent, of_zone, of_window, zones.order, total)
    drawn = _windows(_permuted(whole, longest, draws, np.random.default_rng(seed)))
    maxima = _permutation_maxima(drawn, of_zone, of_window, zones.order, total)
    return _clusters(scores, recent, base, zones, maxima, top)


def _permuted(whole: NDArray[np.int64], longest: int, draws: int, rng: np.random.Generator) -> Floats:
    """Counts (draws, n_sites, longest) after the periods are dealt anew to all cases, places fixed."""
    n_sites, n_periods = whole.shape
    site = np.repeat(np.arange(n_sites), whole.sum(1))
    lag = np.repeat(np.arange(n_periods), whole.sum(0)) - (n_periods - longest)
    out = np.empty((draws, n_sites, longest))
    in_window = lag >= 0
    for draw in range(draws):
        # Whom the window's periods fall to: as many cases as it holds, drawn without replacement, in random order.
        chosen = rng.permutation(len(site))[: int(in_window.sum())]
        cell = site[chosen] * longest + lag[in_window]
        out[draw] = np.bincount(cell, minlength=n_sites * longest).reshape(n_sites, longest)
    return out


def _windows(values: Floats) -> Floats:
    """Sums over the windows that end with the last period: (..., w) → (..., w), window of 1 period first."""
    return np.ascontiguousarray(np.cumsum(values[..., ::-1], axis=-1, dtype=np.float64))


def _nested(values: Floats, zones: Zones) -> Floats:
    """Sums over zones: (n_sites, w) → (n_sites, k, w); NaN where a zone does not exist."""
    there = zones.order >= 0
    summed = np.cumsum(np.where(there[:, :, None], values[zones.order], 0.0), axis=1)
    return np.where(there[:, :, None], summed, np.nan)


def _clusters(
    scores: Floats, counts: Floats, base: Floats, zones: Zones, maxima: Floats, top: int
) -> tuple[Cluster, ...]:
    found: list[Cluster] = []
    observed = _nested(counts, zones)
    used: set[int] = set()
    candidates = np.flatnonzero(scores.ravel() > 0)
    for at in candidates[np.argsort(-scores.ravel()[candidates], kind="stable")]:
        if len(found) == top:
            break
        centre, last, window = (int(i) for i in np.unravel_index(at, scores.shape))
        sites = zones.sites(centre, last)
        if used.isdisjoint(sites):
            used.update(sites)
            score = float(scores[centre, last, window])
            seen, expected = float(observed[centre, last, window]), float(base[centre, last, window])
            found.append(Cluster(sites, window + 1, seen, expected, score, gumbel(score, maxima)))
    return tuple(found)


def gumbel(score: float, maxima: Floats) -> float:
    """P(largest score >= score) from a Gumbel distribution with the maxima's mean and standard deviation."""
    scale = float(maxima.std()) * np.sqrt(6.0) / np.pi
    if scale <= 0.0:
        return (1.0 + float((maxima >= score).sum())) / (1.0 + len(maxima))
    centre = float(maxima.mean()) - EULER * scale
    return max(float(-np.expm1(-np.exp(-(score - centre) / scale))), 1e-300)


@njit(cache=True, nogil=True)
def _expected_score(seen: float, base: float, variance: float) -> float:
    """Poisson log likelihood ratio of an excess, divided by the dispersion variance / base (quasi-likelihood)."""
    if not seen > base or base <= 0.0:
        return 0.0
    return float(base / variance * (seen * np.log(seen / base) - (seen - base)))


@njit(cache=True, nogil=True)
def _cell(seen: float, base: float) -> float:
    return float(seen * np.log(seen / base)) if seen > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _permutation_score(seen: float, of_zone: float, of_window: float, total: int) -> float:
    """Log likelihood ratio of the table zone or elsewhere × window or before, both margins fixed.

    Kulldorff 2005 takes (c/μ)^c ((C-c)/(C-μ))^(C-c), which is this where zone and window hold a small part of all
    cases. A weak rise over many places holds a large part: there the cells of the rest say much of what is to be said.
    """
    base = of_zone * of_window / total
    if not seen > base or base <= 0.0 or seen < 2.0:
        return 0.0
    rest = total - of_zone
    return (
        _cell(seen, base)
        + _cell(of_zone - seen, of_zone - base)
        + _cell(of_window - seen, of_window - base)
        + _cell(rest - (of_window - seen), rest - (of_window - base))
    )


@njit(cache=True, nogil=True)
def _expected_scores(counts: Floats, base: Floats, variance: Floats, order: NDArray[np.int64]) -> Floats:
    """counts (n_sites, w) of windows; base, variance (n_sites, k, w): scores (n_sites, k, w)."""
    out = np.zeros(base.shape)
    for centre in range(order.shape[0]):
        running = np.zeros(counts.shape[1])
        for j in range(order.shape[1]):
            if order[centre, j] < 0:
                break
            running += counts[order[centre, j]]
            for w in range(len(running)):
                out[centre, j, w] = _expected_score(running[w], base[centre, j, w], variance[centre, j, w])
    return out


@njit(cache=True, nogil=True)
def _permutation_scores(
    counts: Floats, of_zone: Floats, of_window: Floats, order: NDArray[np.int64], total: int
) -> Floats:
    """counts (n_sites, w) of windows; of_zone (n_sites, k), of_window (w,): cases of all periods, of all sites."""
    out = np.zeros((*of_zone.shape, len(of_window)))
    for centre in range(order.shape[0]):
        running = np.zeros(counts.shape[1])
        for j in range(order.shape[1]):
            if order[centre, j] < 0:
                break
            running += counts[order[centre, j]]
            for w in range(len(running)):
                out[centre, j, w] = _permutation_score(running[w], of_zone[centre, j], of_window[w], total)
    return out


@njit(cache=True, nogil=True, parallel=True)
def _expected_maxima(drawn: Floats, base: Floats, variance: Floats, order: NDArray[np.int64]) -> Floats:
    out = np.zeros(len(drawn))
    for draw in prange(len(drawn)):
        out[draw] = _expected_scores(drawn[draw], base, variance, order).max()
    return out


@njit(cache=True, nogil=True, parallel=True)
def _permutation_maxima(
    drawn: Floats, of_zone: Floats, of_window: Floats, order: NDArray[np.int64], total: int
) -> Floats:
    out = np.zeros(len(drawn))
    for draw in prange(len(drawn)):
        out[draw] = _permutation_scores(drawn[draw], of_zone, of_window, order, total).max()
    return out
