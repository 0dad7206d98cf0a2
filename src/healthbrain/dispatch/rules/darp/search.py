"""Ruin and recreate under simulated annealing, after Christiaens & Vanden Berghe (2020, "Slack induction by string
removals"), strings taken from dial-a-ride routes; every good route seen is kept in a pool. Compiled.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from healthbrain.dispatch.rules.compiled import compiled
from healthbrain.dispatch.rules.darp.insertion import best_insertion, drop_marked, put
from healthbrain.dispatch.rules.darp.prepare import Problem
from healthbrain.dispatch.rules.darp.state import Scratch, State, copy_into, route_cost, total_cost


class Pool(NamedTuple):
    """Routes seen, in a table addressed by the set of requests and the kind of vehicle; the newest wins a slot."""

    sign: np.ndarray  # (slots,) uint64 hash of set and kind, 0 = free
    cost: np.ndarray  # (slots,)
    vehicle: np.ndarray  # (slots,)
    size: np.ndarray  # (slots,)
    path: np.ndarray  # (slots, W) int16


class Memo(NamedTuple):
    """Insertions tried before, addressed by route and request. a = -1: nothing cheaper than `delta` exists."""

    sign: np.ndarray  # (entries,) uint64
    delta: np.ndarray  # (entries,)
    at: np.ndarray  # (entries, 2)


class Tuning(NamedTuple):
    """Of the search. near: (n, n) requests by nearness in place and time, each row starting with itself."""

    near: np.ndarray
    removed: float  # mean number of requests taken out
    string: float  # longest string of stops
    blink: float


SLOTS = 1 << 15
ENTRIES = 1 << 16
LONGEST_KEPT = 130  # stops: longer routes than 64 rides are not worth a column


def new_pool(p: Problem) -> Pool:
    whole = np.zeros(SLOTS, dtype=np.int64)
    path = np.zeros((SLOTS, min(2 * p.n + 2, LONGEST_KEPT)), dtype=np.int16)
    return Pool(np.zeros(SLOTS, dtype=np.uint64), np.zeros(SLOTS), whole, whole.copy(), path)


def new_memo() -> Memo:
    return Memo(np.zeros(ENTRIES, dtype=np.uint64), np.zeros(ENTRIES), np.zeros((ENTRIES, 2), dtype=np.int64))


@compiled
def seed_draws(seed: int) -> None:
    """Start the random numbers of compiled code in this thread."""
    np.random.seed(seed)


@compiled
def _remember(p: Problem, s: State, k: int, pool: Pool, words: np.ndarray) -> None:
    size = s.size[k]
    if size <= 2 or size > pool.path.shape[1]:
        return
    sign = words[2 * p.n + p.kind[k]]
    for i in range(1, size - 1):
        if s.path[k, i] < p.n:
            sign ^= words[s.path[k, i]]
    slot = sign % np.uint64(pool.sign.shape[0])
    cost = route_cost(p, s, k)
    if pool.sign[slot] == sign and pool.cost[slot] <= cost + 1e-9:
        return
    pool.sign[slot] = sign
    pool.cost[slot] = cost
    pool.vehicle[slot] = k
    pool.size[slot] = size
    for i in range(size):
        pool.path[slot, i] = s.path[k, i]


@compiled
def _mark(p: Problem, r: int, marked: np.ndarray) -> int:
    """Mark r and whoever is linked to it; how many are new."""
    new = 0
    while p.outward[r] >= 0:
        r = p.outward[r]
    while r >= 0:
        if not marked[r]:
            marked[r] = True
            new += 1
        r = p.back[r]
    return new


@compiled
def _ruin(p: Problem, s: State, tune: Tuning, marked: np.ndarray, hit: np.ndarray) -> None:
    """Mark the requests to take out: strings of stops around a seed, one per route."""
    wanted = 1 + int(np.random.random() * (2.0 * tune.removed - 1.0))
    seed = np.random.randint(p.n)
    if np.random.random() < 0.1:
        gone = 0
        for _ in range(wanted):
            gone += _mark(p, np.random.randint(p.n), marked)
        return
    longest = 2 + int(np.random.random() * tune.string)
    gone = 0
    hit[:] = False
    for x in range(p.n):
        if gone >= wanted:
            return
        r = tune.near[seed, x]
        k = s.owner[r]
        if k < 0 or hit[k] or marked[r]:
            continue
        hit[k] = True
        inner = s.size[k] - 2
        length = min(inner, 1 + int(np.random.random() * longest))
        node = r if np.random.random() < 0.5 else r + p.n
        at = 1
        while s.path[k, at] != node:
            at += 1
        first = max(1, at - int(np.random.random() * length))
        first = min(first, inner + 1 - length)
        for i in range(first, first + length):
            gone += _mark(p, s.path[k, i] % p.n, marked)


@compiled
def _keys(p: Problem, s: State, waiting: np.ndarray, count: int, keys: np.ndarray) -> None:
    """Order of re-insertion: at random, by earliest time, by width of window, by length of ride, by distance."""
    way = np.random.randint(6)
    for x in range(count):
        r = waiting[x]
        noise = np.random.random()
        if way <= 1:
            keys[x] = noise
        elif way == 2:
            keys[x] = p.early[r]
        elif way == 3:
            keys[x] = p.late[r] - p.early[r]
        elif way == 4:
            keys[x] = -p.cost[r, r + p.n]
        else:
            keys[x] = -p.cost[2 * p.n, r]
        if p.price[r] > p.price[0] * 50.0:
            keys[x] -= 1e6  # promised before the others


@compiled
def _sort(waiting: np.ndarray, keys: np.ndarray, count: int) -> None:
    """Insertion sort of `waiting` by `keys`: a dozen entries."""
    for x in range(1, count):
        key, r = keys[x], waiting[x]
        y = x - 1
        while y >= 0 and keys[y] > key:
            keys[y + 1], waiting[y + 1] = keys[y], waiting[y]
            y -= 1
        keys[y + 1], waiting[y + 1] = key, r


@compiled
def _cheapest(
    p: Problem, s: State, k: int, r: int, bound: float, memo: Memo, scratch: Scratch
) -> tuple[float, int, int]:
    """`best_insertion`, remembered. Linked rides are not: their windows move."""
    if p.outward[r] >= 0 or p.back[r] >= 0:
        return best_insertion(p, s, k, r, bound, scratch)
    sign = s.sign[k] ^ (scratch.words[r] * np.uint64(0x9E3779B97F4A7C15))
    entry = sign & np.uint64(memo.sign.shape[0] - 1)
    if memo.sign[entry] == sign:
        if memo.at[entry, 0] >= 0:
            if memo.delta[entry] < bound:
                return memo.delta[entry], memo.at[entry, 0], memo.at[entry, 1]
            return bound, -1, -1
        if bound <= memo.delta[entry]:
            return bound, -1, -1
    delta, a, b = best_insertion(p, s, k, r, bound, scratch)
    memo.sign[entry], memo.delta[entry], memo.at[entry, 0], memo.at[entry, 1] = sign, delta, a, b
    return delta, a, b


@compiled
def _recreate(
    p: Problem,
    s: State,
    tune: Tuning,
    waiting: np.ndarray,
    count: int,
    touched: np.ndarray,
    memo: Memo,
    scratch: Scratch,
) -> None:
    """Each waiting request at its cheapest place, outward rides before the way back."""
    for x in range(count):
        r = waiting[x]
        while p.outward[r] >= 0 and s.owner[p.outward[r]] < 0:
            r = p.outward[r]
        while r >= 0:
            out = p.outward[r]
            if s.owner[r] < 0 and (out < 0 or s.owner[out] >= 0):
                best, best_k, best_a, best_b = p.price[r], -1, -1, -1
                for k in range(p.m):
                    if not p.allow[r, k] or (out >= 0 and p.together[r] and s.owner[out] != k):
                        continue
                    if s.size[k] == 2 and _twin_tried(p, s, k):
                        continue
                    if np.random.random() < tune.blink:
                        continue
                    delta, a, b = _cheapest(p, s, k, r, best, memo, scratch)
                    if a >= 0:
                        best, best_k, best_a, best_b = delta, k, a, b
                if best_k >= 0:
                    put(p, s, best_k, r, best_a, best_b, scratch)
                    touched[best_k] = True
            r = p.back[r]


@compiled
def _twin_tried(p: Problem, s: State, k: int) -> bool:
    """An interchangeable vehicle before k stands empty too: trying both is work for nothing."""
    twin = False
    for j in range(k):
        twin = twin or (s.size[j] == 2 and p.kind[j] == p.kind[k])
    return twin


@compiled
def anneal(
    p: Problem,
    now: State,
    trial: State,
    best: State,
    pool: Pool,
    memo: Memo,
    tune: Tuning,
    scratch: Scratch,
    heat: float,
    rounds: int,
) -> float:
    """`rounds` ruins and recreations at temperature `heat`; cost of `best` afterwards."""
    marked = np.zeros(p.n, dtype=np.bool_)
    hit = np.zeros(p.m, dtype=np.bool_)
    waiting = np.zeros(p.n, dtype=np.int64)
    keys = np.zeros(p.n)
    now_cost, best_cost = total_cost(p, now), total_cost(p, best)
    for _ in range(rounds):
        copy_into(now, trial)
        marked[:] = False
        _ruin(p, trial, tune, marked, hit)
        hit[:] = False
        for r in range(p.n):
            if marked[r] and trial.owner[r] >= 0:
                hit[trial.owner[r]] = True
        for k in range(p.m):
            if hit[k]:
                drop_marked(p, trial, k, marked, scratch)
        count = 0
        for r in range(p.n):
            if trial.owner[r] < 0:
                waiting[count] = r
                count += 1
        _keys(p, trial, waiting, count, keys)
        _sort(waiting, keys, count)
        _recreate(p, trial, tune, waiting, count, hit, memo, scratch)
        cost = total_cost(p, trial)
        if cost < now_cost - heat * math.log(np.random.random()):
            for k in range(p.m):
                if hit[k]:
                    _remember(p, trial, k, pool, scratch.words)
            copy_into(trial, now)
            now_cost = cost
            if cost < best_cost - 1e-9:
                copy_into(trial, best)
                best_cost = cost
    return best_cost
