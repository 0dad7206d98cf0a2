"""The generated R4 definitions (`knowledge/fhir/`), parsed once into values. See scripts/generate_r4.py."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import orjson

META = {"origin", "licence", "generator", "resources", "bindings"}


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads((files("healthbrain") / "knowledge" / "fhir" / name).read_bytes())
    return document


@dataclass(frozen=True, slots=True)
class Element:
    """One element as it may stand in JSON; a choice `value[x]` is one Element for each of its types."""

    name: str
    type: str
    required: bool
    repeats: bool
    summary: bool  # shown by `_summary=true`
    codes: frozenset[str] | None
    choice: str | None  # the name before `[x]`


@dataclass(frozen=True, slots=True)
class Structure:
    """`types`: elements by type and JSON name, inherited ones included. `resources`: the concrete resource types."""

    types: dict[str, dict[str, Element]]
    resources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Path:
    """Where a search parameter looks: JSON steps, the FHIR type found there, and what narrows it."""

    steps: tuple[str, ...]
    type: str
    target: str | None = None  # references to this resource type only
    system: str | None = None  # contact points of this system only


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type. Kind: token, reference, date, string, quantity, number, uri,
    composite, and exists: a token that is true where one of the paths holds anything but false.

    Of a composite, `paths` are the elements in which all its `parts` must hold together.
    """

    code: str
    kind: str
    paths: tuple[Path, ...]
    targets: tuple[str, ...] = ()  # resource types a reference may point to; empty: any
    parts: tuple[str, ...] = ()  # parameters a composite joins


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant of R4 on a type: a FHIRPath expression that must be true of each of its elements."""

    key: str  # pat-1
    severity: str  # error, warning
    expression: str
    words: str


def _elements(name: str, spec: str, bindings: list[frozenset[str]]) -> list[Element]:
    mark, body = spec[0], spec[1:].removeprefix("~")
    required, repeats, summary = mark in "!+", mark in "*+", spec[1] == "~"
    if name.endswith("[x]"):
        names = [(f"{name[:-3]}{t[0].upper()}{t[1:]}", t) for t in body.split(",")]
        return [Element(own, t, required, repeats, summary, None, name[:-3]) for own, t in names]
    kind, _, binding = body.partition("@")
    return [Element(name, kind, required, repeats, summary, bindings[int(binding)] if binding else None, None)]


@functools.cache
def structure() -> Structure:
    """All R4 types. About 20 ms, once."""
    document = _read("structure.json")
    bindings = [frozenset(codes) for codes in document["bindings"]]
    resources = frozenset(document["resources"])
    types: dict[str, dict[str, Element]] = {}
    for owner, fields in document.items():
        if owner in META:
            continue
        inherited = document["DomainResource"] if owner in resources and "^" not in fields else {}
        types[owner] = {
            element.name: element
            for name, spec in (inherited | fields).items()
            if spec
            for element in _elements(name, spec, bindings)
        }
    return Structure(types, resources)


def _path(text: str) -> Path:
    text, _, system = text.partition("=")
    text, _, target = text.partition(">")
    steps, _, kind = text.partition(":")
    return Path(tuple(steps.split(".")) if steps != "@" else (), kind, target or None, system or None)


def _parameter(code: str, spec: str) -> Parameter:
    head, *paths = spec.split()
    kind, _, names = head.partition("!")
    named = tuple(names.split(",")) if names else ()
    where = tuple(_path(p) for p in paths)
    return Parameter(code, kind, where, parts=named) if kind == "composite" else Parameter(code, kind, where, named)


@functools.cache
def parts_of(parameter: Parameter, resource_type: str) -> tuple[tuple[tuple[str, ...], tuple[Parameter, ...]], ...]:
    """Of a composite: each element it may stand in, and the joined parameters with their paths inside that element."""
    known = search_parameters()[resource_type]
    bases = [path.steps for path in parameter.paths]
    found = []
    for base in bases:
        deeper = [other for other in bases if len(other) > len(base)]
        inside = []
        for code in parameter.parts:
            own = [p for p in known[code].paths if p.steps[: len(base)] == base]
            own = [p for p in own if not any(p.steps[: len(other)] == other for other in deeper)]
            paths = tuple(Path(p.steps[len(base) :], p.type, p.target, p.system) for p in own)
            inside.append(replace(known[code], paths=paths))
        found.append((base, tuple(inside)))
    return tuple(found)


@functools.cache
def constraints() -> dict[str, list[Constraint]]:
    """Invariants by type or backbone element."""
    document = _read("constraints.json")
    return {owner: [Constraint(*row) for row in rows] for owner, rows in document.items() if owner not in META}


@functools.cache
def search_parameters() -> dict[str, dict[str, Parameter]]:
    """Search parameters by resource type and code."""
    found: dict[str, dict[str, Parameter]] = {}
    for owner, parameters in _read("search.json").items():
        if owner not in META:
            found[owner] = {code: _parameter(code, spec) for code, spec in parameters.items()}
    return found
