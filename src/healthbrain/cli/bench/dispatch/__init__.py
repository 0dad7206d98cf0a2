"""bench dispatch: the figures of emergency dispatch, planned transport and home care. City data: HEALTHBRAIN_CITY."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from healthbrain.cli.bench.dispatch import desk, home_care, load, ranking, rides, sites, years
from healthbrain.cli.output import Advance

PARTS: dict[str, Callable[[int | None, Advance], dict[str, Any]]] = {
    "rank": ranking.run,
    "simulation": years.simulation,
    "move-up": years.move_up,
    "siting": sites.run,
    "darp": rides.darp,
    "booking": rides.booking,
    "home-care": home_care.run,
    "page": desk.page,
    "positions": desk.positions,
    "load": load.run,
}
