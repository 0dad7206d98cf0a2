"""The reproduction number and a short forecast of one event, with intervals, or nothing when too little is known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from healthbrain.surveillance import handbook
from healthbrain.surveillance.queries.response import Room, onset_series
from healthbrain.surveillance.rules.forecast import forecast
from healthbrain.surveillance.rules.reproduction import infectiousness, reproduction, serial_interval

WINDOW = 7  # days, as Cori 2013; shorter while an outbreak is shorter
LEAST_DAYS, LEAST_CASES = 4, 12  # below, the posterior is mostly the prior (Cori 2013, p. 1507: 12 cases)
AHEAD = 7


@dataclass(frozen=True, slots=True)
class Estimate:
    """R of the last window (median, 95 % interval) and new cases of the next week (median, 90 % interval), at most the
    exposed who are not ill yet."""

    last: dt.date
    window: int
    ratio: tuple[float, float, float]
    ahead: tuple[float, float, float]
    mean: float
    sd: float
    source: Mapping[str, Any]
    verified: bool


def estimate(room: Room, as_of: dt.date) -> Estimate | None:
    """From the onsets of an open event up to yesterday; today's are not all known yet. None without a serial interval
    of the disease, without twelve cases over four days, or when the event is closed."""
    serial = handbook.diseases().get(room.event.disease, {}).get("serial")
    first, counts = onset_series(room)
    if serial is None or first is None or room.event.status not in {"verifying", "confirmed"}:
        return None
    days = (as_of - first).days  # through yesterday: days without a case are evidence too
    series = np.zeros(max(days, 0))
    series[: len(counts)] = counts[: len(series)]
    if len(series) < LEAST_DAYS or series.sum() < LEAST_CASES:
        return None
    interval, window = serial_interval(serial["mean"], serial["sd"]), min(WINDOW, len(series) - 1)
    if infectiousness(series, interval)[-window:].sum() < 1:
        return None  # nobody left who could infect: what came out would be the prior, not the outbreak
    now = reproduction(series, interval, window=window)
    ahead = forecast(series, interval, now, days=AHEAD, seed=room.event.pk).total
    if room.event.population:  # a closed place: nobody falls ill who was never exposed, or a second time
        left = float(max(room.event.population - len(room.counted), 0))
        ahead = (min(ahead[0], left), min(ahead[1], left), min(ahead[2], left))
    return Estimate(
        first + dt.timedelta(days=len(series) - 1), window,
        (float(now.low[-1]), float(now.median[-1]), float(now.high[-1])), ahead, serial["mean"], serial["sd"],
        handbook.document("diseases.yaml", serial["source"]), bool(serial["verified"]),
    )  # fmt: skip
