"""healthbrain dispatch darp FILE: a plan for a dial-a-ride file of Cordeau & Laporte, for tools outside the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from healthbrain.cli.output import emit, json_option

if TYPE_CHECKING:
    from healthbrain.dispatch.rules.darp.model import Instance, Solution, Stop


@click.command("darp")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--seconds", type=click.FloatRange(min=0.1, max=86_400), default=10.0, show_default=True, help="Search.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the random numbers.")
@json_option
def darp(file: Path, seconds: float, seed: int, as_json: bool) -> None:
    """Plan a dial-a-ride file (Cordeau & Laporte 2003): windows, places, ride times and route durations kept.

    \b
    --json prints {"cost", "routes": [{"vehicle", "stops": [{"node", "arrival", "begin", "departure"}]}]}:
    node as numbered in the file, first and last stop the depot (0), cost the way driven (Euclidean, unrounded).
    Exits 1 with the reason when a ride cannot be served.
    """
    from healthbrain.dispatch.city_csv import read_text
    from healthbrain.dispatch.rules.darp import cordeau
    from healthbrain.dispatch.rules.darp.solver import solve
    from healthbrain.kernel.errors import Invalid

    text = read_text(file)
    try:
        instance = cordeau.parse(text, name=file.stem)
    except Invalid as error:
        raise Invalid(f"{file.name}: {error}") from None
    plan = solve(instance, seconds=seconds, seed=seed)
    if plan.unserved:
        reasons = "; ".join(one.reason[1] for one in plan.unserved[:5])
        more = f" (and {len(plan.unserved) - 5} more)" if len(plan.unserved) > 5 else ""
        raise Invalid(
            f"{file.name}: {len(plan.unserved)} of {len(instance.requests)} rides not served. {reasons}{more}."
        )
    if as_json:
        emit(_as_json(instance, plan), as_json=True)
        return
    routes = {f"vehicle {r.vehicle}": " ".join(str(stop.place) for stop in r.stops) for r in plan.routes}
    searched = {"seconds": round(plan.seconds, 2), "cpu_seconds": round(plan.cpu_seconds, 2)}
    emit({"cost": round(plan.cost, 2), **routes, **searched}, as_json=False, title=instance.name)


def _as_json(instance: Instance, plan: Solution) -> dict[str, Any]:
    routes = [{"vehicle": r.vehicle, "stops": [_stop(stop) for stop in r.stops]} for r in plan.routes]
    searched = {"seconds": plan.seconds, "cpu_seconds": plan.cpu_seconds, "iterations": plan.iterations}
    return {"cost": plan.cost, "routes": routes, "instance": instance.name, **searched}


def _stop(stop: Stop) -> dict[str, Any]:
    """A place of the file is its node: 0 the depot, i the pickup and n+i the delivery of ride i."""
    return {"node": stop.place, "arrival": stop.arrival, "begin": stop.begin, "departure": stop.departure}
