"""Which vehicle: a ranked list with arrival, coverage lost and reasons. The dispatcher decides.

Priority 1 goes strictly by the shortest arrival; below that, among the vehicles within a tolerance of the shortest,
the one
whose leaving costs least coverage. Preparedness-aware choice lowers the share late but raises the mean response
(Jagtenberg,
Bhulai, van der Mei, Health Care Management Science 20, 2017), which is why it never touches priority 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from healthbrain.dispatch.rules.coverage import Bools, Coverage
from healthbrain.dispatch.rules.roads import UNREACHABLE, Floats, Ints, StraightLine, straight_line_estimate
from healthbrain.dispatch.rules.travel import TravelTimes

IDLE, RETURNING, CLEARING = "idle", "returning", "clearing"
ASSIGNED, ROLLING = "assigned", "rolling"
FREE = frozenset({IDLE, RETURNING})
AVAILABLE = FREE | {CLEARING, ASSIGNED, ROLLING}


@dataclass(frozen=True, slots=True)
class Call:
    """Where help is needed (x, y in the network's unit), how urgently (1 first), with which capabilities."""

    x: float
    y: float
    priority: int
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle as last known. `age_s`: seconds since its position was taken by its own clock (negative: in the
    future);
    `wait_s`: clearing only, until it can leave; `priority`: of the call it is driving to; `site`: the station at
    which, or
    on the way to which, it counts for coverage (number in `Coverage.sites`)."""

    id: str
    x: float
    y: float
    status: str
    capabilities: frozenset[str] = frozenset()
    age_s: float | None = 0.0
    wait_s: float = 0.0
    priority: int | None = None
    site: int | None = None


@dataclass(frozen=True, slots=True)
class RankSettings:
    """Turnout in seconds from station and on the road; tolerance in seconds by priority; which priorities may take a
    vehicle from a lower one; when a position is ancient or in the future; how to estimate without
    roads."""

    estimate: StraightLine
    chute_s: float = 60.0
    chute_moving_s: float = 10.0
    tolerance_s: Mapping[int, float] = field(default_factory=dict)
    reassign_for: frozenset[int] = frozenset({1})
    ancient_after_s: float = 300.0
    future_after_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Option:
    """One line of the list. Seconds; `eta_s` = wait + turnout + drive. `doubt`: "", "ancient" or "future" position.
    `estimated`: no road leads there, straight line. `missing`: capabilities it lacks; then it stands below the
    others."""

    vehicle: str
    status: str
    eta_s: float
    drive_s: float
    chute_s: float
    wait_s: float
    coverage_lost: float
    estimated: bool
    doubt: str
    missing: tuple[str, ...]
    reassigned_from: int | None
    reasons: tuple[Reason, ...]
    recommended: bool = False


def rank(
    call: Call,
    vehicles: Sequence[Vehicle],
    travel: TravelTimes,
    coverage: Coverage | None,
    settings: RankSettings,
) -> list[Option]:
    """Every vehicle that could go, best first. `travel` is the profile this priority drives with."""
    candidates = [v for v in vehicles if _may_go(v, call, settings)]
    if not candidates:
        return []
    drive, estimated = _drives(call, candidates, travel, settings)
    lost = _coverage_lost(candidates, vehicles, travel, coverage)
    options = [_option(v, call, drive[k], bool(estimated[k]), lost[k], settings) for k, v in enumerate(candidates)]
    return _ordered(options, call, settings)


def _may_go(vehicle: Vehicle, call: Call, settings: RankSettings) -> bool:
    if vehicle.status in (ASSIGNED, ROLLING):
        lower = vehicle.priority is not None and vehicle.priority > call.priority
        return lower and call.priority in settings.reassign_for
    return vehicle.status in AVAILABLE


def _drives(
    call: Call, vehicles: Sequence[Vehicle], travel: TravelTimes, settings: RankSettings
) -> tuple[Floats, Bools]:
    """Driving seconds of each vehicle and whether they are only estimated."""
    origin = np.array([(v.x, v.y) for v in vehicles], dtype=np.float64)
    place = np.array([[call.x, call.y]])
    here, there = travel.snap(origin, on_road=True), travel.snap(place)
    ms = travel.many_to_one(here.node, int(there.node[0]))
    limit = settings.estimate.beyond_m
    lost = (ms >= UNREACHABLE) | (here.metres > limit) | (there.metres[0] > limit)
    ms = ms + there.access_ms[0]
    if lost.any():
        ms = np.where(lost, straight_line_estimate(travel.graph, origin, place, settings.estimate)[:, 0], ms)
    return ms / 1000.0, lost


def _coverage_lost(
    candidates: Sequence[Vehicle], everyone: Sequence[Vehicle], travel: TravelTimes, coverage: Coverage | None
) -> list[float]:
    """What each candidate's leaving costs in expected coverage; nothing for one that covers nobody now."""
    if coverage is None:
        return [0.0] * len(candidates)
    free = [v for v in everyone if v.status in FREE]
    reach = _reaches(free, travel, coverage)
    counts: Ints = np.sum([reach[v.id] for v in free], axis=0, dtype=np.int64) if free else np.zeros(0, dtype=np.int64)
    return [coverage.lost(counts, reach[v.id]) if v.id in reach else 0.0 for v in candidates]


def _reaches(free: Sequence[Vehicle], travel: TravelTimes, coverage: Coverage) -> dict[str, Bools]:
    """Zones each free vehicle reaches in time: from its station, or from where it is when it belongs to none."""
    reach = {v.id: coverage.reach[v.site] for v in free if v.site is not None}
    loose = [v for v in free if v.site is None]
    if loose:
        nodes = travel.snap([(v.x, v.y) for v in loose], on_road=True).node
        within = travel.many_to_many(nodes, coverage.zones) <= coverage.target_ms
        reach |= {v.id: within[k] for k, v in enumerate(loose)}
    return reach


def _option(vehicle: Vehicle, call: Call, drive: float, estimated: bool, lost: float, settings: RankSettings) -> Option:
    chute = settings.chute_s if vehicle.status in (IDLE, ASSIGNED) else settings.chute_moving_s
    wait = max(0.0, vehicle.wait_s) if vehicle.status == CLEARING else 0.0
    doubt = doubt_of(vehicle.age_s, settings)
    missing = tuple(sorted(call.needs - vehicle.capabilities))
    taken = vehicle.priority if vehicle.status in (ASSIGNED, ROLLING) else None
    reasons = (
        _status_reason(vehicle, wait, taken),
        *([Reason(f"缺少 {'、'.join(missing)}", f"lacks {', '.join(missing)}")] if missing else []),
        *([_DOUBT[doubt]] if doubt else []),
        *([Reason("没有路可算，按直线估计", "no road to go by: straight-line estimate")] if estimated else []),
    )
    eta = wait + chute + float(drive)
    return Option(
        vehicle.id, vehicle.status, round(eta, 1), round(float(drive), 1), chute, wait, round(lost, 5), estimated,
        doubt, missing, taken, reasons,
    )  # fmt: skip


def doubt_of(age_s: float | None, settings: RankSettings) -> str:
    """May this position be believed: "" yes, "ancient" too old or never reported, "future" the device's clock is
    ahead."""
    if age_s is None or age_s > settings.ancient_after_s:
        return "ancient"
    return "future" if age_s < -settings.future_after_s else ""


_DOUBT = {
    "ancient": Reason("位置已过时，按最后位置计算", "position is old: placed where last seen"),
    "future": Reason("设备时钟超前，按最后位置计算", "device clock is ahead: placed where last seen"),
}


def _status_reason(vehicle: Vehicle, wait: float, taken: int | None) -> Reason:
    if taken is not None:
        return Reason(f"从 {taken} 级任务改派", f"taken from a priority {taken} call")
    if vehicle.status == CLEARING:
        return Reason(f"交接中，约 {wait / 60:.0f} 分钟后可出发", f"clearing, free in about {wait / 60:.0f} min")
    if vehicle.status == RETURNING:
        return Reason("返站途中，无需出车准备", "returning, already on the road")
    return Reason("在站待命", "idle at station")


def _ordered(options: list[Option], call: Call, settings: RankSettings) -> list[Option]:
    """The list in order; the first is recommended, with the reason why it is first."""
    able = sorted((o for o in options if not o.missing), key=lambda o: (o.eta_s, o.coverage_lost, o.vehicle))
    lacking = sorted((o for o in options if o.missing), key=lambda o: (len(o.missing), o.eta_s, o.vehicle))
    tolerance = 0.0 if call.priority == 1 else settings.tolerance_s.get(call.priority, 0.0)
    if able and tolerance > 0:
        limit = able[0].eta_s + tolerance
        near = [o for o in able if o.eta_s <= limit]
        near.sort(key=lambda o: (o.reassigned_from is not None, o.coverage_lost, o.eta_s, o.vehicle))
        able = near + [o for o in able if o.eta_s > limit]
    listed = able + lacking
    return [_with_first(listed[0], able or lacking, tolerance), *listed[1:]]


def _with_first(first: Option, peers: list[Option], tolerance: float) -> Option:
    soonest = min(o.eta_s for o in peers)
    if first.eta_s <= soonest:
        why = Reason("到达最快", "shortest arrival")
    else:
        later = (first.eta_s - soonest) / 60
        why = Reason(
            f"比最快晚 {later:.1f} 分钟（容许 {tolerance / 60:.0f}），覆盖损失最小",
            f"{later:.1f} min after the soonest (allowed {tolerance / 60:.0f}), costs least coverage",
        )
    return Option(
        first.vehicle, first.status, first.eta_s, first.drive_s, first.chute_s, first.wait_s, first.coverage_lost,
        first.estimated, first.doubt, first.missing, first.reassigned_from, (why, *first.reasons), True,
    )  # fmt: skip
