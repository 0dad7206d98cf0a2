"""The three engines side by side, over made-up histories held in memory."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from healthbrain.care.rules.compile import calls_of, compile_programmes
from healthbrain.care.rules.loader import load_programmes
from healthbrain.care.rules.occurrence import Deferred, Place
from healthbrain.care.rules.programme import Programme
from healthbrain.care.rules.reference import judge_history
from healthbrain.facts.knowledge import SHIPPED as FACTS
from healthbrain.facts.rules.catalogue import Catalogue, load_catalogue
from healthbrain.facts.rules.compile import facts_sql
from healthbrain.facts.rules.reference import History

DEFINITIONS = Path(__file__).parents[1] / "spec" / "definitions"  # programmes that show what the language can say
SHIPPED = Path(__file__).parents[2] / "src" / "healthbrain" / "knowledge" / "programmes"
TABLES = {
    "residents": "resident_id bigint, birth_date date, sex text, deceased_on date, moved_on date, "
    "home_organisation_id bigint, contract_team_id bigint",
    "events": 'resident_id bigint, id bigint, kind text, code text, "at" timestamp, value double precision, unit text, '
    "text text, flag smallint, organisation_id bigint",
    "places": "resident_id bigint, team_id bigint, organisation_id bigint, township_id bigint, county_id bigint",
    "deferrals": "resident_id bigint, programme text, task text, kind text, from_date date, until date, as_of date",
}


@dataclass(frozen=True)
class Case:
    history: History
    place: Place = field(default_factory=Place)
    deferred: Mapping[str, tuple[Deferred, ...]] = field(default_factory=dict)  # programme → deferrals


@functools.cache
def catalogue() -> Catalogue:
    return load_catalogue(FACTS, DEFINITIONS / "facts")


@functools.cache
def programmes() -> tuple[Programme, ...]:
    """The shipped ones, and those of the tests."""
    return load_programmes([SHIPPED, DEFINITIONS / "programmes"], catalogue())


def reference(cases: Sequence[Case], as_of: dt.date, only: Sequence[Programme] | None = None) -> tuple[dict, dict]:
    """(enrolments, tasks) by the slow engine."""
    enrolments, tasks = {}, {}
    for case in cases:
        for programme in only or programmes():
            deferred = case.deferred.get(programme.id, ())
            enrolment, found = judge_history(
                programme, case.history, catalogue(), as_of, deferred=deferred, place=case.place
            )
            if enrolment is not None:
                enrolments[enrolment.resident_id, programme.id] = (
                    enrolment.status, enrolment.risk_level, enrolment.since, enrolment.state_since, enrolment.ended_on,
                    enrolment.end_reason, enrolment.standard, enrolment.next_evaluation_at,
                )  # fmt: skip
            for t in found:
                tasks[t.key] = (
                    t.opens, t.due, t.grace_until, t.expires, t.status, t.urgent, t.organisation_id, t.team_id,
                    t.escalated_to, t.closed_on, t.closed_by_event,
                )  # fmt: skip
    return enrolments, tasks


def duck(cases: Sequence[Case], as_of: dt.date, only: Sequence[Programme] | None = None) -> tuple[dict, dict]:
    """(enrolments, tasks) by DuckDB."""
    connection = duckdb.connect()
    for name, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({columns})")
        rows = _rows(cases, as_of)[name]
        if rows:
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    wanted, day = only or programmes(), f"DATE '{as_of.isoformat()}'"
    facts = facts_sql(calls_of(wanted), "duckdb", residents="residents", events="events", as_of=day)
    connection.execute(f"CREATE TABLE facts AS {facts}")
    plan = compile_programmes(wanted, catalogue(), "duckdb", as_of=day)
    for name, sql in plan.steps:
        connection.execute(f"CREATE TEMP TABLE {name} AS {sql}")
    return _read(lambda sql: connection.execute(sql).fetchall())


def postgres(
    connection: psycopg.Connection, cases: Sequence[Case], as_of: dt.date, only: Sequence[Programme] | None = None
) -> tuple[dict, dict]:
    """(enrolments, tasks) by PostgreSQL, in temporary tables that go with the transaction."""
    wanted, day = only or programmes(), f"DATE '{as_of.isoformat()}'"
    with connection.transaction(force_rollback=True):
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TEMP TABLE {name} ({columns})")
            with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                for row in _rows(cases, as_of)[name]:
                    copy.write_row(row)
        facts = facts_sql(calls_of(wanted), "postgres", residents="residents", events="events", as_of=day)
        connection.execute(f"CREATE TEMP TABLE facts AS {facts}")
        plan = compile_programmes(wanted, catalogue(), "postgres", as_of=day)
        for name in ("enrolments", "tasks"):
            connection.execute(f"CREATE TEMP TABLE {name} AS {plan.one_query(f'SELECT * FROM {name}')}")
        return _read(lambda sql: connection.execute(sql).fetchall())


def _read(fetch: Any) -> tuple[dict, dict]:
    enrolments = {
        tuple(row[:2]): tuple(row[2:])
        for row in fetch(
            "SELECT resident_id, programme, status, risk_level, since, state_since, ended_on, end_reason, "
            "standard, next_evaluation_at FROM enrolments"
        )
    }
    tasks = {}
    for resident, programme, task, anchor, ordinal, *rest in fetch(
        "SELECT resident_id, programme, task, anchor, ordinal, opens, due, grace_until, expires, status, urgent, "
        "organisation_id, team_id, escalated_to, closed_on, closed_by_event FROM tasks"
    ):
        key = f"{programme}:{resident}:{task}:{anchor.isoformat()}:{ordinal}"
        assert key not in tasks, f"{key} twice"
        tasks[key] = tuple(rest)
    return enrolments, tasks


def _rows(cases: Sequence[Case], as_of: dt.date) -> dict[str, list[tuple]]:
    rows: dict[str, list[tuple]] = {name: [] for name in TABLES}
    for case in cases:
        r, p = case.history.resident, case.place
        rows["residents"].append(
            (r.resident_id, r.birth_date, r.sex, r.deceased_on, r.moved_on, r.home_organisation_id, r.contract_team_id)
        )
        rows["places"].append((r.resident_id, p.team_id, p.organisation_id, p.township_id, p.county_id))
        for e in case.history.events:
            rows["events"].append(
                (r.resident_id, e.id, e.kind, e.code, e.at, e.value, e.unit, e.text, e.flag, e.organisation_id)
            )
        for programme, deferred in case.deferred.items():
            rows["deferrals"] += [
                (r.resident_id, programme, d.task, d.kind, d.from_date, d.until, as_of) for d in deferred
            ]
    return rows
