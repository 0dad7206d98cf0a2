"""Roads that are closed or slow now, with the line they follow; siren speeds by road class."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import network
from healthbrain.dispatch.models import RoadChange
from healthbrain.dispatch.rules.siren import Learned

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class RoadRow:
    """One change in force. `share` of the usual speed, 0 = closed; `line`: the points it follows."""

    id: int
    name: str
    share: float
    since: dt.datetime
    until: dt.datetime | None
    by: str
    km: float
    line: tuple[Point, ...]


def road_changes(actor: Actor, *, now: dt.datetime) -> list[RoadRow]:
    """Changes in force, latest first. Raises NotAllowed."""
    gate.require(actor, "emergency.dispatch")
    rows = RoadChange.objects.filter(Q(until=None) | Q(until__gt=now), lifted=None).order_by("-id")
    return [RoadRow(r.pk, r.name, r.share, r.since, r.until, r.by, *between((r.x1, r.y1), (r.x2, r.y2))) for r in rows]


def between(start: Point, end: Point) -> tuple[float, tuple[Point, ...]]:
    """Kilometres and points of the shortest way between two points as roads usually are; none: 0 and no points."""
    travel = network.times("normal")
    one, other = travel.snap([start, end], on_road=True).node.tolist()
    way = travel.path(one, other)
    if way is None or not len(way.arcs):
        return 0.0, ()
    graph = travel.graph
    line = tuple((float(graph.x[node]), float(graph.y[node])) for node in way.nodes)
    return float(graph.length_m[way.arcs].sum()) / 1000, line


def siren_speeds(actor: Actor) -> tuple[Learned, ...]:
    """Siren speed over normal speed by road class, learned from the county's drives or the default."""
    gate.require(actor, "emergency.plan")
    return network.siren_factors()
