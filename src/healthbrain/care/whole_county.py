"""Everyone at once: facts and programmes in DuckDB over the lake, then one merge into PostgreSQL."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
from django.db import connection, transaction

from healthbrain.care.knowledge import programmes
from healthbrain.care.online import PLACES
from healthbrain.care.rules.compile import ENROLMENT_COLUMNS, TASK_COLUMNS, calls_of, compile_programmes
from healthbrain.care.rules.programme import Programme
from healthbrain.care.write import DONE_COLUMNS, OPEN, Changes, announce, merge, stage
from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.lake import lake_connection, write_facts
from healthbrain.kernel.home import folder

Fallback = Callable[[Sequence[int], dt.date], tuple[Changes, int]]
CHUNK = 1 << 20
VIEWS = {"tasks", "enrolments", "reasons", "last_done", "done"}


def evaluate_lake(as_of: dt.date, fallback: Fallback) -> tuple[int, Changes, int]:
    """(residents, changes, quarantined). When somebody's data break a rule, PostgreSQL finds out whose."""
    with lake_connection() as duck, tempfile.TemporaryDirectory(dir=folder("tmp")) as scratch, transaction.atomic():
        _bring(duck, Path(scratch), "places", PLACES.format(residents=_residents_sql(as_of)))
        _bring(
            duck,
            Path(scratch),
            "deferrals",
            f"SELECT resident_id, programme, task, kind, from_date, until, {_day(as_of)} AS as_of FROM care_deferral",
        )
        try:
            count = write_facts(duck, calls_of(programmes()), as_of, buckets=buckets(duck))
            run_plan(duck, programmes(), as_of)
        except duckdb.Error:
            everyone = [row[0] for row in duck.execute("SELECT resident_id FROM residents ORDER BY 1").fetchall()]
            changes, failed = fallback(everyone, as_of)
            return len(everyone), changes, failed
        stage()
        for table, source, columns in (
            ("stage_enrolment", "enrolments", ENROLMENT_COLUMNS),
            ("stage_task", "tasks", TASK_COLUMNS),
            ("stage_done", _vanished(duck, Path(scratch)), DONE_COLUMNS),
        ):
            _send(duck, Path(scratch), table, source, columns)
        changes = merge(as_of, everyone=True)
        announce(changes)
    return count, changes, 0


def run_plan(duck: duckdb.DuckDBPyConnection, wanted: Sequence[Programme], as_of: dt.date) -> None:
    """Enrolments and tasks as relations of `duck`. What is read once, or only for a few, is a view."""
    plan = compile_programmes(wanted, catalogue(), "duckdb", as_of=_day(as_of), codes="known_codes")
    for name, sql in plan.steps:
        pair = name.startswith("happened_") and "GROUP BY" in sql
        view = name.endswith("_base") or name in VIEWS or (name.startswith("happened_") and not pair)
        duck.execute(f"CREATE OR REPLACE TEMP {'VIEW' if view else 'TABLE'} {name} AS {sql}")


def measure(as_of: dt.date) -> dict[str, float]:
    """Seconds for facts and for all programmes over the lake, nothing written: the figures of `bench county`."""
    with lake_connection() as duck:
        places_of_lake(duck)
        begun = time.monotonic()
        count = write_facts(duck, calls_of(programmes()), as_of, buckets=buckets(duck))
        known = time.monotonic()
        run_plan(duck, programmes(), as_of)
        duck.execute("CREATE TEMP TABLE all_tasks AS SELECT * FROM tasks")
        duck.execute("CREATE TEMP TABLE all_enrolments AS SELECT * FROM enrolments")
        done = time.monotonic()
        enrolments = duck.execute("SELECT count(*) FROM all_enrolments").fetchall()[0][0]
        tasks = duck.execute("SELECT count(*) FROM all_tasks").fetchall()[0][0]
    return {
        "counted": count,
        "facts_seconds": round(known - begun, 2),
        "programmes_seconds": round(done - known, 2),
        "enrolments": enrolments,
        "tasks": tasks,
    }


