"""The published simulation designs, drawn freshly from a seed, and the measures the papers report.

Weekly: Noufaily et al. 2013 (Stat Med 32:1206) with 42 scenarios, as also used by Bédubourg & Le Strat 2017. Daily:
Noufaily et al. 2019 (Bioinformatics 35:3110) with 16 syndromes. Parameters are data:
knowledge/surveillance/noufaily42.csv and noufaily16.csv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthbrain.surveillance.rules.series import Bools, Frequency, SeriesSet

Floats = NDArray[np.float64]
Row = Mapping[str, float]

WEEKS, PAST, CURRENT = 624, 312, 575  # current weeks are those from index 575 on: 49 of them
PAST_SIZES = (2, 3, 5, 10)
YEARS, DAILY_CURRENT = 7, 343


@dataclass(frozen=True, eq=False)
class Trial:
    """series with outbreaks; outbreak (n_series, n_periods): cases of the outbreak to be found; first tested period.

    size: k or w of the outbreak of each series; scenario: its parameter row.
    """

    series: SeriesSet
    outbreak: Floats
    from_index: int
    size: NDArray[np.int64]
    scenario: NDArray[np.int64]


@dataclass(frozen=True)
class Measures:
    """fpr: alarms among periods without outbreak case. pod: share of series with an alarm in an outbreak period;
    pod_first: in the first one. sensitivity, ppv, npv, f1: per period. timeliness: mean share of the outbreak that had
    passed at the first alarm, 1 where missed. odds: diagnostic odds ratio.
    """

    fpr: float
    pod: float
    pod_first: float
    sensitivity: float
    ppv: float
    npv: float
    f1: float
    timeliness: float
    odds: float


def weekly(rows: Sequence[Row], replicates: int, seed: int) -> Trial:
    """`replicates` series of each scenario; the current outbreak's k runs through 1 ... 10."""
    rng = np.random.default_rng(seed)
    scenario = np.repeat(np.arange(len(rows)), replicates)
    means = np.stack([weekly_mean(row) for row in rows])[scenario]
    phi = np.array([row["phi"] for row in rows])[scenario]
    counts = draw_counts(rng, means, phi[:, None])
    current = np.zeros_like(counts)
    size = np.tile(np.arange(replicates) % 10 + 1, len(rows))
    deviation = np.sqrt(phi[:, None] * means)
    for s in range(len(counts)):
        for start in rng.choice(np.arange(PAST, CURRENT), 4, replace=False):
            counts[s] += _weekly_outbreak(rng, int(start), deviation[s, start] * rng.choice(PAST_SIZES))
        start = int(rng.integers(CURRENT, WEEKS))
        current[s] = _weekly_outbreak(rng, start, deviation[s, start] * size[s])
    names = tuple(f"{row['scenario']:.0f}-{i + 1}" for row in rows for i in range(replicates))
    return Trial(SeriesSet(names, counts + current, Frequency.WEEKLY), current, CURRENT, size, scenario)


def weekly_mean(row: Row) -> Floats:
    """Mean of weeks 1 ... 624."""
    week = np.arange(1.0, WEEKS + 1)
    log_mean = row["theta"] + row["beta"] * week
    for wave in range(1, int(row["m"]) + 1):
        angle = 2 * np.pi * wave * week / 52
        log_mean = log_mean + row["gamma1"] * np.cos(angle) + row["gamma2"] * np.sin(angle)
    return np.asarray(np.exp(log_mean), np.float64)


def draw_counts(rng: np.random.Generator, means: Floats, phi: Floats) -> Floats:
    """Negative binomial with variance phi · mean (phi = 1: Poisson), as a Poisson with a gamma rate."""
    extra = np.broadcast_to(phi - 1.0, means.shape)
    rate = np.where(extra > 0, rng.gamma(means / np.where(extra > 0, extra, 1.0)) * extra, means)
    return rng.poisson(rate).astype(np.float64)


def _cases(rng: np.random.Generator, mean: float) -> int:
    """An outbreak has two cases at least: drawn again while it has fewer (the authors' code)."""
    cases = 0
    while cases < 2:
        cases = int(rng.poisson(mean))
    return cases


def _weekly_outbreak(rng: np.random.Generator, start: int, mean: float) -> Floats:
    week = start + np.floor(rng.lognormal(0.0, 0.5, _cases(rng, mean))).astype(np.int64)
    return np.bincount(week[week < WEEKS], minlength=WEEKS).astype(np.float64)


