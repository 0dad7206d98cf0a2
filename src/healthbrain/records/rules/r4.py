"""Structural checks of FHIR R4 (4.0.1) resources, compiled once from the definitions.

Severity says what to do. `fatal`: whoever reads the resource later could not rely on its shape (no type, bad id, an
array where an object belongs): reject. `error`: not valid R4, yet readable: a tolerant door keeps it and says so.
Checked: resource type, unknown elements, cardinality, JSON shape, primitive formats and calendar dates, codes of
required bindings on `code` elements, one value per choice. Not checked: FHIRPath invariants, profiles, bindings of
CodeableConcept, whether references resolve.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from healthbrain.records.rules import r4_tables
from healthbrain.records.rules.r4_tables import Element

type Where = tuple[Where | None, str | int] | None  # the path to a node, innermost step first
type Checker = Callable[[Any, Where, list[Issue]], None]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. `code` is from the FHIR issue-type code system."""

    severity: str  # fatal, error, warning
    code: str  # structure, required, value, code-invalid, not-supported, too-long
    path: str  # FHIRPath-like: Observation.component[1].code
    text: str


def check(resource: Any) -> list[Issue]:
    """All findings on `resource`, empty when it is structurally valid R4. Never raises on parsed JSON."""
    issues: list[Issue] = []
    try:
        _check_resource(resource, None, issues)
    except RecursionError:
        return [Issue("fatal", "too-long", "", "嵌套过深,无法解析 (nested too deeply)")]
    return issues


def readable(issues: list[Issue]) -> bool:
    """Whether a tolerant door may keep the resource in spite of `issues`."""
    return not any(issue.severity == "fatal" for issue in issues)


def _text(where: Where) -> str:
    steps: list[str] = []
    while where is not None:
        where, step = where
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")


def _add(issues: list[Issue], severity: str, code: str, where: Where, text: str) -> None:
    issues.append(Issue(severity, code, _text(where), text))


# --- primitives ---------------------------------------------------------------------------------------------------

_DAY = r"(0[1-9]|[12][0-9]|3[01])"
_DATE = rf"([1-9][0-9]{{3}}|0[0-9]{{3}})(-(0[1-9]|1[0-2])(-{_DAY})?)?"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
PATTERNS = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "code": r"[^\s]+(\s[^\s]+)*",
    "uri": r"\S*",
    "url": r"\S*",
    "canonical": r"\S*",
    "oid": r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+",
    "uuid": r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "date": _DATE,
    "dateTime": rf"([1-9][0-9]{{3}}|0[0-9]{{3}})(-(0[1-9]|1[0-2])(-{_DAY}(T{_CLOCK}{_ZONE})?)?)?",
    "instant": rf"[0-9]{{4}}-(0[1-9]|1[0-2])-{_DAY}T{_CLOCK}{_ZONE}",
    "time": _CLOCK,
    "base64Binary": r"[0-9a-zA-Z+/=\s]*",
}
LONGEST = 1 << 20  # characters of a string (R4 datatypes.html#string)
WHOLE = {"integer": -(2**31), "unsignedInt": 0, "positiveInt": 1}
PRIMITIVES = {"string", "markdown", "xhtml", "boolean", "decimal", *PATTERNS, *WHOLE}
DATES = {"date", "dateTime", "instant"}
_ADDRESSABLE = re.compile(r"[^\s/?#\0]{1,200}")  # an id that breaks the rules but can still stand in an address


def _no_such_day(value: str) -> bool:
    """2026-02-30 fits the pattern but is no day."""
    if len(value) < 10 or value[8:10] <= "28":
        return False
    try:
        dt.date.fromisoformat(value[:10])
    except ValueError:
        return True
    return False


def _holds_nul(node: Any) -> bool:
    """Whether a NUL stands anywhere inside: no database text can hold one, so such a row would break every search."""
    if type(node) is dict:
        return any("\0" in key for key in node) or any(map(_holds_nul, node.values()))
    return any(map(_holds_nul, node)) if type(node) is list else type(node) is str and "\0" in node


