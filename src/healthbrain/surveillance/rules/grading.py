"""Is an event reportable, by when, and of which grade: criteria are knowledge, counted over rolling windows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ORDER = ("I", "II", "III", "IV")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One entry of the file: all its conditions must hold. None or empty = not asked."""

    key: str
    source: str
    diseases: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    window_days: int | None = None
    cases: int | None = None
    deaths: int | None = None
    hospitalised: int | None = None
    deadline: str = ""
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Criteria:
    """The whole file."""

    reportable: tuple[Criterion, ...]
    grades: tuple[Criterion, ...]
    hours: Mapping[str, float]  # deadline → hours
    sources: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an event. `onsets`: day of onset (or of report, when onset is unknown) of every case that is
    not excluded."""

    disease: str
    setting: str
    onsets: Sequence[dt.date]
    deaths: int = 0
    hospitalised: int = 0


@dataclass(frozen=True, slots=True)
class Met:
    """A criterion that holds: how many cases it saw, in which window."""

    criterion: Criterion
    seen: int
    first: dt.date | None
    last: dt.date | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Criteria met (the most urgent first), the best grade or "", and the hours of the shortest deadline or None."""

    met: tuple[Met, ...]
    grade: str
    graded_by: Met | None
    hours: float | None = None
    asked_by: Met | None = field(default=None)

    def due(self, since: dt.datetime) -> dt.datetime | None:
        """When the report has to be in, counted from `since` (the verification)."""
        return None if self.hours is None else since + dt.timedelta(hours=self.hours)


def _criterion(entry: Mapping[str, Any]) -> Criterion:
    made = Criterion(
        key=entry.get("key", f"grade-{entry.get('grade', '')}"),
        source=entry["source"],
        diseases=tuple(entry.get("diseases", ())),
        settings=tuple(entry.get("settings", ())),
        window_days=entry.get("window_days"),
        cases=entry.get("cases"),
        deaths=entry.get("deaths"),
        hospitalised=entry.get("hospitalised"),
        deadline=entry.get("deadline", ""),
        grade=entry.get("grade", ""),
    )
    if made.cases is None and made.deaths is None and made.hospitalised is None:
        raise ValueError(f"{made.key}: asks for nothing")
    return made


def parse_criteria(data: Mapping[str, Any]) -> Criteria:
    """The criteria of a knowledge file. Raises ValueError when one names an unknown source, grade or deadline."""
    found = Criteria(
        tuple(_criterion(entry) for entry in data["reportable"]),
        tuple(_criterion(entry) for entry in data["grades"]),
        {key: float(value["hours"]) for key, value in data["deadlines"].items()},
        data["sources"],
    )
    for one in (*found.reportable, *found.grades):
        if one.source not in found.sources:
            raise ValueError(f"{one.key}: unknown source {one.source}")
        if one.deadline and one.deadline not in found.hours:
            raise ValueError(f"{one.key}: unknown deadline {one.deadline}")
    if any(one.grade not in ORDER for one in found.grades):
        raise ValueError("a grade is I, II, III or IV")
    return found


def densest(onsets: Sequence[dt.date], days: int | None) -> tuple[int, dt.date | None, dt.date | None]:
    """The most onsets inside any `days` consecutive days (None = over all), and the first and last of them.

    Rolling windows, not calendar weeks: a week that begins on a Wednesday counts like any other.
    """
    ordered = sorted(onsets)
    if not ordered:
        return 0, None, None
    if days is None:
        return len(ordered), ordered[0], ordered[-1]
    best, first, last, left = 0, None, None, 0
    for right, day in enumerate(ordered):
        while (day - ordered[left]).days >= days:
            left += 1
        if right - left + 1 > best:
            best, first, last = right - left + 1, ordered[left], day
    return best, first, last


def _holds(one: Criterion, known: Known) -> Met | None:
    if one.diseases and known.disease not in one.diseases:
        return None
    if one.settings and known.setting not in one.settings:
        return None
    if one.deaths is not None and known.deaths < one.deaths:
        return None
    if one.hospitalised is not None and known.hospitalised < one.hospitalised:
        return None
    seen, first, last = densest(known.onsets, one.window_days)
    if one.cases is not None and seen < one.cases:
        return None
    return Met(one, seen, first, last)


def judge(criteria: Criteria, known: Known) -> Verdict:
    """Which criteria an event meets. The shortest deadline counts; of the grades, the most serious."""
    met = [found for one in criteria.reportable if (found := _holds(one, known))]
    met.sort(key=lambda m: criteria.hours[m.criterion.deadline])
    graded = [found for one in criteria.grades if (found := _holds(one, known))]
    graded.sort(key=lambda m: ORDER.index(m.criterion.grade))
    best, asked = (graded[0] if graded else None), (met[0] if met else None)
    return Verdict(
        tuple(met), best.criterion.grade if best else "", best,
        criteria.hours[asked.criterion.deadline] if asked else None, asked,
    )  # fmt: skip
