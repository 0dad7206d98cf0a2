"""Why a task is there: told by the slow engine, with values, days, institutions, documents and what is missing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.care.knowledge import programme as programme_of
from healthbrain.care.models import Task
from healthbrain.care.rules.programme import Programme
from healthbrain.care.rules.reference import judge_history, state_of
from healthbrain.care.words import Words, programme_title, state_title, task_title, why, words
from healthbrain.county.models import Organisation
from healthbrain.facts import queries as facts
from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.rules.reference import Outcome, evaluate
from healthbrain.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Value:
    """One value a clause used, with its day and institution."""

    name: Words
    value: Any
    unit: str
    day: dt.date | None
    organisation: str


@dataclass(frozen=True, slots=True)
class Clause:
    """One row of the decision table: does it hold (None: unknown), by which values, by which document."""

    state: str
    title: Words
    holds: bool | None
    text: str  # as the author wrote it
    source: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Cited:
    """A document behind the task."""

    clause: str
    document: str
    number: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind one task as of a day."""

    task_id: int
    resident_id: int
    title: Words
    programme: str
    programme_title: Words
    version: str
    state: str
    state_title: Words
    why: Words
    opens: dt.date
    due: dt.date
    grace_until: dt.date
    expires: dt.date
    status: str
    clauses: tuple[Clause, ...]
    sources: tuple[Cited, ...]
    parameters: tuple[tuple[str, str, str, bool], ...]  # name, value, source, verified
    missing: tuple[Words, ...]
    begins: dt.date | None  # the programme came into force after the resident met its conditions: counted from here
    held: bool  # put off, refused or not suitable for the time being
    agrees: bool  # the slow engine finds the task with the same dates as the table holds


def explain(task_id: int, actor: Actor, as_of: dt.date) -> Explanation:
    """The explanation of a task the actor may see. Raises NotFound otherwise."""
    require(actor, "care.work")
    task = _visible_task(actor, task_id)
    programme = programme_of(task.programme)
    if programme is None:
        raise NotFound(f"项目 {task.programme} 已不在知识库中 This programme is no longer in the knowledge folder")
    history = facts.history(task.resident_id, as_of)
    state, tried = state_of(programme, history, as_of)
    standing, found = judge_history(programme, history, catalogue(), as_of)
    same = next((o for o in found if o.key == task.key), None)
    ordinal = int(task.key.rsplit(":", 1)[1])
    rule = programme.task(task.task)
    return Explanation(
        task_id=task.pk,
        resident_id=task.resident_id,
        title=task_title(task.programme, task.task, ordinal),
        programme=task.programme,
        programme_title=programme_title(task.programme),
        version=task.version,
        state=state,
        state_title=state_title(task.programme, state),
        why=why(task.programme, task.task, task.reason),
        opens=task.opens,
        due=task.due,
        grace_until=task.grace_until,
        expires=task.expires,
        status=same.status if same else task.status,
        clauses=tuple(_clause(programme, name, outcome) for name, outcome in tried),
        sources=tuple(_sources(programme, state, rule.source if rule else "")),
        parameters=tuple((p.name, str(p.value), p.source, p.verified) for p in programme.parameters.values()),
        missing=tuple(words(t) for e, t in programme.missing.values() if evaluate(e, history, as_of).value is True),
        begins=programme.begins if standing and standing.since < programme.begins else None,
        held=task.status in {Task.Status.DEFERRED, Task.Status.REFUSED},
        agrees=same is not None and (same.opens, same.due) == (task.opens, task.due),
    )


def _visible_task(actor: Actor, task_id: int) -> Task:
    """The task when it, or its resident, is within the actor's scope."""
    from healthbrain.residents.models import Resident

    task = Task.objects.filter(pk=task_id).first()
    if task is not None:
        mine = visible(Task.objects.filter(pk=task_id), actor, "public-health").exists()
        if mine or visible(Resident.objects.filter(pk=task.resident_id), actor, "public-health").exists():
            return task
    raise NotFound("没有这项任务，或不在您的范围内 No such task in your scope")


def _clause(programme: Programme, name: str, outcome: Outcome) -> Clause:
    state = programme.state(name)
    readings = {r.call.column: r for clause in outcome.trace for r in clause.readings}
    names = {r.source.organisation_id for r in readings.values() if r.source and r.source.organisation_id}
    places = dict(Organisation.objects.filter(pk__in=names).values_list("pk", "name"))
    values = tuple(
        Value(
            name=Words(r.call.selection.fact.title.get("zh", ""), r.call.selection.fact.title.get("en", "")),
            value=r.value,
            unit=r.call.selection.fact.unit,
            day=r.source.day if r.source else None,
            organisation=places.get(r.source.organisation_id or 0, "") if r.source else "",
        )
        for r in sorted(readings.values(), key=lambda r: r.call.column)
    )
    return Clause(
        name,
        state_title(programme.id, name),
        outcome.value,
        state.text if state else "",
        state.source if state else "",
        values,
    )


def _sources(programme: Programme, state_id: str, task_source: str) -> list[Cited]:
    state = programme.state(state_id)
    cited = dict.fromkeys(text for text in (state.source if state else "", task_source, programme.enrol_source) if text)
    result = []
    for text in cited:
        source = programme.sources.get(text.split()[0])
        if source is not None:
            result.append(Cited(text.partition(" ")[2], source.document, source.number, source.verified))
    return result
