"""Months of past calls with missions and timelines, drawn in arrays and copied in: history for the demand model."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from healthbrain.demo.parameters import parameters
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.models import Call, HospitalState, Mission, Station, TimelineEvent, Vehicle
from healthbrain.kernel.db import copy_rows, execute

if TYPE_CHECKING:
    from healthbrain.demo.emergency import Zones

CALLS_A_YEAR, FULL, DAYS = 67_000, 1_650_000, 180
# Calls by hour of the day and by suspected type: shapes as in published Chinese pre-hospital series, numbers our own.
HOURS = np.array([22, 18, 15, 14, 15, 20, 32, 48, 58, 60, 57, 54, 52, 50, 50, 52, 54, 57, 58, 58, 54, 46, 36, 28.0])
TYPES = {  # share, priority shares 1–3
    "cardiac-arrest": (0.03, (1, 0, 0)), "chest-pain": (0.13, (0.8, 0.2, 0)), "stroke": (0.12, (0.85, 0.15, 0)),
    "trauma": (0.29, (0.2, 0.5, 0.3)), "obstetric": (0.02, (0.2, 0.8, 0)), "newborn": (0.04, (0.3, 0.4, 0.3)),
    "breathing": (0.09, (0.7, 0.3, 0)), "poisoning": (0.05, (0.3, 0.7, 0)), "bleeding": (0.04, (0.7, 0.3, 0)),
    "other": (0.19, (0.1, 0.4, 0.5)),
}  # fmt: skip
STEPS = ("ring", "answered", "located", "triaged", "assigned", "acknowledged", "rolling", "on-scene", "at-patient",
         "left-scene", "at-hospital", "handover", "available", "at-station")  # fmt: skip
ON_CALL = 4  # the first four belong to the call, the others to the mission
BUTTON = frozenset({"assigned", "acknowledged", "rolling", "at-patient", "left-scene", "handover", "available"})


def write_history(zones: Zones, *, residents: int, now: dt.datetime, rng: np.random.Generator) -> int:
    """Past calls of half a year; how many. Each ended before `now`."""
    count = max(20, round(CALLS_A_YEAR * residents / FULL * DAYS / 365))
    ring = _ring_seconds(count, rng)
    where = rng.choice(len(zones.codes), count, p=zones.share)
    xy = zones.xy[where] + rng.normal(0, 0.22, (count, 2))
    kinds = list(TYPES)
    kind = rng.choice(len(kinds), count, p=[share for share, _ in TYPES.values()])
    priority = np.array([1 + rng.choice(3, p=np.array(TYPES[kinds[k]][1])) for k in kind])
    vehicle, drive = _vehicles(xy, rng)
    hospital, transport = _hospitals(xy, [kinds[k] for k in kind])
    seconds = _steps(ring, priority, drive, transport, rng)
    start = now - dt.timedelta(days=DAYS, hours=4)
    order = np.argsort(ring)
    rows = [_row(start, int(n), seconds[n]) for n in order]
    prefixes = parameters()("county.mobile_prefixes")
    phones = [f"{prefixes[int(a)]}{int(b):08}" for a, b in zip(rng.integers(len(prefixes), size=count),
              rng.integers(10**8, size=count), strict=True)]  # fmt: skip
    _copy_calls(rows, zones, where, xy, [kinds[k] for k in kind], priority, phones)
    _copy_missions(rows, vehicle, hospital)
    return count


Row = tuple[int, list[dt.datetime]]  # number of the draw, moments of STEPS


def _row(start: dt.datetime, number: int, seconds: np.ndarray) -> Row:
    return number, [start + dt.timedelta(seconds=float(s)) for s in seconds]


def _ring_seconds(count: int, rng: np.random.Generator) -> np.ndarray:
    hour = rng.choice(24, count, p=HOURS / HOURS.sum())
    return rng.integers(0, DAYS, count) * 86_400.0 + hour * 3600.0 + rng.random(count) * 3600.0


def _vehicles(xy: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A vehicle of the nearest station (one time in eight of the second nearest), and its driving seconds."""
    travel = network.times("siren")
    stations = list(Station.objects.order_by("id"))
    snapped = travel.snap(xy)
    ms = travel.many_to_many(travel.snap([(s.x, s.y) for s in stations]).node, snapped.node) + snapped.access_ms
    nearest = np.argsort(ms, axis=0)
    which = np.where(rng.random(len(xy)) < 1 / 8, min(1, len(stations) - 1), 0)
    station = nearest[which, np.arange(len(xy))]
    of = [
        np.array(Vehicle.objects.filter(station=s, fleet="emergency").order_by("id").values_list("id", flat=True))
        for s in stations
    ]
    vehicle = np.array([of[s][int(u * len(of[s]))] for s, u in zip(station, rng.random(len(xy)), strict=True)])
    return vehicle, ms[station, np.arange(len(xy))] / 1000


