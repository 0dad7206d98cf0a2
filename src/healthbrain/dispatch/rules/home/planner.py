"""`plan_day` and `plan_week`: who visits whom and when, continuity and evenness weighed against driving."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from healthbrain.dispatch.rules.darp.model import Key
from healthbrain.dispatch.rules.home import search
from healthbrain.dispatch.rules.home.model import Call, Day, DayPlan, Pin, Tour, Uncovered, WeekPlan, Weights
from healthbrain.dispatch.rules.home.prepare import Tasks, Wish, prepare

HOT, COLD = 0.02, 0.001  # temperatures as a share of the first plan's cost


def plan_day(
    day: Day,
    *,
    seconds: float,
    seed: int = 1,
    weights: Weights | None = None,
    known: Mapping[Key, frozenset[Key]] | None = None,
    pinned: Mapping[Key, Pin] | None = None,
    wishes: Mapping[Key, Wish] | None = None,
) -> DayPlan:
    """The best tours found in `seconds` of wall clock; every hard rule kept, visits nobody can make in `uncovered`.

    known: patient -> nurses who have been there. pinned: visits that may not move. wishes: see `repair`.
    """
    _warm_up()
    began, cpu = time.perf_counter(), time.process_time()
    weights = weights or Weights()
    plan = _plan(day, seconds, seed, weights, known or {}, pinned or {}, wishes or {}, usual=True)
    if plan.uncovered and any(v.usual is not None for v in day.visits):
        wider = _plan(day, 0.5 * seconds, seed, weights, known or {}, pinned or {}, wishes or {}, usual=False)
        plan = min(plan, wider, key=lambda one: (len(one.uncovered), one.cost))
    return replace(plan, seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu)


def plan_week(
    days: Sequence[Day],
    *,
    seconds: float,
    seed: int = 1,
    weights: Weights | None = None,
    known: Mapping[Key, frozenset[Key]] | None = None,
    pinned: Mapping[Key, Pin] | None = None,
) -> WeekPlan:
    """Days one after the other, each knowing the faces of the days before; then each once more, knowing all others.

    pinned: visits of any of the days that may not move.
    """
    plans: dict[int, DayPlan] = {}
    share = seconds / max(2 * len(days), 1)
    for _ in range(2):
        for number, day in enumerate(days):
            others = [plan for other, plan in plans.items() if other != number]
            faces = _faces(others, known or {})
            of_day = {key: pin for key, pin in (pinned or {}).items() if any(v.key == key for v in day.visits)}
            plans[number] = plan_day(day, seconds=share, seed=seed, weights=weights, known=faces, pinned=of_day)
    ordered = tuple(plans[number] for number in range(len(days)))
    working: dict[Key, float] = {}
    for plan in ordered:
        for tour in plan.tours:
            working[tour.nurse] = working.get(tour.nurse, 0.0) + tour.working
    return WeekPlan(ordered, _faces(ordered, {}), working)


def _faces(plans: Sequence[DayPlan], known: Mapping[Key, frozenset[Key]]) -> dict[Key, frozenset[Key]]:
    """Patient -> nurses."""
    faces = dict(known)
    for plan in plans:
        patient = {visit.key: visit.patient for visit in plan.day.visits}
        for visit, nurses in plan.nurses_of().items():
            faces[patient[visit]] = faces.get(patient[visit], frozenset()) | frozenset(nurses)
    return faces


def _plan(
    day: Day,
    seconds: float,
    seed: int,
    weights: Weights,
    known: Mapping[Key, frozenset[Key]],
    pinned: Mapping[Key, Pin],
    wishes: Mapping[Key, Wish],
    *,
    usual: bool,
) -> DayPlan:
    d, rows = prepare(day, weights, known, pinned, wishes, usual=usual)
    best, rounds = _search(d, seconds, seed)
    return _read(day, d, rows, best, rounds)


def _search(d: Tasks, seconds: float, seed: int) -> tuple[search.Tours, int]:
    now, trial, best = search.new_tours(d), search.new_tours(d), search.new_tours(d)
    if not len(d.place) or not len(d.home):
        return best, 0
    search.seed_draws(seed)
    began, near = time.perf_counter(), _nearness(d)
    first = search.anneal(d, now, trial, best, near, 1e-9, 20)
    scale = max(first - float(d.price[best.owner < 0].sum()), 1.0)
    rounds, step = 20, 20
    while (share := (time.perf_counter() - began) / seconds) < 1.0:
        before = time.perf_counter()
        search.anneal(d, now, trial, best, near, scale * HOT * (COLD / HOT) ** share, step)
        rounds += step
        spent = max(time.perf_counter() - before, 1e-5)
        step = int(np.clip(step * min(0.05, max(seconds * (1 - share), 0.0)) / spent, 1, 4 * step))
    return best, rounds


def _nearness(d: Tasks) -> np.ndarray:
    """(T, T) each row: tasks from the nearest in place and time on, itself first."""
    place = np.maximum(d.place, 0)
    way = d.travel[np.ix_(place, place)]
    far = np.minimum(way, way.T) + 0.1 * np.abs(d.lo[:, None] + d.hi[:, None] - d.lo[None, :] - d.hi[None, :]) / 2.0
    np.fill_diagonal(far, -1.0)
    return np.argsort(far, axis=1, kind="stable")


def _read(day: Day, d: Tasks, rows: list[tuple[int, int]], s: search.Tours, rounds: int) -> DayPlan:
    tours = tuple(
        tour
        for k in range(len(day.nurses))
        if (tour := _tour(day, d, rows, s, k)) and any(c.visit is not None for c in tour.calls)
    )
    left = sorted({rows[t][0] for t in np.flatnonzero(s.owner < 0) if rows[t][0] >= 0})
    uncovered = tuple(Uncovered(day.visits[v].key, _why(day, v)) for v in left)
    return DayPlan(day, tours, sum(t.driving for t in tours), search.total_cost(d, s), uncovered, iterations=rounds)


def _tour(day: Day, d: Tasks, rows: list[tuple[int, int]], s: search.Tours, k: int) -> Tour:
    """Nurse k leaves as late as the first visit allows and waits, where she must, at the next door."""
    nurse = day.nurses[k]
    here, free, leaves, calls = nurse.start, float(nurse.shift.earliest), -1.0, []
    for t in s.path[k, : s.size[k]]:
        visit = day.visits[rows[t][0]] if rows[t][0] >= 0 else None
        place = visit.place if visit else here
        way, begin = float(d.travel[here, place]), float(s.begin[t])
        if leaves < 0.0:
            leaves = begin - way
            free = leaves
        calls.append(Call(visit.key if visit else None, place, free + way, begin, begin + float(d.service[t])))
        here, free = place, calls[-1].end
    back = free + float(d.travel[here, nurse.end])
    driving = float(search.driving_of(d, s, k))
    visiting = sum(c.end - c.begin for c in calls if c.visit is not None)
    return Tour(nurse.key, tuple(calls), max(leaves, 0.0), back, driving, driving + visiting)


def _why(day: Day, v: int) -> tuple[str, str]:
    visit = day.visits[v]
    for skills in visit.needs:
        able = [n for n in day.nurses if skills <= n.skills and n.key not in visit.refused]
        if not able:
            named = ", ".join(sorted(skills)) or "-"
            return f"没有具备 {named} 资质的护士", f"no nurse with the skills {named}"
    if len(day.nurses) < len(visit.needs):
        return "护士人数不足", "fewer nurses than the visit needs"
    return "时间窗内没有护士可以上门", "no nurse can come within its window"


_warm: list[bool] = []


def _warm_up() -> None:
    """Load or compile the inner loops once per process, outside of the time asked for."""
    from healthbrain.dispatch.rules.darp.model import Window
    from healthbrain.dispatch.rules.home.model import Nurse, Visit

    if not _warm:
        _warm.append(True)
        day = Day((Nurse(1, 0, 0, Window(0, 100)),), (Visit(1, 1, 0, Window(0, 90), 1.0),), np.zeros((1, 1)))
        _plan(day, 0.01, 1, Weights(), {}, {}, {}, usual=False)
