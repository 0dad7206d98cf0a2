"""Reads: today's list, a resident's enrolments, exports. Rows about people go through access."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from django.db import connection

from healthbrain.access.gate import broke_glass, require, scope_sql, visible
from healthbrain.access.rules import Actor
from healthbrain.care.bureau import Overview, Person, TeamTask, measure_list, overview, team_list
from healthbrain.care.explain import Explanation, explain
from healthbrain.care.knowledge import programme, programmes
from healthbrain.care.models import Enrolment, Quarantine
from healthbrain.care.months import Month, last_days, monthly
from healthbrain.care.rules.evidence import proofs
from healthbrain.care.rules.occurrence import status_of
from healthbrain.care.words import Words, programme_title, state_title, task_title, why
from healthbrain.facts import queries as facts
from healthbrain.facts.rules.duration import full_months
from healthbrain.kernel.db import select, select_dicts
from healthbrain.kernel.masking import mask_name
from healthbrain.residents.models import Resident

__all__ = [
    "EnrolmentRow",
    "Explanation",
    "Month",
    "Overview",
    "Person",
    "QuarantineRow",
    "TaskLine",
    "TeamTask",
    "Today",
    "days_done",
    "enrolments",
    "explain",
    "export_enrolments",
    "export_tasks",
    "last_days",
    "measure_list",
    "monthly",
    "overview",
    "programme_title",
    "programmes",
    "quarantine",
    "state_title",
    "team_list",
    "today",
    "waiting_together",
]
STATES = ("urgent", "overdue", "returned", "abnormal", "due", "upcoming")
SOON = 14  # days: what is due later than this may be done early, but it is not today's work
RETURNED = "referral-check"


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One task of a list."""

    task_id: int
    resident_id: int
    name: str  # masked
    sex: str
    birth_date: dt.date | None
    age: int | None
    programme: str
    task: str
    title: Words
    why: Words
    opens: dt.date
    due: dt.date
    days_left: int
    status: str
    state: str  # urgent, overdue, returned, abnormal, due
    urgent: bool
    organisation: str
    escalated_to: str


@dataclass(frozen=True, slots=True)
class Today:
    """One page of the list, how many fit the filter, and how many of each state there are over all."""

    lines: list[TaskLine]
    total: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class EnrolmentRow:
    """How a resident stands in one programme, with what is open."""

    programme: str
    title: Words
    status: str
    risk_level: str
    state_title: Words
    abnormal: bool
    since: dt.date
    state_since: dt.date
    ended_on: dt.date | None
    end_reason: str | None
    version: str
    tasks: list[TaskLine]

    @property
    def state(self) -> str:
        return str(self.state_title)

    @property
    def next_task(self) -> Words | None:
        return self.tasks[0].title if self.tasks else None

    @property
    def due(self) -> dt.date | None:
        return self.tasks[0].due if self.tasks else None


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A resident whose data broke an evaluation."""

    id: int
    resident_id: int
    programme: str
    error: str
    at: dt.datetime


_COLUMNS = """
    t.id AS task_id, t.resident_id, r.name, r.sex, r.birth_date, t.programme, t.task, t.key, t.opens, t.due,
    t.grace_until, t.expires, t.status, t.urgent, t.escalated_to, t.reason, t.closed_on, o.name AS organisation
"""
_JOINED = """
    FROM care_task t JOIN residents_resident r ON r.id = t.resident_id
    LEFT JOIN county_organisation o ON o.id = t.organisation_id
