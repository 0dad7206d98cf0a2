"""Which hospital: the nearest that can treat this, against the nearest of all, with the minutes between them.

Nearest first, most urgent first, meeting the specialty, the patient's wish heard (院前医疗急救管理办法). The medic
confirms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from healthbrain.dispatch.rules.rank import Reason
from healthbrain.dispatch.rules.roads import StraightLine
from healthbrain.dispatch.rules.travel import TravelTimes


@dataclass(frozen=True, slots=True)
class Hospital:
    """`centres`: what it can treat (chest-pain, stroke, trauma, maternal, newborn); `free`: places free now by
    centre, ""
    for the emergency room, missing = unknown; `diverting`: centres it sends away now, "" = everybody."""

    id: str
    name: str
    x: float
    y: float
    centres: frozenset[str] = frozenset()
    free: Mapping[str, int] = field(default_factory=dict)
    diverting: frozenset[str] = frozenset()
    closed: bool = False  # takes no ambulance at all
    note: str = ""  # why, in its own words


@dataclass(frozen=True, slots=True)
class Destination:
    """One hospital for this patient. `extra_min`: minutes more than the nearest hospital of all."""

    hospital: str
    name: str
    minutes: float
    extra_min: float
    capable: bool
    open: bool
    free: int | None
    estimated: bool
    reasons: tuple[Reason, ...]
    recommended: bool = False


def destinations(
    at: tuple[float, float],
    centre: str,
    hospitals: Sequence[Hospital],
    travel: TravelTimes,
    estimate: StraightLine,
    names: Mapping[str, tuple[str, str]] | None = None,
) -> list[Destination]:
    """Every hospital, best first: capable and open by minutes, then other open ones, then those that divert or are
    full.

    `centre` "" means any hospital will do. `names` gives the centre's name in (zh, en).
    """
    if not hospitals:
        return []
    found = travel.between([at], [(h.x, h.y) for h in hospitals], estimate)
    minutes = found.ms[0] / 60_000
    nearest = float(np.min(minutes))
    listed = [
        _destination(h, centre, float(minutes[k]), nearest, bool(found.estimated[0, k]), names or {})
        for k, h in enumerate(hospitals)
    ]
    listed.sort(key=lambda d: (not (d.capable and d.open), not d.open, not d.capable, d.minutes, d.hospital))
    return [_first(listed[0]), *listed[1:]]


def _destination(
    hospital: Hospital,
    centre: str,
    minutes: float,
    nearest: float,
    estimated: bool,
    names: Mapping[str, tuple[str, str]],
) -> Destination:
    zh, en = names.get(centre, (centre, centre))
    capable = not centre or centre in hospital.centres
    free = hospital.free.get(centre, hospital.free.get("") if not centre else None)
    turned_away = hospital.closed or bool({"", centre} & hospital.diverting)
    is_open = not turned_away and free != 0
    extra = minutes - nearest
    reasons = [Reason("最近的医院", "nearest hospital") if extra < 0.05 else _further(extra)]
    if centre:
        reasons.append(Reason(f"有{zh}", f"has {en}") if capable else Reason(f"没有{zh}", f"no {en}"))
    if hospital.closed:
        reasons.append(_said("已停收", "closed to ambulances", hospital.note))
    elif turned_away:
        reasons.append(_said("正在分流，不接收", "on diversion", hospital.note))
    elif free == 0:
        reasons.append(Reason("没有空位", "no place free"))
    else:
        reasons.append(_room(free))
    if estimated:
        reasons.append(Reason("没有路可算，按直线估计", "no road to go by: straight-line estimate"))
    return Destination(
        hospital.id, hospital.name, round(minutes, 1), round(extra, 1), capable, is_open, free, estimated,
        tuple(reasons),
    )  # fmt: skip


def _said(zh: str, en: str, note: str) -> Reason:
    return Reason(f"{zh}：{note}", f"{en}: {note}") if note else Reason(zh, en)


def _further(extra: float) -> Reason:
    return Reason(f"比最近的医院多 {extra:.1f} 分钟", f"{extra:.1f} min further than the nearest")


def _room(free: int | None) -> Reason:
    if free is None:
        return Reason("空位情况未报", "places not reported")
    return Reason(f"空位 {free}", f"{free} places free")


def _first(best: Destination) -> Destination:
    if not best.open:
        why = Reason("所有医院都在分流或已满，先联系最近的", "all divert or are full: call the nearest first")
    elif not best.capable:
        why = Reason("没有可接收的专科中心，先到最近的医院", "no centre can take the patient: nearest open hospital")
    else:
        why = Reason("最近的可接收且有能力的医院", "nearest open hospital that can treat this")
    return Destination(
        best.hospital, best.name, best.minutes, best.extra_min, best.capable, best.open, best.free, best.estimated,
        (why, *best.reasons), True,
    )  # fmt: skip
