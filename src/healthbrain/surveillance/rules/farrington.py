"""Farrington's detector and its improvement: a quasi-Poisson regression on comparable periods of past years.

Sources: Farrington et al. (1996), J R Statist Soc A 159:547 (the classic form); Noufaily et al. (2013), Stat Med
32:1206 (seasonal levels, weights only above 2.58, negative binomial quantile); Salmon, Schumacher & Höhle (2016),
J Stat Softw 70(10) (the options delta, nbPlugin, muan).

Two dispersions. `r_compatible=True` gives the numbers of R `surveillance` 1.20.3, whose flexible form uses
sum w((y - m)/m)^2/(n - p) inside the standard error and the trend's p-value; `False` uses Pearson's
sum w(y - m)^2/m/(n - p) there, as the papers do. Negative binomial bounds differ only through the trend's p-value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.glm import Fit, fit
from healthbrain.surveillance.rules.quantiles import nb_quantile, nb_upper_tail
from healthbrain.surveillance.rules.reference import Reference, oldest, references
from healthbrain.surveillance.rules.series import Bools, Detection, Floats, SeriesSet, TooLittleHistory, tested

CHUNK = 100_000  # reference counts fitted together: larger leaves the processor's cache, smaller pays Python's overhead

Power = Literal["2/3", "1/2", "none"]
Threshold = Literal["delta", "nbPlugin", "muan"]


@dataclass(frozen=True)
class FarringtonSettings:
    """Names as in the papers; the defaults are those of R's `farringtonFlexible`.

    b: years back. w: half window. weights_threshold: Anscombe residual above which a reference count loses weight.
    alpha: one-sided (classic: two-sided). levels: seasonal levels. skip: last periods left out, None = w.
    limit_cases, limit_periods: fewer cases in the last periods (this one included) and nothing is said.
    calendar: reference periods by date instead of by number; None = when the series has dates.
    """

    b: int = 5
    w: int = 3
    reweight: bool = True
    weights_threshold: float = 2.58
    alpha: float = 0.05
    trend: bool = True
    p_threshold_trend: float = 0.05
    limit_cases: int = 5
    limit_periods: int = 4
    power: Power = "2/3"
    threshold: Threshold = "delta"
    levels: int = 1
    skip: int | None = None
    population_offset: bool = False
    calendar: bool | None = None
    r_compatible: bool = False

    def __post_init__(self) -> None:
        if self.b < 1 or self.w < 0 or self.levels < 1 or self.limit_periods < 1 or not 0 < self.alpha < 1:
            raise Invalid("Farrington: b >= 1, w >= 0, levels >= 1, limit_periods >= 1 and 0 < alpha < 1 are needed.")
        if self.skip is not None and self.skip < 0:
            raise Invalid(f"Farrington: skip must be 0 or more, not {self.skip}.")

    def by_calendar(self, series: SeriesSet) -> bool:
        return series.starts is not None if self.calendar is None else self.calendar

    @property
    def normal_quantile(self) -> float:
        return float(ndtri(1.0 - self.alpha))

    def error_dispersion(self, y: Floats, model: Fit, prior: Floats | None, pearson: Floats) -> Floats:
        """Dispersion (B,) behind the standard error of the mean."""
        if prior is None or not self.r_compatible:
            return pearson
        residual = (y - model.mean) / model.mean  # R 1.20.3: prior weights stand where working weights belong
        return np.einsum("bn,bn,bn->b", prior, residual, residual) / model.freedom

    def trend_dispersion(self, error_phi: Floats, pearson: Floats) -> Floats:
        """Dispersion (B,) behind the trend's p-value."""
        return error_phi


@dataclass(frozen=True)
class ClassicSettings(FarringtonSettings):
    """R's `farrington()`: two-sided alpha, weight lost above 1, dispersion never below 1; only `delta`, one level."""

    weights_threshold: float = 1.0
    r_compatible: bool = True

    @property
    def normal_quantile(self) -> float:
        return float(ndtri(1.0 - self.alpha / 2))

    def error_dispersion(self, y: Floats, model: Fit, prior: Floats | None, pearson: Floats) -> Floats:
        return np.maximum(pearson, 1.0)

    def trend_dispersion(self, error_phi: Floats, pearson: Floats) -> Floats:
        return pearson


@dataclass(frozen=True, eq=False)
class _Now:
    """What the final model says about now, per problem (B,); variance is that of the log mean for dispersion 1."""

    mean: Floats
    variance: Floats
    phi: Floats
    error_phi: Floats
    trend: Bools


