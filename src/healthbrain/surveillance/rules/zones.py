"""Which places may form a cluster together: nested neighbourhoods around every place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from healthbrain.kernel.errors import Invalid

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Zones:
    """order (n_sites, k): for each centre the sites in the order they join, the centre first; -1 where none is left.

    Zone (centre, j) is the first j + 1 sites of that row.
    """

    order: Indices

    def sites(self, centre: int, last: int) -> tuple[int, ...]:
        return tuple(int(site) for site in self.order[centre, : last + 1])


def nearest(points: NDArray[np.float64], most: int, reach: float = np.inf) -> Zones:
    """Each place with its nearest neighbours. points (n, 2) in metres, `most` sites a zone, none beyond `reach`."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise Invalid("points must be finite coordinates (n, 2).")
    most = min(most, len(points))
    distance, order = KDTree(points).query(points, k=range(1, most + 1))
    order = np.where(distance <= reach, order, -1).astype(np.int64)
    # Places at the same address come in any order: the centre itself goes first.
    for centre in np.flatnonzero(order[:, 0] != np.arange(len(points))):
        row = order[centre]
        order[centre] = np.concatenate([[centre], row[row != centre]])[:most]
    return Zones(order)


def adjacent(n_sites: int, borders: Iterable[tuple[int, int]], most: int) -> Zones:
    """Each place with the places that border it, then those that border these, at most `most` sites a zone."""
    beside: list[set[int]] = [set() for _ in range(n_sites)]
    for a, b in borders:
        beside[a].add(b)
        beside[b].add(a)
    order = np.full((n_sites, most), -1, np.int64)
    for centre in range(n_sites):
        found, ring = [centre], [centre]
        while ring and len(found) < most:
            ring = sorted({near for site in ring for near in beside[site]} - set(found))
            found += ring
        order[centre, : min(most, len(found))] = found[:most]
    return Zones(order)
