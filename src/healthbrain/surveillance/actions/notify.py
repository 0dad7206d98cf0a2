"""Tell disease-control officers: of new signals, of clocks that run out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import transaction

from healthbrain.access.models import Account
from healthbrain.access.roles import ROLES
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.notices import actions as notices
from healthbrain.surveillance import handbook
from healthbrain.surveillance.models import PublicHealthEvent, Signal
from healthbrain.surveillance.rules import clocks

WORKERS = frozenset(key for key, role in ROLES.items() if "signals.work" in role.permissions)


def tell_officers(*, level: str, title: str, at: dt.datetime, text: str = "", url: str = "", key: str = "") -> int:
    """Everybody who works signals, and the county's group channels; how many inboxes are new."""
    officers = Account.objects.filter(role__in=WORKERS, is_active=True).values_list("pk", flat=True)
    notices.tell_groups(level=level, title=title, text=text, key=key, at=at)
    return notices.tell(officers, level=level, title=title, at=at, text=text, url=url, key=key)


def tell_signals(signal_ids: Iterable[int], at: dt.datetime) -> int:
    """Tell officers of signals that are new or have grown and wait for an answer; how many lines were new."""
    told = 0
    for signal in Signal.objects.filter(pk__in=list(signal_ids), answer="").exclude(life="over"):
        urgent = signal.level in {"outbreak", "report"}
        with transaction.atomic():
            told += tell_officers(
                level="urgent" if urgent else "due", at=at, url=f"/signals#panel=/signals/{signal.pk}",
                title=signal.sentence_zh[:120], key=f"signal:{signal.pk}:{signal.life}:{signal.observed:g}",
            )  # fmt: skip
    return told


def remind(now: dt.datetime) -> int:
    """Tell officers of clocks that run out or have run out, each once; how many lines were new."""
    told = 0
    for event in PublicHealthEvent.objects.filter(status__in=("verifying", "confirmed")):
        for reading in clocks.read_clocks(handbook.clocks(), moments_of(event), now):
            if reading.state not in {"soon", "late"} or reading.clock.key == "data-to-signal":
                continue
            words = "已超时" if reading.state == "late" else "快到时限"
            with transaction.atomic():
                told += tell_officers(
                    level="urgent" if reading.state == "late" else "due", at=now, url=f"/outbreaks/{event.pk}",
                    title=f"{event.number} {reading.clock.title['zh']}{words}", text=event.title,
                    key=f"clock:{event.pk}:{reading.clock.key}:{reading.state}",
                )  # fmt: skip
    return told


def moments_of(event: PublicHealthEvent) -> dict[str, dt.datetime | None]:
    """The clock moments of an event by the names the knowledge file uses."""
    first = event.first_case_on
    return {
        "first_case_at": dt.datetime.combine(first, dt.time(), COUNTY_ZONE) if first else None,
        **{name: getattr(event, name) for name in (
            "data_at", "signal_at", "opened_at", "handled_at", "verified_at", "notified_at", "responded_at", "closed_at"
        )},
    }  # fmt: skip
