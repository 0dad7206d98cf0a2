"""Criteria as SQL over `records_resource`.

Three ways to answer, cheapest first: a column (`_id`, `_lastUpdated`, the clinical date in `at`), the GIN index over
`tokens` (what index.py wrote), or the resource itself, read as jsonb for each row the other conditions leave and whose
text has the words at all (1 µs a row to see, 20 µs to read: fine behind a subject or a code, slow alone on a large
type; the caller sets a statement time-out).

`at` holds the start of a period and the first moment of a partial date: comparisons on it see that moment, and where
the end of a period matters the resource is asked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from healthbrain.kernel.ids import resource_key
from healthbrain.records.rules import index, ledger, r4_tables, search_birth
from healthbrain.records.rules.r4_tables import Parameter
from healthbrain.records.rules.search import Criterion, SearchError, parameter_of, parts_of_value
from healthbrain.records.rules.search_json import (
    Sql,
    any_of,
    asked,
    joined,
    json_of,
    json_path,
    reference_forms,
)  # fmt: skip
from healthbrain.records.rules.search_order import AT, DAYS, day
from healthbrain.records.rules.search_values import Interval, interval, prefixed, token

COUNTY_TIME = "(%s::timestamp AT TIME ZONE 'Asia/Shanghai')"
TOGETHER = {("Observation", "combo-code"): ("code", "component-code")}  # answered by the tokens of several parameters
CHAIN_FEW = 2000  # resources a chain passes through one by one; more are joined


def condition(resource_type: str, criterion: Criterion, alias: str = "r") -> Sql:
    """One criterion as a SQL condition on `alias`. Raises SearchError."""
    parameter = criterion.parameter
    if criterion.reverse:
        return _reverse(resource_type, criterion, alias)
    if criterion.chain:
        return _chain(resource_type, criterion, alias)
    if criterion.modifier == "missing":
        absent, params = _absent(resource_type, parameter, alias)
        return (absent if criterion.values[0] == "true" else f"NOT {absent}"), params
    if parameter.kind == "id":
        kinds = [resource_type] if resource_type else sorted(r4_tables.structure().resources)
        keys = [resource_key(kind, value) for kind in kinds for value in criterion.values]
        return f"{alias}.key = ANY(%s::uuid[])", [keys]
    if parameter.kind == "updated":
        return any_of([_instant(f"{alias}.updated", value, COUNTY_TIME) for value in criterion.values])
    if parameter.kind == "composite":
        return any_of([_joined(resource_type, parameter, parts_of_value(value), alias) for value in criterion.values])
    if parameter.kind == "exists":
        return any_of([_said(parameter, criterion.modifier, value, alias) for value in criterion.values])
    if parameter.kind == "date" and AT.get(resource_type) == parameter.code:
        return any_of([_at(resource_type, parameter, value, alias) for value in criterion.values])
    names = token_names(resource_type, parameter.code)
    if names and criterion.modifier not in {"text"}:
        found = _indexed(names, parameter, criterion, alias)
        if found is not None:
            return found
    return any_of([_asked(parameter, criterion.modifier, value, alias) for value in criterion.values])


def _asked(parameter: Parameter, modifier: str, value: str, alias: str) -> Sql:
    """Asked of the resource itself; few have what is asked for, the rest is told by its text alone."""
    sql, params = asked(parameter, modifier, value, json_of(alias))
    if modifier == "not":
        return sql, params
    near, words = written([path.steps[-1] for path in parameter.paths if path.steps], alias)
    if needle := _needle(parameter, modifier, value):
        near, words = f"position(%s::bytea IN {alias}.body) > 0", [needle]
    return f"({near} AND {sql})", [*words, *params]


def _needle(parameter: Parameter, modifier: str, value: str) -> bytes:
    """What the text of a resource that meets the criterion must hold, letter by letter; empty where case or JSON's
    escapes leave that open."""
    if parameter.kind == "token" and modifier == "":
        value = token(value)[1] or token(value)[0] or ""
    elif parameter.kind == "string" and modifier != "exact":
        value = value if value.lower() == value.upper() and index.fold(value) == value else ""
    elif parameter.kind not in {"uri", "string"}:
        return b""
    return value.encode() if value.isprintable() and not set(value) & set('"\\') else b""


def written(words: Sequence[str], alias: str) -> Sql:
    """Whether any of these names stands in the resource's text."""
    tests = " OR ".join(f"position(%s::bytea IN {alias}.body) > 0" for _ in words) or "TRUE"
    return f"({tests})", [f'"{word}"'.encode() for word in words]