def _string(name: str, longest: int = LONGEST) -> Checker:
    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        if type(value) is not str:
            _add(issues, "fatal", "structure", (where, name), "应为文本 (must be a JSON string)")
        elif not value or "\0" in value:
            level = "fatal" if value else "error"
            _add(issues, level, "value", (where, name), "文本为空或含非法字符 (empty or NUL)")
        elif len(value) > longest:
            _add(issues, "error", "too-long", (where, name), "文本超过 1 MB (a string is at most 1 MB)")

    return run


def _pattern(name: str, kind: str) -> Checker:
    matches = re.compile(PATTERNS[kind], re.ASCII).fullmatch
    is_date = kind in DATES
    is_own_id = kind == "id" and name == "id"

    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        if type(value) is not str:
            _add(issues, "fatal", "structure", (where, name), f"{kind} 应为文本 (must be a JSON string)")
        elif not value or matches(value) is None or (is_date and _no_such_day(value)):
            level = "fatal" if "\0" in value or (is_own_id and not _ADDRESSABLE.fullmatch(value)) else "error"
            _add(issues, level, "value", (where, name), f"不是合法的 {kind}: {value[:80]!r} (not a valid {kind})")

    return run


def _coded(name: str, codes: frozenset[str]) -> Checker:
    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        if type(value) is not str:
            _add(issues, "fatal", "structure", (where, name), "code 应为文本 (must be a JSON string)")
        elif value not in codes:
            level = "fatal" if "\0" in value else "error"
            _add(issues, level, "code-invalid", (where, name), f"代码 {value[:80]!r} 不在规定值集内 (not in value set)")

    return run


def _boolean(name: str) -> Checker:
    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        if value is not True and value is not False:
            _add(issues, "fatal", "structure", (where, name), "应为 true/false (must be a JSON boolean)")

    return run


def _decimal(name: str) -> Checker:
    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        if type(value) is not int and not isinstance(value, float):
            _add(issues, "fatal", "structure", (where, name), "应为数字 (must be a JSON number)")

    return run


def _whole(name: str, lowest: int) -> Checker:
    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        if type(value) is not int:
            level = "error" if isinstance(value, float) else "fatal"
            _add(issues, level, "structure", (where, name), "应为整数 (must be a JSON integer)")
        elif not lowest <= value < 2**31:
            _add(issues, "error", "value", (where, name), f"整数超出范围: {value} (out of range)")

    return run


def _primitive(name: str, kind: str, codes: frozenset[str] | None) -> Checker:
    if codes is not None:
        return _coded(name, codes)
    if kind in PATTERNS:
        return _pattern(name, kind)
    if kind in WHOLE:
        return _whole(name, WHOLE[kind])
    if kind == "xhtml":
        return _string(name, longest=2**62)  # a narrative has no limit
    return {"boolean": _boolean, "decimal": _decimal}.get(kind, _string)(name)


# --- objects ------------------------------------------------------------------------------------------------------


def _complex(name: str, kind: str) -> Checker:
    """`kind` is compiled at first use, so recursive types (Extension, Bundle.entry.resource) need no order."""
    compiled: Checker | None = None

    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        nonlocal compiled
        if compiled is None:
            compiled = _compiled(kind)
        compiled(value, (where, name), issues)

    return run


def _array(name: str, each: Checker, of_primitives: bool) -> Checker:
    """An array. null may stand only in an array of primitives, where the sibling `_name` says why."""

    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        if type(value) is not list:
            _add(issues, "fatal", "structure", (where, name), "应为数组 (must be a JSON array)")
            return
        if not value:
            _add(issues, "error", "structure", (where, name), "数组不得为空 (empty array)")
        for position, item in enumerate(value):
            if item is not None or not of_primitives:
                before = len(issues)
                each(item, where, issues)
                if len(issues) > before:
                    _number(issues, before, where, name, position)

    return run


