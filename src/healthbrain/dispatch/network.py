"""The county's road network in this process: built once, shared by every request.

A county without an imported network gets a synthetic one over its own places, and every page says so.
"""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass, replace

import numpy as np

from healthbrain.county.models import Place
from healthbrain.dispatch import siren_speeds
from healthbrain.dispatch.cities import city_travel, has_roads, load_roads
from healthbrain.dispatch.knowledge_roads import snap_limit
from healthbrain.dispatch.rules.roads import RoadGraph
from healthbrain.dispatch.rules.siren import Learned
from healthbrain.dispatch.rules.travel import TravelTimes
from healthbrain.dispatch.synthetic_roads import Tile, coordinates, synthetic_county
from healthbrain.kernel import db
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.kernel.home import folder

GEOGRAPHIC = 50_000  # metres per unit: a map in degrees has some 111,000, a schematic one in km 1,000
_building = threading.Lock()  # two requests of a fresh process must not build the same hierarchy twice


def places() -> dict[str, tuple[float, float]]:
    """Division code → x, y of every township and village on the schematic map."""
    rows = Place.objects.exclude(tile_x=None).exclude(tile_y=None).values_list("code", "tile_x", "tile_y")
    return coordinates([Tile(code, x, y) for code, x, y in rows if x is not None and y is not None])


@dataclass(frozen=True, eq=False)
class Network:
    """Travel times by profile, the siren speeds as the county's own drives teach them (`factors`)."""

    times: dict[str, TravelTimes]
    factors: tuple[Learned, ...]


@functools.cache
def _network() -> Network:
    kept = folder("roads")
    if has_roads(kept):
        travel = city_travel(load_roads(kept), kept)
    elif found := places():
        travel = city_travel(synthetic_county(found), kept)
    else:
        raise NotFound("没有路网 No road network", hint="先导入地点或路网 load places or a road network first")
    factors = siren_speeds.learned(travel["normal"], travel["siren"])
    return Network(travel | {"siren": siren_speeds.driven(travel["siren"], factors)}, factors)


def times(profile: str = "siren") -> TravelTimes:
    """Travel times of the emergency fleet ("siren") or of everybody else ("normal").

    From the data folder's `roads/` (an .osm.pbf extract, nodes.csv and arcs.csv, or roads.zip), else synthetic over the
    county's places. Raises NotFound in a county without either.
    """
    with _building:
        return _network().times[profile]


def siren_factors() -> tuple[Learned, ...]:
    """Siren speed over normal speed by road class, and whether the county's own drives taught it."""
    with _building:
        return _network().factors


def live(profile: str = "siren") -> TravelTimes:
    """`times` with what is closed or slow now; every process knows of a change within two seconds."""
    running = _running(int(time.monotonic() / 2))
    if not running:
        return times(profile)
    base = times(profile)
    with _building:
        return _changed(base, running)


@functools.lru_cache(maxsize=1)
def _running(tick: int) -> tuple[tuple[float, ...], ...]:
    """Road changes in force: x, y of both ends, share of speed left (0: closed). `tick` limits how often we ask."""
    return tuple(
        db.select(
            """SELECT x1, y1, x2, y2, share FROM dispatch_roadchange
               WHERE lifted IS NULL AND (until IS NULL OR until > now()) ORDER BY id"""
        )
    )


@functools.lru_cache(maxsize=4)
def _changed(base: TravelTimes, running: tuple[tuple[float, ...], ...]) -> TravelTimes:
    slow: dict[int, int] = {}
    closed: list[int] = []
    for x1, y1, x2, y2, share in running:
        arcs = stretch(base, (x1, y1), (x2, y2))
        if share > 0:
            slow |= {a: max(slow.get(a, 0), round(int(base.arc_ms[a]) / share)) for a in arcs}
        else:
            closed += arcs
    return base.with_changes(slow, closed, _open_doors(base.graph, closed) if closed else None)


def _open_doors(graph: RoadGraph, closed: list[int]) -> np.ndarray:
    """Nodes where trips may begin and end [nodes]: a closed stretch is entered from where the road is open."""
    left = np.setdiff1d(np.arange(graph.arcs), closed)
    rest = replace(
        graph,
        tail=graph.tail[left],
        head=graph.head[left],
        length_m=graph.length_m[left],
        road_class=graph.road_class[left],
        times={profile: ms[left] for profile, ms in graph.times.items()},
    )
    doors = np.zeros(graph.nodes, dtype=np.bool_)
    doors[rest.doors] = True
    return doors


def stretch(travel: TravelTimes, one: tuple[float, float], other: tuple[float, float]) -> list[int]:
    """The arcs of the shortest way between two points, there and back."""
    start, end = travel.snap([one, other], on_road=True).node.tolist()
    ways = (travel.path(start, end), travel.path(end, start))
    return sorted({int(arc) for way in ways if way is not None for arc in way.arcs})


def noticed() -> None:
    """A road was closed or opened here: this process asks again at once."""
    _running.cache_clear()


def graph() -> RoadGraph:
    """The road graph."""
    return times().graph


def forget() -> None:
    """Build anew at the next question: the roads were changed."""
    _network.cache_clear()
    _running.cache_clear()
    _changed.cache_clear()


def scale() -> tuple[float, float]:
    """Metres per unit of x and of y."""
    return graph().scale


def geographic() -> bool:
    """Does the county's map stand in degrees, so that a phone's position means something on it?"""
    return scale()[1] > GEOGRAPHIC


def metres(x: float, y: float, others: list[tuple[float, float]]) -> list[float]:
    """Straight metres from a point to each of the others."""
    if not others:
        return []
    across, up = scale()
    given = np.asarray(others, dtype=np.float64)
    return [float(d) for d in np.hypot((given[:, 0] - x) * across, (given[:, 1] - y) * up)]


def township_and_off_map(x: float, y: float) -> tuple[str, bool]:
    """The township whose landmark is nearest ("" when none is), and whether no road is near. Raises Invalid."""
    if not (np.isfinite(x) and np.isfinite(y)):
        raise Invalid("坐标不是数字 The position is no number", hint="在地图上点一下 click on the map")
    _, distance = graph().nearest(np.array([[x, y]]))
    off_map = bool(distance[0] > snap_limit())
    across, up = scale()
    rows = db.select(
        """SELECT township FROM dispatch_landmark WHERE township <> ''
           ORDER BY power((x - %s) * %s, 2) + power((y - %s) * %s, 2) LIMIT 1""",
        (x, across, y, up),
    )
    return ("" if off_map or not rows else str(rows[0][0])), off_map
