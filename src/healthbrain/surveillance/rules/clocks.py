"""The clocks of an event: how long each stretch took, or has left, against its limit. Limits are knowledge."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_UNITS = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1), "minute": dt.timedelta(minutes=1)}
SOON = 0.25  # the last quarter of a limit: the desk begins to warn


@dataclass(frozen=True, slots=True)
class Clock:
    """From one moment of the event to another, within a limit. `title` and `source` are bilingual or plain values."""

    key: str
    title: Mapping[str, str]
    start: str
    end: str
    limit: dt.timedelta
    source: Mapping[str, Any]
    verified: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """One clock read at a moment. `state`: waiting (not begun), running, soon, late (running, past its limit), met,
    missed."""

    clock: Clock
    started: dt.datetime | None
    ended: dt.datetime | None
    due: dt.datetime | None
    elapsed: dt.timedelta | None
    state: str

    @property
    def left(self) -> dt.timedelta | None:
        """What remains of the limit; negative when it has passed; None before it began."""
        return None if self.elapsed is None else self.clock.limit - self.elapsed

    @property
    def share(self) -> float:
        """Elapsed over limit, between 0 and 1, for a bar."""
        if self.elapsed is None:
            return 0.0
        return min(1.0, max(0.0, self.elapsed / self.clock.limit))


def parse_limit(text: str) -> dt.timedelta:
    """ "0.5 hours", "1 day". Raises ValueError."""
    number, _, unit = text.strip().partition(" ")
    if unit.rstrip("s") not in _UNITS:
        raise ValueError(f"not a limit: {text!r}")
    limit = float(number) * _UNITS[unit.rstrip("s")]
    if limit <= dt.timedelta(0):
        raise ValueError(f"a limit must be positive: {text!r}")
    return limit


def parse_clocks(data: Mapping[str, Any]) -> tuple[Clock, ...]:
    """The clocks of a knowledge file. Raises ValueError or KeyError on a bad one."""
    return tuple(
        Clock(c["key"], c["title"], c["from"], c["to"], parse_limit(c["within"]), c["source"], bool(c["verified"]))
        for c in data["clocks"]
    )


def read_clock(clock: Clock, moments: Mapping[str, dt.datetime | None], now: dt.datetime) -> Reading:
    """One clock at `now`. A stretch that ends before it starts (data corrected later) took no time, never less."""
    started, ended = moments.get(clock.start), moments.get(clock.end)
    if started is None:
        return Reading(clock, None, ended, None, None, "waiting")
    elapsed = max(dt.timedelta(0), (ended or now) - started)
    due = started + clock.limit
    if ended is not None:
        state = "met" if elapsed <= clock.limit else "missed"
    elif elapsed > clock.limit:
        state = "late"
    else:
        state = "soon" if clock.limit - elapsed <= clock.limit * SOON else "running"
    return Reading(clock, started, ended, due, elapsed, state)


def read_clocks(
    clocks: Sequence[Clock], moments: Mapping[str, dt.datetime | None], now: dt.datetime
) -> tuple[Reading, ...]:
    """Every clock at `now`; `moments` maps the names used in the file to instants (all aware, or all naive)."""
    return tuple(read_clock(clock, moments, now) for clock in clocks)


def median(spans: Sequence[dt.timedelta]) -> dt.timedelta | None:
    """The middle span; None for none."""
    if not spans:
        return None
    ordered = sorted(spans)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
