"""Values of the dial-a-ride problem: who wants to ride where and when, which vehicles there are, which plan came out.

Times are minutes since midnight of the day planned (past 1440 = after midnight), durations minutes, costs the unit of
`Instance.cost` (km on roads, Euclidean length in the Cordeau files). A *place* is a row of the travel matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from healthbrain.kernel.errors import Invalid

type Key = int | str


class Window(NamedTuple):
    """Service may begin from `earliest` to `latest`, both included."""

    earliest: float
    latest: float


ALWAYS = Window(0.0, float("inf"))


class Load(NamedTuple):
    """Places by posture: taken by a request (companions take seats), or offered by a vehicle."""

    seats: int = 0
    wheelchairs: int = 0
    stretchers: int = 0


ONE_SEAT = Load(seats=1)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a ride. `minutes` is the service time there: boarding or alighting, by posture; cleaning counts in."""

    place: int
    window: Window = ALWAYS
    minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class After:
    """Wait and return: this ride is the way back of `outward`.

    It may be picked up no sooner than `minutes` (treatment, dialysis) after the outward rider has been set down, that
    is after the end of service at the outward delivery. `same_vehicle`: the crew that brought him takes him back.
    """

    outward: Key
    minutes: float
    same_vehicle: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One ride.

    max_ride: begin of service at the delivery minus departure from the pickup (Cordeau & Laporte 2003).
    needs: equipment the vehicle must carry ("oxygen"). cohort: riders of different cohorts are never on board together
    (infection control; None is a cohort of its own: the uninfected). alone: nobody else on board.
    vehicles: only these may serve it. label: how messages name it.
    """

    key: Key
    pickup: End
    delivery: End
    load: Load = ONE_SEAT
    max_ride: float = float("inf")
    needs: frozenset[str] = frozenset()
    cohort: str | None = None
    alone: bool = False
    vehicles: frozenset[Key] | None = None
    after: After | None = None
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or str(self.key)


@dataclass(frozen=True, slots=True)
class Rest:
    """The driver's break: `minutes` long, begun within `window`, nobody on board, where the vehicle stands then."""

    window: Window
    minutes: float


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle with its crew's shift.

    layouts: what it can carry, one entry per way its places can be converted; at every moment the riders must fit one.
    max_minutes: longest time from leaving `start` to being back at `end`.
    """

    key: Key
    start: int
    end: int
    layouts: tuple[Load, ...]
    shift: Window = ALWAYS
    max_minutes: float = float("inf")
    equipment: frozenset[str] = frozenset()
    rest: Rest | None = None


@dataclass(frozen=True, eq=False)
class Instance:
    """A day to plan. `minutes` and `cost`: (places, places) matrices from row to column.

    The travel matrix should satisfy the triangle inequality, as shortest paths do; where it does not, plans stay
    correct but the search may overlook some. Raises Invalid when keys repeat or a place is off the matrix.
    """

    requests: tuple[Request, ...]
    vehicles: tuple[Vehicle, ...]
    minutes: np.ndarray
    cost: np.ndarray
    name: str = ""

    def __post_init__(self) -> None:
        for what, keys in (("request", [r.key for r in self.requests]), ("vehicle", [v.key for v in self.vehicles])):
            if len(set(keys)) != len(keys):
                raise Invalid(f"The same {what} is listed twice.", hint="Give each its own key.")
        if not self.vehicles:
            raise Invalid("There is no vehicle.", hint="A plan needs at least one.")
        self._check_places()

    def _check_places(self) -> None:
        size = len(self.minutes)
        if self.minutes.shape != (size, size) or self.cost.shape != (size, size):
            raise Invalid("Travel times and costs must be square and of the same size.")
        if not np.isfinite(self.cost).all() or np.isnan(self.minutes).any() or (self.minutes < 0).any():
            raise Invalid("Travel times must be numbers not below zero.", hint="Use inf in `minutes` for no way.")
        places = [end.place for r in self.requests for end in (r.pickup, r.delivery)]
        places += [place for v in self.vehicles for place in (v.start, v.end)]
        if places and not 0 <= min(places) <= max(places) < size:
            raise Invalid(f"A place lies outside the travel matrix of {size} places.")

    def request(self, key: Key) -> Request:
        """The request of this key; KeyError when there is none."""
        found = next((r for r in self.requests if r.key == key), None)
        if found is None:
            raise KeyError(key)
        return found

    def with_requests(self, requests: tuple[Request, ...]) -> Instance:
        return replace(self, requests=requests)


type Act = Literal["start", "pickup", "delivery", "rest", "end"]


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop of a plan: wheels stop at `arrival`, service begins at `begin`, wheels roll at `departure`."""

    act: Act
    place: int
    arrival: float
    begin: float
    departure: float
    request: Key | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """What one vehicle does, from its start to its end; `cost` of the way driven."""

    vehicle: Key
    stops: tuple[Stop, ...]
    cost: float


@dataclass(frozen=True, slots=True)
class Unserved:
    """A request no vehicle takes, and why (Chinese and English)."""

    request: Key
    reason: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Solution:
    """Routes of the vehicles that are used, what they cost together, who stays behind, and how long was searched."""

    routes: tuple[Route, ...]
    cost: float
    unserved: tuple[Unserved, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    iterations: int = 0

    def begins(self, act: Act) -> dict[Key, float]:
        """Begin of service per request, at its pickups or deliveries."""
        found = (stop for route in self.routes for stop in route.stops if stop.act == act)
        return {stop.request: stop.begin for stop in found if stop.request is not None}

    def vehicle_of(self, request: Key) -> Key | None:
        """The vehicle that serves this request; None when nobody does."""
        for route in self.routes:
            if any(stop.request == request for stop in route.stops):
                return route.vehicle
        return None


@dataclass(frozen=True, slots=True)
class Promise:
    """What somebody was told: a window at the door and, if it was told too, at the destination; perhaps the vehicle."""

    pickup: Window
    delivery: Window | None = None
    vehicle: Key | None = None


type Promises = Mapping[Key, Promise]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A day as it stands: the requests, the routes, and what was promised to whom."""

    instance: Instance
    solution: Solution
    promises: Promises = field(default_factory=dict)


def meet(one: Window, other: Window) -> Window:
    """The time both windows allow; earliest > latest when there is none."""
    return Window(max(one.earliest, other.earliest), min(one.latest, other.latest))


def clock_text(minutes: float) -> str:
    """07:05 of 425; a plus day is written +1."""
    if not np.isfinite(minutes):
        return "--:--"
    whole = round(minutes)
    day, rest = divmod(whole, 1440)
    return f"{rest // 60:02d}:{rest % 60:02d}" + (f"+{day}" if day else "")
