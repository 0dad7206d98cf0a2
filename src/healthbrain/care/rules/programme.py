"""Values of a programme: what a public-health doctor wrote down, parsed, checked and frozen."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from healthbrain.facts.rules.duration import Duration, parse_duration
from healthbrain.facts.rules.language import Expression
from healthbrain.facts.rules.located import wrong

NEVER = dt.date(9999, 12, 31)  # an occurrence that stays open until evidence comes
SAME_DAY = Duration()
ALWAYS = dt.date(1, 1, 1)  # a programme that names no day on which it came into force

Kind = Literal["chain", "once", "calendar", "ages", "series"]
From = Literal["visit", "reading", "enrolment", "anchor", "year-end"]


@dataclass(frozen=True)
class Title:
    zh: str
    en: str


@dataclass(frozen=True)
class Source:
    """A document a threshold comes from; `short` is what a line of today's list calls it."""

    document: str
    short: Title
    number: str
    verified: bool


@dataclass(frozen=True)
class Parameter:
    """A number of the programme. `by` holds (condition, value) rows that come before the plain value."""

    name: str
    value: object
    source: str
    unit: str = ""
    verified: bool = True
    note: str = ""
    by: tuple[tuple[str, object], ...] = ()


_SPAN = re.compile(r"(\d+)\s*(day|week|month|year)s?")


def span(text: object) -> Duration:
    """'14 days', '3 months', 'same day', and ages such as '3 months 29 days'."""
    written = str(text).strip()
    if written == "same day":
        return Duration()
    parts = [parse_duration(match[0]) for match in _SPAN.finditer(written)]
    if not parts or _SPAN.sub("", written).strip():
        raise wrong(f"{written!r} is not a span of time; write e.g. '14 days' or '3 months 29 days'", text)
    return Duration(sum(p.months for p in parts), sum(p.days for p in parts))


def span_sql(duration: Duration) -> str:
    """The span as an interval literal both engines read alike."""
    return f"INTERVAL '{duration.months} months {duration.days} days'"


@dataclass(frozen=True)
class Evidence:
    """What in the record counts as having done it. One clause; an evidence set is any of several."""

    fact: str
    at_institution: bool = False  # the event names an organisation
    with_fact: str = ""  # the same resident had this too, that day, at that organisation
    not_remote: str = ""  # not if the organisation's only contact that day was of this kind


@dataclass(frozen=True)
class EvidenceSet:
    """A named list of clauses, any of which closes a task."""

    name: str
    clauses: tuple[Evidence, ...]
    source: str = ""


@dataclass(frozen=True)
class State:
    """A row of the decision table. The first row that holds is the resident's level."""

    id: str
    title: Title
    when: Expression | None
    text: str
    source: str = ""
    abnormal: bool = False
    advice: Title | None = None


@dataclass(frozen=True)
class Due:
    """From which date how long. `never_done` is used with from=visit while no evidence exists yet."""

    start: From
    span: Duration
    source: str = ""


@dataclass(frozen=True)
class Age:
    """One row of a timetable: an age, or a time since the day the timetable counts from (`Task.counts_from`).

    ages: each row stands alone; evidence counts from `opens` until the day before `until`. Where the task has an anchor
    (a newborn's discharge), `due` counts from it and the task opens no sooner.
    series: the rows come one after the other; a day of evidence at least `after` the one before it is the next of them,
    whenever it was, so that nothing is begun anew.
    """

    ordinal: int
    title: Title
    opens: Duration
    due: Duration
    until: Duration | None = None  # only a series may have none: it can be caught up at any time
    after: Duration = SAME_DAY  # series: the least time after the one before
    first_day: dt.date = ALWAYS  # the row is in force from this day ...
    last_day: dt.date = NEVER  # ... to this day


