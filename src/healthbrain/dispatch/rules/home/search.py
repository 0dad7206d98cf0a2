"""Ruin and recreate over nurses' tours, with exact times also where tours hang together. Compiled.

Same begin of two nurses, and "between a and b minutes after", are difference constraints across tours: the least
solution is reached by raising times until nothing moves, as in `rules.darp.settle`, over the whole day at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from healthbrain.dispatch.rules.compiled import compiled
from healthbrain.dispatch.rules.home.prepare import Tasks

_EPS = 1e-8


class Tours(NamedTuple):
    """Tours being searched: tasks of each nurse in order, when each begins, whose it is (-1 nobody's)."""

    path: np.ndarray  # (K, W)
    size: np.ndarray  # (K,)
    begin: np.ndarray  # (T,)
    owner: np.ndarray  # (T,)


def new_tours(d: Tasks) -> Tours:
    nurses, tasks = len(d.home), len(d.place)
    path = np.zeros((nurses, tasks + 1), dtype=np.int64)
    return Tours(path, np.zeros(nurses, dtype=np.int64), d.lo.copy(), np.full(tasks, -1))


@compiled
def seed_draws(seed: int) -> None:
    """Start the random numbers of compiled code in this thread."""
    np.random.seed(seed)


@compiled
def copy_tours(a: Tours, b: Tours) -> None:
    """b becomes a."""
    for k in range(a.size.shape[0]):
        b.size[k] = a.size[k]
        for i in range(a.size[k]):
            b.path[k, i] = a.path[k, i]
    for t in range(a.owner.shape[0]):
        b.owner[t] = a.owner[t]
        b.begin[t] = a.begin[t]


@compiled
def _sweep(d: Tasks, s: Tours, k: int, begin: np.ndarray) -> int:
    """Raise the begins along tour k; 1 when something moved, 0 when nothing, -1 when a time passes its end."""
    moved = 0
    here, now = d.home[k, 0], d.shift[k, 0]
    for i in range(s.size[k]):
        t = s.path[k, i]
        at = now
        if d.place[t] >= 0:
            at += d.travel[here, d.place[t]]
            here = d.place[t]
        if at > begin[t] + _EPS:
            begin[t] = at
            moved = 1
        if begin[t] > d.hi[t] + _EPS:
            return -1
        now = begin[t] + d.service[t]
    if s.size[k] > 0 and now + d.travel[here, d.home[k, 1]] > d.shift[k, 1] + _EPS:
        return -1
    return moved


@compiled
def _couple(d: Tasks, s: Tours, begin: np.ndarray) -> int:
    """Raise the begins of tasks that hang together; as `_sweep`."""
    moved = 0
    for t in range(d.twin.shape[0]):
        if s.owner[t] < 0:
            continue
        u = d.twin[t]
        if u >= 0 and s.owner[u] >= 0 and begin[u] < begin[t] - _EPS:
            begin[u] = begin[t]
            moved = 1
        b = d.after[t]
        if b >= 0 and s.owner[b] >= 0:
            if begin[t] < begin[b] + d.gap[t, 0] - _EPS:
                begin[t] = begin[b] + d.gap[t, 0]
                moved = 1
            if begin[b] < begin[t] - d.gap[t, 1] - _EPS:
                begin[b] = begin[t] - d.gap[t, 1]
                moved = 1
            if begin[b] > d.hi[b] + _EPS:
                return -1
        if begin[t] > d.hi[t] + _EPS:
            return -1
    return moved


@compiled
def settle_day(d: Tasks, s: Tours, k: int, begin: np.ndarray, fresh: bool) -> bool:
    """Earliest begins of all tasks into `begin`, given that only tour k changed; False when there is no schedule.

    fresh: start from the windows. Otherwise `begin` holds a least solution without some of the tasks: a lower bound.
    """
    if fresh and d.coupled:
        for t in range(begin.shape[0]):
            begin[t] = d.lo[t]
    elif fresh:
        for i in range(s.size[k]):
            begin[s.path[k, i]] = d.lo[s.path[k, i]]
    step = _sweep(d, s, k, begin)
    if step < 0 or not d.coupled:
        return step >= 0
    for _ in range(begin.shape[0] + 2):
        step = _couple(d, s, begin)
        if step < 0:
            return False
        moved = step
        for j in range(s.size.shape[0]):
            step = _sweep(d, s, j, begin)
            if step < 0:
                return False
            moved += step
        if moved == 0:
            return True
    return False


@compiled
def _place_from(d: Tasks, s: Tours, k: int, i: int) -> int:
    """Where nurse k goes from position i on: breaks have no place of their own."""
    for j in range(i, s.size[k]):
        if d.place[s.path[k, j]] >= 0:
            return d.place[s.path[k, j]]
    return d.home[k, 1]


@compiled
def driving_of(d: Tasks, s: Tours, k: int) -> float:
    """Minutes nurse k drives; none for a tour without visits."""
    total, here, visits = 0.0, d.home[k, 0], 0
    for i in range(s.size[k]):
        to = d.place[s.path[k, i]]
        if to >= 0:
            total += d.travel[here, to]
            here = to
            visits += 1
    return total + d.travel[here, d.home[k, 1]] if visits else 0.0


@compiled
def total_cost(d: Tasks, s: Tours) -> float:
    """Driving, who comes, when, how evenly, and what is left out."""
    nurses = s.size.shape[0]
    total, mean = 0.0, 0.0
    work = np.zeros(nurses)
    for k in range(nurses):
        driving = driving_of(d, s, k)
        total += driving
        work[k] = driving
        for i in range(s.size[k]):
            t = s.path[k, i]
            total += d.assign[t, k]
            work[k] += d.service[t]
        mean += work[k] / nurses
    for k in range(nurses):
        over = max(0.0, work[k] - mean)
        total += d.unfair * over * over / 60.0
    for t in range(s.owner.shape[0]):
        if s.owner[t] < 0:
            total += d.price[t]
        elif d.slope[t] > 0.0:
            total += d.slope[t] * max(0.0, abs(s.begin[t] - d.target[t]) - d.slack[t])
    return total


@compiled
def _insert_at(s: Tours, k: int, i: int, t: int) -> None:
    for j in range(s.size[k], i, -1):
        s.path[k, j] = s.path[k, j - 1]
    s.path[k, i] = t
    s.size[k] += 1
    s.owner[t] = k


@compiled
def _remove_at(s: Tours, k: int, i: int) -> None:
    s.owner[s.path[k, i]] = -1
    for j in range(i, s.size[k] - 1):
        s.path[k, j] = s.path[k, j + 1]
    s.size[k] -= 1


@compiled
def _uneven(d: Tasks, s: Tours, k: int, t: int) -> float:
    """What task t adds to the cost of uneven work, were nurse k to take it."""
    if d.unfair <= 0.0:
        return 0.0
    fair = d.service.sum() / s.size.shape[0]
    work = driving_of(d, s, k)
    for i in range(s.size[k]):
        work += d.service[s.path[k, i]]
    over, before = max(0.0, work + d.service[t] - fair), max(0.0, work - fair)
    return d.unfair * (over * over - before * before) / 60.0


@compiled
def _insert(d: Tasks, s: Tours, t: int, blink: float, begin: np.ndarray) -> bool:
    """Task t at its cheapest workable place; False when there is none."""
    best, best_k, best_i = d.price[t], -1, -1
    for k in range(s.size.shape[0]):
        if not d.allow[t, k] or (d.twin[t] >= 0 and _with_twin(d, s, t, k)):
            continue
        here, free, spread = d.home[k, 0], d.shift[k, 0], _uneven(d, s, k, t)
        for i in range(s.size[k] + 1):
            if i > 0:
                u = s.path[k, i - 1]
                here = d.place[u] if d.place[u] >= 0 else here
                free = s.begin[u] + d.service[u]
            if free > d.hi[t] + _EPS:
                break
            delta, at, onward = d.assign[t, k] + spread, max(free, d.lo[t]), 0.0
            if d.place[t] >= 0:
                to = _place_from(d, s, k, i)
                onward = d.travel[d.place[t], to]
                delta += d.travel[here, d.place[t]] + onward
                if s.size[k] > 0:
                    delta -= d.travel[here, to]
                at = max(free + d.travel[here, d.place[t]], d.lo[t])
            if delta >= best - 1e-9 or at > d.hi[t] + _EPS or np.random.random() < blink:
                continue
            if i < s.size[k]:
                u = s.path[k, i]
                if at + d.service[t] + (onward if d.place[u] >= 0 else 0.0) > d.hi[u] + _EPS:
                    continue
            _insert_at(s, k, i, t)
            if d.coupled:
                begin[:] = s.begin
            else:
                for j in range(s.size[k]):
                    begin[s.path[k, j]] = s.begin[s.path[k, j]]
            begin[t] = d.lo[t]
            if settle_day(d, s, k, begin, False):
                best, best_k, best_i = delta, k, i
            _remove_at(s, k, i)
    if best_k < 0:
        return False
    _insert_at(s, best_k, best_i, t)
    s.begin[t] = d.lo[t]
    settle_day(d, s, best_k, s.begin, False)
    return True


@compiled
def _with_twin(d: Tasks, s: Tours, t: int, k: int) -> bool:
    """Another person of the same visit is nurse k already."""
    u = d.twin[t]
    while u != t:
        if s.owner[u] == k:
            return True
        u = d.twin[u]
    return False


@compiled
def _insert_visit(d: Tasks, s: Tours, t: int, blink: float, begin: np.ndarray) -> None:
    """All persons of the visit of task t, or none."""
    done = _insert(d, s, t, blink, begin)
    u = d.twin[t]
    while done and u >= 0 and u != t:
        done = _insert(d, s, u, blink, begin)
        u = d.twin[u]
    if done or d.twin[t] < 0:
        return
    u = t
    while True:
        k = s.owner[u]
        if k >= 0:
            _take_out(d, s, k, u)
        u = d.twin[u]
        if u == t:
            return


@compiled
def _take_out(d: Tasks, s: Tours, k: int, t: int) -> None:
    for i in range(s.size[k]):
        if s.path[k, i] == t:
            _remove_at(s, k, i)
            break
    settle_day(d, s, k, s.begin, True)


@compiled
def _mark(d: Tasks, t: int, marked: np.ndarray) -> int:
    new = 0
    while t >= 0 and not marked[t]:
        marked[t] = True
        new += 1
        t = d.twin[t]
    return new


@compiled
def _ruin(d: Tasks, s: Tours, near: np.ndarray, marked: np.ndarray, removed: float) -> None:
    """Mark strings of tasks around a seed, one string a tour; now and then tasks at random."""
    tasks = s.owner.shape[0]
    wanted = 1 + int(np.random.random() * (2.0 * removed - 1.0))
    seed = np.random.randint(tasks)
    gone = 0
    if np.random.random() < 0.15:
        for _ in range(wanted):
            gone += _mark(d, np.random.randint(tasks), marked)
        return
    hit = np.zeros(s.size.shape[0], dtype=np.bool_)
    longest = 1 + int(np.random.random() * 8.0)
    for x in range(tasks):
        t = near[seed, x]
        k = s.owner[t]
        if gone >= wanted:
            return
        if k < 0 or hit[k] or marked[t]:
            continue
        hit[k] = True
        length = min(s.size[k], 1 + int(np.random.random() * longest))
        at = 0
        while s.path[k, at] != t:
            at += 1
        first = min(max(0, at - int(np.random.random() * length)), s.size[k] - length)
        for i in range(first, first + length):
            gone += _mark(d, s.path[k, i], marked)


@compiled
def _order(d: Tasks, s: Tours, waiting: np.ndarray) -> int:
    """Tasks nobody has, in the order to insert them: pairs early, then at random, by time or by width of window."""
    way = np.random.randint(4)
    keys = np.zeros(waiting.shape[0])
    count = 0
    for t in range(waiting.shape[0]):
        if s.owner[t] >= 0:
            continue
        key = np.random.random()
        if way == 2:
            key = d.lo[t]
        elif way == 3:
            key = d.hi[t] - d.lo[t]
        if way < 3 and (d.twin[t] >= 0 or d.after[t] >= 0):
            key -= 1e5
        y = count - 1
        while y >= 0 and keys[y] > key:
            keys[y + 1], waiting[y + 1] = keys[y], waiting[y]
            y -= 1
        keys[y + 1], waiting[y + 1] = key, t
        count += 1
    return count


@compiled
def anneal(d: Tasks, now: Tours, trial: Tours, best: Tours, near: np.ndarray, heat: float, rounds: int) -> float:
    """`rounds` ruins and recreations at temperature `heat`; cost of `best` afterwards."""
    tasks = now.owner.shape[0]
    marked = np.zeros(tasks, dtype=np.bool_)
    waiting = np.zeros(tasks, dtype=np.int64)
    begin = np.zeros(tasks)
    now_cost, best_cost = total_cost(d, now), total_cost(d, best)
    for _ in range(rounds):
        copy_tours(now, trial)
        marked[:] = False
        _ruin(d, trial, near, marked, 6.0)
        for k in range(trial.size.shape[0]):
            kept = 0
            for i in range(trial.size[k]):
                t = trial.path[k, i]
                if marked[t]:
                    trial.owner[t] = -1
                else:
                    trial.path[k, kept] = t
                    kept += 1
            if kept < trial.size[k]:
                trial.size[k] = kept
                settle_day(d, trial, k, trial.begin, True)
        count = _order(d, trial, waiting)
        for x in range(count):
            if trial.owner[waiting[x]] < 0:
                _insert_visit(d, trial, waiting[x], 0.01, begin)
        cost = total_cost(d, trial)
        if cost < now_cost - heat * math.log(np.random.random()):
            copy_tours(trial, now)
            now_cost = cost
            if cost < best_cost - 1e-9:
                copy_tours(trial, best)
                best_cost = cost
    return best_cost
