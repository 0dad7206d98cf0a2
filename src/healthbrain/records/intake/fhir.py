"""FHIR R4 resources → prepared rows: ids and references rewritten, checked, indexed, and told to the ledger.

An id is a function of (source, type, what the source calls it), so a reference is rewritten without looking anything
up and two files may come in any order. Over HTTP ids stay as the client gave them (`keep_ids`).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
import polars as pl

from healthbrain.records.intake.patients import person_of
from healthbrain.records.intake.person_bodies import PERSON
from healthbrain.records.intake.prepared import EVENTS, PERSONS, RESOURCES, Note, Prepared, Reject, joined
from healthbrain.records.rules import exact, index, ledger, r4
from healthbrain.records.rules.reasons import message

DEFAULT_SOURCE = "fhir"  # a feed that does not say who it is
DEEPEST = 150  # objects and arrays in each other; a questionnaire ten questions deep has about 50
RAW = 20_000  # characters of a rejected row we keep
SUBJECTS = ("subject", "patient", "beneficiary", "for", "individual")
UNPACKED = {"transaction", "batch", "collection", "searchset", "history", "transaction-response", "batch-response"}
Resource = dict[str, Any]


def digest_of(text: str) -> bytes:
    """The hash behind `kernel.ids`: ids are made by the hundred thousand here, and `uuid.UUID` costs more."""
    return blake2b(text.encode(errors="replace"), digest_size=16).digest()


def dashed(digest: bytes) -> str:
    """16 bytes in the text form of a UUID."""
    h = digest.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


class TooDeep(Exception):
    """A resource nested deeper than any FHIR resource is."""


@dataclass(slots=True)
class Naming:
    """How one message's resources are called here."""

    source: str
    keep_ids: bool = False
    whose: str | None = None  # every resource of the message is about this person of the source (HL7v2)
    weak_patient: bool = False
    urls: dict[str, str] = field(default_factory=dict)  # fullUrl → "Type/new id"
    keys: dict[str, str] = field(default_factory=dict)  # fullUrl of a Patient → its id as sent
    organisations: dict[str, str] = field(default_factory=dict)  # reference as sent → organisation code
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    def new_id(self, kind: str, own: str) -> str:
        if self.keep_ids:
            return own
        found = self.known.get((kind, own))
        if found is None:
            found = self.known[kind, own] = dashed(digest_of(f"{self.source}\x1f{kind}\x1f{own}"))
        return found

    def reference(self, text: str) -> str | None:
        """The reference as we store it; None when it points into this message and nothing is there."""
        if text in self.urls:
            return self.urls[text]
        if text.startswith("urn:"):
            return None
        if text.startswith(("#", "http:", "https:")) or self.keep_ids:
            return text
        kind, _, rest = text.partition("/")
        if rest:
            own = rest.partition("/")[0]
            return f"{kind}/{self.new_id(kind, own)}" if kind.isalpha() else text
        kind, _, query = text.partition("?")
        asked = _identifier_of_query(kind, query)
        return f"{kind}/{self.new_id(kind, asked)}" if asked else text

    def person(self, resource: Resource) -> str | None:
        """The source's own id of the person a resource is about."""
        if self.whose is not None:
            return self.whose
        for name in SUBJECTS:
            reference = resource.get(name)
            if isinstance(reference, dict):
                return self._person(reference)
        return None

    def _person(self, reference: Resource) -> str | None:
        text = reference.get("reference")
        if not isinstance(text, str):
            identifier = reference.get("identifier")
            value = identifier.get("value") if isinstance(identifier, dict) else None
            return value if isinstance(value, str) and reference.get("type") in {None, "Patient"} else None
        if text in self.keys:
            return self.keys[text]
        if text.startswith("Patient?"):
            return _identifier_of_query("Patient", text[8:])
        head, found, own = text.rpartition("Patient/")
        return own.partition("/")[0] if found and (not head or head.endswith("/")) else None


def _identifier_of_query(kind: str, query: str) -> str | None:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "identifier" and value:
            return value.rpartition("|")[2] if kind == "Patient" else value
    return None


class Feed(NamedTuple):
    """Whose a file is: as the caller says; and what its folder is called, for resources that do not say it themselves.

    Two hospitals both have a Patient/1: without a word on who sends them they would be taken for one.
    """

    given: str | None = None
    folder: str = DEFAULT_SOURCE


