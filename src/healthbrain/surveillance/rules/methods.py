"""All detectors by name, each with typed settings that can be given as text: what `healthbrain detect` offers.

The names of R `surveillance` (flex_default, flex_noufaily, flex_farrington, flex_rki, classic, ears_c1 to ears_c3,
bayes1 to bayes3, rki1 to rki3, cdc, cusum) give R's numbers, known defects included; the setting `r_compatible=no` and
the name ears_c3_published are the corrected forms.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules import farrington, ladder
from healthbrain.surveillance.rules.bayes import BayesSettings, bayes
from healthbrain.surveillance.rules.cdc import BLOCK, CdcSettings, cdc
from healthbrain.surveillance.rules.count_charts import ChartSettings, count_chart
from healthbrain.surveillance.rules.cusum import CusumSettings, cusum
from healthbrain.surveillance.rules.ears import GUARD, EarsSettings, ears
from healthbrain.surveillance.rules.essence import EssenceSettings, essence
from healthbrain.surveillance.rules.farrington import ClassicSettings, FarringtonSettings
from healthbrain.surveillance.rules.fixed import FixedSettings, fixed
from healthbrain.surveillance.rules.percentile import (
    HistoricalSettings,
    PercentileSettings,
    historical_mean,
    moving_percentile,
)
from healthbrain.surveillance.rules.rki import RkiSettings, rki
from healthbrain.surveillance.rules.series import Detection, SeriesSet, tested

KINDS = {bool: "yes or no", int: "a whole number", float: "a number"}
YES, NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
# Names of R's control lists, so that a call can be carried over word by word.
R_NAMES = {
    "weightsThreshold": "weights_threshold",
    "pThresholdTrend": "p_threshold_trend",
    "noPeriods": "levels",
    "pastWeeksNotIncluded": "skip",
    "thresholdMethod": "threshold",
    "powertrans": "power",
    "populationOffset": "population_offset",
    "minSigma": "min_sigma",
    "actY": "this_year",
    "trans": "transformation",
    "c.ARL": "limit",
    "theta": "kappa",
    "epochAsDate": "calendar",
}
# R's functions without a number, by the settings they have there.
R_FUNCTIONS = {"bayes": "bayes1", "rki": "rki3"}


@dataclass(frozen=True)
class Method:
    """A detector with its settings. history: how much past it needs, in words; needs: the same in periods."""

    name: str
    text: str
    history: str
    run: Callable[..., Detection]
    settings: Any
    needs: Callable[[SeriesSet, Any], int]

    def detect(self, series: SeriesSet, *, from_index: int | None = None) -> Detection:
        """from_index None: the first period that has enough history."""
        start = self.needs(series, self.settings) if from_index is None else from_index
        if from_index is None:
            start = min(start, series.n_periods - 1)  # too short: let the detector say what is missing
        return self.run(series, from_index=start, settings=self.settings)

    def said(self) -> dict[str, Any]:
        """The settings that can be given as text, with their values (own's table of holidays cannot)."""
        values = {field.name: getattr(self.settings, field.name) for field in fields(self.settings)}
        return {name: value for name, value in values.items() if not is_dataclass(value)}

    def with_text(self, given: Mapping[str, str]) -> Method:
        """The same method with settings given as text, by our names or R's."""
        hints = get_type_hints(type(self.settings))
        known = {name: hints[name] for name in self.said()}
        values: dict[str, Any] = {}
        for key, text in given.items():
            if key == "limit54" and "limit_cases" in known:
                values["limit_cases"], values["limit_periods"] = _pair(text)
                continue
            name = R_NAMES.get(key, key)
            if name not in known:
                has = f"It has: {', '.join(known)}." if known else "It has none."
                raise Invalid(f"{self.name} has no setting {key}.", hint=has)
            values[name] = _read(key, text, known[name])
        return replace(self, settings=replace(self.settings, **values))


def method(name: str) -> Method:
    """By name; an unknown one names its nearest neighbours."""
    name = R_FUNCTIONS.get(name, name)
    if name == "own" and (own := _own()):
        return own[0]
    known = _without_own()
    if name not in known:
        near = difflib.get_close_matches(name, ["own", *known], n=3, cutoff=0.4)
        hint = f"Did you mean {', '.join(near)}?" if near else "See `healthbrain detect --list`."
        raise Invalid(f"Unknown method {name}.", hint=hint)
    return known[name]


def methods() -> dict[str, Method]:
    """All of them, ours first."""
    return {**{item.name: item for item in _own()}, **_without_own()}


@cache
def _without_own() -> dict[str, Method]:
    found = [*_farrington(), *_ears(), *_comparable(), *_charts(), *_others()]
    return {item.name: item for item in found}


def _farrington() -> list[Method]:
    r = FarringtonSettings(r_compatible=True)
    improved = replace(r, p_threshold_trend=1.0, levels=10, skip=26)
    texts = (
        ("flex_default", "improved Farrington, R's defaults: delta, one level, alpha 0.05", r),
        (
            "flex_noufaily",
            "improved Farrington as in Noufaily 2013: ten levels, negative binomial quantile, alpha 0.01",
            replace(improved, threshold="nbPlugin", alpha=0.01),
        ),
        (
            "flex_farrington",
            "1996 settings in the flexible form: weight lost above 1, alpha 0.01",
            replace(r, weights_threshold=1.0, alpha=0.01),
        ),
        ("flex_rki", "settings of RKI's signal tool: ten levels, delta, alpha 0.1", replace(improved, alpha=0.1)),
        (
            "flex_muan",
            "improved Farrington with a quantile of the mean: muan, alpha 0.01",
            replace(improved, threshold="muan", alpha=0.01),
        ),
    )
    found = [
        Method(name, text, "5 years + 3 periods", farrington.farrington_flexible, settings, farrington.history)
        for name, text, settings in texts
    ]
    classic = ClassicSettings(alpha=0.01)
    text = "original Farrington 1996, R's farrington(), alpha 0.01 two-sided"
    history = "5 years + 3 periods"
    return [*found, Method("classic", text, history, farrington.farrington_classic, classic, farrington.history)]


def _ears() -> list[Method]:
    def needs(series: SeriesSet, settings: EarsSettings) -> int:
        gap = 0 if settings.method == "C1" else GUARD
        return settings.baseline + gap + (2 if settings.method.startswith("C3") else 0)

    installed = EarsSettings("C3_as_installed", alpha=0.025)
    defect = "as installed in R 1.20.3, which ignores the current count: use ears_c3_published"
    return [
        Method("ears_c1", "EARS C1: mean and SD of the last 7 periods", "7 periods", ears, EarsSettings(), needs),
        Method("ears_c2", "EARS C2: the same with 2 periods left out", "9 periods", ears, EarsSettings("C2"), needs),
        Method("ears_c3", f"EARS C3 {defect}", "11 periods", ears, installed, needs),
        Method("ears_c3_r", "another name for ears_c3", "11 periods", ears, installed, needs),
        Method(
            "ears_c3_published",
            "EARS C3 as published: excesses of three periods added up",
            "11 periods",
            ears,
            EarsSettings("C3", alpha=0.025),
            needs,
        ),
    ]


def _comparable() -> list[Method]:
    def needs(series: SeriesSet, settings: Any) -> int:
        this_year = settings.w if getattr(settings, "this_year", False) else 0
        return max(this_year, settings.b * int(series.frequency) + settings.w if settings.b else 0)

    def needs_cdc(series: SeriesSet, settings: CdcSettings) -> int:
        return settings.b * int(series.frequency) + BLOCK * (settings.m + 1) - 1

    systems = ((1, 0, 6, True, "6 periods"), (2, 1, 6, True, "1 year + 6"), (3, 2, 4, False, "2 years + 4"))
    found = []
    for number, b, w, this_year, history in systems:
        text = f"Bayes {number}: predictive quantile of comparable counts, alpha 0.05"
        found.append(Method(f"bayes{number}", text, history, bayes, BayesSettings(b, w, this_year), needs))
    for number, b, w, this_year, history in systems:
        text = f"RKI {number}: Poisson limit of the mean of comparable counts"
        found.append(Method(f"rki{number}", text, history, rki, RkiSettings(b, w, this_year), needs))
    limits = "CDC historical limits on four-week totals, alpha 0.01 two-sided"
    found.append(Method("cdc", limits, "5 years + 7", cdc, CdcSettings(), needs_cdc))
    for percent in (50, 80, 95):
        text = f"China's moving percentile P{percent}: 5 weeks x 5 years"
        settings = PercentileSettings(float(percent))
        found.append(Method(f"percentile_p{percent}", text, "5 years + 2", moving_percentile, settings, needs))
    text = "mean + 2 SD of 5 weeks x 5 years"
    found.append(Method("historical_2sd", text, "5 years + 2", historical_mean, HistoricalSettings(), needs))
    return found


def _charts() -> list[Method]:
    def one(series: SeriesSet, settings: CusumSettings) -> int:
        return 1

    def year(series: SeriesSet, settings: ChartSettings) -> int:
        return 0 if series.expected is not None and settings.dispersion is not None else int(series.frequency)

    known, unknown = ChartSettings(kappa=0.5), ChartSettings()
    return [
        Method("cusum", "R's cusum: never resets after an alarm; give --from", "1 period", cusum, CusumSettings(), one),
        Method("cusum_reset", "the same, reset after each alarm", "1 period", cusum, CusumSettings(reset=True), one),
        Method("nb_cusum", "negative binomial CUSUM for a rise by exp(kappa)", "1 year", count_chart, known, year),
        Method("glr_nb", "negative binomial GLR chart for an unknown rise", "1 year", count_chart, unknown, year),
    ]


def _others() -> list[Method]:
    def days(series: SeriesSet, settings: EssenceSettings) -> int:
        return settings.baseline + settings.guard

    def none(series: SeriesSet, settings: Any) -> int:
        return 0

    text = "daily regression/moving average switch of NSSP ESSENCE, red p < 0.01"
    return [
        Method("essence", text, "30 days", essence, EssenceSettings(), days),
        Method("fixed", "a fixed count in a rolling window: threshold, window", "none", fixed, FixedSettings(), none),
        Method(
            "ladder", "the best of these that each period's history allows", "3 periods", _climb, NoSettings(), _least
        ),
    ]


@dataclass(frozen=True)
class NoSettings:
    """A method without settings."""


def _least(series: SeriesSet, settings: NoSettings) -> int:
    return ladder.LEAST


def _climb(series: SeriesSet, *, from_index: int, settings: NoSettings) -> Detection:
    """Each period by the method that its own history allows."""
    periods = tested(series, from_index, ladder.LEAST, "ladder")
    steps = [ladder.rung(int(at), series.frequency) for at in periods]
    parts = []
    for step in dict.fromkeys(steps):
        mine = periods[[one is step for one in steps]]
        part = method(step.method).with_text(dict(step.settings))
        parts.append(part.detect(series.until(int(mine[-1]) + 1), from_index=int(mine[0])))
    fields = ("observed", "expected", "bound", "alarm", "pvalue")
    return Detection("ladder", periods, *(np.concatenate([getattr(p, f) for p in parts], axis=1) for f in fields))


def _own() -> list[Method]:
    """Our own detector, imported only when asked for: its compiler takes longer to load than the others to run."""
    try:
        from healthbrain.surveillance.rules.own import MINIMUM, OwnSettings, detect_own
    except ImportError:
        return []

    def needs(series: SeriesSet, settings: OwnSettings) -> int:
        return MINIMUM[series.frequency]

    text = "ours: negative binomial baseline, windows of 1, 2, 3 weeks or 1, 3, 7 days"
    return [Method("own", text, "7 weeks or 14 days", detect_own, OwnSettings(), needs)]


def _read(key: str, text: str, hint: Any) -> Any:
    """Text to the type of a setting."""
    options = get_args(hint) if get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if type(None) in options and text.lower() in ("none", "null", ""):
        return None
    kind = next(option for option in options if option is not type(None))
    try:
        if kind is bool:
            return _yes(text)
        if get_origin(kind) is typing.Literal:
            if text not in get_args(kind):
                raise ValueError(text)
            return text
        return kind(text)
    except ValueError:
        allowed = ", ".join(get_args(kind)) if get_origin(kind) is typing.Literal else KINDS[kind]
        raise Invalid(f"{key}={text}: expected {allowed}.") from None


def _yes(text: str) -> bool:
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    raise ValueError(text)


def _pair(text: str) -> tuple[int, int]:
    """limit54=5,4: cases, periods."""
    try:
        cases, periods = (int(part) for part in text.split(","))
    except ValueError:
        raise Invalid(f"limit54={text}: expected cases,periods such as 5,4.") from None
    return cases, periods
