"""Every number of the knowledge files with the source it names: read from the YAML, so no second list can differ.

One figure is one mapping that holds numbers, or one text that does. Its source is the nearest one above it: its own
`source`, `<key>_source` for a number of that key, or that of the entry, table or file around it; a key of the file's
`sources`, with what follows the key as the clause. Checked is only what says `verified: true` there: whatever nobody
marked counts as unverified.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from healthbrain.kernel.knowledge import SHIPPED

# Not figures of the field: made-up people, structures of FHIR, names of code systems, days of a calendar.
OTHER = frozenset({"demo", "fhir", "calendar"})
CITING = frozenset({"source", "sources", "document", "number", "clause", "part", "date", "note", "short", "region",
                    "in_force", "adopted"})  # fmt: skip
NAMES = frozenset({"id", "version", "code", "codes", "icd10", "loinc", "laboratory", "digits", "spellings", "systems"})
TITLES = ("title", "label", "name", "ask", "say")
LIMITS = frozenset({"soft", "hard", "drift"})  # of an input field: `limits_source`
# How often a task is passed upwards is our own arrangement: the document behind the task does not say it.
OURS = frozenset({"escalate", "horizon"})
COUNTED = re.compile(r"\d+ (?:second|minute|hour|day|week|month|year)s?\b|[<>=] ?\d")
SAID = re.compile(r"\d ?(?:[秒天日周月年次题克米小分厘]|，)|÷\d|填 \d")  # said in a sentence, not part of a name

Words = Mapping[str, str]
Where = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """`titles`: outermost first, each {zh, en} or {key}; `values`: (key, what stands there) in the order of the file.

    `where`: the keys that lead there. `unit`: text or {zh, en}. `document` "" where no source is named at all.
    """

    topic: str
    file: str
    where: Where
    titles: tuple[Words, ...]
    values: tuple[tuple[str, Any], ...]
    unit: Any
    document: str
    clause: str
    date: str
    note: str
    verified: bool
    own: bool


@dataclass(frozen=True, slots=True)
class _Above:
    """What the mappings around a place say of it."""

    titles: tuple[Words, ...]
    entries: tuple[Mapping[str, Any], ...]  # innermost last
    ours: bool = False


def files() -> dict[str, Path]:
    """Knowledge files by "topic/name.yaml"; the county's own (`HEALTHBRAIN_KNOWLEDGE`) in the place of the shipped."""
    own = os.environ.get("HEALTHBRAIN_KNOWLEDGE")
    found: dict[str, Path] = {}
    for root in (SHIPPED, *([Path(own)] if own else [])):
        found |= {path.relative_to(root).as_posix(): path for path in root.glob("*/**/*.yaml")}
    return {name: found[name] for name in sorted(found) if name.split("/")[0] not in OTHER}


@functools.cache
def figures() -> tuple[Figure, ...]:
    """All of them, file by file in the order written. Knowledge is constant while the program runs."""
    found: list[Figure] = []
    for name, path in files().items():
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  both are safe loaders
        if isinstance(loaded, dict):
            found += figures_of(loaded, name, own=SHIPPED not in path.parents)
    return tuple(found)


def figures_of(loaded: Mapping[str, Any], file: str, *, own: bool = False) -> list[Figure]:
    """The figures of one file as loaded."""
    return list(_walk(loaded, (), _Above((), ()), loaded.get("sources") or {}, (file.split("/")[0], file, own)))


def _walk(
    node: Any, where: Where, above: _Above, sources: Mapping[str, Any], place: tuple[str, str, bool]
) -> Iterator[Figure]:
    if isinstance(node, Mapping):
        if _words(node):
            if SAID.search(node.get("zh", "")) and where[-1] not in TITLES:
                yield _figure({where[-1]: node}, where, above, sources, place)
            return
        inner = _Above((*above.titles, _title(node, where)), (*above.entries, node), above.ours)
        numbers = {str(key): value for key, value in node.items() if _counts(str(key), value)}
        if numbers:
            yield _figure(numbers, where, inner, sources, place)
        parts = [(str(key), value) for key, value in node.items() if str(key) not in numbers]
    elif isinstance(node, list):
        inner, parts = above, [(str(n), value) for n, value in enumerate(node, 1)]
    else:
        return
    for key, value in parts:
        if key not in CITING and key not in NAMES | {"verified"}:
            ours = inner.ours or key in OURS
            yield from _walk(value, (*where, key), _Above(inner.titles, inner.entries, ours), sources, place)


def _words(node: Mapping[str, Any]) -> bool:
    return set(node) <= {"zh", "en"} and all(isinstance(value, str) for value in node.values())


def _title(node: Mapping[str, Any], where: Where) -> Words:
    for key in TITLES:
        if isinstance(node.get(key), Mapping) and _words(node[key]):
            return dict(node[key])
    if "zh" in node and "en" in node:
        return {"zh": str(node["zh"]), "en": str(node["en"])}
    name = str(node.get("id", where[-1] if where else ""))
    return {"key": name}


def _counts(key: str, value: Any) -> bool:
    """Is this a number, a span of time, a condition with a number, or a list of such?"""
    if key in CITING | NAMES:
        return False
    flat = list(flattened(value))
    if any(isinstance(one, Mapping) for one in flat):
        return False
    return any(isinstance(one, int | float) and not isinstance(one, bool) for one in flat) or (
        isinstance(value, str) and bool(COUNTED.search(value))
    )


def flattened(value: Any) -> Iterator[Any]:
    """What a list of lists holds, in its order; anything else is itself."""
    if isinstance(value, list):
        for one in value:
            yield from flattened(one)
    else:
        yield value


def _figure(
    numbers: Mapping[str, Any], where: Where, above: _Above, sources: Mapping[str, Any], place: tuple[str, str, bool]
) -> Figure:
    topic, file, own = place
    entry = above.entries[-1] if above.entries else {}
    document, clause, date, verified = _cited(numbers, above, sources)
    return Figure(
        topic, file, where, above.titles, tuple(numbers.items()), entry.get("unit", ""), document, clause, date,
        str(entry.get("note", "")), verified, own,
    )  # fmt: skip


def _cited(numbers: Mapping[str, Any], above: _Above, sources: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    """Document, clause, date, verified."""
    if above.ours:
        return "", "", "", False
    wanted = [f"{key}_source" for key in numbers] + (["limits_source"] if LIMITS & numbers.keys() else [])
    for entry in reversed(above.entries):
        name = next((key for key in (*wanted, "source") if key in entry), None)
        if name is None:
            continue
        given = entry[name]
        if isinstance(given, Mapping):
            found, clause = given, ""
        else:
            key, _, clause = str(given).partition(" ")
            found = sources.get(key) or {"document": "" if given == "verify" else str(given)}
            clause = clause if key in sources else ""
        # The number's own mark, one around it (nearest first), then that of the source.
        marks = [one["verified"] for one in reversed(above.entries) if "verified" in one]
        verified = marks[0] if marks else found.get("verified", False)
        if marks and marks[0] and "verified" in found:
            verified = found["verified"]
        clause = "；".join(filter(None, (str(found.get("number", "")).strip("-"), str(found.get("clause") or
                            found.get("part") or ""), clause)))  # fmt: skip
        date = str(found.get("date") or found.get("in_force") or "")
        return str(found.get("document", "")), clause, date, bool(verified)
    return "", "", "", False