def source_of(resource: Any, feed: Feed) -> str:
    """The source of a resource: as the caller says, else as it says itself, else its folder's name."""
    if feed.given:
        return feed.given
    meta = resource.get("meta") if isinstance(resource, dict) else None
    named = meta.get("source") if isinstance(meta, dict) else None
    return named.partition("#")[0] if isinstance(named, str) and named else feed.folder


def own_id(resource: Resource) -> str:
    """What the source calls this resource: its id, else its first identifier, else its content."""
    if isinstance(resource.get("id"), str):
        return str(resource["id"])
    identifiers = resource.get("identifier")
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
    if isinstance(first, dict) and isinstance(first.get("value"), str):
        if resource.get("resourceType") == "Patient":
            return str(first["value"])
        return f"{first.get('system') or ''}|{first['value']}"
    try:
        content = exact.dumps(resource, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return "nested-too-deep"  # never stored: the check of depth rejects it
    return blake2b(content, digest_size=16).hexdigest()


def person_number(patient: Resource, source: str) -> str:
    """What the source calls the person: his record number there, else the id its server gave the Patient."""
    for identifier in patient.get("identifier") or ():
        if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
            kind = identifier.get("type")
            codings = kind.get("coding") or () if isinstance(kind, dict) else ()
            is_record = any(isinstance(c, dict) and c.get("code") in {"MR", "PI"} for c in codings)
            if is_record or identifier.get("system") == PERSON + source:
                return str(identifier["value"])
    return own_id(patient)


def entries_of(bundle: Resource) -> list[tuple[str | None, Any]]:
    """(fullUrl, resource) of each entry; what is no entry object comes out as it is, to be rejected with its number."""
    entries = bundle.get("entry")
    if not isinstance(entries, list):
        return []
    return [(e.get("fullUrl"), e.get("resource", e)) if isinstance(e, dict) else (None, e) for e in entries]


class Builder:
    """Collects the columns of one chunk, resource by resource."""

    def __init__(self, as_of: dt.date) -> None:
        self.as_of = as_of
        self.resources: list[tuple[Any, ...]] = []  # rows in the order of RESOURCES, EVENTS, PERSONS
        self.events: list[tuple[Any, ...]] = []
        self.persons: list[tuple[Any, ...]] = []
        self.rejects: list[Reject] = []
        self.notes: list[Note] = []
        self.by_type: Counter[str] = Counter()
        self.rows = 0
        self.part: int | None = None  # which of many files, when one builder takes them all

    def message(
        self, entries: list[tuple[str | None, Any]], naming: Naming, first_row: int = 1, one_row: int = 0
    ) -> None:
        """Add the resources of one message. Rows are entry numbers from `first_row`, or all `one_row` (HL7v2)."""
        _name(entries, naming)
        for offset, (_, resource) in enumerate(entries):
            self.add(resource, naming, one_row or first_row + offset, count=not one_row)

    def add(self, resource: Any, naming: Naming, row: int, *, count: bool = True, raw: bytes | None = None) -> bool:
        """Add one resource; False when it was rejected."""
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if count:
            self.rows += 1
            self.by_type[kind if isinstance(kind, str) else "unknown"] += 1
        if not isinstance(kind, str):
            return self._reject(row, "resourceType", "not-a-resource", "", raw or resource)
        issues = r4.check(resource)
        if not r4.readable(issues):
            worst = next(issue for issue in issues if issue.severity == "fatal")
            return self._reject(row, worst.path, "resource-invalid", worst.text, raw or resource)
        try:
            self._take(resource, kind, naming, row)
        except TooDeep:
            return self._reject(row, "", "nesting-too-deep", "", raw or resource)
        for issue in issues[:3]:
            self.notes.append(Note(row, issue.path, issue.text))
        return True

    def _reject(self, row: int, path: str, reason: str, detail: str, raw: Any) -> bool:
        if not isinstance(raw, bytes):
            try:
                raw = exact.dumps(raw)
            except (TypeError, ValueError):
                raw = repr(type(raw)).encode()
        self.rejects.append(Reject(row, path, reason, message(reason, detail), raw[:RAW].decode(errors="replace")))
        return False

    def _take(self, resource: Resource, kind: str, naming: Naming, row: int) -> None:
        person = (
            naming.person(resource) if kind != "Patient" else naming.whose or person_number(resource, naming.source)
        )
        identifier = naming.new_id(kind, own_id(resource))
        happened = ledger.events(resource, naming.organisations, self.as_of) if person else []
        patient = None if naming.whose or kind == "Patient" else _patient_key(resource, naming)
        at = ledger.date_of(resource)
        found = person_of(resource, self.as_of) if kind == "Patient" else None
        alias = own_id(resource) if found and not naming.whose and own_id(resource) != person else None
        broken: list[str] = []
        _rewrite(resource, naming, broken, 0)
        for text in broken:
            self.notes.append(Note(row, "reference", f"引用的资源不在本消息中：{text[:200]}"))
        tail = tail_of(resource)
        key = digest_of(f"{kind}/{identifier}")
        digest = blake2b(tail, digest_size=16).digest()
        weak = naming.weak_patient and kind == "Patient"
        tokens = joined(index.tokens(resource))
        row_of = (
            self.part,
            row,
            key,
            kind,
            identifier,
            naming.source,
            person,
            patient,
            at,
            digest,
            tokens,
            tail.decode(),
            weak,
        )
        self.resources.append(row_of)
        for event in happened:
            self.events.append((key, digest, *event))
        if found is not None:
            self.persons.append((key, digest, naming.source, person, alias, *found))

    def prepared(self, position: int = 0) -> Prepared:
        return Prepared(
            _frame(self.resources, RESOURCES),
            _frame(self.events, EVENTS),
            _frame(self.persons, PERSONS),
            self.rejects,
            self.notes,
            self.rows,
            self.by_type,
            position,
        )


def _frame(rows: list[tuple[Any, ...]], schema: dict[str, Any]) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pl.DataFrame(
        [pl.Series(name, values, dtype=kind) for (name, kind), values in zip(schema.items(), columns, strict=True)]
    )


def _patient_key(resource: Resource, naming: Naming) -> bytes | None:
    """Key of the Patient resource a resource is about: the store knows whose it is, whatever the source calls him."""
    for name in SUBJECTS:
        reference = resource.get(name)
        text = reference.get("reference") if isinstance(reference, dict) else None
        if isinstance(text, str):
            found = naming.reference(text) or ""
            if found.startswith("Patient/"):
                return digest_of("Patient/" + found[8:].partition("/")[0])
    return None


def _name(entries: Iterable[tuple[str | None, Any]], naming: Naming) -> None:
    """What each fullUrl of a message is called here, and which organisation stands behind a reference."""
    for full_url, resource in entries:
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(kind, str):
            continue
        own = own_id(resource)
        if isinstance(full_url, str):
            naming.urls.setdefault(full_url, f"{kind}/{naming.new_id(kind, own)}")
            if kind == "Patient":
                naming.keys[full_url] = own
        if kind == "Organization":
            code = _organisation_code(resource) or own
            naming.organisations |= {name: code for name in (full_url, f"Organization/{own}") if isinstance(name, str)}
        elif kind == "Encounter":
            where = ledger.organisation_of(resource, naming.organisations)
            if where:
                names = (full_url, f"Encounter/{own}")
                naming.organisations |= {name: where for name in names if isinstance(name, str)}


def _organisation_code(resource: Resource) -> str | None:
    identifiers = [
        i for i in resource.get("identifier") or () if isinstance(i, dict) and isinstance(i.get("value"), str)
    ]
    ours = [i for i in identifiers if i.get("system") == ledger.ORGANISATION]
    return (ours or identifiers)[0]["value"] if identifiers else None


def _rewrite(node: Any, naming: Naming, broken: list[str], depth: int) -> None:
    """Rewrite references in place."""
    if depth > DEEPEST:
        raise TooDeep
    for child in node.values() if type(node) is dict else node:
        sort = type(child)
        if sort is str:
            continue
        if sort is dict:
            text = child.get("reference")
            if type(text) is str:
                found = naming.reference(text)
                if found is None:
                    broken.append(text)
                else:
                    child["reference"] = found
            _rewrite(child, naming, broken, depth + 1)
        elif sort is list:
            _rewrite(child, naming, broken, depth + 1)


def tail_of(resource: Resource) -> bytes:
    """The JSON text that follows `meta.lastUpdated`: the rest of meta, then the rest of the resource."""
    meta = resource.get("meta")
    kept = {k: v for k, v in meta.items() if k not in {"versionId", "lastUpdated"}} if isinstance(meta, dict) else {}
    head = b"," + exact.dumps(kept)[1:] if kept else b"}"
    rest = {k: v for k, v in resource.items() if k not in {"resourceType", "id", "meta"}}
    return head + (b"," + exact.dumps(rest)[1:] if rest else b"}")
