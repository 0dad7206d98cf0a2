"""Values of home-care routing: nurses, visits, a day's plan, a week's plan, and what happens during a day.

Times are minutes since midnight of the day, durations minutes. A *place* is a row of the matrix of driving minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from healthbrain.dispatch.rules.darp.model import Key, Rest, Window
from healthbrain.kernel.errors import Invalid

ANYBODY: tuple[frozenset[str], ...] = (frozenset(),)


@dataclass(frozen=True, slots=True)
class Nurse:
    """One nurse on one day: where the tour starts and ends, the shift, the break, the skills."""

    key: Key
    start: int
    end: int
    shift: Window
    skills: frozenset[str] = frozenset()
    rest: Rest | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """Sequential services: begins `earliest`..`latest` minutes after the begin of another visit of the day."""

    visit: Key
    earliest: float
    latest: float = float("inf")


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit to one patient.

    needs: the skills of each person who comes, one set per person; two sets = two nurses who begin together.
    following: not before (and not too long after) another visit. usual: the minute the patient is used to; None if new.
    nurses: only these may come; refused: these may not. priority: above 1 counts that many times when not all fit.
    """

    key: Key
    patient: Key
    place: int
    window: Window
    minutes: float
    needs: tuple[frozenset[str], ...] = ANYBODY
    following: Following | None = None
    usual: float | None = None
    nurses: frozenset[Key] | None = None
    refused: frozenset[Key] = frozenset()
    priority: float = 1.0


@dataclass(frozen=True, slots=True)
class Pin:
    """A visit that may not move: who comes (all of them), and the told window of its begin."""

    nurses: frozenset[Key] | None = None
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """What a minute of driving is weighed against. Amounts are in minutes of driving.

    newcomer: a nurse who has not been with this patient before. off_usual: per minute beyond `tolerance` away from the
    usual time. unfair: per minute a nurse works above the mean of the day, spread by squares (60 over costs 60 times
    this, 30 over a quarter of it). moved, given_away: repair only, per minute a begin moves, per visit changing hands.
    """

    newcomer: float = 15.0
    off_usual: float = 0.2
    tolerance: float = 30.0
    unfair: float = 0.1
    moved: float = 0.1
    given_away: float = 10.0


PLAIN = Weights(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # driving only


@dataclass(frozen=True, eq=False)
class Day:
    """A day to plan. `minutes`: (places, places) driving minutes. Raises Invalid on repeated keys or unknown places."""

    nurses: tuple[Nurse, ...]
    visits: tuple[Visit, ...]
    minutes: np.ndarray

    def __post_init__(self) -> None:
        for what, keys in (("nurse", [n.key for n in self.nurses]), ("visit", [v.key for v in self.visits])):
            if len(set(keys)) != len(keys):
                raise Invalid(f"The same {what} is listed twice.", hint="Give each its own key.")
        places = [v.place for v in self.visits] + [place for n in self.nurses for place in (n.start, n.end)]
        if places and not 0 <= min(places) <= max(places) < len(self.minutes):
            raise Invalid(f"A place lies outside the travel matrix of {len(self.minutes)} places.")
        known = {v.key for v in self.visits}
        for visit in self.visits:
            if visit.following and visit.following.visit not in known:
                raise Invalid(f"Visit {visit.key} follows visit {visit.following.visit}, which is not of this day.")


@dataclass(frozen=True, slots=True)
class Call:
    """One nurse at one door: wheels stop at `arrival`, the visit runs from `begin` to `end`. visit None = the break."""

    visit: Key | None
    place: int
    arrival: float
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Tour:
    """A nurse's day: leaves and is back (minutes of the day), minutes driving, minutes working (driving and visits)."""

    nurse: Key
    calls: tuple[Call, ...]
    leaves: float
    back: float
    driving: float
    working: float


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A visit nobody makes, and why (Chinese and English)."""

    visit: Key
    reason: tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class DayPlan:
    """Tours of all nurses who drive; `cost` is the weighed sum the search minimised."""

    day: Day
    tours: tuple[Tour, ...]
    driving: float
    cost: float
    uncovered: tuple[Uncovered, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    iterations: int = 0

    def nurses_of(self) -> dict[Key, tuple[Key, ...]]:
        """Who makes each visit."""
        found: dict[Key, tuple[Key, ...]] = {}
        for tour in self.tours:
            for call in tour.calls:
                if call.visit is not None:
                    found[call.visit] = (*found.get(call.visit, ()), tour.nurse)
        return found

    def begins(self) -> dict[Key, float]:
        """When each visit begins; of two nurses the later arrival decides, so both carry the same begin."""
        return {call.visit: call.begin for tour in self.tours for call in tour.calls if call.visit is not None}


@dataclass(frozen=True, slots=True, eq=False)
class WeekPlan:
    """Days in order; the nurses each patient meets in the week; minutes each nurse works in it."""

    days: tuple[DayPlan, ...]
    faces: Mapping[Key, frozenset[Key]]
    working: Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class NurseOut:
    """From `since` on this nurse makes no visit (ill, called away). Visits she has begun before stand."""

    nurse: Key
    since: float


@dataclass(frozen=True, slots=True)
class NoShow:
    """The patient was not at home or has cancelled: the visit falls away."""

    visit: Key


@dataclass(frozen=True, slots=True)
class Urgent:
    """A visit that was not planned."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class Overrun:
    """The visit takes until `until`, longer than planned."""

    visit: Key
    until: float


type Event = NurseOut | NoShow | Urgent | Overrun


@dataclass(frozen=True, slots=True)
class Change:
    """What a repair changed for one visit. begin None = no such visit before or after; why in Chinese and English."""

    visit: Key
    was: tuple[Key, ...]
    now: tuple[Key, ...]
    was_begin: float | None
    now_begin: float | None
    why: tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """The plan from now on, and its differences from the old one, largest first."""

    plan: DayPlan
    changes: tuple[Change, ...] = field(default_factory=tuple)