def _number(issues: list[Issue], start: int, where: Where, name: str, position: int) -> None:
    """Put the array position into the paths of the issues just found: paths cost nothing while all is well."""
    plain = _text((where, name))
    for i in range(start, len(issues)):
        issue = issues[i]
        rest = issue.path[len(plain) :]
        issues[i] = Issue(issue.severity, issue.code, f"{plain}[{position}]{rest}", issue.text)


def _shadow(name: str, repeats: bool) -> Checker:
    """`_name`: id and extensions of a primitive, or an array of them aligned with its values."""
    one = _complex(name, "Element")
    return _array(name, one, of_primitives=True) if repeats else one


def _field(element: Element) -> Checker:
    is_primitive = element.type in PRIMITIVES
    if is_primitive:
        each = _primitive(element.name, element.type, element.codes)
    else:
        each = _complex(element.name, element.type)
    return _array(element.name, each, is_primitive) if element.repeats else each


@functools.cache
def _compiled(kind: str) -> Checker:
    """The checker of one complex type."""
    if kind == "Resource":
        return _check_resource
    elements = r4_tables.structure().types[kind]
    fields = {element.name: _field(element) for element in elements.values()}
    for element in elements.values():
        if element.type in PRIMITIVES:
            fields[f"_{element.name}"] = _shadow(f"_{element.name}", element.repeats)
    is_resource = kind in r4_tables.structure().resources
    if is_resource:
        fields["resourceType"] = _string("resourceType")
    required = frozenset(e.name for e in elements.values() if e.required and e.choice is None)
    choices = _choices(elements)
    get = fields.get

    def run(value: Any, where: Where, issues: list[Issue]) -> None:
        if type(value) is not dict:
            _add(issues, "fatal", "structure", where, "应为对象 (must be a JSON object)")
            return
        for key, item in value.items():
            checker = get(key)
            if checker is None:
                level = "fatal" if _holds_nul([key, item]) else "error"
                _add(issues, level, "structure", (where, key), f"R4 的 {kind} 没有此元素 (unknown element)")
            else:
                checker(item, where, issues)
        keys = value.keys()
        if not required <= keys:
            _missing(value, required, where, issues)
        for stem, names, is_required in choices:
            _one_of(stem, keys & names, is_required, where, issues)
        if not keys:
            _add(issues, "error", "structure", where, "对象不得为空 (empty object)")

    return run


def _choices(elements: dict[str, Element]) -> list[tuple[str, frozenset[str], bool]]:
    stems = dict.fromkeys(e.choice for e in elements.values() if e.choice)
    found = []
    for stem in stems:
        group = [e for e in elements.values() if e.choice == stem]
        names = {e.name for e in group} | {f"_{e.name}" for e in group if e.type in PRIMITIVES}
        found.append((str(stem), frozenset(names), group[0].required))
    return found


def _missing(value: dict[str, Any], required: frozenset[str], where: Where, issues: list[Issue]) -> None:
    for name in sorted(required - value.keys()):
        if f"_{name}" not in value:  # a primitive may be absent when an extension says why
            _add(issues, "error", "required", (where, name), "缺少必填元素 (required element missing)")


def _one_of(stem: str, present: set[str], is_required: bool, where: Where, issues: list[Issue]) -> None:
    if not present:
        if is_required:
            _add(issues, "error", "required", (where, f"{stem}[x]"), "缺少必填元素 (required element missing)")
    elif len(present) > 1 and len({name.removeprefix("_") for name in present}) > 1:
        names = ", ".join(sorted(present))
        _add(issues, "error", "structure", (where, f"{stem}[x]"), f"只能有一个取值 (one only): {names}")


def _check_resource(resource: Any, where: Where, issues: list[Issue]) -> None:
    if type(resource) is not dict:
        _add(issues, "fatal", "structure", where, "资源应为对象 (a resource is a JSON object)")
        return
    kind = resource.get("resourceType")
    if type(kind) is not str or kind not in r4_tables.structure().resources:
        text = f"不是 R4 资源类型 (unknown resource type): {str(kind)[:80]!r}"
        _add(issues, "fatal", "not-supported", (where, "resourceType"), text)
        return
    _compiled(kind)(resource, where or (None, kind), issues)
