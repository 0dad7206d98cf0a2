"""Tell people: lines in inboxes, messages to phones and group robots; queued, quiet at night, retried, logged."""

from __future__ import annotations

import datetime as dt
import json
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from healthbrain.access.gate import require
from healthbrain.access.models import Account
from healthbrain.access.proxies import accounts_to_tell
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel.clock import COUNTY_ZONE, local
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.notices import rules
from healthbrain.notices.models import Channel, Delivery, Notification

TIMEOUT = 5.0  # seconds for one message: a dead robot must not hold the others
KINDS = ("sms", "dingtalk", "wecom")


class Port(Protocol):
    """What carries one message out. Raises OSError or ValueError when it did not arrive."""

    def send(self, address: str, secret: str, text: str, at: dt.datetime) -> None: ...


class Webhook:
    """A group robot (DingTalk or WeCom): JSON over HTTP, taken when it answers errcode 0."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def send(self, address: str, secret: str, text: str, at: dt.datetime) -> None:
        said = _ask(rules.signed(address, secret, at), json.dumps(rules.body(self.kind, text), ensure_ascii=False))
        try:
            verdict = json.loads(said)
        except ValueError as error:
            raise ValueError(f"not an answer of a robot: {said[:100]}") from error
        if why := rules.refused(verdict):
            raise ValueError(why)


class SmsGateway:
    """An operator's SMS gateway over HTTP, as settings.SMS_GATEWAY describes it: templates of address and body.

    Without an address it says so in the log, so that nobody believes a message went out.
    """

    def send(self, address: str, secret: str, text: str, at: dt.datetime) -> None:
        gateway = settings.SMS_GATEWAY
        if not gateway["url"]:
            raise ValueError("no SMS gateway is connected")
        values = {"phone": address, "text": text, "key": gateway["key"]}
        url = rules.filled(gateway["url"], values, urllib.parse.quote_plus)
        body = rules.filled(gateway["body"], values, rules.in_json) or None
        said = _ask(url, body)
        if gateway["taken"] not in said:
            hidden = said.replace(gateway["key"], "***") if gateway["key"] else said
            raise ValueError(f"the gateway did not take it: {hidden[:200]}")


def _ask(url: str, body: str | None) -> str:
    """What an HTTP address answers to a JSON body (POST), or to none (GET). Raises OSError for anything but 2xx."""
    request = urllib.request.Request(  # noqa: S310  addresses come from settings, or were checked when saved
        url,
        data=None if body is None else body.encode(),
        headers={} if body is None else {"Content-Type": "application/json; charset=utf-8"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        said: str = answer.read(65536).decode(errors="replace")
    return said


PORTS: Mapping[str, Port] = {"dingtalk": Webhook("dingtalk"), "wecom": Webhook("wecom"), "sms": SmsGateway()}


def tell(
    account_ids: Iterable[int], *, level: str, title: str, at: dt.datetime, text: str = "", url: str = "", key: str = ""
) -> int:
    """A line into inboxes, and the message into the queues of these people's own channels; how many inboxes are new.

    The same `key` is told an account once. Runs in the caller's transaction.
    """
    rows = [
        Notification(account_id=i, level=level, title=title, text=text, url=url, key=key, at=at)
        for i in dict.fromkeys(account_ids)
    ]
    known = set(Notification.objects.filter(key=key).values_list("account_id", flat=True)) if key else set()
    fresh = [row for row in rows if row.account_id not in known]
    Notification.objects.bulk_create(fresh, ignore_conflicts=True)
    if fresh:
        people = [row.account_id for row in fresh]
        _queue(Q(account_id__in=people), level, title, text, key, at)
    return len(fresh)


def tell_groups(*, level: str, title: str, at: dt.datetime, text: str = "", key: str = "") -> None:
    """The county's group channels; the same `key` once."""
    if not key or not Delivery.objects.filter(key=key, channel__isnull=False, channel__account_id=None).exists():
        _queue(Q(account_id=None), level, title, text, key, at)


def tell_organisations(
    organisation_ids: Sequence[int], *, level: str, title: str, at: dt.datetime, text: str = "", url: str = "",
    key: str = "",
) -> int:  # fmt: skip
    """Everybody with an account at these institutions."""
    people = Account.objects.filter(organisation_id__in=organisation_ids, is_active=True).values_list("pk", flat=True)
    return tell(people, level=level, title=title, at=at, text=text, url=url, key=key)


def tell_resident(
    resident_id: int, *, title: str, at: dt.datetime, phone: str = "", level: str = "due", text: str = "",
    url: str = "", key: str = "",
) -> int:  # fmt: skip
    """A resident and those who act for him with the scope messages; how many inboxes are new.

    phone: also a text message there, at any hour: it is about an appointment. Agents are led to the page where they
    choose for whom they act. The same `key` is told once. Runs in the caller's transaction.
    """
    own, agents = accounts_to_tell(resident_id, local(at).date())
    told = tell(own, level=level, title=title, text=text, url=url, key=key, at=at)
    told += tell(agents, level=level, title=title, text=text, url="/me/family", key=key, at=at)
    if phone and not (key and Delivery.objects.filter(key=key, phone=phone).exists()):
        message = f"{title}\n{text}".strip()
        Delivery.objects.create(phone=phone, text=message, key=key, queued_at=at, next_at=at)
    return told


