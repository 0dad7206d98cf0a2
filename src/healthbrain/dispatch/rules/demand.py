"""How many calls, when and where: a Poisson process whose rate follows the hour of the week, by zone and priority.

Fitted from history by counting (the maximum-likelihood estimate of a piecewise constant rate), drawn by counts per
hour
and uniform moments within the hour, which is exact for such a process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from healthbrain.dispatch.rules.roads import Floats, Ints

WEEK_HOURS = 168
HOUR_MS = 3_600_000


@dataclass(frozen=True, eq=False)
class RateModel:
    """`per_hour` [168]: calls per hour of the week, Monday 00:00 first; `places` [P] nodes; `share` [P]; `priority`:
    share of priorities 1, 2, 3 …"""

    per_hour: Floats
    places: Ints
    share: Floats
    priority: Floats

    @property
    def per_day(self) -> float:
        """Calls on an average day."""
        return float(self.per_hour.sum() / 7)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Calls of one replication, sorted by time: milliseconds, index into `places`, priority."""

    time: Ints
    place: Ints
    priority: Ints


def flat_rate(places: ArrayLike, per_day: float, priority: ArrayLike, share: ArrayLike | None = None) -> RateModel:
    """The same rate at every hour; every place alike unless `share` says otherwise."""
    nodes = np.asarray(places, dtype=np.int64)
    weight = np.ones(len(nodes)) if share is None else np.asarray(share, dtype=np.float64)
    mix = np.asarray(priority, dtype=np.float64)
    return RateModel(np.full(WEEK_HOURS, per_day / 24), nodes, weight / weight.sum(), mix / mix.sum())


def fit_rates(
    time_ms: ArrayLike, node: ArrayLike, priority: ArrayLike, *, week_offset_hours: int = 0, smoothing: float = 1.0
) -> RateModel:
    """Rates from history. `time_ms` counts from a moment `week_offset_hours` after a Monday 00:00.

    Each hour of the week is the mean of its occurrences, pulled by `smoothing` pseudo-weeks to the overall mean, so
    that
    a quiet hour of a short history is not taken for one without calls. Part-hours at both ends count by their length.
    """
    when = np.asarray(time_ms, dtype=np.int64) + week_offset_hours * HOUR_MS
    if not len(when):
        raise ValueError("no history to fit rates to")
    hour = when // HOUR_MS
    counts = np.bincount(hour % WEEK_HOURS, minlength=WEEK_HOURS).astype(np.float64)
    seen = np.bincount(np.arange(hour.min(), hour.max() + 1) % WEEK_HOURS, minlength=WEEK_HOURS)
    mean = counts.sum() / seen.sum()
    places, number = np.unique(np.asarray(node, dtype=np.int64), return_counts=True)
    mix = np.bincount(np.asarray(priority, dtype=np.int64), minlength=2)[1:].astype(np.float64)
    per_hour = (counts + smoothing * mean) / (seen + smoothing)
    return RateModel(per_hour, places, number / number.sum(), mix / mix.sum())


def draw_calls(model: RateModel, days: float, random: np.random.Generator) -> Drawn:
    """One realisation over `days` days from Monday 00:00."""
    hours = int(np.ceil(days * 24))
    rate = np.tile(model.per_hour, hours // WEEK_HOURS + 1)[:hours]
    counts = random.poisson(rate)
    total = int(counts.sum())
    time = np.repeat(np.arange(hours), counts) * HOUR_MS + random.integers(0, HOUR_MS, total)
    time = np.sort(time[time < days * 24 * HOUR_MS])
    place = random.choice(len(model.places), len(time), p=model.share)
    priority = random.choice(len(model.priority), len(time), p=model.priority) + 1
    return Drawn(time.astype(np.int64), place.astype(np.int64), priority.astype(np.int64))
