"""Vehicles on calls: send, each step of the timeline, cancel, divert."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import IntegrityError, transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.actions import journal, moves
from healthbrain.dispatch.actions.calls import end_mission, lock
from healthbrain.dispatch.models import Call, EventVehicle, HospitalState, Mission, TimelineEvent, Vehicle
from healthbrain.dispatch.rules.timeline import STATUS_AFTER, STEPS, allowed_steps
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound

TURNS_ROUND = ("assigned", "acknowledged", "rolling")  # steps at which a vehicle may be taken for a more urgent call


@transaction.atomic
def assign(
    *,
    by: Actor,
    now: dt.datetime,
    call_id: int,
    vehicle_id: int,
    promised_seconds: float | None = None,
    rank: int | None = None,
    recommended_id: int | None = None,
    from_mission: int | None = None,
    override: str = "",
    note: str = "",
) -> int:
    """Send a vehicle; the mission's id. The database lets one dispatcher win; the other is told who has it.

    `recommended_id`: the vehicle that stood first: sending another needs an `override` reason. `from_mission`: the
    mission it leaves for this, as the recommendation showed it: of a less urgent call, or one handed over already.
    Raises Conflict (taken, call over), Invalid (no reason, out of service, non-emergency vehicle without a mass event).
    """
    gate.require(by, "emergency.dispatch")
    _check_override(vehicle_id, recommended_id, override, note)
    call = lock(call_id)
    if call.priority is None:
        raise Invalid("还没有分级，不能派车 No priority yet", hint="按问询数字键或直接选优先级 answer or set it")
    vehicle = Vehicle.objects.filter(pk=vehicle_id).first()
    if vehicle is None:
        raise NotFound("没有这辆车 No such vehicle")
    _check_vehicle(vehicle)
    if from_mission is not None:
        _take_from(vehicle, from_mission, call, by=by, now=now)
    try:
        with transaction.atomic():
            mission = Mission.objects.create(
                call=call, vehicle=vehicle, assigned_at=now, assigned_by=by.account_id, assigned_name=by.name,
                promised_seconds=promised_seconds, rank=rank, recommended_id=recommended_id, override=override,
                override_note=note,
            )  # fmt: skip
    except IntegrityError as error:
        raise taken(vehicle) from error
    moves.end(vehicle.pk, now=now)
    Vehicle.objects.filter(pk=vehicle.pk).update(status=Vehicle.Status.ASSIGNED)
    call.state = Call.State.RUNNING
    call.save(update_fields=["state"])
    journal.write("assigned", call_id=call.pk, mission=mission, by=by, now=now, source="button", note=override)
    detail = {"vehicle": vehicle.code, "rank": rank, "override": override, "note": note}
    audit.record(by=by, action="emergency.assign", subject=f"call/{call.pk}", purpose="emergency", detail=detail)
    journal.tell(call_id=call.pk)
    return mission.pk


def _check_override(vehicle_id: int, recommended_id: int | None, override: str, note: str) -> None:
    if recommended_id in (None, vehicle_id):
        return
    if override not in knowledge.overrides():
        raise Invalid("改派其他车须选原因 Say why another vehicle than the first", hint="选择原因 choose a reason")
    if override == "other" and not note.strip():
        raise Invalid("请写明改派原因 Say what the reason is")


def _check_vehicle(vehicle: Vehicle) -> None:
    if vehicle.status == Vehicle.Status.OFF:
        raise Invalid(f"{vehicle.code} 已停用 Out of service: {vehicle.code}")
    called_in = EventVehicle.objects.filter(vehicle=vehicle, released__isnull=True, called_in=True)
    if vehicle.fleet == Vehicle.Fleet.TRANSPORT and not called_in.exists():
        raise Invalid(
            f"{vehicle.code} 是非急救车 A non-emergency vehicle: {vehicle.code}",
            hint="只有群伤事件征调后才能派 only after a mass event has called it in",
        )


def taken(vehicle: Vehicle) -> Conflict:
    """What the second of two dispatchers is told."""
    held = Mission.objects.filter(vehicle=vehicle, ended_at__isnull=True).select_related("call").first()
    if held is None:
        return Conflict(f"{vehicle.code} 刚被别人派出，请看最新推荐 Just taken: {vehicle.code}")
    where = held.call.place or f"{held.call_id}"
    return Conflict(
        f"{vehicle.code} 已由 {held.assigned_name} 派往 {where} {vehicle.code} is taken by {held.assigned_name}",
        hint="推荐已更新，请选下一辆 the list is renewed, take the next",
    )


def _take_from(vehicle: Vehicle, mission_id: int, call: Call, *, by: Actor, now: dt.datetime) -> None:
    """Free a vehicle that rolls to a less urgent call; that call waits again, first in its queue."""
    held = (
        Mission.objects.select_for_update(of=("self",))
        .select_related("call")
        .filter(pk=mission_id, vehicle=vehicle, ended_at__isnull=True)
        .first()
    )
    if held is None:
        return  # free by now, or taken by somebody else: the insert decides
    if held.step == "handover":  # the patient is with the hospital; nobody has pressed "available" yet
        journal.write("available", call_id=held.call_id, mission=held, by=by, now=now, note=f"→ {call.pk}")
        _advance(held, "available", now=now)
        return
    lower = held.call.priority is None or (call.priority is not None and held.call.priority > call.priority)
    if not lower or held.step not in TURNS_ROUND:
        raise taken(vehicle)
    end_mission(held, "reassigned", by=by, now=now, note=f"→ {call.pk}")
    if not held.call.missions.filter(ended_at__isnull=True).exists():
        Call.objects.filter(pk=held.call_id).update(state=Call.State.WAITING)
    audit.record(by=by, action="emergency.reassign", subject=f"call/{held.call_id}", detail={"vehicle": vehicle.code})


def own_mission(by: Actor, mission_id: int) -> Mission:
    """A mission, locked, that the actor may work: the dispatcher's any, a crew its own. Raises NotFound, NotAllowed."""
    mission = (
        Mission.objects.select_for_update(of=("self",))
        .select_related("vehicle", "call", "destination")
        .filter(pk=mission_id)
        .first()
    )
    if mission is None:
        raise NotFound("没有这个任务 No such mission")
    if not by.may("emergency.dispatch"):
        gate.require(by, "emergency.crew")
        if mission.vehicle.crew_id != by.account_id:
            raise NotAllowed("这不是派给本车的任务 Not the mission of your vehicle")
    return mission


