"""What a crew's phone and a hospital's arrival board show: only what concerns that vehicle, or that hospital."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.knowledge_roads import straight_line
from healthbrain.dispatch.models import EcgFile, HospitalState, Mission, Vehicle, Vitals
from healthbrain.dispatch.queries.recommend import hospitals_for_mission
from healthbrain.dispatch.rules.destination import Destination
from healthbrain.dispatch.rules.timeline import next_step
from healthbrain.kernel.errors import NotAllowed, NotFound


@dataclass(frozen=True, slots=True)
class CrewView:
    """The vehicle, its running mission (None: standing by, at another station when `standby` names one), what is next,
    and where to."""

    vehicle: Vehicle
    standby: str
    mission: Mission | None
    done: dict[str, dt.datetime]
    next: str
    vitals: tuple[Vitals, ...]
    ecgs: int
    hospitals: tuple[Destination, ...]


def own_vehicle(actor: Actor) -> Vehicle:
    """The actor's own vehicle. Raises NotFound when the account belongs to none, NotAllowed."""
    gate.require(actor, "emergency.crew")
    vehicle = Vehicle.objects.select_related("station", "position").filter(crew_id=actor.account_id).first()
    if vehicle is None:
        raise NotFound("这个账号没有绑定车辆 No vehicle belongs to this account", hint="请调度台绑定 ask the desk")
    return vehicle


def crew_view(actor: Actor) -> CrewView:
    """The mission of the actor's own vehicle. Raises as `own_vehicle`."""
    vehicle = own_vehicle(actor)
    mission = (
        Mission.objects.select_related("call", "vehicle__position", "destination")
        .filter(vehicle=vehicle, ended_at__isnull=True)
        .first()
    )
    if mission is None:
        moved = vehicle.moves.filter(ended=None).select_related("station").first()
        return CrewView(vehicle, moved.station.name if moved else "", None, {}, "", (), 0, ())
    done = dict(mission.timeline.order_by("-at").values_list("kind", "at"))
    choosing = mission.step in {"on-scene", "at-patient", "left-scene"} or mission.destination_closed
    return CrewView(
        vehicle,
        "",
        mission,
        done,
        next_step(done),
        tuple(mission.vitals.order_by("-at")[:3]),
        mission.ecgs.count(),
        tuple(hospitals_for_mission(mission)[:4]) if choosing else (),
    )


@dataclass(frozen=True, slots=True)
class Arrival:
    """One vehicle on its way to a hospital. `minutes` None: it is there. `alarms`: vital signs out of range."""

    mission_id: int
    vehicle: str
    step: str
    suspected: str
    priority: int | None
    name: str
    sex: str
    age: int | None
    minutes: float | None
    estimated: bool
    quiet: float | None
    vitals: Vitals | None
    alarms: tuple[str, ...]
    ecgs: tuple[tuple[int, str], ...]
    left_scene: dt.datetime | None
    hospital: str
    call_id: int
    linked: bool  # to a resident, whose record may be opened
    closed: bool  # the hospital has closed since: the vehicle is asked to go elsewhere


def arrivals(actor: Actor, *, now: dt.datetime) -> list[Arrival]:
    """Vehicles on their way to the actor's hospital (to every one, for county-wide roles), soonest first."""
    gate.require(actor, "emergency.arrivals")
    running = Mission.objects.filter(ended_at__isnull=True, destination__isnull=False, handed_over=False)
    if not actor.county_wide:
        running = running.filter(destination__path__startswith=actor.path)
    rows = list(
        running.select_related("call", "vehicle__position", "destination").prefetch_related("vitals", "timeline")
    )
    states = {s.pk: s for s in HospitalState.objects.all()}
    return sorted(
        (_arrival(m, states.get(m.destination_id), now) for m in rows),
        key=lambda a: (a.minutes is None, a.minutes or 0),
    )


def _arrival(mission: Mission, state: HospitalState | None, now: dt.datetime) -> Arrival:
    position = getattr(mission.vehicle, "position", None)
    minutes, estimated = None, False
    if mission.step != "at-hospital" and state is not None:
        minutes, estimated = _minutes(mission, state)
    vitals = max(mission.vitals.all(), key=lambda v: v.at, default=None)
    left = next((t.at for t in mission.timeline.all() if t.kind == "left-scene"), None)
    files = tuple(EcgFile.objects.filter(mission=mission).order_by("-at").values_list("id", "name"))
    return Arrival(
        mission.pk, mission.vehicle.code, mission.step, mission.call.suspected, mission.call.priority,
        mission.call.patient_name, mission.call.patient_sex, mission.call.patient_age, minutes, estimated,
        (now - position.received).total_seconds() if position else None, vitals, _alarms(vitals), files, left,
        mission.destination.name if mission.destination else "", mission.call_id, mission.call.resident_id is not None,
        mission.destination_closed,
    )  # fmt: skip


def _minutes(mission: Mission, state: HospitalState) -> tuple[float | None, bool]:
    """Driving minutes to the hospital: from the vehicle, by way of the scene while the patient is not yet on board."""
    position, call = getattr(mission.vehicle, "position", None), mission.call
    scene = (call.x, call.y) if call.x is not None and call.y is not None else None
    on_board = mission.step == "left-scene"
    here = (position.x, position.y) if position else scene
    stops = [p for p in (here, None if on_board else scene, (state.x, state.y)) if p is not None]
    if len(stops) < 2:
        return None, False
    found = network.live().between(stops[:-1], stops[1:], straight_line("siren"))
    legs = range(len(stops) - 1)
    return sum(float(found.ms[k, k]) for k in legs) / 60_000, any(bool(found.estimated[k, k]) for k in legs)


def _alarms(vitals: Vitals | None) -> tuple[str, ...]:
    if vitals is None:
        return ()
    found = []
    for name, sign in knowledge.vitals().items():
        value = getattr(vitals, name)
        if value is not None and "alarm" in sign and not sign["alarm"][0] <= value <= sign["alarm"][1]:
            found.append(name)
    return tuple(found)


def ecg(actor: Actor, ecg_id: int) -> EcgFile:
    """One ECG file, for its crew, its hospital or the desk. The caller audits the look. Raises NotFound, NotAllowed."""
    found = EcgFile.objects.select_related("mission__vehicle", "mission__destination", "mission__call").filter(
        pk=ecg_id
    )
    file = found.first()
    if file is None:
        raise NotFound("没有这份心电图 No such ECG")
    mission = file.mission
    of_hospital = mission.destination is not None and mission.destination.path.startswith(actor.path)
    own = mission.vehicle.crew_id == actor.account_id and actor.may("emergency.crew")
    if not (own or (actor.may("emergency.arrivals") and (actor.county_wide or of_hospital))):
        raise NotAllowed("这份心电图不是送往本院的 This ECG is not on its way to your hospital")
    return file


def hospital_states(actor: Actor) -> list[HospitalState]:
    """What each hospital can take; a hospital sees its own first and may change only that."""
    gate.require(actor, "emergency.arrivals")
    rows = HospitalState.objects.select_related("organisation").order_by("organisation_id")
    return sorted(rows, key=lambda s: s.organisation_id != actor.organisation_id)
