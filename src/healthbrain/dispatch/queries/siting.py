"""Where stations or vehicles would best stand: the county's own calls and roads, one of five models, solved to proof.

Zones and possible sites are the villages and townships; a zone weighs as many as the calls of the last year nearest to
it. The answer is also a plan of `rules.plans`, so the what-if page can play a year on it.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.knowledge_roads import straight_line
from healthbrain.dispatch.models import LandMark
from healthbrain.dispatch.queries.planning import sites_now
from healthbrain.dispatch.queries.recommend import busy_share, demand_by_zone
from healthbrain.dispatch.rules import siting
from healthbrain.dispatch.rules.plans import MOST, Site, written
from healthbrain.dispatch.rules.roads import Floats
from healthbrain.kernel.errors import Invalid

MODELS = ("mclp", "mexclp", "double-standard", "lscp", "p-median")
OF_VEHICLES = {"mexclp", "double-standard"}  # place vehicles, several at a site; the others open sites
SECONDS = 20.0  # of search; then the best found stands with its proven limit


@dataclass(frozen=True, slots=True)
class Asked:
    """What the planner asks. `keep`: stations that stay as they are; the others may move. `more`: additional sites (or
    vehicles, for models that place vehicles; none for LSCP, which finds how many). `near`, `far`: driving minutes;
    `share` within `near` (double standard only)."""

    model: str
    keep: tuple[int, ...]
    more: int
    near: float
    far: float
    share: float


@dataclass(frozen=True, slots=True)
class Measures:
    """How well a set of stations serves the calls: shares of calls, minutes of driving to the nearest."""

    once: float
    twice: float
    expected: float
    mean: float
    stations: int
    vehicles: int


@dataclass(frozen=True, slots=True)
class Zone:
    """One village or township: minutes of driving from the nearest station before and after; `calls` of the last year;
    `estimated`: a straight line, because no road leads there."""

    name: str
    township: str
    x: float
    y: float
    calls: int
    before: float
    after: float
    estimated: bool


@dataclass(frozen=True, slots=True)
class Town:
    """One township: shares of its calls within `near`, mean minutes, before and after."""

    name: str
    calls: int
    covered_before: float
    covered_after: float
    mean_before: float
    mean_after: float


@dataclass(frozen=True, slots=True)
class Standing:
    """One station of the answer. `change`: "", added, closed, vehicles; `share` of calls nearest to it."""

    site: Site
    before: int
    change: str
    share: float


@dataclass(frozen=True, slots=True)
class Sited:
    """The answer. `value` and `bound` are the model's own figure and its proven limit; `plan` for the what-if page."""

    asked: Asked
    value: float
    bound: float
    proven: bool
    seconds: float
    candidates: int
    unreachable: tuple[str, ...]
    before: Measures
    after: Measures
    zones: tuple[Zone, ...]
    towns: tuple[Town, ...]
    standings: tuple[Standing, ...]
    plan: str


def usual(stations: Sequence[Site]) -> Asked:
    """What the form starts with: every station stays, one more, by the county's own time limits."""
    rest = knowledge.desk("chute") + knowledge.desk("call_taking")  # the ring to the wheels rolling
    near, far = (math.floor((float(knowledge.priorities()[p]["target"]) - rest) / 60) for p in (1, 2))
    return Asked("mclp", tuple(s.id for s in stations), 1, max(near, 1), max(far, near + 1), 0.9)


def site(actor: Actor, asked: Asked, *, day: dt.date) -> Sited:
    """The best sites by the asked model. Raises Invalid where no plan meets the demands, NotAllowed."""
    gate.require(actor, "emergency.plan")
    stations = tuple(sites_now())
    _check(asked, stations)
    return _sited(asked, stations, day)


def _check(asked: Asked, stations: Sequence[Site]) -> None:
    if asked.model not in MODELS:
        raise Invalid(f"没有这个模型 No such model: {asked.model[:40]}")
    if set(asked.keep) - {s.id for s in stations}:
        raise Invalid("保留的站点已不存在 A station to keep is gone", hint="刷新页面 reload the page")
    if not 0 <= asked.more <= MOST:
        raise Invalid(f"新增数应在 0–{MOST} 之间 Additions must be 0–{MOST}")
    if not (0 < asked.near < asked.far <= 240 and 0 < asked.share <= 1):
        raise Invalid(
            "时限应大于 0，放宽时限要长于首要时限且不超过 240 分钟，比例在 0–100% 之间 "
            "Limits: above 0, the wide one longer than the near one and at most 240 min, share 0–100%"
        )


