"""Call taking: ring, answer, place, questions, duplicates, cancel."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from healthbrain.access import gate
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit import actions as audit
from healthbrain.county.events import CallTriaged
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.actions import journal
from healthbrain.dispatch.models import Call, Mission, TimelineEvent, Vehicle
from healthbrain.dispatch.rules.triage import Given, Triage, triage
from healthbrain.kernel import bus, clock
from healthbrain.kernel.errors import Conflict, Invalid, NotFound

OVER = (Call.State.CLOSED, Call.State.MERGED, Call.State.CANCELLED)


@transaction.atomic
def ring(*, phone: str, now: dt.datetime, by: Actor = SYSTEM) -> int:
    """A line rings: the telephone system's entry. The id of the new call."""
    call = Call.objects.create(phone=_number(phone), ring_at=now)
    journal.write("ring", call_id=call.pk, by=by, now=now)
    journal.tell(call_id=call.pk)
    return call.pk


@transaction.atomic
def take_call(*, by: Actor, now: dt.datetime, call_id: int | None = None, phone: str = "") -> int:
    """Answer a ringing call: the one named, else the one that rings longest, else a new one with `phone`.

    Two dispatchers never get the same one: a row locked by the other is passed over. Raises Conflict when the named
    call was answered meanwhile.
    """
    gate.require(by, "emergency.dispatch")
    ringing = Call.objects.select_for_update(skip_locked=call_id is None).filter(state=Call.State.RINGING)
    if call_id is not None:
        call = ringing.filter(pk=call_id).first()
        if call is None:
            raise Conflict("这个来电已有人接听 Answered by somebody else already")
    else:
        call = None if phone else ringing.order_by("ring_at").first()
    if call is None:
        call = Call.objects.create(phone=_number(phone), ring_at=now)
        journal.write("ring", call_id=call.pk, by=by, now=now)
    call.state, call.answered_at, call.answered_by = Call.State.OPEN, now, by.account_id
    call.save(update_fields=["state", "answered_at", "answered_by"])
    journal.write("answered", call_id=call.pk, by=by, now=now, source="button")
    journal.tell(call_id=call.pk)
    return call.pk


def _number(phone: str) -> str:
    return "".join(c for c in phone if c.isdigit() or c == "+")[:20]


def lock(call_id: int) -> Call:
    """The call, locked until commit, still running. Raises NotFound, Conflict."""
    call = Call.objects.select_for_update().filter(pk=call_id).first()
    if call is None:
        raise NotFound("没有这个呼救 No such call")
    if call.state in OVER:
        raise Conflict("这个呼救已结束 This call is over", hint=call.get_state_display())
    return call


@dataclass(frozen=True, slots=True)
class Located:
    """Where a call was placed. `off_map`: outside the roads, times to it are straight-line estimates."""

    x: float
    y: float
    township: str
    off_map: bool


@transaction.atomic
def locate(*, by: Actor, now: dt.datetime, call_id: int, place: str, x: float, y: float, how: str) -> Located:
    """Where it is. `how`: address, map, caller, typed. A point outside the map is kept and marked, never refused.

    Raises Invalid for a point that is no number.
    """
    gate.require(by, "emergency.dispatch")
    call = lock(call_id)
    found = Located(x, y, *network.township_and_off_map(x, y))
    first = call.x is None
    call.place, call.x, call.y, call.located_by = place.strip(), x, y, how
    call.township, call.off_map = found.township, found.off_map
    _waits(call)
    call.save()
    if first:
        journal.write("located", call_id=call.pk, by=by, now=now, source="button", note=how)
    journal.tell(call_id=call.pk)
    return found


@transaction.atomic
def answer(*, by: Actor, now: dt.datetime, call_id: int, question: str, digit: int) -> Triage:
    """One answer of the question tree; where the call stands now. Raises Invalid for a question out of turn."""
    gate.require(by, "emergency.dispatch")
    call = lock(call_id)
    before = call.priority
    call.answers = [*call.answers, [question, digit]]
    stands = triage(knowledge.tree(), [Given(*pair) for pair in call.answers])
    _decide(call, stands, before, by=by, now=now)
    return stands


@transaction.atomic
def unanswer(*, by: Actor, now: dt.datetime, call_id: int) -> Triage:
    """Take the last answer back."""
    gate.require(by, "emergency.dispatch")
    call = lock(call_id)
    before = call.priority
    call.answers = call.answers[:-1]
    stands = triage(knowledge.tree(), [Given(*pair) for pair in call.answers])
    _decide(call, stands, before, by=by, now=now)
    return stands


def _decide(call: Call, stands: Triage, before: int | None, *, by: Actor, now: dt.datetime) -> None:
    call.priority, call.suspected = stands.priority, stands.type
    _waits(call)
    call.save()
    if stands.asking is None:
        _tell_of_triage(call, by=by, now=now)
    elif before is not None and call.priority is not None and call.priority < before:
        journal.write("upgraded", call_id=call.pk, by=by, now=now, note=f"{before} → {call.priority}")
    journal.tell(call_id=call.pk)