def _said(parameter: Parameter, modifier: str, value: str, alias: str) -> Sql:
    """Whether anything but false stands at the paths. Few resources have them: the rest is told by its text alone."""
    if value not in {"true", "false"}:
        return ("TRUE" if modifier == "not" else "FALSE"), []
    said, params = _asked(parameter, "", "", alias)
    is_asked = (value == "true") != (modifier == "not")
    return f"{'' if is_asked else 'NOT '}{said}", params


def _joined(resource_type: str, parameter: Parameter, values: Sequence[str], alias: str) -> Sql:
    """A composite: what the token index knows of its parts first, then the resource itself."""
    sql, params = joined(parameter, resource_type, values, json_of(alias))
    for code, value in zip(parameter.parts, values, strict=True):
        part = parameter_of(resource_type, code)
        names = token_names(resource_type, code) if part.kind in {"token", "reference"} else ()
        indexed = _indexed(names, part, Criterion(part, "", (value,)), alias) if names else None
        if indexed:
            sql, params = f"{indexed[0]} AND {sql}", [*indexed[1], *params]
    return sql, params


def _at(resource_type: str, parameter: Parameter, value: str, alias: str) -> Sql:
    """The clinical date: by its column, which holds a period's start; a resource with a period is asked itself where
    the end matters and the column cannot tell."""
    sql, params = _instant(f"{alias}.at", value)
    periods = [path.steps[-1] for path in parameter.paths if path.type == "Period"]
    if periods:
        has_period, words = written(periods, alias)
        exact, asked_for = asked(parameter, "", value, json_of(alias))
        prefix, text = prefixed(value)
        told, bounds = _told(prefix, interval(text), alias, _ended(parameter, interval(text), alias))
        sql = told.format(f"CASE WHEN {has_period} THEN {exact} ELSE {sql} END")
        params = [*bounds, *words, *asked_for, *params]
    if resource_type in DAYS:
        sql, params = _on_days(value, sql, params, alias)
    if own := _own_words(resource_type, parameter):
        is_own, words = written(own, alias)
        sql, params = f"({sql} AND {is_own})", [*params, *words]
    return sql, params


def _own_words(resource_type: str, parameter: Parameter) -> list[str]:
    """The elements of the parameter, where the column falls back on another one (`ledger.DATES`)."""
    own = [path.steps[0] for path in parameter.paths]
    return own if set(ledger.DATES.get(resource_type, ())) - set(own) else []


def _on_days(value: str, sql: str, params: list[Any], alias: str) -> Sql:
    """The same, with the range of days an index can walk; what begins earlier may still end later."""
    prefix, text = prefixed(value)
    span = interval(text)
    bounds: list[tuple[str, Any]] = []
    if prefix in {"eq", "sa"}:
        bounds.append((">=", span.low.date() if prefix == "eq" else span.high.date()))
    if prefix == "eq":
        bounds.append(("<=", span.high.date()))
    pieces = [f"{day(alias)} {operator} %s" for operator, _ in bounds]
    return f"({' AND '.join([*pieces, sql])})", [*(moment for _, moment in bounds), *params]


def _ended(parameter: Parameter, span: Interval, alias: str) -> str:
    """That a period ended before the span, by the day its end is written with: reading that costs a third of the rest.

    Only where the date can be nothing but a period; two days leave room for every time zone.
    """
    if [path.type for path in parameter.paths] != ["Period"] or span.low.year < 2:
        return ""
    end = f"convert_from({alias}.body, 'UTF8')::json #>> '{{{{{','.join((*parameter.paths[0].steps, 'end'))}}}}}'"
    return f"coalesce(rpad({end}, 10, '9') >= '{span.low.date() - dt.timedelta(days=2)}', true) AND "


