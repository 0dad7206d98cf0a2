"""Words of the home-care desks and the reading of their forms."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from typing import Any

from django.http import HttpRequest

from healthbrain.desks.i18n import said, t
from healthbrain.desks.shell import as_of
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.queries.homecare import Stop
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Invalid

STATES = {  # status of a visit → (tone of the badge, Chinese, English)
    "planned": ("upcoming", "待上门", "to visit"),
    "arrived": ("running", "已到达", "there"),
    "done": ("done", "已完成", "done"),
    "no-show": ("cancelled", "家中无人", "nobody home"),
    "cancelled": ("cancelled", "已取消", "cancelled"),
    "uncovered": ("urgent", "未能安排", "not covered"),
}
CHANNELS = {
    "self": ("本人申请", "Applied for himself"),
    "family": ("家属申请", "The family applied"),
    "worker": ("社区健康工作者代办", "A health worker applied"),
    "doctor": ("家庭医生推荐", "The family doctor recommends"),
    "hospital": ("医院转介", "Referred by a hospital"),
}
WEEKDAYS = (("一", "Mon"), ("二", "Tue"), ("三", "Wed"), ("四", "Thu"), ("五", "Fri"), ("六", "Sat"), ("日", "Sun"))
TAUGHT = {"shown": ("已示范", "shown"), "alone": ("能独立做", "did it alone")}


def time_of(minutes: float | None) -> str:
    """8:05; a dash for what is not planned."""
    if minutes is None:
        return "—"
    whole = round(minutes)
    return f"{whole // 60 % 24}:{whole % 60:02d}"


def begins_now(stop: Stop) -> float | None:
    """When a visit is to begin: as planned, or when the family was told anew because the nurse is late."""
    if stop.told is not None and stop.status == "planned" and (stop.begins or 0.0) < stop.told[0]:
        return stop.told[0]
    return stop.begins


def window(pair: tuple[float, float] | None) -> str:
    return "—" if pair is None else f"{time_of(pair[0])}–{time_of(pair[1])}"


def weekdays(days: tuple[int, ...]) -> str:
    """周一、三 · Mon, Wed."""
    if len(days) == 7:
        return t("每天", "daily")
    return t("周", "") + t("、", ", ").join(t(*WEEKDAYS[d]) for d in days)


def state(status: str) -> tuple[str, str]:
    """Tone and word of a badge."""
    tone, zh, en = STATES[status]
    return tone, t(zh, en)


def context() -> dict[str, Any]:
    """What every home-care template may use."""
    return {
        "time_of": time_of,
        "begins_now": begins_now,
        "window": window,
        "weekdays_word": weekdays,
        "state_word": state,
        "channel_word": lambda key: t(*CHANNELS[key]),
        "taught_word": lambda key: t(*TAUGHT[key]),
        "skill_word": lambda key: said(knowledge.skills().get(key, key)),
        "knowledge_verified": knowledge.verified(),
        "fresh": lambda: str(uuid.uuid4()),
    }


def moment(request: HttpRequest) -> dt.datetime:
    """Now, on the day the page speaks of."""
    now = clock.now()
    return dt.datetime.combine(as_of(request), now.timetz())


def typed(request: HttpRequest) -> dict[str, str]:
    """What was typed, so that a refused form comes back as it was; "" for the rest."""
    return defaultdict(str, {name: str(request.POST[name]) for name in request.POST})


def clock_time(request: HttpRequest, name: str) -> dt.time:
    try:
        return dt.time.fromisoformat(request.POST.get(name, "").strip())
    except ValueError as error:
        raise Invalid(t("时间写成 14:10 这样", "Write the time like 14:10")) from error


def day_of(text: str, otherwise: dt.date) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return otherwise
