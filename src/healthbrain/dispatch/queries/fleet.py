"""Where every vehicle is and what it does; which move-ups would pay."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.models import Station
from healthbrain.dispatch.queries.recommend import county_coverage
from healthbrain.dispatch.rules import coverage as covering
from healthbrain.dispatch.rules.positions import silence
from healthbrain.kernel import db
from healthbrain.kernel.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One vehicle now. `quiet`: "", silent or lost; only for a vehicle on the road. `station`: where it waits;
    `home_id`: its own, another one when it has moved up; `moves` of this shift."""

    id: int
    code: str
    kind: str
    fleet: str
    status: str
    station: str
    station_id: int
    home_id: int
    moves: int
    x: float
    y: float
    age: float | None
    doubt: str
    quiet: str
    call_id: int | None
    place: str
    priority: int | None


_FLEET = """
SELECT v.id, v.code, v.kind, v.fleet, v.status, s.name, s.id, v.station_id,
       (SELECT count(*) FROM dispatch_moveup w WHERE w.vehicle_id = v.id AND w.at > %(shift)s),
       coalesce(p.x, s.x), coalesce(p.y, s.y),
       extract(epoch FROM %(now)s - p.received)::float8, coalesce(p.doubt, ''),
       extract(epoch FROM %(now)s - greatest(p.received, m.assigned_at))::float8,
       c.id, coalesce(c.place, ''), c.priority
FROM dispatch_vehicle v
LEFT JOIN dispatch_moveup u ON u.vehicle_id = v.id AND u.ended IS NULL
JOIN dispatch_station s ON s.id = coalesce(u.station_id, v.station_id)
LEFT JOIN dispatch_position p ON p.vehicle_id = v.id
LEFT JOIN dispatch_mission m ON m.vehicle_id = v.id AND m.ended_at IS NULL
LEFT JOIN dispatch_call c ON c.id = m.call_id
ORDER BY v.fleet, v.code
"""


def fleet(actor: Actor, *, now: dt.datetime) -> list[FleetRow]:
    """Every vehicle. Raises NotAllowed for roles that neither dispatch nor plan."""
    if not (actor.may("emergency.dispatch") or actor.may("emergency.plan")):
        raise NotAllowed("您的角色不能查看车辆 Your role may not see the fleet")
    limits = {"silent_after": knowledge.desk("silence_after"), "lost_after": knowledge.desk("lost_after")}
    found = []
    for row in db.select(_FLEET, {"now": now, "shift": now - dt.timedelta(seconds=knowledge.desk("shift"))}):
        *vehicle, age, doubt, quiet_for, call, place, priority = row
        quiet = "" if vehicle[4] in {"idle", "off"} else silence(quiet_for, **limits)
        found.append(FleetRow(*(*vehicle, age, doubt, quiet, call, place, priority)))
    return found


@dataclass(frozen=True, slots=True)
class Advice:
    """Move one vehicle from station to station: what it brings and costs."""

    vehicle_id: int
    station_id: int
    vehicle: str
    origin: str
    target: str
    gain: float
    minutes: float
    zh: str
    en: str


def move_ups(rows: list[FleetRow], *, day: dt.date) -> list[Advice]:
    """Moves that would pay now (DMEXCLP with threshold and caps), best first; at most three are worth reading."""
    cover = county_coverage(day)
    if cover is None:
        return []
    stations = {s.pk: s for s in Station.objects.filter(pk__in=list(cover.site_of))}
    standing = [
        covering.Standing(r.code, cover.site_of[r.station_id], r.moves)
        for r in rows
        if r.fleet == "emergency" and r.status == "idle" and r.station_id in cover.site_of
    ]
    between = network.times("normal").many_to_many(cover.coverage.sites, cover.coverage.sites)
    advised = covering.move_up(standing, cover.coverage, between, move_up_settings())
    at, number = {site: stations[station] for station, site in cover.site_of.items()}, {r.code: r.id for r in rows}
    return [
        Advice(
            number[a.vehicle], at[a.target].pk, a.vehicle, at[a.origin].name, at[a.target].name, a.gain,
            a.drive_s / 60, a.zh, a.en,
        )
        for a in advised[:3]
    ]  # fmt: skip


def move_up_settings() -> covering.MoveUpSettings:
    """Threshold and caps of move-up advice, from `norms.yaml`."""
    return covering.MoveUpSettings(
        minimum_gain=knowledge.desk("move_up_gain"),
        per_shift=int(knowledge.desk("move_up_per_shift")),
        longest_s=knowledge.desk("move_up_longest"),
    )
