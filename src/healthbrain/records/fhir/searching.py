"""Run a search: one statement for the page, one for the total, one for each include."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import orjson
from django.db import DataError, OperationalError, transaction

from healthbrain.kernel import db
from healthbrain.kernel.ids import resource_key
from healthbrain.records.fhir import reading, shaping
from healthbrain.records.fhir.auth import Caller, scope
from healthbrain.records.fhir.outcome import FhirError, bundle, entry, outcome
from healthbrain.records.fhir.reading import COLUMNS, Stored, record_look, stored
from healthbrain.records.rules import r4_tables, search_sql
from healthbrain.records.rules.r4 import Issue
from healthbrain.records.rules.search import (
    Criterion,
    Include,
    Query,
    SearchError,
    parse,
    parse_over_types,
    write_cursor,
)  # fmt: skip
from healthbrain.records.rules.search_birth import UNKNOWN, YEARS, is_by_birth, key_within, token, year_of
from healthbrain.records.rules.search_json import Sql, any_of
from healthbrain.records.rules.search_order import Key, behind, keys_of

TIMEOUT = "20s"
# Along an index until there is enough, or all that the tokens and the type find, gathered (True): of what it has not
# counted the planner believes the worst of both, a walk over the whole county for what nobody has. The walk gets a
# moment, which is ample where it is right; then what can be gathered; then, on a busy machine, the walk again.
EITHER = (("250ms", False), ("3s", True), (TIMEOUT, False))
WALK, GATHER = ((TIMEOUT, False),), ((TIMEOUT, True),)
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
        asked = [(name, _relative(resource_type, name, value, base)) for name, value in pairs]
        query = parse(resource_type, asked, strict=strict) if resource_type else parse_over_types(asked, strict=strict)
        found = run(caller, query)
    except SearchError as error:
        raise FhirError(400, str(error), error.code) from error
    subject = resource_type or "system"
    record_look(caller, "fhir.search", subject, found.rows + found.included, query=urlencode(pairs))
    return _bundle(f"{base}/{resource_type}".rstrip("/"), base, query, pairs, found)


def _relative(resource_type: str, name: str, value: str, base: str) -> str:
    """A reference that names this server, without its name: as such references are stored. A url is left as it is."""
    parameter = r4_tables.search_parameters().get(resource_type, {}).get(re.split(r"[.:]", name)[0])
    if base not in value or (parameter and any(path.type in {"uri", "url", "canonical"} for path in parameter.paths)):
        return value
    return re.sub(rf"{re.escape(base)}/(?=[A-Z][A-Za-z]+/[A-Za-z0-9.-])", "", value)


def in_compartment(
    caller: Caller, base: str, own: str, kind: str, pairs: Sequence[tuple[str, str]], *, strict: bool
) -> bytes:
    """Patient/[own]/[kind]. FhirError 404 for a type that says nothing of patients: all of it would be the answer."""
    if "patient" not in r4_tables.search_parameters().get(kind, {}):
        raise FhirError(404, f"{kind} 不在患者范围内 (not in the patient compartment)", "not-supported")
    return search(caller, base, kind, [*pairs, ("patient", own)], strict=strict)


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
    query = _resolved(_of_each_type(query))
    total = _total(caller, query)
    if query.summary == "count":
        return Found([], [], total, "")
    wheres = [where_of(caller, branch) for branch in query.branches or (query,)]
    if is_by_birth(query):
        rows = _by_birth(query, *wheres[0])
    else:
        rows = _page(wheres, keys_of(query), query.cursor, query.count + 1, _ways(query))
    page = rows[: query.count]
    more = write_cursor(list(page[-1][7:])) if len(rows) > query.count and page else ""
    if total is None and query.total != "none" and not more and query.cursor is None:
        total = len(page)
    found = Found([stored(row) for row in page], [], total, more)
    if query.includes:
        found.included, found.truncated = _includes(caller, query.includes, found.rows)
    return found


def _page(
    wheres: Sequence[Sql],
    keys: Sequence[Key],
    mark: Sequence[Any] | None,
    count: int,
    ways: Sequence[tuple[str, bool]],
) -> list[tuple[Any, ...]]:
    """Rows behind the mark in the order of `keys`, each with its own mark behind its columns.

    Of several types each fills a page by itself, which an index can do, and the first of them all are taken.
    """
    after, marks = behind(keys, mark)
    order = ", ".join(key.ordered for key in keys)
    marked = ", ".join(f"{key.sql} AS mark{n}" for n, key in enumerate(keys))
    begin, end = (
        f"(SELECT {COLUMNS}, {marked} FROM records_resource r WHERE ",
        f" AND {after} ORDER BY {order} LIMIT %s)",
    )
    names = COLUMNS.replace("r.", "") + "".join(f", mark{n}::text" for n in range(len(keys)))
    whole = ", ".join(f"mark{n} {'DESC' if key.down else 'ASC'}" for n, key in enumerate(keys))
    pages = " UNION ALL ".join(begin + where + end for where, _ in wheres)
    params = [value for _, values in wheres for value in (*values, *marks, count)]
    return _select(f"SELECT {names} FROM ({pages}) u ORDER BY {whole} LIMIT %s", [*params, count], ways)


def _select(sql: str, params: Sequence[Any], ways: Sequence[tuple[str, bool]]) -> list[tuple[Any, ...]]:
    """One statement, by the first of `ways` that answers in its time.

    Raises OperationalError when none does. The way and its time hold for this statement only.
    """
    *tries, (time, gathers) = ways
    for limit, is_gathered in tries:
        try:
            with transaction.atomic():
                return _within(limit, sql, params, gathers=is_gathered)
        except OperationalError:
            continue
    return _within(time, sql, params, gathers=gathers)


def _within(limit: str, sql: str, params: Sequence[Any], *, gathers: bool) -> list[tuple[Any, ...]]:
    way = "off" if gathers else "DEFAULT"
    setting = "SET LOCAL statement_timeout = '{}'; SET LOCAL enable_indexscan TO {}; SET LOCAL enable_seqscan TO {}"
    db.execute(setting.format(limit, way, way))
    rows = db.select(sql, params)
    db.execute(setting.format(TIMEOUT, "DEFAULT", "DEFAULT"))
    return rows


def _of_each_type(query: Query) -> Query:
    """A search over everything, as one of each type there is."""
    if query.type or query.branches:
        return query
    return replace(query, branches=tuple(replace(query, type=kind) for kind in reading.types_held()))


def _by_birth(query: Query, where: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """A page in order of birth: year by year, each sorted by itself; last who has no date of birth.

    Cost: of the first page one year's Patients, and a look into the index for each year nobody is of.
    """
    down, rest = query.sort[0][1], keys_of(replace(query, sort=query.sort[1:]))
    years: list[int] = sorted(YEARS, reverse=down)
    mark = query.cursor
    begun = year_of(str(mark[0])) if mark else 0
    rows: list[tuple[Any, ...]] = []
    for year in years if not mark else years[years.index(begun) :] if begun in YEARS else []:
        if len(rows) > query.count:
            return rows
        own = (f"{where} AND r.tokens @> %s::text[]", [*params, [token(year)]])
        keys = [key_within(year, down=down), *rest]
        behind_mark = mark if year == begun else None
        rows += _page([own], keys, behind_mark, query.count + 1 - len(rows), GATHER)
    if len(rows) <= query.count:
        keys = [Key("'unknown'::text", "text"), *rest]
        behind_mark = mark if mark and begun not in YEARS else None
        rows += _page([(f"{where} AND {UNKNOWN}", [*params])], keys, behind_mark, query.count + 1 - len(rows), WALK)
    return rows


def _personal(query: Query) -> bool:
    return any(c.parameter.code in PERSONAL and not c.values[0].endswith("|") for c in query.all_criteria if c.values)


def _ways(query: Query) -> Sequence[tuple[str, bool]]:
    if _personal(query):
        return GATHER
    return EITHER if query.all_criteria else WALK


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


def _total(caller: Caller, query: Query) -> int | None:
    """Exact when asked for; else only where counting is cheap."""
    is_asked = query.total == "accurate" or query.summary == "count"
    if (query.total == "none" and query.summary != "count") or query.cursor is not None:
        return None
    if not is_asked and not _personal(query):
        return None
    where, params = where_of(caller, _whole(query))
    if is_asked:
        return int(db.select(f"SELECT count(*) FROM records_resource r WHERE {where}", params)[0][0])
    limited = f"SELECT count(*) FROM (SELECT FROM records_resource r WHERE {where} LIMIT {FREE_TOTAL + 1}) t"
    count = int(_select(limited, params, GATHER)[0][0])
    return count if count <= FREE_TOTAL else None


def _whole(query: Query) -> Query:
    branches = tuple(_whole(branch) for branch in query.branches)
    return replace(query, branches=branches, criteria=[replace(one, whole=True) for one in query.criteria])


# --- chains ---------------------------------------------------------------------------------------------------------


def _resolved(query: Query) -> Query:
    """The query with what its chains find on the other side, where that is little."""
    branches = tuple(_resolved(branch) for branch in query.branches)
    return replace(query, branches=branches, criteria=[_followed(query.type, one) for one in query.criteria])


def _followed(resource_type: str, criterion: Criterion) -> Criterion:
    if not criterion.chain:
        return criterion
    chain = tuple((kind, _followed(criterion.reverse or kind, inner)) for kind, inner in criterion.chain)
    criterion = replace(criterion, chain=chain)
    name, targets = search_sql.target_of(resource_type, criterion)
    found: list[str] = []
    for target, inner in targets:
        where, params = search_sql.condition(target, inner, "c")
        own, more = "%s || c.id", [f"{target}/"]
        source = "records_resource c"
        if criterion.reverse:
            own, more, source = "DISTINCT t", [], "records_resource c, unnest(c.tokens) t"
            where, params = f"{where} AND starts_with(t, %s)", [*params, f"{name}={resource_type}/"]
        sql = f"SELECT {own} FROM {source} WHERE c.type = %s AND NOT c.deleted AND {where} LIMIT %s"
        found += [row[0] for row in _select(sql, (*more, target, *params, search_sql.CHAIN_FEW + 1), EITHER)]
    return replace(criterion, found=tuple(found) if len(found) <= search_sql.CHAIN_FEW else None)


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
