"""Words of the emergency desks, in the page's language."""

from __future__ import annotations

from typing import Any

from healthbrain.desks.i18n import said, t
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.rules.timeline import Clock

STATES = {
    "ringing": ("振铃", "ringing"),
    "open": ("受理中", "taking"),
    "waiting": ("待派", "waiting"),
    "running": ("执行中", "running"),
    "closed": ("结束", "closed"),
    "merged": ("已并入", "merged"),
    "cancelled": ("已取消", "cancelled"),
}
STATUSES = {
    "idle": ("在站", "at station"),
    "assigned": ("未出车", "not yet rolling"),
    "rolling": ("赶往现场", "to the scene"),
    "on-scene": ("现场", "on scene"),
    "transporting": ("送院", "to hospital"),
    "at-hospital": ("交接", "handing over"),
    "clearing": ("整备", "clearing"),
    "returning": ("返站", "returning"),
    "off": ("停用", "off"),
}
KINDS = {
    "ring": ("振铃", "Ring"),
    "answered": ("接听", "Answered"),
    "located": ("定位", "Located"),
    "triaged": ("分级", "Triaged"),
    "assigned": ("派车", "Assigned"),
    "acknowledged": ("确认", "Acknowledged"),
    "rolling": ("出车", "Rolling"),
    "on-scene": ("到达现场", "On scene"),
    "at-patient": ("见到病人", "At patient"),
    "left-scene": ("离开现场", "Left scene"),
    "at-hospital": ("到达医院", "At hospital"),
    "handover": ("交接完成", "Handed over"),
    "available": ("可再派", "Available"),
    "at-station": ("回到站点", "At station"),
    "cancelled": ("取消", "Cancelled"),
    "upgraded": ("改级", "Priority changed"),
    "diverted": ("改送", "Diverted"),
    "reassigned": ("改派", "Reassigned"),
    "silent": ("位置静默", "Silent"),
    "lost": ("失联", "Lost"),
}
CLOCKS = {
    "answer": ("接听", "answer"),
    "decide": ("派车", "assign"),
    "turnout": ("出车", "turnout"),
    "response": ("到达", "arrive"),
    "scene": ("现场", "scene"),
    "transport": ("送院", "transport"),
    "handover": ("交接", "handover"),
}
SOURCES = {
    "button": ("按键", "button"),
    "fence": ("定位", "position"),
    "manual": ("补录", "manual"),
    "system": ("系统", "system"),
}
ALARMS = {
    "destination-closed": ("目的医院已停收", "destination closed"),
    "lost": ("车辆失联", "vehicle lost"),
    "silent": ("位置静默", "no position"),
}


POLICIES = {  # of the simulation (dispatch.queries.planning)
    "closest": ("最近空闲车，不改派", "Closest free vehicle, nobody is called off"),
    "reassignment": (
        "最近车，危急可改派（本系统默认）",
        "Reassignment: priority 1 may take a vehicle under way (the default)",
    ),
    "reassignment+tolerance": (
        "最近车，可改派；非危急兼顾覆盖",
        "Reassignment; below priority 1 with an eye on coverage",
    ),
    "reassignment+dmexclp": (
        "最近车，可改派；空闲车机动补位",
        "Reassignment; free vehicles move up where cover is short",
    ),
    "reassignment+compliance": (
        "最近车，可改派；空闲车按待命表站位",
        "Reassignment; free vehicles follow a compliance table",
    ),
}


def word(table: dict[str, tuple[str, str]], key: str) -> str:
    """The word of a key; the key itself when there is none."""
    return t(*table[key]) if key in table else key


def suspected(key: str) -> str:
    return said(knowledge.types().get(key, {}).get("title", key))


def priority(number: int | None) -> str:
    return said(knowledge.priorities()[number]["title"]) if number else t("未分级", "no priority")


def kind_of_vehicle(key: str) -> str:
    return said(knowledge.vehicle_kinds().get(key, {}).get("title", key))


def capability(key: str) -> str:
    return said(knowledge.capabilities().get(key, key))


def minutes(seconds: float | None) -> str:
    """7:05, 2:07:05; a dash for what is not known."""
    if seconds is None:
        return "—"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


ROADS = {  # OpenStreetMap's classes; "street" where a file carries speeds only
    "motorway": ("高速公路", "Motorway"),
    "motorway_link": ("高速匝道", "Motorway link"),
    "trunk": ("快速路", "Trunk road"),
    "trunk_link": ("快速路匝道", "Trunk link"),
    "primary": ("主干路", "Primary road"),
    "primary_link": ("主干路匝道", "Primary link"),
    "secondary": ("次干路", "Secondary road"),
    "secondary_link": ("次干路匝道", "Secondary link"),
    "tertiary": ("支路", "Tertiary road"),
    "tertiary_link": ("支路匝道", "Tertiary link"),
    "unclassified": ("乡村道路", "Minor road"),
    "residential": ("居民区道路", "Residential street"),
    "living_street": ("生活街道", "Living street"),
    "service": ("内部道路", "Service road"),
    "street": ("街道", "Street"),
}
LOCATED = {
    "address": ("按地址", "by address"),
    "map": ("按地图点", "by map"),
    "caller": ("按来电记录", "by caller"),
    "typed": ("手工", "typed"),
}


def note(kind: str, text: str) -> str:
    """The note of a moment on the timeline, its codes in words."""
    if kind == "located":
        return word(LOCATED, text)
    if kind == "triaged":
        key, _, level = text.partition(" ")
        return f"{suspected(key)} {priority(int(level)) if level.isdigit() else level}".strip()
    return said(knowledge.overrides().get(text, text)) if kind == "assigned" else text


def clock(running: Clock | None) -> str:
    return "" if running is None else f"{t(*CLOCKS[running.name])} {minutes(running.seconds)}"


def context() -> dict[str, Any]:
    """The words a template asks for."""
    return {
        "state_word": lambda key: word(STATES, key),
        "status_word": lambda key: word(STATUSES, key),
        "step_word": lambda key: word(KINDS, key),
        "clock_word": lambda key: word(CLOCKS, key),
        "source_word": lambda key: word(SOURCES, key),
        "alarm_word": lambda key: word(ALARMS, key),
        "suspected_word": suspected,
        "priority_word": priority,
        "vehicle_word": kind_of_vehicle,
        "capability_word": capability,
        "minutes": minutes,
        "note_word": note,
        "road_word": lambda key: word(ROADS, key),
        "located_word": lambda key: word(LOCATED, key),
    }
