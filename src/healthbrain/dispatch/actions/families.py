"""What families are told of visits and rides: a line in the inbox of the resident and of who acts for him, and an SMS.

Names are masked: a text message may be read by anybody near the phone. Both languages stand in each message.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.models import Application, HomeVisit, Ride
from healthbrain.kernel.masking import mask_name
from healthbrain.notices import actions as notices


def clock(minutes: float | None) -> str:
    """8:05 of minutes since midnight."""
    whole = round(minutes or 0.0)
    return f"{whole // 60 % 24}:{whole % 60:02d}"


def visit_key(visit: HomeVisit) -> str:
    """The message about the window that stands now: a new window is told anew, the same one once."""
    return f"home-visit:{visit.pk}:{round(visit.promised_from or 0)}"


def told(visits: Iterable[HomeVisit], at: dt.datetime) -> None:
    """The windows fixed for these visits."""
    for visit in visits:
        zh, en = _what(visit)
        _visit(visit, at, f"{zh}：{_when(visit)} 上门 · {en}", visit_key(visit))


def late(visits: Iterable[HomeVisit], at: dt.datetime) -> None:
    """The window has moved: the nurse is late."""
    for visit in visits:
        zh, en = _what(visit)
        text = f"{zh}：护士晚到，改为 {_when(visit)} · {en}: the nurse is late, now {_when(visit)}"
        _visit(visit, at, text, visit_key(visit), level="urgent")


def dropped(visits: Iterable[HomeVisit], at: dt.datetime) -> None:
    """Told, and nobody can come."""
    for visit in visits:
        zh, en = _what(visit)
        text = f"{zh}：原定 {_when(visit)} 暂时不能上门，护士会电话联系 · {en}: cannot come as told, a nurse will call"
        _visit(visit, at, text, f"home-visit:{visit.pk}:dropped:{round(visit.promised_from or 0)}", level="urgent")


def _what(visit: HomeVisit) -> tuple[str, str]:
    title, name = knowledge.services()[visit.service].title, mask_name(visit.bed.resident.name)
    return f"{name} {title['zh']}", f"{name} {title['en']}"


def _when(visit: HomeVisit) -> str:
    return f"{visit.day.month}-{visit.day.day} {clock(visit.promised_from)}–{clock(visit.promised_until)}"


def _visit(visit: HomeVisit, at: dt.datetime, title: str, key: str, level: str = "due") -> None:
    bed = visit.bed
    asked = bed.application.contact_phone if bed.application else ""
    notices.tell_resident(
        bed.resident_id, title=title, at=at, phone=asked or bed.resident.phone or "", level=level,
        url="/homecare/apply", key=key,
    )  # fmt: skip


def decided(application: Application, at: dt.datetime, zh: str, en: str) -> None:
    """What became of an application."""
    name = mask_name(application.resident.name)
    notices.tell_resident(
        application.resident_id, title=f"{name} 居家护理申请：{zh} · {name} home care: {en}", at=at,
        phone=application.contact_phone or application.resident.phone or "", url="/homecare/apply",
        key=f"home-application:{application.pk}",
    )  # fmt: skip


def ride(one: Ride, at: dt.datetime, zh: str, en: str, *, key: str, level: str = "due") -> None:
    """Something about a ride its family must know."""
    booking, name = one.booking, mask_name(one.booking.resident.name)
    day = f"{one.day.month}-{one.day.day}"
    notices.tell_resident(
        booking.resident_id, title=f"{name} {day} 转运：{zh} · {name} transport {day}: {en}", at=at, level=level,
        phone=booking.contact_phone or booking.resident.phone or "", url="/transport/book", key=key,
    )  # fmt: skip
