"""The recommendation for one call, in one look: ranked vehicles and ranked hospitals, each with its reasons."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.knowledge_roads import straight_line
from healthbrain.dispatch.models import Call, HospitalState, LandMark, Mission, Station
from healthbrain.dispatch.rules import rank as ranking
from healthbrain.dispatch.rules.coverage import Coverage, make_coverage
from healthbrain.dispatch.rules.destination import Destination, Hospital, destinations
from healthbrain.kernel import db
from healthbrain.kernel.errors import NotFound

HISTORY_DAYS = 365
_ENGINE_STATUS = {"at-hospital": ranking.CLEARING}  # the others bear the engine's own names


@dataclass(frozen=True, slots=True)
class Choice:
    """One line: the engine's option with what the desk needs to show and to send it.

    `from_mission`: the mission it leaves when it is sent: a less urgent one, or one handed over and not pressed free.
    """

    vehicle_id: int
    code: str
    kind: str
    station: str
    status: str
    option: ranking.Option
    from_mission: int | None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`vehicles` that can be sent, best first; `busy` ones still handing a patient over, soonest first;
    `hospitals` best first; `as_of` when it was worked out. Empty while the place is unknown."""

    vehicles: tuple[Choice, ...]
    busy: tuple[Choice, ...]
    hospitals: tuple[Destination, ...]
    off_map: bool
    as_of: dt.datetime


# Everything the ranking needs to know of every vehicle, in one statement.
_FLEET = """
SELECT v.id, v.code, v.kind, v.capabilities, v.status, s.id, s.name,
       coalesce(p.x, s.x), coalesce(p.y, s.y), extract(epoch FROM %(now)s - p.at)::float8,
       m.id, c.priority, c.id,
       extract(epoch FROM %(now)s - (SELECT max(t.at) FROM dispatch_timelineevent t WHERE t.mission_id = m.id))::float8
FROM dispatch_vehicle v
LEFT JOIN dispatch_moveup u ON u.vehicle_id = v.id AND u.ended IS NULL
JOIN dispatch_station s ON s.id = coalesce(u.station_id, v.station_id)
LEFT JOIN dispatch_position p ON p.vehicle_id = v.id
LEFT JOIN dispatch_mission m ON m.vehicle_id = v.id AND m.ended_at IS NULL
LEFT JOIN dispatch_call c ON c.id = m.call_id
WHERE v.status <> 'off' AND (v.fleet = 'emergency' OR EXISTS (
  SELECT 1 FROM dispatch_eventvehicle e WHERE e.vehicle_id = v.id AND e.released IS NULL AND e.called_in))
"""


def recommend(actor: Actor, call_id: int, *, now: dt.datetime) -> Recommendation:
    """Ranked vehicles and hospitals for a call. Raises NotFound, NotAllowed."""
    gate.require(actor, "emergency.dispatch")
    call = Call.objects.filter(pk=call_id).first()
    if call is None:
        raise NotFound("没有这个呼救 No such call")
    if call.x is None or call.y is None:
        return Recommendation((), (), (), False, now)
    return Recommendation(
        *_vehicles(call, now=now),
        tuple(hospitals_for((call.x, call.y), call.suspected)),
        call.off_map,
        now,
    )


def _vehicles(call: Call, *, now: dt.datetime) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    """Vehicles that can be sent, and those still handing over. Those on this call already are neither."""
    rows = [row for row in db.select(_FLEET, {"now": now}) if row[12] != call.pk]
    cover = county_coverage(now.date())
    site = cover.site_of if cover else {}
    needs = frozenset(knowledge.types().get(call.suspected, {}).get("vehicle", ()))
    asked = ranking.Call(float(call.x or 0), float(call.y or 0), call.priority or 2, needs)
    by_id = {str(row[0]): row for row in rows}

    def ranked(status: Callable[[str], bool]) -> tuple[Choice, ...]:
        vehicles = [_vehicle(row, site) for row in rows if status(row[4])]
        options = ranking.rank(asked, vehicles, network.live(), cover.coverage if cover else None, settings())
        return tuple(_choice(by_id[o.vehicle], o) for o in options)

    return ranked(lambda status: status != "at-hospital"), ranked(lambda status: status == "at-hospital")


def _vehicle(row: tuple[Any, ...], site: dict[int, int]) -> ranking.Vehicle:
    number, _, _, capabilities, status, station, _, x, y, age, _, priority, _, since = row
    return ranking.Vehicle(
        id=str(number),
        x=x,
        y=y,
        status=_ENGINE_STATUS.get(status, status),
        capabilities=frozenset(capabilities),
        # A parked vehicle's tracker sleeps: idle at its station without reports is not lost, it is at home.
        age_s=0.0 if age is None and status == "idle" else age,
        wait_s=_wait(status, since or 0.0),
        priority=priority,
        site=site.get(station),
    )


def _wait(status: str, since: float) -> float:
    """Seconds until a vehicle at a hospital can leave: what is left of a handover and the cleaning after it."""
    if status == "at-hospital":
        return max(60.0, knowledge.desk("handover_within") - since) + knowledge.desk("clear_within")
    return max(60.0, knowledge.desk("clear_within") - since) if status == "clearing" else 0.0


