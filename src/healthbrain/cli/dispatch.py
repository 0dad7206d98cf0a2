"""healthbrain dispatch simulate, rank, darp: the engine of the room for outside tools. No database is started."""

from __future__ import annotations

import csv
import datetime as dt
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from healthbrain.cli.dispatch_darp import darp
from healthbrain.cli.output import emit, json_option, progress
from healthbrain.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from healthbrain.dispatch.cities import City
    from healthbrain.dispatch.feeds import CallFile
    from healthbrain.dispatch.rules.simulate import Outcome, Stream
    from healthbrain.dispatch.year import Ground

POLICY_NAMES = ("closest", "reassignment", "tolerance", "dmexclp", "compliance")
_POLICY_HELP = (
    "closest: nearest free vehicle, back to its home station; reassignment: and priority 1 may take a vehicle from a "
    "lower priority; tolerance: and below priority 1 the vehicle that costs least coverage; dmexclp: and move-up where "
    "coverage gains most; compliance: and move-up by a compliance table. Joined by +, e.g. dmexclp+reassignment."
)
_city = click.option(
    "--city", "folder", required=True, type=click.Path(path_type=Path), help="City folder (docs/dispatch.md)."
)


@click.group("dispatch")
def dispatch() -> None:
    """Emergency roads, ranking, simulation and planned transport, for outside tools. Formats: docs/dispatch.md."""


def _cache() -> Path:
    from healthbrain.kernel.home import folder

    return folder("roads")


def _open(folder: Path) -> tuple[City, dict[str, Any]]:
    from healthbrain.dispatch.cities import city_travel, load_city

    city = load_city(folder)
    return city, city_travel(city.graph, _cache())


def _policy(ctx: click.Context, param: click.Parameter, value: str) -> str:
    parts = value.split("+")
    if set(parts) - set(POLICY_NAMES) or {"dmexclp", "compliance"} <= set(parts):
        raise click.BadParameter(f"可选 one of {', '.join(POLICY_NAMES)}; 可用 + 连接 joined by +")
    return value


