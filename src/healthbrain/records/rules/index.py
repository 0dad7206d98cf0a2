"""Search tokens of a FHIR resource: what the `text[]` GIN column of the store holds.

Grammar (search.py writes the same words when it asks):

- coding, system well known:    `code=loinc|8480-6`: one token; a bare `8480-6` asks for each alias
- coding, other system or none: `code=urn:x|A1`, `code=A1`
- code, boolean:                `status=final`, `active=true`
- identifier:                   `identifier=urn:mrn|17`, `identifier=17`
- contact:                      `phone=13800000000`
- reference:                    `subject=Patient/p1`; two parameters on one path (`patient`, `subject`) share the first;
                                one to a version, `Patient/p1/_history/2`, as it is and without it
- reference by identifier:      `subject:identifier=urn:mrn|17`
- string, for prefix search:    `family^zh`: each prefix up to 8 characters, case-folded, accents removed
- date (Patient.birthDate):     `birthdate=1950-03-07`, `birthdate=1950-03`, `birthdate=1950`
- present at all (for :missing) is asked of the resource, not of tokens

Indexed are the parameters people use (`INDEXED`), for other types `FALLBACK`; every other R4 parameter that is a plain
path is still searchable, slower, because search.py then looks into the resource itself.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from healthbrain.records.rules import r4_tables
from healthbrain.records.rules.r4_tables import Parameter

type Emit = Callable[[Any, list[str]], None]

ALIASES = {
    "http://loinc.org": "loinc",
    "http://snomed.info/sct": "sct",
    "http://hl7.org/fhir/sid/icd-10": "icd10",
    "http://hl7.org/fhir/sid/icd-10-cm": "icd10cm",
    "http://hl7.org/fhir/sid/icd-9-cm": "icd9cm",
    "http://www.whocc.no/atc": "atc",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "http://hl7.org/fhir/sid/cvx": "cvx",
    "http://terminology.hl7.org/CodeSystem/observation-category": "obscat",
    "http://terminology.hl7.org/CodeSystem/condition-category": "condcat",
    "http://terminology.hl7.org/CodeSystem/condition-clinical": "condclin",
    "http://terminology.hl7.org/CodeSystem/condition-ver-status": "condver",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode": "act",
    "http://terminology.hl7.org/CodeSystem/v2-0074": "v2-0074",
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical": "algclin",
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification": "algver",
}
KINDS = {"token", "reference", "string", "date"}  # what tokens can answer; the rest is asked of the resource
PREFIX = 8
LONGEST = 200  # a GIN entry may not exceed about 2,700 bytes

FALLBACK = ("identifier", "status", "code", "category", "type", "subject", "patient", "encounter")
_CLINICAL = ("identifier", "status", "code", "category", "subject", "patient", "encounter")
INDEXED: dict[str, tuple[str, ...]] = {
    "Patient": (
        *("identifier", "active", "gender", "birthdate", "name", "family", "given", "phone", "email"),
        *("general-practitioner", "organization", "link"),
    ),
    "Observation": (*_CLINICAL, "component-code", "performer"),
    "Condition": ("identifier", "clinical-status", "verification-status", "category", "code", "subject", "encounter"),
    "Encounter": (
        *("identifier", "status", "class", "type", "subject", "service-provider", "participant", "part-of"),
        "location",
    ),
    "MedicationRequest": (*_CLINICAL, "intent", "medication", "requester"),
    "MedicationStatement": (*_CLINICAL, "context", "medication"),
    "MedicationAdministration": (*_CLINICAL, "context", "medication"),
    "MedicationDispense": (*_CLINICAL, "context", "medication", "prescription"),
    "Immunization": ("identifier", "status", "vaccine-code", "patient", "performer", "lot-number"),
    "Procedure": (*_CLINICAL, "performer", "based-on"),
    "DiagnosticReport": (*_CLINICAL, "performer", "result", "based-on"),
    "ServiceRequest": (*_CLINICAL, "intent", "performer", "requester", "based-on", "requisition"),
    "DocumentReference": ("identifier", "status", "type", "category", "subject", "encounter", "author", "custodian"),
    "Organization": ("identifier", "active", "name", "type", "partof"),
    "Practitioner": ("identifier", "active", "name", "family", "given", "phone", "email"),
    "PractitionerRole": ("identifier", "active", "practitioner", "organization", "role", "specialty"),
    "AllergyIntolerance": ("identifier", "clinical-status", "verification-status", "category", "code", "patient"),
    "CarePlan": ("identifier", "status", "intent", "category", "subject", "encounter", "performer"),
    "Appointment": ("identifier", "status", "appointment-type", "service-type", "patient", "actor", "location"),
    "QuestionnaireResponse": ("identifier", "status", "subject", "encounter", "author", "questionnaire"),
    "Specimen": ("identifier", "status", "type", "subject", "accession"),
    "Location": ("identifier", "status", "name", "type", "organization", "partof"),
    "Task": (
        *("identifier", "status", "intent", "code", "patient", "subject", "encounter", "focus", "owner", "requester"),
        "based-on",
    ),
    "RelatedPerson": ("identifier", "active", "patient", "name", "phone"),
    "Device": ("identifier", "status", "type", "patient", "organization"),
    "Composition": (*_CLINICAL, "type", "author"),
}


def fold(text: str) -> str:
    """Case-folded, accents removed: how string search compares."""
    text = text.casefold()
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def clip(token: str) -> str:
    """A token short enough for the index; very long ones end in a hash of the whole."""
    if len(token) <= LONGEST:
        return token
    return f"{token[: LONGEST - 33]}#{blake2b(token.encode(errors='replace'), digest_size=16).hexdigest()}"


# --- one emitter for each FHIR type -------------------------------------------------------------------------------


def _each(one: Emit) -> Emit:
    def emit(value: Any, out: list[str]) -> None:
        if type(value) is list:
            for item in value:
                one(item, out)
        else:
            one(value, out)

    return emit


def _coding(name: str) -> Emit:
    prefix = name + "="
    alias_of = ALIASES.get

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is not dict:
            return
        code, system = value.get("code"), value.get("system")
        if type(code) is not str:
            return
        alias = alias_of(system) if type(system) is str else None
        if alias is not None:
            out.append(f"{prefix}{alias}|{code}")
            return
        out.append(prefix + code)
        if system:
            out.append(f"{prefix}{system}|{code}")

    return emit


def _concept(name: str) -> Emit:
    one = _coding(name)

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is dict and type(codings := value.get("coding")) is list:
            for coding in codings:
                one(coding, out)

    return emit


def _code(name: str) -> Emit:
    prefix = name + "="

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is str:
            out.append(prefix + value)
        elif type(value) is bool:
            out.append(prefix + ("true" if value else "false"))

    return emit


def _identifier(name: str) -> Emit:
    prefix = name + "="

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is dict and type(text := value.get("value")) is str:
            out.append(prefix + text)
            if system := value.get("system"):
                out.append(f"{prefix}{system}|{text}")

    return emit


def _reference(name: str) -> Emit:
    prefix = name + "="
    by_identifier = _identifier(f"{name}:identifier")

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is not dict:
            return
        target = value.get("reference")
        if type(target) is str:
            out.append(prefix + target)
            if "/_history/" in target:  # a reference to one version is one to the resource, too
                out.append(prefix + target.partition("/_history/")[0])
        elif "identifier" in value:
            by_identifier(value["identifier"], out)

    return emit


def _contact(name: str, system: str | None) -> Emit:
    prefix = name + "="

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is dict and type(text := value.get("value")) is str and system in {None, value.get("system")}:
            out.append(prefix + text)

    return emit


@functools.lru_cache(maxsize=65_536)  # names repeat: family names, given names, a patient in many messages
def _prefixed(start: str, text: str) -> tuple[str, ...]:
    folded = fold(text.strip())
    return tuple(start + folded[:length] for length in range(1, min(len(folded), PREFIX) + 1))


def _prefixes(name: str) -> Emit:
    start = name + "^"

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is str:
            out.extend(_prefixed(start, value) if len(value) < LONGEST else _prefixed.__wrapped__(start, value))

    return emit


def _date(name: str) -> Emit:
    """The date and what contains it: a search for a month or a year is one token too."""
    prefix = name + "="

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is str:
            out.extend(prefix + value[:length] for length in (4, 7, 10) if len(value) >= length)

    return emit


def _human_name(name: str) -> Emit:
    several = _each(_prefixes(name))

    def emit(value: Any, out: list[str]) -> None:
        if type(value) is dict:
            for part in ("text", "family", "given"):
                if found := value.get(part):
                    several(found, out)

    return emit


def _emitter(name: str, kind: str, fhir_type: str, system: str | None) -> Emit | None:
    if fhir_type == "HumanName":
        return _human_name(name)
    if kind == "date":
        return _date(name)
    if kind == "string":
        return _prefixes(name) if fhir_type in {"string", "markdown"} else None
    if fhir_type == "ContactPoint":
        return _contact(name, system)
    makers: dict[str, Callable[[str], Emit]] = {
        "CodeableConcept": _concept,
        "Coding": _coding,
        "Identifier": _identifier,
        "Reference": _reference,
    }
    return makers.get(fhir_type, _code)(name)


# --- the plan of one resource type --------------------------------------------------------------------------------


def _deep(steps: tuple[str, ...], emit: Emit) -> Emit:
    """`emit` applied at the end of `steps`, through objects and arrays."""
    if not steps:
        return emit
    head, inner = steps[0], _each(_deep(steps[1:], emit))

    def run(value: Any, out: list[str]) -> None:
        if type(value) is dict and (found := value.get(head)) is not None:
            inner(found, out)

    return run


@functools.cache
def canonical(resource_type: str) -> dict[str, str]:
    """Indexed parameter → the name its tokens carry; parameters on the same path share one (patient → subject)."""
    parameters = r4_tables.search_parameters().get(resource_type, {})
    names: dict[str, str] = {}
    by_path: dict[Any, str] = {}
    for code in (*INDEXED.get(resource_type, FALLBACK), "patient", "subject"):
        parameter = parameters.get(code)
        if parameter is None or parameter.kind not in KINDS:
            continue
        path = tuple((p.steps, p.system) for p in parameter.paths)
        is_new = code in INDEXED.get(resource_type, FALLBACK)
        if path in by_path:
            names[code] = by_path[path]
        elif is_new:
            names[code] = by_path[path] = code
    return names


def _entries(parameter: Parameter) -> list[tuple[str, Emit]]:
    found = []
    for path in parameter.paths:
        emit = _emitter(parameter.code, parameter.kind, path.type, path.system)
        if emit is not None:
            found.append((path.steps[0], _each(_deep(path.steps[1:], _each(emit)))))
    return found


@functools.cache
def _plan(resource_type: str) -> tuple[tuple[str, Emit], ...]:
    parameters = r4_tables.search_parameters().get(resource_type, {})
    own = [code for code, name in canonical(resource_type).items() if code == name]
    return tuple(entry for code in own for entry in _entries(parameters[code]))


def tokens(resource: dict[str, Any]) -> list[str]:
    """The search tokens of `resource`, each once. Never raises, whatever the shape. About 6 µs a result."""
    out: list[str] = []
    resource_type = resource.get("resourceType")
    if type(resource_type) is not str:
        return out
    get = resource.get
    for name, emit in _plan(resource_type):
        value = get(name)
        if value is not None:
            emit(value, out)
    unique = list(dict.fromkeys(out))
    return [clip(t) for t in unique] if unique and max(map(len, unique)) > LONGEST else unique
