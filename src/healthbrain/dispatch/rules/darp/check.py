"""Does a plan keep every rule? Told from the definitions, one rule after the other; for saving plans and for people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from healthbrain.dispatch.rules.darp.model import Instance, Key, Request, Route, Solution, Stop, Vehicle, clock_text

_EPS = 1e-6  # minutes


def violations(instance: Instance, plan: Solution) -> list[str]:
    """One sentence per broken rule; empty when the plan holds."""
    found: list[str] = []
    served: list[Key] = []
    vehicles = {v.key: v for v in instance.vehicles}
    for route in plan.routes:
        vehicle = vehicles.get(route.vehicle)
        if vehicle is None:
            found.append(f"Vehicle {route.vehicle} is not of the fleet.")
            continue
        found += _times(instance, vehicle, route)
        found += _riders(instance, vehicle, route)
        served += [s.request for s in route.stops if s.act == "pickup" and s.request is not None]
    if len({r.vehicle for r in plan.routes}) < len(plan.routes):
        found.append("A vehicle drives two routes.")
    left = {u.request for u in plan.unserved}
    for request in instance.requests:
        times = served.count(request.key)
        if times != (0 if request.key in left else 1):
            found.append(f"Ride {request.name} is served {times} times.")
    return found + list(_links(instance, plan))


def _times(instance: Instance, vehicle: Vehicle, route: Route) -> Iterator[str]:
    stops = route.stops
    if not stops or stops[0].act != "start" or stops[-1].act != "end":
        yield f"Vehicle {vehicle.key} does not start and end at its depot."
        return
    for before, stop in pairwise(stops):
        way = float(instance.minutes[before.place, stop.place])
        if stop.arrival < before.departure + way - _EPS or stop.begin < stop.arrival - _EPS:
            yield f"Vehicle {vehicle.key} cannot be at its stop of {clock_text(stop.begin)} in time."
    if stops[0].departure < vehicle.shift.earliest - _EPS or stops[-1].begin > vehicle.shift.latest + _EPS:
        yield f"Vehicle {vehicle.key} drives outside its shift."
    if stops[-1].begin - stops[0].departure > vehicle.max_minutes + _EPS:
        yield f"Vehicle {vehicle.key} is out longer than {vehicle.max_minutes:g} min."
    yield from _rest(vehicle, stops)


def _rest(vehicle: Vehicle, stops: tuple[Stop, ...]) -> Iterator[str]:
    if vehicle.rest is None:
        return
    rests = [s for s in stops if s.act == "rest"]
    if len(rests) != 1:
        yield f"The driver of vehicle {vehicle.key} has {len(rests)} breaks."
        return
    rest, window = rests[0], vehicle.rest.window
    aboard = sum({"pickup": 1, "delivery": -1}.get(s.act, 0) for s in stops[: stops.index(rest)])
    if aboard or not window.earliest - _EPS <= rest.begin <= window.latest + _EPS:
        yield f"The break of vehicle {vehicle.key} is out of its window or with riders on board."
    if rest.departure - rest.begin < vehicle.rest.minutes - _EPS:
        yield f"The break of vehicle {vehicle.key} is too short."


def _riders(instance: Instance, vehicle: Vehicle, route: Route) -> Iterator[str]:
    requests = {r.key: r for r in instance.requests}
    aboard: dict[Key, Stop] = {}
    for stop in route.stops:
        if stop.request is None:
            continue
        request = requests.get(stop.request)
        if request is None:
            yield f"Ride {stop.request} is not asked for."
            continue
        end = request.pickup if stop.act == "pickup" else request.delivery
        if stop.place != end.place or not end.window.earliest - _EPS <= stop.begin <= end.window.latest + _EPS:
            yield f"Ride {request.name}: {stop.act} at {clock_text(stop.begin)} is not where and when it should be."
        if stop.departure < stop.begin + end.minutes - _EPS:
            yield f"Ride {request.name}: too little time for the {stop.act}."
        if stop.act == "pickup":
            aboard[request.key] = stop
            yield from _company(vehicle, request, [requests[key] for key in aboard])
        elif request.key not in aboard:
            yield f"Ride {request.name} is set down before it is picked up."
        elif stop.begin - aboard.pop(request.key).departure > request.max_ride + _EPS:
            yield f"Ride {request.name} is on board longer than {request.max_ride:g} min."
    if aboard:
        yield f"Vehicle {vehicle.key} comes home with riders on board."


def _company(vehicle: Vehicle, boarding: Request, aboard: list[Request]) -> Iterator[str]:
    load = [sum(r.load[x] for r in aboard) for x in range(3)]
    if not any(all(a <= b for a, b in zip(load, layout, strict=True)) for layout in vehicle.layouts):
        yield f"Vehicle {vehicle.key} has no room for ride {boarding.name}."
    if not boarding.needs <= vehicle.equipment:
        yield f"Vehicle {vehicle.key} lacks equipment for ride {boarding.name}."
    if boarding.vehicles is not None and vehicle.key not in boarding.vehicles:
        yield f"Ride {boarding.name} may not go with vehicle {vehicle.key}."
    for other in aboard:
        if other is not boarding and (other.alone or boarding.alone or other.cohort != boarding.cohort):
            yield f"Rides {boarding.name} and {other.name} may not share a vehicle."


def _links(instance: Instance, plan: Solution) -> Iterator[str]:
    ups = {s.request: s for r in plan.routes for s in r.stops if s.act == "pickup"}
    downs = {s.request: s for r in plan.routes for s in r.stops if s.act == "delivery"}
    for request in instance.requests:
        after = request.after
        if after is None or request.key not in ups:
            continue
        if after.outward not in downs:
            if any(r.key == after.outward for r in instance.requests):
                yield f"Ride {request.name} goes back without having been brought."
            continue
        if ups[request.key].begin < downs[after.outward].departure + after.minutes - _EPS:
            yield f"Ride {request.name} is fetched before its treatment ends."
        if after.same_vehicle and plan.vehicle_of(request.key) != plan.vehicle_of(after.outward):
            yield f"Ride {request.name} does not go back with the crew that brought it."
