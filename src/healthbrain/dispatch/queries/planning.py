"""What if: the county's own calls simulated on today's stations and on a changed plan, with the same chance in both."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.models import HospitalState, LandMark
from healthbrain.dispatch.queries.recommend import busy_share
from healthbrain.dispatch.rules import simulate as sim
from healthbrain.dispatch.rules.coverage import make_coverage
from healthbrain.dispatch.rules.demand import RateModel, draw_calls, fit_rates
from healthbrain.dispatch.rules.erlang import CallCentre, call_centre
from healthbrain.dispatch.rules.plans import Site, apply
from healthbrain.dispatch.rules.simulation.network import make_network, make_places
from healthbrain.kernel import clock, db
from healthbrain.kernel.errors import Invalid

HISTORY_DAYS = 365
CALLS = 20_000  # about so many simulated calls: a 90th percentile then moves by a few seconds only
POLICY = "reassignment"


@dataclass(frozen=True, slots=True)
class Result:
    """One plan's figures: minutes, share within the target, mean kilometres to the nearest station."""

    calls: int
    mean: float
    p90: float
    within: float
    radius_km: float


@dataclass(frozen=True, slots=True)
class TownshipResult:
    """One township before and after."""

    code: str
    name: str
    before: Result
    after: Result


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Before and after. `days` simulated; `target_s` of response from ring to arrival."""

    sites: tuple[Site, ...]
    before: Result
    after: Result
    townships: tuple[TownshipResult, ...]
    days: int
    target_s: float


def sites_now() -> list[Site]:
    """Today's stations with their emergency vehicles."""
    rows = db.select(
        """SELECT s.id, s.name, s.x, s.y, count(v.id) FROM dispatch_station s LEFT JOIN dispatch_vehicle v
             ON v.station_id = s.id AND v.fleet = 'emergency' AND v.status <> 'off'
           WHERE s.active GROUP BY s.id ORDER BY s.id"""
    )
    return [Site(*row) for row in rows]


def what_if(actor: Actor, plan: str, *, day: dt.date) -> WhatIf:
    """Simulate today's stations and `plan` (rules.plans) with common random numbers. Raises Invalid, NotAllowed."""
    gate.require(actor, "emergency.plan")
    now = sites_now()
    after = apply(plan, now)
    scene = _scene(day)
    one, two = _run(day, tuple(now)), _run(day, tuple(after))
    names = dict(LandMark.objects.filter(kind="township").values_list("code", "name"))
    towns = [
        TownshipResult(code, name, _result(scene, one, code), _result(scene, two, code))
        for code, name in sorted(names.items())
        if bool((scene.township[scene.stream.place] == code).any())
    ]
    target = float(knowledge.norms()["response_target"]["value"])
    return WhatIf(tuple(after), _result(scene, one), _result(scene, two), tuple(towns), scene.days, target)


@dataclass(frozen=True, eq=False)
class _Scene:
    """What both plans meet: rates, drawn calls with their durations, the places' coordinates and townships."""

    model: RateModel
    stream: sim.Stream
    xy: np.ndarray
    township: np.ndarray
    days: int
    busy: float


@dataclass(frozen=True, eq=False)
class _Played:
    response_ms: np.ndarray  # ring to arrival, -1 = never
    km: np.ndarray  # by place


@functools.lru_cache(maxsize=2)
def _scene(day: dt.date) -> _Scene:
    rows = db.select(
        """SELECT extract(epoch FROM ring_at)::float8, x, y, coalesce(priority, 3) FROM dispatch_call
           WHERE x IS NOT NULL AND NOT off_map AND duplicate_of_id IS NULL AND ring_at >= %s AND ring_at < %s""",
        (day - dt.timedelta(days=HISTORY_DAYS), day),
    )
    if len(rows) < 10:
        raise Invalid("历史呼救太少，不能模拟 Too few past calls to simulate", hint="至少 10 次 at least 10")
    given = np.asarray(rows, dtype=np.float64)
    start = dt.datetime.combine(day - dt.timedelta(days=day.weekday()), dt.time(), clock.COUNTY_ZONE)
    monday = (start - dt.timedelta(weeks=60)).timestamp()
    travel = network.times()
    nodes = travel.snap(given[:, 1:3]).node
    model = fit_rates(((given[:, 0] - monday) * 1000).astype(np.int64), nodes, given[:, 3].astype(np.int64))
    days = int(np.clip(CALLS / model.per_day, 28, 3650))
    random = np.random.default_rng(1)
    drawn = draw_calls(model, days, random)
    stream = sim.make_stream(drawn.time, drawn.place, drawn.priority, service(day), random)
    xy = np.c_[travel.graph.x, travel.graph.y][model.places]
    return _Scene(model, stream, xy, _townships(xy), days, busy_share(day))


def _townships(xy: np.ndarray) -> np.ndarray:
    marks = list(LandMark.objects.exclude(township="").values_list("x", "y", "township"))
    scale = np.asarray(network.scale())
    tree = cKDTree(np.array([(x, y) for x, y, _ in marks]) * scale)
    names: np.ndarray = np.array([m[2] for m in marks])
    nearest: np.ndarray = tree.query(xy * scale)[1]
    return np.asarray(names[nearest])


