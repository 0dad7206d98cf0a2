"""Our own detector: what is usual (baseline), what the newest counts say against it (evidence), how rare that is.

One p-value per series and period, calibrated over the nested windows of 1, 2, 3 weeks or 1, 3, 7 days, so that the
chosen alpha is the false-alarm rate. Works from a few periods of history on (design: the ladder), on all-zero series,
on huge counts and on feeds with less variance than Poisson's.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.own import baseline
from healthbrain.surveillance.rules.own.design import Calendar, Design, build
from healthbrain.surveillance.rules.own.evidence import POISSON, judge
from healthbrain.surveillance.rules.series import Detection, Frequency, SeriesSet, tested

Floats = NDArray[np.float64]

# The last period of each window's block, counted back from now: weeks 1 | 1 | 1, days 1 | 2 | 4, months 1 | 1 | 1.
BLOCKS = {
    Frequency.WEEKLY: ((0, 1), (1, 2), (2, 3)),
    Frequency.DAILY: ((0, 1), (1, 3), (3, 7)),
    Frequency.MONTHLY: ((0, 1), (1, 2), (2, 3)),
}
# Chosen on the published designs (docs/surveillance.md): weekly false positives below 0.9 %, daily below 2.7 %.
ALPHA = {Frequency.WEEKLY: 0.0105, Frequency.DAILY: 0.015, Frequency.MONTHLY: 0.01}
# Prior weight of an outbreak that fills one, two or three blocks.
WEIGHTS = {
    Frequency.WEEKLY: np.array([2.0, 1.0, 0.2]),
    Frequency.DAILY: np.array([1.0, 1.0, 1.0]),
    Frequency.MONTHLY: np.array([2.0, 1.0, 0.2]),
}
LAGS = {Frequency.WEEKLY: (4, 5, 6, 7, 8), Frequency.DAILY: (14, 21, 28), Frequency.MONTHLY: (4, 5, 6)}
HALF_LIFE = {Frequency.WEEKLY: 6.0, Frequency.DAILY: 14.0, Frequency.MONTHLY: 3.0}
# Years of past that are used: the season and trend of long ago are no longer those of today.
MEMORY = {Frequency.WEEKLY: 10.0, Frequency.DAILY: 3.0, Frequency.MONTHLY: 12.0}
MINIMUM = {Frequency.WEEKLY: 7, Frequency.DAILY: 14, Frequency.MONTHLY: 6}
RENEW = 13  # tested periods after which the curvature of the regression and the drift are estimated anew
CHUNK = 256  # series fitted together: their matrices stay in the processor's cache


@dataclass(frozen=True)
class OwnSettings:
    """alpha: false-alarm rate per series and period (None: the frequency's default). min_cases: fewer in the longest
    window never alarm. calendar: holidays and make-up workdays of daily series. follow: follow slow drift of the level.
    """

    alpha: float | None = None
    min_cases: float = 1.0
    calendar: Calendar = field(default_factory=Calendar)
    follow: bool = True

    def __post_init__(self) -> None:
        if not (self.alpha is None or 0 < self.alpha < 1) or not self.min_cases >= 0:
            raise Invalid("own: min_cases >= 0 and 0 < alpha < 1 are needed.")


@dataclass(frozen=True)
class Blocks:
    """Per series and tested period the three blocks, newest first: (n_series, n_tested, 3).

    counts: seen, means: expected, sizes: of the negative binomial (variance m + m²/size), in units of `scale`
    (n_series, n_tested): below 1 where a feed has less variance than Poisson's. expected: of the newest period.
    """

    counts: Floats
    means: Floats
    sizes: Floats
    scale: Floats
    expected: Floats


def detect_own(series: SeriesSet, *, from_index: int, settings: OwnSettings | None = None) -> Detection:
    """Test periods from_index ... last; each test sees the counts up to its own period only."""
    settings = settings or OwnSettings()
    periods = tested(series, from_index, MINIMUM[series.frequency], "own")
    alpha = ALPHA[series.frequency] if settings.alpha is None else settings.alpha
    blocks = expect(series, from_index=from_index, settings=settings)
    _, chance, bound = (
        part.reshape(blocks.scale.shape)
        for part in judge(
            _flat(blocks.counts), _flat(blocks.means), _flat(blocks.sizes), WEIGHTS[series.frequency], alpha
        )
    )
    observed = series.counts[:, from_index:]
    window = BLOCKS[series.frequency][-1][1]
    recent = series.cumulative[:, from_index + 1 :] - series.cumulative[:, from_index + 1 - window : -window]
    alarm = (chance <= alpha) & (observed > 0) & (recent >= settings.min_cases)
    bound = np.floor(bound * blocks.scale + 1e-9)
    # Between tabulated counts the bound is interpolated; the p-value decides.
    bound = np.where(alarm, np.minimum(bound, np.ceil(observed) - 1), np.maximum(bound, observed))
    return Detection("own", periods, observed, blocks.expected, bound, alarm, chance)


def _flat(blocks: Floats) -> Floats:
    return np.ascontiguousarray(blocks.reshape(-1, 3))


def expect(series: SeriesSet, *, from_index: int, settings: OwnSettings) -> Blocks:
    """Counts and their null distribution in the blocks of every tested period, from the past before the blocks."""
    design = build(series, from_index, settings.calendar)
    offset = _offset(series)
    slices = [slice(i, min(i + CHUNK, series.n_series)) for i in range(0, series.n_series, CHUNK)]

    def part(rows: slice) -> Blocks:
        own = offset if len(offset) == 1 else offset[rows]
        return _expect(series.counts[rows], design, own, series.frequency, from_index, settings.follow)

    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, len(slices))) as pool:
        parts = list(pool.map(part, slices))
    names = ("counts", "means", "sizes", "scale", "expected")
    return Blocks(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def _offset(series: SeriesSet) -> Floats:
    """Log of what is known about the expectation: given expected counts, or the population at risk."""
    known = series.expected if series.expected is not None else series.population
    return np.zeros((1, series.n_periods)) if known is None else np.log(np.maximum(known, 1e-9))


def _expect(
    counts: Floats, design: Design, offset: Floats, frequency: Frequency, from_index: int, follow: bool
) -> Blocks:
    window = BLOCKS[frequency][-1][1]
    n_series, n = counts.shape
    out = [np.empty((n_series, n - from_index, 3)) for _ in range(3)]
    scale, expected = np.empty((n_series, n - from_index)), np.empty((n_series, n - from_index))
    fitted: baseline.Fit | None = None
    variance, narrower = np.zeros(n_series), np.ones(n_series)
    for column, now in enumerate(range(from_index, n)):
        stop = now + 1 - window
        used = slice(max(0, stop - int(MEMORY[frequency] * frequency)), stop)
        past = counts[:, used]
        fresh = column % RENEW == 0
        fitted = baseline.fit(past, design.rows[used], offset[:, used], design.ridge, start=fitted, fresh=fresh)
        rows = design.rows[stop : now + 1][::-1]
        means = np.exp(np.clip(fitted.beta @ rows.T + offset[:, stop : now + 1][:, ::-1], -25.0, 25.0))
        doubt = baseline.spread(fitted, rows)
        dispersion = fitted.dispersion
        if follow and stop > 4 * LAGS[frequency][-1]:
            half_life = HALF_LIFE[frequency]
            if fresh:
                variance = baseline.drift(past, fitted, LAGS[frequency])
                around = baseline.settled(past, fitted.means, dispersion, variance, half_life, window)
                narrower = around / dispersion
            newest = slice(-5 * int(half_life), None)
            factor, more = baseline.level(past[:, newest], fitted.means[:, newest], dispersion, variance, half_life)
            means, doubt, dispersion = means * factor[:, None], doubt + more[:, None], dispersion * narrower
        seen = counts[:, stop : now + 1][:, ::-1]
        scale[:, column] = np.minimum(dispersion, 1.0)
        expected[:, column] = means[:, 0]
        for b, (first, last) in enumerate(BLOCKS[frequency]):
            unit = scale[:, column]
            mean = np.maximum(means[:, first:last].sum(1), 1e-6)
            variance_here = dispersion * mean + mean * mean * doubt[:, first:last].mean(1)
            mean, variance_here = mean / unit, variance_here / unit**2
            out[0][:, column, b] = seen[:, first:last].sum(1) / unit
            out[1][:, column, b] = mean
            out[2][:, column, b] = np.minimum(mean * mean / np.maximum(variance_here - mean, 1e-9 * mean), POISSON)
    return Blocks(out[0], out[1], out[2], scale, expected)


__all__ = ["Blocks", "Calendar", "OwnSettings", "detect_own", "expect"]
