"""The SQL engines over the same cases: real ledger tables in PostgreSQL, the lake's own views in DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb
from django.db import connection

from healthbrain.facts import queries
from healthbrain.facts.lake import create_views
from healthbrain.facts.rules.compile import RESIDENT_COLUMNS, facts_sql
from healthbrain.facts.rules.language import Expression, all_calls
from healthbrain.kernel import db

from .generate import Case

EVENT_TABLE = """identity_id BIGINT, id BIGINT, kind TEXT, code TEXT, "at" TIMESTAMP, value DOUBLE PRECISION,
    unit TEXT, text TEXT,
    flag SMALLINT, organisation_id BIGINT"""
RESIDENT_TABLE = """resident_id BIGINT, birth_date DATE, sex TEXT, deceased_on DATE, moved_on DATE,
    home_organisation_id BIGINT,
    contract_team_id BIGINT, as_of DATE"""
Rows = dict[int, tuple[Any, ...]]


def in_postgres(cases: list[Case], expressions: list[Expression]) -> Rows:
    """The product's own relation of current, linked events; residents from a table, so that each has its own as_of."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET session_replication_role = replica"
        )  # the cases' organisations and identities need not exist
        cursor.execute("DELETE FROM records_superseded; DELETE FROM records_event; DELETE FROM residents_link")
        cursor.execute(f"DROP TABLE IF EXISTS person; CREATE TEMP TABLE person ({RESIDENT_TABLE})")
    db.copy_rows("person", [*RESIDENT_COLUMNS, "as_of"], _residents(cases))
    db.copy_rows(
        "residents_link",
        ["identity_id", "resident_id", "rule", "explanation", "linked_at"],
        [
            (identity, c.history.resident.resident_id, "new", "{}", "2026-01-01")
            for c in cases
            for identity in _identities(c)
        ],
    )
    columns = ["identity_id", "id", "kind", "code", '"at"', "value", "unit", "text", "flag", "organisation_id"]
    rows = [(*row, "00000000-0000-0000-0000-000000000000", "2026-01-01") for row in _events(cases)]
    db.copy_rows("records_event", [*columns, "resource", "recorded"], rows)
    db.copy_rows(
        "records_superseded", ["event_id", "recorded"], [(i, "2026-01-01") for c in cases for i in c.superseded]
    )
    ids = [c.history.resident.resident_id for c in cases]
    text = _query(expressions, "postgres", "person", queries.events_of(ids))
    found = db.select(text.replace("%", "%%"))
    db.execute("SET session_replication_role = origin")
    return {row[0]: row[1:] for row in found}


def in_duckdb(cases: list[Case], expressions: list[Expression]) -> Rows:
    lake = duckdb.connect()
    lake.execute("SET threads = 1")
    lake.execute(f"CREATE TABLE person ({RESIDENT_TABLE}); CREATE TABLE ledger ({EVENT_TABLE})")
    lake.execute("CREATE TABLE link (identity_id BIGINT, resident_id BIGINT); CREATE TABLE withdrawn (event_id BIGINT)")
    _insert(lake, "person", _residents(cases))
    _insert(lake, "ledger", _events(cases))
    _insert(lake, "link", [(i, c.history.resident.resident_id) for c in cases for i in _identities(c)])
    _insert(lake, "withdrawn", [(number,) for c in cases for number in c.superseded])
    create_views(lake, "SELECT * FROM person")
    found = lake.execute(_query(expressions, "duckdb", "person", "events")).fetchall()
    lake.close()
    return {row[0]: row[1:] for row in found}


def _query(expressions: list[Expression], dialect: str, residents: str, events: str) -> str:
    facts = facts_sql(all_calls(expressions), dialect, residents=residents, events=events, as_of="as_of")
    columns = ", ".join(f"({expression.sql(dialect)}) AS e{n}" for n, expression in enumerate(expressions))
    return f"SELECT resident_id, {columns} FROM ({facts}) AS facts"


def _residents(cases: list[Case]) -> list[tuple[Any, ...]]:
    return [(*(getattr(c.history.resident, name) for name in RESIDENT_COLUMNS), c.as_of) for c in cases]


def _identities(case: Case) -> tuple[int, int]:
    """Each resident is known by two names to two sources; his events are spread over both."""
    return case.history.resident.resident_id * 10, case.history.resident.resident_id * 10 + 1


def _events(cases: list[Case]) -> list[tuple[Any, ...]]:
    return [
        (_identities(c)[e.id % 2], e.id, e.kind, e.code, e.at, e.value, e.unit, e.text, e.flag, e.organisation_id)
        for c in cases
        for e in c.history.events
    ]


def _insert(lake: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        values = ", ".join("(" + ", ".join(map(_literal, row)) + ")" for row in rows)
        lake.execute(f"INSERT INTO {table} VALUES {values}")


def _literal(value: Any) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int | float) else f"'{value}'"
