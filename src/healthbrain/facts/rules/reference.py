"""The reference engine: one resident, one expression, slowly and obviously, with its reasons.

Nothing here is shared with the SQL engines but the checked syntax tree. Where they disagree, this file is right until
somebody shows by a table a doctor can read that it is wrong.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from healthbrain.facts.rules.calls import CLOCKS, Call, Selection
from healthbrain.facts.rules.catalogue import Fact
from healthbrain.facts.rules.duration import full_months
from healthbrain.facts.rules.interpreter import value_of
from healthbrain.facts.rules.language import Expression

USABLE = 0  # Event.flag: 1 is implausible, 2 entered in error


@dataclass(frozen=True)
class ResidentRow:
    resident_id: int
    birth_date: dt.date | None = None
    sex: str = "0"
    deceased_on: dt.date | None = None
    moved_on: dt.date | None = None
    home_organisation_id: int | None = None
    contract_team_id: int | None = None


@dataclass(frozen=True)
class EventRow:
    """A current ledger event (a superseded one is not in a history)."""

    id: int
    kind: str
    code: str
    at: dt.datetime
    value: float | None = None
    unit: str | None = None
    text: str | None = None
    flag: int = USABLE
    organisation_id: int | None = None


@dataclass(frozen=True)
class History:
    resident: ResidentRow
    events: tuple[EventRow, ...] = ()


@dataclass(frozen=True)
class Occurrence:
    """Something that happened once: when, where, with which value. `value2` is the second member of a pair."""

    at: dt.datetime
    id: int
    organisation_id: int | None
    value: float | None = None
    value2: float | None = None
    text: str | None = None

    @property
    def day(self) -> dt.date:
        return self.at.date()


@dataclass(frozen=True)
class Reading:
    """What a call gave, and the occurrence it came from (None for counts and for nothing)."""

    call: Call
    value: Any
    source: Occurrence | None = None


@dataclass(frozen=True)
class Clause:
    """One comparison or test of the expression: does it hold (None: unknown), and by which readings."""

    text: str
    holds: bool | None
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Outcome:
    value: Any
    trace: tuple[Clause, ...]


def evaluate(expression: Expression, history: History, as_of: dt.date) -> Outcome:
    """The value of `expression` for one resident on one day, and why."""
    readings = {call.column: read(call, history, as_of) for call in expression.calls}
    row = subject(history.resident, as_of) | {column: reading.value for column, reading in readings.items()}
    clauses = []
    for node in _clauses(expression.node):
        names = dict.fromkeys(column.name for column in node.find_all(exp.Column))
        used = tuple(readings[name] for name in names if name in readings)
        clauses.append(Clause(node.sql("postgres"), value_of(node, row), used))
    return Outcome(value_of(expression.node, row), tuple(clauses))


def subject(resident: ResidentRow, as_of: dt.date) -> dict[str, Any]:
    """The resident's own columns at `as_of`. Not yet born, or no birth date: the age is unknown."""
    born = resident.birth_date
    months = full_months(born, as_of) if born is not None and born <= as_of else None
    age = {"as_of": as_of, "age_months": months, "age": None if months is None else months // 12}
    return vars(resident) | age


def read(call: Call, history: History, as_of: dt.date) -> Reading:
    """One call for one resident."""
    happened = select(call.selection, history, as_of)
    if call.within is not None:
        start = call.within.before(as_of)
        happened = [o for o in happened if o.day > start]
    if call.function == "ever":
        return Reading(call, bool(happened), happened[-1] if happened else None)
    if call.function == "count":
        return Reading(call, len(happened))
    if call.function == "count_days":
        return Reading(call, len({o.day for o in happened}))
    if call.function == "streak_at":
        source = _nth_of_run(call, history, as_of)
        return Reading(call, None if source is None else source.day, source)
    if call.function in {"min", "max"}:
        choose = min if call.function == "min" else max
        known = [o for o in happened if _value(call, o) is not None]
        source = choose(known, key=lambda o: _value(call, o)) if known else None
    else:
        source = _the_one(call, happened, select(call.selection, history, as_of))
    return Reading(call, None if source is None else _aspect(call, source), source)


def select(selection: Selection, history: History, as_of: dt.date) -> list[Occurrence]:
    """The occurrences a selection means, known at `as_of`, oldest first; of one moment the later recorded is later."""
    person = subject(history.resident, as_of)
    result = []
    for occurrence in occurrences(selection.fact, history):
        if occurrence.day > as_of:
            continue
        if selection.condition is None and selection.fact.shape == "pair" and not _whole(occurrence):
            continue
        row = person | {"value": occurrence.value, "value2": occurrence.value2, "text": occurrence.text}
        if selection.condition is not None and value_of(selection.condition.node, row) is not True:
            continue
        if _in_bounds(selection, occurrence.day, person):
            result.append(occurrence)
    return sorted(result, key=lambda o: (o.at, o.id))


def occurrences(fact: Fact, history: History) -> list[Occurrence]:
    """Everything in a history that this fact means, in no particular order."""
    if fact.shape == "pair":
        return _moments(fact, history)
    if fact.shape in {"together", "apart"}:
        first, second = (_complete(member, history) for member in fact.members)
        places = {(o.day, o.organisation_id) for o in second}
        wanted = fact.shape == "together"
        return [o for o in first if o.organisation_id and ((o.day, o.organisation_id) in places) == wanted]
    found = []
    for event in history.events:
        if event.flag != USABLE or event.kind != fact.kind or not _means(fact, event):
            continue
        value = _in_unit(fact, event)
        if fact.value == "number" and (value is None or not fact.plausible or not _between(value, fact.plausible)):
            continue
        found.append(Occurrence(event.at, event.id, event.organisation_id, value=value, text=event.text))
    return found


def _complete(fact: Fact, history: History) -> list[Occurrence]:
    found = occurrences(fact, history)
    return [o for o in found if _whole(o)] if fact.shape == "pair" else found


def _means(fact: Fact, event: EventRow) -> bool:
    if fact.codes and not any(code.matches(event.code) for code in fact.codes):
        return False
    for allowed in (fact.answers, fact.only):
        if allowed and event.text not in allowed:
            return False
    return event.text not in fact.excluded


def _in_unit(fact: Fact, event: EventRow) -> float | None:
    """The value in the fact's unit; None when it has none, or when the event's unit is not one the fact knows."""
    factors = {fact.unit: 1.0, "": 1.0, **dict(fact.factors)}
    factor = factors.get(event.unit or "")
    if fact.value != "number" or event.value is None or factor is None:
        return None
    return event.value * factor


def _moments(pair: Fact, history: History) -> list[Occurrence]:
    """Members recorded at one organisation at one moment; of two of the same member the one recorded later."""
    groups: dict[tuple[dt.datetime, int | None], dict[str, list[Occurrence]]] = {}
    for member in pair.members:
        for occurrence in occurrences(member, history):
            key = (occurrence.at, occurrence.organisation_id)
            groups.setdefault(key, {}).setdefault(member.name, []).append(occurrence)
    moments = []
    for (at, organisation_id), found in groups.items():
        newest_id = max(o.id for group in found.values() for o in group)
        values = [
            max(found[member.name], key=lambda o: o.id).value if member.name in found else None
            for member in pair.members
        ]
        moments.append(Occurrence(at, newest_id, organisation_id, value=values[0], value2=values[1]))
    return moments


def _the_one(call: Call, happened: list[Occurrence], all_known: list[Occurrence]) -> Occurrence | None:
    """The occurrence the call speaks of: the newest, the oldest, or the last of the n-th newest day."""
    if call.function.startswith("first"):
        return happened[0] if happened else None
    if call.function.startswith("latest"):
        return happened[-1] if happened else None
    days = sorted({o.day for o in all_known}, reverse=True)
    if len(days) < call.nth:
        return None
    return next((o for o in reversed(happened) if o.day == days[call.nth - 1]), None)


def _nth_of_run(call: Call, history: History, as_of: dt.date) -> Occurrence | None:
    """The occurrence that made the present unbroken run as many days long as the call says. Any of a moment at which
    the condition did not hold ends a run; an unknown one neither counts nor ends it."""
    condition = call.selection.condition
    assert condition is not None  # noqa: S101  the checker demands it
    person = subject(history.resident, as_of)
    known = []
    for occurrence in occurrences(call.selection.fact, history):
        row = person | {"value": occurrence.value, "value2": occurrence.value2, "text": occurrence.text}
        held = value_of(condition.node, row)
        if held is not None and occurrence.day <= as_of and _in_bounds(call.selection, occurrence.day, person):
            known.append((occurrence, held))
    broken = max((o.at for o, held in known if not held), default=None)
    run = sorted((o for o, held in known if held and (broken is None or o.at > broken)), key=lambda o: (o.at, o.id))
    days = sorted({o.day for o in run})
    if len(days) < call.nth:
        return None
    return next(o for o in run if o.day == days[call.nth - 1])


def _aspect(call: Call, source: Occurrence) -> Any:
    if call.function.endswith("_at"):
        return source.day
    if call.function in CLOCKS:
        return (source.at - dt.datetime(1970, 1, 1)).total_seconds() / 3600  # noqa: DTZ001  county time
    if call.function.endswith("_id"):
        return source.id
    if call.function.endswith("_organisation"):
        return source.organisation_id
    return _value(call, source)


def _value(call: Call, source: Occurrence) -> Any:
    fact = call.selection.fact
    if fact.value == "text":
        return source.text
    return source.value2 if call.member and call.member == fact.members[1].name else source.value


def _whole(moment: Occurrence) -> bool:
    return moment.value is not None and moment.value2 is not None


def _between(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _in_bounds(selection: Selection, day: dt.date, person: Mapping[str, Any]) -> bool:
    """An unknown bound (born when?) selects nothing."""
    limits = {
        key: value_of(tree.node, person)
        for key in ("since", "after", "until")
        if (tree := getattr(selection, key)) is not None
    }
    if None in limits.values():
        return False
    return (
        day >= limits.get("since", day) and day > limits.get("after", dt.date.min) and day <= limits.get("until", day)
    )


def _clauses(node: exp.Expr) -> list[exp.Expr]:
    """The tests an expression is made of: what stands between its and, or and not."""
    if isinstance(node, exp.And | exp.Or):
        return [*_clauses(node.this), *_clauses(node.expression)]
    if isinstance(node, exp.Not | exp.Paren):
        return _clauses(node.this)
    return [node]
