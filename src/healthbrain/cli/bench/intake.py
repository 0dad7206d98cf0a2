"""bench intake: bundles, NDJSON, CSV and HL7v2 into the store: search-indexed, matched and in the ledger.

Feeds of the synthetic county go into an empty database, kind by kind, persons first, through the same function as
`healthbrain ingest`. Each figure is rows (resources, messages) divided by the wall time of that call.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from healthbrain.cli.bench.place import own_home
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 50_000
KINDS = {
    "csv_persons": ("persons*.csv",),
    "csv": ("[!p]*.csv", "procedures*.csv"),
    "ndjson_patients": ("Patient*.ndjson",),
    "ndjson": ("[!P]*.ndjson", "Procedure*.ndjson"),
    "bundles": ("*.json",),
    "hl7v2": ("*.hl7",),
}


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Rows, seconds and rows a second for each kind of feed."""
    size = residents or FULL_SIZE
    own_home("intake", keep=False)
    boot()
    from healthbrain.access.rules import SYSTEM
    from healthbrain.county import actions as county
    from healthbrain.demo import generate
    from healthbrain.kernel.home import folder
    from healthbrain.records import actions as records

    place = folder("demo")
    generate(place, residents=size, as_of=dt.date(2026, 11, 22))
    county.load_register(place / "register", by=SYSTEM)
    figures: dict[str, Any] = {"residents": size}
    for step, (kind, patterns) in enumerate(KINDS.items()):
        advance(step, len(KINDS), kind)
        files = _files(place / "feeds", patterns)
        if files:
            figures[kind] = _measured(records.ingest(files, by=SYSTEM).as_dict())
    return figures


def _files(feeds: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in feeds.rglob(pattern)})


def _measured(report: dict[str, Any]) -> dict[str, Any]:
    kept = ("files", "rows_in", "stored", "duplicates", "rejected", "waiting", "seconds", "rows_per_second")
    return {name: report[name] for name in kept}
