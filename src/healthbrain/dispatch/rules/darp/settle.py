"""Is there a schedule for this order of stops? Exact, as a system of difference constraints; compiled.

Windows, driving, ride times and route duration are all of the form B_j >= B_i + c. Such a system has a least solution,
reached by raising times until nothing moves (Bellman-Ford; Firat & Woeginger 2011 for dial-a-ride); it is infeasible
when a time passes its window's end or still moves after as many sweeps as there are stops.

The innermost functions take plain arrays, few of them: a named tuple of twenty arrays costs more to pass than the work.
"""

from __future__ import annotations

import numpy as np

from healthbrain.dispatch.rules.compiled import compiled

LO, HI, SERVICE, RIDE = 0, 1, 2, 3  # columns of `rule`: (N, 4) windows in force, service, ride limit at deliveries
_EPS = 1e-8


@compiled
def settle(
    travel: np.ndarray,
    rule: np.ndarray,
    path: np.ndarray,
    size: int,
    limit: float,
    rest: np.ndarray,
    rest_at: int,
    begin: np.ndarray,
    where: np.ndarray,
) -> bool:
    """Earliest begins of service along `path[:size]` (depots included) into `begin`; False when there is no schedule.

    limit: minutes from first to last. rest: (3,) earliest, latest, minutes of the break, taken before driving to
    position rest_at, 0 for none. where: (n,) scratch, position of each pickup.
    """
    n = where.shape[0]
    for i in range(size):
        begin[i] = rule[path[i], LO]
    start = 0
    for _ in range(size + 1):
        moved = size
        for i in range(start + 1, size):
            before, node = path[i - 1], path[i]
            at = begin[i - 1] + rule[before, SERVICE]
            if i == rest_at:
                at = max(at, rest[0])
                if at > rest[1] + _EPS:
                    return False
                at += rest[2]
            at += travel[before, node]
            if at > begin[i]:
                begin[i] = at
            if begin[i] > rule[node, HI] + _EPS:
                return False
            if node < n:
                where[node] = i
            elif node < 2 * n:
                j = where[node - n]
                need = begin[i] - rule[node, RIDE] - rule[node - n, SERVICE]
                if need > begin[j] + _EPS:
                    if need > rule[node - n, HI] + _EPS:
                        return False
                    begin[j] = need
                    moved = min(moved, j)
        need = begin[size - 1] - limit
        if need > begin[0] + _EPS:
            if need > rule[path[0], HI] + _EPS:
                return False
            begin[0] = need
            moved = 0
        if moved == size:
            return True
        start = moved
    return False


@compiled
def workable(
    travel: np.ndarray,
    rule: np.ndarray,
    path: np.ndarray,
    size: int,
    limit: float,
    rest: np.ndarray,
    begin: np.ndarray,
    where: np.ndarray,
) -> int:
    """0 when the path has a schedule and needs no break, the break's position when it has one with it, -1 when none."""
    if rest[2] <= 0.0 or size <= 2:
        return 0 if settle(travel, rule, path, size, limit, rest, 0, begin, where) else -1
    n = where.shape[0]
    aboard = 0
    for i in range(1, size):
        if aboard == 0 and settle(travel, rule, path, size, limit, rest, i, begin, where):
            return i
        if path[i] < n:
            aboard += 1
        elif path[i] < 2 * n:
            aboard -= 1
    return -1


@compiled
def keeps_apart(apart: np.ndarray, path: np.ndarray, r: int, a: int, b: int) -> bool:
    """Request r, picked up before position a and set down before position b of `path`, meets nobody it must not meet.

    On board meanwhile are those picked up before b and not set down before a.
    """
    n = apart.shape[0]
    for i in range(1, b):
        q = path[i]
        if q < n and apart[r, q]:
            gone = False
            for j in range(i + 1, a):
                if path[j] == q + n:
                    gone = True
                    break
            if not gone:
                return False
    return True