"""
ORDERS = {"due": "b.due,", "name": "b.name_pinyin,", "programme": "b.programme,"}  # of today's list
# What is open on a day follows from the dates; the stored word is only as fresh as the last evaluation.
_OPEN = "t.status IN ('upcoming', 'due', 'overdue') AND t.opens <= %(as_of)s AND t.expires >= %(as_of)s"


def today(
    actor: Actor,
    as_of: dt.date,
    *,
    programme: str = "",
    state: str = "",
    text: str = "",
    limit: int = 50,
    offset: int = 0,
    order: str = "",
) -> Today:
    """What stands on the actor's desk on a day: urgent, overdue, returned, abnormal, due; in each the oldest first.

    `order` "due", "name" or "programme" puts that before the state.

    What has waited for more than a year comes after the rest of its group: a backlog to plan, not today's first step.

    What is open but due only later (a yearly examination, say) is counted as "upcoming" and shown when asked for.
    """
    require(actor, "care.work")
    parameters: dict[str, Any] = {
        "as_of": as_of, "programme": programme, "text": text, "like": f"{text}%", "limit": limit, "offset": offset,
        "state": state, "abnormal": _abnormal(), "yearly": _yearly(), "soon": as_of + dt.timedelta(days=SOON),
    }  # fmt: skip
    scoped = _scoped(actor, parameters)
    filters = ["(%(programme)s = '' OR t.programme = %(programme)s)"]
    filters.append("(%(text)s = '' OR r.name LIKE %(like)s OR r.name_initials LIKE lower(%(like)s))")
    group = (
        "CASE WHEN t.urgent THEN 1 WHEN t.grace_until < %(as_of)s THEN 2 WHEN t.task = '" + RETURNED + "' THEN 3 "
        "WHEN t.programme || '/' || (t.reason ->> 'state') = ANY(%(abnormal)s) "
        "AND t.programme || '/' || t.task <> ALL(%(yearly)s) THEN 4 "
        "WHEN t.due <= %(soon)s THEN 5 ELSE 6 END"
    )
    backlog = "t.due < %(as_of)s::date - INTERVAL '1 year' AS backlog"
    columns = f"t.id, t.due, t.programme, r.name_pinyin, {backlog}, {group} AS state_no"
    base = f"SELECT {columns} {_JOINED} WHERE {_OPEN} AND {scoped} AND {' AND '.join(filters)}"
    counts = {
        STATES[n - 1]: count for n, count in select(f"SELECT state_no, count(*) FROM ({base}) b GROUP BY 1", parameters)
    }
    wanted = STATES.index(state) + 1 if state in STATES else 0
    sequence = f"{ORDERS.get(order, '')} b.state_no, b.backlog, b.due, b.id"
    page = (
        f"SELECT * FROM ({base}) b WHERE (%(wanted)s = 0 AND state_no < 6) OR state_no = %(wanted)s "
        f"ORDER BY {sequence} LIMIT %(limit)s OFFSET %(offset)s"
    )
    rows = select_dicts(
        f"SELECT {_COLUMNS}, b.state_no FROM ({page}) b JOIN care_task t ON t.id = b.id JOIN residents_resident r ON "
        "r.id = t.resident_id LEFT JOIN county_organisation o ON o.id = t.organisation_id "
        f"ORDER BY {sequence}",
        {**parameters, "wanted": wanted},
    )
    total = counts.get(state, 0) if wanted else sum(n for name, n in counts.items() if name != "upcoming")
    return Today([_line(row, as_of) for row in rows], total, counts)


def enrolments(actor: Actor, resident_id: int, as_of: dt.date, purpose: str = "public-health") -> list[EnrolmentRow]:
    """A resident's programmes with their open tasks, the pressing first. Empty when the actor may not see him."""
    inside = visible(Resident.objects.filter(pk=resident_id), actor, purpose).exists()
    if not inside and not broke_glass(actor, resident_id):
        return []
    rows = select_dicts(
        f"SELECT {_COLUMNS} {_JOINED} WHERE t.resident_id = %(resident)s AND t.status IN ("
        "'upcoming', 'due', 'overdue', 'deferred', 'refused') AND t.expires >= %(as_of)s "
        "ORDER BY NOT t.urgent, t.due, t.id",
        {"resident": resident_id, "as_of": as_of},
    )
    lines = [_line(row, as_of) for row in rows]
    found = Enrolment.objects.filter(resident_id=resident_id).order_by("status", "programme")
    return [_enrolment(e, [line for line in lines if line.programme == e.programme]) for e in found]


def days_done(resident_id: int, programme_id: str, tasks: Iterable[str], as_of: dt.date) -> list[dt.date]:
    """Of a resident already seen by the actor: the days on which one of these tasks was done, by its evidence."""
    found = programme(programme_id)
    known = [task for name in tasks if found and (task := found.task(name))]
    if found is None or not known:
        return []
    history = facts.history(resident_id, as_of)
    sets = {task.evidence for task in known}
    days = {p.day for name in sets for p in proofs(found.evidence[name], history, facts.catalogue(), as_of)}
    return sorted(days)


def waiting_together(resident_ids: Iterable[int], task: str, as_of: dt.date) -> dict[int, set[str]]:
    """Of residents already seen by the actor: the programmes in which this task is open on a day."""
    rows = select(
        f"SELECT t.resident_id, t.programme FROM care_task t WHERE {_OPEN} AND t.task = %(task)s AND t.resident_id = "
        "ANY(%(residents)s)",
        {"as_of": as_of, "task": task, "residents": list(resident_ids)},
    )
    found: dict[int, set[str]] = {}
    for resident_id, waiting in rows:
        found.setdefault(resident_id, set()).add(waiting)
    return found


def quarantine(actor: Actor) -> list[QuarantineRow]:
    """Residents set aside because their data broke an evaluation, newest first."""
    require(actor, "steward.work")
    found = Quarantine.objects.filter(resolved=None).order_by("-at")[:500]
    return [QuarantineRow(q.pk, q.resident_id, q.programme, q.error, q.at) for q in found]