def _told(prefix: str, span: Interval, alias: str, lasting: str) -> Sql:
    """What the column tells of a period, around the look into the resource: {}. `lasting`: see `_ended`.

    `at` is the start of a period, the end of one without a start (`is_open`), null where it has neither.
    """
    at, is_open = f"{alias}.at", f"(position('\"start\"'::bytea IN {alias}.body) = 0)"
    near = span.wider()
    later: Sql = (f"({at} >= %s OR {lasting}{{}})", [span.high])
    forms: dict[str, Sql] = {
        "eq": (f"({at} >= %s AND {at} < %s AND {{}})", [span.low, span.high]),
        "ne": (f"({at} < %s OR {at} >= %s OR {{}})", [span.low, span.high]),
        "gt": later,
        "ge": later,
        "le": (f"({at} < %s OR ({at} < %s OR {at} IS NULL OR {is_open}) AND {{}})", [span.low, span.high]),
        "lt": (f"({at} < %s OR ({at} IS NULL OR {is_open}) AND {{}})", [span.low]),
        "sa": (f"({at} >= %s AND (NOT {is_open} OR {{}}))", [span.high]),
        "eb": (f"({at} < %s AND {{}})", [span.low]),
        "ap": (
            f"({at} >= %s AND {at} < %s OR ({at} < %s OR {at} IS NULL OR {is_open}) AND {{}})",
            [near.low, near.high, near.high],
        ),
    }
    return forms[prefix]


def token_names(resource_type: str, code: str) -> tuple[str, ...]:
    """The names under which tokens of this parameter are kept; empty where it is not indexed."""
    if found := TOGETHER.get((resource_type, code)):
        return found
    name = index.canonical(resource_type).get(code)
    return (name,) if name else ()


def _instant(column: str, value: str, form: str = "%s") -> Sql:
    """A column of moments compared with a date; `form`: how a bound is written, that an index on the column serves."""
    prefix, text = prefixed(value)
    span = interval(text)
    if prefix in {"eq", "ap"}:
        near = span.wider() if prefix == "ap" else span
        return f"{column} >= {form} AND {column} < {form}", [near.low, near.high]
    if prefix == "ne":
        return f"({column} < {form} OR {column} >= {form})", [span.low, span.high]
    operator, moment = {
        "gt": (">=", span.high),
        "sa": (">=", span.high),
        "ge": (">=", span.low),
        "lt": ("<", span.low),
        "eb": ("<", span.low),
        "le": ("<", span.high),
    }[prefix]
    return f"{column} {operator} {form}", [moment]


# --- by tokens ----------------------------------------------------------------------------------------------------


def _indexed(names: Sequence[str], parameter: Parameter, criterion: Criterion, alias: str) -> Sql | None:
    """The criterion by the token index; None when tokens cannot answer it."""
    if parameter.kind == "date":
        exact = [(value, _asked(parameter, "", value, alias)) for value in criterion.values]
        return any_of([search_birth.born(value, asked_for, alias) for value, asked_for in exact])
    if parameter.kind == "string":
        return _by_prefix(names[0], parameter, criterion, alias)
    found: list[str] = []
    for value in criterion.values:
        wanted = _tokens(names, parameter, criterion.modifier, value)
        if wanted is None:
            return None
        found += wanted
    overlap = f"{alias}.tokens && %s::text[]" if len(found) != 1 else f"{alias}.tokens @> %s::text[]"
    sql = f"NOT ({overlap})" if criterion.modifier == "not" else overlap
    return sql, [[index.clip(token) for token in dict.fromkeys(found)]]


def _tokens(names: Sequence[str], parameter: Parameter, modifier: str, value: str) -> list[str] | None:
    if modifier == "identifier":
        return [f"{name}:identifier={value}" for name in names]
    if parameter.kind == "reference":
        return [f"{name}={target}" for name in names for target in reference_forms(parameter, value)]
    system, code = token(value)
    if system == "" or not code:
        return None
    if system is None:
        aliases = dict.fromkeys(index.ALIASES.values()) if _has_codings(parameter) else {}
        return [f"{name}={form}" for name in names for form in (code, *(f"{alias}|{code}" for alias in aliases))]
    return [f"{name}={index.ALIASES.get(system, system)}|{code}" for name in names]


def _has_codings(parameter: Parameter) -> bool:
    return any(path.type in {"CodeableConcept", "Coding"} for path in parameter.paths)


def _by_prefix(name: str, parameter: Parameter, criterion: Criterion, alias: str) -> Sql | None:
    """Strings: the first 8 characters by the index, the rest and `:exact` by looking."""
    if criterion.modifier == "contains":
        return None
    pieces: list[Sql] = []
    for value in criterion.values:
        folded = index.fold(value.strip())
        if not folded:
            return None
        sql, params = f"{alias}.tokens @> %s::text[]", [[f"{name}^{folded[: index.PREFIX]}"]]
        if criterion.modifier == "exact" or len(folded) > index.PREFIX:
            more, values = asked(parameter, criterion.modifier, value, json_of(alias))
            pieces.append((f"{sql} AND {more}", [*params, *values]))
        else:
            pieces.append((sql, params))
    return any_of(pieces)


