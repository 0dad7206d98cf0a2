"""bench dispatch: the figures of emergency dispatch, planned transport and home care. City data: HEALTHBRAIN_CITY."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from healthbrain.cli.bench.dispatch import ranking, sites, years
from healthbrain.cli.output import Advance

PARTS: dict[str, Callable[[int | None, Advance], dict[str, Any]]] = {
    "rank": ranking.run,
    "simulation": years.simulation,
    "move-up": years.move_up,
    "siting": sites.run,
}
