"""Non-emergency transport, pure: may he ride, which windows follow from the appointment, what it costs.

Minutes count from midnight of the day of the ride.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from healthbrain.dispatch.rules.darp.model import ALWAYS, Load, Window

type Words = Mapping[str, str]
LONGEST_KM = 5000.0  # one way: across the country; more is a slip of the keyboard


@dataclass(frozen=True, slots=True)
class Posture:
    """places: (seats, wheelchairs, stretchers) taken; board, alight, max_ride in minutes."""

    title: Words
    places: tuple[int, ...]
    board: float
    alight: float
    max_ride: float

    def load(self, companions: int) -> Load:
        """Companions take seats."""
        seats, wheelchairs, stretchers = self.places
        return Load(seats + companions, wheelchairs, stretchers)


@dataclass(frozen=True, slots=True)
class Purpose:
    """return_after: minutes of treatment before the way back, None: one way. long: out of the province."""

    title: Words
    return_after: float | None
    same_vehicle: bool
    long: bool = False


@dataclass(frozen=True, slots=True)
class Fares:
    """Yuan by name (knowledge/transport/rules.yaml: fees), and their words."""

    yuan: Mapping[str, float]
    titles: Mapping[str, Words]


type Line = tuple[str, Decimal]  # name of the fee, yuan


def unfit(answers: Mapping[str, bool], questions: Mapping[str, object]) -> list[str]:
    """Questions answered with yes: each of them calls for 120. A question not answered counts as a yes.

    Nobody rides without a crew that can treat him because somebody skipped a question.
    """
    return [name for name in questions if answers.get(name, True)]


@dataclass(frozen=True, slots=True)
class Wish:
    """When he wants to go. meaning: be there `at` (arrive), or be fetched from `at` on (pickup)."""

    at: float
    meaning: Literal["arrive", "pickup"]


def windows(wish: Wish, *, early: float, span: float) -> tuple[Window, Window]:
    """(pickup, delivery) of the way out: there at most `early` minutes before `at`, or fetched within `span` after."""
    if wish.meaning == "arrive":
        return ALWAYS, Window(max(0.0, wish.at - early), wish.at)
    return Window(wish.at, wish.at + span), ALWAYS


def return_window(wish: Wish, *, treatment: float, ride: float, wait: float) -> Window:
    """Pickup window of the way back: `treatment` minutes after the appointment, waiting no longer than `wait`.

    ride: for a wish to be fetched, how long the way out may take.
    """
    begins = wish.at if wish.meaning == "arrive" else wish.at + ride
    return Window(begins + treatment, begins + treatment + wait)


def fare(fares: Fares, *, km: float, posture: str, companions: int, oxygen: bool) -> list[Line]:
    """Lines of one way, to the full yuan a line. Kilometres within the base fee cost nothing more."""
    yuan = fares.yuan
    lines: list[Line] = [("base", _yuan(yuan["base"]))]
    if (beyond := math.ceil(km - yuan["base_km"])) > 0:
        lines.append(("km", _yuan(beyond * yuan["km"])))
    if posture in yuan:
        lines.append((posture, _yuan(yuan[posture])))
    if (paying := companions - int(yuan["companions_free"])) > 0:
        lines.append(("companion", _yuan(paying * yuan["companion"])))
    if oxygen:
        lines.append(("oxygen", _yuan(yuan["oxygen"])))
    return lines


def waiting_fee(fares: Fares, minutes: float) -> Decimal:
    """What waiting at the door costs, per begun step beyond what is free."""
    beyond = minutes - fares.yuan["waiting_free"]
    return _yuan(max(0, math.ceil(beyond / fares.yuan["waiting_step"])) * fares.yuan["waiting"])


def long_days(km: float, *, kmh: float, hours: float) -> int:
    """Days a vehicle is away for `km` one way: there and back at `kmh`, `hours` of driving a day; 1 at least."""
    return max(1, math.ceil(2.0 * km / kmh / hours))


def _yuan(value: float) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class Spot:
    """A door: what the driver reads, and where it is on the county's roads."""

    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for. back: with the way back; back_at: minute he wants to be fetched there, if he says so.

    trip_km: a trip out of the province, kilometres one way by the caller's word (`target` is its name only).
    """

    resident_id: int
    day: dt.date
    wish: Wish
    purpose: str
    posture: str
    origin: Spot
    target: Spot
    companions: int = 0
    oxygen: bool = False
    infection: str = ""
    answers: Mapping[str, bool] = field(default_factory=dict)
    back: bool = False
    back_at: float | None = None
    trip_km: float | None = None
    channel: str = "desk"
    contact_name: str = ""
    contact_phone: str = ""
