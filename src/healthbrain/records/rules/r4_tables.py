"""The generated R4 definitions (`knowledge/fhir/`), parsed once into values. See scripts/generate_r4.py."""

from __future__ import annotations

import functools
from dataclasses import dataclass
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
    """A search parameter of one resource type. Kind: token, reference, date, string, quantity, number, uri."""

    code: str
    kind: str
    paths: tuple[Path, ...]
    targets: tuple[str, ...] = ()  # resource types a reference may point to; empty: any


def _elements(name: str, spec: str, bindings: list[frozenset[str]]) -> list[Element]:
    mark, body = spec[0], spec[1:]
    required, repeats = mark in "!+", mark in "*+"
    if name.endswith("[x]"):
        stem = name[:-3]
        return [Element(f"{stem}{t[0].upper()}{t[1:]}", t, required, repeats, None, stem) for t in body.split(",")]
    kind, _, binding = body.partition("@")
    return [Element(name, kind, required, repeats, bindings[int(binding)] if binding else None, None)]


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
    return Path(tuple(steps.split(".")), kind, target or None, system or None)


def _parameter(code: str, spec: str) -> Parameter:
    head, *paths = spec.split()
    kind, _, targets = head.partition("!")
    return Parameter(code, kind, tuple(_path(p) for p in paths), tuple(targets.split(",")) if targets else ())


@functools.cache
def search_parameters() -> dict[str, dict[str, Parameter]]:
    """Search parameters by resource type and code."""
    found: dict[str, dict[str, Parameter]] = {}
    for owner, parameters in _read("search.json").items():
        if owner not in META:
            found[owner] = {code: _parameter(code, spec) for code, spec in parameters.items()}
    return found
