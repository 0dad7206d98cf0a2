"""Mass casualties and event cover: plan, roster, victims, and the audited calling-in of transport vehicles."""

from __future__ import annotations

import datetime as dt

from django.db import IntegrityError, transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.actions import journal
from healthbrain.dispatch.models import Call, EventPost, EventVehicle, MassEvent, Mission, Vehicle, Victim
from healthbrain.kernel.errors import Conflict, Invalid, NotFound


@transaction.atomic
def open_event(
    *,
    by: Actor,
    now: dt.datetime,
    kind: str,
    name: str,
    venue: str = "",
    plan: str = "",
    x: float | None = None,
    y: float | None = None,
    expected: int | None = None,
    starts: dt.datetime | None = None,
    ends: dt.datetime | None = None,
    call_id: int | None = None,
) -> int:
    """Open a mass casualty (from a call, or by name) or plan the cover of an event. Raises Invalid."""
    gate.require(by, "emergency.dispatch")
    if kind not in MassEvent.Kind.values or not name.strip():
        raise Invalid("请写明事件名称 An event needs a name")
    begins = starts or now
    if ends is not None and ends <= begins:
        raise Invalid("结束时间须晚于开始时间 It must end after it begins")
    call = Call.objects.filter(pk=call_id).first() if call_id else None
    event = MassEvent.objects.create(
        kind=kind, name=name.strip(), venue=venue or (call.place if call else ""), plan=plan, expected=expected,
        x=x if call is None else call.x, y=y if call is None else call.y, starts=begins, ends=ends,
        opened_by=by.account_id,
    )  # fmt: skip
    EventPost.objects.bulk_create(
        EventPost(event=event, name=post["name"]["zh"], staff=post["staff"], vehicles=post["vehicles"])
        for post in knowledge.mass_posts()[kind]
    )
    if call is not None:
        call.event = event
        call.save(update_fields=["event"])
    audit.record(by=by, action="emergency.open_event", subject=f"event/{event.pk}", detail={"kind": kind, "name": name})
    journal.tell(call_id=call_id)
    return event.pk


def open_event_of(event_id: int) -> MassEvent:
    """The event, locked until commit. Raises NotFound, Conflict when it is closed."""
    event = MassEvent.objects.select_for_update().filter(pk=event_id).first()
    if event is None:
        raise NotFound("没有这个事件 No such event")
    if event.closed is not None:
        raise Conflict("事件已关闭 The event is closed")
    return event


def post_of(event: MassEvent, post_id: int | None) -> EventPost | None:
    """A post of this event. Raises NotFound for one of another."""
    if post_id is None:
        return None
    post = event.posts.filter(pk=post_id).first()
    if post is None:
        raise NotFound("这个事件没有这个岗位 No such post in this event")
    return post


@transaction.atomic
def roster(
    *,
    by: Actor,
    now: dt.datetime,
    event_id: int,
    vehicle_id: int,
    duty: str = "",
    reason: str = "",
    post_id: int | None = None,
) -> None:
    """Put a vehicle on the roster. One of the non-emergency fleet only for a mass casualty, with a reason, audited.

    Raises Conflict when another event has it, Invalid without a reason or for an event that is only cover.
    """
    gate.require(by, "emergency.dispatch")
    event = open_event_of(event_id)
    vehicle = Vehicle.objects.filter(pk=vehicle_id).first()
    if vehicle is None:
        raise NotFound("没有这辆车 No such vehicle")
    called_in = vehicle.fleet == Vehicle.Fleet.TRANSPORT
    if called_in and (event.kind != MassEvent.Kind.MASS or not reason.strip()):
        raise Invalid("非急救车只在群伤时征调，并须写明理由 Transport vehicles only for a mass casualty, with a reason")
    try:
        with transaction.atomic():
            EventVehicle.objects.create(
                event=event, vehicle=vehicle, post=post_of(event, post_id), duty=duty, called_in=called_in, added=now
            )
    except IntegrityError as error:
        raise Conflict(f"{vehicle.code} 已在另一事件的编组中 It is on another roster") from error
    action = "emergency.call_in" if called_in else "emergency.roster"
    detail = {"vehicle": vehicle.code, "duty": duty, "reason": reason}
    audit.record(by=by, action=action, subject=f"event/{event.pk}", detail=detail)
    journal.tell()


@transaction.atomic
def release(*, by: Actor, now: dt.datetime, event_id: int, vehicle_id: int) -> None:
    """Take a vehicle off the roster."""
    gate.require(by, "emergency.dispatch")
    open_event_of(event_id)
    EventVehicle.objects.filter(event_id=event_id, vehicle_id=vehicle_id, released__isnull=True).update(released=now)
    audit.record(by=by, action="emergency.release", subject=f"event/{event_id}", detail={"vehicle": vehicle_id})
    journal.tell()


@transaction.atomic
def log_victim(
    *,
    by: Actor,
    now: dt.datetime,
    event_id: int,
    tag: str,
    number: int | None = None,
    sex: str = "0",
    age: int | None = None,
    injury: str = "",
    destination_id: int | None = None,
    vehicle_id: int | None = None,
) -> int:
    """One victim by the number of the tag (the next one when none is given); again with the same number corrects it.

    Every version stays in the audit log. Raises Invalid.
    """
    gate.require(by, "emergency.dispatch")
    event = open_event_of(event_id)
    if tag not in Victim.Tag.values:
        raise Invalid("检伤分类只有红、黄、绿、黑 Tags are red, yellow, green, black")
    if number is None:
        number = 1 + max(event.victims.values_list("number", flat=True), default=0)
    values = {
        "tag": tag, "sex": sex, "age": age, "injury": injury.strip(), "destination_id": destination_id,
        "vehicle_id": vehicle_id,
    }  # fmt: skip
    Victim.objects.update_or_create(event=event, number=number, defaults={**values, "logged": now})
    audit.record(
        by=by, action="emergency.victim", subject=f"event/{event.pk}", purpose="emergency",
        detail={"number": number, **values},
    )  # fmt: skip
    journal.tell()
    return number


@transaction.atomic
def close_event(*, by: Actor, now: dt.datetime, event_id: int) -> None:
    """Close it: every vehicle is off the roster; a called-in one that is still on a mission finishes it first.

    Raises Conflict while a vehicle of the transport fleet is on a mission.
    """
    gate.require(by, "emergency.dispatch")
    event = open_event_of(event_id)
    borrowed = EventVehicle.objects.filter(event=event, released__isnull=True, called_in=True).values("vehicle")
    busy = Mission.objects.filter(ended_at__isnull=True, vehicle__in=borrowed).select_related("vehicle")
    if codes := [m.vehicle.code for m in busy]:
        raise Conflict(f"征调车辆还在执行任务 Called-in vehicles are still on a mission: {', '.join(codes)}")
    EventVehicle.objects.filter(event=event, released__isnull=True).update(released=now)
    event.closed = now
    event.save(update_fields=["closed"])
    audit.record(by=by, action="emergency.close_event", subject=f"event/{event.pk}")
    journal.tell()
