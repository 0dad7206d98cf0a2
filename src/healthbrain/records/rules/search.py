"""FHIR search: the query string as a checked value. What cannot be answered is refused here, by name.

Result parameters (`_count`, `_sort`, …) are read into `Query`; every other pair becomes a `Criterion`, whose SQL is
made by search_sql. A chain (`subject:Patient.name`) and a reverse chain (`_has:…`) carry criteria of the other type.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from healthbrain.records.rules import index, r4_tables
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
    "composite": set(),
    "exists": {"not", "missing"},
    "id": set(),
    "updated": set(),
}
_SPLIT, _SPLIT_PARTS = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\)\$")
SUMMARIES = ("true", "text", "data", "count", "false")
UNSUPPORTED = {"_text", "_content", "_filter", "_query", "_list"}  # of R4, and they would narrow: never passed over
IGNORED = {"_format", "_pretty", "_totalMethod"}  # read elsewhere, or by a client for itself


class SearchError(ValueError):
    """A search we cannot answer. `code` is a FHIR issue type."""

    def __init__(self, text: str, code: str = "invalid") -> None:
        super().__init__(text)
        self.code = code


class UnknownParameter(SearchError):
    """A parameter nobody defined: passed over unless the client asked for strict handling (R4 search.html#errors)."""

    def __init__(self, resource_type: str, code: str) -> None:
        super().__init__(f"不支持的检索参数 (unknown search parameter): {resource_type}?{code}", "not-supported")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition: any of `values` (OR). `chain`: criteria on the resource referred to, by its type.

    `reverse` is the referring type of a `_has`, whose `parameter` points here. `found`: of either, what the caller has
    found on the other side already, when it is little: the references `Type/id` of a chain, the tokens of a `_has`.
    `whole`: every match is wanted, as for a total, not the first few.
    """

    parameter: Parameter
    modifier: str
    values: tuple[str, ...]
    chain: tuple[tuple[str, Criterion], ...] = ()
    reverse: str = ""
    found: tuple[str, ...] | None = None
    whole: bool = False


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
    """A whole search. Over several types it has a branch for each, and no criteria of its own."""

    type: str  # "" for all types
    branches: tuple[Query, ...] = ()
    criteria: list[Criterion] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    sort: list[tuple[str, bool]] = field(default_factory=list)  # (parameter, descending)
    count: int = DEFAULT_COUNT
    total: str = ""  # "", none, accurate
    elements: tuple[str, ...] = ()
    summary: str = "false"
    cursor: list[Any] | None = None
    ignored: list[str] = field(default_factory=list)  # unknown parameters, passed over

    @property
    def all_criteria(self) -> list[Criterion]:
        return [c for branch in self.branches for c in branch.criteria] or self.criteria


def parse_over_types(pairs: Sequence[tuple[str, str]], *, strict: bool = False) -> Query:
    """A search over the types that `_type` names, or over all: parameters must be known to each of them."""
    named = [kind for name, value in pairs if name == "_type" for kind in value.split(",")]
    if unknown := [kind for kind in named if kind not in r4_tables.structure().resources]:
        raise SearchError(f"不是 R4 资源类型 (unknown resource type): {unknown[0][:60]}")
    rest = [pair for pair in pairs if pair[0] != "_type"]
    branches = [parse(kind, rest, strict=strict) for kind in dict.fromkeys(named) or ("",)]
    if len(branches) == 1:
        return branches[0]
    common = [(name, value) for name, value in rest if name.partition(":")[0] in RESULT]
    query = parse("", common, strict=strict)
    query.branches = tuple(branches)
    query.ignored = list(dict.fromkeys(name for branch in branches for name in branch.ignored))
    return query


def parse(resource_type: str, pairs: Iterable[tuple[str, str]], *, strict: bool = False) -> Query:
    """The search as a value. Raises SearchError for what cannot be answered.

    A parameter nobody defined is noted in `ignored`, unless `strict`: proxies and clients add parameters of their own.
    An unknown modifier, value, chain or order is refused always: passing it over would answer another question.
    """
    query = Query(resource_type)
    for name, value in pairs:
        if name in IGNORED:
            query.total = "accurate" if name == "_totalMethod" else query.total
            continue
        if name in UNSUPPORTED:
            raise SearchError(f"不支持的检索参数 (unsupported search parameter): {name}", "not-supported")
        reader = RESULT.get(name.partition(":")[0])
        try:
            if reader:
                reader(query, name, value)
            else:
                query.criteria.append(criterion(resource_type, name, value))
        except UnknownParameter:
            if strict or reader or name.startswith("_has:") or _is_known(resource_type, name):
                raise
            query.ignored.append(name)
    if query.summary == "text" and query.includes:
        raise SearchError("_summary=text 不能与 _include 同用 (cannot be combined)")  # R4 search.html#summary
    return query


def _is_known(resource_type: str, name: str) -> bool:
    try:
        return bool(parameter_of(resource_type, re.split(r"[.:]", name)[0]))
    except UnknownParameter:
        return False


def parameter_of(resource_type: str, code: str) -> Parameter:
    """The search parameter, or SearchError."""
    found = COMMON.get(code) or r4_tables.search_parameters().get(resource_type, {}).get(code)
    if found is None:
        raise UnknownParameter(resource_type, code)
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
    if parameter.kind == "composite":
        return _composite(parameter, value)
    values = alternatives(value)
    if not values:
        raise SearchError(f"检索参数没有值 (empty value): {name}={value}")
    return Criterion(parameter, modifier, values)


def _composite(parameter: Parameter, value: str) -> Criterion:
    """`8480-6$gt140`: the alternatives stay as written, `parts_of_value` takes one apart."""
    values = tuple(part for part in _SPLIT.split(value) if part)
    count = len(parameter.parts)
    if not values or any(len(p) != count or not all(p) for p in map(parts_of_value, values)):
        raise SearchError(f"{parameter.code} 的值应为 {count} 段,以 $ 相连 (parts joined by $ expected): {value}")
    return Criterion(parameter, "", values)


def parts_of_value(value: str) -> list[str]:
    """The parts of a composite's value."""
    return [_unescaped(part) for part in _SPLIT_PARTS.split(value)]


def _unescaped(text: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", text)


def alternatives(value: str) -> tuple[str, ...]:
    """Comma means OR; `\\,` is a comma."""
    return tuple(_unescaped(part) for part in _SPLIT.split(value) if part)


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


def count_of(text: str, most: int = MAX_COUNT) -> int:
    """A `_count`, at most `most`. Raises SearchError for what is no whole number from 0."""
    if not re.fullmatch("[0-9]+", text):
        raise SearchError(f"_count 应为非负整数 (must be a whole number from 0): {text[:40]}")
    return min(int(text[-10:]) if len(text.lstrip("0")) <= 10 else most, most)


# --- result parameters --------------------------------------------------------------------------------------------


def _count(query: Query, name: str, value: str) -> None:
    query.count = count_of(value)
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
    if value not in SUMMARIES:
        raise SearchError(f"_summary 应为 {', '.join(SUMMARIES)} (must be one of these): {value[:40]}")
    query.summary = value


def _elements(query: Query, name: str, value: str) -> None:
    query.elements = tuple(part.strip() for part in value.split(",") if part.strip())


def _include(query: Query, name: str, value: str) -> None:
    head, _, modifier = name.partition(":")
    if modifier not in {"", "iterate"}:
        raise SearchError(f"不支持的修饰符 (unsupported modifier): {name}", "not-supported")
    pieces = value.split(":") if value != "*" else [query.type, "*"]
    if len(pieces) not in {2, 3} or pieces[0] not in r4_tables.structure().resources:
        raise SearchError(f"{head} 应写作 类型:参数[:目标类型] (malformed): {value}")
    reverse, iterate = head == "_revinclude", modifier == "iterate"
    target = pieces[2] if len(pieces) == 3 else ""
    for kind, parameter in _references(query.type, pieces, reverse=reverse, everywhere=reverse and value == "*"):
        query.includes.append(Include(kind, parameter, target, reverse, iterate))


def _references(own: str, pieces: Sequence[str], *, reverse: bool, everywhere: bool) -> list[tuple[str, Parameter]]:
    """The reference parameters `Type:code` means; `Type:*` all of the type (in reverse: all indexed ones), `everywhere`
    those of every type that may point to `own`."""
    kind, code = pieces[:2]
    if code != "*":
        parameter = parameter_of(kind, code)
        if parameter.kind != "reference":
            raise SearchError(f"{kind}:{code} 不是引用 (not a reference)", "not-supported")
        return [(kind, parameter)]
    known = r4_tables.search_parameters()
    kinds = known if everywhere else [kind]
    found = [(k, p) for k in kinds for p in known.get(k, {}).values() if p.kind == "reference"]
    if reverse:
        found = [(k, p) for k, p in found if p.code in index.canonical(k)]
    return [(k, p) for k, p in found if not everywhere or own in p.targets]


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
