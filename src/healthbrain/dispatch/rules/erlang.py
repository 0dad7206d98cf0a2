"""Seats and lines of the call centre: Erlang B (lost when busy) and Erlang C (waiting when busy).

A. K. Erlang 1917; formulas as in ITU-D Teletraffic Engineering Handbook (2005), ch. 7 and 9. Offered load in erlangs =
calls per hour × seconds per call / 3600.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def erlang_b(load: float, lines: int) -> float:
    """Probability that all `lines` are busy and a call is lost; stable recursion, any size."""
    _check(load, lines)
    if load == 0:
        return 0.0 if lines else 1.0
    inverse = 1.0
    for n in range(1, lines + 1):
        inverse = 1.0 + n / load * inverse
        if math.isinf(inverse):
            return 0.0
    return 1.0 / inverse


def erlang_c(load: float, seats: int) -> float:
    """Probability that a call has to wait; 1 when the load is more than the seats can ever answer."""
    _check(load, seats)
    if load >= seats:
        return 1.0 if load > 0 else 0.0
    lost = erlang_b(load, seats)
    return lost / (1.0 - load / seats * (1.0 - lost))


def answered_within(load: float, seats: int, seconds: float, talk_s: float) -> float:
    """Share of calls answered within `seconds`, talking `talk_s` on average (M/M/c, first come first served)."""
    if load >= seats:
        return 0.0 if load > 0 else 1.0
    return 1.0 - erlang_c(load, seats) * math.exp(-(seats - load) * seconds / talk_s)


@dataclass(frozen=True, slots=True)
class CallCentre:
    """How many seats and lines, and what they achieve. `wait_s`: mean wait of all calls."""

    load: float
    seats: int
    answered: float
    wait_s: float
    lines: int
    blocked: float


def call_centre(
    calls_per_hour: float, talk_s: float, *, within_s: float, share: float, blocking: float, seats: int | None = None
) -> CallCentre:
    """The fewest seats that answer `share` of calls within `within_s` (or the given `seats`), and the fewest lines
    that
    turn away no more than `blocking`, where a line is held for wait and talk."""
    if not 0 < share < 1 or not 0 < blocking < 1:
        raise ValueError("share and blocking lie between 0 and 1")
    if calls_per_hour < 0 or talk_s <= 0 or within_s < 0:
        raise ValueError("calls, talk and wait are not negative, talk is more than 0")
    load = calls_per_hour * talk_s / 3600.0
    needed = max(1, math.ceil(load))
    while seats is None and answered_within(load, needed, within_s, talk_s) < share:
        needed += 1
    chosen = needed if seats is None else seats
    wait = math.inf if load >= chosen else erlang_c(load, chosen) * talk_s / (chosen - load)
    held = calls_per_hour * (talk_s + (wait if math.isfinite(wait) else within_s)) / 3600.0
    lines = max(1, chosen)
    while erlang_b(held, lines) > blocking:
        lines += 1
    answered = answered_within(load, chosen, within_s, talk_s)
    return CallCentre(load, chosen, answered, wait, lines, erlang_b(held, lines))


def _check(load: float, servers: int) -> None:
    if not math.isfinite(load) or load < 0 or servers < 0:
        raise ValueError("load and servers are finite and not negative")
