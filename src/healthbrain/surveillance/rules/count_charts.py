"""Negative binomial charts for counts with a changing mean: CUSUM for a known rise, GLR for an unknown one.

Höhle & Paul (2008), Comput Stat Data Anal 52:4357. Counts are negative binomial with mean m(t) and variance
m + a m^2 (a = 0: Poisson); an outbreak multiplies the mean by exp(kappa). CUSUM: kappa is given, eq. 5. GLR: kappa >= 0
and its start are estimated, eq. 8. An alarm resets the chart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.glm import Design, fit
from healthbrain.surveillance.rules.series import Bools, Detection, Floats, SeriesSet, tested

NEWTON_STEPS = 30
LARGEST_KAPPA = 20.0  # a rise of half a billion: only there to keep exp() finite


@dataclass(frozen=True)
class ChartSettings:
    """limit: alarm when the statistic reaches it (R: c.ARL). kappa: log of the rise to find; None = GLR.

    dispersion: a; None = estimated from the history of each series. window: GLR looks back so many periods at most.
    The mean is `expected` of the series, else the history's mean with one yearly wave.
    """

    limit: float = 5.0
    kappa: float | None = None
    dispersion: float | None = None
    window: int = 52

    def __post_init__(self) -> None:
        if self.limit <= 0 or self.window < 1 or (self.kappa is not None and self.kappa <= 0):
            raise Invalid("Count charts: limit > 0, kappa > 0 and window >= 1 are needed.")
        if self.dispersion is not None and self.dispersion < 0:
            raise Invalid("Count charts: dispersion >= 0 is needed.")


def count_chart(series: SeriesSet, *, from_index: int, settings: ChartSettings) -> Detection:
    name = "GLR" if settings.kappa is None else "NB-CUSUM"
    needs = 0 if series.expected is not None and settings.dispersion is not None else int(series.frequency)
    periods = tested(series, from_index, needs, name)
    observed = series.counts[:, periods]
    mean, spread = _model(series, from_index, settings)
    run = _glr if settings.kappa is None else _cusum
    bound, alarm = run(observed, np.maximum(mean[:, from_index:], 1e-9), spread, settings)
    return Detection(name, periods, observed, mean[:, from_index:], bound, alarm, np.full(observed.shape, np.nan))


def _model(series: SeriesSet, from_index: int, settings: ChartSettings) -> tuple[Floats, Floats]:
    """Expected counts (n_series, n_periods) and dispersion a (n_series,), from the history only."""
    mean = series.expected if series.expected is not None else _yearly_wave(series, from_index)
    if settings.dispersion is not None:
        return mean, np.full(series.n_series, settings.dispersion)
    past, expected = series.counts[:, :from_index], np.maximum(mean[:, :from_index], 1e-9)
    excess = ((past - expected) ** 2 - expected).sum(1)
    return mean, np.maximum(excess / (expected**2).sum(1), 0.0)


def _yearly_wave(series: SeriesSet, from_index: int) -> Floats:
    """Mean of the history, times the smoothed share of each time of the year once there are two whole years."""
    year = int(series.frequency)
    level = series.counts[:, :from_index].mean(1, keepdims=True)
    if from_index < 2 * year:
        return np.broadcast_to(level, series.counts.shape).copy()
    t = np.arange(series.n_periods)
    return _poisson_wave(series.counts, from_index, 2.0 * np.pi * t / year)


def _poisson_wave(counts: Floats, from_index: int, angle: Floats) -> Floats:
    """Poisson regression on one wave a year by Newton's method, every series at once."""
    design = np.column_stack([np.ones_like(angle), np.sin(angle), np.cos(angle)])
    past, y = design[:from_index], counts[:, :from_index]
    start = fit(Design(np.zeros(from_index, dtype=np.intp), np.zeros(from_index), 0), y, trend=False)
    beta = np.zeros((len(y), 3))
    beta[:, 0] = start.level[:, 0]
    for _ in range(NEWTON_STEPS):
        mean = np.exp(np.clip(beta @ past.T, -30, 30))
        information = np.einsum("bn,ni,nj->bij", mean, past, past) + 1e-9 * np.eye(3)
        step = np.linalg.solve(information, ((y - mean) @ past)[:, :, None])[:, :, 0]
        beta += np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    return np.exp(np.clip(beta @ design.T, -30, 30))


def log_ratio(count: Floats | float, mean: Floats, spread: Floats, kappa: Floats | float) -> Floats:
    """Log likelihood ratio of mean x exp(kappa) against mean, arrays broadcast."""
    rise = np.exp(kappa)
    over = spread > 0
    a = np.where(over, spread, 1.0)
    negative_binomial = count * kappa - (count + 1.0 / a) * np.log((1.0 + a * mean * rise) / (1.0 + a * mean))
    return np.where(over, negative_binomial, count * kappa - mean * (rise - 1.0))


