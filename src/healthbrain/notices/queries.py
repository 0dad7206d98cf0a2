"""One's own inbox, and the log of what went out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.notices.models import Channel, Delivery, Notification


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
    """The delivery log of channels, newest first: what went where, how often it was tried, why it did not arrive."""
    require(actor, "signals.work")
    sent = Delivery.objects.filter(channel__isnull=False).select_related("channel")
    return list(sent.order_by("-queued_at", "-id")[:limit])


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one message to a resident: inboxes that have it, how many were read, the phone's state."""

    inboxes: int
    read: int
    phone: str  # "" none; queued, sent, failed

    @property
    def reached(self) -> bool:
        """Somebody has it in an inbox, or his phone took it."""
        return self.inboxes > 0 or self.phone == "sent"


def told(keys: Collection[str]) -> dict[str, Told]:
    """Messages to residents by their key; two indexed queries. The caller may see what they are about."""
    lines = Notification.objects.filter(key__in=keys).values("key")
    counted = {row["key"]: (row["all"], row["read"]) for row in lines.annotate(all=Count("pk"), read=Count("read_at"))}
    phones = dict(Delivery.objects.filter(key__in=keys, channel__isnull=True).values_list("key", "status"))
    return {key: Told(*counted.get(key, (0, 0)), phones.get(key, "")) for key in counted.keys() | phones.keys()}
