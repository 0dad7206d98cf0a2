"""Criteria asked of the resource itself, read as jsonb: for what has no column and no token.

About 20 µs a row: fine for what a subject or a code leaves, slow alone on a large type.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from healthbrain.records.rules import index, r4_tables
from healthbrain.records.rules.r4_tables import Parameter, Path
from healthbrain.records.rules.search import SearchError
from healthbrain.records.rules.search_values import Amount, Interval, amount, interval, prefixed, token

type Sql = tuple[str, list[Any]]

ACCENTS = "\\u0300-\\u036f\\u3099\\u309a"  # combining marks: what `index.fold` takes away
NAME_PARTS = ("text", "family", "given", "prefix", "suffix")
ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")


def any_of(pieces: list[Sql]) -> Sql:
    """OR."""
    sql = " OR ".join(f"({text})" for text, _ in pieces)
    return f"({sql})", [value for _, params in pieces for value in params]


def reference_forms(parameter: Parameter, value: str) -> list[str]:
    """How the reference may stand in the resource: `Patient/x` for a bare id, by the types it may point to."""
    if "/" in value or ":" in value:
        return [value]
    narrowed = sorted({path.target for path in parameter.paths if path.target})
    targets = narrowed or list(parameter.targets)
    if not targets:
        raise SearchError(f"请写明引用的类型 (name the type): {parameter.code}=Patient/{value}")
    return [f"{target}/{value}" for target in targets]


def json_of(alias: str) -> str:
    """The resource as jsonb."""
    return f"convert_from({alias}.body, 'UTF8')::jsonb"


@functools.cache
def json_path(steps: tuple[str, ...]) -> str:
    """A jsonpath to each value, through objects and arrays. Steps come from our own tables, never from input."""
    return "$" + "".join(f'."{step}"[*]' for step in steps)


def leaves(parameter: Parameter) -> list[Path]:
    """Paths down to what a string search compares."""
    found: list[Path] = []
    for path in parameter.paths:
        parts = {"HumanName": NAME_PARTS, "Address": ADDRESS_PARTS}.get(path.type)
        found += [Path((*path.steps, part), "string") for part in parts] if parts else [path]
    return found


def asked(parameter: Parameter, modifier: str, value: str, node: str) -> Sql:
    """The criterion asked of `node` (jsonb): any value at any of the parameter's paths meets it."""
    paths = leaves(parameter) if parameter.kind == "string" else list(parameter.paths)
    pieces: list[Sql] = []
    for path in paths:
        test, params = _test(parameter, path, modifier, value)
        source = f"jsonb_path_query({node}, '{json_path(path.steps)}')"
        pieces.append((f"EXISTS (SELECT FROM {source} v WHERE {test})", params))
    sql, params = any_of(pieces)
    return (f"NOT {sql}", params) if modifier == "not" else (sql, params)


def joined(parameter: Parameter, resource_type: str, values: Sequence[str], node: str) -> Sql:
    """A composite asked of `node`: in one element, each part has its value (R4 search.html#composite)."""
    pieces: list[Sql] = []
    for base, parts in r4_tables.parts_of(parameter, resource_type):
        tests = [asked(part, "", value, "b") for part, value in zip(parts, values, strict=True)]
        where = " AND ".join(sql for sql, _ in tests)
        source = f"jsonb_path_query({node}, '{json_path(base)}')"
        pieces.append((f"EXISTS (SELECT FROM {source} b WHERE {where})", [v for _, params in tests for v in params]))
    return any_of(pieces)


def _test(parameter: Parameter, path: Path, modifier: str, value: str) -> Sql:
    if parameter.kind == "token":
        return _token_test(path, modifier, value)
    if parameter.kind == "reference":
        if modifier == "identifier":
            return _token_test(Path(path.steps, "Identifier"), "", value, "v -> 'identifier'")
        text = "v #>> '{}'" if path.type in {"canonical", "uri"} else "v ->> 'reference'"
        return f"{text} = ANY(%s)", [reference_forms(parameter, value)]
    if parameter.kind == "string":
        return _string_test(modifier, value)
    if parameter.kind == "uri":
        text = "v #>> '{}'"
        return (f"starts_with({text}, %s)", [value]) if modifier == "below" else (f"{text} = %s", [value])
    if parameter.kind == "exists":
        return "v #>> '{}' <> 'false'", []
    if parameter.kind == "date":
        return _date_test(path, value)
    return _amount_test(amount(value), path)


def _string_test(modifier: str, value: str) -> Sql:
    if modifier == "exact":
        return "v #>> '{}' = %s", [value]
    folded = f"regexp_replace(lower(normalize(v #>> '{{}}', NFKD)), '[{ACCENTS}]', '', 'g')"
    test = f"strpos({folded}, %s) > 0" if modifier == "contains" else f"starts_with({folded}, %s)"
    return test, [index.fold(value)]


