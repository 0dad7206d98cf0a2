"""The timeline of a mission: which step follows which, whose clock to believe, how long each stretch took.

Steps are the NEMSIS 3.5 eTimes in the words used here; cancel, upgrade and divert may come at any moment.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# kind → NEMSIS 3.5 element, or "" where NEMSIS has none.
KINDS: dict[str, str] = {
    "ring": "eTimes.01",  # PSAP call
    "answered": "eTimes.02",  # dispatch notified
    "located": "",
    "triaged": "",
    "assigned": "eTimes.03",  # unit notified
    "acknowledged": "eTimes.04",
    "rolling": "eTimes.05",  # unit en route
    "on-scene": "eTimes.06",
    "at-patient": "eTimes.07",
    "left-scene": "eTimes.09",
    "at-hospital": "eTimes.11",
    "handover": "eTimes.12",
    "available": "eTimes.13",  # back in service
    "at-station": "eTimes.15",
    "cancelled": "eTimes.14",
    "upgraded": "",
    "diverted": "",
    "reassigned": "",
    "silent": "",
    "lost": "",
}
STEPS = (  # what a crew does, in order
    "acknowledged", "rolling", "on-scene", "at-patient", "left-scene", "at-hospital", "handover", "available",
)  # fmt: skip
STATUS_AFTER = {  # what the vehicle is doing after a step
    "assigned": "assigned",
    "acknowledged": "assigned",
    "rolling": "rolling",
    "on-scene": "on-scene",
    "at-patient": "on-scene",
    "left-scene": "transporting",
    "at-hospital": "at-hospital",
    "handover": "clearing",
    "available": "returning",
    "cancelled": "returning",
    "reassigned": "returning",
    "at-station": "idle",
}


@dataclass(frozen=True, slots=True)
class Stamped:
    """When a step was, by the server's clock. `skew`: seconds the device's clock was ahead; `doubtful`: shown."""

    at: dt.datetime
    skew: float
    doubtful: bool


def stamp(received: dt.datetime, pressed: dt.datetime | None, sent: dt.datetime | None, *, tolerance: float) -> Stamped:
    """The moment of a press, on the server's clock: received − (sent − pressed), both read off the same device.

    Only the difference of two readings of the device's clock is used, so a clock off by an hour costs nothing and a
    press kept through a dead zone keeps its real moment. Without both readings, the moment of arrival holds.
    `tolerance` in seconds: beyond it the clock is called doubtful and shown.
    """
    if pressed is None or sent is None:
        return Stamped(received, 0.0, False)
    skew = (sent - received).total_seconds()
    waited = (sent - pressed).total_seconds()
    if waited < 0:  # the clock was set back between the press and the send: neither reading can be used
        return Stamped(received, skew, True)
    return Stamped(received - dt.timedelta(seconds=waited), skew, abs(skew) > tolerance)


def next_step(done: Iterable[str]) -> str:
    """The next button of the crew's phone; "" when the mission is over."""
    reached = [STEPS.index(kind) for kind in done if kind in STEPS]
    following = max(reached, default=-1) + 1
    return STEPS[following] if following < len(STEPS) else ""


def allowed_steps(done: Iterable[str]) -> tuple[str, ...]:
    """Steps that may come now: the next one and any later (a press may be missed), never one before the last."""
    following = next_step(done)
    return STEPS[STEPS.index(following) :] if following else ()


def stretches(times: Mapping[str, dt.datetime]) -> dict[str, float]:
    """Seconds of each stretch whose both ends are known, by name; never negative.

    answer, decide, turnout, travel, scene, transport, handover, response (ring → on scene), mission.
    """
    pairs = {
        "answer": ("ring", "answered"),
        "decide": ("answered", "assigned"),
        "turnout": ("assigned", "rolling"),
        "travel": ("rolling", "on-scene"),
        "response": ("ring", "on-scene"),
        "scene": ("on-scene", "left-scene"),
        "transport": ("left-scene", "at-hospital"),
        "handover": ("at-hospital", "handover"),
        "mission": ("assigned", "available"),
    }
    return {
        name: max(0.0, (times[end] - times[start]).total_seconds())
        for name, (start, end) in pairs.items()
        if start in times and end in times
    }


@dataclass(frozen=True, slots=True)
class Clock:
    """One running clock of the desk."""

    name: str
    seconds: float
    limit: float | None

    @property
    def over(self) -> bool:
        return self.limit is not None and self.seconds > self.limit


def running_clock(times: Mapping[str, dt.datetime], now: dt.datetime, limits: Mapping[str, float]) -> Clock | None:
    """The clock that runs now: the first stretch begun and not ended. None when the mission is over."""
    for name, start, end in (
        ("answer", "ring", "answered"),
        ("decide", "answered", "assigned"),
        ("turnout", "assigned", "rolling"),
        ("response", "ring", "on-scene"),
        ("scene", "on-scene", "left-scene"),
        ("transport", "left-scene", "at-hospital"),
        ("handover", "at-hospital", "handover"),
    ):
        if start in times and end not in times and not _later_known(times, end):
            return Clock(name, max(0.0, (now - times[start]).total_seconds()), limits.get(name))
    return None


def _later_known(times: Mapping[str, dt.datetime], kind: str) -> bool:
    """Was a later step reached although this one was missed?"""
    order: Sequence[str] = list(KINDS)
    return any(other in times for other in order[order.index(kind) + 1 : order.index("at-station") + 1])
