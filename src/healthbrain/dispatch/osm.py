"""Roads from an OpenStreetMap extract (.osm.pbf): drivable ways, one-way rules, speeds. Data © OpenStreetMap, ODbL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import osmium

from healthbrain.dispatch.knowledge_roads import maxspeed_share, off_road, siren_factor, speeds
from healthbrain.dispatch.rules.roads import RoadGraph
from healthbrain.kernel.errors import Invalid

_METRES_PER_DEGREE = 111_320.0
_CLOSED = {"no", "private"}
_NO_DOOR = {"motorway", "motorway_link", "trunk", "trunk_link"}  # nobody is picked up on the motorway by address


@dataclass
class _Ways:
    """What the file says, collected in one pass."""

    number: dict[int, int] = field(default_factory=dict)
    places: list[tuple[float, float]] = field(default_factory=list)
    ends: list[tuple[int, int]] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    kmh: list[float] = field(default_factory=list)

    def node(self, ref: int, lon: float, lat: float) -> int:
        at = self.number.setdefault(ref, len(self.number))
        if at == len(self.places):
            self.places.append((lon, lat))
        return at


def load_osm(path: Path) -> RoadGraph:
    """A road graph in degrees from an .osm.pbf or .osm file. Emergency vehicles may use what is closed to others only
    where the way says so (`emergency=yes`)."""
    if not path.exists():
        raise Invalid(f"找不到 not found: {path}")
    default = speeds()
    classes = tuple(default)
    ways = _Ways()
    reader = osmium.FileProcessor(str(path)).with_locations().with_filter(osmium.filter.KeyFilter("highway"))
    try:
        for way in reader:
            if isinstance(way, osmium.osm.Way) and way.tags.get("highway") in default and _open(way.tags):
                _add(ways, way, classes, default)
    except (RuntimeError, OSError) as error:
        raise Invalid(f"{path.name} 读不出 cannot be read as OpenStreetMap data: {error}") from None
    if not ways.ends:
        raise Invalid(f"{path.name} 里没有可行车道路 holds no drivable road")
    return _graph(ways, classes)


def _open(tags: osmium.osm.TagList) -> bool:
    if tags.get("emergency") == "yes":
        return True
    said = tags.get("motor_vehicle") or tags.get("vehicle") or tags.get("access")
    return said not in _CLOSED and tags.get("area") != "yes"


def direction(tags: dict[str, str] | osmium.osm.TagList, highway: str) -> int:
    """1 = along the way only, -1 = against it only, 0 = both (OSM wiki, Key:oneway, with what motorways imply)."""
    said = tags.get("oneway")
    if said in ("yes", "true", "1"):
        return 1
    if said in ("-1", "reverse"):
        return -1
    if said == "no":
        return 0
    return 1 if highway == "motorway" or tags.get("junction") in ("roundabout", "circular") else 0


def speed(maxspeed: str | None, default: float, share: float) -> float:
    """Driven km/h: a share of the posted limit ("50", "30 mph"), else the default of the class."""
    match = re.fullmatch(r"\s*(\d{1,3})(?:\s*(mph|km/h|kmh|kph))?\s*", maxspeed or "")
    if not match or not 5 <= int(match[1]) <= 200:
        return default
    return int(match[1]) * (1.609344 if match[2] == "mph" else 1.0) * share


def _add(ways: _Ways, way: osmium.osm.Way, classes: tuple[str, ...], default: dict[str, float]) -> None:
    highway = way.tags["highway"]
    kmh = speed(way.tags.get("maxspeed"), default[highway], maxspeed_share())
    course, kind = direction(way.tags, highway), classes.index(highway)
    nodes = [ways.node(n.ref, n.lon, n.lat) for n in way.nodes if n.location.valid()]
    for a, b in pairwise(nodes):
        if a == b:
            continue
        for ends in ([(a, b), (b, a)], [(a, b)], [(b, a)])[course]:
            ways.ends.append(ends)
            ways.kind.append(kind)
            ways.kmh.append(kmh)


def _graph(ways: _Ways, classes: tuple[str, ...]) -> RoadGraph:
    xy, ends = np.array(ways.places), np.array(ways.ends, dtype=np.int64)
    kind = np.array(ways.kind, dtype=np.int64)
    scale = (_METRES_PER_DEGREE * float(np.cos(np.radians(xy[:, 1].mean()))), _METRES_PER_DEGREE)
    place = xy * np.array(scale)
    metres = np.hypot(*(place[ends[:, 0]] - place[ends[:, 1]]).T)
    normal = metres * 3600 / np.array(ways.kmh)
    doors = np.zeros(len(xy), dtype=np.bool_)
    doors[ends[np.isin(kind, [k for k, name in enumerate(classes) if name not in _NO_DOOR])].ravel()] = True
    times = {"siren": normal / siren_factor(), "normal": normal}
    return RoadGraph(
        x=xy[:, 0],
        y=xy[:, 1],
        scale=scale,
        tail=ends[:, 0],
        head=ends[:, 1],
        length_m=metres,
        road_class=kind,
        classes=classes,
        times={name: np.maximum(1, np.rint(value)).astype(np.int64) for name, value in times.items()},
        off_road=off_road(),
        access=doors,
    )
