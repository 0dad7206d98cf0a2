"""What if: the county's own calls simulated twice, with the same chance in both: other stations, or another policy."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.models import HospitalState, LandMark
from healthbrain.dispatch.queries.recommend import busy_share
from healthbrain.dispatch.rules import simulate as sim
from healthbrain.dispatch.rules.coverage import Coverage, make_coverage
from healthbrain.dispatch.rules.demand import RateModel, draw_calls, fit_rates
from healthbrain.dispatch.rules.erlang import CallCentre, call_centre
from healthbrain.dispatch.rules.plans import Site, apply
from healthbrain.dispatch.rules.simulation.network import Network, Places, make_network, make_places
from healthbrain.dispatch.year import move_up_busy
from healthbrain.kernel import clock, db
from healthbrain.kernel.errors import Invalid

HISTORY_DAYS = 365
CALLS = 10_000  # about so many simulated calls a replication
REPLICATIONS = 10
POLICY = "reassignment"  # how the desk ranks by default
POLICIES = ("closest", POLICY, "reassignment+tolerance", "reassignment+dmexclp", "reassignment+compliance")


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure under both plans, each with its 95 % interval over replications.

    `change` is of the paired differences: both plans meet the same calls, so it is surer than either figure.
    """

    before: sim.Figure
    after: sim.Figure
    change: sim.Figure

    @property
    def sure(self) -> bool:
        """True when the interval of the change leaves zero out."""
        low, high = self.change.low, self.change.high
        return low is not None and high is not None and (low > 0 or high < 0)


@dataclass(frozen=True, slots=True)
class Row:
    """The county (`code` "") or one township: minutes, share within the target, mean km to the nearest station."""

    code: str
    name: str
    calls: int
    mean: Compared
    p90: Compared
    within: Compared
    km_before: float
    km_after: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Before and after over `done` replications of `days` simulated days; `target_s` of response from the ring.

    `moves`: move-ups a vehicle and day.
    """

    county: Row
    moves: Compared
    townships: tuple[Row, ...]
    done: int
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


def what_if(
    actor: Actor,
    plan: str,
    *,
    day: dt.date,
    replications: int = REPLICATIONS,
    policies: tuple[str, str] = (POLICY, POLICY),
) -> WhatIf:
    """Simulate today's stations under the first policy and `plan` (rules.plans) under the second, with common random
    numbers. Raises Invalid, NotAllowed.

    Replications are kept: asking for one more costs one more (some tenths of a second), the same figures on any server.
    """
    gate.require(actor, "emergency.plan")
    if not set(policies) <= set(POLICIES):
        raise Invalid("没有这种派车策略 No such policy", hint="、".join(POLICIES))
    now = tuple(sites_now())
    after = tuple(apply(plan, list(now)))
    ground = _ground(day)
    both = tuple(zip((now, after), policies, strict=True))
    played = [[_played(day, sites, policy, number) for sites, policy in both] for number in range(replications)]
    pairs = [(one.by_town, two.by_town) for one, two in played]
    moved = np.array([[one.moves, two.moves] for one, two in played])
    names = dict(LandMark.objects.filter(kind="township").values_list("code", "name"))
    km = _kilometres(ground, now), _kilometres(ground, after)
    towns = (_row(code, name, ground, pairs, km) for code, name in sorted(names.items()))
    return WhatIf(
        _row("", "", ground, pairs, km),
        _compared(moved[:, 0], moved[:, 1]),
        tuple(town for town in towns if town.calls),
        replications,
        ground.days,
        _target(),
    )


def _target() -> float:
    return float(knowledge.norms()["response_target"]["value"])


Towns = dict[str, tuple[float, float, float, float]]  # by township, "" the county: calls, mean, p90, within
NOBODY = (0.0, float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, slots=True)
class Played:
    """One replication of one plan under one policy; `moves`: move-ups a vehicle and day."""

    by_town: Towns
    moves: float


def _compared(before: np.ndarray, after: np.ndarray) -> Compared:
    return Compared(sim.figure(before), sim.figure(after), sim.figure(after - before))


def _row(
    code: str,
    name: str,
    ground: _Ground,
    pairs: Sequence[tuple[Towns, Towns]],
    km: tuple[np.ndarray, np.ndarray],
) -> Row:
    one, two = (np.array([pair[side].get(code, NOBODY) for pair in pairs]) for side in (0, 1))
    mean, p90, within = (_compared(one[:, k], two[:, k]) for k in (1, 2, 3))
    share = ground.model.share * ((ground.township == code) if code else 1)
    weigh = share / share.sum() if share.sum() else share
    return Row(code, name, round(float(two[:, 0].sum())), mean, p90, within, float(weigh @ km[0]), float(weigh @ km[1]))


def _kilometres(ground: _Ground, sites: Sequence[Site]) -> np.ndarray:
    """From every place to the nearest station, as the crow flies."""
    scale = np.asarray(network.scale()) / 1000
    return np.asarray(cKDTree(np.array([(s.x, s.y) for s in sites]) * scale).query(ground.xy * scale)[0])


@dataclass(frozen=True, eq=False)
class _Ground:
    """What every replication shares: rates, durations, the places' coordinates and townships."""

    model: RateModel
    service: sim.Service
    xy: np.ndarray
    township: np.ndarray
    days: int
    busy: float


