"""A small made-up town for the tests of this room: a square grid of streets, every block one minute."""

from __future__ import annotations

import numpy as np

from healthbrain.dispatch.rules.roads import RoadGraph, StraightLine
from healthbrain.dispatch.rules.travel import TravelTimes

ESTIMATE = StraightLine(detour=1.5, kmh=30.0, beyond_m=3000.0)


def town(side: int = 7, minute_ms: int = 60_000) -> RoadGraph:
    """`side` × `side` crossings 1 km apart; node = row · side + column; x = column, y = row, in km."""
    node = np.arange(side * side)
    right, up = node[node % side < side - 1], node[node < side * (side - 1)]
    tail = np.r_[right, right + 1, up, up + side]
    head = np.r_[right + 1, right, up + side, up]
    ms = np.full(len(tail), minute_ms)
    return RoadGraph(
        x=(node % side).astype(float),
        y=(node // side).astype(float),
        scale=(1000.0, 1000.0),
        tail=tail,
        head=head,
        length_m=np.full(len(tail), 1000.0),
        road_class=np.zeros(len(tail), dtype=np.int64),
        classes=("street",),
        times={"siren": ms, "normal": ms * 2},
        off_road={"siren": 60.0, "normal": 30.0},
    )


def times(side: int = 7) -> dict[str, TravelTimes]:
    """Travel times of the town, both profiles."""
    graph = town(side)
    return {profile: TravelTimes(graph, profile) for profile in graph.profiles}
