"""One's own inbox, and the log of what went out."""

from __future__ import annotations

from typing import Any

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.surveillance.models import Channel, Delivery, Notification


def unread(actor: Actor) -> int:
    """Unread lines of one's own inbox; one indexed count."""
    if actor.account_id is None:
        return 0
    return Notification.objects.filter(account_id=actor.account_id, read_at=None).count()


def inbox(actor: Actor, limit: int = 100) -> list[Notification]:
    """One's own lines, unread first, then newest."""
    mine = Notification.objects.filter(account_id=actor.account_id or 0)
    return sorted(mine.order_by("-at")[:limit], key=lambda n: (n.read_at is not None, -n.at.timestamp()))


def channels(actor: Actor) -> list[Channel]:
    """Channels of the county and one's own."""
    require(actor, "signals.work")
    found = Channel.objects.filter(account_id=None) | Channel.objects.filter(account_id=actor.account_id or 0)
    return list(found.order_by("kind", "name"))


def deliveries(actor: Actor, limit: int = 100) -> list[Any]:
    """The delivery log, newest first: what went to which channel, how often it was tried, why it did not arrive."""
    require(actor, "signals.work")
    return list(Delivery.objects.select_related("channel").order_by("-queued_at", "-id")[:limit])
