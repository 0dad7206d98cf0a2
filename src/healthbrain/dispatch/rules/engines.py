"""Two engines for one question: contraction hierarchies (pyroutingkit), and Dijkstra (scipy) where those are missing.

Customizable contraction hierarchies: Dibbelt, Strasser, Wagner, ACM JEA 21 (2016). Both engines count in whole
milliseconds and give the same answers; tests hold them to it.
"""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from healthbrain.dispatch.rules.roads import UNREACHABLE, Ints, RoadGraph

try:
    import pyroutingkit as _kit
except ImportError:  # no wheel for this platform: the same answers from scipy, slower
    _kit = None

kit: Any = _kit

Path = tuple[int, list[int], list[int]]


class Engine(Protocol):
    """Shortest times under one set of arc times. UNREACHABLE where there is no way."""

    def matrix(self, sources: Ints, targets: Ints) -> Ints:
        """Milliseconds [sources, targets]."""
        ...

    def path(self, source: int, target: int) -> Path:
        """Milliseconds, nodes and arcs of one shortest path."""
        ...

    def everywhere(self, source: int, limit_ms: int) -> Ints:
        """Milliseconds from `source` to every node; UNREACHABLE beyond `limit_ms`."""
        ...

    def changed(self, times: Ints) -> Engine:
        """The same roads under other arc times."""
        ...


class DijkstraEngine:
    """scipy's Dijkstra: about 10 ms from one node to all on 54,000 nodes."""

    def __init__(self, graph: RoadGraph, times: Ints) -> None:
        self._graph, self._times = graph, times
        usable = (times < UNREACHABLE) & (graph.tail != graph.head)
        arcs = np.flatnonzero(usable)
        # a sparse matrix adds up parallel arcs, so only the fastest of each pair may enter it
        order = arcs[np.lexsort((times[arcs], graph.head[arcs], graph.tail[arcs]))]
        pair = graph.tail[order] * graph.nodes + graph.head[order]
        self._arc = order[np.r_[True, pair[1:] != pair[:-1]]] if len(order) else order
        shape = (graph.nodes, graph.nodes)
        ends = (graph.tail[self._arc], graph.head[self._arc])
        self._matrix = csr_matrix((times[self._arc].astype(np.float64), ends), shape=shape)
        self._arc_of = csr_matrix((self._arc + 1, ends), shape=shape)

    def matrix(self, sources: Ints, targets: Ints) -> Ints:
        if not len(sources) or not len(targets):
            return np.empty((len(sources), len(targets)), dtype=np.int64)
        if len(targets) < len(sources):  # one run per column, backwards
            return _whole(dijkstra(self._matrix.T.tocsr(), indices=targets)[:, sources].T)
        return _whole(dijkstra(self._matrix, indices=sources)[:, targets])

    def everywhere(self, source: int, limit_ms: int) -> Ints:
        return _whole(dijkstra(self._matrix, indices=source, limit=float(limit_ms)))

    def path(self, source: int, target: int) -> Path:
        times, before = dijkstra(self._matrix, indices=source, return_predecessors=True)
        if not np.isfinite(times[target]):
            return UNREACHABLE, [], []
        nodes = [target]
        while nodes[-1] != source:
            nodes.append(int(before[nodes[-1]]))
        nodes.reverse()
        arcs = [int(self._arc_of[a, b]) - 1 for a, b in pairwise(nodes)]
        return int(times[target]), nodes, arcs

    def tree_to(self, target: int) -> tuple[Ints, Ints]:
        """Milliseconds from every node to `target`, and the next node on the way (itself where there is none)."""
        times, hop = dijkstra(self._matrix.T.tocsr(), indices=target, return_predecessors=True)
        return _whole(times), np.where(hop < 0, np.arange(self._graph.nodes), hop).astype(np.int64)

    def changed(self, times: Ints) -> DijkstraEngine:
        return DijkstraEngine(self._graph, times)


class HierarchyEngine:
    """pyroutingkit: under 0.1 ms for a vehicle list, 8 ms for new speeds on the whole network."""

    def __init__(self, graph: RoadGraph, times: Ints, topology: Any = None) -> None:
        self._graph = graph
        self._topology = topology if topology is not None else build_topology(graph)
        self._metric = kit.CCHMetric(self._topology)
        self._metric.customize(times.astype(np.uint32))
        # the library releases the GIL but shares one query buffer: two threads in it crash (seen with 0.2.1)
        self._turn = threading.Lock()

    def matrix(self, sources: Ints, targets: Ints) -> Ints:
        if not len(sources) or not len(targets):
            return np.empty((len(sources), len(targets)), dtype=np.int64)
        with self._turn:
            found = self._metric.distances_many_to_many(sources.astype(np.uint32), targets.astype(np.uint32))
        return np.minimum(found, UNREACHABLE).astype(np.int64)

    def everywhere(self, source: int, limit_ms: int) -> Ints:
        found = self.matrix(np.array([source]), np.arange(self._graph.nodes))[0]
        found[found > limit_ms] = UNREACHABLE
        return found

    def path(self, source: int, target: int) -> Path:
        with self._turn:
            ms, nodes, arcs = self._metric.query(source, target)
        if ms >= UNREACHABLE:
            return UNREACHABLE, [], []
        return int(ms), [int(n) for n in nodes], [int(a) for a in arcs]

    def changed(self, times: Ints) -> HierarchyEngine:
        return HierarchyEngine(self._graph, times, self._topology)


def build_topology(graph: RoadGraph) -> Any:
    """The contraction order of a network: about 2 s for 54,000 nodes, shared by all profiles and changes."""
    topology = kit.CCHTopology()
    place = graph.metres(np.c_[graph.x, graph.y]).astype(np.float32) / 100_000.0  # the order wants degrees, roughly
    topology.build(
        graph.tail.astype(np.uint32),
        graph.head.astype(np.uint32),
        np.ascontiguousarray(place[:, 1], dtype=np.float32),
        np.ascontiguousarray(place[:, 0], dtype=np.float32),
        graph.nodes,
    )
    return topology


def make_engine(graph: RoadGraph, times: Ints, *, topology: Any = None, name: str = "auto") -> Engine:
    """`name`: "hierarchy", "dijkstra", or "auto" (the first that is there)."""
    if name == "dijkstra" or kit is None or not graph.arcs:
        return DijkstraEngine(graph, times)
    return HierarchyEngine(graph, times, topology)


def _whole(times: Any) -> Ints:
    out = np.full(times.shape, UNREACHABLE, dtype=np.int64)
    known = np.isfinite(times)
    out[known] = np.rint(times[known]).astype(np.int64)
    return out
