"""Criteria as SQL over `records_resource`.

Three ways to answer, cheapest first: a column (`_id`, `_lastUpdated`, the clinical date in `at`), the GIN index over
`tokens` (what index.py wrote), or the resource itself, read as jsonb for each row the other conditions leave (about
20 µs a row: fine behind a subject or a code, slow alone on a large type; the caller sets a statement time-out).

`at` holds the start of a period and the first moment of a partial date: comparisons on it see that moment, and where
the end of a period matters the resource is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from healthbrain.kernel.ids import resource_key
from healthbrain.records.rules import index, r4_tables
from healthbrain.records.rules.r4_tables import Parameter
from healthbrain.records.rules.search import Criterion, SearchError, parameter_of, parts_of_value
from healthbrain.records.rules.search_json import (
    Sql,
    any_of,
    asked,
    joined,
    json_of,
    json_path,
    leaves,
    reference_forms,
)  # fmt: skip
from healthbrain.records.rules.search_values import Interval, interval, prefixed, token

AT = {  # the date parameter that the column `at` answers
    "Observation": "date",
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
TOGETHER = {("Observation", "combo-code"): ("code", "component-code")}  # answered by the tokens of several parameters
CHAIN_LIMIT = 2000  # resources a chain may pass through


def condition(resource_type: str, criterion: Criterion, alias: str = "r") -> Sql:
    """One criterion as a SQL condition on `alias`. Raises SearchError."""
    parameter = criterion.parameter
    if criterion.reverse:
        return _reverse(resource_type, criterion, alias)
    if criterion.chain:
        return _chain(resource_type, criterion, alias)
    if criterion.modifier == "missing":
        absent = _absent(resource_type, parameter, alias)
        return (absent, []) if criterion.values[0] == "true" else (f"NOT {absent}", [])
    if parameter.kind == "id":
        kinds = [resource_type] if resource_type else sorted(r4_tables.structure().resources)
        keys = [resource_key(kind, value) for kind in kinds for value in criterion.values]
        return f"{alias}.key = ANY(%s::uuid[])", [keys]
    if parameter.kind == "updated":
        return any_of(
            [_instant(f"{alias}.updated", value, " AT TIME ZONE 'Asia/Shanghai'") for value in criterion.values]
        )
    if parameter.kind == "composite":
        return any_of([_joined(resource_type, parameter, parts_of_value(value), alias) for value in criterion.values])
    if parameter.kind == "exists":
        return any_of([_said(parameter, criterion.modifier, value, alias) for value in criterion.values])
    if parameter.kind == "date" and AT.get(resource_type) == parameter.code:
        return any_of([_at(parameter, value, alias) for value in criterion.values])
    names = token_names(resource_type, parameter.code)
    if names and criterion.modifier not in {"text"}:
        found = _indexed(names, parameter, criterion, alias)
        if found is not None:
            return found
    return any_of([asked(parameter, criterion.modifier, value, json_of(alias)) for value in criterion.values])


def _said(parameter: Parameter, modifier: str, value: str, alias: str) -> Sql:
    """Whether anything but false stands at the paths. Few resources have them: the rest is told by its text alone."""
    if value not in {"true", "false"}:
        return ("TRUE" if modifier == "not" else "FALSE"), []
    words = [f'"{path.steps[-1]}"'.encode() for path in parameter.paths]
    written = " OR ".join(f"position(%s::bytea IN {alias}.body) > 0" for _ in words)
    said, params = asked(parameter, "", "", json_of(alias))
    is_asked = (value == "true") != (modifier == "not")
    return f"{'' if is_asked else 'NOT '}(({written}) AND {said})", [*words, *params]


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


def _at(parameter: Parameter, value: str, alias: str) -> Sql:
    """The clinical date: by its column, which holds a period's start; a resource with a period is asked itself where
    the end matters and the column cannot tell."""
    quick, known = _instant(f"{alias}.at", value)
    prefix, text = prefixed(value)
    words = [path.steps[-1] for path in parameter.paths if path.type == "Period"]
    if not words:
        return quick, known
    has_period = " OR ".join(f"position(%s::bytea IN {alias}.body) > 0" for _ in words)
    exact, params = asked(parameter, "", value, json_of(alias))
    told, bounds = _told(prefix, interval(text), f"{alias}.at", f"(position('\"start\"'::bytea IN {alias}.body) = 0)")
    return (
        told.format(f"CASE WHEN {has_period} THEN {exact} ELSE {quick} END"),
        [*bounds, *(f'"{word}"'.encode() for word in words), *params, *known],
    )


def _told(prefix: str, span: Interval, at: str, is_open: str) -> Sql:
    """What the column tells of a period, around the look into the resource: {}.

    `at` is the start of a period, the end of one without a start (`is_open`), null where it has neither.
    """
    near = span.wider()
    later: Sql = (f"({at} >= %s OR {{}})", [span.high])
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


def _instant(column: str, value: str, suffix: str = "") -> Sql:
    prefix, text = prefixed(value)
    span, column = interval(text), f"({column}{suffix})"
    if prefix == "eq":
        return f"{column} >= %s AND {column} < %s", [span.low, span.high]
    if prefix == "ne":
        return f"({column} < %s OR {column} >= %s)", [span.low, span.high]
    if prefix == "ap":
        wide = span.wider()
        return f"{column} >= %s AND {column} < %s", [wide.low, wide.high]
    operator, moment = {
        "gt": (">=", span.high),
        "sa": (">=", span.high),
        "ge": (">=", span.low),
        "lt": ("<", span.low),
        "eb": ("<", span.low),
        "le": ("<", span.high),
    }[prefix]
    return f"{column} {operator} %s", [moment]


# --- by tokens ----------------------------------------------------------------------------------------------------


def _indexed(names: Sequence[str], parameter: Parameter, criterion: Criterion, alias: str) -> Sql | None:
    """The criterion by the token index; None when tokens cannot answer it."""
    if parameter.kind == "date":
        prefix, text = prefixed(criterion.values[0])
        if len(criterion.values) > 1 or prefix != "eq" or len(text) not in {4, 7, 10}:
            return None
        interval(text)
        return f"{alias}.tokens @> %s::text[]", [[f"{names[0]}={text}"]]
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


def _chain(resource_type: str, criterion: Criterion, alias: str) -> Sql:
    """References to resources that meet a criterion of their own: their tokens are gathered first, once."""
    names = token_names(resource_type, criterion.parameter.code)
    if not names:
        raise SearchError(f"{criterion.parameter.code} 没有索引,不能链式检索 (not indexed)", "not-supported")
    inner = f"{alias}c"
    pieces: list[Sql] = []
    for target, condition_on_target in criterion.chain:
        where, params = condition(target, condition_on_target, inner)
        sql = (
            f"{alias}.tokens && ARRAY(SELECT %s || {inner}.id FROM records_resource {inner}"
            f" WHERE {inner}.type = %s AND NOT {inner}.deleted AND {where} LIMIT {CHAIN_LIMIT})"
        )
        pieces.append((sql, [f"{names[0]}={target}/", target, *params]))
    return any_of(pieces)


def _reverse(resource_type: str, criterion: Criterion, alias: str) -> Sql:
    """`_has`: resources that some other resource meeting a criterion refers to."""
    names = token_names(criterion.reverse, criterion.parameter.code)
    if not names:
        raise SearchError(f"{criterion.parameter.code} 没有索引,不能用 _has (not indexed)", "not-supported")
    inner = f"{alias}h"
    where, params = condition(criterion.reverse, criterion.chain[0][1], inner)
    start = f"{names[0]}={resource_type}/"
    sql = (
        f"{alias}.id IN (SELECT substr(t, %s) FROM records_resource {inner}, unnest({inner}.tokens) t"
        f" WHERE {inner}.type = %s AND NOT {inner}.deleted AND {where} AND starts_with(t, %s))"
    )
    return sql, [len(start) + 1, criterion.reverse, *params, start]


def _absent(resource_type: str, parameter: Parameter, alias: str) -> str:
    if parameter.kind == "date" and AT.get(resource_type) == parameter.code:
        return f"({alias}.at IS NULL)"
    checks = [f"jsonb_path_exists({json_of(alias)}, '{json_path(path.steps)}')" for path in parameter.paths]
    return f"(NOT ({' OR '.join(checks)}))"


# --- order ----------------------------------------------------------------------------------------------------------


def sort_expression(resource_type: str, code: str) -> str:
    """What to order by: a column where there is one, else the first value in the resource (slow on a large type)."""
    if code == "_id":
        return "r.id"
    if code == "_lastUpdated":
        return "(extract(epoch FROM r.updated))::float8"
    if AT.get(resource_type) == code:
        return "coalesce(extract(epoch FROM r.at), -1e15)::float8"
    parameter = parameter_of(resource_type, code)
    paths = [f"jsonb_path_query_first({json_of('r')}, '{json_path(path.steps)}')" for path in leaves(parameter)]
    first = f"coalesce({', '.join(paths)})"
    if parameter.kind in {"quantity", "number"}:
        number = f"coalesce({first} -> 'value', {first})"
        return f"coalesce(CASE WHEN jsonb_typeof({number}) = 'number' THEN ({number})::float8 END, -1e15)"
    inside = [f"{first} -> 'coding' -> 0 ->> 'code'", *(f"{first} ->> '{name}'" for name in ("value", "code", "start"))]
    return f"lower(coalesce({', '.join(inside)}, {first} #>> '{{}}', ''))"