def target_of(resource_type: str, criterion: Criterion) -> tuple[str, list[tuple[str, Criterion]]]:
    """Of a chain: the name of the tokens that refer, and which types with which criterion are looked for on the other
    side. Raises SearchError where the reference is not indexed."""
    own = criterion.reverse or resource_type
    names = token_names(own, criterion.parameter.code)
    if not names:
        text = f"{own}:{criterion.parameter.code} 没有索引,不能链式检索 (not indexed: cannot be chained)"
        raise SearchError(text, "not-supported")
    if criterion.reverse:
        return names[0], [(criterion.reverse, criterion.chain[0][1])]
    return names[0], list(criterion.chain)


def _chain(resource_type: str, criterion: Criterion, alias: str) -> Sql:
    """References to resources that meet a criterion of their own: to those found, or, where they are many, joined."""
    name, targets = target_of(resource_type, criterion)
    if criterion.found is not None:
        return f"{alias}.tokens && %s::text[]", [[index.clip(f"{name}={own}") for own in criterion.found]]
    inner = f"{alias}c"
    pieces: list[Sql] = []
    for target, condition_on_target in targets:
        where, params = condition(target, condition_on_target, inner)
        start = f"{name}={target}/"
        sql = (  # IS TRUE: a set made once and looked into, where the planner would join anew for each row
            f"EXISTS (SELECT FROM unnest({alias}.tokens) t WHERE starts_with(t, %s) AND (substr(t, %s) IN (SELECT"
            f" {inner}.id FROM records_resource {inner} WHERE {inner}.type = %s AND NOT {inner}.deleted AND {where}))"
            f" IS TRUE)"
        )
        pieces.append((sql, [start, len(start) + 1, target, *params]))
    return any_of(pieces)


def _reverse(resource_type: str, criterion: Criterion, alias: str) -> Sql:
    """`_has`: resources that some other resource meeting a criterion refers to. Where those are many, each resource
    is asked who refers to it: a page is full after a few."""
    name, [(other, condition_on_other)] = target_of(resource_type, criterion)
    start = f"{name}={resource_type}/"
    if criterion.found is not None:
        keys = [resource_key(resource_type, text.removeprefix(start)) for text in criterion.found]
        return f"{alias}.key = ANY(%s::uuid[])", [keys]
    inner = f"{alias}h"
    where, params = condition(other, condition_on_other, inner)
    if criterion.whole:
        sql = (
            f"{alias}.id IN (SELECT substr(t, %s) FROM records_resource {inner}, unnest({inner}.tokens) t"
            f" WHERE {inner}.type = %s AND NOT {inner}.deleted AND {where} AND starts_with(t, %s))"
        )
        return sql, [len(start) + 1, other, *params, start]
    sql = (  # one look into the tokens a row: no join, and no index of the type beside it
        f"(SELECT TRUE FROM records_resource {inner} WHERE {inner}.tokens @> ARRAY[%s || {alias}.id]"
        f" AND {inner}.type || '' = %s AND NOT {inner}.deleted AND {where} LIMIT 1) IS TRUE"
    )
    return sql, [start, other, *params]


def _absent(resource_type: str, parameter: Parameter, alias: str) -> Sql:
    """Nothing at any of the parameter's paths. Its tokens show that something is there, hardly ever that nothing is."""
    if parameter.kind == "date" and AT.get(resource_type) == parameter.code:
        own, words = written([path.steps[0] for path in parameter.paths], alias)
        is_null = "" if _own_words(resource_type, parameter) else f"{alias}.at IS NULL AND "
        return f"({is_null}NOT {own})", words
    checks = [f"jsonb_path_exists({json_of(alias)}, '{json_path(path.steps)}')" for path in parameter.paths]
    near, words = written([path.steps[-1] for path in parameter.paths if path.steps], alias)
    if parameter.kind in index.KINDS and (names := token_names(resource_type, parameter.code)):
        listed = f"chr(1) || array_to_string({alias}.tokens, chr(1))"
        marks = {"string": ("^",), "reference": ("=", ":identifier=")}.get(parameter.kind, ("=",))
        starts = [name + mark for name in names for mark in marks]
        shown = " OR ".join(f"strpos({listed}, chr(1) || %s) > 0" for _ in starts)
        return f"(NOT ({shown} OR {near} AND ({' OR '.join(checks)})))", [*starts, *words]
    return f"(NOT ({near} AND ({' OR '.join(checks)})))", words
