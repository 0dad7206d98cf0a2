"""The city of the dispatch benches: a folder of JEMSS files named in HEALTHBRAIN_CITY (docs/dispatch.md)."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from healthbrain.dispatch.cities import City, city_travel, load_city
from healthbrain.kernel.errors import Invalid
from healthbrain.kernel.home import folder


@dataclass(frozen=True, eq=False)
class Benched:
    """A city with its travel times."""

    city: City
    travel: dict[str, Any]

    @property
    def stations(self) -> list[tuple[float, float]]:
        """Coordinates of the stations."""
        return [(s.x, s.y) for s in self.city.stations]

    @property
    def hospitals(self) -> list[tuple[float, float]]:
        """Coordinates of the hospitals."""
        return [(h.x, h.y) for h in self.city.hospitals]


@functools.cache
def benched() -> Benched:
    """The city, loaded once for all parts."""
    named = os.environ.get("HEALTHBRAIN_CITY")
    if not named:
        raise Invalid(
            "没有城市数据 no city data",
            hint="把 HEALTHBRAIN_CITY 设为城市文件夹 set HEALTHBRAIN_CITY to a city folder (docs/dispatch.md)",
        )
    city = load_city(Path(named))
    return Benched(city, city_travel(city.graph, folder("roads")))
