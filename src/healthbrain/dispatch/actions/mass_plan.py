"""The plan of a mass event: posts, who is called in, triage counts as the scene reports them."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch.actions import journal
from healthbrain.dispatch.actions.mass import open_event_of, post_of
from healthbrain.dispatch.models import EventCount, EventPerson, EventPost
from healthbrain.kernel.errors import Conflict, Invalid, NotFound

MOST = 999  # people or victims in one figure


@transaction.atomic
def set_post(*, by: Actor, event_id: int, name: str, place: str = "", staff: int = 0, vehicles: int = 0) -> int:
    """A post of the plan by its name: new, or as it is now. Raises Invalid, Conflict."""
    gate.require(by, "emergency.dispatch")
    event = open_event_of(event_id)
    if not name.strip():
        raise Invalid("请写明岗位名称 A post needs a name")
    if not (0 <= staff <= MOST and 0 <= vehicles <= MOST):
        raise Invalid("人数和车数应在 0–999 之间 People and vehicles must be 0–999")
    needs = {"place": place.strip(), "staff": staff, "vehicles": vehicles}
    post, _ = EventPost.objects.update_or_create(event=event, name=name.strip(), defaults=needs)
    audit.record(by=by, action="emergency.post", subject=f"event/{event.pk}", detail={"name": post.name, **needs})
    journal.tell()
    return post.pk


@transaction.atomic
def call_in(
    *,
    by: Actor,
    now: dt.datetime,
    event_id: int,
    name: str,
    unit: str = "",
    phone: str = "",
    post_id: int | None = None,
) -> int:
    """Somebody is called in to the event. Raises Invalid without a name, NotFound for a post of another event."""
    gate.require(by, "emergency.dispatch")
    event = open_event_of(event_id)
    if not name.strip():
        raise Invalid("请写明召集谁 Say who is called in")
    person = EventPerson.objects.create(
        event=event, post=post_of(event, post_id), name=name.strip(), unit=unit.strip(), phone=phone.strip(), called=now
    )
    detail = {"name": person.name, "unit": person.unit, "post": person.post.name if person.post else ""}
    audit.record(by=by, action="emergency.call_in_person", subject=f"event/{event.pk}", detail=detail)
    journal.tell()
    return person.pk


@transaction.atomic
def move_on(*, by: Actor, now: dt.datetime, event_id: int, person_id: int) -> str:
    """He has come; pressed again, he may go. What he has done now. Raises Conflict when he has gone already."""
    gate.require(by, "emergency.dispatch")
    event = open_event_of(event_id)
    person = event.people.filter(pk=person_id).first()
    if person is None:
        raise NotFound("名单上没有这个人 Nobody of that number on the list")
    if person.released is not None:
        raise Conflict(f"{person.name} 已撤离 has gone already")
    step = "arrived" if person.arrived is None else "released"
    setattr(person, step, now)
    person.save(update_fields=[step])
    audit.record(by=by, action=f"emergency.person_{step}", subject=f"event/{event.pk}", detail={"name": person.name})
    journal.tell()
    return step


@transaction.atomic
def report_count(*, by: Actor, now: dt.datetime, event_id: int, red: int, yellow: int, green: int, black: int) -> int:
    """Triage counts as reported from the scene; each is kept, the last one stands. The total. Raises Invalid."""
    gate.require(by, "emergency.dispatch")
    event = open_event_of(event_id)
    tags = {"red": red, "yellow": yellow, "green": green, "black": black}
    if not all(0 <= n <= MOST for n in tags.values()):
        raise Invalid("人数应在 0–999 之间 Counts must be 0–999")
    EventCount.objects.create(event=event, at=now, **tags)
    audit.record(by=by, action="emergency.count", subject=f"event/{event.pk}", detail=tags)
    journal.tell()
    return sum(tags.values())
