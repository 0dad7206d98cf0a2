"""One resident over all institutions: the ledger's events grouped the way a doctor reads a record. Pure functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from healthbrain.records.queries.ledger import LedgerEvent
from healthbrain.records.terms import Interval, Term, term

CURRENT_MEDICATION_DAYS = 90  # the longest prescription allowed for stable chronic disease is 12 weeks, plus a few days


@dataclass(frozen=True, slots=True)
class Point:
    """One result: when, what, where, and whether it lies outside its interval ("", "high", "low")."""

    event_id: int
    at: dt.datetime
    value: float | None
    text: str | None
    unit: str
    organisation: str
    resource: UUID
    implausible: bool
    outside: str


@dataclass(frozen=True, slots=True)
class Series:
    """All results of one code, newest first."""

    term: Term
    interval: Interval | None
    points: tuple[Point, ...]

    @property
    def latest(self) -> Point:
        return next((point for point in self.points if not point.implausible), self.points[0])

    @property
    def unit(self) -> str:
        return self.latest.unit


@dataclass(frozen=True, slots=True)
class Panel:
    """Series drawn in one chart (systolic and diastolic), or one alone."""

    key: str
    series: tuple[Series, ...]

    @property
    def latest_at(self) -> dt.datetime:
        return max(series.latest.at for series in self.series)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    term: Term
    first: dt.datetime
    last: dt.datetime
    times: int
    status: str
    organisations: tuple[str, ...]
    resource: UUID


@dataclass(frozen=True, slots=True)
class Medication:
    term: Term
    first: dt.datetime
    last: dt.datetime
    times: int
    text: str
    organisations: tuple[str, ...]
    resource: UUID
    current: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """One encounter: its class and, when given, its type."""

    at: dt.datetime
    visit_class: Term
    types: tuple[Term, ...]
    organisation: str
    resource: UUID


@dataclass(frozen=True, slots=True)
class Year:
    year: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One day at one institution: everything that happened there that day."""

    day: dt.date
    organisation: str
    events: tuple[LedgerEvent, ...] = field(repr=False)

    def of(self, kind: str) -> tuple[LedgerEvent, ...]:
        return tuple(event for event in self.events if event.kind == kind)


def age_on(birth: dt.date | None, day: dt.date) -> float | None:
    """Age in years, fractional, for choosing a reference interval."""
    return None if birth is None else (day - birth).days / 365.2425


def _outside(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return ""
    if interval.high is not None and value > interval.high:
        return "high"
    return "low" if interval.low is not None and value < interval.low else ""


def _point(event: LedgerEvent, known: Term, interval: Interval | None) -> Point:
    outside = "" if event.flag else _outside(event.value, interval)
    unit = event.unit or known.unit
    return Point(
        event.id, event.at, event.value, event.text, unit, event.organisation, event.resource, event.flag == 1, outside
    )


def _series(code: str, events: Sequence[LedgerEvent], sex: str, birth: dt.date | None) -> Series:
    known = term(code)
    newest = max(events, key=attrgetter("at"))
    interval = known.interval(sex, age_on(birth, newest.at.date()))
    points = tuple(
        _point(event, known, known.interval(sex, age_on(birth, event.at.date())))
        for event in sorted(events, key=lambda event: (event.at, event.id), reverse=True)
    )
    return Series(known, interval, points)


def _by_code(events: Iterable[LedgerEvent], kind: str) -> dict[str, list[LedgerEvent]]:
    found: dict[str, list[LedgerEvent]] = {}
    for event in events:
        if event.kind == kind:
            found.setdefault(event.code, []).append(event)
    return found


def results(events: Iterable[LedgerEvent], *, sex: str, birth: dt.date | None) -> list[Panel]:
    """Observations as panels, the most recently measured first."""
    panels: dict[str, list[Series]] = {}
    for code, rows in _by_code(events, "observation").items():
        panels.setdefault(term(code).panel or code, []).append(_series(code, rows, sex, birth))
    # Within a panel the higher value first: systolic over diastolic, as it is spoken.
    found = [
        Panel(key, tuple(sorted(rows, key=lambda series: -(series.latest.value or 0)))) for key, rows in panels.items()
    ]
    return sorted(found, key=attrgetter("latest_at"), reverse=True)


def _organisations(rows: Sequence[LedgerEvent]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.organisation for row in rows if row.organisation))


def diagnoses(events: Iterable[LedgerEvent]) -> list[Diagnosis]:
    """Each diagnosis once: since when, last recorded when, by whom."""
    found = []
    for code, rows in _by_code(events, "condition").items():
        rows.sort(key=attrgetter("at"), reverse=True)
        last = rows[0]
        found.append(
            Diagnosis(term(code), rows[-1].at, last.at, len(rows), last.text or "", _organisations(rows), last.resource)
        )
    return sorted(found, key=attrgetter("last"), reverse=True)


def medication(events: Iterable[LedgerEvent], *, as_of: dt.date) -> list[Medication]:
    """Each drug once, current ones (prescribed within 90 days of `as_of`) first."""
    found = []
    for code, rows in _by_code(events, "medication").items():
        rows.sort(key=attrgetter("at"), reverse=True)
        last = rows[0]
        current = (as_of - last.at.date()).days <= CURRENT_MEDICATION_DAYS
        found.append(
            Medication(
                term(code),
                rows[-1].at,
                last.at,
                len(rows),
                last.text or "",
                _organisations(rows),
                last.resource,
                current,
            )
        )
    return sorted(found, key=lambda drug: (not drug.current, -drug.last.timestamp()))


def visits(events: Iterable[LedgerEvent]) -> list[Visit]:
    """Encounters, newest first; the class row and the type row of one encounter are one visit."""
    grouped: dict[UUID, list[LedgerEvent]] = {}
    for event in events:
        if event.kind == "encounter":
            grouped.setdefault(event.resource, []).append(event)
    found = []
    for resource, rows in grouped.items():
        classes = [row for row in rows if row.code.startswith("class|")]
        types = tuple(term(row.code) for row in rows if not row.code.startswith("class|"))
        head = classes[0] if classes else rows[0]
        found.append(Visit(head.at, term(head.code), types, head.organisation, resource))
    return sorted(found, key=attrgetter("at"), reverse=True)


def timeline(events: Sequence[LedgerEvent]) -> list[Year]:
    """By year, then by day and institution, newest first."""

    def day_of(event: LedgerEvent) -> tuple[dt.date, str]:
        return event.at.date(), event.organisation

    ordered = sorted(events, key=lambda event: (event.at.date(), event.organisation, event.id), reverse=True)
    entries = [Entry(day, organisation, tuple(rows)) for (day, organisation), rows in groupby(ordered, key=day_of)]
    return [Year(year, tuple(rows)) for year, rows in groupby(entries, key=lambda entry: entry.day.year)]