@dataclass(frozen=True, eq=False)
class _Land:
    """Zones, possible sites (today's stations first) and minutes of driving between them [zones, sites]."""

    marks: tuple[LandMark, ...]
    weight: Floats
    sites: tuple[Site, ...]
    minutes: Floats
    estimated: np.ndarray
    busy: float


@functools.lru_cache(maxsize=2)
def _land(stations: tuple[Site, ...], day: dt.date) -> _Land:
    marks = tuple(LandMark.objects.filter(kind__in=["village", "township"]).order_by("id"))
    if not marks:
        raise Invalid("没有地点，不能选址 No places to choose from", hint="先导入村和乡镇 load villages and townships")
    xy = np.array([(m.x, m.y) for m in marks], dtype=np.float64)
    spots = tuple(Site(0, m.name, m.x, m.y, 0, "added") for m in marks)
    sites = stations + spots
    found = network.times().between([(s.x, s.y) for s in sites], xy, straight_line("siren"))
    return _Land(marks, demand_by_zone(xy, day), sites, found.ms.T / 60_000, found.estimated.T, busy_share(day))


@functools.lru_cache(maxsize=16)
def _sited(asked: Asked, stations: tuple[Site, ...], day: dt.date) -> Sited:
    land, started = _land(stations, day), time.perf_counter()
    try:
        plan, chosen = _best(asked, land, stations)
    except siting.Infeasible as error:
        raise Invalid(
            "没有满足这些要求的方案 No plan meets these demands",
            hint="多加站或车、放宽时限、或让更多现有站可移动 add sites or vehicles, widen the limits, or keep fewer",
        ) from error
    took = time.perf_counter() - started
    after = _after(asked, chosen, land.sites, len(stations))
    here, there = np.arange(len(stations)), np.flatnonzero([k in after for k in range(len(land.sites))])
    before_min, after_min = (land.minutes[:, at].min(axis=1) for at in (here, there))
    calls = land.weight - 1  # `demand_by_zone` adds one each, so that a quiet village still counts
    zones = tuple(
        Zone(m.name, m.township, m.x, m.y, int(c), float(b), float(a), bool(land.estimated[z].all()))
        for z, (m, c, b, a) in enumerate(zip(land.marks, calls, before_min, after_min, strict=True))
    )
    return Sited(
        asked=asked,
        value=plan.value,
        bound=plan.bound,
        proven=plan.optimal,
        seconds=took,
        candidates=len(land.sites) - len(stations),
        unreachable=tuple(land.marks[z].name for z in plan.uncovered),
        before=_measures(asked, land, {k: s.vehicles for k, s in enumerate(stations)}),
        after=_measures(asked, land, after),
        zones=zones,
        towns=_towns(zones, land.weight, asked.near),
        standings=_standings(land, stations, after),
        plan=written(stations, [(land.sites[k], count) for k, count in sorted(after.items())]),
    )


def _solve(asked: Asked, land: _Land, count: int, fixed: Counter[int]) -> siting.Plan:
    """`count` sites (or vehicles) where the model wants them, the `fixed` ones among them."""
    near = land.minutes <= asked.near
    if asked.model in OF_VEHICLES:
        room = dict.fromkeys(range(len(land.sites)), MOST)
        if asked.model == "mexclp":
            return siting.mexclp(near, land.weight, count, land.busy, fixed=fixed, capacity=room, seconds=SECONDS)
        wide = land.minutes <= asked.far
        return siting.double_standard(
            near, wide, land.weight, count, asked.share, fixed=fixed, capacity=room, seconds=SECONDS
        )
    if asked.model == "lscp":
        return siting.lscp(near, fixed=list(fixed), seconds=SECONDS)
    if asked.model == "mclp":
        return siting.mclp(near, land.weight, count, fixed=list(fixed), seconds=SECONDS)
    return siting.p_median(land.minutes, land.weight, count, fixed=list(fixed), seconds=SECONDS)


