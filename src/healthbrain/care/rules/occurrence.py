"""The reference engine of care: one resident, one programme, one day, in plain Python. Slow, obvious, explains.

`compile` says the same in SQL; a property test holds the two together. Read this file to know what a task means.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from healthbrain.care.rules.programme import NEVER, Age, Due, Programme, Task
from healthbrain.facts.rules.duration import Duration

DAY = dt.timedelta(days=1)
GRACELESS = {"calendar", "ages"}  # their rows say the last day themselves


@dataclass(frozen=True)
class Proof:
    """A day on which evidence happened, and the ledger event that shows it."""

    day: dt.date
    event_id: int


@dataclass(frozen=True)
class Deferred:
    """The resident said not now, or no. `task` empty: the whole programme."""

    task: str
    kind: str  # deferred, refused, contraindicated
    from_date: dt.date
    until: dt.date


@dataclass(frozen=True)
class Place:
    """Where a resident's tasks go: the contract team, the organisations above."""

    team_id: int | None = None
    organisation_id: int | None = None  # of the contract team, else responsible by residence
    township_id: int | None = None
    county_id: int | None = None


@dataclass(frozen=True)
class Base:
    """One resident as the programme's expressions see him at `as_of`."""

    resident_id: int
    as_of: dt.date
    birth_date: dt.date | None
    deceased_on: dt.date | None
    moved_on: dt.date | None
    population: bool | None
    enrol: bool | None
    since: dt.date | None
    suspect: bool | None
    suspect_since: dt.date | None
    reading: dt.date | None
    state: str
    standard: bool | None
    whens: Mapping[str, bool | None]  # task id → its condition
    anchors: Mapping[str, dt.date | None]  # task id → its anchor
    agains: Mapping[str, dt.date | None] = field(default_factory=dict)  # task id → the anchor of the next time
    counted_from: Mapping[str, dt.date | None] = field(default_factory=dict)  # task id → the day its rows count from
    not_before: Mapping[str, dt.date | None] = field(default_factory=dict)  # task id → the day the next one waits for
    exits: Mapping[str, dt.date | None] = field(default_factory=dict)  # way out → its day
    windows: tuple[dt.date, ...] = ()  # days on which a value leaves its window


@dataclass(frozen=True)
class Enrolment:
    resident_id: int
    programme: str
    status: str
    risk_level: str
    since: dt.date
    state_since: dt.date
    ended_on: dt.date | None
    end_reason: str | None
    standard: bool | None  # cared for as the specification asks; None: the programme does not say what that is
    next_evaluation_at: dt.date | None


@dataclass(frozen=True)
class Occurrence:
    """One time a task falls due."""

    resident_id: int
    programme: str
    task: str
    anchor: dt.date
    ordinal: int
    opens: dt.date
    due: dt.date
    grace_until: dt.date
    expires: dt.date
    status: str = ""
    urgent: bool = False
    organisation_id: int | None = None
    team_id: int | None = None
    escalated_to: str = ""
    closed_on: dt.date | None = None
    closed_by_event: int | None = None

    @property
    def key(self) -> str:
        return f"{self.programme}:{self.resident_id}:{self.task}:{self.anchor.isoformat()}:{self.ordinal}"


def judge(
    programme: Programme,
    base: Base,
    evidence: Mapping[str, Sequence[Proof]],
    *,
    deferred: Iterable[Deferred] = (),
    place: Place | None = None,
) -> tuple[Enrolment | None, tuple[Occurrence, ...]]:
    """The enrolment and the tasks of one resident in one programme at `base.as_of`."""
    standing = _standing(programme, base)
    if standing is None or standing.status == "ended":
        return standing, ()
    # The condition may be older than the programme: nobody was late then.
    begun = max(standing.since, programme.begins)
    found = []
    for task in programme.tasks:
        if _applies(task, standing, base):
            for occurrence in _occurrences(programme, task, base, begun, evidence[task.evidence]):
                held = [d for d in deferred if d.task in {"", task.id} and d.from_date <= base.as_of <= d.until]
                found.append(_placed(_with_status(occurrence, base.as_of, held), task, base.as_of, place or Place()))
    kept = tuple(o for o in found if _within_horizon(o, programme, base.as_of))
    wakes = [*_wakes(programme, base, found), *(d.until + DAY for d in deferred)]
    coming = min((day for day in wakes if day > base.as_of and day < NEVER), default=None)
    return replace(standing, next_evaluation_at=coming), kept


