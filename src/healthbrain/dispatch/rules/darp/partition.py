"""The best choice among all routes seen: a set-partitioning problem, solved by CP-SAT."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from healthbrain.dispatch.rules.darp.prepare import Problem
from healthbrain.dispatch.rules.darp.search import Pool

MOST_COLUMNS = 3_000  # beyond, the choice takes longer than the search itself would to find the same
_SCALE = 10_000  # CP-SAT counts in whole numbers: a ten-thousandth of a cost unit is exact enough to rank plans


def best_choice(p: Problem, pool: Pool, seconds: float, bound: float) -> list[tuple[int, np.ndarray]] | None:
    """Routes (vehicle, nodes with depots) that serve everybody and together cost less than `bound`, or None.

    min cost'x with every request in exactly one route, and no more routes of a kind than vehicles of it. The vehicle
    stands for its kind. Only where rides are not linked across vehicles: routes must be free to combine.
    """
    slots = np.flatnonzero(pool.sign)
    if not len(slots) or seconds <= 0.05:
        return None
    if len(slots) > MOST_COLUMNS:
        slots = slots[np.argsort(_excess(p, pool, slots))[:MOST_COLUMNS]]
    cover = _cover(p, pool, slots)
    if (np.diff(cover.indptr) == 0).any():
        return None
    from ortools.sat.python import cp_model  # brings pandas: not for a process that only books a ride

    model = cp_model.CpModel()
    take = [model.new_bool_var("") for _ in slots]
    for request in range(p.n):
        model.add_exactly_one(take[c] for c in cover.indices[cover.indptr[request] : cover.indptr[request + 1]])
    kind = p.kind[pool.vehicle[slots]]
    for each, free in zip(*np.unique(p.kind, return_counts=True), strict=True):
        model.add(sum(take[c] for c in np.flatnonzero(kind == each)) <= int(free))
    cost = np.ceil(pool.cost[slots] * _SCALE).astype(np.int64)
    total = sum(int(c) * x for c, x in zip(cost, take, strict=True))
    model.add(total <= int(bound * _SCALE) - 1)
    model.minimize(total)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    chosen = slots[[c for c, x in enumerate(take) if solver.boolean_value(x)]]
    return [(int(pool.vehicle[slot]), pool.path[slot, : pool.size[slot]].astype(np.int64)) for slot in chosen]


def _cover(p: Problem, pool: Pool, slots: np.ndarray) -> csr_array:
    """(n, columns) which request each route serves."""
    nodes = pool.path[slots]
    inside = np.arange(nodes.shape[1])[None, :] < pool.size[slots][:, None]
    column, at = np.nonzero(inside & (nodes < p.n))
    rows = nodes[column, at].astype(np.int64)
    return csr_array((np.ones(len(rows)), (rows, column)), (p.n, len(slots)))


def _excess(p: Problem, pool: Pool, slots: np.ndarray) -> np.ndarray:
    """Cost of a route over what its requests cost on average in all routes: low is promising."""
    cover = _cover(p, pool, slots)
    share = pool.cost[slots] / np.maximum(cover.sum(axis=0), 1)
    mean = (cover @ share) / np.maximum(cover.sum(axis=1), 1)
    return pool.cost[slots] - cover.T @ mean