def _queue(whose: Q, level: str, title: str, text: str, key: str, at: dt.datetime) -> None:
    """One delivery a channel; with a digest, into the one that waits. Urgent ones wait for nothing but the network."""
    urgent = level == "urgent"
    for channel in Channel.objects.filter(whose, active=True):
        if channel.least == "urgent" and not urgent:
            continue
        message = f"{title}\n{text}".strip()
        if not urgent and channel.digest_minutes:
            waiting = channel.deliveries.filter(status="queued", attempts=0, next_at__gt=at).first()
            if waiting is not None:
                waiting.text, waiting.count = f"{waiting.text}\n{message}", waiting.count + 1
                waiting.save(update_fields=["text", "count"])
                continue
        due = at if urgent else at + dt.timedelta(minutes=channel.digest_minutes)
        if not urgent:
            due = rules.after_quiet(due.astimezone(COUNTY_ZONE), channel.quiet_from, channel.quiet_to)
        Delivery.objects.create(channel=channel, text=message, key=key, queued_at=at, next_at=due)


def deliver_due(now: dt.datetime, *, limit: int = 20, ports: Mapping[str, Port] | None = None) -> int:
    """Send what is due; the number sent. Each in a transaction of its own: a crash repeats one message at most.

    A message that fails is tried again after 30 s, 1, 2, 4, 8 minutes; then it stands as failed with its reason.
    """
    sent = 0
    for _ in range(limit):
        with transaction.atomic():
            due = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).select_related("channel")
            delivery = due.filter(status="queued", next_at__lte=now).order_by("next_at").first()
            if delivery is None:
                return sent
            kind = delivery.channel.kind if delivery.channel else "sms"
            sent += _deliver(delivery, now, (ports or PORTS)[kind])
    return sent


def _deliver(delivery: Delivery, now: dt.datetime, port: Port) -> int:
    delivery.attempts += 1
    address, secret = delivery.phone, ""
    if delivery.channel is not None:
        address, secret = delivery.channel.address, delivery.channel.secret
    try:
        port.send(address, secret, delivery.text, now)
    except (OSError, ValueError) as error:  # URLError and timeouts are OSErrors
        delivery.error = str(error)[:500] or type(error).__name__
        wait = rules.wait_after(delivery.attempts)
        delivery.status = "queued" if wait else "failed"
        delivery.next_at = now + (wait or dt.timedelta(0))
        delivery.save()
        return 0
    delivery.status, delivery.sent_at, delivery.error = "sent", now, ""
    delivery.save()
    return 1


@transaction.atomic
def read_inbox(*, by: Actor, at: dt.datetime, notification_id: int | None = None) -> int:
    """Mark one line, or all, of one's own inbox as read; how many."""
    mine = Notification.objects.filter(account_id=by.account_id or 0, read_at=None)
    if notification_id is not None:
        mine = mine.filter(pk=notification_id)
    return mine.update(read_at=at)


@transaction.atomic
def save_channel(
    *, by: Actor, kind: str, name: str, address: str, secret: str = "", own: bool = False, least: str = "due",
    quiet_from: dt.time | None = None, quiet_to: dt.time | None = None, digest_minutes: int = 0,
    channel_id: int | None = None, active: bool = True,
) -> int:  # fmt: skip
    """A phone or a group robot. Raises Invalid for an address that cannot be one."""
    require(by, "signals.work")
    if kind not in KINDS or least not in {"urgent", "due"}:
        raise Invalid("没有这种通道 No such channel")
    if kind == "sms" and not (address.isdigit() and len(address) == 11):
        raise Invalid("手机号是 11 位数字 A phone number has 11 digits")
    if kind != "sms" and not address.startswith(("https://", "http://")):
        raise Invalid("机器人地址以 https:// 开头 A robot's address begins with https://")
    made = Channel.objects.filter(pk=channel_id).first() if channel_id is not None else Channel()
    if made is None:
        raise NotFound("没有这个通道 No such channel")
    made.kind, made.name, made.address, made.secret = kind, name.strip() or kind, address.strip(), secret
    made.account_id, made.least, made.active = by.account_id if own else None, least, active
    made.quiet_from, made.quiet_to, made.digest_minutes = quiet_from, quiet_to, digest_minutes
    made.save()
    audit.record(by=by, action="channel.save", subject=f"channel/{made.pk}", detail={"kind": kind, "name": made.name})
    return made.pk


@transaction.atomic
def try_again(*, by: Actor, delivery_id: int, at: dt.datetime) -> None:
    """Queue a failed message once more."""
    require(by, "signals.work")
    Delivery.objects.filter(pk=delivery_id, status="failed").update(status="queued", attempts=0, next_at=at)
    audit.record(by=by, action="delivery.retry", subject=f"delivery/{delivery_id}")