def daily(rows: Sequence[Row], sizes: Sequence[int], replicates: int, seed: int) -> Trial:
    """Every syndrome with one current outbreak of each size w, `replicates` times. 7 years of 364 days."""
    rng = np.random.default_rng(seed)
    runs = [(i, w) for _ in range(replicates) for i in range(len(rows)) for w in sizes]
    drawn = [_daily_series(rng, rows[i], w) for i, w in runs]
    names = tuple(f"{rows[i]['id']:.0f}-w{w}-{n // (len(rows) * len(sizes)) + 1}" for n, (i, w) in enumerate(runs))
    counts, outbreak = np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn])
    size, scenario = np.array([w for _, w in runs]), np.array([i for i, _ in runs])
    return Trial(SeriesSet(names, counts, Frequency.DAILY), outbreak, counts.shape[1] - DAILY_CURRENT, size, scenario)


def _daily_series(rng: np.random.Generator, row: Row, size: int) -> tuple[Floats, Floats]:
    days = int(row["days"])
    n = YEARS * 52 * days
    t = np.arange(1.0, n + 1) + row["shift"]
    log_mean = row["alpha"] + row["beta"] * t
    for count, period, a, b in (
        (row["k"], 52.0 * days, row["gamma1"], row["gamma2"]),
        (row["k2"], float(days), row["gamma3"], row["gamma4"]),
    ):
        for wave in range(1, int(count) + 1):
            log_mean = log_mean + a * np.cos(2 * np.pi * wave * t / period) + b * np.sin(2 * np.pi * wave * t / period)
    means = np.exp(log_mean)
    counts = draw_counts(rng, means, np.asarray(row["phi"])) / row["div"]
    # In units of the counts as they are seen; the authors leave the outbreak undivided, which makes it easier to find.
    deviation = np.sqrt(row["phi"] * means) / row["div"]
    if row["wave_size"]:
        counts = counts + _yearly_waves(rng, row, deviation)
    start = int(rng.integers(n - 49 * days, n))
    outbreak = np.round(_daily_outbreak(rng, start, deviation[start] * size * days, 0.25, days, n))
    return _with_weekends(np.round(counts) + outbreak, days), _with_weekends(outbreak, days)


def _yearly_waves(rng: np.random.Generator, row: Row, deviation: Floats) -> Floats:
    days, n = int(row["days"]), len(deviation)
    total = np.zeros(n)
    for year in range(YEARS):
        start = int(row["wave_start"] - 1 + rng.integers(int(row["wave_days"]))) + year * 52 * days
        # Signal 16 takes its wave from the five-day code with signal 7's level; so do we.
        sd = (
            deviation[start] if days == 5 else float(np.exp(0.5 * (1.0 + 2.0 * np.sin(2 * np.pi * (start - 49) / 260))))
        )
        total += _daily_outbreak(rng, start, sd * row["wave_size"], 0.02, 5, n)
    return total


def _daily_outbreak(rng: np.random.Generator, start: int, mean: float, interval: float, days: int, n: int) -> Floats:
    """Cases on day start + ⌈Z / interval⌉ - 1, Z lognormal(0, 0.5²), weighted by the weekday they are seen on."""
    lag = np.ceil(rng.lognormal(0.0, 0.5, _cases(rng, mean)) / interval).astype(np.int64) - 1
    day = start + lag[start + lag < n]
    number = np.arange(1, n + 1)
    weight = 1.0 + np.isin(number % 7, (0, 6)) if days == 7 else np.array([1.1, 1.5, 1.1, 1.0, 1.0])[number % 5]
    return np.asarray(np.bincount(day, minlength=n) * weight, np.float64)


def _with_weekends(values: Floats, days: int) -> Floats:
    """Five-day systems have two days without data at the end of each week."""
    weeks = values.reshape(-1, days)
    return np.concatenate([weeks, np.zeros((len(weeks), 7 - days))], axis=1).ravel()


def measure(trial: Trial, alarm: Bools, rows: NDArray[np.intp] | None = None) -> Measures:
    """alarm: (n_series, n_tested). rows: only these series."""
    rows = np.arange(len(alarm)) if rows is None else rows
    truth = trial.outbreak[rows, trial.from_index :] > 0
    alarm = alarm[rows]
    hits, false = int((alarm & truth).sum()), int((alarm & ~truth).sum())
    missed, quiet = int((~alarm & truth).sum()), int((~alarm & ~truth).sum())
    there = truth.any(1)
    first = truth.argmax(1)
    length = truth.shape[1] - truth[:, ::-1].argmax(1) - first
    found = (alarm & truth).any(1)
    delay = np.where(found, ((alarm & truth).argmax(1) - first) / length, 1.0)
    precision, sensitivity = hits / max(hits + false, 1), hits / max(hits + missed, 1)
    return Measures(
        fpr=false / max(false + quiet, 1),
        pod=float(found[there].mean()),
        pod_first=float(alarm[np.arange(len(rows)), first][there].mean()),
        sensitivity=sensitivity,
        ppv=precision,
        npv=quiet / max(quiet + missed, 1),
        f1=2 * precision * sensitivity / max(precision + sensitivity, 1e-12),
        timeliness=float(delay[there].mean()),
        odds=hits * quiet / max(missed * false, 1),
    )