def _token_test(path: Path, modifier: str, value: str, node: str = "v") -> Sql:
    if modifier == "text":
        return f"strpos(lower({_words(path, node)}), lower(%s)) > 0", [value]
    system, code = token(value)
    if path.type == "CodeableConcept":
        inner, params = _coded("c", "code", system, code)
        return f"EXISTS (SELECT FROM jsonb_path_query({node}, '$.coding[*]') c WHERE {inner})", params
    if path.type in {"Coding", "Identifier", "ContactPoint"}:
        sql, params = _coded(node, "code" if path.type == "Coding" else "value", system, code)
        return (f"{sql} AND {node} ->> 'system' = %s", [*params, path.system]) if path.system else (sql, params)
    return f"{node} #>> '{{}}' = %s", [code]


def _words(path: Path, node: str) -> str:
    """What `:text` searches (R4 search.html#token): the text beside a code, and what its codings are called."""
    if path.type == "CodeableConcept":
        return f"concat_ws(chr(1), {node} ->> 'text', jsonb_path_query_array({node}, '$.coding[*].display')::text)"
    return {"Coding": f"{node} ->> 'display'", "Identifier": f"{node} #>> '{{type,text}}'"}.get(
        path.type, f"{node} #>> '{{}}'"
    )


def _coded(node: str, field: str, system: str | None, code: str) -> Sql:
    tests: list[str] = []
    params: list[Any] = []
    if code:
        tests.append(f"{node} ->> '{field}' = %s")
        params.append(code)
    if system == "":
        tests.append(f"{node} ->> 'system' IS NULL")
    elif system is not None:
        tests.append(f"{node} ->> 'system' = %s")
        params.append(system)
    return " AND ".join(tests) or "FALSE", params


def _moment(text: str) -> str:
    """First moment of a FHIR date in SQL, as naive county time; NULL for what is no date."""
    padded = f"{text} || CASE length({text}) WHEN 4 THEN '-01-01' WHEN 7 THEN '-01' ELSE '' END"
    return (
        f"CASE WHEN NOT pg_input_is_valid({padded}, 'timestamptz') THEN NULL WHEN length({text}) <= 10"
        f" THEN ({padded})::timestamp ELSE ({padded})::timestamptz AT TIME ZONE 'Asia/Shanghai' END"
    )


def _end(text: str) -> str:
    step = (
        f"CASE length({text}) WHEN 4 THEN interval '1 year' WHEN 7 THEN interval '1 month'"
        f" WHEN 10 THEN interval '1 day' ELSE interval '1 second' END"
    )
    return f"(date_trunc('second', {_moment(text)}) + {step})"


def _date_test(path: Path, value: str) -> Sql:
    """R4 search.html#date: the range of the search value against the element's. Open periods are unbounded."""
    prefix, text = prefixed(value)
    span = interval(text)
    if path.type == "Period":
        low = f"coalesce({_moment(_field('start'))}, '-infinity'::timestamp)"
        high = f"coalesce({_end(_field('end'))}, 'infinity'::timestamp)"
    elif path.type == "Timing":
        low, high = _moment("(v -> 'event' ->> 0)"), _end("(v -> 'event' ->> 0)")
    else:
        low, high = _moment("(v #>> '{}')"), _end("(v #>> '{}')")
    return _compared(prefix, span, low, high)


def _field(name: str) -> str:
    return f"(v ->> '{name}')"


def _compared(prefix: str, span: Interval, low: str, high: str) -> Sql:
    within, bounds = f"({low} >= %s AND {high} <= %s)", [span.low, span.high]
    near = span.wider()
    tests: dict[str, Sql] = {
        "eq": (within, bounds),
        "ne": (f"NOT {within}", bounds),
        "gt": (f"{high} > %s", [span.high]),
        "ge": (f"({high} > %s OR {within})", [span.high, *bounds]),
        "lt": (f"{low} < %s", [span.low]),
        "le": (f"({low} < %s OR {within})", [span.low, *bounds]),
        "sa": (f"{low} >= %s", [span.high]),
        "eb": (f"{high} <= %s", [span.low]),
        "ap": (f"({low} < %s AND {high} > %s)", [near.high, near.low]),
    }
    return tests[prefix]


def _amount_test(wanted: Amount, path: Path) -> Sql:
    """Quantities as they were sent; units are compared, not converted (the ledger holds converted values)."""
    node = "v" if path.type in {"decimal", "integer", "positiveInt", "unsignedInt"} else "v -> 'value'"
    value = f"(CASE WHEN jsonb_typeof({node}) = 'number' THEN ({node})::numeric END)"
    low, high = wanted.bounds
    tests: dict[str, Sql] = {
        "eq": (f"{value} >= %s AND {value} < %s", [low, high]),
        "ap": (f"{value} >= %s AND {value} <= %s", [low, high]),
        "ne": (f"({value} < %s OR {value} >= %s)", [low, high]),
    }
    for prefix, operator in (("gt", ">"), ("sa", ">"), ("ge", ">="), ("lt", "<"), ("eb", "<"), ("le", "<=")):
        tests[prefix] = (f"{value} {operator} %s", [wanted.value])
    sql, params = tests[wanted.prefix]
    if wanted.system:
        sql, params = f"{sql} AND v ->> 'system' = %s", [*params, wanted.system]
    if wanted.code:
        unit = "v ->> 'code' = %s" if wanted.system else "%s IN (v ->> 'code', v ->> 'unit')"
        sql, params = f"{sql} AND {unit}", [*params, wanted.code]
    return sql, params
