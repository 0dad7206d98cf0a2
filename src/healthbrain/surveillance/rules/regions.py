"""Space-time clusters of a pass: which neighbours may join, and what place a cluster is told of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from healthbrain.surveillance.rules.life import Place
from healthbrain.surveillance.rules.zones import Zones, adjacent

Tile = tuple[int, int]


def neighbours(townships: Sequence[str], tiles: Mapping[str, Tile]) -> Zones:
    """Nested zones over sites, by the township each stands in: first its own township, then those whose tiles touch.

    At most half of the sites form a zone (Kulldorff 1997): beyond, the quiet rest would be the cluster. Townships
    without a tile have no neighbours.
    """
    borders = [
        (a, b)
        for (a, one), (b, other) in combinations(enumerate(townships), 2)
        if one == other or (one in tiles and other in tiles and _touch(tiles[one], tiles[other]))
    ]
    return adjacent(len(townships), borders, max(1, len(townships) // 2))


def _touch(one: Tile, other: Tile) -> bool:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) == 1


def told_of(members: Sequence[Place], townships: Sequence[str]) -> Place:
    """The smallest place that holds all members: the member itself, its township, or the county."""
    if len(members) == 1:
        return members[0]
    if len(set(townships)) == 1:
        return Place("township", code=townships[0])
    return Place("county", code=townships[0][:6])
