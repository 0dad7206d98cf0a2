"""The day of a key place that reports its own counts: nursing home, hotel, work site, pharmacy, another department."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.county.models import Organisation
from healthbrain.surveillance.knowledge import feed_of, places
from healthbrain.surveillance.models import DailyCount

SHOWN_DAYS = 14


@dataclass(frozen=True, slots=True)
class PlaceDay:
    """counts: item → told on the day, empty when nothing was. days: (day, item → count), the newest first."""

    code: str
    name: str
    kind: str
    feed: str
    items: tuple[str, ...]
    day: dt.date
    counts: dict[str, int]
    people: int | None
    days: tuple[tuple[dt.date, dict[str, int]], ...]


def place_day(actor: Actor, *, day: dt.date) -> PlaceDay | None:
    """What the actor's own place told on a day and lately; None where it is no place that reports by itself."""
    require(actor, "places.report")
    place = Organisation.objects.filter(pk=actor.organisation_id or 0, kind__in=list(places())).first()
    if place is None:
        return None
    feed, items = feed_of(place.kind), tuple(places()[place.kind]["items"])
    told: dict[dt.date, dict[str, int]] = {}
    people: int | None = None
    rows = DailyCount.objects.filter(
        organisation_id=place.pk, source=feed, syndrome__in=items, age_group="", day__lte=day,
        day__gt=day - dt.timedelta(days=SHOWN_DAYS),
    )  # fmt: skip
    for on, item, count, present in rows.order_by("-day").values_list("day", "syndrome", "count", "denominator"):
        told.setdefault(on, {})[item] = count
        people = present if people is None else people
    return PlaceDay(
        place.code, place.name, place.kind, feed, items, day, told.get(day, {}), people, tuple(told.items())
    )
