"""Our detectors beside R's own results: for every setting the largest difference of bounds, and alarms that differ.

The folder HEALTHBRAIN_REFERENCE holds CSV files written by R (docs/surveillance.md, "Equality with R", has the format):
`NAME_series.csv` with a column observed and if wanted date, and beside it any `NAME_*.csv` whose columns come in pairs
SETTING_ub and SETTING_alarm, with a column week or row that counts the series' periods from 1.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from healthbrain.cli.output import Advance
from healthbrain.kernel.errors import NotFound
from healthbrain.surveillance.rules.methods import Method, method
from healthbrain.surveillance.rules.series import Dates, Floats, SeriesSet

VARIABLE = "HEALTHBRAIN_REFERENCE"
# Columns whose names are not a method's: the method, and its settings. help_*: the examples of R's help page.
HELP = {"b": "4", "alpha": "0.1", "levels": "10", "skip": "26", "p_threshold_trend": "1"}
CALLED = {
    "help_old": ("flex_default", {"b": "4", "alpha": "0.1", "weights_threshold": "1"}),
    "help_new": ("flex_default", HELP),
    "help_new_nb": ("flex_default", {**HELP, "threshold": "nbPlugin"}),
    "help_new_muan": ("flex_default", {**HELP, "threshold": "muan"}),
    "noufaily": ("flex_noufaily", {"b": "4"}),
    "rki": ("flex_rki", {"b": "4"}),
    "farrington": ("flex_farrington", {"b": "4"}),
}


def equality(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Per file and setting: tested periods, largest relative difference of bounds, alarms that differ."""
    folder = _folder()
    found: dict[str, Any] = {}
    for series_file in sorted(folder.glob("*_series.csv")):
        name = series_file.name.removesuffix("_series.csv")
        series = _series(series_file, name)
        for file in sorted(folder.glob(f"{name}_*.csv")):
            if file != series_file:
                found[file.stem] = _compare(file, series, advance)
    if not found:
        raise NotFound(f"{VARIABLE}={folder} has no NAME_series.csv with results beside it.")
    return found


def _folder() -> Path:
    given = os.environ.get(VARIABLE)
    if not given:
        raise NotFound(f"Set {VARIABLE} to the folder with R's results.", hint="Format: docs/surveillance.md.")
    if not Path(given).is_dir():
        raise NotFound(f"{VARIABLE}={given} is not a folder.")
    return Path(given)


def _series(file: Path, name: str) -> SeriesSet:
    table = pl.read_csv(file)
    starts: Dates | None = None
    if "date" in table.columns:
        starts = table["date"].cast(pl.String).to_numpy().astype("datetime64[D]")
    return SeriesSet((name,), table["observed"].cast(pl.Float64).to_numpy()[None, :], starts=starts)


def _compare(file: Path, series: SeriesSet, advance: Advance) -> dict[str, Any]:
    table = pl.read_csv(file, null_values=["NA", "NaN"], infer_schema_length=None)
    place = table["week" if "week" in table.columns else "row"].to_numpy() - 1
    results: dict[str, Any] = {}
    for column in table.columns:
        if not column.endswith("_ub"):
            continue
        setting = column.removesuffix("_ub")
        advance(len(results), text=f"{file.stem} {setting}")
        ours = _called(setting).detect(series, from_index=int(place[0]))
        bound = table[column].cast(pl.Float64).to_numpy()
        alarm = table[f"{setting}_alarm"].cast(pl.Float64).to_numpy() > 0
        at = place - place[0]
        results[setting] = {
            "periods": len(bound),
            "largest_relative_difference": _difference(ours.bound[0, at], bound),
            "one_has_no_bound": int((np.isnan(ours.bound[0, at]) != np.isnan(bound)).sum()),
            "alarms": int(alarm.sum()),
            "alarms_differ": int((ours.alarm[0, at] != alarm).sum()),
        }
    return results


def _called(setting: str) -> Method:
    name, settings = CALLED.get(setting, (setting, {}))
    return method(name).with_text(settings)


def _difference(ours: Floats, theirs: Floats) -> float:
    both = np.isfinite(ours) & np.isfinite(theirs)
    scale = np.maximum(np.abs(theirs[both]), 1e-9)
    return float((np.abs(ours[both] - theirs[both]) / scale).max(initial=0.0))