@dispatch.command()
@_city
@click.option(
    "--calls", "calls_file", type=click.Path(path_type=Path), help="CSV of calls; without it, the city's rates."
)
@click.option("--policy", callback=_policy, default="closest", show_default=True, help=_POLICY_HELP)
@click.option("--ambulances", type=click.IntRange(1, 500), help="Vehicles, homes by MEXCLP (default: the city's own).")
@click.option(
    "--target-minutes", type=click.FloatRange(1, 120), default=12.0, show_default=True, help="Late beyond this."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same calls and durations.")
@click.option("--replications", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option("--redraw", is_flag=True, help="Fit rates by hour of week and place to the file, and draw new calls.")
@click.option(
    "--days", type=click.FloatRange(0.1, 3660), default=365.0, show_default=True, help="Length of drawn calls."
)
@click.option("--all-sirens", is_flag=True, help="Priority 3 drives with sirens too.")
@click.option("--out", type=click.Path(path_type=Path), help="CSV of every call of the first replication.")
@json_option
def simulate(
    folder: Path,
    calls_file: Path | None,
    policy: str,
    ambulances: int | None,
    target_minutes: float,
    seed: int,
    replications: int,
    redraw: bool,
    days: float,
    all_sirens: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Simulate calls in a city under a policy: share late, mean and 90th percentile with confidence intervals."""
    from healthbrain.dispatch import year

    with progress("模拟 simulate", quiet=as_json) as advance:
        advance(0, None, "路网 roads")
        city, travel = _open(folder)
        calls = _calls(calls_file, city)
        capacity = {k: s.capacity for k, s in enumerate(city.stations)}
        settings = year.play(target_minutes * 60, capacity)
        ground, streams = _streams(city, travel, calls, settings, seed, replications, redraw, days, all_sirens)
        homes = ground.homes(ambulances) if ambulances else city.homes
        if not homes:
            raise Invalid("没有车 no ambulances", hint="给出 give --ambulances N 或 or ambulances_1.csv")
        started = time.perf_counter()
        outcomes = ground.run(policy, homes, streams, lambda done: advance(done, replications, policy))
        took = time.perf_counter() - started
    figures = year.summary(outcomes, streams, target_minutes * 60)
    if out:
        _write(out, calls if not redraw else None, streams[0], outcomes[0])
    emit(
        {
            "city": city.name,
            "policy": policy,
            "ambulances": len(homes),
            "homes": [city.stations[h].index for h in homes],
            "target_minutes": target_minutes,
            "seed": seed,
            "replications": replications,
            **figures,
            "by_station": [
                row | {"station": city.stations[row["station"]].index}
                for row in year.by_station(ground, outcomes, streams, target_minutes * 60)
            ],
            "seconds_per_replication": round(took / replications, 3),
        },
        as_json=as_json,
        title="模拟结果 Simulation",
    )


def _calls(path: Path | None, city: City) -> CallFile | None:
    from healthbrain.dispatch.feeds import read_calls
    from healthbrain.dispatch.knowledge_roads import snap_limit

    return read_calls(path, city.graph, snap_limit()) if path else None


def _streams(
    city: City,
    travel: dict[str, Any],
    calls: CallFile | None,
    settings: Any,
    seed: int,
    replications: int,
    redraw: bool,
    days: float,
    all_sirens: bool,
) -> tuple[Ground, list[Stream]]:
    import numpy as np

    from healthbrain.dispatch import year
    from healthbrain.dispatch.rules.demand import draw_calls, fit_rates, flat_rate
    from healthbrain.dispatch.rules.simulate import make_stream, with_given

    stations = [(s.x, s.y) for s in city.stations]
    hospitals = [(h.x, h.y) for h in city.hospitals]
    nodes = travel["siren"].snap(calls.points).node if calls else city.graph.doors
    ground, place = year.ground(travel, stations, hospitals, nodes, settings, all_sirens=all_sirens)
    model = None
    if calls is None:
        if not city.rates:
            raise Invalid("没有呼叫 no calls", hint="给出 give --calls FILE 或 or demand_1.csv")
        model = flat_rate(nodes, sum(city.rates.values()), [city.rates.get(p, 0.0) for p in (1, 2, 3)])
    elif redraw:
        model = fit_rates(calls.time, place, calls.priority, week_offset_hours=24 * calls.weekday)
    streams = []
    for number in range(replications):
        random = np.random.default_rng([seed, number])
        if model is not None:
            drawn = draw_calls(model, days, random)
            at = place[drawn.place] if calls is None else model.places[drawn.place]
            streams.append(make_stream(drawn.time, at, drawn.priority, ground.durations, random))
        else:
            assert calls is not None  # noqa: S101  a model stands wherever there is no file
            stream = make_stream(calls.time, place, calls.priority, ground.durations, random)
            streams.append(with_given(stream, calls.given))
    return ground, streams


def _write(path: Path, calls: CallFile | None, stream: Stream, outcome: Outcome) -> None:
    """Every call: first dispatch, vehicle that arrived, response; -1 = never reached."""
    ids: Sequence[str] = calls.ids if calls else [str(k + 1) for k in range(len(stream.time))]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "time", "priority", "waited", "response", "vehicle", "vehicles_sent"])
        for k, name in enumerate(ids):
            minutes = [v / 60_000 for v in (stream.time[k], outcome.waited[k], outcome.response[k])]
            shown = [f"{m:.3f}" if m >= 0 else "" for m in minutes]
            vehicle = int(outcome.vehicle[k]) + 1
            writer.writerow(
                [name, shown[0], int(stream.priority[k]), shown[1], shown[2], vehicle or "", outcome.sent[k]]
            )


@dispatch.command()
@_city
@click.option("--vehicles", "vehicles_file", required=True, type=click.Path(path_type=Path), help="CSV of vehicles.")
@click.option("--call", "place", required=True, help="X,Y of the call, in the city's coordinates.")
@click.option("--priority", type=click.IntRange(1, 3), default=1, show_default=True)
@click.option("--type", "suspected", default="", help="Suspected type (chest-pain, stroke …): which vehicle it needs.")
@click.option("--now", "now_text", help="ISO time to judge positions by (default: the clock).")
@json_option
def rank(
    folder: Path, vehicles_file: Path, place: str, priority: int, suspected: str, now_text: str | None, as_json: bool
) -> None:
    """Rank vehicles for a call: arrival, coverage lost, reasons, and the hospitals by minutes from the scene."""
    from healthbrain.dispatch.feeds import read_point, read_vehicles

    x, y = read_point(place)
    city, travel = _open(folder)
    now = _now(now_text)
    stations = {s.index: k for k, s in enumerate(city.stations)}
    vehicles = read_vehicles(vehicles_file, now, stations)
    answer = _ranked(city, travel, vehicles, (x, y), priority, suspected)
    if as_json:
        emit(answer, as_json=True)
        return
    for warning in answer["warnings"]:
        click.echo(warning, err=True)
    for option in answer["options"]:
        reasons = "；".join(f"{r['zh']} {r['en']}" for r in option["reasons"])
        click.echo(f"{option['vehicle']:>8}  {option['eta_s'] / 60:6.1f} min  {option['status']:<10} {reasons}")


def _now(text: str | None) -> dt.datetime:
    from healthbrain.kernel.clock import now

    if not text:
        return now()
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"--now 不是 ISO 时间 is not an ISO time: {text}") from None
    return moment if moment.tzinfo else moment.astimezone()


def _ranked(
    city: City, travel: dict[str, Any], vehicles: list[Any], at: tuple[float, float], priority: int, suspected: str
) -> dict[str, Any]:
    import numpy as np

    from healthbrain.dispatch import knowledge, year
    from healthbrain.dispatch.knowledge_roads import snap_limit, straight_line
    from healthbrain.dispatch.rules.destination import Hospital, destinations
    from healthbrain.dispatch.rules.rank import Call, RankSettings
    from healthbrain.dispatch.rules.rank import rank as ranked

    types = knowledge.types()
    if suspected and suspected not in types:
        raise Invalid(f"没有这种类型 unknown type {suspected}", hint=f"可用 known: {', '.join(types)}")
    if not city.graph.inside(np.array([at]), 10_000.0)[0]:
        raise Invalid(f"呼叫在地图之外 the call lies outside the map: {at[0]:g},{at[1]:g}")
    metres = float(city.graph.nearest(np.array([at]))[1][0])
    off_map = metres > snap_limit()
    play = year.play(720.0)
    profile = "normal" if priority in play.slow else "siren"
    settings = RankSettings(
        estimate=straight_line(profile),
        chute_s=60 * year.service().chute[0],
        chute_moving_s=play.chute_moving_s,
        tolerance_s=play.tolerance_s,
        ancient_after_s=knowledge.desk("lost_after"),
        future_after_s=knowledge.desk("clock_tolerance"),
    )
    call = Call(*at, priority, frozenset(types[suspected]["vehicle"]) if suspected else frozenset())
    options = ranked(call, vehicles, travel[profile], year.city_coverage(city, travel["siren"], play), settings)
    hospitals = [Hospital(str(h.index), h.name, h.x, h.y) for h in city.hospitals]
    return {
        "call": {"x": at[0], "y": at[1], "priority": priority, "type": suspected, "metres_to_road": round(metres)},
        "options": [asdict(o) for o in options],
        "hospitals": [asdict(d) for d in destinations(at, "", hospitals, travel["normal"], straight_line("normal"))],
        "warnings": _warnings(options, off_map, metres),
    }


def _warnings(options: list[Any], off_map: bool, metres: float) -> list[str]:
    warnings = []
    if off_map:
        warnings.append(
            f"离最近道路 {metres / 1000:.1f} km，按直线估计 that far from any road: straight-line estimates"
        )
    for doubt, words in (("ancient", "位置已过时 position is old"), ("future", "设备时钟超前 clock is ahead")):
        named = [o.vehicle for o in options if o.doubt == doubt]
        if named:
            warnings.append(f"{words}: {', '.join(named)}")
    apart = [o.vehicle for o in options if o.estimated]
    if apart and not off_map:
        warnings.append(f"没有路可到，按直线估计 no road leads there, straight-line estimates: {', '.join(apart)}")
    if not options:
        warnings.append("没有可派车辆 no vehicle can go")
    return warnings


dispatch.add_command(darp)
COMMANDS = [dispatch]