def _hospitals(xy: np.ndarray, kinds: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The nearest hospital with the centre the type asks for, and the driving seconds."""
    travel = network.times("normal")
    states = list(HospitalState.objects.order_by("organisation_id"))
    snapped = travel.snap(xy)
    ms = travel.many_to_many(snapped.node, travel.snap([(s.x, s.y) for s in states]).node) + snapped.access_ms[:, None]
    types = knowledge.types()
    able = np.array([[not types[k]["centre"] or types[k]["centre"] in s.capabilities for s in states] for k in kinds])
    best = np.argmin(np.where(able, ms, ms + 10**8), axis=1)
    return np.array([s.organisation_id for s in states])[best], ms[np.arange(len(xy)), best] / 1000


def _steps(
    ring: np.ndarray, priority: np.ndarray, drive: np.ndarray, transport: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Seconds since the start of the history of every step [calls, steps]."""
    n = len(ring)

    def some(mean: float, spread: float = 0.4) -> np.ndarray:
        return mean * rng.lognormal(-spread * spread / 2, spread, n)

    gaps = np.stack(
        [
            ring, some(5, 0.5), some(18), some(22), some(14) * (0.6 + 0.2 * priority), some(12), some(75, 0.45),
            drive * some(1.1, 0.15) + 20, some(90, 0.5), some(780, 0.35), transport * some(1.1, 0.15) + 60,
            some(720, 0.45), some(240, 0.4), some(600, 0.5),
        ],
        axis=1,
    )  # fmt: skip
    return np.cumsum(gaps, axis=1)


def _copy_calls(
    rows: list[Row], zones: Zones, where: np.ndarray, xy: np.ndarray, kinds: list[str], priority: np.ndarray,
    phones: list[str],
) -> None:  # fmt: skip
    columns = (
        "id", "phone", "ring_at", "answered_at", "state", "place", "x", "y", "off_map", "township", "located_by",
        "priority", "suspected", "answers", "patients", "patient_name", "patient_sex", "patient_id_number", "note",
        "closed_at",
    )  # fmt: skip
    copy_rows(
        "dispatch_call",
        columns,
        (
            (number, phones[n], at[0], at[1], "closed", zones.names[where[n]], float(xy[n, 0]), float(xy[n, 1]), False,
             zones.codes[where[n]][:9], "address", int(priority[n]), kinds[n], "[]", 1, "", "0", "", "", at[12])
            for number, (n, at) in enumerate(rows, 1)
        ),
    )  # fmt: skip
    _next_ids(Call, len(rows))


def _copy_missions(rows: list[Row], vehicle: np.ndarray, hospital: np.ndarray) -> None:
    columns = (
        "id", "call_id", "vehicle_id", "assigned_at", "assigned_name", "rank", "recommended_id", "override",
        "override_note", "step", "destination_id", "destination_reason", "destination_closed", "outcome", "handed_over",
        "ended_at",
    )  # fmt: skip
    copy_rows(
        "dispatch_mission",
        columns,
        (
            (number, number, int(vehicle[n]), at[4], "演示 demo", 1, int(vehicle[n]), "", "", "available",
             int(hospital[n]), "", False, "transported", True, at[12])
            for number, (n, at) in enumerate(rows, 1)
        ),
    )  # fmt: skip
    _next_ids(Mission, len(rows))
    _copy_events(rows)


def _copy_events(rows: list[Row]) -> None:
    columns = ("id", "call_id", "mission_id", "kind", "at", "received", "skew", "doubtful", "source", "note")

    def events() -> Any:
        serial = 0
        for number, (_, at) in enumerate(rows, 1):
            for k, kind in enumerate(STEPS):
                serial += 1
                mission = number if k >= ON_CALL else None
                source = "button" if kind in BUTTON or k < ON_CALL else "fence"
                yield serial, number, mission, kind, at[k], at[k], 0.0, False, source, ""

    copy_rows("dispatch_timelineevent", columns, events())
    _next_ids(TimelineEvent, len(rows) * len(STEPS))


def _next_ids(model: Any, last: int) -> None:
    execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", (model._meta.db_table, last))
