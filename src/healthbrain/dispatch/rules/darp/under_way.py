"""Planning on while vehicles drive: what is done stands, who sits on board is brought, who cancelled is left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from healthbrain.dispatch.rules.darp.model import ALWAYS, After, End, Instance, Key, Plan, Request, Vehicle, Window


@dataclass(frozen=True, slots=True)
class Position:
    """Vehicle `vehicle` is, or can first be turned to something else, at `place` at minute `at`.

    left_depot: minute it left its depot, None while it stands there: its longest route runs from then.
    """

    vehicle: Key
    place: int
    at: float
    left_depot: float | None = None


def under_way(
    plan: Plan,
    positions: Iterable[Position],
    *,
    aboard: dict[Key, tuple[Key, float]],
    done: Iterable[Key] = (),
    cancelled: Iterable[Key] = (),
    now: float,
) -> tuple[Instance, Plan]:
    """The rest of the day as an instance for `solve`, and the plan to give it as `start` and promises.

    aboard: ride -> (vehicle, minute of departure from its pickup). done: rides already set down. cancelled: rides
    that fall away, on the stairs too (the vehicle stands at their door: give that as its position). A rider whose limit
    has passed already is brought without a limit: nobody is left in the vehicle because he is late.
    """
    where = {position.vehicle: position for position in positions}
    vehicles = tuple(_moved(vehicle, where.get(vehicle.key), now) for vehicle in plan.instance.vehicles)
    away = set(done) | set(cancelled)
    keys = {r.key for r in plan.instance.requests}
    downs = plan.solution.begins("delivery")
    requests: list[Request | None] = []
    for request in plan.instance.requests:
        if request.key in away:
            continue
        if request.key in aboard:
            vehicle, since = aboard[request.key]
            requests.append(_on_board(plan.instance, request, where[vehicle], since))
            continue
        requests.append(_waiting(request, now, away & keys, set(cancelled), downs))
    instance = replace(plan.instance, requests=tuple(r for r in requests if r is not None), vehicles=vehicles)
    kept = {r.key for r in instance.requests}
    promises = {k: told for k, told in plan.promises.items() if k in kept and k not in aboard}
    return instance, Plan(instance, plan.solution, promises)


def _moved(vehicle: Vehicle, position: Position | None, now: float) -> Vehicle:
    if position is None:
        return replace(vehicle, shift=Window(max(vehicle.shift.earliest, now), vehicle.shift.latest))
    out = 0.0 if position.left_depot is None else position.at - position.left_depot
    shift = Window(position.at, max(vehicle.shift.latest, position.at))
    rest = vehicle.rest if vehicle.rest and vehicle.rest.window.latest >= position.at else None
    return replace(vehicle, start=position.place, shift=shift, max_minutes=vehicle.max_minutes - out, rest=rest)


def _on_board(instance: Instance, request: Request, position: Position, since: float) -> Request:
    """Boards, for the arrays, where the vehicle is now, in no time; what is left of his ride time is his limit."""
    left = request.max_ride - (position.at - since)
    direct = float(instance.minutes[position.place, request.delivery.place])
    late = left < direct or position.at + direct > request.delivery.window.latest
    delivery = replace(request.delivery, window=ALWAYS) if late else request.delivery
    return replace(
        request,
        pickup=End(position.place, Window(position.at, position.at), 0.0),
        delivery=delivery,
        max_ride=float("inf") if late else left,
        vehicles=frozenset({position.vehicle}),
        after=None,
    )


def _waiting(
    request: Request, now: float, away: set[Key], cancelled: set[Key], downs: dict[Key, float]
) -> Request | None:
    """Not fetched yet: not before now; the way back of somebody who never went falls away."""
    window = Window(max(request.pickup.window.earliest, now), request.pickup.window.latest)
    after: After | None = request.after
    if after is not None and after.outward in cancelled:
        return None
    if after is not None and after.outward in away:
        ready = downs.get(after.outward, now) + after.minutes
        window, after = Window(max(window.earliest, ready), window.latest), None
    return replace(request, pickup=replace(request.pickup, window=window), after=after)