@transaction.atomic
def step(
    *,
    by: Actor,
    now: dt.datetime,
    mission_id: int,
    kind: str,
    pressed: dt.datetime | None = None,
    sent: dt.datetime | None = None,
    client_id: uuid.UUID | None = None,
    source: str = "button",
    note: str = "",
) -> bool:
    """A step of the mission; False when this press was known already. Later steps may be pressed when one was missed.

    A press that arrives after the mission ended (no network, cancelled on the stairs) is kept on the timeline and
    changes nothing. Raises Conflict for a step before the last, Invalid for a step that is none.
    """
    if kind not in STEPS:
        raise Invalid(f"没有这个步骤 No such step: {kind}")
    mission = own_mission(by, mission_id)
    if client_id and TimelineEvent.objects.filter(client_id=client_id).exists():
        return False
    done = set(mission.timeline.values_list("kind", flat=True))
    if kind in done:
        return False
    over = mission.ended_at is not None
    if not over and kind not in allowed_steps(done):
        raise Conflict("之后的步骤已记录 A later step is recorded already")
    journal.write(
        kind, call_id=mission.call_id, mission=mission, by=by, now=now, pressed=pressed, sent=sent, source=source,
        note="任务已结束后收到 arrived after the mission ended" if over else note, client_id=client_id,
    )  # fmt: skip
    if not over:
        _advance(mission, kind, now=now)
    journal.tell(call_id=mission.call_id)
    return True


