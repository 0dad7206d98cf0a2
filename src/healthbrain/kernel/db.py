"""SQL helpers: rows as frozen values, COPY, notifications. Values are always parameters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from django.db import connection, models

from healthbrain.kernel.clock import local

FEW = 1_000
_WHOLE_TABLES = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")


class LocalDateTimeField(models.DateTimeField):
    """Naive county time (`timestamp` without zone): what a clinician wrote on the paper, the same in every engine."""

    def db_type(self, connection: Any) -> str:
        return "timestamp"

    def get_prep_value(self, value: Any) -> Any:
        value = self.to_python(value)
        return local(value) if isinstance(value, dt.datetime) else value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value if prepared else self.get_prep_value(value)


def select(sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of one query on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def select_dicts(sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
    """All rows of one query, each as a dict by column name."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def execute(sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> int:
    """Run one statement; the number of rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


class _Planned(psycopg.Cursor[tuple[Any, ...]]):
    """A cursor whose statements are planned once a connection."""

    def execute(self, query: Any, params: Any = None, **_: Any) -> Self:
        return super().execute(query, params, prepare=True)


def prepared(sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a statement planned once a connection: for one record, planning costs more than running.

    Values travel apart from the text, so each needs its type there (`%s::bigint[]`). The plan holds until the next
    ANALYZE of its tables. With a list of more than FEW it is an ordinary statement: a plan for few is wrong for many.
    """
    values = params.values() if isinstance(params, dict) else params
    if any(len(value) > FEW for value in values if isinstance(value, list)):
        return select(sql, params)
    connection.ensure_connection()
    wire = connection.connection
    wrapped = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    wire.prepare_threshold = 0  # Django turns preparing off, and for its own statements it stays so
    try:
        with wrapped(_Planned(wire)) as cursor:  # type: ignore[arg-type]
            cursor.execute(sql, params)
            return cursor.fetchall() if cursor.description else []
    finally:
        wire.prepare_threshold = None


@contextmanager
def by_index() -> Iterator[None]:
    """In here statements step from row to row by index. In a transaction only.

    Statistics that a bulk load has outrun must not talk the planner into reading whole tables once a row.
    """
    execute("; ".join(f"SET LOCAL {name} = off" for name in _WHOLE_TABLES))
    yield
    execute("; ".join(f"SET LOCAL {name} TO DEFAULT" for name in _WHOLE_TABLES))


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY `rows` into `table`, inside the current transaction. Both names come from code, never from input."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def notify(channel: str, payload: str = "") -> None:
    """PostgreSQL NOTIFY, delivered when the current transaction commits."""
    execute("SELECT pg_notify(%s, %s)", (channel, payload))
