"""bench demo: the whole demo in a fresh folder, command to summary, dependencies installed."""

from __future__ import annotations

import time
from typing import Any

from healthbrain.cli.bench.place import healthbrain, own_home
from healthbrain.cli.output import Advance

FULL_SIZE = 50_000


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Seconds of `demo --residents N --no-serve` in an empty folder, whole process."""
    size = residents or FULL_SIZE
    home = own_home(f"demo-{size}", keep=False)
    begun = time.monotonic()
    summary = healthbrain("demo", "--residents", str(size), "--no-serve", home=home)
    seconds = round(time.monotonic() - begun, 1)
    intake = summary["intake"]
    return {
        "residents": summary["residents"],
        "rows_in": intake["rows_in"],
        "open_tasks": summary["open_tasks"],
        "steps": summary["steps"],
        "seconds": seconds,
    }
