"""Positions in bulk: believed ones move the vehicle, all are kept, a fence presses the button nobody pressed."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.actions import journal, missions
from healthbrain.dispatch.models import Mission, Position, Vehicle
from healthbrain.dispatch.rules.positions import ANCIENT, FUTURE, NOWHERE, SECOND, Report, judge
from healthbrain.kernel import db
from healthbrain.kernel.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch: they add up. `refused`: no numbers, or a vehicle nobody knows.

    `terminal`: a phone sent them, and its vehicle's own terminal reports: it need not.
    """

    moved: int
    kept_only: int
    refused: int
    terminal: bool = False


# One statement writes the history and the last position, whatever the number of reports: the arrays travel as they are.
_WRITE = """
WITH given AS (
  SELECT * FROM unnest(%(vehicle)s::bigint[], %(x)s::float8[], %(y)s::float8[], %(at)s::timestamptz[],
                       %(doubt)s::text[]) WITH ORDINALITY AS g(vehicle_id, x, y, at, doubt, n)
  WHERE EXISTS (SELECT 1 FROM dispatch_vehicle v WHERE v.id = g.vehicle_id)
), logged AS (
  INSERT INTO dispatch_positionlog (vehicle_id, x, y, at, received, doubt)
  SELECT vehicle_id, x, y, at, %(now)s, doubt FROM given RETURNING 1
), latest AS (
  SELECT DISTINCT ON (vehicle_id) * FROM given WHERE doubt NOT IN ('ancient', 'second')
  ORDER BY vehicle_id, at DESC, n DESC
), moved AS (
  INSERT INTO dispatch_position AS p (vehicle_id, x, y, at, received, doubt, phone)
  SELECT vehicle_id, x, y, at, %(now)s, doubt, %(phone)s FROM latest
  ON CONFLICT (vehicle_id) DO UPDATE SET x = excluded.x, y = excluded.y, at = excluded.at,
    received = excluded.received, doubt = excluded.doubt, phone = excluded.phone WHERE p.at <= excluded.at
  RETURNING 1
)
SELECT (SELECT count(*) FROM logged), (SELECT count(*) FROM moved)
"""


@transaction.atomic
def record_positions(reports: Sequence[Report], *, now: dt.datetime, by: Actor = SYSTEM) -> Recorded:
    """Keep reports (any number, any vehicles). A clock that runs ahead is overruled by the moment of arrival.

    A report older than the lost limit goes to the history only: it must not put a vehicle where it no longer is. So
    does a phone's while the vehicle's terminal is heard: two devices would pull the vehicle to and fro.
    """
    phone = _check_own(reports, by)
    ahead, oldest = knowledge.desk("clock_tolerance"), knowledge.desk("lost_after")
    heard = _terminals(reports, now) if phone else set()
    judged = [(r, judge(r, now, ahead=ahead, oldest=oldest)) for r in reports]
    judged = [(r, SECOND if r.vehicle_id in heard and doubt != NOWHERE else doubt) for r, doubt in judged]
    good = [(r, doubt) for r, doubt in judged if doubt != NOWHERE]
    if not good:
        return Recorded(0, 0, len(reports))
    [(logged, moved)] = db.select(
        _WRITE,
        {
            "vehicle": [r.vehicle_id for r, _ in good],
            "x": [r.x for r, _ in good],
            "y": [r.y for r, _ in good],
            "at": [now if r.at is None or doubt == FUTURE else r.at for r, doubt in good],
            "doubt": [doubt for _, doubt in good],
            "now": now,
            "phone": phone,
        },
    )
    _fences([r for r, doubt in good if doubt not in (ANCIENT, SECOND)], now=now)
    return Recorded(moved, logged - moved, len(reports) - logged, bool(heard))


def _terminals(reports: Sequence[Report], now: dt.datetime) -> set[int]:
    """Vehicles among these whose own terminal was heard less than the silence limit ago."""
    since = now - dt.timedelta(seconds=knowledge.desk("silence_after"))
    mine = Position.objects.filter(vehicle__in={r.vehicle_id for r in reports})
    return set(mine.filter(phone=False, received__gt=since).values_list("vehicle_id", flat=True))


def _check_own(reports: Sequence[Report], by: Actor) -> bool:
    """Is it a phone? It reports for its own vehicle; the tracking platform and dispatchers for any."""
    if by.may("emergency.dispatch") or by.may("emergency.feed"):
        return False
    gate.require(by, "emergency.crew")
    own = set(Vehicle.objects.filter(crew_id=by.account_id).values_list("id", flat=True))
    if {r.vehicle_id for r in reports} - own:
        raise NotAllowed("只能上报本车位置 You report your own vehicle only")
    return True


def _fences(reports: Sequence[Report], *, now: dt.datetime) -> None:
    """A vehicle inside the fence of where it was going has arrived, whether or not anybody pressed."""
    last = {r.vehicle_id: r for r in reports}
    running = db.select(
        """SELECT m.id, m.vehicle_id, m.step, c.x, c.y, h.x, h.y FROM dispatch_mission m
           JOIN dispatch_call c ON c.id = m.call_id
           LEFT JOIN dispatch_hospitalstate h ON h.organisation_id = m.destination_id
           WHERE m.ended_at IS NULL AND m.vehicle_id = ANY(%s) AND m.step IN ('rolling', 'left-scene')""",
        (list(last),),
    )
    for mission, vehicle, step, scene_x, scene_y, hospital_x, hospital_y in running:
        there = (scene_x, scene_y) if step == "rolling" else (hospital_x, hospital_y)
        if _within(last[vehicle], there):
            kind = "on-scene" if step == "rolling" else "at-hospital"
            missions.step(by=SYSTEM, now=now, mission_id=mission, kind=kind, source="fence")
    _home(last, now=now)


def _home(last: dict[int, Report], *, now: dt.datetime) -> None:
    """A returning vehicle inside the fence of its station is idle again; its last mission gets the moment."""
    returning = db.select(
        """SELECT v.id, s.x, s.y FROM dispatch_vehicle v JOIN dispatch_station s ON s.id = v.station_id
           WHERE v.status = 'returning' AND v.id = ANY(%s)""",
        (list(last),),
    )
    arrived = [vehicle for vehicle, x, y in returning if _within(last[vehicle], (x, y))]
    if not arrived:
        return
    Vehicle.objects.filter(pk__in=arrived, status=Vehicle.Status.RETURNING).update(status=Vehicle.Status.IDLE)
    for mission in Mission.objects.filter(vehicle__in=arrived).order_by("vehicle", "-id").distinct("vehicle"):
        journal.write("at-station", call_id=mission.call_id, mission=mission, by=SYSTEM, now=now, source="fence")
    journal.tell()


def _within(report: Report, there: tuple[float | None, float | None]) -> bool:
    x, y = there
    if x is None or y is None:
        return False
    across, up = network.scale()
    return math.hypot((report.x - x) * across, (report.y - y) * up) <= knowledge.desk("fence")
