"""An instance as arrays for the compiled loops: windows tightened, and who cannot be served at all told apart early.

Nodes: 0..n-1 pickups, n..2n-1 deliveries, 2n+k start and 2n+m+k end of vehicle k.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from healthbrain.dispatch.rules.darp.model import Instance, Key, Request, Unserved, Vehicle, clock_text

FAR = 1e7  # minutes: stands for "no limit" where an infinity would make nan of a difference
EPS = 1e-8  # minutes: rounding of sums of a few dozen doubles, far below any clock


class Problem(NamedTuple):
    """The instance for numba. Shapes: N = 2n + 2m nodes, n requests, m vehicles, C layouts."""

    n: int
    m: int
    travel: np.ndarray  # (N, N) minutes
    cost: np.ndarray  # (N, N)
    early: np.ndarray  # (N,)
    late: np.ndarray  # (N,)
    service: np.ndarray  # (N,)
    ride: np.ndarray  # (n,)
    load: np.ndarray  # (n, 3)
    room: np.ndarray  # (m, C, 3); unused layouts are -1
    allow: np.ndarray  # (n, m) bool
    apart: np.ndarray  # (n, n) bool: never on board together
    shy: np.ndarray  # (n,) bool: is apart from anybody
    limit: np.ndarray  # (m,) minutes of a route
    rest: np.ndarray  # (m, 3) earliest, latest, minutes; 0 minutes = no break due
    outward: np.ndarray  # (n,) request this one returns from, or -1
    back: np.ndarray  # (n,) request that returns from this one, or -1
    gap: np.ndarray  # (n,) minutes from end of service at the outward delivery to this pickup
    together: np.ndarray  # (n,) bool: the same vehicle as the outward ride
    price: np.ndarray  # (n,) cost of leaving a request behind
    kind: np.ndarray  # (m,) vehicles of one kind are interchangeable


def prepare(instance: Instance, firm: frozenset[Key] = frozenset()) -> tuple[Problem, tuple[Unserved, ...]]:
    """Arrays, and the requests no vehicle could serve even alone, with the reason.

    `firm` requests were promised: leaving one behind costs a hundred times what leaving another one does.
    """
    rides, fleet = instance.requests, instance.vehicles
    n, m = len(rides), len(fleet)
    ends = [r.pickup for r in rides] + [r.delivery for r in rides]
    shifts = [v.shift for v in fleet] * 2
    place = np.array([e.place for e in ends] + [v.start for v in fleet] + [v.end for v in fleet], dtype=np.intp)
    early = np.array([e.window.earliest for e in ends] + [s.earliest for s in shifts], dtype=float)
    late = np.array([e.window.latest for e in ends] + [s.latest for s in shifts], dtype=float)
    travel = np.minimum(instance.minutes[np.ix_(place, place)].astype(float), FAR)
    service = np.array([e.minutes for e in ends] + [0.0] * (2 * m), dtype=float)
    cost = np.ascontiguousarray(instance.cost[np.ix_(place, place)].astype(float))
    index = {r.key: i for i, r in enumerate(rides)}
    apart = _apart(rides)
    scale = max(float(cost.max(initial=0.0)), 1.0)  # also where nothing costs anything, nobody is left behind
    links = [(i, index[r.after.outward], r.after) for i, r in enumerate(rides) if r.after and r.after.outward in index]
    outward, back, gap, together = _links(n, links)
    problem = Problem(
        n=n,
        m=m,
        travel=travel,
        cost=cost,
        early=np.maximum(early, -FAR),
        late=np.minimum(late, FAR),
        service=service,
        ride=np.array([min(r.max_ride, FAR) for r in rides], dtype=float),
        load=np.array([r.load for r in rides], dtype=np.int64).reshape(n, 3),
        room=_room(fleet),
        allow=np.array([[_may(v, r) for v in fleet] for r in rides], dtype=np.bool_).reshape(n, m),
        apart=apart,
        shy=apart.any(axis=1),
        limit=np.array([min(v.max_minutes, FAR) for v in fleet], dtype=float),
        rest=np.array(
            [(v.rest.window.earliest, v.rest.window.latest, v.rest.minutes) if v.rest else (0, 0, 0) for v in fleet],
            dtype=float,
        ),
        outward=outward,
        back=back,
        gap=gap,
        together=together,
        price=np.array([scale * (2000.0 if r.key in firm else 20.0) for r in rides], dtype=float),
        kind=_kinds(fleet),
    )
    _tighten(problem)
    return problem, tuple(_impossible(instance, problem))


def _may(vehicle: Vehicle, request: Request) -> bool:
    fits = any(all(w <= r for w, r in zip(request.load, layout, strict=True)) for layout in vehicle.layouts)
    wanted = request.vehicles is None or vehicle.key in request.vehicles
    return fits and wanted and request.needs <= vehicle.equipment


def _room(fleet: tuple[Vehicle, ...]) -> np.ndarray:
    room = np.full((len(fleet), max(len(v.layouts) for v in fleet), 3), -1, dtype=np.int64)
    for k, vehicle in enumerate(fleet):
        room[k, : len(vehicle.layouts)] = vehicle.layouts
    return room


def _apart(rides: tuple[Request, ...]) -> np.ndarray:
    alone = np.array([r.alone for r in rides], dtype=np.bool_)
    names = {name: i for i, name in enumerate({r.cohort for r in rides})}
    cohort = np.array([names[r.cohort] for r in rides], dtype=np.intp)
    apart = (cohort[:, None] != cohort[None, :]) | alone[:, None] | alone[None, :]
    np.fill_diagonal(apart, False)
    return apart.astype(np.bool_)


def _links(n: int, links: list) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    outward, back = np.full(n, -1), np.full(n, -1)
    gap, together = np.zeros(n), np.zeros(n, dtype=np.bool_)
    for i, j, after in links:
        outward[i], back[j], gap[i], together[i] = j, i, after.minutes, after.same_vehicle
    return outward, back, gap, together


def _kinds(fleet: tuple[Vehicle, ...]) -> np.ndarray:
    seen: dict[tuple, int] = {}
    keys = [(v.start, v.end, v.layouts, v.shift, v.max_minutes, v.equipment, v.rest) for v in fleet]
    return np.array([seen.setdefault(key, k) for k, key in enumerate(keys)], dtype=np.int64)


def _tighten(p: Problem) -> None:
    """Windows narrowed by what each ride itself implies (Cordeau 2006, section 5.1); changes the arrays in place."""
    n, m = p.n, p.m
    pick, drop = np.arange(n), np.arange(n, 2 * n)
    direct = p.travel[pick, drop]
    starts, ends = np.arange(2 * n, 2 * n + m), np.arange(2 * n + m, 2 * n + 2 * m)
    for _ in range(2):  # the second round carries what the link and the depot gave back to the other end
        if n:
            reach = p.early[starts][:, None] + p.travel[np.ix_(starts, pick)]
            p.early[pick] = np.maximum(p.early[pick], reach.min(axis=0))
            home = p.late[ends][None, :] - p.travel[np.ix_(drop, ends)] - p.service[drop][:, None]
            p.late[drop] = np.minimum(p.late[drop], home.max(axis=1))
        for i in np.flatnonzero(p.outward >= 0):
            j = p.outward[i] + n
            p.early[i] = max(p.early[i], p.early[j] + p.service[j] + p.gap[i])
            p.late[j] = min(p.late[j], p.late[i] - p.gap[i] - p.service[j])
        p.early[pick] = np.maximum(p.early[pick], p.early[drop] - p.ride - p.service[pick])
        p.early[drop] = np.maximum(p.early[drop], p.early[pick] + p.service[pick] + direct)
        p.late[pick] = np.minimum(p.late[pick], p.late[drop] - direct - p.service[pick])
        p.late[drop] = np.minimum(p.late[drop], p.late[pick] + p.service[pick] + p.ride)


def _impossible(instance: Instance, p: Problem) -> list[Unserved]:
    found = []
    for i, request in enumerate(instance.requests):
        reason = _why_not(instance, p, i, request)
        if reason:
            found.append(Unserved(request.key, reason))
    return found


def _why_not(instance: Instance, p: Problem, i: int, request: Request) -> tuple[str, str] | None:
    """Why not even an empty fleet could serve this request; None when nothing speaks against it."""
    name, direct = request.name, float(p.travel[i, p.n + i])
    if direct >= FAR:
        return f"{name}：两地之间没有道路", f"{name}: no road from pickup to delivery"
    if direct > request.max_ride + EPS:
        return (
            f"{name}：直达需 {direct:.1f} 分钟，超过乘车上限 {request.max_ride:g} 分钟",
            f"{name}: the direct ride takes {direct:.1f} min, its limit is {request.max_ride:g} min",
        )
    for end, node, zh, en in ((request.pickup, i, "上车", "pickup"), (request.delivery, p.n + i, "下车", "delivery")):
        if p.early[node] > p.late[node] + EPS:
            asked = end.window
            bounded = asked.earliest > 0.0 and asked.latest < FAR
            told = f" {clock_text(asked.earliest)}–{clock_text(asked.latest)}" if bounded else ""
            first, last = clock_text(p.early[node]), clock_text(p.late[node])
            return (
                f"{name}：{zh}时间{told} 无法满足：最早 {first} 才能{zh}，而最迟 {last} 就要{zh}",
                f"{name}: the {en} window{told} cannot be met: {first} at the earliest, but {last} at the latest",
            )
    if not p.allow[i].any():
        return _no_vehicle(instance, request)
    ends = [
        (
            p.travel[2 * p.n + k, i]
            + p.service[i]
            + direct
            + p.service[p.n + i]
            + p.travel[p.n + i, 2 * p.n + p.m + k],
            k,
        )
        for k in np.flatnonzero(p.allow[i])
    ]
    if all(length > p.limit[k] + EPS for length, k in ends):
        shortest = min(ends)[0]
        return (
            f"{name}：单独往返需 {shortest:.1f} 分钟，超过车辆最长出车时间",
            f"{name}: alone it takes {shortest:.1f} min from and to the depot, longer than any route may last",
        )
    return None


def _no_vehicle(instance: Instance, request: Request) -> tuple[str, str]:
    name = request.name
    if not any(request.needs <= v.equipment for v in instance.vehicles):
        needs = ", ".join(sorted(request.needs))
        return f"{name}：没有配备 {needs} 的车辆", f"{name}: no vehicle carries {needs}"
    load = request.load
    zh = f"座位 {load.seats}、轮椅位 {load.wheelchairs}、担架位 {load.stretchers}"
    en = f"{load.seats} seats, {load.wheelchairs} wheelchairs, {load.stretchers} stretchers"
    return f"{name}：没有车辆可容纳 {zh}", f"{name}: no vehicle it may take has room for {en}"
