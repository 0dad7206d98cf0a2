"""Our detectors beside R's own numbers: bounds within one in a million, alarms the same, on easy and hard series.

The files in reference/ were written by R 4.2.2 with `surveillance` 1.20.3 (essence.csv: by pynssp 0.1.0); their first
lines say how. Among the series are all zeros, one case in seven years, constants, trends, late starts and spikes.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from healthbrain.surveillance.rules.count_charts import ChartSettings, count_chart
from healthbrain.surveillance.rules.methods import Method, method
from healthbrain.surveillance.rules.series import Frequency, SeriesSet

REFERENCE = Path(__file__).parent / "reference"
SMALL = 1e-6

IMPROVED = {"levels": "10", "skip": "26", "p_threshold_trend": "1"}
SETTINGS = {
    "muan": ("flex_default", {**IMPROVED, "threshold": "muan"}),
    "half": ("flex_default", {"powertrans": "1/2"}),
    "none": ("flex_default", {"powertrans": "none"}),
    "noweight": ("flex_default", {"reweight": "no"}),
    "notrend": ("flex_default", {"trend": "no", "noPeriods": "7", "w": "2", "b": "3", "limit54": "0,4"}),
    "limit0": (
        "flex_default",
        {"limit54": "0,1", "noPeriods": "5", "w": "4", "b": "4", "skip": "10", "thresholdMethod": "nbPlugin"},
    ),
    "b2": ("flex_default", {"b": "2", "noPeriods": "10", "pThresholdTrend": "1"}),
    "classic05": ("classic", {"alpha": "0.05"}),
    "classic_half": ("classic", {"alpha": "0.05", "power": "1/2"}),
    "classic_none": ("classic", {"alpha": "0.05", "power": "none"}),
    "classic_noweight": ("classic", {"alpha": "0.05", "reweight": "no"}),
    "classic_notrend": ("classic", {"alpha": "0.05", "trend": "no"}),
    "classic_b2": ("classic", {"alpha": "0.05", "b": "2", "w": "4"}),
    "cdc0.025": ("cdc", {"alpha": "0.025"}),
    "ears_c1_0.5": ("ears_c1", {"minSigma": "0.5"}),
    "ears_c3_0.5": ("ears_c3", {"minSigma": "0.5"}),
    "cusum_rossi": ("cusum", {"trans": "rossi"}),
    "cusum_anscombe": ("cusum", {"trans": "anscombe"}),
}
HELP = {"b": "4", "alpha": "0.1"}
HELP_PAGE = {
    "help_old": ("flex_default", {**HELP, "weightsThreshold": "1"}),
    "help_new": ("flex_default", {**HELP, **IMPROVED}),
    "help_new_nb": ("flex_default", {**HELP, **IMPROVED, "threshold": "nbPlugin"}),
    "help_new_muan": ("flex_default", {**HELP, **IMPROVED, "threshold": "muan"}),
}


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def number(text: str) -> float:
    return float(text) if text else np.nan


def called(setting: str) -> Method:
    name, settings = (SETTINGS | HELP_PAGE).get(setting, (setting, {}))
    return method(name).with_text(settings)


@cache
def made_up() -> SeriesSet:
    table = rows("series.csv")
    names = tuple(name for name in table[0] if name != "period")
    return SeriesSet(names, np.array([[float(row[name]) for row in table] for name in names]))


@cache
def results() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows("results.csv"):
        found.setdefault(row["setting"], []).append(row)
    return found


def same(ours_bound: np.ndarray, ours_alarm: np.ndarray, bound: np.ndarray, alarm: np.ndarray) -> None:
    np.testing.assert_allclose(ours_bound, bound, rtol=SMALL, atol=1e-9)
    known = np.isfinite(alarm)
    np.testing.assert_array_equal(ours_alarm[known], alarm[known] > 0)
    assert not ours_alarm[~known].any()


@pytest.mark.parametrize("setting", sorted({row["setting"] for row in rows("results.csv")}))
def test_made_up_series(setting: str) -> None:
    series = made_up()
    found = called(setting).detect(series, from_index=289)
    theirs = results()[setting]
    at = np.array([series.names.index(row["series"]) for row in theirs])
    when = np.array([int(row["period"]) - 290 for row in theirs])
    bound = np.array([number(row["bound"]) for row in theirs])
    alarm = np.array([number(row["alarm"]) for row in theirs])
    assert len(bound) > 60
    same(found.bound[at, when], found.alarm[at, when], bound, alarm)


def test_salmonella_agona_every_setting() -> None:
    table = rows("agona.csv")
    series = SeriesSet(("Agona",), np.array([[float(row["observed"]) for row in table]]))
    last = table[281:]
    settings = [column.removesuffix("_ub") for column in table[0] if column.endswith("_ub")]
    assert len(settings) == 19
    for setting in settings:
        found = called(setting).detect(series, from_index=281)
        bound = np.array([number(row[f"{setting}_ub"]) for row in last])
        alarm = np.array([number(row[f"{setting}_alarm"]) for row in last])
        assert len(bound) == 31
        same(found.bound[0], found.alarm[0], bound, alarm)


def test_the_corrected_standard_error_of_a_known_week() -> None:
    """The week whose delta bound R gives as 9.068 and the right dispersion as 9.126."""
    table = rows("agona.csv")
    series = SeriesSet(("Agona",), np.array([[float(row["observed"]) for row in table]]))
    r = method("flex_default").detect(series, from_index=281)
    right = method("flex_default").with_text({"r_compatible": "no"}).detect(series, from_index=281)
    week = int(np.argmin(np.abs(r.bound[0] - 9.068)))
    assert r.bound[0, week] == pytest.approx(9.068, abs=5e-4)
    assert right.bound[0, week] == pytest.approx(9.126, abs=5e-4)


@pytest.mark.parametrize("name", ["weekly_x", "weekly_sparse", "monthly"])
def test_reference_periods_by_calendar(name: str) -> None:
    table = [row for row in rows("calendar_series.csv") if row["series"] == name]
    series = SeriesSet(
        (name,),
        np.array([[float(row["count"]) for row in table]]),
        Frequency.MONTHLY if name == "monthly" else Frequency.WEEKLY,
        np.array([row["date"] for row in table], dtype="datetime64[D]"),
        population=None if name == "monthly" else np.array([[float(row["population"]) for row in table]]),
    )
    monthly = {
        "p1": {"w": "1", "skip": "1"},
        "p10": {"w": "1", "skip": "3", "levels": "10", "threshold": "nbPlugin", "p_threshold_trend": "1"},
        "p4": {"b": "4", "w": "1", "levels": "4", "p_threshold_trend": "1"},
    }
    theirs = [row for row in rows("calendar_results.csv") if row["series"] == name]
    for setting, offset in {(row["setting"], row["offset"]) for row in theirs}:
        chosen = method("flex_default").with_text(monthly[setting]) if name == "monthly" else method(setting)
        chosen = chosen.with_text({"populationOffset": offset})
        mine = [row for row in theirs if (row["setting"], row["offset"]) == (setting, offset)]
        first = int(mine[0]["period"]) - 1
        found = chosen.detect(series, from_index=first)
        at = np.array([int(row["period"]) - 1 - first for row in mine])
        bound = np.array([number(row["bound"]) for row in mine])
        same(found.bound[0, at], found.alarm[0, at], bound, np.array([number(row["alarm"]) for row in mine]))


def test_count_charts_ring_and_reset_as_glrnb() -> None:
    table = rows("charts.csv")
    for key in sorted({(row["alpha"], row["theta"], row["ret"]) for row in table}):
        alpha, theta, ret = key
        mine = [row for row in table if (row["alpha"], row["theta"], row["ret"]) == key]
        mean = np.array([[float(row["mu"]) for row in mine]])
        series = SeriesSet(("x",), np.array([[float(row["count"]) for row in mine]]), expected=mean)
        settings = ChartSettings(5.0, float(theta) if theta else None, float(alpha), window=len(mine))
        found = count_chart(series, from_index=0, settings=settings)
        alarm = np.array([number(row["alarm"]) for row in mine]) > 0
        assert alarm.any()
        np.testing.assert_array_equal(found.alarm[0], alarm)
        if ret == "cases":
            bound = np.array([number(row["bound"]) for row in mine])
            np.testing.assert_allclose(found.bound[0], bound, rtol=SMALL, atol=1e-9)


def test_essence_switch_as_pynssp() -> None:
    table = rows("essence.csv")
    names = tuple(dict.fromkeys(row["series"] for row in table))
    counts = np.array([[float(row["count"]) for row in table if row["series"] == name] for name in names])
    series = SeriesSet(names, counts, Frequency.DAILY)
    found = method("essence").detect(series, from_index=40)
    for i, name in enumerate(names):
        mine = [row for row in table if row["series"] == name][40:]
        pvalue = np.array([float(row["p_value"]) for row in mine])
        np.testing.assert_allclose(found.pvalue[i], pvalue, atol=1e-8)
        np.testing.assert_allclose(found.expected[i], [float(row["expected"]) for row in mine], rtol=1e-7, atol=1e-7)
        np.testing.assert_array_equal(found.alarm[i], pvalue < 0.01)
        np.testing.assert_array_equal(found.observed[i] > found.bound[i], found.alarm[i])
