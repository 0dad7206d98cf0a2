"""Routes under search: arrays, copying, bringing one route up to date; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from healthbrain.dispatch.rules.compiled import compiled
from healthbrain.dispatch.rules.darp.prepare import FAR, Problem
from healthbrain.dispatch.rules.darp.settle import HI, LO, RIDE, SERVICE, workable


class State(NamedTuple):
    """Routes being searched. W = longest possible path, depots included."""

    path: np.ndarray  # (m, W) nodes, depots included
    size: np.ndarray  # (m,) nodes in use; 2 = the vehicle stays
    begin: np.ndarray  # (m, W) earliest begins of service
    latest: np.ndarray  # (m, W) upper bound of begins
    aboard: np.ndarray  # (m, W, 3) riders after each stop
    rest_at: np.ndarray  # (m,) position before which the break is taken
    sign: np.ndarray  # (m,) uint64 hash of the path
    owner: np.ndarray  # (n,) vehicle of each request, or -1
    rule: np.ndarray  # (N, 4) see settle; the handover of linked rides is frozen into it


class Scratch(NamedTuple):
    """Buffers of one search, and the random words (N,) its hashes are made of."""

    path: np.ndarray  # (W,)
    begin: np.ndarray  # (W,)
    where: np.ndarray  # (n,)
    words: np.ndarray  # (N,) uint64


def new_state(p: Problem) -> State:
    """All vehicles at rest, everybody waiting."""
    width = 2 * p.n + 2
    path = np.zeros((p.m, width), dtype=np.int64)
    path[:, 0] = 2 * p.n + np.arange(p.m)
    path[:, 1] = 2 * p.n + p.m + np.arange(p.m)
    rule = np.column_stack([p.early, p.late, p.service, np.full(len(p.early), FAR)])
    rule[p.n : 2 * p.n, RIDE] = p.ride
    begin, latest = np.zeros((p.m, width)), np.zeros((p.m, width))
    begin[:, :2], latest[:, :2] = rule[path[:, :2], LO], rule[path[:, :2], HI]
    return State(
        path,
        np.full(p.m, 2),
        begin,
        latest,
        np.zeros((p.m, width, 3), dtype=np.int64),
        np.zeros(p.m, dtype=np.int64),
        np.zeros(p.m, dtype=np.uint64),
        np.full(p.n, -1),
        rule,
    )


def new_scratch(p: Problem, seed: int) -> Scratch:
    """`where` has exactly n entries: the innermost loops read n off it."""
    width = 2 * p.n + 4
    words = np.random.default_rng(seed).integers(1, 1 << 63, 2 * p.n + 2 * p.m, dtype=np.uint64)
    return Scratch(np.zeros(width, dtype=np.int64), np.zeros(width), np.zeros(p.n, dtype=np.int64), words)


@compiled
def copy_into(a: State, b: State) -> None:
    """b becomes a."""
    for k in range(a.size.shape[0]):
        size = a.size[k]
        b.size[k] = size
        b.rest_at[k] = a.rest_at[k]
        b.sign[k] = a.sign[k]
        for i in range(size):
            b.path[k, i] = a.path[k, i]
            b.begin[k, i] = a.begin[k, i]
            b.latest[k, i] = a.latest[k, i]
            b.aboard[k, i, 0] = a.aboard[k, i, 0]
            b.aboard[k, i, 1] = a.aboard[k, i, 1]
            b.aboard[k, i, 2] = a.aboard[k, i, 2]
    for r in range(a.owner.shape[0]):
        b.owner[r] = a.owner[r]
    for i in range(a.rule.shape[0]):
        b.rule[i, LO] = a.rule[i, LO]
        b.rule[i, HI] = a.rule[i, HI]


@compiled
def refresh(p: Problem, s: State, k: int, scratch: Scratch) -> bool:
    """Recompute times and loads of route k after its path changed; False when it has no schedule (times untouched)."""
    size, n = s.size[k], p.n
    begin = scratch.begin
    rest_at = workable(p.travel, s.rule, s.path[k], size, p.limit[k], p.rest[k], begin, scratch.where)
    if rest_at < 0:
        return False
    s.rest_at[k] = rest_at
    sign = np.uint64(0)
    for i in range(size):
        node = s.path[k, i]
        s.begin[k, i] = begin[i]
        sign = sign * np.uint64(0x9E3779B97F4A7C15) + scratch.words[node]
        for x in range(3):
            if i == 0 or node >= 2 * n:
                s.aboard[k, i, x] = 0
            elif node < n:
                s.aboard[k, i, x] = s.aboard[k, i - 1, x] + p.load[node, x]
            else:
                s.aboard[k, i, x] = s.aboard[k, i - 1, x] - p.load[node - n, x]
    s.sign[k] = sign
    s.latest[k, size - 1] = s.rule[s.path[k, size - 1], HI]
    for i in range(size - 2, -1, -1):
        node, after = s.path[k, i], s.path[k, i + 1]
        s.latest[k, i] = min(s.rule[node, HI], s.latest[k, i + 1] - p.travel[node, after] - s.rule[node, SERVICE])
    return True


@compiled
def route_cost(p: Problem, s: State, k: int) -> float:
    """Driven by vehicle k; nothing when it stays."""
    total = 0.0
    if s.size[k] > 2:
        for i in range(1, s.size[k]):
            total += p.cost[s.path[k, i - 1], s.path[k, i]]
    return total


@compiled
def total_cost(p: Problem, s: State) -> float:
    """Driven by all, and the price of those left behind."""
    total = 0.0
    for k in range(p.m):
        total += route_cost(p, s, k)
    for r in range(p.n):
        if s.owner[r] < 0:
            total += p.price[r]
    return total