@functools.lru_cache(maxsize=2)
def _ground(day: dt.date) -> _Ground:
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
    xy = np.c_[travel.graph.x, travel.graph.y][model.places]
    return _Ground(model, service(day), xy, _townships(xy), days, busy_share(day))


@functools.lru_cache(maxsize=REPLICATIONS)
def _stream(day: dt.date, number: int) -> sim.Stream:
    """Calls and durations of one replication: the same for every plan."""
    ground, random = _ground(day), np.random.default_rng([1, number])
    drawn = draw_calls(ground.model, ground.days, random)
    return sim.make_stream(drawn.time, drawn.place, drawn.priority, ground.service, random)


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


@dataclass(frozen=True, eq=False)
class _Board:
    """A plan laid over the roads."""

    roads: Network
    places: Places
    homes: list[int]
    settings: sim.PlaySettings
    cover: Coverage


@functools.lru_cache(maxsize=4)
def _board(day: dt.date, sites: tuple[Site, ...]) -> _Board:
    ground = _ground(day)
    siren, normal = network.times("siren"), network.times("normal")
    at = siren.snap([(s.x, s.y) for s in sites]).node
    hospitals = siren.snap(list(HospitalState.objects.values_list("x", "y"))).node
    roads = make_network(siren, normal, at, hospitals)
    settings = sim.PlaySettings(
        target_s=_target(),
        chute_moving_s=knowledge.desk("chute_moving"),
        tolerance_s={p: float(body["tolerance"]) for p, body in knowledge.priorities().items()},
        busy=ground.busy,
        minimum_gain=knowledge.desk("move_up_gain"),
        longest_s=knowledge.desk("move_up_longest"),
        per_shift=int(knowledge.desk("move_up_per_shift")),
        shift_h=knowledge.desk("shift") / 3600,
    )
    reach = _target() - knowledge.desk("chute")
    cover = make_coverage(siren, ground.model.places, ground.model.share, at, target_s=reach, busy=ground.busy)
    homes = [k for k, site in enumerate(sites) for _ in range(site.vehicles)]
    return _Board(roads, make_places(roads, ground.model.places, both=False), homes, settings, cover)


@functools.lru_cache(maxsize=512)
def _played(day: dt.date, sites: tuple[Site, ...], policy: str, number: int) -> Played:
    """One replication of one plan, measured."""
    board, stream, ground = _board(day, sites), _stream(day, number), _ground(day)
    township = ground.township
    cover = replace(board.cover, busy=move_up_busy()) if "dmexclp" in policy else board.cover
    rules = sim.make_policy(policy, board.roads, cover, len(board.homes), board.settings)
    outcome = sim.simulate(board.roads, board.places, stream, board.homes, rules)
    asked = knowledge.desk("call_taking") * 1000  # ring to assignment comes before the simulated part
    minutes = np.where(outcome.response >= 0, (outcome.response + asked) / 60_000, np.nan)
    of = township[stream.place]
    towns = {"": _measured(minutes)} | {str(code): _measured(minutes[of == code]) for code in np.unique(township)}
    return Played(towns, float(outcome.moves.sum()) / len(board.homes) / ground.days)


def _measured(minutes: np.ndarray) -> tuple[float, float, float, float]:
    reached = minutes[np.isfinite(minutes)]
    if not len(reached):
        return NOBODY
    within = float((reached <= _target() / 60).mean())
    return float(len(reached)), float(reached.mean()), float(np.percentile(reached, 90)), within


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
