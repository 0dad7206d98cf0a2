"""Reads: facts of some residents (PostgreSQL), of everyone (the lake), and one resident's history to explain.

These are for the rooms that think (care, surveillance, indicators): they take resident ids that the caller may see and
hand out facts, never pages. Who may look at whom is decided by `access` before anything here reaches a person.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.lake import EVENT_COLUMNS, lake_connection, write_facts
from healthbrain.facts.rules.calls import Call
from healthbrain.facts.rules.compile import RESIDENT_COLUMNS, facts_sql
from healthbrain.facts.rules.reference import EventRow, History, ResidentRow
from healthbrain.kernel.db import select_dicts
from healthbrain.kernel.errors import NotFound
from healthbrain.records.models import Event, Superseded
from healthbrain.residents.models import Contract, Link, Resident

__all__ = ["catalogue", "events_of", "history", "lake_connection", "residents_of", "rows", "write_facts"]


def rows(resident_ids: Iterable[int], calls: Iterable[Call], as_of: dt.date) -> list[dict[str, Any]]:
    """One row for each resident that exists: his columns, age, age_months, as_of, and one column a call."""
    ids = sorted(set(resident_ids))
    if not ids:
        return []
    text = facts_sql(calls, "postgres", residents=residents_of(ids, as_of), events=events_of(ids), as_of=_date(as_of))
    return select_dicts(text.replace("%", "%%"))


def history(resident_id: int, as_of: dt.date) -> History:
    """Everything current the ledger says of one resident, for the reference engine and its explanation."""
    found = select_dicts(f"SELECT * FROM {residents_of([resident_id], as_of)} AS resident")
    if not found:
        raise NotFound(f"没有编号为 {resident_id} 的居民。", hint="请重新查找。")
    events = select_dicts(f"SELECT {', '.join(EVENT_COLUMNS)} FROM {events_of([resident_id])} AS event ORDER BY at, id")
    return History(ResidentRow(**found[0]), tuple(EventRow(**event) for event in events))


def residents_of(ids: Sequence[int], as_of: dt.date) -> str:
    """The relation `residents` of facts_sql, in PostgreSQL. The contract is the newest that runs on `as_of`."""
    columns = ", ".join(f"r.{name}" for name in RESIDENT_COLUMNS[1:-1])
    return f"""(SELECT r.id AS resident_id, {columns}, (
    SELECT c.team_id FROM {Contract._meta.db_table} c
    WHERE c.resident_id = r.id AND c.starts <= {_date(as_of)} AND c.ends >= {_date(as_of)}
    ORDER BY c.starts DESC, c.id DESC LIMIT 1) AS contract_team_id
  FROM {Resident._meta.db_table} r WHERE r.id = ANY({_array(ids)}))"""


def events_of(ids: Sequence[int]) -> str:
    """The relation `events` of facts_sql, in PostgreSQL: what holds now of what is linked to these residents."""
    columns = ", ".join(f"e.{name}" for name in EVENT_COLUMNS)
    return f"""(SELECT l.resident_id, {columns}
  FROM {Link._meta.db_table} l JOIN {Event._meta.db_table} e ON e.identity_id = l.identity_id
  WHERE l.resident_id = ANY({_array(ids)})
    AND NOT EXISTS (SELECT 1 FROM {Superseded._meta.db_table} s WHERE s.event_id = e.id))"""


def _array(ids: Sequence[int]) -> str:
    return "'{" + ",".join(str(int(number)) for number in ids) + "}'::bigint[]"


def _date(value: dt.date) -> str:
    return f"DATE '{value.isoformat()}'"
