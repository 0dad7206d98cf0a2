"""Run a search: one statement for the page, one for the total, one for each include."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from django.db import DataError, OperationalError, transaction

from healthbrain.kernel import db
from healthbrain.kernel.ids import resource_key
from healthbrain.records.fhir import shaping
from healthbrain.records.fhir.auth import Caller, scope
from healthbrain.records.fhir.outcome import FhirError, bundle, entry, outcome
from healthbrain.records.fhir.reading import COLUMNS, Stored, record_look, stored
from healthbrain.records.rules import search_sql
from healthbrain.records.rules.r4 import Issue
from healthbrain.records.rules.search import Include, Query, SearchError, parse, parse_over_types, write_cursor
from healthbrain.records.rules.search_json import any_of

TIMEOUT = "20s"
FREE_TOTAL = 1000  # up to here the total is counted without being asked for
INCLUDE_LIMIT = 1000
PERSONAL = {"_id", "subject", "patient", "identifier", "encounter"}


@dataclass(slots=True)
class Found:
    """One page."""

    rows: list[Stored]
    included: list[Stored]
    total: int | None
    next: str  # cursor of the next page, "" on the last
    truncated: bool = False  # includes were cut at INCLUDE_LIMIT


def search(
    caller: Caller, base: str, resource_type: str, pairs: Sequence[tuple[str, str]], *, strict: bool = False
) -> bytes:
    """A searchset Bundle; over all types when `resource_type` is empty. FhirError 400 for what cannot be asked."""
    try:
        query = parse(resource_type, pairs, strict=strict) if resource_type else parse_over_types(pairs, strict=strict)
        found = run(caller, query)
    except SearchError as error:
        raise FhirError(400, str(error), error.code) from error
    subject = resource_type or "system"
    record_look(caller, "fhir.search", subject, found.rows + found.included, query=urlencode(pairs))
    return _bundle(f"{base}/{resource_type}".rstrip("/"), base, query, pairs, found)


def run(caller: Caller, query: Query) -> Found:
    """One page of a query. Cost: the index over tokens for what is indexed; see search_sql for the rest."""
    try:
        with transaction.atomic():
            db.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'")
            return _run(caller, query)
    except OperationalError as error:
        raise SearchError("检索用时过长,请增加条件 (too costly: add a condition)", "too-costly") from error
    except DataError as error:
        raise SearchError("检索值不合法 (value out of range)", "value") from error


def _run(caller: Caller, query: Query) -> Found:
    where, params = where_of(caller, query)
    total = _total(query, where, params)
    if query.summary == "count":
        return Found([], [], total, "")
    keys = [(search_sql.sort_expression(query.type, code), down) for code, down in query.sort]
    keys.append((_tie(query), False))
    after, marks = _after(keys, query.cursor)
    order = ", ".join(f"{sql} {'DESC' if down else 'ASC'}" for sql, down in keys)
    marked = ", ".join(sql for sql, _ in keys)
    rows = db.select(
        f"SELECT {COLUMNS}, {marked} FROM records_resource r WHERE {where} AND {after} ORDER BY {order} LIMIT %s",
        (*params, *marks, query.count + 1),
    )
    page = rows[: query.count]
    more = write_cursor([_mark(v) for v in page[-1][7:]]) if len(rows) > query.count and page else ""
    if total is None and query.total != "none" and not more and query.cursor is None:
        total = len(page)
    found = Found([stored(row) for row in page], [], total, more)
    if query.includes:
        found.included, found.truncated = _includes(caller, query.includes, found.rows)
    return found


def _mark(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else str(value)


def _tie(query: Query) -> str:
    """The last sort key. For a search about one person an expression, so that the planner walks the token index and
    sorts the few rows instead of walking the whole primary key.
    """
    return "r.key::text" if _personal(query) else "r.key"


def _personal(query: Query) -> bool:
    return any(criterion.parameter.code in PERSONAL for criterion in query.all_criteria)


def where_of(caller: Caller, query: Query) -> tuple[str, list[Any]]:
    """The whole condition of a query."""
    if query.branches:
        return any_of([where_of(caller, branch) for branch in query.branches])
    inside, values = scope(caller)
    pieces, params = ["NOT r.deleted", inside], [*values]
    if query.type:
        pieces, params = ["r.type = %s", *pieces], [query.type, *params]
    for criterion in query.criteria:
        sql, values = search_sql.condition(query.type, criterion)
        pieces.append(sql)
        params += values
    return " AND ".join(pieces), params


def _total(query: Query, where: str, params: list[Any]) -> int | None:
    """Exact when asked for; else only where counting is cheap."""
    if query.total == "none" or query.cursor is not None:
        return None
    if query.total == "accurate" or query.summary == "count":
        return int(db.select(f"SELECT count(*) FROM records_resource r WHERE {where}", params)[0][0])
    if not _personal(query):
        return None
    limited = f"SELECT count(*) FROM (SELECT FROM records_resource r WHERE {where} LIMIT {FREE_TOTAL + 1}) t"
    count = int(db.select(limited, params)[0][0])
    return count if count <= FREE_TOTAL else None


def _after(keys: list[tuple[str, bool]], cursor: list[Any] | None) -> tuple[str, list[Any]]:
    """Rows behind the cursor in the order of `keys`: (a > x) OR (a = x AND b > y) OR …"""
    if cursor is None:
        return "TRUE", []
    if len(cursor) != len(keys) or any(
        ("float8" in _typed(sql)) is isinstance(mark, str) for (sql, _), mark in zip(keys, cursor, strict=True)
    ):
        raise SearchError("翻页标记与排序不符 (cursor does not fit _sort)")
    branches, values = [], list[Any]()
    for i, (sql, down) in enumerate(keys):
        same = [f"{earlier} = {_typed(earlier)}" for earlier, _ in keys[:i]]
        branches.append(" AND ".join([*same, f"{sql} {'<' if down else '>'} {_typed(sql)}"]))
        values += cursor[: i + 1]
    return "(" + " OR ".join(f"({branch})" for branch in branches) + ")", values


def _typed(sql: str) -> str:
    return "%s::uuid" if sql == "r.key" else ("%s::float8" if "float8" in sql else "%s::text")


# --- includes -------------------------------------------------------------------------------------------------------


def _includes(caller: Caller, includes: Sequence[Include], rows: Sequence[Stored]) -> tuple[list[Stored], bool]:
    """What was asked to come along; `:iterate` follows what came along, up to four rounds."""
    seen = {row.reference for row in rows}
    found: list[Stored] = []
    fresh: list[Stored] = list(rows)
    for turn in range(4):
        active = [include for include in includes if turn == 0 or include.iterate]
        new = [row for include in active if not include.reverse for row in _referred(caller, include, fresh)]
        new += _referring(caller, [include for include in active if include.reverse], fresh)
        fresh = []
        for row in new:
            if row.reference not in seen:
                seen.add(row.reference)
                fresh.append(row)
        found += fresh
        if not fresh or len(found) >= INCLUDE_LIMIT:
            break
    return found[:INCLUDE_LIMIT], len(found) >= INCLUDE_LIMIT


def _referred(caller: Caller, include: Include, rows: Sequence[Stored]) -> list[Stored]:
    """Resources that `rows` refer to."""
    wanted: list[tuple[str, str]] = []
    for row in rows:
        if row.type == include.type:
            for path in include.parameter.paths:
                for text in references_at(orjson.loads(row.body), path.steps):
                    kind, _, own = text.partition("/")
                    targets = {t for t in (include.target, path.target) if t}
                    if own and "/" not in own and (not targets or kind in targets):
                        wanted.append((kind, own))
    return by_keys(caller, [resource_key(*pair) for pair in dict.fromkeys(wanted)])


def references_at(node: Any, steps: Sequence[str]) -> Iterable[str]:
    """The reference texts at a path, through arrays."""
    if isinstance(node, list):
        for item in node:
            yield from references_at(item, steps)
    elif isinstance(node, dict):
        if steps:
            yield from references_at(node.get(steps[0]), steps[1:])
        elif isinstance(node.get("reference"), str):
            yield node["reference"]


def by_keys(caller: Caller, keys: Sequence[Any]) -> list[Stored]:
    """Resources by primary key, those the caller may see."""
    if not keys:
        return []
    inside, params = scope(caller)
    sql = f"SELECT {COLUMNS} FROM records_resource r WHERE r.key = ANY(%s::uuid[]) AND NOT r.deleted AND {inside}"
    return [stored(row) for row in db.select(sql, (list(keys), *params))]


def _referring(caller: Caller, includes: Sequence[Include], rows: Sequence[Stored]) -> list[Stored]:
    """Resources that refer to `rows`, by the token index: one index look-up for each type, in one statement."""
    names: dict[str, set[str]] = {}
    for include in includes:
        found = search_sql.token_names(include.type, include.parameter.code)
        if not found:
            text = f"{include.type}:{include.parameter.code} 没有索引,不能 _revinclude (not indexed)"
            raise SearchError(text, "not-supported")
        names.setdefault(include.type, set()).update(found)
    if not names or not rows:
        return []
    wanted = {kind: [f"{name}={row.reference}" for row in rows for name in own] for kind, own in names.items()}
    pieces = [("r.type = %s AND r.tokens && %s::text[]", [kind, tokens]) for kind, tokens in wanted.items()]
    where, params = any_of(pieces)
    inside, values = scope(caller)
    sql = f"SELECT {COLUMNS} FROM records_resource r WHERE {where} AND NOT r.deleted AND {inside} LIMIT {INCLUDE_LIMIT}"
    return [stored(row) for row in db.select(sql, (*params, *values))]


# --- the answer -----------------------------------------------------------------------------------------------------


def _bundle(here: str, base: str, query: Query, pairs: Sequence[tuple[str, str]], found: Found) -> bytes:
    used = [pair for pair in pairs if pair[0] not in query.ignored]
    links = {"self": f"{here}?{urlencode(used)}"}
    if found.next:
        kept = [pair for pair in used if pair[0] != "_cursor"]
        links["next"] = f"{here}?{urlencode([*kept, ('_cursor', found.next)])}"
    entries = [
        entry(f"{base}/{row.reference}", shaping.shaped(row.body, query), search={"mode": mode})
        for rows, mode in ((found.rows, "match"), (found.included, "include"))
        for row in rows
    ]
    warnings = [Issue("warning", "not-supported", "", f"没有这个参数,未使用 (ignored): {n}") for n in query.ignored]
    if found.truncated:
        warnings.append(Issue("warning", "incomplete", "", f"附带资源只返回前 {INCLUDE_LIMIT} 条 (includes cut)"))
    if warnings:
        told = orjson.dumps(outcome(warnings))
        entries.append(b'{"resource":' + told + b',"search":{"mode":"outcome"}}')
    return bundle("searchset", links, entries, found.total)