def places_of_lake(duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute(
        "CREATE TEMP TABLE places AS SELECT resident_id, contract_team_id AS team_id, home_organisation_id AS "
        "organisation_id, CAST(NULL AS BIGINT) AS township_id, CAST(NULL AS BIGINT) AS county_id FROM residents"
    )
    duck.execute(
        "CREATE TEMP TABLE deferrals (resident_id BIGINT, programme TEXT, task TEXT, kind TEXT, from_date DATE, "
        "until DATE, as_of DATE)"
    )


def _residents_sql(as_of: dt.date) -> str:
    return (
        "(SELECT r.id AS resident_id, r.home_organisation_id, (SELECT c.team_id FROM residents_contract c WHERE "
        f"c.resident_id = r.id AND c.starts <= {_day(as_of)} AND c.ends >= {_day(as_of)} "
        "ORDER BY c.starts DESC, c.id DESC LIMIT 1) AS contract_team_id FROM residents_resident r)"
    )


def _bring(duck: duckdb.DuckDBPyConnection, scratch: Path, table: str, sql: str) -> None:
    """The rows of a PostgreSQL query as a DuckDB table, through this transaction's eyes."""
    path, types = scratch / f"{table}.csv", _types(sql)
    with (
        connection.cursor() as cursor,
        path.open("wb") as file,
        cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)") as rows,
    ):
        for block in rows:
            file.write(block)
    columns = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in types) + "}"
    form = "auto_detect=false, header=false, delim=',', quote='\"', escape='\"', allow_quoted_nulls=false"
    duck.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM read_csv('{path}', {form}, columns={columns})")


def _types(sql: str) -> list[tuple[str, str]]:
    kinds = {20: "BIGINT", 23: "INTEGER", 25: "VARCHAR", 1082: "DATE", 16: "BOOLEAN"}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({sql}) AS shape LIMIT 0")
        return [(column.name, kinds[column.type_code]) for column in cursor.description]


def _vanished(duck: duckdb.DuckDBPyConnection, scratch: Path) -> str:
    """`done` only for open tasks that are no longer found: the rest need no closing."""
    standing = f"SELECT resident_id, programme, task, key FROM care_task WHERE status IN ({OPEN})"
    _bring(duck, scratch, "standing", standing)
    duck.execute(
        "CREATE TEMP TABLE gone AS SELECT resident_id, programme, task FROM standing s WHERE key NOT IN (SELECT "
        "programme || ':' || resident_id || ':' || task || ':' || anchor || ':' || ordinal FROM tasks)"
    )
    # The later steps read `hits` by name: from here on they see only the residents concerned.
    duck.execute("ALTER TABLE hits RENAME TO all_hits")
    duck.execute("CREATE TEMP TABLE hits AS SELECT * FROM all_hits WHERE resident_id IN (SELECT resident_id FROM gone)")
    return (
        "(SELECT DISTINCT d.* FROM done d JOIN gone s ON s.resident_id = d.resident_id "
        "AND s.programme = d.programme AND s.task = d.task)"
    )


def _send(duck: duckdb.DuckDBPyConnection, scratch: Path, table: str, source: str, columns: Sequence[str]) -> None:
    """A DuckDB relation into a staging table: CSV out, COPY in, both as streams."""
    path, names = scratch / f"{table}.csv", ", ".join(columns)
    duck.execute(
        f"COPY (SELECT {names} FROM {source} AS s) TO '{path}' "
        f"(FORMAT csv, HEADER false, QUOTE '\"', FORCE_QUOTE ({_texts(columns)}))"
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT csv)") as copy,
        path.open("rb") as file,
    ):
        while block := file.read(CHUNK):
            copy.write(block)
    path.unlink()


def _texts(columns: Sequence[str]) -> str:
    """Columns whose empty text must not be read as null."""
    return ", ".join(c for c in columns if c in {"programme", "escalated_to", "reason", "risk_level"})


def buckets(duck: duckdb.DuckDBPyConnection) -> int:
    """Parts of the county to do one after the other, so that the facts of a million stay within memory."""
    count = int(duck.execute("SELECT count(*) FROM residents").fetchall()[0][0])
    return max(1, count // 400_000)


def _day(day: dt.date) -> str:
    return f"DATE '{day.isoformat()}'"
