"""ECharts options of results: lines over time, the reference interval as a band, points with date and institution."""

from __future__ import annotations

import math
from typing import Any

from healthbrain.desks.i18n import date, said, t
from healthbrain.records.queries.longitudinal import Panel, Point, Series
from healthbrain.records.terms import Term, answer_words, unit_words

COLOURS = ("#0b6e8a", "#b54708", "#6b4fa0")
BANDS = ("rgba(11,110,138,0.12)", "rgba(181,71,8,0.12)", "rgba(107,79,160,0.12)")

DENSE = 100  # points of a line; more of them hide it
ROOM = 96  # pixels beside a chart for the names of its lines


def title(series: Series) -> str:
    return t(series.term.zh, series.term.en)


def unit(series: Series) -> str:
    return said(unit_words(series.unit))


def value(point: Point, known: Term) -> str:
    """The value as written: rounded to the item's digits; a coded answer in words."""
    if point.value is None:
        return said(answer_words(point.text, known.code))
    return f"{point.value:.{known.digits}f}" if known.digits is not None else f"{point.value:g}"


def interval(series: Series) -> str:
    """90–139, ≤ 5.2, ≥ 1.0, or nothing."""
    known = series.interval
    if known is None:
        return ""
    if known.low is None:
        return f"≤ {known.high:g}"
    return f"≥ {known.low:g}" if known.high is None else f"{known.low:g}–{known.high:g}"


def _point(point: Point, series: Series) -> dict[str, Any]:
    shown = f"{date(point.at)} {title(series)} {value(point, series.term)} {unit(series)} {point.organisation}"
    return {"name": shown, "value": [point.at.isoformat(), point.value]}


def _line(series: Series, index: int, *, named: bool) -> dict[str, Any]:
    points = [point for point in reversed(series.points) if point.value is not None and not point.implausible]
    is_dense = len(points) > DENSE
    line: dict[str, Any] = {
        "type": "line",
        "name": title(series),
        "data": [_point(point, series) for point in points],
        "symbolSize": 3 if is_dense else 7,
        "lineStyle": {"width": 1 if is_dense else 2},
        "itemStyle": {"color": COLOURS[index % 3]},
        "endLabel": {
            "show": named,
            "formatter": title(series),
            "color": COLOURS[index % 3],
            "width": ROOM - 12,
            "overflow": "break",
        },
    }
    known = series.interval
    if known and (known.low is not None or known.high is not None):
        # An open end is drawn to the edge of the axis: ECharts reads an absent yAxis as "to the edge".
        band = [{"yAxis": known.low} if known.low is not None else {"yAxis": "min"}]
        band.append({"yAxis": known.high} if known.high is not None else {"yAxis": "max"})
        line["markArea"] = {"silent": True, "itemStyle": {"color": BANDS[index % 3]}, "data": [band]}
    return line


def _bounds(panel: Panel) -> dict[str, float]:
    """An axis that holds all values and all intervals with some air: a trend of one person need not start at zero."""
    numbers = [point.value for series in panel.series for point in series.points if point.value is not None]
    for series in panel.series:
        if series.interval:
            numbers += [end for end in (series.interval.low, series.interval.high) if end is not None]
    if not numbers:
        return {}
    low, high = min(numbers), max(numbers)
    air = (high - low or abs(high) or 1) * 0.1
    rough = (high - low + 2 * air) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 5, 10) if power * part >= rough)  # ends that are labels themselves
    bottom, top = math.floor((low - air) / step) * step, math.ceil((high + air) / step) * step
    return {"min": max(0.0, round(bottom, 6)), "max": round(top, 6), "interval": round(step, 6)}


def option(panel: Panel) -> dict[str, Any]:
    """The chart of one panel. A line bears its name only where the heading is not its name."""
    named = [title(series) for series in panel.series] != [panel_title(panel)]
    return {
        "animation": False,
        "aria": {"enabled": True},
        "grid": {"left": 44, "right": ROOM if named else 16, "top": 16, "bottom": 28},
        "tooltip": {"trigger": "item", "formatter": "{b}", "confine": True},
        "xAxis": {"type": "time", "axisLabel": {"hideOverlap": True}},
        "yAxis": {"type": "value", "scale": True, "splitNumber": 4} | _bounds(panel),
        "series": [_line(series, index, named=named) for index, series in enumerate(panel.series)],
    }


def drawable(panel: Panel) -> bool:
    """A line needs two numbers."""
    return any(sum(p.value is not None and not p.implausible for p in series.points) >= 2 for series in panel.series)


def table(panel: Panel) -> tuple[list[str], list[list[str]]]:
    """The same numbers as rows: date, item, value, unit, judgement, institution."""
    columns = [
        t("日期", "Date"), t("项目", "Item"), t("结果", "Result"), t("单位", "Unit"), t("判断", "Judgement"),
        t("机构", "Institution"),
    ]  # fmt: skip
    rows = [
        (point.at, [
            date(point.at), title(series), value(point, series.term), unit(series), judgement(point),
            point.organisation,
        ])
        for series in panel.series
        for point in series.points
    ]  # fmt: skip
    rows.sort(key=lambda row: row[0], reverse=True)
    return columns, [row for _, row in rows]


def judgement(point: Point) -> str:
    """↑ high, ↓ low, or that the value is kept but not believed."""
    if point.implausible:
        return t("数值不合理，未采用", "implausible, not used")
    return {"high": t("↑ 高", "↑ high"), "low": t("↓ 低", "↓ low")}.get(point.outside, "")


def panel_title(panel: Panel) -> str:
    names = list(dict.fromkeys(title(series) for series in panel.series))
    known = {"blood-pressure": t("血压", "Blood pressure"), "glucose": t("血糖", "Glucose")}
    return known.get(panel.key) or " / ".join(names)