def _cusum(observed: Floats, mean: Floats, spread: Floats, settings: ChartSettings) -> tuple[Floats, Bools]:
    assert settings.kappa is not None  # noqa: S101
    kappa = settings.kappa
    bound, alarm = np.empty(observed.shape), np.zeros(observed.shape, dtype=bool)
    total = np.zeros(len(observed))
    for column in range(observed.shape[1]):
        at = mean[:, column]
        nothing = log_ratio(0.0, at, spread, kappa)
        per_case = log_ratio(1.0, at, spread, kappa) - nothing
        bound[:, column] = np.maximum((settings.limit - total - nothing) / per_case, 0.0)
        total = np.maximum(0.0, total + nothing + per_case * observed[:, column])
        alarm[:, column] = total >= settings.limit
        total = np.where(alarm[:, column], 0.0, total)
    return bound, alarm


def _glr(observed: Floats, mean: Floats, spread: Floats, settings: ChartSettings) -> tuple[Floats, Bools]:
    """At each period the best start among the last `window` periods since the last alarm."""
    n, columns = observed.shape
    bound, alarm = np.empty(observed.shape), np.zeros(observed.shape, dtype=bool)
    since = np.zeros(n, dtype=np.intp)
    for column in range(columns):
        first = max(0, column - settings.window + 1)
        y, m = observed[:, first : column + 1].copy(), mean[:, first : column + 1]
        inside = np.arange(first, column + 1)[None, :] >= since[:, None]
        alarm[:, column] = _glr_value(y, m, spread, inside) >= settings.limit
        bound[:, column] = _glr_needed(y, m, spread, inside, settings.limit)
        since = np.where(alarm[:, column], column + 1, since)
    return bound, alarm


def _glr_needed(y: Floats, mean: Floats, spread: Floats, inside: Bools, limit: float) -> Floats:
    """Smallest last count that raises the alarm (B,), by doubling and bisection; the rest of y is kept."""
    low, high = np.full(len(y), -1.0), np.ceil(2.0 * mean[:, -1] + 4.0)
    trial = y.copy()

    def rings(last: Floats) -> Bools:
        trial[:, -1] = last
        return _glr_value(trial, mean, spread, inside) >= limit

    while (short := ~rings(high)).any():
        low, high = np.where(short, high, low), np.where(short, 2.0 * high, high)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        reached = rings(middle) | (middle == low)
        high, low = np.where(reached & (middle > low), middle, high), np.where(reached, low, middle)
    return high


def _glr_value(y: Floats, mean: Floats, spread: Floats, inside: Bools) -> Floats:
    """Largest log likelihood ratio over start and rise (B,). y, mean, inside: (B, window), the last column is now."""
    a = spread[:, None]
    total_y = np.cumsum(np.where(inside, y, 0.0)[:, ::-1], axis=1)[:, ::-1]
    total_m = np.cumsum(np.where(inside, mean, 0.0)[:, ::-1], axis=1)[:, ::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.clip(np.log(total_y / total_m), 0.0, LARGEST_KAPPA)
    poisson = total_y * kappa - total_m * np.expm1(kappa)
    if not (spread > 0).any():
        return np.where(inside, poisson, -np.inf).max(1)
    return np.where(inside, np.where(a > 0, _negative_binomial(y, mean, a, inside, kappa), poisson), -np.inf).max(1)


def _negative_binomial(y: Floats, mean: Floats, a: Floats, inside: Bools, kappa: Floats) -> Floats:
    """The ratio for each start, kappa >= 0 at its best by Newton's method on the concave log likelihood."""
    known = inside[:, None, :] & (np.arange(y.shape[1])[None, None, :] >= np.arange(y.shape[1])[None, :, None])
    counts, means = y[:, None, :], mean[:, None, :]
    spread = np.broadcast_to(a, (*y.shape[:1], 1))[:, :, None]
    for _ in range(NEWTON_STEPS):
        risen = means * np.exp(kappa)[:, :, None]
        score = np.where(known, (counts - risen) / (1.0 + spread * risen), 0.0).sum(2)
        bend = np.where(known, risen * (1.0 + spread * counts) / (1.0 + spread * risen) ** 2, 0.0).sum(2)
        step = np.clip(score / np.maximum(bend, 1e-12), -2.0, 2.0)
        new = np.clip(kappa + step, 0.0, LARGEST_KAPPA)
        moved = float(np.abs(new - kappa).max())
        kappa = new
        if moved < 1e-10:
            break
    return np.where(known, log_ratio(counts, means, spread, kappa[:, :, None]), 0.0).sum(2)
