"""The answer at booking time: "14:10–14:40, yes", or which other times there are.

Cheapest feasible insertion with every told window of the others kept; when nothing fits at once, a short search that
may re-order the day, still within what was told.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from healthbrain.dispatch.rules.darp.model import End, Instance, Key, Plan, Promise, Request, Solution, Window
from healthbrain.dispatch.rules.darp.prepare import prepare
from healthbrain.dispatch.rules.darp.solver import keep, solve
from healthbrain.kernel.errors import Conflict

TOLD_WIDTH = 30.0  # minutes: the width of the window a person is told
GRID = 5.0  # minutes: told times are full five minutes
SHIFTS = (-30.0, 30.0, -60.0, 60.0, -90.0, 90.0, -120.0, 120.0, -180.0, 180.0)  # minutes tried for alternatives


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """The answer to one booking.

    pickup: the window to tell; vehicle and extra: who would drive it and what it adds to the cost; plan: the day with
    it, to be saved when the person agrees. When not accepted: reason (Chinese, English) and `alternatives`, pickup
    windows that would do, nearest first.
    """

    accepted: bool
    pickup: Window | None = None
    delivery: Window | None = None
    vehicle: Key | None = None
    extra: float = 0.0
    plan: Plan | None = None
    reason: tuple[str, str] = ("", "")
    alternatives: tuple[Window, ...] = ()
    seconds: float = 0.0


def promise(plan: Plan, request: Request, *, seconds: float = 0.4, seed: int = 1) -> Offer:
    """Can this ride be promised beside all others?

    Answers at once when it fits at once, else within about `seconds`, or twice that when other times are sought too.

    Raises Invalid when a ride of the same key is planned already.
    """
    began = time.perf_counter()
    offer = _try(plan, request, min(0.02, seconds), seed) or _try(plan, request, seconds, seed)
    if offer is None:
        offer = _refusal(plan, request, began + 2.0 * seconds, seed)
    return replace(offer, seconds=time.perf_counter() - began)


def _try(plan: Plan, request: Request, seconds: float, seed: int) -> Offer | None:
    instance = plan.instance.with_requests((*plan.instance.requests, request))
    left = {u.request for u in plan.solution.unserved}
    told = _standing(plan)
    try:
        solution = solve(instance, seconds=seconds, seed=seed, pinned=told, start=plan.solution)
    except Conflict:
        return None
    if any(u.request not in left for u in solution.unserved):
        return None
    pickup = _told(solution.begins("pickup")[request.key], _span(instance, request, at_pickup=True))
    delivery = _told(solution.begins("delivery")[request.key], _span(instance, request, at_pickup=False))
    promises = {**plan.promises, request.key: Promise(pickup)}
    return Offer(
        accepted=True,
        pickup=pickup,
        delivery=delivery,
        vehicle=solution.vehicle_of(request.key),
        extra=solution.cost - plan.solution.cost,
        plan=Plan(instance, solution, promises),
    )


def _standing(plan: Plan) -> dict[Key, Promise]:
    """What was told, and for rides planned but not told yet their own windows: none of them may fall out."""
    left = {u.request for u in plan.solution.unserved}
    standing = {r.key: Promise(r.pickup.window) for r in plan.instance.requests if r.key not in left}
    return {**standing, **plan.promises}


def _span(instance: Instance, request: Request, *, at_pickup: bool) -> Window:
    """What the ride's windows leave possible at this end."""
    p, _ = prepare(instance.with_requests((replace(request, after=None),)))
    node = 0 if at_pickup else 1
    return Window(float(p.early[node]), float(p.late[node]))


def _told(begin: float, span: Window) -> Window:
    """A window of TOLD_WIDTH on the five-minute grid that contains the planned begin, inside what is possible.

    Where no full five minutes lie between what is possible and the begin, the edge is the one just beyond: people are
    told 14:10, never 14:12, and the vehicle still comes within what was possible.
    """
    earliest, latest = math.ceil(span.earliest / GRID) * GRID, math.floor(span.latest / GRID) * GRID
    earliest = earliest if earliest <= begin else math.floor(begin / GRID) * GRID
    latest = latest if latest >= begin else math.ceil(begin / GRID) * GRID
    first = GRID * ((begin - TOLD_WIDTH / 3.0) // GRID)
    first = min(max(first, earliest), max(latest - TOLD_WIDTH, earliest))
    return Window(first, min(first + TOLD_WIDTH, latest))


def _refusal(plan: Plan, request: Request, until: float, seed: int) -> Offer:
    """No, because; and the nearest other times that fit at once, as far as the time for answering reaches."""
    alone = plan.instance.with_requests((request,))
    _, impossible = prepare(keep(alone, {}))
    reason = (
        impossible[0].reason
        if impossible
        else (
            f"{request.name}：已承诺的行程保持不变时，该时段没有车辆",
            f"{request.name}: no vehicle at that time without breaking what others were told",
        )
    )
    found: list[Window] = []
    for shift in SHIFTS:
        if len(found) == 3 or time.perf_counter() > until:
            break
        moved = replace(request, pickup=_shifted(request.pickup, shift), delivery=_shifted(request.delivery, shift))
        offer = _try(plan, moved, 0.02, seed)
        if offer is not None and offer.pickup is not None and offer.pickup not in found:
            found.append(offer.pickup)
    return Offer(False, reason=reason, alternatives=tuple(found))


def _shifted(end: End, minutes: float) -> End:
    return replace(end, window=Window(end.window.earliest + minutes, end.window.latest + minutes))


def cancel(plan: Plan, request: Key) -> Plan:
    """The day without this ride, everybody else as planned and told; its way back falls away too.

    Before the vehicle is under way; on the stairs, see `under_way`. Nobody else's time changes: stops of the ride are
    taken out and the vehicle waits instead.
    """
    gone = {request}
    while True:
        more = {r.key for r in plan.instance.requests if r.after and r.after.outward in gone} - gone
        if not more:
            break
        gone |= more
    requests = tuple(r for r in plan.instance.requests if r.key not in gone)
    promises = {key: told for key, told in plan.promises.items() if key not in gone}
    instance = plan.instance.with_requests(requests)
    solution: Solution = solve(instance, seconds=0.05, pinned=promises, start=plan.solution)
    return Plan(instance, solution, promises)
