"""Travel times laid out for the simulation: looked up, never searched, while it runs.

A vehicle on the road can be turned round at *waypoints*: the stations, the hospitals, and points some seconds apart
on the
ways between them. Its position is exact (it follows the real path); a new order takes effect at the next waypoint
ahead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from healthbrain.dispatch.rules.engines import DijkstraEngine
from healthbrain.dispatch.rules.roads import UNREACHABLE, Floats, Ints
from healthbrain.dispatch.rules.travel import TravelTimes

Milliseconds = NDArray[np.int32]
WAYPOINT_EVERY_MS = 30_000
FAR = 2**30
"""Milliseconds that stand for "no road": twelve days, so such a vehicle is never chosen and sums stay within int32."""


@dataclass(frozen=True, eq=False)
class Network:
    """stations, hospitals: nodes. waypoints: nodes [W], the stations first, then the hospitals. waypoint_of: node →
    number
    in `waypoints` or -1. onward, left_ms [S, nodes]: next node and milliseconds on the way to each station at normal
    speed.
    """

    siren: TravelTimes
    normal: TravelTimes
    stations: Ints
    hospitals: Ints
    waypoints: Ints
    waypoint_of: NDArray[np.int32]
    onward: NDArray[np.int32]
    left_ms: Milliseconds
    between: Milliseconds  # siren, waypoint to waypoint [W, W]


@dataclass(frozen=True, eq=False)
class Places:
    """Tables of call places: node [C]; response_siren, response_normal [C, W] from each waypoint; hospital [C] and
    hospital_ms [C] the nearest one at normal speed."""

    nodes: Ints
    response_siren: Milliseconds
    response_normal: Milliseconds
    hospital: NDArray[np.int32]
    hospital_ms: Milliseconds


def make_network(siren: TravelTimes, normal: TravelTimes, stations: ArrayLike, hospitals: ArrayLike) -> Network:
    """Tables that do not depend on the calls: about a second on 54,000 nodes."""
    s, h = np.asarray(stations, dtype=np.int64), np.asarray(hospitals, dtype=np.int64)
    trees = [DijkstraEngine(normal.graph, normal.arc_ms).tree_to(int(node)) for node in s]
    left = np.array([_short(times) for times, _ in trees], dtype=np.int32)
    onward = np.array([hop for _, hop in trees], dtype=np.int32)
    waypoints = _waypoints(s, h, onward, left)
    number = np.full(normal.graph.nodes, -1, dtype=np.int32)
    number[waypoints[::-1]] = np.arange(len(waypoints), dtype=np.int32)[::-1]  # a shared node keeps its first number
    between = _short(siren.many_to_many(waypoints, waypoints))
    return Network(siren, normal, s, h, waypoints, number, onward, left, between)


def _waypoints(stations: Ints, hospitals: Ints, onward: NDArray[np.int32], left: Milliseconds) -> Ints:
    """Stations, hospitals, and nodes at least WAYPOINT_EVERY_MS apart along the ways between them."""
    chosen: dict[int, None] = dict.fromkeys([*stations.tolist(), *hospitals.tolist()])
    for k in range(len(stations)):
        for start in dict.fromkeys([*hospitals.tolist(), *stations.tolist()]):
            node, last = int(start), int(left[k, start])
            while 0 < left[k, node] < FAR:
                node = int(onward[k, node])
                if node in chosen:
                    last = int(left[k, node])
                elif last - left[k, node] >= WAYPOINT_EVERY_MS:
                    chosen[node] = None
                    last = int(left[k, node])
    rest = [n for n in chosen if n not in set(stations.tolist()) | set(hospitals.tolist())]
    return np.array([*stations.tolist(), *hospitals.tolist(), *rest], dtype=np.int64)


def make_places(network: Network, nodes: ArrayLike, access_m: Floats | None = None, *, both: bool = True) -> Places:
    """Tables of these call nodes. `access_m`: metres between the place and its node. `both`: also at normal speed, for
    priorities that drive without sirens; else that table is the siren's."""
    at = np.asarray(nodes, dtype=np.int64)
    siren = _to_places(network.siren, network.waypoints, at, access_m)
    normal = _to_places(network.normal, network.waypoints, at, access_m) if both else siren
    ways = _to_places(network.normal, at, network.hospitals, None).T if len(network.hospitals) else None
    nearest = np.full(len(at), -1) if ways is None else ways.argmin(axis=1)
    ms = np.zeros(len(at)) if ways is None else ways[np.arange(len(at)), nearest]
    return Places(at, siren, normal, nearest.astype(np.int32), ms.astype(np.int32))


def _to_places(travel: TravelTimes, origins: Ints, places: Ints, access_m: Floats | None) -> Milliseconds:
    """[places, origins], contiguous by place: the loop reads one place's row at a time."""
    table = np.empty((len(places), len(origins)), dtype=np.int32)
    step = 64
    for i in range(0, len(origins), step):
        table[:, i : i + step] = _short(travel.many_to_many(origins[i : i + step], places)).T
    if access_m is not None:
        extra = np.ceil(access_m * 3600.0 / travel.graph.off_road[travel.profile]).astype(np.int64)
        table = _short(table.astype(np.int64) + extra[:, None])
    return table


def _short(times: Ints) -> Milliseconds:
    return np.where(times >= min(UNREACHABLE, FAR), FAR, times).astype(np.int32)
