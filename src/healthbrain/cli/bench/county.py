"""bench county: facts and all programmes for everybody, from the lake, in one process so that memory counts."""

from __future__ import annotations

import resource
import time
from typing import Any

from healthbrain.cli.bench.place import own_home
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 1_650_000


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Seconds for facts and for programmes over a synthetic lake, and peak memory of the process in GB."""
    import datetime as dt

    size = residents or FULL_SIZE
    own_home(f"county-{size}", keep=True)
    boot()
    from healthbrain.care.whole_county import measure
    from healthbrain.demo import generate_lake
    from healthbrain.kernel.home import folder

    as_of, lake = dt.date(2026, 11, 22), folder("lake")
    begun = time.monotonic()
    if not (lake / "resident.parquet").exists():
        advance(0, 3, "lake")
        generate_lake(lake, residents=size, as_of=as_of)
    generated = round(time.monotonic() - begun, 1)
    advance(1, 3, "facts and programmes")
    figures = measure(as_of)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {"residents": size, "lake_seconds": generated, **figures, "peak_memory_gb": round(peak, 2)}
