"""`solve`: search, the best choice among all routes seen, and the plan people can read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from healthbrain.dispatch.rules.darp import partition, search
from healthbrain.dispatch.rules.darp.model import (
    Instance,
    Key,
    Promise,
    Request,
    Solution,
    Unserved,
    meet,
)
from healthbrain.dispatch.rules.darp.prepare import Problem, prepare
from healthbrain.dispatch.rules.darp.reading import adopt, lay, read
from healthbrain.dispatch.rules.darp.state import Scratch, State, copy_into, new_scratch, new_state, total_cost
from healthbrain.kernel.errors import Conflict

HOT, COLD = 0.003, 0.0001  # temperatures as a share of the first plan's cost; found on set a, not critical
CHOICES = (0.3, 0.6, 0.9)  # share of the time after which the routes seen are recombined
STEP = 0.05  # seconds between looks at the clock


def solve(
    instance: Instance,
    *,
    seconds: float,
    seed: int = 1,
    pinned: Mapping[Key, Promise] | None = None,
    start: Solution | None = None,
) -> Solution:
    """The cheapest plan found in `seconds` of wall clock; the same seed draws the same random numbers.

    pinned: what people were told; these windows and vehicles are kept. start: a plan to improve (re-optimisation).
    Requests that cannot be served, alone or beside the others, come back in `unserved` with the reason. Raises
    Conflict when a pinned request cannot be served any more, naming it. Compiling on first use is not counted.
    """
    told = keep(instance, pinned or {})
    warm_up()
    began, cpu = time.perf_counter(), time.process_time()
    p, impossible = prepare(told, frozenset(pinned or ()))
    _refuse_broken(told, pinned or {}, impossible)
    p = _without(p, told, impossible)
    best, rounds = _search(p, told, start, seconds, seed, began)
    _refuse_broken(told, pinned or {}, tuple(Unserved(told.requests[r].key, ("", "")) for r in _left(best)))
    solution = read(p, told, best, impossible)
    return replace(
        solution, seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu, iterations=rounds
    )


def keep(instance: Instance, pinned: Mapping[Key, Promise]) -> Instance:
    """The instance with windows narrowed to what was told and vehicles to what was promised."""
    return instance.with_requests(tuple(_told(r, pinned.get(r.key)) for r in instance.requests))


def _told(request: Request, promise: Promise | None) -> Request:
    if promise is None:
        return request
    pickup = replace(request.pickup, window=meet(request.pickup.window, promise.pickup))
    delivery = request.delivery
    if promise.delivery is not None:
        delivery = replace(delivery, window=meet(delivery.window, promise.delivery))
    vehicles = request.vehicles if promise.vehicle is None else frozenset({promise.vehicle})
    return replace(request, pickup=pickup, delivery=delivery, vehicles=vehicles)


def _refuse_broken(instance: Instance, pinned: Mapping[Key, Promise], unserved: tuple[Unserved, ...]) -> None:
    broken = [instance.request(u.request).name for u in unserved if u.request in pinned]
    if broken:
        raise Conflict(
            f"Promised and not possible any more: {', '.join(broken)}.",
            hint="Agree another time with them, or add a vehicle.",
        )


def _without(p: Problem, instance: Instance, impossible: tuple[Unserved, ...]) -> Problem:
    """Nobody may serve those who cannot be served, nor the way back of somebody who is not brought."""
    gone = {u.request for u in impossible}
    allow = p.allow.copy()
    for i, request in enumerate(instance.requests):
        if request.key in gone:
            allow[i] = False
    return p._replace(allow=allow)


def _left(state: State) -> list[int]:
    return [int(r) for r in np.flatnonzero(state.owner < 0)]


def _search(
    p: Problem, instance: Instance, start: Solution | None, seconds: float, seed: int, began: float
) -> tuple[State, int]:
    now, trial, best = new_state(p), new_state(p), new_state(p)
    scratch, pool, memo = new_scratch(p, seed), search.new_pool(p), search.new_memo()
    if p.n == 0:
        return best, 0
    search.seed_draws(seed)
    if start is not None:
        adopt(p, instance, start, now, scratch)
    copy_into(now, best)
    tune = search.Tuning(_nearness(p), removed=5.0, string=10.0, blink=0.02)
    search.anneal(p, now, trial, best, pool, memo, tune, scratch, 1e-9, 20)
    scale = max(total_cost(p, best) - float(p.price[best.owner < 0].sum()), 1e-6)
    rounds, per_step, choices = 20, 50, [c for c in CHOICES if seconds >= 2.0 and not (p.outward >= 0).any()]
    while (share := (time.perf_counter() - began) / seconds) < 1.0:
        if choices and share > choices[0]:
            choices.pop(0)
            _recombine(p, pool, best, now, scratch, min(1.0, 0.12 * seconds, seconds * (1.0 - share)))
            continue
        heat = scale * HOT * (COLD / HOT) ** share
        before = time.perf_counter()
        search.anneal(p, now, trial, best, pool, memo, tune, scratch, heat, per_step)
        rounds += per_step
        spent = max(time.perf_counter() - before, 1e-5)
        left = max(seconds - (time.perf_counter() - began), 0.0)
        per_step = int(np.clip(per_step * min(STEP, left) / spent, 1, 4 * per_step))
    return best, rounds


def _recombine(p: Problem, pool: search.Pool, best: State, now: State, scratch: Scratch, seconds: float) -> None:
    """Take over the best choice among the routes seen, when it is better."""
    routes = partition.best_choice(p, pool, seconds, total_cost(p, best))
    if routes is None:
        return
    state, free = new_state(p), list(range(p.m))
    for vehicle, nodes in routes:
        k = next(k for k in free if p.kind[k] == p.kind[vehicle])
        free.remove(k)
        if not lay(p, state, k, nodes[1:-1], scratch):
            return
    copy_into(state, best)
    copy_into(state, now)


def _nearness(p: Problem) -> np.ndarray:
    """(n, n) each row: requests from the nearest on, itself first: either end close by, at about the time."""
    pick, drop = np.arange(p.n), np.arange(p.n, 2 * p.n)
    way = np.minimum(p.cost[np.ix_(pick, pick)], p.cost[np.ix_(drop, drop)])
    middle = (p.early[pick] + p.late[pick]) / 2.0
    typical = float(np.median(p.travel[pick, drop])) or 1.0
    scale = float(np.median(p.cost[pick, drop])) / typical
    far = way + 0.5 * scale * np.abs(middle[:, None] - middle[None, :])
    np.fill_diagonal(far, -1.0)
    return np.argsort(far, axis=1, kind="stable")


_warm: list[bool] = []


def warm_up() -> None:
    """Load or compile the inner loops once per process, outside of anybody's time budget."""
    if _warm:
        return
    from healthbrain.dispatch.rules.darp.cordeau import parse

    text = "1 2 100 1 50\n0 0 0 0 0 0 100\n1 0 1 0 1 0 90\n2 1 0 0 -1 0 90\n"
    instance = parse(text)
    p, _ = prepare(instance)
    _search(p, instance, None, 0.01, 1, time.perf_counter())
    _warm.append(True)
