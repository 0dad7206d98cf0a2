"""Words of the transport desks, in the page's language."""

from __future__ import annotations

from typing import Any

from healthbrain.desks.i18n import said, t
from healthbrain.dispatch import knowledge_transport as knowledge

STATES = {  # shown state → (tone of the badge, Chinese, English)
    "planned": ("upcoming", "已安排", "planned"),
    "on-way": ("due", "接人途中", "on the way"),
    "on-board": ("running", "在车上", "on board"),
    "done": ("done", "已送达", "set down"),
    "cancelled": ("cancelled", "已取消", "cancelled"),
    "no-show": ("cancelled", "未乘车", "nobody came"),
    "unserved": ("urgent", "未能安排", "no vehicle"),
    "stranded": ("urgent", "车辆不可用", "vehicle gone"),
    "late": ("overdue", "已晚点", "late"),
}
BOOKINGS = {
    "offered": ("待确认", "offered"),
    "booked": ("已预约", "booked"),
    "refused": ("未受理", "refused"),
    "cancelled": ("已取消", "cancelled"),
    "done": ("已完成", "done"),
}
LEGS = {"out": ("去程", "out"), "back": ("回程", "back")}
AWAY = {"off": ("停用", "out of service"), "mass": ("群伤征调", "at a mass casualty"), "long": ("长途", "long trip")}
CHANNELS = {
    "self": ("本人", "himself"),
    "family": ("家属", "family"),
    "ward": ("医生", "doctor"),
    "desk": ("转运中心", "centre"),
}


def clock(minutes: float | None) -> str:
    """7:05; a dash for what is not planned."""
    if minutes is None:
        return "—"
    whole = round(minutes)
    return f"{whole // 60 % 24}:{whole % 60:02d}"


def window(pair: tuple[float, float] | None) -> str:
    return t("未告知", "not told") if pair is None else f"{clock(pair[0])}–{clock(pair[1])}"


def asked(four: tuple[float | None, float | None, float | None, float | None]) -> str:
    """What was asked for: there by, or fetched from."""
    pickup_from, _, _, deliver_until = four
    if deliver_until is not None:
        return t("{at} 前到", "there by {at}", at=clock(deliver_until))
    return t("{at} 起接", "fetched from {at}", at=clock(pickup_from))


def purpose(key: str) -> str:
    return said(knowledge.purposes()[key].title) if key in knowledge.purposes() else key


def posture(key: str) -> str:
    return said(knowledge.postures()[key].title) if key in knowledge.postures() else key


def fee_word(name: str) -> str:
    return said(knowledge.fares().titles.get(name, name))


def reason(key: str) -> str:
    """Why a booking was refused, in the words of the question."""
    row = knowledge.questions().get(key)
    return said(row["ask"]).rstrip("？?") if row else key


def context() -> dict[str, Any]:
    """For every template of these desks."""
    return {
        "state": lambda key: STATES.get(key, ("unknown", key, key)),
        "booking_word": lambda key: t(*BOOKINGS[key]),
        "leg_word": lambda key: t(*LEGS[key]),
        "away_word": lambda key: t(*AWAY[key]),
        "channel_word": lambda key: t(*CHANNELS[key]),
        "clock": clock,
        "window": window,
        "asked_word": asked,
        "purpose_word": purpose,
        "posture_word": posture,
        "fee_word": fee_word,
        "reason_word": reason,
        "cohort_word": lambda key: said(knowledge.cohorts().get(key, key)),
    }
