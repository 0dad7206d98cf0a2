"""bench surveillance late-reports: what correcting for cases still on their way is worth, on outbreaks large enough.

The planted year's outbreaks are of villages and schools, too small to tell. Here townships report fever and cough every
day, with the season, weekdays, clumping and delays of the demo county (knowledge/demo/surveillance.yaml), and larger
outbreaks are planted: over two weeks up to as many cases again as usual. Every evening the detector judges the newest
days by what has come by then, once with the share heard learnt from the reporting triangle, once as if all had come.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from healthbrain.cli.bench.place import percentile
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance
from healthbrain.demo.streams import stream

SEED = 20261122
TOWNSHIPS, HISTORY, TESTED = 24, 400, 280  # tested: eight outbreaks a township, 35 days apart
EVERY, LONG = 35, 14
USUAL = (6.0, 30.0)  # cases a day of the smallest and of the largest township
SIZES = (0.6, 1.0)  # excess cases a day at the peak over the usual number
SHAPE = np.array([0.15, 0.3, 0.5, 0.7, 0.85, 1.0, 1.0, 0.95, 0.85, 0.7, 0.5, 0.35, 0.2, 0.1])
WEEKDAYS = np.array([1.25, 1.1, 1.05, 1.0, 1.0, 0.85, 0.75])
AFTER = 7  # days after an outbreak in which an alarm is still its own
FIRST = dt.date(2025, 1, 6)  # a Monday


@dataclass(frozen=True)
class Planted:
    """cases (townships, days, delay + 1): by days until they have come; begins: days of onset by township."""

    cases: np.ndarray
    begins: list[list[int]]


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Outbreaks found, days from onset to alarm, false alarms a week, with the correction and without."""
    boot()
    return measure(advance)


def measure(advance: Advance) -> dict[str, Any]:
    """The scenario alone: no database."""
    from healthbrain.surveillance import completeness

    started = time.process_time()
    planted = _plant(completeness.limits().longest_delay)
    chance = {name: np.ones((TOWNSHIPS, TESTED)) for name in ("corrected", "uncorrected")}
    for evening in range(TESTED):
        advance(evening, TESTED, "evenings")
        for name, found in _judge(planted, HISTORY + evening).items():
            chance[name][:, evening] = found
    scores = {name: _score(found <= _level(), planted) for name, found in chance.items()}
    delays = {name: score.pop("delays") for name, score in scores.items()}
    return {
        "seed": SEED, "townships": TOWNSHIPS, "days": TESTED, "cpu_seconds": round(time.process_time() - started, 1),
        "known_the_same_evening": round(float(planted.cases[:, :, 0].sum() / planted.cases.sum()), 2), **scores,
        "days_earlier": _earlier(delays["corrected"], delays["uncorrected"]),
    }  # fmt: skip


