"""The files of the outside commands: calls to simulate, vehicles to rank. Formats: docs/dispatch.md."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from healthbrain.dispatch.city_csv import Row, plain_rows
from healthbrain.dispatch.rules.rank import AVAILABLE, CLEARING, Vehicle
from healthbrain.dispatch.rules.roads import Floats, Ints, RoadGraph
from healthbrain.kernel.errors import Invalid

CALL_COLUMNS = frozenset({"id", "time", "x", "y", "priority"})
CALL_OPTIONAL = frozenset({"chute", "scene", "handover", "transported"})
VEHICLE_COLUMNS = frozenset({"id", "x", "y", "status"})
VEHICLE_OPTIONAL = frozenset({"capability", "updated", "wait", "priority", "station"})
BUSY = frozenset({"on-scene", "transporting", "at-hospital", "off"})
LONGEST_DAYS, LONGEST_STAY = 3660, 10_080  # days of one file; minutes of one scene or handover: a week
MINUTE = 60_000


@dataclass(frozen=True, eq=False)
class CallFile:
    """Calls sorted by time. time: ms from the first midnight; given: name → ms or 0/1 per call, -1 where not given;
    weekday: of that midnight (0 Monday) when times are dates, else 0."""

    ids: tuple[str, ...]
    time: Ints
    points: Floats
    priority: Ints
    given: dict[str, Ints]
    weekday: int


def read_calls(path: Path, graph: RoadGraph, limit_m: float) -> CallFile:
    """The calls of a CSV. Raises Invalid with the row of the first mistake."""
    rows = plain_rows(path, required=CALL_COLUMNS, known=CALL_COLUMNS | CALL_OPTIONAL)
    _unique(rows)
    points = np.array([(r.number("x"), r.number("y")) for r in rows])
    _, metres = graph.nearest(points)
    if (metres > limit_m).any():
        k = int(np.flatnonzero(metres > limit_m)[0])
        at = f"({points[k][0]:g}, {points[k][1]:g})"
        raise rows[k].wrong(
            f"呼叫在地图之外 the call lies outside the map: {at}, {metres[k] / 1000:.1f} km from any road"
        )
    priority = np.array([_priority(r) for r in rows], dtype=np.int64)
    time, weekday = _times(rows)
    order = np.argsort(time, kind="stable")
    given = {name: _optional(rows, name)[order] for name in sorted(CALL_OPTIONAL)}
    return CallFile(
        tuple(rows[k].text("id") for k in order), time[order], points[order], priority[order], given, weekday
    )


def _unique(rows: list[Row]) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        if row.text("id") in seen:
            raise row.wrong(f"编号重复 id {row.text('id')} stands in line {seen[row.text('id')]} too")
        seen[row.text("id")] = row.line


def _priority(row: Row) -> int:
    value = row.number("priority")
    if value not in (1, 2, 3):
        raise row.wrong(f"priority 应为 1、2 或 3 must be 1, 2 or 3: {row.text('priority')}")
    return int(value)


def _times(rows: list[Row]) -> tuple[Ints, int]:
    """Minutes from the start, or ISO dates; not both in one file."""
    if not _is_number(rows[0].text("time")):
        moments = [_moment(r) for r in rows]
        if len({m.tzinfo is None for m in moments}) > 1:
            raise rows[0].wrong("time 有的带时区有的不带 some times carry a zone and some do not")
        first = min(moments).replace(hour=0, minute=0, second=0, microsecond=0)
        minutes, weekday = np.array([(m - first).total_seconds() / 60 for m in moments]), first.weekday()
    else:
        minutes, weekday = np.array([r.number("time") for r in rows]), 0
    for wrong, words in (
        (minutes < 0, "time 为负 is negative"),
        (
            minutes > LONGEST_DAYS * 1440,
            f"time 离开头超过 {LONGEST_DAYS} 天 is more than {LONGEST_DAYS} days after the start",
        ),
    ):
        if wrong.any():
            raise rows[int(np.flatnonzero(wrong)[0])].wrong(words)
    return np.rint(minutes * MINUTE).astype(np.int64), weekday


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _moment(row: Row) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(row.text("time"))
    except ValueError:
        raise row.wrong(f"time 不是 ISO 时间 is not an ISO time: {row.text('time')}") from None


def _optional(rows: list[Row], name: str) -> Ints:
    """Minutes as milliseconds (transported: 0 or 1); -1 where the cell is empty."""
    values = np.array([r.number(name, -1.0) for r in rows])
    given = np.array([bool(r.cells.get(name, "").strip()) for r in rows])
    wrong = np.flatnonzero(
        given & ((values < 0) | (values > LONGEST_STAY) | ((name == "transported") & ~np.isin(values, (0, 1))))
    )
    if len(wrong):
        raise rows[int(wrong[0])].wrong(f"{name} 不合理 is out of range: {rows[int(wrong[0])].text(name)}")
    scale = 1 if name == "transported" else MINUTE
    return np.where(given, np.rint(values * scale), -1).astype(np.int64)


def read_vehicles(path: Path, now: dt.datetime, stations: dict[int, int]) -> list[Vehicle]:
    """The vehicles of a CSV as they stand at `now`. Raises Invalid with the row of the first mistake."""
    rows = plain_rows(path, required=VEHICLE_COLUMNS, known=VEHICLE_COLUMNS | VEHICLE_OPTIONAL)
    _unique(rows)
    return [_vehicle(row, now, stations) for row in rows]


def _vehicle(row: Row, now: dt.datetime, stations: dict[int, int]) -> Vehicle:
    status = row.text("status")
    if status not in AVAILABLE | BUSY:
        known = ", ".join(sorted(AVAILABLE | BUSY))
        raise row.wrong(f"不认识的状态 unknown status {status} (known: {known})")
    station = row.text("station", "")
    if station and row.number("station") not in stations:
        raise row.wrong(f"没有车站 no station {station}")
    if row.number("wait", 0.0) < 0:
        raise row.wrong(f"wait 为负 is negative: {row.text('wait')}")
    return Vehicle(
        row.text("id"),
        row.number("x"),
        row.number("y"),
        status,
        frozenset(row.text("capability", "").replace(";", " ").replace("|", " ").split()),
        _age(row, now),
        60 * row.number("wait", 0.0) if status == CLEARING else 0.0,
        _priority(row) if row.text("priority", "") else None,
        stations[int(row.number("station"))] if station else None,
    )


def _age(row: Row, now: dt.datetime) -> float | None:
    """Seconds since the position was taken: from an ISO time, or seconds as they stand; None when not given."""
    text = row.text("updated", "")
    if not text:
        return None
    if _is_number(text):
        return row.number("updated")
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise row.wrong(f"updated 不是 ISO 时间或秒数 is neither an ISO time nor seconds: {text}") from None
    return (now - (moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo))).total_seconds()


def read_point(text: str) -> tuple[float, float]:
    """ "X,Y" as two numbers."""
    parts = text.replace("，", ",").split(",")
    if len(parts) != 2 or not all(_is_number(p) and np.isfinite(float(p)) for p in parts):
        raise Invalid(f"--call 应写成 X,Y must be written X,Y: {text}")
    return float(parts[0]), float(parts[1])
