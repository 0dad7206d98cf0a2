"""Cities from folders of JEMSS tables: roads, stations, hospitals, ambulances, travel, demand.

The JEMSS format is that of uoa-ems-research/JEMSS.jl; docs/dispatch.md lists what is read of it.
"""

from __future__ import annotations

import contextlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from healthbrain.dispatch.city_csv import Row, columns, numbers, tables
from healthbrain.dispatch.knowledge_roads import off_road
from healthbrain.dispatch.rules import engines
from healthbrain.dispatch.rules.roads import LONGEST_ARC_MS, Floats, Ints, RoadGraph
from healthbrain.dispatch.rules.travel import TravelTimes
from healthbrain.kernel.errors import Invalid

DAY_MS = 86_400_000
PRIORITIES = {"highPriority": 1, "medPriority": 2, "lowPriority": 3}
_KM_PER_DEGREE = 111.32


@dataclass(frozen=True, slots=True)
class Site:
    """A station or hospital."""

    index: int
    x: float
    y: float
    name: str
    capacity: int = 0


@dataclass(frozen=True, eq=False)
class City:
    """Everything a simulation needs. `homes` = station number (from 0) of each ambulance; `rates` = calls a day."""

    name: str
    graph: RoadGraph
    stations: tuple[Site, ...]
    hospitals: tuple[Site, ...]
    homes: tuple[int, ...]
    rates: dict[int, float]


def load_city(folder: Path) -> City:
    """A city folder. What is missing or wrong is said in one line with file and row."""
    if not folder.is_dir():
        raise Invalid(f"{folder} 不是文件夹 is not a folder", hint="城市文件夹见 docs/dispatch.md")
    graph = load_roads(folder)
    stations = _sites(folder / "stations_1.csv", "stations")
    hospitals = _sites(folder / "hospitals_1.csv", "hospitals")
    for site, row in (*stations, *hospitals):
        if not graph.inside(np.array([[site.x, site.y]]), 10_000.0)[0]:
            raise row.wrong(f"{site.name} 在路网之外 lies outside the road network")
    return City(
        folder.name,
        graph,
        tuple(s for s, _ in stations),
        tuple(h for h, _ in hospitals),
        _homes(folder / "ambulances_1.csv", [s for s, _ in stations]),
        _rates(folder / "demand_1.csv"),
    )


def load_roads(folder: Path) -> RoadGraph:
    """The roads of a city folder: an OpenStreetMap extract (*.osm.pbf), roads.zip, or nodes.csv and arcs.csv."""
    extracts = sorted(folder.glob("*.osm.pbf"))
    if len(extracts) > 1:
        raise Invalid(f"{folder} 里有多个路网 holds several extracts", hint=", ".join(e.name for e in extracts))
    if extracts:
        from healthbrain.dispatch.osm import load_osm

        return load_osm(extracts[0])
    nodes_raw, arcs_raw = _road_files(folder)
    nodes, line = columns(nodes_raw, "nodes.csv", "index")
    x, y = (numbers(nodes, c, "nodes.csv", line) for c in ("x", "y"))
    number = numbers(nodes, "index", "nodes.csv", line).astype(np.int64)
    access = numbers(nodes, "offRoadAccess", "nodes.csv", line) > 0 if "offRoadAccess" in nodes.columns else None
    scale = _scale(folder, x, y)
    siren, normal, kmh = _profiles(folder)
    arcs, line = columns(arcs_raw, "arcs.csv", "index")
    ends = [numbers(arcs, c, "arcs.csv", line).astype(np.int64) for c in ("fromNode", "toNode")]
    tail, head = (_renumber(end, number, line) for end in ends)
    days = {name: numbers(arcs, f"mode_{k}", "arcs.csv", line) for name, k in (("siren", siren), ("normal", normal))}
    times = {name: _milliseconds(value, line) for name, value in days.items()}
    place = np.c_[x, y] * np.array(scale)
    straight = np.hypot(*(place[tail] - place[head]).T)
    metres = numbers(arcs, "distance", "arcs.csv", line) * 1000 if "distance" in arcs.columns else straight
    if b"undirected" in arcs_raw[:400]:
        tail, head = np.r_[tail, head], np.r_[head, tail]
        times, metres = {k: np.tile(v, 2) for k, v in times.items()}, np.tile(metres, 2)
    return RoadGraph(
        x=x,
        y=y,
        scale=scale,
        tail=tail,
        head=head,
        length_m=metres,
        road_class=(metres * 3600 / times["normal"] >= 60.0).astype(np.int64),  # the files carry no class, only speed
        classes=("street", "motorway"),
        times=times,
        off_road=kmh,
        access=access,
    )


def has_roads(folder: Path) -> bool:
    """Does the folder hold a road network of its own?"""
    return any((folder / name).exists() for name in ("roads.zip", "nodes.csv")) or any(folder.glob("*.osm.pbf"))


