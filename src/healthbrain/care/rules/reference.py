"""One resident under one programme, from his history: the slow engine the fast ones must agree with, and explain by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from healthbrain.care.rules.compile import windows_of
from healthbrain.care.rules.evidence import proofs
from healthbrain.care.rules.occurrence import Base, Deferred, Enrolment, Occurrence, Place, judge
from healthbrain.care.rules.programme import Programme
from healthbrain.facts.rules.catalogue import Catalogue
from healthbrain.facts.rules.language import Expression
from healthbrain.facts.rules.reference import History, Outcome, evaluate, read

DAY = dt.timedelta(days=1)


def judge_history(
    programme: Programme,
    history: History,
    catalogue: Catalogue,
    as_of: dt.date,
    *,
    deferred: Iterable[Deferred] = (),
    place: Place | None = None,
) -> tuple[Enrolment | None, tuple[Occurrence, ...]]:
    """Enrolment and tasks at `as_of`."""
    evidence = {name: proofs(one, history, catalogue, as_of) for name, one in programme.evidence.items()}
    return judge(programme, base_of(programme, history, as_of), evidence, deferred=tuple(deferred), place=place)


def base_of(programme: Programme, history: History, as_of: dt.date) -> Base:
    """The programme's expressions, evaluated for this resident on this day."""

    def value(expression: Expression | None) -> Any:
        return None if expression is None else evaluate(expression, history, as_of).value

    resident = history.resident
    return Base(
        resident_id=resident.resident_id,
        as_of=as_of,
        birth_date=resident.birth_date,
        deceased_on=resident.deceased_on,
        moved_on=resident.moved_on,
        population=value(programme.population),
        enrol=value(programme.enrol),
        since=value(programme.since),
        suspect=value(programme.suspect),
        suspect_since=value(programme.suspect_since),
        reading=value(programme.reading),
        state=state_of(programme, history, as_of)[0],
        standard=value(programme.standard),
        whens={t.id: value(t.when) for t in programme.tasks if t.when is not None},
        anchors={t.id: value(t.anchor) for t in programme.tasks if t.anchor is not None},
        agains={t.id: value(t.again) for t in programme.tasks if t.again is not None},
        counted_from={t.id: value(t.counts_from) for t in programme.tasks if t.counts_from is not None},
        not_before={t.id: value(t.not_before) for t in programme.tasks if t.not_before is not None},
        exits={one.id: value(one.day) for one in programme.exits},
        windows=tuple(_leaving(programme, history, as_of)),
    )


def state_of(programme: Programme, history: History, as_of: dt.date) -> tuple[str, tuple[tuple[str, Outcome], ...]]:
    """The first row of the decision table that holds, and how each row before it came out."""
    tried: list[tuple[str, Outcome]] = []
    for state in programme.states:
        if state.when is None:
            return state.id, tuple(tried)
        outcome = evaluate(state.when, history, as_of)
        tried.append((state.id, outcome))
        if outcome.value is True:
            return state.id, tuple(tried)
    return "", tuple(tried)


def _leaving(programme: Programme, history: History, as_of: dt.date) -> Iterator[dt.date]:
    """Days on which a value leaves its window. Month ends may hold it up to three days longer: looked at daily."""
    for call, within in windows_of(programme):
        edge = read(call, history, as_of).value
        if edge is not None:
            leaves = within.after(edge)
            if leaves + 3 * DAY > as_of:
                yield max(leaves, as_of + DAY)
