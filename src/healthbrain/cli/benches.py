"""healthbrain bench NAME: one JSON line with the figures, measured now, on this machine."""

from __future__ import annotations

import importlib
import inspect
import os
import platform
from collections.abc import Callable
from types import ModuleType
from typing import Any

import click

from healthbrain.cli.output import Advance, emit, json_option, progress

# Each bench is a module of healthbrain.cli.bench with `run(residents, advance) -> dict`.
NAMES = {
    "demo": "a whole demo in a fresh folder",
    "intake": "bundles, NDJSON, CSV and HL7v2 into the store, matched and in the ledger",
    "desk": "reading arrives to task on the desk, at 50 readings a second",
    "match": "one arriving record matched online",
    "linkage": "precision and recall on planted duplicates, with and without the ID number",
    "county": "facts and programmes for everybody, from the lake",
    "dispatch": "ranking, years, move-up, siting; city folder in HEALTHBRAIN_CITY, rides, booking, home care: "
    "dial-a-ride files in HEALTHBRAIN_DARP",
    "page": "the longitudinal page, server time",
    "surveillance": "detectors: published designs, a county's pass, equality with R, speed (parts: noufaily, daily, "
    "county-pass, r-equality, farrington-speed, planted-year, late-reports, latency)",
}


@click.command(help="Measure. NAME is one of:\n\n" + "\n\n".join(f"{n}: {text}" for n, text in NAMES.items()))
@click.argument("name", type=click.Choice(list(NAMES)))
@click.argument("part", required=False)
@click.option("--residents", type=int, help="Size of the county (each bench has its own full size as default).")
@click.option("--seed", type=int, help="Other random series, for the benches that simulate.")
@json_option
def bench(name: str, part: str | None, residents: int | None, seed: int | None, as_json: bool) -> None:
    module = importlib.import_module(f"healthbrain.cli.bench.{name}")
    with progress(f"测量 bench {name}", quiet=as_json) as advance:
        figures = _run(module, part, residents, advance, seed)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    emit({"bench": name, **figures, "machine": machine}, as_json=as_json, title=f"bench {name}")


def _run(
    module: ModuleType, part: str | None, residents: int | None, advance: Advance, seed: int | None = None
) -> dict[str, Any]:
    """A bench of one figure has `run`; one of many has PARTS, each run alone by its name or all together."""
    parts: dict[str, Callable[[int | None, Advance], dict[str, Any]]] | None = getattr(module, "PARTS", None)
    if parts is None:
        if part:
            raise click.UsageError(f"This bench has no parts: {part}")
        figures: dict[str, Any] = module.run(residents, advance)
        return figures
    if part is None:
        return {key: _measure(run, residents, advance, seed) for key, run in parts.items()}
    if part not in parts:
        raise click.UsageError(f"No part {part}; there are: {', '.join(parts)}")
    return {part: _measure(parts[part], residents, advance, seed)}


def _measure(
    run: Callable[..., dict[str, Any]], residents: int | None, advance: Advance, seed: int | None
) -> dict[str, Any]:
    """The seed goes to those that take one."""
    if seed is not None and "seed" in inspect.signature(run).parameters:
        return run(residents, advance, seed=seed)
    return run(residents, advance)


COMMANDS = [bench]