def _best(asked: Asked, land: _Land, stations: Sequence[Site]) -> tuple[siting.Plan, tuple[int, ...]]:
    """The model's answer, and the sites: where a station of today would do just as well as a new site, it stays."""
    kept = [k for k, s in enumerate(stations) if s.id in asked.keep]
    if asked.model in OF_VEHICLES:
        fixed, now = Counter({k: stations[k].vehicles for k in kept}), sum(s.vehicles for s in stations)
    else:
        fixed, now = Counter(kept), len(stations)
    plan = _solve(asked, land, now + asked.more, +fixed)
    chosen = list(plan.sites)
    worse = -1.0 if asked.model in {"lscp", "p-median"} else 1.0
    for station in [k for k in range(len(stations)) if k not in chosen]:
        for new in sorted({k for k in chosen if k >= len(stations)}, key=lambda k: _apart(land, station, k)):
            instead = [station if k == new else k for k in chosen]
            try:
                value = _solve(asked, land, len(instead), Counter(instead)).value
            except siting.Infeasible:
                continue
            if worse * (plan.value - value) < 1e-9:
                chosen = instead
                break
    return plan, tuple(sorted(chosen))


def _apart(land: _Land, one: int, other: int) -> float:
    a, b = land.sites[one], land.sites[other]
    return math.hypot(a.x - b.x, a.y - b.y)


def _after(asked: Asked, chosen: Sequence[int], sites: Sequence[Site], existing: int) -> dict[int, int]:
    """Vehicles by number of the site. Models of sites say nothing of vehicles: a station that stays keeps its own,
    those of a closed one are shared out among the new sites, and each new site has one at least."""
    if asked.model in OF_VEHICLES:
        return {int(k): int(n) for k, n in zip(*np.unique(chosen, return_counts=True), strict=True)}
    new = [k for k in chosen if k >= existing]
    freed = sum(s.vehicles for k, s in enumerate(sites[:existing]) if k not in chosen)
    shared = {k: max(1, freed // len(new) + (rank < freed % len(new))) for rank, k in enumerate(new)}
    return {k: sites[k].vehicles for k in chosen if k < existing} | shared


def _measures(asked: Asked, land: _Land, vehicles: dict[int, int]) -> Measures:
    at = sorted(vehicles)
    minutes, share = land.minutes[:, at], land.weight / land.weight.sum()
    reached = (minutes <= asked.near) @ np.array([vehicles[k] for k in at])
    return Measures(
        once=float(share @ (minutes <= asked.near).any(axis=1)),
        twice=float(share @ (reached >= 2)),
        expected=float(share @ (1 - land.busy**reached)),
        mean=float(share @ minutes.min(axis=1)),
        stations=len(at),
        vehicles=sum(vehicles.values()),
    )


def _towns(zones: Sequence[Zone], weight: Floats, near: float) -> tuple[Town, ...]:
    names = dict(LandMark.objects.filter(kind="township").values_list("code", "name"))
    found = []
    for code, name in sorted(names.items()):
        of = np.array([z.township == code for z in zones])
        if of.any():
            before, after = (np.array([getattr(z, side) for z in zones])[of] for side in ("before", "after"))
            share = weight[of] / weight[of].sum()
            calls = sum(z.calls for z in zones if z.township == code)
            within = [float(share @ (side <= near)) for side in (before, after)]
            found.append(Town(name, calls, within[0], within[1], float(share @ before), float(share @ after)))
    return tuple(found)


def _standings(land: _Land, stations: Sequence[Site], after: dict[int, int]) -> tuple[Standing, ...]:
    at = sorted(after)
    nearest = np.array(at)[land.minutes[:, at].argmin(axis=1)]
    share = np.bincount(nearest, weights=land.weight / land.weight.sum(), minlength=len(land.sites))
    rows = []
    for k in sorted({*range(len(stations)), *at}):
        one, count = land.sites[k], after.get(k)
        had = one.vehicles if k < len(stations) else 0
        change = "closed" if count is None else "added" if k >= len(stations) else "vehicles" if count != had else ""
        moved = Site(one.id, one.name, one.x, one.y, count or 0, change)
        rows.append(Standing(moved, had, change, float(share[k])))
    return tuple(rows)