def farrington_flexible(series: SeriesSet, *, from_index: int, settings: FarringtonSettings) -> Detection:
    """The improved Farrington detector for every series and tested period."""
    periods = tested(series, from_index, history(series, settings), "Farrington")
    shape = (series.n_series, len(periods))
    expected, bound, pvalue = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    for group in groups(series, periods, settings):
        now = _now(group.y, group, settings)
        limit, p = _judge(group.observed, now, settings)
        group.put(expected, now.mean)
        group.put(bound, limit)
        group.put(pvalue, p)
    observed = series.counts[:, periods]
    bound[~enough_cases(series, periods, settings)] = np.nan
    return Detection("farrington_flexible", periods, observed, expected, bound, above(observed, bound), pvalue)


def farrington_classic(series: SeriesSet, *, from_index: int, settings: ClassicSettings) -> Detection:
    """The original detector. As in R the bound is 0, not NaN, where there were too few recent cases to speak."""
    found = farrington_flexible(series, from_index=from_index, settings=settings)
    return replace(found, method="farrington", bound=np.nan_to_num(found.bound, nan=0.0))


def history(series: SeriesSet, settings: FarringtonSettings) -> int:
    """Periods of history needed before the first tested one."""
    _check_windows(int(series.frequency), settings)
    first = oldest(series, b=settings.b, w=settings.w, calendar=settings.by_calendar(series))
    if first == series.n_periods:
        needs = settings.b * int(series.frequency) + settings.w
        raise TooLittleHistory(
            f"Farrington with b={settings.b} years and w={settings.w} needs about {needs} periods of history before "
            f"the first tested one; the series has {series.n_periods} periods in all.",
            hint="Use fewer years (--b) or a method for short histories (ears_c1).",
        )
    return max(first, settings.limit_periods - 1)


def _check_windows(year: int, settings: FarringtonSettings) -> None:
    """Windows of neighbouring years must not overlap, and the oldest must not be skipped."""
    if 2 * settings.w + 1 > year:
        raise Invalid(f"Farrington: windows of w={settings.w} overlap in a year of {year} periods; use a smaller --w.")
    past = settings.b * year - settings.w
    if settings.skip is not None and settings.skip >= past:
        raise Invalid(
            f"Farrington: skip={settings.skip} leaves nothing of b={settings.b} years; it must be below {past}."
        )


def enough_cases(series: SeriesSet, periods: NDArray[np.intp], settings: FarringtonSettings) -> Bools:
    """Where the last `limit_periods` periods, the tested one included, have at least `limit_cases` cases."""
    sums = series.cumulative
    return sums[:, periods + 1] - sums[:, periods + 1 - settings.limit_periods] >= settings.limit_cases


def above(observed: Floats, bound: Floats) -> Bools:
    with np.errstate(invalid="ignore"):
        return (observed > bound) & (observed > 0)


@dataclass(frozen=True, eq=False)
class Group:
    """Problems (series x period) of one design that are fitted together, B of them with n reference rows."""

    reference: Reference
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    y: Floats
    observed: Floats
    offset: Floats | None
    offset_now: Floats | None

    def put(self, target: Floats, values: Floats) -> None:
        target[self.rows, self.columns] = values


