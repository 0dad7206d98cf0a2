"""The longitudinal page's content: one history cut for the eye. No queries here."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from healthbrain.records.queries import (
    History,
    LedgerEvent,
    StoredResource,
    diagnoses,
    medication,
    results,
    timeline,
    visits,
)
from healthbrain.records.queries.longitudinal import Diagnosis, Medication, Panel, Visit, Year

# What a doctor asks first, in this order; only those measured are shown.
KEY_PANELS = (
    "blood-pressure", "glucose", "loinc|4548-4", "loinc|22748-8", "loinc|39469-2", "loinc|14682-9", "loinc|62238-1",
    "loinc|98979-8", "loinc|39156-5", "loinc|29463-7", "loinc|19926-5", "loinc|29771-3",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Institution:
    key: str
    name: str
    events: int


@dataclass(frozen=True, slots=True)
class Allergy:
    name: str
    reaction: str
    criticality: str
    recorded: str
    organisation: str
    resource: StoredResource


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    conclusion: str
    at: dt.datetime | None
    organisation: str
    resource: StoredResource


@dataclass(frozen=True, slots=True)
class Record:
    """Everything of one resident as sections. Lists are newest first."""

    institutions: tuple[Institution, ...]
    years: tuple[Year, ...]
    panels: tuple[Panel, ...]
    key_panels: tuple[Panel, ...]
    diagnoses: tuple[Diagnosis, ...]
    medication: tuple[Medication, ...]
    visits: tuple[Visit, ...]
    allergies: tuple[Allergy, ...]
    documents: tuple[Document, ...]
    events: int
    truncated: bool

    @property
    def current_medication(self) -> tuple[Medication, ...]:
        return tuple(drug for drug in self.medication if drug.current)


def _institution_key(event: LedgerEvent) -> str:
    return str(event.organisation_id) if event.organisation_id else event.source


def institutions(events: Sequence[LedgerEvent]) -> tuple[Institution, ...]:
    """Who contributed to the record, most first."""
    names = {_institution_key(event): event.organisation for event in events}
    counted = Counter(map(_institution_key, events)).most_common()
    return tuple(Institution(key, names[key], count) for key, count in counted)


def _coded(concept: Any) -> str:
    """The words of a FHIR CodeableConcept."""
    if not isinstance(concept, dict):
        return ""
    if concept.get("text"):
        return str(concept["text"])
    codings = [coding for coding in concept.get("coding", ()) if isinstance(coding, dict)]
    return next((str(c.get("display") or c.get("code")) for c in codings if c.get("display") or c.get("code")), "")


def _allergy(resource: StoredResource) -> Allergy:
    body = resource.body
    reactions = [_coded(m) for r in body.get("reaction", ()) for m in r.get("manifestation", ())]
    recorded = str(body.get("recordedDate") or body.get("onsetDateTime") or "")[:10]
    return Allergy(
        _coded(body.get("code")) or "—",
        "、".join(filter(None, reactions)),
        str(body.get("criticality", "")),
        recorded,
        resource.organisation,
        resource,
    )


def _document(resource: StoredResource) -> Document:
    body = resource.body
    title = _coded(body.get("code") or body.get("type")) or str(body.get("description") or resource.type)
    conclusion = str(body.get("conclusion") or body.get("description") or "")
    return Document(title, conclusion, resource.at, resource.organisation, resource)


def _refuted(resource: StoredResource) -> bool:
    """An allergy somebody ruled out, or entered in error, is no allergy."""
    codings = resource.body.get("verificationStatus", {}).get("coding", [])
    return any(coding.get("code") in {"refuted", "entered-in-error"} for coding in codings)


def _key_panels(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    known = {panel.key: panel for panel in panels}
    return tuple(known[key] for key in KEY_PANELS if key in known)


def build(history: History, *, sex: str, birth: dt.date | None, as_of: dt.date, institution: str = "") -> Record:
    """Cut `history` into sections; `institution` keeps only what that one said (allergies stay: they bind everyone)."""
    everyone = institutions(history.events)
    events = tuple(e for e in history.events if not institution or _institution_key(e) == institution)
    name = next((i.name for i in everyone if i.key == institution), "")
    documents = tuple(_document(r) for r in history.resources if r.type != "AllergyIntolerance")
    panels = results(events, sex=sex, birth=birth)
    return Record(
        institutions=everyone,
        years=tuple(timeline(events)),
        panels=tuple(panels),
        key_panels=_key_panels(panels),
        diagnoses=tuple(_once(diagnoses(events))),
        medication=tuple(medication(events, as_of=as_of)),
        visits=tuple(visits(events)),
        allergies=tuple(_allergy(r) for r in history.resources if r.type == "AllergyIntolerance" and not _refuted(r)),
        documents=tuple(d for d in documents if not institution or d.organisation == name),
        events=len(events),
        truncated=history.truncated,
    )


def _once(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Diagnoses by category once: I10 and I10.x00x002 from two hospitals are one line with both institutions."""
    merged: dict[str, Diagnosis] = {}
    for diagnosis in found:
        key = diagnosis.term.zh
        first = merged.get(key)
        if first is None:
            merged[key] = diagnosis
            continue
        merged[key] = replace(
            first,
            first=min(first.first, diagnosis.first),
            times=first.times + diagnosis.times,
            organisations=tuple(dict.fromkeys(first.organisations + diagnosis.organisations)),
        )
    return list(merged.values())