def _plant(longest: int) -> Planted:
    from healthbrain.cli.bench.surveillance import arriving
    from healthbrain.demo.surroundings import settings

    rng = stream(SEED, "late-reports", 0)
    days = HISTORY + TESTED
    dates = [FIRST + dt.timedelta(days=n) for n in range(days)]
    season = np.array([settings()["season"]["febrile-respiratory"][day.month - 1] for day in dates])
    weekday = np.array([WEEKDAYS[day.weekday()] for day in dates])
    usual = np.geomspace(*USUAL, TOWNSHIPS)[:, None] * season * weekday
    excess = np.zeros_like(usual)
    begins: list[list[int]] = []
    for township in range(TOWNSHIPS):
        starts = [HISTORY + EVERY * n + int(rng.integers(5, EVERY - LONG - AFTER)) for n in range(TESTED // EVERY)]
        for start in starts:
            span = slice(start, start + LONG)
            excess[township, span] = rng.uniform(*SIZES) * SHAPE * usual[township, span]
        begins.append(starts)
    over = float(settings()["counts"]["dispersion"]["value"]) - 1
    counts = rng.poisson(rng.gamma(usual / over, over)) + rng.poisson(excess)
    cases = np.zeros((TOWNSHIPS, days, longest + 1), np.int64)
    late = arriving.hours("diagnosis", int(counts.sum()), rng) + rng.uniform(8, 17, int(counts.sum()))
    come = np.ceil(np.maximum(late - 20.5, 0) / 24).astype(np.int64)  # the evening pass at 20:30
    at = np.repeat(np.arange(counts.size), counts.ravel())
    kept = come <= longest
    np.add.at(cases, (at[kept] // days, at[kept] % days, come[kept]), 1)
    return Planted(cases, begins)


def _judge(planted: Planted, today: int) -> dict[str, np.ndarray]:
    """Smallest p-value of the newest days of each township, as known on the evening of `today`."""
    from healthbrain.surveillance import completeness
    from healthbrain.surveillance.actions.signals import STATISTICS_DAYS
    from healthbrain.surveillance.rules.completeness import arrived
    from healthbrain.surveillance.rules.own import OwnSettings, detect_own
    from healthbrain.surveillance.rules.series import Frequency, SeriesSet

    limits = completeness.limits()
    known = planted.cases[:, : today + 1].copy()
    age = today - np.arange(today + 1)
    known[:, age[:, None] < np.arange(known.shape[2])] = 0
    names = tuple(map(str, range(TOWNSHIPS)))
    day = FIRST + dt.timedelta(days=today)
    newest = known[:, -limits.days :]
    towns, days, delays = np.nonzero(newest)
    rows = [
        (names[t], day - dt.timedelta(days=int(limits.days - 1 - d)), int(delay), int(newest[t, d, delay]))
        for t, d, delay in zip(towns, days, delays, strict=True)
    ]
    heard = np.ones(known.shape[:2])
    heard[:, -limits.longest_delay - 1 :] = arrived(rows, names, day, limits)
    dates = np.arange(np.datetime64(FIRST), np.datetime64(day) + 1)
    settings, out = OwnSettings(min_cases=3.0), {}
    for name, population in (("corrected", heard), ("uncorrected", None)):
        series = SeriesSet(names, known.sum(2).astype(float), Frequency.DAILY, dates, population=population)
        found = detect_own(series, from_index=today - STATISTICS_DAYS, settings=settings)
        out[name] = np.where(found.observed > 0, found.pvalue, 1.0).min(1)
    return out


def _level() -> float:
    """Of the county's budget, as a pass sets it for so many series."""
    from healthbrain.surveillance.knowledge import read

    limits = read("thresholds")["budget"]
    return float(min(limits["false_signals_a_week"] / 7 / TOWNSHIPS, limits["at_most"]))


def _score(alarms: np.ndarray, planted: Planted) -> dict[str, Any]:
    delays: list[float] = []
    false = 0
    for own, begins in zip(alarms, planted.begins, strict=True):
        quiet = own.copy()
        for begin in (b - HISTORY for b in begins):
            span = slice(begin, begin + LONG + AFTER)
            hit = np.flatnonzero(own[span])
            delays.append(float(hit[0]) if len(hit) else np.nan)
            quiet[span] = False
        loud = np.flatnonzero(quiet)
        false += int((np.diff(loud, prepend=-100) > AFTER).sum())  # alarms of one week are one
    found = [d for d in delays if not np.isnan(d)]
    return {
        "outbreaks": len(delays), "found": len(found), "days_median": percentile(found, 0.5) if found else None,
        "days_mean": round(float(np.mean(found)), 2) if found else None,
        "false_alarms_a_week": round(false / (TESTED / 7), 2), "delays": delays,
    }  # fmt: skip


def _earlier(one: list[float], other: list[float]) -> dict[str, Any]:
    """Over outbreaks that both found: mean of the paired differences in days, with its 95 % interval."""
    pairs = np.array([(a, b) for a, b in zip(one, other, strict=True) if not (np.isnan(a) or np.isnan(b))])
    gain = pairs[:, 1] - pairs[:, 0]
    error = 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
    mean = float(gain.mean())
    return {
        "both_found": len(gain), "mean": round(mean, 2), "low": round(mean - error, 2), "high": round(mean + error, 2),
        "earlier": int((gain > 0).sum()), "same_day": int((gain == 0).sum()), "later": int((gain < 0).sum()),
    }  # fmt: skip
