"""The schematic map: one tile a township, the value in the tile, five steps of one hue. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthbrain.county.queries import PlaceTile

WIDTH, HEIGHT, GAP = 104, 60, 4
STEPS = 5


@dataclass(frozen=True, slots=True)
class Tile:
    code: str
    name: str
    x: int
    y: int
    value: float | None
    words: str
    step: int  # 0 lightest … 4 darkest, -1 no data (hatched)
    path: str
    organisation_id: int | None = None


@dataclass(frozen=True, slots=True)
class TileMap:
    tiles: tuple[Tile, ...]
    width: int
    height: int


def _step(value: float | None, ordered: Sequence[float]) -> int:
    """Which fifth of the county's townships the value falls into."""
    if value is None or not ordered:
        return -1
    if ordered[0] == ordered[-1]:
        return STEPS // 2
    below = sum(other < value for other in ordered)
    return min(STEPS - 1, below * STEPS // len(ordered))


def tile_map(places: Sequence[PlaceTile], values: Mapping[str, float | None], words: Mapping[str, str]) -> TileMap:
    """Places on the grid with their values; `words` is what stands in the tile."""
    if not places:
        return TileMap((), 0, 0)
    left, top = min(place.x for place in places), min(place.y for place in places)
    ordered = sorted(value for value in values.values() if value is not None)
    tiles = tuple(
        Tile(
            place.code,
            place.name,
            (place.x - left) * (WIDTH + GAP),
            (place.y - top) * (HEIGHT + GAP),
            values.get(place.code),
            words.get(place.code, "—"),
            _step(values.get(place.code), ordered),
            place.path or "",
            place.organisation_id,
        )
        for place in places
    )
    return TileMap(tiles, max(t.x for t in tiles) + WIDTH, max(t.y for t in tiles) + HEIGHT)