def _standing(programme: Programme, base: Base) -> Enrolment | None:
    """Active, suspected or ended; None when the programme is not about this resident."""
    if base.population is not True:
        return None
    if base.enrol is True:
        status, since = "active", _since(programme, base)
    elif base.suspect is True:
        status, since = "suspected", base.suspect_since or base.as_of
    else:
        return None
    ways = [(base.deceased_on, "died"), (base.moved_on, "moved")]
    ways += [(day, why) for why, day in base.exits.items() if day and status == "active" and since <= day]
    left = [(day, why) for day, why in ways if day and day <= base.as_of]
    if not left:
        state_since = base.reading or since
        return Enrolment(
            base.resident_id, programme.id, status, base.state, since, state_since, None, None, base.standard, None
        )
    ended_on, reason = min(left, key=lambda way: way[0])  # of two on one day the one named first
    if status == "suspected" or since > ended_on:
        return None
    return Enrolment(
        base.resident_id,
        programme.id,
        "ended",
        base.state,
        since,
        base.reading or since,
        ended_on,
        reason,
        base.standard,
        None,
    )


def _since(programme: Programme, base: Base) -> dt.date:
    """The condition's first day, but not before the programme's age; today when neither is known."""
    known = [base.since] if base.since else []
    if programme.age_from is not None and base.birth_date:
        known.append(programme.age_from.after(base.birth_date))
    return max(known, default=base.as_of)


def _applies(task: Task, standing: Enrolment, base: Base) -> bool:
    if task.suspected != (standing.status == "suspected"):
        return False
    if task.states and base.state not in task.states:
        return False
    return task.when is None or base.whens[task.id] is True


def _occurrences(
    programme: Programme, task: Task, base: Base, begun: dt.date, proofs: Sequence[Proof]
) -> Iterator[Occurrence]:
    def occurrence(anchor: dt.date, ordinal: int, opens: dt.date, due: dt.date, expires: dt.date) -> Occurrence:
        grace = due if task.kind in GRACELESS else task.grace.after(due)
        return Occurrence(
            base.resident_id, programme.id, task.id, anchor, ordinal, opens, due, grace, expires, urgent=task.urgent
        )

    match task.kind:
        case "chain":
            yield _chain(task, base, begun, proofs, occurrence)
        case "once":
            anchor = _armed(task, base, proofs)
            if anchor is not None:
                rule = task.due.get(base.state) or task.due["*"]
                due = rule.span.after(_start(rule, base, begun, anchor))
                expires = NEVER if task.expires is None else task.expires.after(due)
                made = occurrence(anchor, 1, anchor, due, expires)
                yield _closed(made, proofs, anchor + task.evidence_after * DAY, expires)
        case "calendar":
            for year in (base.as_of.year - 1, base.as_of.year):
                first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
                if begun <= last:
                    yield _closed(occurrence(first, 1, max(first, begun), last, last), proofs, first, last)
        case "ages":
            zero = _zero(task, base)
            if zero is None:
                return
            start = base.anchors.get(task.id) or zero
            for age in task.rows(base.as_of):
                first, due = age.opens.after(zero), age.due.after(start)
                expires = max(_end(age, zero), due)
                yield _closed(occurrence(zero, age.ordinal, max(first, start), due, expires), proofs, first, expires)
        case "series":
            zero = _zero(task, base)
            if zero is not None:
                yield from _series(task, base, zero, proofs, occurrence)


def _zero(task: Task, base: Base) -> dt.date | None:
    """The day a timetable counts from."""
    return base.birth_date if task.counts_from is None else base.counted_from[task.id]


def _end(row: Age, zero: dt.date) -> dt.date:
    """The last day of a row."""
    return NEVER if row.until is None else row.until.after(zero) - DAY


def _series(task: Task, base: Base, zero: dt.date, proofs: Sequence[Proof], occurrence: Any) -> Iterator[Occurrence]:
    """One after the other: what has been given, then the next, unless its time is over."""
    last: dt.date | None = None
    for row in task.rows(base.as_of):
        soonest = zero if last is None else row.after.after(last)
        given = min((p for p in proofs if p.day >= soonest), key=lambda p: p.day, default=None)
        wait = base.not_before.get(task.id) if given is None else None
        opens = max(day for day in (row.opens.after(zero), soonest, wait) if day)
        due, end = max(row.due.after(zero), opens), _end(row, zero)
        if given is None:
            if opens <= end:
                yield occurrence(zero, row.ordinal, opens, due, end)
            return
        made: Occurrence = occurrence(zero, row.ordinal, opens, due, max(end, given.day))
        yield replace(made, closed_on=given.day, closed_by_event=given.event_id)
        last = given.day


