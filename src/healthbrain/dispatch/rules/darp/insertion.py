"""Cheapest feasible insertion of one ride into one route, and taking rides out; compiled."""

from __future__ import annotations

import numpy as np

from healthbrain.dispatch.rules.compiled import compiled
from healthbrain.dispatch.rules.darp.prepare import Problem
from healthbrain.dispatch.rules.darp.settle import HI, LO, RIDE, SERVICE, keeps_apart, workable
from healthbrain.dispatch.rules.darp.state import Scratch, State, refresh

_EPS = 1e-8


@compiled
def _fits(room: np.ndarray, aboard: np.ndarray, k: int, i: int, load: np.ndarray, r: int) -> bool:
    """Those on board of vehicle k after its stop i, and rider r, fit one of its layouts."""
    for c in range(room.shape[1]):
        if (
            aboard[k, i, 0] + load[r, 0] <= room[k, c, 0]
            and aboard[k, i, 1] + load[r, 1] <= room[k, c, 1]
            and aboard[k, i, 2] + load[r, 2] <= room[k, c, 2]
        ):
            return True
    return False


@compiled
def _with_ride(path: np.ndarray, size: int, r: int, d: int, a: int, b: int, out: np.ndarray) -> None:
    """`path` with pickup r before position a and delivery d before position b (b >= a) into `out`."""
    for i in range(a):
        out[i] = path[i]
    out[a] = r
    for i in range(a, b):
        out[i + 1] = path[i]
    out[b + 1] = d
    for i in range(b, size):
        out[i + 2] = path[i]


@compiled
def best_insertion(p: Problem, s: State, k: int, r: int, bound: float, scratch: Scratch) -> tuple[float, int, int]:
    """Least added cost below `bound` of request r in route k, with its two positions; (bound, -1, -1) when none."""
    travel, cost, rule, n = p.travel, p.cost, s.rule, p.n
    path, size, d = s.path[k], s.size[k], r + n
    begin, latest, shy = s.begin[k], s.latest[k], p.shy[r]
    limit, rest, trial = p.limit[k], p.rest[k], scratch.path
    open_up, close_up, open_down, close_down = rule[r, LO], rule[r, HI] + _EPS, rule[d, LO], rule[d, HI] + _EPS
    board, leave, ride = rule[r, SERVICE], rule[d, SERVICE], rule[d, RIDE] + _EPS
    best, best_a, best_b = bound, -1, -1
    for a in range(1, size):
        before, after = path[a - 1], path[a]
        left = begin[a - 1] + rule[before, SERVICE]
        if left > close_up:
            break
        up = max(open_up, left + travel[before, r])
        if up > close_up or not _fits(p.room, s.aboard, k, a - 1, p.load, r):
            continue
        old = 0.0 if size == 2 else cost[before, after]
        up_cost = cost[before, r] + cost[r, after] - old
        now, node = up + board, r  # rolling again from node at minute now
        rolled = 0.0  # minutes since leaving the pickup, waiting not counted
        for b in range(a, size):
            after = path[b]
            if now > close_down:
                break
            way = travel[node, d]
            down = max(open_down, now + way)
            if down <= close_down and rolled + way <= ride and down + leave + travel[d, after] <= latest[b] + _EPS:
                if b == a:
                    delta = cost[before, r] + cost[r, d] + cost[d, after] - old
                else:
                    delta = up_cost + cost[node, d] + cost[d, after] - cost[node, after]
                if delta < best - 1e-9 and (not shy or keeps_apart(p.apart, path, r, a, b)):
                    _with_ride(path, size, r, d, a, b, trial)
                    if workable(travel, rule, trial, size + 2, limit, rest, scratch.begin, scratch.where) >= 0:
                        best, best_a, best_b = delta, a, b
            if b == size - 1 or up_cost >= best:
                break
            at = max(begin[b], now + travel[node, after])
            rolled += travel[node, after] + rule[after, SERVICE]
            if at > latest[b] + _EPS or rolled > ride or not _fits(p.room, s.aboard, k, b, p.load, r):
                break
            now, node = at + rule[after, SERVICE], after
    return best, best_a, best_b


@compiled
def put(p: Problem, s: State, k: int, r: int, a: int, b: int, scratch: Scratch) -> None:
    """Insert request r into route k at the positions `best_insertion` found."""
    _with_ride(s.path[k], s.size[k], r, r + p.n, a, b, scratch.path)
    s.size[k] += 2
    for i in range(s.size[k]):
        s.path[k, i] = scratch.path[i]
    s.owner[r] = k
    refresh(p, s, k, scratch)
    if p.back[r] >= 0:
        free_return(p, s, r, scratch)


@compiled
def free_return(p: Problem, s: State, r: int, scratch: Scratch) -> None:
    """Freeze when the outward rider r is handed over, so that the way back can be planned on its own.

    Not sooner than the route can, and as late as the way back's own window leaves free anyway.
    """
    k, d, back = s.owner[r], r + p.n, p.back[r]
    for i in range(s.size[k]):
        if s.path[k, i] == d:
            over = max(s.begin[k, i], min(p.late[d], p.early[back] - p.gap[back] - p.service[d]))
            s.rule[d, HI] = over
            s.rule[back, LO] = max(p.early[back], over + p.service[d] + p.gap[back])
    refresh(p, s, k, scratch)


@compiled
def drop_marked(p: Problem, s: State, k: int, marked: np.ndarray, scratch: Scratch) -> None:
    """Take the marked requests out of route k.

    What is left has a schedule, having had one with more stops; where travel times break the triangle inequality it
    may not, and then everybody leaves the route.
    """
    for attempt in range(2):
        size = 0
        for i in range(s.size[k]):
            node = s.path[k, i]
            gone = node < 2 * p.n and (marked[node % p.n] or attempt == 1)
            if not gone:
                s.path[k, size] = node
                size += 1
            elif node < p.n:
                s.owner[node] = -1
            else:
                s.rule[node, HI] = p.late[node]
                back = p.back[node - p.n]
                if back >= 0:
                    s.rule[back, LO] = p.early[back]
        s.size[k] = size
        if refresh(p, s, k, scratch):
            return
