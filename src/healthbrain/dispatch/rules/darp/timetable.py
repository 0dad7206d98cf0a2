"""From an order of stops to the times people are told: the eight steps of Cordeau & Laporte (2003, section 3.3).

The vehicle leaves its depot as late as costs nothing, and each rider is picked up as late as the waiting further on
allows: least route duration first, then least time on board. The times found by `settle` (exact) are the fall-back
should the forward slacks overshoot a rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from healthbrain.dispatch.rules.darp.prepare import EPS


@dataclass(frozen=True, slots=True)
class Leg:
    """One stop as the timetable sees it. `way`: minutes of driving to it from the stop before.

    partner: at a delivery, position of its pickup; ride: the limit of that ride.
    """

    early: float
    late: float
    service: float
    way: float
    partner: int = -1
    ride: float = float("inf")


def timetable(legs: Sequence[Leg], limit: float, earliest: Sequence[float]) -> list[float]:
    """Begin of service at each stop (the first is the departure from the depot). `earliest`: a schedule that holds."""
    begins = _forward([leg.early for leg in legs], legs, 0)  # step 2
    floor = list(legs)
    start = legs[0].early + min(_slack(floor, begins, 0), _waiting(legs, begins, 0))  # steps 3 to 5
    begins = _push(floor, begins, 0, start)
    for j, _ in enumerate(legs):  # step 7
        if any(leg.partner == j for leg in legs):
            later = begins[j] + min(_slack(floor, begins, j), _waiting(legs, begins, j))
            begins = _push(floor, begins, j, later)
    return begins if holds(legs, limit, begins) else list(earliest)


def holds(legs: Sequence[Leg], limit: float, begins: Sequence[float]) -> bool:
    """Every window, drive, ride time and the route duration are kept, to rounding."""
    for i, leg in enumerate(legs):
        if not leg.early - EPS <= begins[i] <= leg.late + EPS:
            return False
        if i and begins[i] < begins[i - 1] + legs[i - 1].service + leg.way - EPS:
            return False
        if leg.partner >= 0 and begins[i] - begins[leg.partner] - legs[leg.partner].service > leg.ride + EPS:
            return False
    return begins[-1] - begins[0] <= limit + EPS


def _push(legs: list[Leg], begins: list[float], at: int, begin: float) -> list[float]:
    """Stop `at` begins at `begin` (kept as its new earliest), the stops after it as soon as they can."""
    legs[at] = replace(legs[at], early=begin)
    return _forward(begins[:at] + [leg.early for leg in legs[at:]], legs, at)


def _forward(begins: list[float], legs: Sequence[Leg], start: int) -> list[float]:
    out = list(begins)
    for i in range(start + 1, len(legs)):
        out[i] = max(legs[i].early, out[i - 1] + legs[i - 1].service + legs[i].way)
    return out


def _wait(legs: Sequence[Leg], begins: Sequence[float], i: int) -> float:
    return begins[i] - (begins[i - 1] + legs[i - 1].service + legs[i].way)


def _waiting(legs: Sequence[Leg], begins: Sequence[float], at: int) -> float:
    """All waiting after `at`: delaying by no more leaves the end of the route where it is."""
    return sum(_wait(legs, begins, i) for i in range(at + 1, len(legs)))


def _slack(legs: Sequence[Leg], begins: Sequence[float], at: int) -> float:
    """Forward time slack: by how much `at` may be delayed without breaking a window or a ride begun before it."""
    slack, waited = float("inf"), 0.0
    for j in range(at, len(legs)):
        if j > at:
            waited += _wait(legs, begins, j)
        room = legs[j].late - begins[j]
        partner = legs[j].partner
        if 0 <= partner < at:
            room = min(room, legs[j].ride - (begins[j] - begins[partner] - legs[partner].service))
        slack = min(slack, waited + max(room, 0.0))
    return slack
