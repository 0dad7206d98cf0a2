"""Travel times over roads, in whole milliseconds. The one door to the road network for all of dispatch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from healthbrain.dispatch.rules.engines import Engine, make_engine
from healthbrain.dispatch.rules.roads import (
    LONGEST_ARC_MS,
    UNREACHABLE,
    Floats,
    Ints,
    RoadGraph,
    StraightLine,
    access_ms,
    straight_line_estimate,
)

_CHUNK = 2_000_000  # answers per call of the engine: keeps a large matrix within some tens of megabytes of scratch


@dataclass(frozen=True, slots=True)
class Snap:
    """Where points meet the network: node [n], metres to it [n], milliseconds to it off the road [n]."""

    node: Ints
    metres: Floats
    access_ms: Ints


@dataclass(frozen=True, slots=True)
class Route:
    """One way: `at_ms[k]` is when `nodes[k]` is reached; `arcs` has one entry less."""

    ms: int
    nodes: Ints
    arcs: Ints
    at_ms: Ints


@dataclass(frozen=True, slots=True)
class Between:
    """Door-to-door milliseconds [n, m], off-road ends included; `estimated` marks straight-line guesses."""

    ms: Ints
    estimated: NDArray[np.bool_]


class TravelTimes:
    """Shortest times of one profile. Immutable: `with_changes` gives another one over the same roads.

    Node-to-node answers are int64 milliseconds, UNREACHABLE where no road leads. Safe to share between threads.
    """

    def __init__(
        self,
        graph: RoadGraph,
        profile: str,
        *,
        topology: Any = None,
        engine: str = "auto",
        _ready: tuple[Engine, Ints] | None = None,
    ) -> None:
        self.graph, self.profile = graph, profile
        times = graph.times[profile]
        self._engine, self.arc_ms = _ready or (make_engine(graph, times, topology=topology, name=engine), times)

    def time(self, source: int, target: int) -> int:
        """Milliseconds from node to node."""
        return int(self.many_to_many([source], [target])[0, 0])

    def path(self, source: int, target: int) -> Route | None:
        """The way from node to node, or None."""
        ms, nodes, arcs = self._engine.path(source, target)
        if ms >= UNREACHABLE:
            return None
        at = np.cumsum(np.r_[0, self.arc_ms[arcs]]) if arcs else np.zeros(1, dtype=np.int64)
        return Route(ms, np.asarray(nodes, dtype=np.int64), np.asarray(arcs, dtype=np.int64), at.astype(np.int64))

    def one_to_many(self, source: int, targets: ArrayLike) -> Ints:
        """Milliseconds [targets] from one node."""
        return self.many_to_many([source], targets)[0]

    def many_to_one(self, sources: ArrayLike, target: int) -> Ints:
        """Milliseconds [sources] to one node."""
        return self.many_to_many(sources, [target])[:, 0]

    def many_to_many(self, sources: ArrayLike, targets: ArrayLike) -> Ints:
        """Milliseconds [sources, targets], in chunks of sources when it is large."""
        s, t = np.asarray(sources, dtype=np.int64), np.asarray(targets, dtype=np.int64)
        for nodes in (s, t):
            if len(nodes) and (nodes.min() < 0 or nodes.max() >= self.graph.nodes):
                raise ValueError("a node that is not in the network")
        step = max(1, _CHUNK // max(1, len(t)))
        if len(s) <= step:
            return self._engine.matrix(s, t)
        return np.concatenate([self._engine.matrix(s[i : i + step], t) for i in range(0, len(s), step)])

    def reachable(self, source: int, minutes: float) -> tuple[Ints, Ints]:
        """Nodes reached from `source` within `minutes`, and their milliseconds."""
        limit = int(minutes * 60_000)
        times = self._engine.everywhere(source, limit)
        nodes = np.flatnonzero(times <= limit)
        return nodes, times[nodes]

    def snap(self, points: ArrayLike, *, on_road: bool = False) -> Snap:
        """Nearest node of each point [n, 2]. `on_road` for vehicles on the move: any node, no off-road time."""
        xy = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        node, metres = self.graph.nearest(xy, on_road=on_road)
        extra = np.zeros(len(node), dtype=np.int64) if on_road else access_ms(metres, self.graph.off_road[self.profile])
        return Snap(node, metres, extra)

    def between(self, origins: ArrayLike, destinations: ArrayLike, estimate: StraightLine) -> Between:
        """Point-to-point milliseconds [n, m]. Off the map or where no road leads, the straight-line
        estimate stands, marked."""
        a, b = np.asarray(origins, np.float64).reshape(-1, 2), np.asarray(destinations, np.float64).reshape(-1, 2)
        start, end = self.snap(a), self.snap(b)
        roads = self.many_to_many(start.node, end.node)
        off = [side.metres > estimate.beyond_m for side in (start, end)]
        lost = (roads >= UNREACHABLE) | off[0][:, None] | off[1][None, :]
        ms = roads + start.access_ms[:, None] + end.access_ms[None, :]
        if lost.any():
            ms = np.where(lost, straight_line_estimate(self.graph, a, b, estimate), ms)
        return Between(ms, lost)

    def with_changes(
        self, times: Mapping[int, int] | None = None, closed: ArrayLike = (), doors: NDArray[np.bool_] | None = None
    ) -> TravelTimes:
        """Live speeds (`times`: arc → milliseconds now) and closures (`closed`: arcs nobody may use).

        `doors` [nodes]: where trips may begin and end then; as before when not given.
        """
        now = self.arc_ms.copy()
        if times:
            arcs = np.fromiter(times.keys(), dtype=np.int64, count=len(times))
            now[arcs] = np.clip(np.fromiter(times.values(), dtype=np.int64, count=len(times)), 1, LONGEST_ARC_MS)
        now[np.asarray(closed, dtype=np.int64)] = UNREACHABLE
        graph = self.graph if doors is None else replace(self.graph, access=doors)
        return TravelTimes(graph, self.profile, _ready=(self._engine.changed(now), now))
