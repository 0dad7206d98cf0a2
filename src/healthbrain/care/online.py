"""A few residents at once, in PostgreSQL: one prepared query finds, one merge writes."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence

import psycopg
from django.db import connection

from healthbrain.care.knowledge import Stamp, programmes, stamp
from healthbrain.care.rules.compile import (
    ENROLMENT_COLUMNS,
    TASK_COLUMNS,
    calls_of,
    compile_programmes,
)
from healthbrain.care.write import DONE_COLUMNS, Changes, merge, stage
from healthbrain.facts import queries as facts
from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.rules.compile import facts_sql

AS_OF = "AS_OF_DATE"
_DAY = dt.date(1, 1, 1)  # stands in F's relations where the parameter goes
PLACES = """
    SELECT r.resident_id, r.contract_team_id AS team_id, o.id AS organisation_id,
      (SELECT a.id FROM county_organisation a WHERE a.kind = 'township' AND starts_with(o.path, a.path)
        ORDER BY length(a.path) DESC LIMIT 1) AS township_id,
      (SELECT a.id FROM county_organisation a WHERE a.kind IN ('county', 'bureau') AND starts_with(o.path, a.path)
        ORDER BY length(a.path) LIMIT 1) AS county_id
    FROM {residents} r LEFT JOIN county_team t ON t.id = r.contract_team_id
      LEFT JOIN county_organisation o ON o.id = COALESCE(t.organisation_id, r.home_organisation_id)
"""


@functools.lru_cache(maxsize=2)
def _query(stamp: Stamp) -> str:
    """The whole evaluation as one statement that fills the staging tables; parameters ids and as_of."""
    ids, day = "%(ids)s::bigint[]", "%(as_of)s::date"

    def bound(sql: str) -> str:
        return sql.replace("%", "%%").replace("'{0}'::bigint[]", ids).replace(f"DATE '{_DAY.isoformat()}'", day)

    residents, events = bound(facts.residents_of([0], _DAY)), bound(facts.events_of([0]))
    plan = compile_programmes(programmes(), catalogue(), "postgres", as_of=AS_OF)
    whole = facts_sql(calls_of(programmes()), "postgres", residents="residents", events="events", as_of=AS_OF)
    deferrals = (
        f"SELECT resident_id, programme, task, kind, from_date, until, {day} AS as_of FROM care_deferral "
        f"WHERE resident_id = ANY({ids})"
    )
    before = [
        ("residents", f"SELECT * FROM {residents} AS source"),
        ("events", f"SELECT * FROM {events} AS source"),
        ("places", PLACES.format(residents="residents")),
        ("deferrals", deferrals),
    ]
    steps = [(name, sql.replace("%", "%%").replace(AS_OF, day)) for name, sql in (("facts", whole), *plan.steps)]
    parts = ", ".join(f"{name} AS MATERIALIZED ({sql})" for name, sql in (*before, *steps))
    enrolment, task, done = (", ".join(columns) for columns in (ENROLMENT_COLUMNS, TASK_COLUMNS, DONE_COLUMNS))
    return (
        f"WITH {parts}, put_enrolments AS ("
        f"INSERT INTO stage_enrolment ({enrolment}) SELECT {enrolment} FROM enrolments), "
        f"put_tasks AS (INSERT INTO stage_task ({task}) SELECT {task} FROM tasks), "
        f"put_done AS (INSERT INTO stage_done ({done}) SELECT {done} FROM done) "
        "INSERT INTO stage_scope SELECT resident_id FROM residents"
    )


def evaluate_batch(ids: Sequence[int], as_of: dt.date) -> Changes:
    """Enrolments and tasks of these residents, in the caller's transaction. Raises when somebody's data break it."""
    stage()
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:
        # One plan for every call: planning hundreds of columns costs more than running them for a few residents.
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(_query(stamp()), {"ids": list(ids), "as_of": as_of}, prepare=True)
    return merge(as_of)