def _armed(task: Task, base: Base, proofs: Sequence[Proof]) -> dt.date | None:
    """The anchor; once it has been answered, and the reason stands anew on a later day, that day."""
    anchor, again = base.anchors[task.id], base.agains.get(task.id)
    if anchor is None or again is None:
        return anchor
    answered = max((p.day for p in proofs if p.day >= anchor + task.evidence_after * DAY), default=None)
    return again if answered is not None and again > answered else anchor


def _chain(task: Task, base: Base, begun: dt.date, proofs: Sequence[Proof], occurrence: Any) -> Occurrence:
    """The one open occurrence of a repeating task: it hangs on the last time it was done, else on the enrolment.
    What was last done long before the programme is not overdue since then: due no sooner than it could be asked for."""
    last = max((p.day for p in proofs), default=None)
    anchor = last or begun
    rule = task.due.get(base.state) or task.due["*"]
    if last is None and task.never_done is not None and not (rule.start == "reading" and base.reading):
        rule = task.never_done
    if rule.start == "year-end":
        # A campaign round: whoever is still missing belongs to the current year's round.
        wanted = rule.span.after(last) if last else base.as_of
        due = dt.date(max(wanted, base.as_of).year, 12, 31)
    else:
        due = rule.span.after(_start(rule, base, begun, anchor))
    if last and task.quota:
        due = min(due, Duration(months=12 // task.quota).after(last))
    due = max(due, begun)
    if rule.start == "year-end":
        opens = max(anchor, dt.date(due.year, 1, 1))
    else:
        opens = anchor if task.opens_before is None else max(anchor, task.opens_before.before(due))
    expires = NEVER if task.expires is None else task.expires.after(due)
    made: Occurrence = occurrence(anchor, 1, opens, due, expires)
    return made


def _start(rule: Due, base: Base, begun: dt.date, anchor: dt.date) -> dt.date:
    match rule.start:
        case "reading":
            return base.reading or anchor
        case "enrolment":
            return begun
        case _:
            return anchor


def _closed(made: Occurrence, proofs: Sequence[Proof], first: dt.date, last: dt.date) -> Occurrence:
    """Closed by the first evidence inside its window."""
    inside = [p for p in proofs if first <= p.day <= last]
    if not inside:
        return made
    proof = min(inside, key=lambda p: (p.day, p.event_id))
    return replace(made, closed_on=proof.day, closed_by_event=proof.event_id)


def _with_status(made: Occurrence, as_of: dt.date, held: Sequence[Deferred]) -> Occurrence:
    return replace(made, status=status_of(made, as_of, [d.kind for d in held]))


def status_of(made: Any, as_of: dt.date, held: Sequence[str] = ()) -> str:
    """The status word a task's dates give on one day: late is who has let the grace pass, too."""
    if made.closed_on is not None:
        return "done"
    if as_of > made.expires:
        return "expired"
    if held:
        return "deferred" if set(held) == {"deferred"} else "refused"
    if as_of < made.opens:
        return "upcoming"
    return "due" if as_of <= made.grace_until else "overdue"


def _placed(made: Occurrence, task: Task, as_of: dt.date, place: Place) -> Occurrence:
    """Who has to do it: the contract team, else by residence; moved up when it stays undone."""
    late = (as_of - made.grace_until).days if made.status == "overdue" else -1
    reached = [to for to, days in task.escalate if late >= days]
    to = reached[-1] if reached else ""
    above = {"township": place.township_id, "county": place.county_id}.get(to)
    return replace(made, organisation_id=above or place.organisation_id, team_id=place.team_id, escalated_to=to)


def _within_horizon(made: Occurrence, programme: Programme, as_of: dt.date) -> bool:
    if made.opens > programme.ahead.after(as_of):
        return False
    return (made.closed_on or made.expires) >= programme.behind.before(as_of)


def _wakes(programme: Programme, base: Base, found: Sequence[Occurrence]) -> Iterator[dt.date]:
    """Days on which something changes by itself. Too early costs a look, too late would be a missed task."""
    yield from base.windows
    if base.birth_date:
        yield from (age.after(base.birth_date) for age in programme.ages)
    yield from (day for day in (base.deceased_on, base.moved_on, *base.exits.values()) if day)
    yield from programme.changes
    if programme.yearly:
        yield dt.date(base.as_of.year + 1, 1, 1)
    for made in found:
        if made.closed_on is None and base.as_of <= made.expires:
            yield programme.ahead.before(made.opens)
            yield made.opens
            yield made.grace_until + DAY
            if made.expires < NEVER:
                yield made.expires + DAY
            task = programme.task(made.task)
            yield from (made.grace_until + days * DAY for _, days in (task.escalate if task else ()))
