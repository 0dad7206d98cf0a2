"""How much of each day has been heard: what the count of a series is a count *of*.

A place that began to report last month was not silent before; a shop whose figures come tomorrow did not sell nothing
today; of yesterday's diagnoses a part is on its way. The share heard is the detector's exposure: a partial count is
compared with as much of the usual count as should be here by now, so late data neither hide a rise nor, when they
come, make one, and nobody is judged against days before he spoke.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from healthbrain.surveillance.rules.nowcast import reported_by
from healthbrain.surveillance.rules.series import Floats

type Delay = tuple[str, dt.date, int, int]  # place, day of visit, days until it was reported, persons
UNHEARD = 1e-9  # exposure of a day on which nobody spoke: it neither teaches nor can be judged
BEGUN = 0.05  # share heard from which a series counts as begun
DAILY = 0.9  # of the days: who spoke so regularly and has not spoken is late, not without cases


@dataclass(frozen=True, slots=True)
class Voice:
    """One institution within a series. usual: records a day. regular: speaks on nearly every day.

    lately: the days of the last `longest` ones on which it spoke.
    """

    series: str
    began: dt.date
    usual: float
    regular: bool
    lately: frozenset[dt.date]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the reporting triangle (knowledge/surveillance/thresholds.yaml, nowcast)."""

    longest_delay: int
    memory: int
    least_cases: float
    least_report_days: int
    level: float

    @property
    def days(self) -> int:
        return self.memory + self.longest_delay


def heard(
    series: Sequence[str], voices: Iterable[Voice], first: dt.date, days: int, longest: int
) -> Floats:  # fmt: skip
    """Share of a usual day that has been heard, (n_series, days) from `first` on: by who had begun, and who is late.

    series: keys; one that no voice belongs to has been heard whole on every day.
    """
    of: dict[str, list[Voice]] = {}
    for voice in voices:
        of.setdefault(voice.series, []).append(voice)
    last = first + dt.timedelta(days=days - 1)
    recent = [last - dt.timedelta(days=n) for n in range(min(longest, days))][::-1]
    out = np.ones((len(series), days))
    for row, key in enumerate(series):
        mine = of.get(key)
        if not mine:
            continue
        spoken = np.ones((len(mine), days))
        for line, voice in zip(spoken, mine, strict=True):
            if voice.regular:
                line[days - len(recent) :] = [day in voice.lately for day in recent]
            line[: max((voice.began - first).days, 0)] = 0.0
        usual = np.array([voice.usual for voice in mine]) + 1e-3  # a place that never has a case still speaks
        out[row] = usual @ spoken / usual.sum()
    return out


def arrived(delays: Iterable[Delay], places: Sequence[str], today: dt.date, limits: Limits) -> Floats:
    """Share of the cases of the last days that are reported by now, (n_places, longest + 1), the newest day last.

    A place with too few cases has the county's delays;
    where the county has too few, or they came on too few days (a load, not the rhythm of reporting), nothing is late.
    """
    since = today - dt.timedelta(days=limits.days - 1)
    rows = list(delays)
    own: dict[str, list[Delay]] = {}
    for row in rows:
        own.setdefault(row[0], []).append(row)
    county = _share(rows, since, limits)
    shares = {key: _share(own[key], since, limits) for key in set(places) & own.keys()}
    usual = np.ones(limits.longest_delay + 1) if county is None else county
    found = [shares.get(place) for place in places]
    return np.array([usual if one is None else one for one in found])


def triangle_of(rows: Sequence[Delay], since: dt.date, limits: Limits) -> Floats | None:
    """The reporting triangle (days from `since`, longest + 1); None where too little teaches delays."""
    triangle = np.zeros((limits.days, limits.longest_delay + 1))
    for _, day, delay, n in rows:
        triangle[(day - since).days, delay] += n
    reports = {day + dt.timedelta(days=delay) for _, day, delay, _ in rows}
    enough = triangle.sum() >= limits.least_cases and len(reports) >= limits.least_report_days
    return triangle if enough else None


def _share(rows: Sequence[Delay], since: dt.date, limits: Limits) -> Floats | None:
    triangle = triangle_of(rows, since, limits)
    return None if triangle is None else reported_by(triangle, memory=limits.memory, level=limits.level)[::-1]