def _advance(mission: Mission, kind: str, *, now: dt.datetime) -> None:
    mission.step = kind
    fields = ["step"]
    if kind == "available":
        mission.ended_at = now
        mission.outcome = mission.outcome or ("transported" if mission.handed_over else "no-transport")
        fields += ["ended_at", "outcome"]
    mission.save(update_fields=fields)
    Vehicle.objects.filter(pk=mission.vehicle_id).update(status=STATUS_AFTER[kind])
    if kind == "available" and not mission.call.missions.filter(ended_at__isnull=True).exists():
        Call.objects.filter(pk=mission.call_id).update(state=Call.State.CLOSED, closed_at=now)


@transaction.atomic
def cancel_mission(*, by: Actor, now: dt.datetime, mission_id: int, reason: str) -> None:
    """This vehicle turns round; the call waits again unless another vehicle is on it. Raises Invalid, Conflict."""
    if not reason.strip():
        raise Invalid("请写明原因 Say why")
    mission = own_mission(by, mission_id)
    if mission.ended_at is not None:
        raise Conflict("任务已结束 The mission is over")
    if mission.step in {"left-scene", "at-hospital", "handover"}:
        raise Conflict("病人已在车上，请在到院后结束 The patient is on board: end it at the hospital")
    end_mission(mission, "cancelled", by=by, now=now, note=reason)
    call = Call.objects.select_for_update().get(pk=mission.call_id)
    if call.state == Call.State.RUNNING and not call.missions.filter(ended_at__isnull=True).exists():
        call.state = Call.State.WAITING
        call.save(update_fields=["state"])
    audit.record(by=by, action="emergency.cancel_mission", subject=f"mission/{mission.pk}", detail={"reason": reason})
    journal.tell(call_id=mission.call_id)


@transaction.atomic
def send_to(
    *,
    by: Actor,
    now: dt.datetime,
    mission_id: int,
    organisation_id: int,
    reason: str = "",
    recommended_id: int | None = None,
) -> None:
    """Choose the hospital, or another one on the way (a divert on the timeline).

    `recommended_id`: the one that stood first: another needs a reason, which is kept. Raises Conflict when it is
    closed, Invalid without a reason.
    """
    if recommended_id not in (None, organisation_id) and not reason.strip():
        raise Invalid("改送其他医院须写原因 Say why another hospital than the first")
    mission = own_mission(by, mission_id)
    if mission.ended_at is not None:
        raise Conflict("任务已结束 The mission is over")
    state = HospitalState.objects.select_related("organisation").filter(pk=organisation_id).first()
    if state is None:
        raise NotFound("没有这家医院的接诊信息 This hospital takes no ambulances")
    if state.closed:
        raise Conflict(f"{state.organisation.name} 暂停接诊，请另选 It is closed: choose another")
    changed = mission.destination_id not in (None, organisation_id)
    mission.destination_id, mission.destination_reason = organisation_id, reason
    mission.destination_closed = False
    mission.save(update_fields=["destination", "destination_reason", "destination_closed"])
    if changed:
        journal.write(
            "diverted", call_id=mission.call_id, mission=mission, by=by, now=now, source="button",
            note=f"→ {state.organisation.name} {reason}".strip(),
        )  # fmt: skip
    journal.tell(call_id=mission.call_id)


@transaction.atomic
def watch(*, by: Actor, now: dt.datetime) -> list[str]:
    """Radio silence and lost vehicles on missions, written on their timelines once each; codes of the vehicles."""
    from healthbrain.dispatch.rules.positions import silence

    limits = {"silent_after": knowledge.desk("silence_after"), "lost_after": knowledge.desk("lost_after")}
    found = []
    running = Mission.objects.filter(ended_at__isnull=True).select_related("vehicle", "vehicle__position")
    for mission in running:
        position = getattr(mission.vehicle, "position", None)
        last = max(filter(None, (position and position.received, mission.assigned_at)))
        state = silence((now - last).total_seconds(), **limits)
        if state and not mission.timeline.filter(kind=state, at__gte=last).exists():
            journal.write(state, call_id=mission.call_id, mission=mission, by=by, now=now)
            found.append(mission.vehicle.code)
    if found:
        journal.tell()
    return found