@dataclass(frozen=True)
class Task:
    """A thing to do, and the algebra of its dates."""

    id: str
    title: Title
    kind: Kind
    source: str
    evidence: str
    due: Mapping[str, Due]  # by state id; "*" for the rest
    never_done: Due | None = None
    states: tuple[str, ...] = ()  # none = every state
    suspected: bool = False  # for residents under suspicion, not for the enrolled
    when: Expression | None = None
    anchor: Expression | None = None
    anchor_name: str = "reading"
    again: Expression | None = None  # once: the anchor of the next time, after evidence came and this day is later
    opens_before: Duration | None = None  # chain: so long before due
    grace: Duration = field(default_factory=Duration)
    expires: Duration | None = None  # after due; None = never
    evidence_after: int = 0  # days after the anchor from which evidence counts
    quota: int = 0  # at least so many a year: an interval is never longer than a year divided by it
    ages: tuple[Age, ...] = ()
    counts_from: Expression | None = None  # ages, series: the day the rows count from; None = birth
    not_before: Expression | None = None  # series: the next one waits for this day
    urgent: bool = False
    escalate: tuple[tuple[str, int], ...] = ()  # (township|county, days overdue)
    performer: tuple[str, ...] = ("contract", "village", "township")
    modality: str = ""

    @property
    def expressions(self) -> tuple[Expression, ...]:
        found = (self.when, self.anchor, self.again, self.counts_from, self.not_before)
        return tuple(e for e in found if e is not None)

    def rows(self, as_of: dt.date) -> tuple[Age, ...]:
        """The rows of the timetable in force on a day."""
        rows = (row for row in self.ages if row.first_day <= as_of <= row.last_day)
        return tuple(sorted(rows, key=lambda row: row.ordinal))


@dataclass(frozen=True)
class Exit:
    """A way out besides death and moving away: the day on which the programme ended for a resident.

    A day before he came in counts for nothing: who comes in again later is in again.
    """

    id: str
    title: Title
    day: Expression
    source: str = ""


@dataclass(frozen=True)
class Programme:
    """A care programme, whole."""

    id: str
    version: str
    title: Title
    sources: Mapping[str, Source]
    parameters: Mapping[str, Parameter]
    population: Expression
    enrol: Expression
    enrol_source: str
    since: Expression | None  # the date from which the condition held
    age_from: Duration | None  # never enrolled before this age
    begins: dt.date  # the day its document came into force: nothing is asked for before it
    begins_source: str
    suspect: Expression | None
    suspect_since: Expression | None
    suspect_source: str
    reading: Expression | None  # the date of the reading that decides the state
    standard: Expression | None  # cared for as the specification asks over the last year (规范管理)
    standard_source: str
    states: tuple[State, ...]
    because: Mapping[str, Expression]  # the values a person is shown
    evidence: Mapping[str, EvidenceSet]
    tasks: tuple[Task, ...]
    exits: tuple[Exit, ...]
    ages: tuple[Duration, ...]  # birthdays at which something changes by itself
    behind: Duration
    ahead: Duration
    measures: Mapping[str, Mapping[str, Any]]
    missing: Mapping[str, tuple[Expression, Title]]  # what is worth having and is not there

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression over facts, for the one pass that computes them all."""
        single = (
            self.population, self.enrol, self.since, self.suspect, self.suspect_since, self.reading, self.standard,
        )  # fmt: skip
        parts = [e for e in single if e is not None]
        parts += [s.when for s in self.states if s.when is not None]
        parts += list(self.because.values())
        parts += [e for t in self.tasks for e in t.expressions]
        parts += [e.day for e in self.exits]
        parts += [e for e, _ in self.missing.values()]
        return tuple(parts)

    @property
    def yearly(self) -> bool:
        """Something changes with the calendar year."""
        return any(t.kind == "calendar" or any(d.start == "year-end" for d in t.due.values()) for t in self.tasks)

    @property
    def changes(self) -> tuple[dt.date, ...]:
        """Days on which a timetable changes."""
        rows = [row for task in self.tasks for row in task.ages]
        days = {row.first_day for row in rows if row.first_day > ALWAYS}
        return tuple(sorted(days | {row.last_day + dt.timedelta(days=1) for row in rows if row.last_day < NEVER}))

    def state(self, state_id: str) -> State | None:
        return next((s for s in self.states if s.id == state_id), None)

    def task(self, task_id: str) -> Task | None:
        return next((t for t in self.tasks if t.id == task_id), None)

    def unverified(self) -> list[str]:
        """Names of parameters whose number a person has still to confirm."""
        return [p.name for p in self.parameters.values() if not p.verified]