def _road_files(folder: Path) -> tuple[bytes, bytes]:
    archive = folder / "roads.zip"
    if archive.exists():
        try:
            with zipfile.ZipFile(archive) as packed:
                return packed.read("nodes.csv"), packed.read("arcs.csv")
        except (zipfile.BadZipFile, KeyError) as error:
            raise Invalid(f"roads.zip 读不出 cannot be read: {error}") from None
    try:
        return (folder / "nodes.csv").read_bytes(), (folder / "arcs.csv").read_bytes()
    except OSError:
        raise Invalid(
            f"{folder} 里没有路网 has no roads", hint="需要 needs *.osm.pbf, roads.zip, 或 or nodes.csv + arcs.csv"
        ) from None


def _renumber(end: Ints, number: Ints, line: int) -> Ints:
    order = np.argsort(number, kind="stable")
    at = np.minimum(np.searchsorted(number, end, sorter=order), len(number) - 1)
    found = order[at]
    wrong = np.flatnonzero(number[found] != end)
    if len(wrong):
        row = line + 1 + int(wrong[0])
        raise Invalid(f"arcs.csv 第 {row} 行 line {row}: 没有节点 no node {end[wrong[0]]}")
    return found.astype(np.int64)


def _milliseconds(days: Floats, line: int) -> Ints:
    wrong = np.flatnonzero((days < 0) | (days * DAY_MS > LONGEST_ARC_MS))
    if len(wrong):
        row = line + 1 + int(wrong[0])
        raise Invalid(f"arcs.csv 第 {row} 行 line {row}: 行驶时间不合理 impossible travel time {days[wrong[0]]} d")
    return np.maximum(1, np.rint(days * DAY_MS)).astype(np.int64)


def _scale(folder: Path, x: Floats, y: Floats) -> tuple[float, float]:
    """Metres per unit of x and y: from map_1.csv, else from the latitude, else the coordinates are km."""
    if (folder / "map_1.csv").exists():
        for rows in tables(folder / "map_1.csv").values():
            return rows[0].number("xScale") * 1000, rows[0].number("yScale") * 1000
    if np.abs(x).max() <= 180 and np.abs(y).max() <= 90 and np.ptp(x) < 10:
        return _KM_PER_DEGREE * 1000 * float(np.cos(np.radians(y.mean()))), _KM_PER_DEGREE * 1000
    return 1000.0, 1000.0


def _profiles(folder: Path) -> tuple[int, int, dict[str, float]]:
    """Travel mode number of sirens and of normal driving, and their off-road km/h; modes 1 and 2 without the file."""
    path = folder / "travel_1.csv"
    if not path.exists():
        return 1, 2, off_road()
    found = tables(path)
    speed = {int(r.number("travelModeIndex")): r.number("offRoadSpeed") / 24 for r in found["travelModes"]}
    mode = {r.text("priority"): int(r.number("travelModeIndex")) for r in found.get("travelSets", [])}
    siren, normal = mode.get("highPriority", 1), mode.get("lowPriority", 2)
    return siren, normal, {"siren": speed[siren], "normal": speed[normal]}


def _sites(path: Path, title: str) -> list[tuple[Site, Row]]:
    if not path.exists():
        raise Invalid(f"缺少 missing {path.name}", hint=f"{path.parent}")
    rows = tables(path).get(title, [])
    if not rows:
        raise Invalid(f"{path.name} 没有数据 has no rows")
    return [
        (
            Site(
                int(row.number("index", number + 1)),
                row.number("x"),
                row.number("y"),
                row.text("name", row.text("NAME", f"{title} {number + 1}")),
                int(row.number("capacity", 0)),
            ),
            row,
        )
        for number, row in enumerate(rows)
    ]


def _homes(path: Path, stations: list[Site]) -> tuple[int, ...]:
    if not path.exists():
        return ()
    at = {s.index: k for k, s in enumerate(stations)}
    homes = []
    for row in tables(path).get("ambulances", []):
        station = int(row.number("stationIndex"))
        if station not in at:
            raise row.wrong(f"没有车站 no station {station}")
        homes.append(at[station])
    return tuple(homes)


def _rates(path: Path) -> dict[int, float]:
    if not path.exists():
        return {}
    modes = tables(path).get("demandModes", [])
    return {PRIORITIES[row.text("priority")]: row.number("arrivalRate") for row in modes}


def kept_topology(graph: RoadGraph, folder: Path) -> Any:
    """The contraction order of this network, built once and kept in `folder` under the network's fingerprint."""
    if engines.kit is None:
        return None
    place = folder / graph.fingerprint
    topology = engines.kit.CCHTopology()
    if (place / "complete").exists():
        with contextlib.suppress(Exception):  # a damaged copy is no reason to fail: it is built anew below
            topology.load(str(place))
            if topology.node_count == graph.nodes and topology.arc_count == graph.arcs:
                return topology
    topology = engines.build_topology(graph)
    with contextlib.suppress(OSError):  # a full or read-only disk costs two seconds next time, nothing else
        place.mkdir(parents=True, exist_ok=True)
        topology.save(str(place))
        (place / "complete").touch()
    return topology


def city_travel(graph: RoadGraph, folder: Path | None = None) -> dict[str, TravelTimes]:
    """Travel times of every profile over one shared hierarchy (kept in `folder` when given)."""
    topology = kept_topology(graph, folder) if folder else None
    if topology is None and engines.kit is not None and graph.arcs:
        topology = engines.build_topology(graph)
    return {profile: TravelTimes(graph, profile, topology=topology) for profile in graph.profiles}
