"""The day as a picture: a bar a ride, a row a vehicle; and the routes on the map. Positions only, no words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from healthbrain.desks.dispatcher import maps
from healthbrain.dispatch import network
from healthbrain.dispatch.queries.transport import Board, RideRow, VehicleRow

WIDTH, LEFT, LANE, PAD, HEAD = 1200, 96, 24, 6, 22  # units of the picture
COLOURS = 6  # classes v0 … v5 of transport.css


@dataclass(frozen=True, slots=True)
class Bar:
    ride: RideRow
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Band:
    """One vehicle: its row, bars, breaks [(x, width)], the shift as grey ground."""

    vehicle: VehicleRow
    number: int
    y: float
    height: float
    shift: tuple[float, float]
    bars: tuple[Bar, ...]
    rests: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Gantt:
    """hours: [(x, hour)]; now: x of the present minute, None on other days."""

    width: int
    height: float
    bands: tuple[Band, ...]
    hours: tuple[tuple[float, int], ...]
    now: float | None


def gantt(board: Board, *, moment: float | None) -> Gantt:
    """The picture of a day; from the first shift or ride to the last."""
    times = [at for v in board.vehicles for at in v.shift]
    times += [at for r in board.rides for at in (r.begins, r.ends) if at is not None]
    first, last = 60 * (min(times, default=480) // 60), 60 * -(-max(times, default=1080) // 60)
    scale = (WIDTH - LEFT - 24) / max(60.0, last - first)

    def x(minute: float) -> float:
        return round(LEFT + (minute - first) * scale, 1)

    bands, y = [], float(HEAD)
    for number, vehicle in enumerate(board.vehicles):
        lanes = _lanes(vehicle.rides)
        height = max(1, max(lanes.values(), default=0) + 1) * LANE + PAD
        bars = tuple(
            Bar(ride, x(ride.begins), y + PAD / 2 + lanes[ride.id] * LANE, _wide(ride, last) * scale)
            for ride in vehicle.rides
            if ride.begins is not None
        )
        rests = tuple((x(begin), (end - begin) * scale) for begin, end in vehicle.rests)
        shift = (x(vehicle.shift[0]), (vehicle.shift[1] - vehicle.shift[0]) * scale)
        bands.append(Band(vehicle, number % COLOURS, y, height, shift, bars, rests))
        y += height
    hours = tuple((x(h * 60.0), h % 24) for h in range(int(first // 60), int(last // 60) + 1))
    shown = moment is not None and first <= moment <= last
    return Gantt(WIDTH, y + 4, tuple(bands), hours, x(moment) if shown and moment is not None else None)


def _wide(ride: RideRow, last: float) -> float:
    """Minutes of a bar; a long trip reaches to the end of the day."""
    if ride.begins is None:
        return 0.0
    if ride.trip_km is not None:
        return last - ride.begins
    return max(12.0, (ride.ends or ride.begins) - ride.begins)


def _lanes(rides: Sequence[RideRow]) -> dict[int, int]:
    """Ride → lane: riders who share the vehicle stand one above the other."""
    free: list[float] = []
    found = {}
    for ride in sorted((r for r in rides if r.begins is not None), key=lambda r: r.begins or 0.0):
        begin = ride.begins or 0.0
        lane = next((k for k, until in enumerate(free) if until <= begin), len(free))
        if lane == len(free):
            free.append(0.0)
        free[lane] = max(begin + 12.0, ride.ends or begin)
        found[ride.id] = lane
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """A vehicle's way of the day in pixels of the plane."""

    code: str
    number: int
    path: str
    stops: tuple[tuple[float, float], ...]


def lines(board: Board) -> list[Line]:
    """The ways on the roads, from depot through every stop in order."""
    at, roads = maps.plane(), network.times("normal")
    made = []
    for number, vehicle in enumerate(board.vehicles):
        stops = _stops(vehicle)
        if not stops:
            continue
        node = roads.snap(np.array(stops)).node
        drawn: list[str] = []
        for a, b in itertools.pairwise(node):
            way = roads.path(int(a), int(b)) if a != b else None
            if way is not None:
                points = [(at.px(roads.graph.x[n]), at.py(roads.graph.y[n])) for n in way.nodes]
                drawn.append("M" + "L".join(f"{px:.0f} {py:.0f}" for px, py in points))
        pixels = tuple((at.px(x), at.py(y)) for x, y in stops)
        made.append(Line(vehicle.code, number % COLOURS, "".join(drawn), pixels))
    return made


def _stops(vehicle: VehicleRow) -> list[tuple[float, float]]:
    timed = []
    for ride in vehicle.rides:
        if ride.trip_km is None and ride.begins is not None and ride.ends is not None:
            timed += [(ride.begins, ride.from_xy), (ride.ends, ride.to_xy)]
    return [xy for _, xy in sorted(timed)]
