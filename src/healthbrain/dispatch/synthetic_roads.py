"""A made-up road network for a county that has none at hand. Seeded, connected, and labelled synthetic.

Township centres are joined by primary roads, all places by tertiary roads (Gabriel graphs: no road where a third
place lies between, Gabriel & Sokal 1969), and each place has a grid of streets around it. Coordinates are km.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from healthbrain.dispatch.knowledge_roads import off_road, siren_factor, speeds
from healthbrain.dispatch.rules.roads import Floats, RoadGraph

TOWNSHIP_KM = 5.5  # distance of neighbouring township centres: 25 townships make a county of some 750 km²
POINT_KM = 0.3  # a road has a node about every 300 m
BLOCK_KM = 0.18
CLASSES = ("primary", "tertiary", "residential")


@dataclass(frozen=True, slots=True)
class Tile:
    """A place on the county's schematic map: division code (9 digits a township, 12 a village), column, row."""

    code: str
    x: int
    y: int


def coordinates(tiles: Sequence[Tile], *, seed: int = 1) -> dict[str, tuple[float, float]]:
    """Code → km. Townships stand on a loose grid (row 0 is north); villages within the reach of their township."""
    draw = np.random.default_rng(seed)
    towns = {t.code: t for t in tiles if len(t.code) == 9}
    place: dict[str, tuple[float, float]] = {}
    for code in sorted(towns):
        shake = draw.uniform(-0.18, 0.18, 2) * TOWNSHIP_KM
        at = (towns[code].x * TOWNSHIP_KM + shake[0], -towns[code].y * TOWNSHIP_KM + shake[1])
        place[code] = (round(float(at[0]), 3), round(float(at[1]), 3))
    for code in sorted(towns):
        own = sorted((t for t in tiles if len(t.code) == 12 and t.code.startswith(code)), key=lambda t: t.code)
        place |= _villages(own, place[code], draw)
    return place


def _villages(
    own: Sequence[Tile], centre: tuple[float, float], draw: np.random.Generator
) -> dict[str, tuple[float, float]]:
    if not own:
        return {}
    grid = np.array([(t.x, -t.y) for t in own], dtype=np.float64)
    step = 0.85 * TOWNSHIP_KM / max(1.0, np.ptp(grid, axis=0).max() + 1)
    at = np.array(centre) + (grid - grid.mean(0)) * step + draw.uniform(-0.25, 0.25, grid.shape) * step
    return {t.code: (round(float(x), 3), round(float(y), 3)) for t, (x, y) in zip(own, at, strict=True)}


def synthetic_county(places: dict[str, tuple[float, float]], *, seed: int = 1) -> RoadGraph:
    """A road network over these places (code → km); every place is a node (the first nodes, in order of code)."""
    if not places:
        raise ValueError("a county without places has no roads")
    draw = np.random.default_rng(seed)
    codes = sorted(places)
    points = np.array([places[c] for c in codes], dtype=np.float64)
    town = np.array([len(c) == 9 for c in codes])
    builder = _Builder(points)
    towns = np.flatnonzero(town)
    for a, b in _gabriel(points[towns]):
        builder.road(int(towns[a]), int(towns[b]), 0, draw)
    for a, b in _gabriel(points):
        builder.road(int(a), int(b), 1, draw)
    for k in range(len(codes)):
        builder.streets(k, 6 if town[k] else 3, draw)
    return builder.finish()


def _gabriel(points: Floats) -> list[tuple[int, int]]:
    """Pairs with no third point in the circle over them; connected, and no two roads cross."""
    square = ((points[:, None, :] - points[None, :, :]) ** 2).sum(-1)
    found = []
    for a in range(len(points)):
        between = (square[a][None, :] + square[a + 1 :] < square[a, a + 1 :, None] - 1e-12).any(axis=1)
        found += [(a, a + 1 + int(b)) for b in np.flatnonzero(~between)]
    return found


class _Builder:
    """Collects nodes and two-way arcs."""

    def __init__(self, points: Floats) -> None:
        self._xy: list[tuple[float, float]] = [(float(x), float(y)) for x, y in points]
        self._ends: list[tuple[int, int]] = []
        self._class: list[int] = []

    def _node(self, x: float, y: float) -> int:
        self._xy.append((x, y))
        return len(self._xy) - 1

    def _both(self, a: int, b: int, kind: int) -> None:
        self._ends += [(a, b), (b, a)]
        self._class += [kind, kind]

    def road(self, a: int, b: int, kind: int, draw: np.random.Generator) -> None:
        """A slightly winding road from place to place."""
        start, end = np.array(self._xy[a]), np.array(self._xy[b])
        count = int(np.hypot(*(end - start)) / POINT_KM)
        before = a
        for k in range(1, count + 1):
            x, y = start + (end - start) * k / (count + 1) + draw.normal(0, 0.06, 2)
            node = self._node(x, y)
            self._both(before, node, kind)
            before = node
        self._both(before, b, kind)

    def streets(self, centre: int, side: int, draw: np.random.Generator) -> None:
        """A grid of `side` × `side` streets around a place, one in twelve of them one-way."""
        cx, cy = self._xy[centre]
        grid = [
            [self._node(cx + (i - side / 2) * BLOCK_KM, cy + (j - side / 2) * BLOCK_KM) for j in range(side)]
            for i in range(side)
        ]
        across = [(grid[i][j], grid[i + 1][j]) for i in range(side - 1) for j in range(side)]
        along = [(grid[i][j], grid[i][j + 1]) for i in range(side) for j in range(side - 1)]
        for (a, b), one_way in zip(across + along, draw.random(len(across) + len(along)) < 1 / 12, strict=True):
            self._ends += [(a, b)] if one_way else [(a, b), (b, a)]
            self._class += [2] if one_way else [2, 2]
        middle = grid[side // 2][side // 2]
        self._both(centre, middle, 2)

    def finish(self) -> RoadGraph:
        xy, ends = np.array(self._xy), np.array(self._ends, dtype=np.int64)
        kind = np.array(self._class, dtype=np.int64)
        metres = np.maximum(1.0, 1000 * np.hypot(*(xy[ends[:, 0]] - xy[ends[:, 1]]).T))
        kmh = np.array([speeds()[name] for name in CLASSES])[kind]
        normal = np.maximum(1, np.rint(metres * 3600 / kmh)).astype(np.int64)
        siren = np.maximum(1, np.rint(metres * 3600 / (kmh * siren_factor()))).astype(np.int64)
        return RoadGraph(
            x=xy[:, 0],
            y=xy[:, 1],
            scale=(1000.0, 1000.0),
            tail=ends[:, 0],
            head=ends[:, 1],
            length_m=metres,
            road_class=kind,
            classes=CLASSES,
            times={"siren": siren, "normal": normal},
            off_road=off_road(),
            synthetic=True,
        )