def service(day: dt.date) -> sim.Service:
    """How long things take here: means of the county's own timelines, variation as observed."""
    rows = db.select(
        """WITH t AS (SELECT mission_id, min(at) FILTER (WHERE kind = 'assigned') AS assigned,
                        min(at) FILTER (WHERE kind = 'rolling') AS rolling,
                        min(at) FILTER (WHERE kind = 'on-scene') AS here,
                        min(at) FILTER (WHERE kind = 'left-scene') AS gone,
                        min(at) FILTER (WHERE kind = 'at-hospital') AS there,
                        min(at) FILTER (WHERE kind = 'available') AS free
                      FROM dispatch_timelineevent WHERE mission_id IS NOT NULL AND at >= %s GROUP BY 1)
           SELECT avg(a), stddev(a), avg(b), stddev(b), avg(c), stddev(c), avg((gone IS NOT NULL)::int)::float8 FROM (
             SELECT extract(epoch FROM rolling - assigned)::float8 / 60 AS a,
                    extract(epoch FROM gone - here)::float8 / 60 AS b,
                    extract(epoch FROM free - there)::float8 / 60 AS c, gone FROM t) AS m""",
        (day - dt.timedelta(days=90),),
    )
    chute, chute_sd, scene, scene_sd, handover, handover_sd, carried = rows[0]
    default = knowledge.simulation()
    return sim.Service(
        chute=_pair(chute, chute_sd, default["chute"]),
        scene=_pair(scene, scene_sd, default["scene"]),
        handover=_pair(handover, handover_sd, default["handover"]),
        transported=float(carried) if carried else default["transported"],
    )


def _pair(mean: float | None, deviation: float | None, default: float) -> tuple[float, float]:
    """(mean minutes, coefficient of variation)."""
    if not mean or mean <= 0:
        return default, 0.4
    return float(mean), float(np.clip((deviation or 0.0) / mean, 0.0, 1.5))


@functools.lru_cache(maxsize=16)
def _run(day: dt.date, sites: tuple[Site, ...]) -> _Played:
    scene = _scene(day)
    siren, normal = network.times("siren"), network.times("normal")
    at = siren.snap([(s.x, s.y) for s in sites]).node
    hospitals = siren.snap(list(HospitalState.objects.values_list("x", "y"))).node
    roads = make_network(siren, normal, at, hospitals)
    places = make_places(roads, scene.model.places, both=False)
    homes = [k for k, site in enumerate(sites) for _ in range(site.vehicles)]
    target = float(knowledge.norms()["response_target"]["value"])
    settings = sim.PlaySettings(
        target_s=target,
        chute_moving_s=knowledge.desk("chute_moving"),
        tolerance_s={p: float(body["tolerance"]) for p, body in knowledge.priorities().items()},
        busy=scene.busy,
    )
    cover = make_coverage(
        siren, scene.model.places, scene.model.share, at, target_s=target - knowledge.desk("chute"), busy=scene.busy
    )
    policy = sim.make_policy(POLICY, roads, cover, len(homes), settings)
    outcome = sim.simulate(roads, places, scene.stream, homes, policy)
    scale = np.asarray(network.scale()) / 1000
    km, _ = cKDTree(np.array([(s.x, s.y) for s in sites]) * scale).query(scene.xy * scale)
    asked = (knowledge.desk("call_taking")) * 1000  # ring to assignment comes before the simulated part
    return _Played(np.where(outcome.response >= 0, outcome.response + int(asked), -1), np.asarray(km))


def _result(scene: _Scene, played: _Played, township: str = "") -> Result:
    among = np.ones(len(scene.stream.place), dtype=bool)
    if township:
        among = scene.township[scene.stream.place] == township
    response = played.response_ms[among & (played.response_ms >= 0)] / 60_000
    target = float(knowledge.norms()["response_target"]["value"]) / 60
    if not len(response):
        return Result(0, float("nan"), float("nan"), float("nan"), float("nan"))
    return Result(
        len(response),
        float(response.mean()),
        float(np.percentile(response, 90)),
        float((response <= target).mean()),
        float(played.km[scene.stream.place[among]].mean()),
    )


def lines(
    actor: Actor, *, calls_per_hour: float, talk_s: float, within_s: float, share: float, blocking: float
) -> CallCentre:
    """Seats and trunk lines by Erlang. Raises Invalid for numbers that make no sense, NotAllowed."""
    gate.require(actor, "emergency.plan")
    if calls_per_hour > 10_000 or talk_s > 7200:
        raise Invalid("数字过大 Too large: at most 10,000 calls an hour of two hours")
    try:
        return call_centre(calls_per_hour, talk_s, within_s=within_s, share=share, blocking=blocking)
    except ValueError as error:
        raise Invalid(f"数字不合理 These numbers make no sense: {error}") from error


def busiest_hour(day: dt.date) -> float:
    """Calls in the busiest hour of the day, on average over the last 90 days."""
    [(most,)] = db.select(
        """SELECT coalesce(max(n), 0)::float8 / 90 FROM (
             SELECT count(*) AS n FROM dispatch_call WHERE ring_at >= %s
             GROUP BY extract(hour FROM ring_at AT TIME ZONE 'Asia/Shanghai')) AS h""",
        (day - dt.timedelta(days=90),),
    )
    return float(most)
