"""The road network: frozen arrays, and what to say when no road answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

UNREACHABLE = 2_147_483_647
"""Milliseconds that mean "no road leads there" (RoutingKit's inf_weight); larger than any real time."""

LONGEST_ARC_MS = 10_000_000
"""A single arc of more than 2.7 hours is a mistake in the data, or a jam no better than a closure."""


@dataclass(frozen=True, eq=False)
class RoadGraph:
    """A directed road graph. Nodes are numbered from 0 in the order of `x`; arcs in the order of `tail`.

    x, y        float64 [nodes], in the city's own unit (degrees or km); `scale` = metres per unit along x and y
    tail, head  int64 [arcs]
    length_m    float64 [arcs], metres
    road_class  int64 [arcs], index into `classes`
    times       profile → int64 [arcs], milliseconds, at least 1
    off_road    profile → km/h between a point and its node
    access      bool [nodes]: may a trip begin or end here (no motorways); None = everywhere
    """

    x: Floats
    y: Floats
    scale: tuple[float, float]
    tail: Ints
    head: Ints
    length_m: Floats
    road_class: Ints
    classes: tuple[str, ...]
    times: Mapping[str, Ints]
    off_road: Mapping[str, float]
    access: NDArray[np.bool_] | None = None
    synthetic: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.tail) and (
            min(self.tail.min(), self.head.min()) < 0 or max(self.tail.max(), self.head.max()) >= self.nodes
        ):
            raise ValueError("an arc names a node that is not there")
        for profile, times in self.times.items():
            if len(times) != self.arcs or (len(times) and (times.min() < 1 or times.max() > LONGEST_ARC_MS)):
                raise ValueError(f"times of {profile}: one per arc, 1 to {LONGEST_ARC_MS} ms")

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.x)

    @property
    def arcs(self) -> int:
        """Number of directed arcs."""
        return len(self.tail)

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the speed profiles, e.g. ("siren", "normal")."""
        return tuple(self.times)

    @cached_property
    def fingerprint(self) -> str:
        """Names the topology (not the times): the key under which a built hierarchy may be kept."""
        digest = hashlib.sha256()
        for part in (self.tail, self.head, self.x, self.y):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()[:24]

    def metres(self, points: Floats) -> Floats:
        """Points [n, 2] in the city's unit as planar metres [n, 2]."""
        return np.asarray(points, dtype=np.float64).reshape(-1, 2) * np.asarray(self.scale)

    @cached_property
    def main_component(self) -> NDArray[np.bool_]:
        """Nodes of the largest strongly connected part: from each of them every other can be reached and left."""
        matrix = csr_matrix((np.ones(self.arcs, dtype=np.int8), (self.tail, self.head)), shape=(self.nodes, self.nodes))
        _, label = connected_components(matrix, directed=True, connection="strong")
        found: NDArray[np.bool_] = label == np.bincount(label, minlength=1).argmax()
        return found

    @cached_property
    def doors(self) -> Ints:
        """Nodes at which trips begin and end: allowed by `access`, and not in a dead pocket of the data."""
        allowed = self.main_component if self.access is None else self.main_component & self.access
        return np.flatnonzero(allowed if allowed.any() else self.main_component)

    @cached_property
    def _door_tree(self) -> cKDTree:
        return cKDTree(self.metres(np.c_[self.x, self.y])[self.doors])

    @cached_property
    def _node_tree(self) -> cKDTree:
        return cKDTree(self.metres(np.c_[self.x, self.y]))

    def nearest(self, points: Floats, *, on_road: bool = False) -> tuple[Ints, Floats]:
        """Nearest node of each point [n, 2] and the metres to it. `on_road`: a driving vehicle may be at any node."""
        tree, numbers = (self._node_tree, None) if on_road else (self._door_tree, self.doors)
        distance, found = tree.query(self.metres(points))
        nodes = np.asarray(found, dtype=np.int64)
        return (nodes if numbers is None else numbers[nodes]), np.asarray(distance, dtype=np.float64)

    def inside(self, points: Floats, margin_m: float) -> NDArray[np.bool_]:
        """Is each point [n, 2] within the rectangle of the network, widened by `margin_m`?"""
        xy, box = self.metres(points), self.metres(np.c_[self.x, self.y])
        return np.asarray(((xy >= box.min(0) - margin_m) & (xy <= box.max(0) + margin_m)).all(axis=1))


def access_ms(metres: Floats, kmh: float) -> Ints:
    """Milliseconds over `metres` at `kmh`, rounded up."""
    return np.ceil(metres * 3600.0 / kmh).astype(np.int64)


@dataclass(frozen=True, slots=True)
class StraightLine:
    """How to estimate a travel time without roads: straight distance × `detour`, driven at `kmh` (knowledge).

    Used where no road leads, and for points more than `beyond_m` metres from any road: those are off the map.
    """

    detour: float
    kmh: float
    beyond_m: float = float("inf")


def straight_line_estimate(graph: RoadGraph, origins: Floats, destinations: Floats, rule: StraightLine) -> Ints:
    """Estimated milliseconds [n, m] between points [n, 2] and [m, 2]. Always show it as an estimate."""
    a, b = graph.metres(origins), graph.metres(destinations)
    metres = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])
    return access_ms(metres * rule.detour, rule.kmh)
