"""The order of a search as SQL, and where its next page begins.

What an index can hand out in order is walked from one end and stops when the page is full, however large the county:
the primary key, `updated` within a type, and the clinical day of the types in `DAYS`. Everything else is gathered and
sorted. Each page ends with a mark, the values of its last row; the next page begins behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from healthbrain.records.rules.search import Query, SearchError, parameter_of
from healthbrain.records.rules.search_json import Sql, json_of, json_path, leaves

AT = {  # the date parameter that the column `at` answers
    "Observation": "date",
    "Condition": "onset-date",
    "Encounter": "date",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "MedicationDispense": "whenhandedover",
    "MedicationAdministration": "effective-time",
    "Immunization": "date",
    "Procedure": "date",
    "ServiceRequest": "authored",
    "DiagnosticReport": "date",
    "DocumentReference": "date",
    "Composition": "date",
    "QuestionnaireResponse": "authored",
}
DAYS = {"Encounter", "Condition"}  # types with an index over the day of `at` (models.Resource)
NEVER = "'-infinity'::timestamp"


@dataclass(frozen=True, slots=True)
class Key:
    """One thing to order by: SQL that is never null, and its PostgreSQL type."""

    sql: str
    type: str
    down: bool = False

    @property
    def ordered(self) -> str:
        return f"{self.sql} {'DESC' if self.down else 'ASC'}"


def day(alias: str = "r") -> str:
    """The clinical day, as the index of `DAYS` has it."""
    return f"(coalesce({alias}.at, {NEVER})::date)"


def keys_of(query: Query) -> list[Key]:
    """What a search is ordered by; the primary key last, so that no two rows are equal.

    Without `_sort` R4 leaves the order to the server: from a date on it is the newest first, up to a date the oldest,
    so that an index finds the first page.
    """
    found = [key for code, down in query.sort for key in _keys(query.type, code, down)]
    if not query.sort and query.type in DAYS:
        bounds = [c.values[0][:2] for c in query.criteria if c.parameter.code == AT[query.type] and not c.modifier]
        if bounds:
            found = _keys(query.type, AT[query.type], bounds[0] not in {"lt", "le", "eb"})
    return [*found, Key("r.key", "uuid")]


def _keys(resource_type: str, code: str, down: bool) -> list[Key]:
    if code == "_id":
        return [Key("r.id", "text", down)]
    if code == "_lastUpdated":
        return [Key("r.updated", "timestamptz", down)]
    if AT.get(resource_type) == code:
        days = [Key(day(), "date", down)] if resource_type in DAYS else []
        return [*days, Key(f"coalesce(r.at, {NEVER})", "timestamp", down)]
    return [_asked(resource_type, code, down)]


def _asked(resource_type: str, code: str, down: bool) -> Key:
    """By the first value in the resource itself: slow on a large type."""
    parameter = parameter_of(resource_type, code)
    paths = [f"jsonb_path_query_first({json_of('r')}, '{json_path(path.steps)}')" for path in leaves(parameter)]
    first = f"coalesce({', '.join(paths)})"
    if parameter.kind in {"quantity", "number"}:
        number = f"coalesce({first} -> 'value', {first})"
        sql = f"coalesce(CASE WHEN jsonb_typeof({number}) = 'number' THEN ({number})::float8 END, -1e15)"
        return Key(sql, "float8", down)
    inside = [f"{first} -> 'coding' -> 0 ->> 'code'", *(f"{first} ->> '{name}'" for name in ("value", "code", "start"))]
    return Key(f"lower(coalesce({', '.join(inside)}, {first} #>> '{{}}', ''))", "text", down)


def behind(keys: Sequence[Key], mark: Sequence[Any] | None) -> Sql:
    """Rows behind the mark in the order of `keys`: (a > x) OR (a = x AND b > y) OR …; an index is told where to begin.

    Raises SearchError for the mark of another order.
    """
    if mark is None:
        return "TRUE", []
    if len(mark) != len(keys) or not all(isinstance(value, str) for value in mark):
        raise SearchError("翻页标记与排序不符 (cursor does not fit _sort)")
    branches, values = [], list[Any]()
    for i, key in enumerate(keys):
        same = [f"{earlier.sql} = %s::{earlier.type}" for earlier in keys[:i]]
        branches.append(" AND ".join([*same, f"{key.sql} {'<' if key.down else '>'} %s::{key.type}"]))
        values += mark[: i + 1]
    first = f"{keys[0].sql} {'<=' if keys[0].down else '>='} %s::{keys[0].type}"
    return f"{first} AND ({' OR '.join(f'({branch})' for branch in branches)})", [mark[0], *values]
