"""The county's road network in this process: built once, shared by every request.

A county without an imported network gets a synthetic one over its own places, and every page says so.
"""

from __future__ import annotations

import functools
import threading

import numpy as np

from healthbrain.county.models import Place
from healthbrain.dispatch.cities import city_travel, load_roads
from healthbrain.dispatch.knowledge_roads import snap_limit
from healthbrain.dispatch.rules.roads import RoadGraph
from healthbrain.dispatch.rules.travel import TravelTimes
from healthbrain.dispatch.synthetic_roads import Tile, coordinates, synthetic_county
from healthbrain.kernel import db
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.kernel.home import folder

_building = threading.Lock()  # two requests of a fresh process must not build the same hierarchy twice


def places() -> dict[str, tuple[float, float]]:
    """Division code → x, y of every township and village on the schematic map."""
    rows = Place.objects.exclude(tile_x=None).exclude(tile_y=None).values_list("code", "tile_x", "tile_y")
    return coordinates([Tile(code, x, y) for code, x, y in rows if x is not None and y is not None])


@functools.cache
def _network() -> dict[str, TravelTimes]:
    kept = folder("roads")
    if (kept / "nodes.csv").exists() or (kept / "roads.zip").exists():
        return city_travel(load_roads(kept), kept)
    found = places()
    if not found:
        raise NotFound("没有路网 No road network", hint="先导入地点或路网 load places or a road network first")
    return city_travel(synthetic_county(found), kept)


def times(profile: str = "siren") -> TravelTimes:
    """Travel times of the emergency fleet ("siren") or of everybody else ("normal").

    From the data folder's `roads/` (nodes.csv and arcs.csv, or roads.zip), else synthetic over the county's places.
    Raises NotFound in a county without either.
    """
    with _building:
        return _network()[profile]


def graph() -> RoadGraph:
    """The road graph."""
    return times().graph


def forget() -> None:
    """Build anew at the next question: the roads were changed."""
    _network.cache_clear()


def scale() -> tuple[float, float]:
    """Metres per unit of x and of y."""
    return graph().scale


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
