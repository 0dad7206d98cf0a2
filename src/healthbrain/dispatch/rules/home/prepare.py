"""A day of home care as arrays. A *task* is one nurse at one visit: a two-person visit is two tasks; a break is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from healthbrain.dispatch.rules.darp.model import Key, meet
from healthbrain.dispatch.rules.home.model import Day, Nurse, Pin, Visit, Weights

FAR = 1e7
# A visit left out costs this many times what making it could cost at most: nobody waits for a nurse because a new face,
# a late hour or a long way would be dear, and visits of a higher priority still come first where not all fit.
LEFT_OUT = 10.0


class Wish(NamedTuple):
    """Repair only: who makes a visit now, and when it begins."""

    nurses: tuple[Key, ...]
    begin: float


class Tasks(NamedTuple):
    """The day for numba. T tasks (breaks last), K nurses, P places."""

    travel: np.ndarray  # (P, P) minutes
    place: np.ndarray  # (T,) -1 = wherever the nurse is (a break)
    lo: np.ndarray  # (T,)
    hi: np.ndarray  # (T,)
    service: np.ndarray  # (T,)
    twin: np.ndarray  # (T,) task that begins at the same minute, -1 none
    after: np.ndarray  # (T,) task this one follows, -1 none
    gap: np.ndarray  # (T, 2) earliest and latest minutes from its begin to this one's
    allow: np.ndarray  # (T, K) bool
    assign: np.ndarray  # (T, K) cost of this nurse
    target: np.ndarray  # (T,) wished begin
    slack: np.ndarray  # (T,) minutes off that cost nothing
    slope: np.ndarray  # (T,) cost per minute beyond
    price: np.ndarray  # (T,) of leaving it out
    home: np.ndarray  # (K, 2) start and end place
    shift: np.ndarray  # (K, 2)
    unfair: float
    coupled: bool  # some tasks hang together across nurses


def prepare(
    day: Day,
    weights: Weights,
    known: Mapping[Key, frozenset[Key]],
    pinned: Mapping[Key, Pin],
    wishes: Mapping[Key, Wish],
    *,
    usual: bool,
) -> tuple[Tasks, list[tuple[int, int]]]:
    """Arrays, and per task (visit index, person) or (-1, nurse index) for a break.

    usual: hold visits back to their usual time less the tolerance; without it their own windows rule.
    """
    rows: list[tuple[int, int]] = [
        (v, person) for v, visit in enumerate(day.visits) for person in range(len(visit.needs))
    ]
    first = {v: t for t, (v, person) in enumerate(rows) if person == 0}
    rests = [(-1, k) for k, nurse in enumerate(day.nurses) if nurse.rest]
    size, many = len(rows) + len(rests), len(day.nurses)
    index = {visit.key: v for v, visit in enumerate(day.visits)}
    windows = np.array([_window(day.visits[v], pinned, weights, usual) for v, _ in rows], dtype=float).reshape(-1, 2)
    lo, hi, service = np.zeros(size), np.zeros(size), np.zeros(size)
    lo[: len(rows)], hi[: len(rows)] = windows[:, 0], windows[:, 1]
    place, twin, after = np.full(size, -1), np.full(size, -1), np.full(size, -1)
    gap, allow, assign = np.zeros((size, 2)), np.zeros((size, many), dtype=np.bool_), np.zeros((size, many))
    target, slack, slope, price = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    scale = LEFT_OUT * _dearest(day, weights)
    for t, (v, person) in enumerate(rows):
        visit = day.visits[v]
        place[t], service[t] = visit.place, visit.minutes
        price[t] = scale * visit.priority * (50.0 if visit.key in pinned else 1.0)
        if len(visit.needs) > 1:
            twin[t] = first[v] + (person + 1) % len(visit.needs)
        if visit.following:
            after[t] = first[index[visit.following.visit]]
            gap[t] = visit.following.earliest, min(visit.following.latest, FAR)
        for k, nurse in enumerate(day.nurses):
            allow[t, k] = _may(nurse, visit, visit.needs[person], pinned.get(visit.key))
            assign[t, k] = _cost(nurse, visit, weights, known, wishes)
        target[t], slack[t], slope[t] = _wish(visit, weights, wishes)
    for t, (_, k) in enumerate(rests, len(rows)):
        rest = day.nurses[k].rest
        if rest is not None:
            lo[t], hi[t], service[t] = rest.window.earliest, rest.window.latest, rest.minutes
            price[t], allow[t, k] = 50.0 * scale, True
    shift = np.array([(n.shift.earliest, min(n.shift.latest, FAR)) for n in day.nurses], dtype=float).reshape(-1, 2)
    home = np.array([(n.start, n.end) for n in day.nurses], dtype=np.int64).reshape(-1, 2)
    travel = np.ascontiguousarray(np.minimum(day.minutes, FAR), dtype=float)
    coupled = bool((twin >= 0).any() or (after >= 0).any())
    tasks = Tasks(
        travel, place, lo, np.minimum(hi, FAR), service, twin, after, gap, allow, assign,
        target, slack, slope, price, home, shift, weights.unfair, coupled,
    )  # fmt: skip
    return tasks, rows + rests


def _dearest(day: Day, weights: Weights) -> float:
    """What one visit can add to the cost of a day, in minutes of driving.

    The longest way there and back, strange hands that take it from others, and the whole of the longest shift away from
    its usual time and above a fair share.
    """
    longest = max(float(np.minimum(day.minutes, FAR).max(initial=1.0)), 1.0)
    shift = max((n.shift.latest - n.shift.earliest for n in day.nurses if n.shift.latest < FAR), default=0.0)
    hours = (max(weights.off_usual, weights.moved) + weights.unfair) * shift
    return 2.0 * longest + weights.newcomer + weights.given_away + hours


def _window(visit: Visit, pinned: Mapping[Key, Pin], weights: Weights, usual: bool) -> tuple[float, float]:
    window = visit.window
    pin = pinned.get(visit.key)
    if pin and pin.window:
        window = meet(window, pin.window)
    lo = window.earliest
    if usual and visit.usual is not None:
        lo = max(lo, min(visit.usual - weights.tolerance, window.latest))
    return lo, window.latest


def _may(nurse: Nurse, visit: Visit, skills: frozenset[str], pin: Pin | None) -> bool:
    chosen = visit.nurses is None or nurse.key in visit.nurses
    told = pin is None or pin.nurses is None or nurse.key in pin.nurses
    return chosen and told and skills <= nurse.skills and nurse.key not in visit.refused


def _cost(
    nurse: Nurse, visit: Visit, weights: Weights, known: Mapping[Key, frozenset[Key]], wishes: Mapping[Key, Wish]
) -> float:
    new = weights.newcomer if nurse.key not in known.get(visit.patient, frozenset()) else 0.0
    wish = wishes.get(visit.key)
    return new + (weights.given_away if wish and nurse.key not in wish.nurses else 0.0)


def _wish(visit: Visit, weights: Weights, wishes: Mapping[Key, Wish]) -> tuple[float, float, float]:
    wish = wishes.get(visit.key)
    if wish:
        return wish.begin, 0.0, weights.moved / len(visit.needs)
    if visit.usual is not None:
        return visit.usual, weights.tolerance, weights.off_usual / len(visit.needs)
    return 0.0, 0.0, 0.0
