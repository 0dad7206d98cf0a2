"""Between the plan people read and the arrays of the search."""

from __future__ import annotations

import numpy as np

from healthbrain.dispatch.rules.darp.insertion import drop_marked, free_return
from healthbrain.dispatch.rules.darp.model import Instance, Key, Route, Solution, Stop, Unserved
from healthbrain.dispatch.rules.darp.prepare import Problem
from healthbrain.dispatch.rules.darp.settle import HI, LO
from healthbrain.dispatch.rules.darp.state import Scratch, State, refresh, route_cost
from healthbrain.dispatch.rules.darp.timetable import Leg, timetable


def lay(p: Problem, state: State, k: int, inner: np.ndarray, scratch: Scratch) -> bool:
    """Vehicle k drives these nodes (depots left out); False, and the vehicle stays, when that breaks a rule."""
    size = len(inner) + 2
    end = 2 * p.n + p.m + k
    state.path[k, 1 : size - 1] = inner
    state.path[k, size - 1] = end
    state.size[k] = size
    riders = inner[inner < p.n]
    if refresh(p, state, k, scratch) and _fits(p, state, k) and p.allow[riders, k].all():
        state.owner[riders] = k
        return True
    state.size[k] = 2
    state.path[k, 1] = end
    refresh(p, state, k, scratch)
    return False


def _fits(p: Problem, state: State, k: int) -> bool:
    """Loads fit a layout at every stop, and no two riders on board must be kept apart."""
    aboard: set[int] = set()
    for i in range(1, state.size[k] - 1):
        node = int(state.path[k, i])
        if node >= p.n:
            aboard.discard(node - p.n)
            continue
        if any(p.apart[node, other] for other in aboard):
            return False
        aboard.add(node)
        if not (state.aboard[k, i] <= p.room[k]).all(axis=1).any():
            return False
    return True


def adopt(p: Problem, instance: Instance, plan: Solution, state: State, scratch: Scratch) -> None:
    """Routes of `plan` into `state`, as far as they still keep the rules; the rest waits to be inserted."""
    index = {r.key: i for i, r in enumerate(instance.requests)}
    vehicle = {v.key: k for k, v in enumerate(instance.vehicles)}
    waiting = []
    for route in plan.routes:
        if route.vehicle in vehicle:
            stops = [s for s in route.stops if s.act in ("pickup", "delivery") and s.request in index]
            nodes = [index[s.request] + (p.n if s.act == "delivery" else 0) for s in stops if s.request is not None]
            waiting.append((vehicle[route.vehicle], np.array(nodes, dtype=np.int64)))
    progress = True
    while waiting and progress:  # a route with a way back waits for the route that brings
        progress = False
        for k, path in list(waiting):
            riders = [int(r) for r in path[path < p.n]]
            if any(p.outward[r] >= 0 and state.owner[p.outward[r]] < 0 and p.outward[r] not in riders for r in riders):
                continue
            if len(path) and lay(p, state, k, path, scratch):
                for r in riders:
                    if p.back[r] >= 0:
                        free_return(p, state, r, scratch)
                if not refresh(p, state, k, scratch):
                    drop_marked(p, state, k, np.ones(p.n, dtype=np.bool_), scratch)
            waiting = [each for each in waiting if each[0] != k]
            progress = True


def read(p: Problem, instance: Instance, state: State, impossible: tuple[Unserved, ...]) -> Solution:
    """The plan with times, and who stays behind."""
    routes = tuple(_route(p, instance, state, k) for k in range(p.m) if state.size[k] > 2)
    told = {u.request for u in impossible}
    left = [instance.requests[int(r)] for r in np.flatnonzero(state.owner < 0)]
    full = tuple(
        Unserved(
            r.key,
            (f"{r.name}：时间窗内没有车辆可以加入", f"{r.name}: no vehicle can take it within its windows"),
        )
        for r in left
        if r.key not in told
    )
    return Solution(routes, sum(route.cost for route in routes), (*impossible, *full))


def _route(p: Problem, instance: Instance, state: State, k: int) -> Route:
    size, rest_at = int(state.size[k]), int(state.rest_at[k])
    nodes = [int(node) for node in state.path[k, :size]]
    vehicle = instance.vehicles[k]
    legs: list[Leg] = []
    owner: list[int] = []
    earliest: list[float] = []
    position: dict[int, int] = {}
    for i, node in enumerate(nodes):
        way = float(p.travel[nodes[i - 1], node]) if i else 0.0
        if rest_at and i == rest_at and vehicle.rest:
            ready = earliest[-1] + legs[-1].service
            legs.append(Leg(vehicle.rest.window.earliest, vehicle.rest.window.latest, vehicle.rest.minutes, 0.0))
            earliest.append(max(ready, vehicle.rest.window.earliest))
            owner.append(-1)
        position[node] = len(legs)
        rider = node - p.n if p.n <= node < 2 * p.n else -1
        legs.append(
            Leg(
                float(state.rule[node, LO]),
                float(state.rule[node, HI]),
                float(p.service[node]),
                way,
                position[rider] if rider >= 0 else -1,
                float(p.ride[rider]) if rider >= 0 else float("inf"),
            )
        )
        earliest.append(float(state.begin[k, i]))
        owner.append(node)
    begins = timetable(legs, float(p.limit[k]), earliest)
    return Route(vehicle.key, tuple(_stops(p, instance, k, legs, owner, begins)), route_cost(p, state, k))


def _stops(
    p: Problem, instance: Instance, k: int, legs: list[Leg], owner: list[int], begins: list[float]
) -> list[Stop]:
    vehicle = instance.vehicles[k]
    stops: list[Stop] = []
    place = vehicle.start
    for i, (leg, node, begin) in enumerate(zip(legs, owner, begins, strict=True)):
        arrival = stops[-1].departure + leg.way if i else begin
        request: Key | None = None
        if node < 0:
            act = "rest"
        elif node < 2 * p.n:
            ride = instance.requests[node % p.n]
            request, act = ride.key, "pickup" if node < p.n else "delivery"
            place = (ride.pickup if node < p.n else ride.delivery).place
        else:
            act = "start" if node < 2 * p.n + p.m else "end"
            place = vehicle.start if act == "start" else vehicle.end
        stops.append(Stop(act, place, arrival, begin, begin + leg.service, request))  # type: ignore[arg-type]
    return stops
