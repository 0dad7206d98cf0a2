"""Mass casualties and event cover as their page shows them."""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch.models import EventCount, EventPerson, EventPost, EventVehicle, MassEvent, Vehicle, Victim
from healthbrain.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event with its counts."""

    event: MassEvent
    vehicles: int
    victims: dict[str, int]


def events(actor: Actor) -> list[EventRow]:
    """Open events first, then the last twenty closed ones."""
    gate.require(actor, "emergency.dispatch")
    rows = list(MassEvent.objects.prefetch_related("roster", "victims").order_by("-starts")[:60])
    rows.sort(key=lambda e: e.closed is not None)
    return [
        EventRow(e, sum(r.released is None for r in e.roster.all()), _tags(list(e.victims.all()))) for e in rows[:40]
    ]


def _tags(victims: list[Victim]) -> dict[str, int]:
    return {tag: sum(v.tag == tag for v in victims) for tag in Victim.Tag.values}


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post with who and what stands there now, against what it needs."""

    post: EventPost
    people: int
    vehicles: int

    @property
    def short(self) -> bool:
        return self.people < self.post.staff or self.vehicles < self.post.vehicles


@dataclass(frozen=True, slots=True)
class EventView:
    """One event whole. `free`: vehicles that may be put on its roster. `count`: the scene's last report."""

    event: MassEvent
    roster: tuple[EventVehicle, ...]
    victims: tuple[Victim, ...]
    tags: dict[str, int]
    free: tuple[Vehicle, ...]
    posts: tuple[PostRow, ...]
    people: tuple[EventPerson, ...]
    count: EventCount | None


def event(actor: Actor, event_id: int) -> EventView:
    """Raises NotFound, NotAllowed."""
    gate.require(actor, "emergency.dispatch")
    found = MassEvent.objects.filter(pk=event_id).first()
    if found is None:
        raise NotFound("没有这个事件 No such event")
    roster = tuple(
        found.roster.filter(released__isnull=True).select_related("vehicle__station", "post").order_by("added")
    )
    victims = tuple(found.victims.select_related("destination", "vehicle").order_by("number"))
    taken = EventVehicle.objects.filter(released__isnull=True).values("vehicle")
    free = Vehicle.objects.exclude(status=Vehicle.Status.OFF).exclude(pk__in=taken).select_related("station")
    if found.kind != MassEvent.Kind.MASS:
        free = free.filter(fleet=Vehicle.Fleet.EMERGENCY)
    people = tuple(found.people.select_related("post").order_by("released", "id"))
    posts = tuple(
        PostRow(
            post,
            sum(p.post_id == post.pk and p.arrived is not None and p.released is None for p in people),
            sum(r.post_id == post.pk for r in roster),
        )
        for post in found.posts.order_by("id")
    )
    return EventView(
        found, roster, victims, _tags(list(victims)), tuple(free.order_by("fleet", "code")), posts, people,
        found.counts.order_by("-at", "-id").first(),
    )  # fmt: skip
