"""The map: roads as one picture the browser keeps, and a plane that turns coordinates into pixels and back."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.dispatch import network
from healthbrain.dispatch.models import HospitalState, LandMark, Station
from healthbrain.dispatch.queries.roads import RoadRow
from healthbrain.dispatch.rules.roads import RoadGraph

WIDTH, HEIGHT = 1000, 820  # units of the picture at most; the page scales it
MARGIN = 24


@dataclass(frozen=True, slots=True)
class Plane:
    """px = (x − left) × across, py = (top − y) × up; north is up."""

    left: float
    top: float
    across: float
    up: float
    height: int
    fingerprint: str
    synthetic: bool

    def px(self, x: float) -> float:
        return round((x - self.left) * self.across, 1)

    def py(self, y: float) -> float:
        return round((self.top - y) * self.up, 1)


def plane() -> Plane:
    """The plane of the county's roads."""
    return _plane(network.graph())


@functools.lru_cache(maxsize=4)
def _plane(graph: RoadGraph) -> Plane:
    across, up = graph.scale
    left, right = float(graph.x.min()), float(graph.x.max())
    low, high = float(graph.y.min()), float(graph.y.max())
    wide, tall = max(1.0, (right - left) * across), max(1.0, (high - low) * up)
    per_metre = min((WIDTH - 2 * MARGIN) / wide, (HEIGHT - 2 * MARGIN) / tall)
    side = (WIDTH - wide * per_metre) / 2  # a county taller than the picture stands in its middle
    across, up = across * per_metre, up * per_metre
    height = round(tall * per_metre) + 2 * MARGIN
    return Plane(left - side / across, high + MARGIN / up, across, up, height, graph.fingerprint[:12], graph.synthetic)


@page(permission="signed-in")
@require_GET
def roads(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """The road picture. Its address names the network, so the browser may keep it for a month."""
    response = HttpResponse(_picture(network.graph()), content_type="image/svg+xml")
    response["Cache-Control"] = "private, max-age=2592000, immutable"
    return response


@functools.lru_cache(maxsize=4)
def _picture(graph: RoadGraph) -> str:
    """Roads by class: streets thin, main roads wide. Each two-way arc is drawn once."""
    at = _plane(graph)
    once = graph.tail < graph.head
    x = np.rint((graph.x - at.left) * at.across).astype(int)
    y = np.rint((at.top - graph.y) * at.up).astype(int)
    drawn = []
    for number, (name, colour, width) in enumerate(_styles(graph)):
        arcs = np.flatnonzero(once & (_rank(graph)[graph.road_class] == number))
        lines = [f"M{x[a]} {y[a]}L{x[b]} {y[b]}" for a, b in zip(graph.tail[arcs], graph.head[arcs], strict=True)]
        drawn.append(f'<path id="{name}" stroke="{colour}" stroke-width="{width}" d="{"".join(lines)}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {at.height}" width="{WIDTH}" '
        f'height="{at.height}"><g fill="none" stroke-linecap="round">{"".join(drawn)}</g></svg>'
    )


def _styles(graph: RoadGraph) -> tuple[tuple[str, str, float], ...]:
    fine = 0.8 if graph.nodes < 20_000 else 0.4
    return (("street", "#c9d2dc", fine), ("road", "#b3bfcc", 1.6), ("main", "#8d9cac", 3.0))


def _rank(graph: RoadGraph) -> np.ndarray:
    """Class number → 0 street, 1 road, 2 main road."""
    main = {"motorway", "trunk", "primary"}
    middle = {"secondary", "tertiary"}
    return np.array([2 if c in main else 1 if c in middle else 0 for c in graph.classes])


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing on the map, already in pixels."""

    kind: str
    label: str
    px: float
    py: float
    tone: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A line along roads, in pixels."""

    tone: str
    label: str
    points: str


def stretch(tone: str, label: str, line: Iterable[tuple[float, float]]) -> Stretch:
    """The line of these coordinates."""
    at = plane()
    return Stretch(tone, label, " ".join(f"{at.px(x)},{at.py(y)}" for x, y in line))


def stretches(rows: Iterable[RoadRow]) -> list[Stretch]:
    """What is closed or slow now."""
    return [stretch("slow" if row.share else "closed", row.name, row.line) for row in rows]


def fixed_marks() -> list[Mark]:
    """Townships, stations and hospitals."""
    at = plane()
    towns = [Mark("town", m.name, at.px(m.x), at.py(m.y)) for m in LandMark.objects.filter(kind="township")]
    stations = [Mark("station", s.name, at.px(s.x), at.py(s.y)) for s in Station.objects.filter(active=True)]
    hospitals = [
        Mark("hospital", h.organisation.name, at.px(h.x), at.py(h.y), "closed" if h.closed or h.diverting else "")
        for h in HospitalState.objects.select_related("organisation")
    ]
    return towns + stations + hospitals


def legible(marks: Iterable[Mark]) -> list[Mark]:
    """The same marks, the names of towns last and lifted clear of the symbols around them; inside the picture."""
    rows = list(marks)
    symbols = [m for m in rows if m.kind in {"station", "hospital", "call"}]
    names = [
        replace(
            town,
            px=min(max(town.px, 150.0), WIDTH - 150.0),
            py=max(40.0, min(m.py for m in [town, *symbols] if _beside(m, town)) - 26),
        )
        for town in rows
        if town.kind == "town"
    ]
    return [m for m in rows if m.kind != "town"] + names


def _beside(mark: Mark, town: Mark) -> bool:
    return abs(mark.px - town.px) < 130 and abs(mark.py - town.py) < 70