def groups(series: SeriesSet, periods: NDArray[np.intp], settings: FarringtonSettings) -> Iterator[Group]:
    """All problems, cut into groups that fit the processor's cache."""
    skip = settings.w if settings.skip is None else settings.skip
    if settings.population_offset and series.population is None:
        raise Invalid("population_offset needs a population column.")
    log_population = np.log(series.population) if settings.population_offset and series.population is not None else None
    for reference in references(
        series,
        periods,
        b=settings.b,
        w=settings.w,
        levels=settings.levels,
        skip=skip,
        calendar=settings.by_calendar(series),
    ):
        size = max(1, CHUNK // max(1, len(reference.offsets)))
        row, column = np.divmod(np.arange(series.n_series * len(reference.periods)), len(reference.periods))
        for start in range(0, len(row), size):
            rows, at = row[start : start + size], reference.periods[column[start : start + size]]
            past = at[:, None] + reference.offsets
            yield Group(
                reference,
                rows,
                at - periods[0],
                series.counts[rows[:, None], past],
                series.counts[rows, at],
                None if log_population is None else log_population[rows[:, None], past],
                None if log_population is None else log_population[rows, at],
            )


def _now(y: Floats, group: Group, settings: FarringtonSettings) -> _Now:
    """Fit with trend where allowed, drop it where it must go, and say what is expected now."""
    if not settings.trend:
        return _predict(y, group, None, settings)
    with_trend = _predict(y, group, np.arange(len(y)), settings)
    plain = np.flatnonzero(~with_trend.trend)
    if not len(plain):
        return with_trend
    without = _predict(y[plain], group, None, settings, plain)
    for part in ("mean", "variance", "phi", "error_phi"):
        getattr(with_trend, part)[plain] = getattr(without, part)
    return with_trend


def _predict(
    y: Floats,
    group: Group,
    keep: NDArray[np.intp] | None,
    settings: FarringtonSettings,
    rows: NDArray[np.intp] | None = None,
) -> _Now:
    """One model for all: fit, weights against past outbreaks, refit. `keep` given: with trend, and judge the trend."""
    trend = keep is not None
    offset = group.offset if group.offset is None or rows is None else group.offset[rows]
    offset_now = group.offset_now if group.offset_now is None or rows is None else group.offset_now[rows]
    model = fit(group.reference.design, y, trend=trend, offset=offset)
    converged, prior = model.converged, None
    if settings.reweight:
        phi = np.maximum(model.pearson(y), 1.0)
        prior = outbreak_weights(y, model, phi, settings.weights_threshold)
        model = fit(group.reference.design, y, trend=trend, prior=prior, offset=offset)
        converged = converged & model.converged
    pearson = model.pearson(y)
    eta, variance = model.now()
    with np.errstate(over="ignore"):  # a steep trend may run to infinity here; it is dropped just below
        mean = np.exp(eta if offset_now is None else eta + offset_now)
    error_phi = settings.error_dispersion(y, model, prior, pearson)
    kept = np.zeros(len(y), dtype=bool)
    if trend:
        significant = model.trend_pvalue(settings.trend_dispersion(error_phi, pearson)) < settings.p_threshold_trend
        kept = converged & significant & (mean <= y.max(1)) & (settings.b >= 3)
    return _Now(mean, variance, np.maximum(pearson, 1.0), error_phi, kept)


def outbreak_weights(y: Floats, model: Fit, phi: Floats, threshold: float) -> Floats:
    """Weights (B, n) that let past outbreaks count less: Farrington et al. (1996), section 3.6; they sum to n."""
    root = np.sqrt(model.mean)
    residual = 1.5 * (np.cbrt(y) ** 2 / np.cbrt(root) - root)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual /= np.sqrt(phi[:, None] * (1.0 - model.hat()))
        weights = np.where(residual > threshold, 1.0 / (residual * residual), 1.0)
    return weights * (y.shape[1] / weights.sum(1, keepdims=True))


def _judge(observed: Floats, now: _Now, settings: FarringtonSettings) -> tuple[Floats, Floats]:
    """Upper bound and p-value (B,) by the chosen threshold method."""
    z = settings.normal_quantile
    if settings.threshold == "delta":
        tau = now.phi + now.variance * now.error_phi * now.mean
        return delta_bound(now.mean, tau, z, settings.power), delta_pvalue(observed, now.mean, tau, settings.power)
    mean = now.mean
    if settings.threshold == "muan":
        with np.errstate(over="ignore"):  # an all-zero level has no upper limit: no bound
            mean = np.exp(np.log(now.mean) + z * np.sqrt(now.variance * now.error_phi))
    return nb_quantile(1.0 - settings.alpha, mean, now.phi), nb_upper_tail(observed, mean, now.phi)


def delta_bound(mean: Floats, tau: Floats, z: float, power: Power) -> Floats:
    """Farrington et al. (1996), section 3.7: a normal quantile on the scale of the power transformation."""
    if power == "2/3":
        return np.maximum(np.cbrt(mean) ** 2 + z * np.sqrt(4 / 9 * np.cbrt(mean) * tau), 0.0) ** 1.5
    if power == "1/2":
        return np.maximum(np.sqrt(mean) + z * np.sqrt(tau / 4), 0.0) ** 2
    return mean + z * np.sqrt(mean * tau)


def delta_pvalue(observed: Floats, mean: Floats, tau: Floats, power: Power) -> Floats:
    """One-sided p-value that is below alpha exactly where the count is above the bound."""
    if power == "2/3":
        distance = (np.cbrt(observed) ** 2 - np.cbrt(mean) ** 2) / np.sqrt(4 / 9 * np.cbrt(mean) * tau)
    elif power == "1/2":
        distance = (np.sqrt(observed) - np.sqrt(mean)) / np.sqrt(tau / 4)
    else:
        distance = (observed - mean) / np.sqrt(mean * tau)
    return ndtr(-distance)