def export_enrolments(path: Path) -> int:
    """All enrolments as CSV; how many. Columns: resident_id, programme, status, risk_level, since."""
    return _export(
        path,
        ("resident_id", "programme", "status", "risk_level", "since"),
        "SELECT resident_id, programme, status, risk_level, since FROM care_enrolment ORDER BY resident_id, programme",
        lambda row: row,
    )


def export_tasks(path: Path) -> int:
    """All tasks as CSV; how many. Columns: resident_id, programme, task, opens, due, status, team, reason.

    `team` is the code of the family-doctor team, else of the responsible organisation.
    """
    return _export(
        path,
        ("resident_id", "programme", "task", "opens", "due", "status", "team", "reason"),
        "SELECT t.resident_id, t.programme, t.task, t.opens, t.due, t.status, COALESCE(m.code, o.code, ''), t.reason "
        "FROM care_task t LEFT JOIN county_team m ON m.id = t.team_id LEFT JOIN county_organisation o ON "
        "o.id = t.organisation_id ORDER BY t.resident_id, t.programme, t.task, t.due",
        lambda row: (*row[:7], str(why(row[1], row[2], _json(row[7])))),
    )


def _export(path: Path, header: Sequence[str], sql: str, shape: Any) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in _stream(sql):
            writer.writerow(shape(row))
            count += 1
    return count


def _stream(sql: str) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(20_000):
            yield from rows


def _json(value: Any) -> dict[str, Any]:
    loaded = orjson.loads(value) if isinstance(value, str | bytes) else value
    return dict(loaded or {})


def _scoped(actor: Actor, parameters: dict[str, Any]) -> str:
    """Tasks of the actor's organisations, and those of its own residents that were moved up."""
    condition, values = scope_sql(actor, "public-health", "path")
    if condition == "TRUE":
        return condition
    parameters["scope"] = values[0] if values else None
    if condition == "FALSE" or not values:
        return "FALSE"
    mine = "SELECT id FROM county_organisation WHERE path LIKE %(scope)s"
    return (
        f"t.id IN (SELECT id FROM care_task WHERE organisation_id IN ({mine}) UNION "
        "SELECT c.id FROM residents_resident h JOIN care_task c ON c.resident_id = h.id AND c.escalated_to <> '' "
        f"WHERE h.home_organisation_id IN ({mine}))"
    )


def _yearly() -> list[str]:
    """programme/task of what is due by the year, whatever the resident's state."""
    return [f"{p.id}/{t.id}" for p in programmes() for t in p.tasks if t.kind == "calendar"]


def _abnormal() -> list[str]:
    return [f"{p.id}/{s.id}" for p in programmes() for s in p.states if s.abnormal]


def _line(row: dict[str, Any], as_of: dt.date) -> TaskLine:
    reason = _json(row["reason"])
    status = row["status"] if row["status"] in {"deferred", "refused"} else status_of(_Dates(row), as_of)
    born = row["birth_date"]
    return TaskLine(
        task_id=row["task_id"],
        resident_id=row["resident_id"],
        name=mask_name(row["name"]),
        sex=row["sex"],
        birth_date=born,
        age=full_months(born, as_of) // 12 if born else None,
        programme=row["programme"],
        task=row["task"],
        title=task_title(row["programme"], row["task"], int(row["key"].rsplit(":", 1)[1])),
        why=why(row["programme"], row["task"], reason),
        opens=row["opens"],
        due=row["due"],
        days_left=(row["due"] - as_of).days,
        status=status,
        state=STATES[row["state_no"] - 1] if "state_no" in row else _state(row, status, reason),
        urgent=row["urgent"],
        organisation=row["organisation"] or "",
        escalated_to=row["escalated_to"],
    )


def _state(row: dict[str, Any], status: str, reason: dict[str, Any]) -> str:
    if row["urgent"]:
        return "urgent"
    if status == "overdue":
        return "overdue"
    if row["task"] == RETURNED:
        return "returned"
    if f"{row['programme']}/{row['task']}" in _yearly():
        return "due"
    return "abnormal" if f"{row['programme']}/{reason.get('state')}" in _abnormal() else "due"


class _Dates:
    """A row's dates as the algebra reads them."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.opens, self.grace_until = row["opens"], row["grace_until"]
        self.expires, self.closed_on = row["expires"], row["closed_on"]


def _enrolment(e: Enrolment, tasks: Iterable[TaskLine]) -> EnrolmentRow:
    abnormal = f"{e.programme}/{e.risk_level}" in _abnormal()
    return EnrolmentRow(
        e.programme, programme_title(e.programme), e.status, e.risk_level, state_title(e.programme, e.risk_level),
        abnormal, e.since, e.state_since, e.ended_on, e.end_reason, e.version, list(tasks),
    )  # fmt: skip