def _choice(row: tuple[Any, ...], option: ranking.Option) -> Choice:
    number, code, kind, _, status, _, station, *_, mission, _, _, _ = row
    leaves = option.reassigned_from is not None or status == "clearing"
    return Choice(number, code, kind, station, status, option, mission if leaves else None)


@functools.cache
def settings() -> ranking.RankSettings:
    """How the county ranks: from `norms.yaml`, `priorities.yaml`, `roads.yaml`."""
    return ranking.RankSettings(
        estimate=straight_line("siren"),
        chute_s=knowledge.desk("chute"),
        chute_moving_s=knowledge.desk("chute_moving"),
        tolerance_s={p: float(body["tolerance"]) for p, body in knowledge.priorities().items()},
        ancient_after_s=knowledge.desk("lost_after"),
        future_after_s=knowledge.desk("clock_tolerance"),
    )


# --- coverage --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CountyCoverage:
    """The county's zones and stations. `site_of`: station id → number in `coverage.sites`."""

    coverage: Coverage
    site_of: dict[int, int]


def county_coverage(day: dt.date) -> CountyCoverage | None:
    """Coverage by the calls of the last year, worked out once a day and after stations changed. None without zones."""
    stations = tuple(Station.objects.filter(active=True).order_by("id").values_list("id", "x", "y"))
    return _coverage(day, stations)


@functools.lru_cache(maxsize=4)
def _coverage(day: dt.date, stations: tuple[tuple[int, float, float], ...]) -> CountyCoverage | None:
    zones = np.array(LandMark.objects.filter(kind__in=["village", "township"]).values_list("x", "y"), dtype=np.float64)
    if not len(zones) or not stations:
        return None
    travel = network.times()
    target = float(knowledge.priorities()[2]["target"]) - knowledge.desk("chute")
    made = make_coverage(
        travel,
        travel.snap(zones).node,
        demand_by_zone(zones, day),
        travel.snap([(x, y) for _, x, y in stations]).node,
        target_s=target,
        busy=busy_share(day),
    )
    return CountyCoverage(made, {station: k for k, (station, _, _) in enumerate(stations)})


def demand_by_zone(zones: np.ndarray, day: dt.date) -> np.ndarray:
    """Calls of the last year by nearest zone [Z], plus one each: a zone without calls is small, not nothing."""
    from scipy.spatial import cKDTree

    rows = db.select(
        """SELECT x, y FROM dispatch_call WHERE x IS NOT NULL AND NOT off_map AND duplicate_of_id IS NULL
           AND ring_at >= %s""",
        (day - dt.timedelta(days=HISTORY_DAYS),),
    )
    counts = np.ones(len(zones))
    if rows:
        scale = np.asarray(network.scale())
        _, nearest = cKDTree(zones * scale).query(np.asarray(rows, dtype=np.float64) * scale)
        counts += np.bincount(nearest, minlength=len(zones))
    return counts


def busy_share(day: dt.date) -> float:
    """Share of the last 30 days a vehicle of the emergency fleet was on a mission; the default without history."""
    [(seconds, vehicles)] = db.select(
        """SELECT (SELECT coalesce(sum(extract(epoch FROM ended_at - assigned_at)), 0)::float8 FROM dispatch_mission
                   WHERE assigned_at >= %s AND ended_at IS NOT NULL),
                  (SELECT count(*) FROM dispatch_vehicle WHERE fleet = 'emergency' AND status <> 'off')""",
        (day - dt.timedelta(days=30),),
    )
    if not seconds or not vehicles:
        return knowledge.desk("busy")
    return float(np.clip(seconds / (vehicles * 30 * 86_400), 0.02, 0.9))


# --- hospitals -------------------------------------------------------------------------------------------------------


def hospitals_for(at: tuple[float, float], suspected: str) -> list[Destination]:
    """Every receiving hospital for a patient at this point, best first; those that are closed stand last."""
    rows = HospitalState.objects.select_related("organisation").order_by("organisation_id")
    hospitals = [
        Hospital(
            id=str(row.organisation_id),
            name=row.organisation.name,
            x=row.x,
            y=row.y,
            centres=frozenset(row.capabilities),
            free={} if row.emergency_beds is None else dict.fromkeys(["", *row.capabilities], row.emergency_beds),
            diverting=frozenset({""}) if row.diverting else frozenset(),
            closed=row.closed,
            note=row.note,
        )
        for row in rows
    ]
    centre = str(knowledge.types().get(suspected, {}).get("centre", ""))
    names = {key: (words["zh"], words["en"]) for key, words in knowledge.capabilities().items()}
    return destinations(at, centre, hospitals, network.live(), straight_line("siren"), names)


def hospitals_for_mission(mission: Mission) -> Sequence[Destination]:
    """Hospitals from where the vehicle is now once it has the patient, before that from the scene."""
    position = getattr(mission.vehicle, "position", None)
    moving = mission.step in {"at-patient", "left-scene"} and position is not None
    x, y = (position.x, position.y) if moving and position else (mission.call.x, mission.call.y)
    return hospitals_for((x, y), mission.call.suspected) if x is not None and y is not None else ()