def _tell_of_triage(call: Call, *, by: Actor, now: dt.datetime) -> None:
    """Once a call: the moment on the timeline, and the event for rooms that watch the county."""
    if TimelineEvent.objects.filter(call=call, kind="triaged").exists():
        return
    journal.write("triaged", call_id=call.pk, by=by, now=now, source="button", note=f"{call.suspected} {call.priority}")
    bus.publish(CallTriaged(clock.local(call.ring_at).date(), call.township, call.suspected))


def _waits(call: Call) -> None:
    """An answered call with a priority and a place waits for a vehicle until one is sent."""
    if call.state == Call.State.OPEN and call.priority is not None and call.x is not None:
        call.state = Call.State.WAITING


@transaction.atomic
def set_priority(
    *, by: Actor, now: dt.datetime, call_id: int, priority: int, suspected: str = "", note: str = ""
) -> None:
    """The dispatcher's own judgement, over the tree. Raises Invalid."""
    gate.require(by, "emergency.dispatch")
    if priority not in knowledge.priorities():
        raise Invalid(f"优先级只有 1、2、3 Priorities are 1, 2, 3: {priority}")
    if suspected and suspected not in knowledge.types():
        raise Invalid(f"没有这个类型 No such type: {suspected}")
    call = lock(call_id)
    before, call.priority = call.priority, priority
    call.suspected = suspected or call.suspected or "other"
    _waits(call)
    call.save()
    if before is not None and before != priority:
        journal.write(
            "upgraded", call_id=call.pk, by=by, now=now, source="button", note=f"{before} → {priority} {note}"
        )
    _tell_of_triage(call, by=by, now=now)
    journal.tell(call_id=call.pk)


@transaction.atomic
def describe(*, by: Actor, call_id: int, **patient: str | int | None) -> None:
    """What the caller says of the patient: name, sex, age, id_number, patients, note. Audited: it names a person."""
    gate.require(by, "emergency.dispatch")
    call = lock(call_id)
    columns = {
        "name": "patient_name",
        "sex": "patient_sex",
        "age": "patient_age",
        "id_number": "patient_id_number",
        "patients": "patients",
        "note": "note",
    }
    for name, value in patient.items():
        setattr(call, columns[name], value)
    call.save(update_fields=[columns[name] for name in patient])
    audit.record(
        by=by, action="emergency.describe", subject=f"call/{call.pk}", purpose="emergency",
        detail={"fields": sorted(patient)},
    )  # fmt: skip


@transaction.atomic
def merge(*, by: Actor, now: dt.datetime, call_id: int, into_id: int) -> None:
    """Two calls of one event: this one ends, the other goes on. Its vehicles, if any, go over too."""
    gate.require(by, "emergency.dispatch")
    if call_id == into_id:
        raise Invalid("不能并入自己 A call cannot be merged into itself")
    first, second = (lock(i) for i in sorted((call_id, into_id)))  # in one order, so that two merges cannot lock up
    call, into = (first, second) if first.pk == call_id else (second, first)
    Mission.objects.filter(call=call, ended_at__isnull=True).update(call=into)
    if into.state == Call.State.WAITING and into.missions.filter(ended_at__isnull=True).exists():
        into.state = Call.State.RUNNING
        into.save(update_fields=["state"])
    call.state, call.duplicate_of, call.closed_at = Call.State.MERGED, into, now
    call.save(update_fields=["state", "duplicate_of", "closed_at"])
    note = f"{call.pk} → {into.pk}"
    journal.write("cancelled", call_id=call.pk, by=by, now=now, source="button", note=note)
    audit.record(by=by, action="emergency.merge", subject=f"call/{call.pk}", detail={"into": into.pk})
    journal.tell(call_id=into.pk)


@transaction.atomic
def cancel_call(*, by: Actor, now: dt.datetime, call_id: int, reason: str) -> None:
    """No ambulance needed any more: every vehicle on it turns round, whatever it is doing but carrying the patient.

    Raises Invalid without a reason, Conflict while a patient is on board.
    """
    gate.require(by, "emergency.dispatch")
    if not reason.strip():
        raise Invalid("请写明取消原因 Say why it is cancelled")
    call = lock(call_id)
    active = Mission.objects.select_for_update().filter(call=call, ended_at__isnull=True)
    if active.filter(step__in=["left-scene", "at-hospital", "handover"]).exists():
        raise Conflict("病人已在车上，不能取消，请在到院后结束 The patient is on board: end it at the hospital")
    for mission in active:
        end_mission(mission, "cancelled", by=by, now=now, note=reason)
    call.state, call.closed_at = Call.State.CANCELLED, now
    call.save(update_fields=["state", "closed_at"])
    journal.write("cancelled", call_id=call.pk, by=by, now=now, source="button", note=reason)
    audit.record(by=by, action="emergency.cancel", subject=f"call/{call.pk}", detail={"reason": reason})
    journal.tell(call_id=call.pk)


def end_mission(mission: Mission, outcome: str, *, by: Actor, now: dt.datetime, note: str = "") -> None:
    """End a mission before its last step: the vehicle is free from this moment. In the caller's transaction."""
    mission.ended_at, mission.outcome = now, outcome
    mission.save(update_fields=["ended_at", "outcome"])
    Vehicle.objects.filter(Q(pk=mission.vehicle_id) & ~Q(status=Vehicle.Status.OFF)).update(
        status=Vehicle.Status.RETURNING
    )
    journal.write(outcome, call_id=mission.call_id, mission=mission, by=by, now=now, source="button", note=note)
