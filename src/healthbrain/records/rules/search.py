"""FHIR search: the query string as a checked value. What cannot be answered is refused here, by name.

Result parameters (`_count`, `_sort`, …) are read into `Query`; every other pair becomes a `Criterion`, whose SQL is
made by search_sql. A chain (`subject:Patient.name`) and a reverse chain (`_has:…`) carry criteria of the other type.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from healthbrain.records.rules import r4_tables
from healthbrain.records.rules.r4_tables import Parameter, Path

DEFAULT_COUNT, MAX_COUNT = 20, 500
COMMON = {  # parameters of every resource type
    "_id": Parameter("_id", "id", (Path(("id",), "id"),)),
    "_lastUpdated": Parameter("_lastUpdated", "updated", ()),
    "_tag": Parameter("_tag", "token", (Path(("meta", "tag"), "Coding"),)),
    "_security": Parameter("_security", "token", (Path(("meta", "security"), "Coding"),)),
    "_profile": Parameter("_profile", "uri", (Path(("meta", "profile"), "canonical"),)),
    "_source": Parameter("_source", "uri", (Path(("meta", "source"), "uri"),)),
}
MODIFIERS = {
    "token": {"not", "missing", "text"},
    "reference": {"missing", "identifier"},
    "string": {"exact", "contains", "missing"},
    "uri": {"below", "missing"},
    "date": {"missing"},
    "quantity": {"missing"},
    "number": {"missing"},
    "id": set(),
    "updated": set(),
}
_SPLIT = re.compile(r"(?<!\\),")
IGNORED = {"_format", "_pretty", "_totalMethod"}  # read elsewhere, or by a client for itself


class SearchError(ValueError):
    """A search we cannot answer. `code` is a FHIR issue type."""

    def __init__(self, text: str, code: str = "invalid") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition: any of `values` (OR). `chain`: criteria on the resource referred to, by its type.

    `reverse` is the referring type of a `_has`, whose `parameter` points here.
    """

    parameter: Parameter
    modifier: str
    values: tuple[str, ...]
    chain: tuple[tuple[str, Criterion], ...] = ()
    reverse: str = ""


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` or `_revinclude`: `parameter` of `type`, narrowed to `target`; `iterate` follows what was included."""

    type: str
    parameter: Parameter
    target: str
    reverse: bool
    iterate: bool


@dataclass(slots=True)
class Query:
    """A whole search."""

    type: str
    criteria: list[Criterion] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    sort: list[tuple[str, bool]] = field(default_factory=list)  # (parameter, descending)
    count: int = DEFAULT_COUNT
    total: str = ""  # "", none, accurate
    elements: tuple[str, ...] = ()
    summary: str = "false"
    cursor: list[Any] | None = None
    ignored: list[str] = field(default_factory=list)  # unknown parameters passed over on request


def parse(resource_type: str, pairs: Iterable[tuple[str, str]], *, lenient: bool = False) -> Query:
    """The search as a value. Raises SearchError for anything unknown, unless `lenient`."""
    query = Query(resource_type)
    for name, value in pairs:
        if name in IGNORED:
            query.total = "accurate" if name == "_totalMethod" else query.total
            continue
        reader = RESULT.get(name.partition(":")[0])
        try:
            if reader:
                reader(query, name, value)
            else:
                query.criteria.append(criterion(resource_type, name, value))
        except SearchError as error:
            if not (lenient and error.code == "not-supported"):
                raise
            query.ignored.append(name)
    return query


def parameter_of(resource_type: str, code: str) -> Parameter:
    """The search parameter, or SearchError."""
    found = COMMON.get(code) or r4_tables.search_parameters().get(resource_type, {}).get(code)
    if found is None:
        raise SearchError(f"不支持的检索参数 (unknown search parameter): {resource_type}?{code}", "not-supported")
    return found


def criterion(resource_type: str, name: str, value: str) -> Criterion:
    """One `name=value` pair. An empty value is refused: it would silently match everything."""
    if not value:
        raise SearchError(f"检索参数没有值 (empty value): {name}")
    if name.startswith("_has:"):
        return _reverse_chain(resource_type, name, value)
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    parameter = parameter_of(resource_type, code)
    if dot:
        return _chain(parameter, modifier, rest, value)
    if parameter.kind == "reference" and modifier in r4_tables.structure().resources:
        values = tuple(v if "/" in v else f"{modifier}/{v}" for v in alternatives(value))
        return Criterion(parameter, "", values)
    if modifier and modifier not in MODIFIERS[parameter.kind]:
        raise SearchError(f"不支持的修饰符 (unsupported modifier): {head}", "not-supported")
    if modifier == "missing" and value not in {"true", "false"}:
        raise SearchError(f":missing 的值应为 true 或 false (must be true or false): {name}={value}")
    return Criterion(parameter, modifier, alternatives(value))


def alternatives(value: str) -> tuple[str, ...]:
    """Comma means OR; `\\,` is a comma."""
    return tuple(re.sub(r"\\([,|$\\])", r"\1", part) for part in _SPLIT.split(value) if part)


def _chain(parameter: Parameter, target: str, rest: str, value: str) -> Criterion:
    if rest.count(".") > 2:
        raise SearchError(f"链式检索过深 (chain too long): {rest}", "too-costly")
    if parameter.kind != "reference":
        raise SearchError(f"{parameter.code} 不是引用,不能链式检索 (not a reference)", "not-supported")
    targets = [target] if target else _targets(parameter)
    found: list[tuple[str, Criterion]] = []
    for resource_type in targets:
        try:
            found.append((resource_type, criterion(resource_type, rest, value)))
        except SearchError:
            if target or len(targets) == 1:
                raise
    if not found:
        raise SearchError(f"没有可检索 {rest} 的类型 (no target type has it)", "not-supported")
    return Criterion(parameter, "", (), tuple(found))


def _targets(parameter: Parameter) -> list[str]:
    narrowed = {path.target for path in parameter.paths if path.target}
    if narrowed:
        return sorted(narrowed)
    if not parameter.targets:
        raise SearchError(f"请写明引用的类型 (name the type): {parameter.code}:Patient")
    return list(parameter.targets)


def _reverse_chain(resource_type: str, name: str, value: str) -> Criterion:
    """`_has:Observation:patient:code=…`."""
    pieces = name.split(":", 3)
    if len(pieces) != 4 or pieces[1] not in r4_tables.structure().resources:
        raise SearchError(f"_has 应写作 _has:类型:引用参数:参数 (malformed): {name}")
    _, other, reference, rest = pieces
    parameter = parameter_of(other, reference)
    if parameter.kind != "reference":
        raise SearchError(f"{other}.{reference} 不是引用 (not a reference)", "not-supported")
    return Criterion(parameter, "", (), ((resource_type, criterion(other, rest, value)),), reverse=other)


# --- result parameters --------------------------------------------------------------------------------------------


def _count(query: Query, name: str, value: str) -> None:
    if not value.isdecimal():
        raise SearchError(f"_count 应为非负整数 (must be a whole number): {value}")
    query.count = min(int(value), MAX_COUNT)
    if query.count == 0:
        query.summary = "count"


def _sort(query: Query, name: str, value: str) -> None:
    for part in value.split(","):
        code = part.removeprefix("-")
        parameter = parameter_of(query.type, code)
        if parameter.kind not in {"id", "updated", "date", "string", "token", "number", "quantity", "uri"}:
            raise SearchError(f"不能按 {code} 排序 (cannot sort by it)", "not-supported")
        query.sort.append((code, part.startswith("-")))


def _total(query: Query, name: str, value: str) -> None:
    if value not in {"none", "estimate", "accurate"}:
        raise SearchError(f"_total 应为 none、estimate 或 accurate: {value}")
    query.total = "none" if value == "none" else "accurate"


def _summary(query: Query, name: str, value: str) -> None:
    if value not in {"count", "false", "text", "data"}:
        raise SearchError(f"不支持的 _summary (unsupported): {value}", "not-supported")
    query.summary = value


def _elements(query: Query, name: str, value: str) -> None:
    query.elements = tuple(part.strip() for part in value.split(",") if part.strip())


def _include(query: Query, name: str, value: str) -> None:
    head, _, modifier = name.partition(":")
    if modifier not in {"", "iterate"}:
        raise SearchError(f"不支持的修饰符 (unsupported modifier): {name}", "not-supported")
    pieces = value.split(":")
    if len(pieces) not in {2, 3} or pieces[0] not in r4_tables.structure().resources:
        raise SearchError(f"{head} 应写作 类型:参数[:目标类型] (malformed): {value}")
    parameter = parameter_of(pieces[0], pieces[1])
    if parameter.kind != "reference":
        raise SearchError(f"{value} 不是引用 (not a reference)", "not-supported")
    target = pieces[2] if len(pieces) == 3 else ""
    query.includes.append(Include(pieces[0], parameter, target, head == "_revinclude", modifier == "iterate"))


def _cursor(query: Query, name: str, value: str) -> None:
    query.cursor = read_cursor(value)


RESULT = {
    "_count": _count,
    "_sort": _sort,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    "_include": _include,
    "_revinclude": _include,
    "_cursor": _cursor,
}


def write_cursor(values: list[Any]) -> str:
    """Where the next page begins, opaque to the client."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def read_cursor(text: str) -> list[Any]:
    """The values of a cursor. Raises SearchError for one we did not write."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise SearchError("翻页标记无效 (invalid cursor)") from error
    if not isinstance(values, list) or not values or not all(isinstance(v, str | int | float) for v in values):
        raise SearchError("翻页标记无效 (invalid cursor)")
    return values
