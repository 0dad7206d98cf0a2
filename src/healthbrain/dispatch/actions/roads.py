"""Roads that are closed or slow: reported by a dispatcher, driven round from the next recommendation on, lifted."""

from __future__ import annotations

import datetime as dt
import math

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import network
from healthbrain.dispatch.actions import journal
from healthbrain.dispatch.models import RoadChange
from healthbrain.kernel.errors import Invalid, NotFound

Point = tuple[float, float]


@transaction.atomic
def change_road(
    *, by: Actor, now: dt.datetime, name: str, start: Point, end: Point, share: float, hours: float | None = None
) -> float:
    """The shortest way between two points is closed (`share` 0) or driven at that share of its speed, both directions,
    for `hours` or until it is lifted. The kilometres concerned. Raises Invalid, NotAllowed."""
    gate.require(by, "emergency.dispatch")
    if not name.strip():
        raise Invalid("请写明原因 Say why", hint="积水、施工、事故 flood, works, accident")
    if (
        not all(map(math.isfinite, (*start, *end)))
        or not 0 <= share < 1
        or (hours is not None and not 0 < hours <= 8760)
    ):
        raise Invalid("位置、车速或时长不对 Position, speed or duration make no sense")
    travel = network.times("normal")
    arcs = network.stretch(travel, start, end)
    if not arcs:
        raise Invalid(
            "两点落在同一路口，或之间没有路 One crossing, or no road leads between",
            hint="点开一些 click further apart",
        )
    until = None if hours is None else now + dt.timedelta(hours=hours)
    one = RoadChange.objects.create(
        name=name.strip(), x1=start[0], y1=start[1], x2=end[0], y2=end[1], share=share, since=now, until=until,
        by=by.name,
    )  # fmt: skip
    detail = {"name": one.name, "share": share, "hours": hours}
    audit.record(by=by, action="emergency.road_change", subject=f"road/{one.pk}", detail=detail)
    journal.tell()
    transaction.on_commit(network.noticed)
    return float(travel.graph.length_m[arcs].sum()) / 2000  # both directions were counted


@transaction.atomic
def lift(*, by: Actor, now: dt.datetime, change_id: int) -> str:
    """The road is as usual again; its name. Raises NotFound, NotAllowed."""
    gate.require(by, "emergency.dispatch")
    one = RoadChange.objects.select_for_update().filter(pk=change_id, lifted=None).first()
    if one is None:
        raise NotFound("这条路已恢复 This road is open again already")
    one.lifted = now
    one.save(update_fields=["lifted"])
    audit.record(by=by, action="emergency.road_lift", subject=f"road/{one.pk}", detail={"name": one.name})
    journal.tell()
    transaction.on_commit(network.noticed)
    return one.name
