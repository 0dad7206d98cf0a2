"""Everyone at once: the lake as two views, and the facts of the whole county as one table.

The lake is HEALTHBRAIN_HOME/lake: event/*.parquet, superseded/*.parquet (incremental, by id), link.parquet,
resident.parquet, with the columns of the tables.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import duckdb

from healthbrain.facts.rules.calls import Call
from healthbrain.facts.rules.compile import RESIDENT_COLUMNS, facts_sql
from healthbrain.kernel.errors import NotFound
from healthbrain.kernel.home import folder

EVENT_COLUMNS = ("id", "kind", "code", '"at"', "value", "unit", "text", "flag", "organisation_id")


def lake_connection(
    lake: Path | None = None, *, memory_limit: str = "4GB", threads: int = 2
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the views `residents`, `events` (current, linked) and `codes` over the lake.

    What does not fit in `memory_limit` is spilled to the data folder; the files themselves are only read.
    """
    lake = lake or folder("lake")
    if not (lake / "resident.parquet").exists():
        raise NotFound("湖中还没有数据。", hint="先运行 healthbrain ingest 或 demo，再刷新湖。")
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory_limit}'")
    connection.execute(f"SET threads = {int(threads)}")
    connection.execute(f"SET temp_directory = {_text(folder('tmp', 'duckdb'))}")
    connection.execute("SET preserve_insertion_order = false")
    # DuckDB 2.0 holds INTERVAL '90 days' equal to INTERVAL '3 months' and merges what is computed from them.
    connection.execute("SET disabled_optimizers = 'common_subexpressions'")
    connection.execute(f"CREATE VIEW ledger AS {_ledger(lake)}")
    connection.execute(f"CREATE VIEW link AS SELECT * FROM read_parquet({_text(lake / 'link.parquet')})")
    connection.execute(f"CREATE VIEW withdrawn AS {_withdrawn(lake)}")
    create_views(connection, _resident_columns(connection, lake))
    return connection


def create_views(connection: duckdb.DuckDBPyConnection, residents: str) -> None:
    """The views of facts_sql over the relations ledger, link and withdrawn."""
    columns = ", ".join(f"ledger.{name}" for name in EVENT_COLUMNS)
    connection.execute(f"CREATE VIEW residents AS {residents}")
    connection.execute(f"""CREATE VIEW events AS SELECT link.resident_id, {columns}
        FROM ledger JOIN link ON link.identity_id = ledger.identity_id
        WHERE NOT EXISTS (SELECT 1 FROM withdrawn WHERE withdrawn.event_id = ledger.id)""")
    connection.execute("CREATE VIEW codes AS SELECT DISTINCT kind, code, unit FROM ledger")


def write_facts(
    connection: duckdb.DuckDBPyConnection,
    calls: Iterable[Call],
    as_of: dt.date,
    *,
    table: str = "facts",
    buckets: int = 1,
) -> int:
    """Facts of every resident into a table of `connection`; returns the number of residents.

    `buckets` > 1 does the pass for that many parts of the county one after the other: the same rows, less memory.
    """
    calls = list(calls)
    # A table, not the view: with its true size known DuckDB hashes the few meanings, not the many events (10 times).
    connection.execute("CREATE OR REPLACE TEMP TABLE known_codes AS SELECT * FROM codes")
    for bucket in range(buckets):
        part = f"WHERE resident_id % {buckets} = {bucket}" if buckets > 1 else ""
        text = facts_sql(
            calls,
            "duckdb",
            residents=f"(SELECT * FROM residents {part})",
            events=f"(SELECT * FROM events {part})",
            as_of=f"DATE '{as_of.isoformat()}'",
            codes="known_codes",
        )
        head = f"CREATE OR REPLACE TABLE {table} AS" if bucket == 0 else f"INSERT INTO {table}"
        connection.execute(f"{head} {text}")
    return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchall()[0][0])


def _resident_columns(connection: duckdb.DuckDBPyConnection, lake: Path) -> str:
    """resident.parquet as the relation `residents`. A lake without contracts has no contracted teams."""
    source = f"read_parquet({_text(lake / 'resident.parquet')})"
    present = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    key = "resident_id" if "resident_id" in present else "id"
    team = "contract_team_id" if "contract_team_id" in present else "CAST(NULL AS BIGINT) AS contract_team_id"
    return f"SELECT {key} AS resident_id, {', '.join(RESIDENT_COLUMNS[1:-1])}, {team} FROM {source}"


def _ledger(lake: Path) -> str:
    if any((lake / "event").glob("*.parquet")):
        return f"SELECT * FROM read_parquet({_text(lake / 'event' / '*.parquet')})"
    # Persons may come before anything happened to them: a county without events is thinkable.
    return """SELECT CAST(NULL AS BIGINT) AS id, CAST(NULL AS BIGINT) AS identity_id, '' AS kind, '' AS code,
        CAST(NULL AS TIMESTAMP) AS "at", CAST(NULL AS DOUBLE) AS value, '' AS unit, '' AS text,
        CAST(0 AS SMALLINT) AS flag, CAST(NULL AS BIGINT) AS organisation_id WHERE FALSE"""


def _withdrawn(lake: Path) -> str:
    if any((lake / "superseded").glob("*.parquet")):
        return f"SELECT event_id FROM read_parquet({_text(lake / 'superseded' / '*.parquet')})"
    return "SELECT CAST(NULL AS BIGINT) AS event_id WHERE FALSE"


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
