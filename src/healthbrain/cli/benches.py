"""healthbrain bench NAME: one JSON line with the figures, measured now, on this machine."""

from __future__ import annotations

import importlib
import os
import platform

import click

from healthbrain.cli.output import emit, json_option, progress

# Each bench is a module of healthbrain.cli.bench with `run(residents, advance) -> dict`.
NAMES = {
    "demo": "a whole demo in a fresh folder",
    "intake": "bundles, NDJSON, CSV and HL7v2 into the store, matched and in the ledger",
    "desk": "reading arrives to task on the desk, at 50 readings a second",
    "match": "one arriving record matched online",
    "linkage": "precision and recall on planted duplicates, with and without the ID number",
    "county": "facts and programmes for everybody, from the lake",
    "page": "the longitudinal page, server time",
}


@click.command(help="Measure. NAME is one of:\n\n" + "\n\n".join(f"{n}: {text}" for n, text in NAMES.items()))
@click.argument("name", type=click.Choice(list(NAMES)))
@click.option("--residents", type=int, help="Size of the county (each bench has its own full size as default).")
@json_option
def bench(name: str, residents: int | None, as_json: bool) -> None:
    module = importlib.import_module(f"healthbrain.cli.bench.{name}")
    with progress(f"测量 bench {name}", quiet=as_json) as advance:
        figures = module.run(residents, advance)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    emit({"bench": name, **figures, "machine": machine}, as_json=as_json, title=f"bench {name}")


COMMANDS = [bench]
