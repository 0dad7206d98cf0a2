"""From one FHIR resource to its rows in the event ledger.

A resource we do not interpret gives no event; it is still stored whole. What never happened (not done, cancelled,
planned) gives none; what was entered in error gives an event with flag 2, so that the record can show it struck out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from healthbrain.kernel.clock import local
from healthbrain.records.rules import codes, units

ORGANISATION = "urn:healthbrain:organisation"  # identifier system of an organisation code
Resource = dict[str, Any]
Organisations = Mapping[str, str]  # reference text → organisation code
USABLE, IMPLAUSIBLE, IN_ERROR = 0, 1, 2
DISCHARGE = "type|discharge"  # the end of an inpatient stay, an event of its own: some rules count from it


class EventRow(NamedTuple):
    """One row of the ledger, before it knows identity and resource."""

    kind: str
    code: str
    at: dt.datetime  # naive county time
    value: float | None = None
    unit: str | None = None
    text: str | None = None
    flag: int = USABLE
    organisation: str | None = None  # its code


def moment(text: Any) -> dt.datetime | None:
    """A FHIR date, dateTime or instant as naive county time; a year or month means its first day; None: unreadable."""
    if not isinstance(text, str):
        return None
    if len(text) == 4 or len(text) == 7:
        text += "-01-01"[: 10 - len(text)]
    try:
        return local(dt.datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def events(
    resource: Resource, organisations: Organisations | None = None, as_of: dt.date | None = None
) -> list[EventRow]:
    """The ledger rows of `resource`. With `as_of`, what lies after that day is flagged implausible."""
    maker = MAKERS.get(resource.get("resourceType", ""))
    if maker is None:
        return []
    organisation = organisation_of(resource, organisations or {})
    found = [row._replace(organisation=row.organisation or organisation) for row in maker(resource)]
    return [dated(row, as_of) for row in found] if as_of else found


def dated(row: EventRow, as_of: dt.date) -> EventRow:
    """The row, implausible when it lies after `as_of`."""
    late = row.at.date() > as_of + dt.timedelta(days=1)  # a day of grace: clocks of senders differ
    return row._replace(flag=IMPLAUSIBLE) if late and row.flag == USABLE else row


# --- who said it -------------------------------------------------------------------------------------------------

ACTORS = (
    "serviceProvider",
    "performer",
    "informationSource",
    "custodian",
    "managingOrganization",
    "requester",
    "recorder",
    "asserter",
)


def organisation_of(resource: Resource, organisations: Organisations) -> str | None:
    """The code of the organisation behind a resource, None when it names none."""
    for field in ACTORS:
        value = resource.get(field)
        for reference in value if isinstance(value, list) else [value]:
            if isinstance(reference, dict):
                found = _organisation_code(reference, organisations) or _organisation_code(
                    reference.get("onBehalfOf") or reference.get("actor") or {}, organisations
                )
                if found:
                    return found
    return organisations.get((resource.get("encounter") or {}).get("reference", ""))


def _organisation_code(reference: Any, organisations: Organisations) -> str | None:
    if not isinstance(reference, dict):
        return None
    identifier = reference.get("identifier")
    if isinstance(identifier, dict) and (
        identifier.get("system") == ORGANISATION or reference.get("type") == "Organization"
    ):
        return identifier.get("value")
    target = reference.get("reference")
    if not isinstance(target, str):
        return None
    if target in organisations:
        return organisations[target]
    return target.removeprefix("Organization/") if target.startswith("Organization/") else None


# --- codes and values ---------------------------------------------------------------------------------------------


def concept_code(concept: Any, prefer: tuple[str, ...], kind: str = "observation") -> str | None:
    """The ledger code of a CodeableConcept: the coding of a preferred system, else the first, else its text."""
    if not isinstance(concept, dict):
        return None
    found = [
        codes.ledger_code(coding.get("system"), str(coding["code"]))
        for coding in concept.get("coding") or ()
        if isinstance(coding, dict) and coding.get("code")
    ]
    for code in found:
        if code.partition("|")[0] in prefer:
            return code
    if found:
        return found[0]
    text = concept.get("text")
    return codes.guess(text, kind) if isinstance(text, str) and text else None


def concept_answer(concept: Any) -> str | None:
    """A coded answer in the ledger's word: positive, negative, …"""
    if not isinstance(concept, dict):
        return None
    for coding in concept.get("coding") or ():
        if isinstance(coding, dict) and coding.get("code"):
            return codes.answer(str(coding["code"]))
    text = concept.get("text")
    return codes.answer(text) if isinstance(text, str) else None


def _status(concept: Any) -> str:
    if isinstance(concept, dict):
        for coding in concept.get("coding") or ():
            if isinstance(coding, dict) and coding.get("code"):
                return str(coding["code"])
    return ""


def _when(resource: Resource, *fields: str) -> dt.datetime | None:
    for field in fields:
        value = resource.get(field)
        found = moment(_begin(value) if isinstance(value, dict) else value)
        if found:
            return found
    return None


def _begin(value: Resource) -> Any:
    """When a period begins, else ends; the first moment of a Timing."""
    moments = value.get("event")
    return value.get("start") or value.get("end") or (moments[0] if isinstance(moments, list) and moments else None)


def unit_of(quantity: Resource) -> str | None:
    """The unit a quantity is given in: its code when that is one, else what is written."""
    if units.ucum(quantity.get("code")):
        return str(quantity["code"])
    return quantity.get("unit") or quantity.get("code")


def _value(holder: Resource, code: str) -> tuple[float | None, str | None, str | None, int] | None:
    """(value, unit, text, flag) of an Observation or one of its components; None when it has no value."""
    quantity = holder.get("valueQuantity")
    if isinstance(quantity, dict) and isinstance(quantity.get("value"), int | float):
        value, unit, flag = units.normalise(code, float(quantity["value"]), unit_of(quantity))
        return value, unit, quantity.get("comparator"), flag
    if isinstance(holder.get("valueInteger"), int):
        value, unit, flag = units.normalise(code, float(holder["valueInteger"]), None)
        return value, unit, None, flag
    if "valueCodeableConcept" in holder:
        return None, None, concept_answer(holder["valueCodeableConcept"]), USABLE
    if isinstance(holder.get("valueBoolean"), bool):
        return None, None, "yes" if holder["valueBoolean"] else "no", USABLE
    for field in ("valueString", "valueDateTime", "valueTime"):
        if isinstance(holder.get(field), str):
            return None, None, codes.answer(holder[field]), USABLE
    return None


# --- one function a resource type -------------------------------------------------------------------------------


def _observation(resource: Resource) -> Iterator[EventRow]:
    status = resource.get("status")
    at = _when(resource, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued")
    if at is None or status in {"cancelled", "registered"}:
        return
    for holder in (resource, *(c for c in resource.get("component") or () if isinstance(c, dict))):
        code = concept_code(holder.get("code"), ("loinc", "hb"))
        found = _value(holder, code) if code else None
        if code and found:
            value, unit, text, flag = found
            yield EventRow(
                "observation", code, at, value, unit, text, IN_ERROR if status == "entered-in-error" else flag
            )


def _condition(resource: Resource) -> Iterator[EventRow]:
    at = _when(resource, "onsetDateTime", "onsetPeriod", "recordedDate")
    code = concept_code(resource.get("code"), ("icd10",), "condition")
    if at and code:
        verification = _status(resource.get("verificationStatus"))
        flag = IN_ERROR if verification in {"entered-in-error", "refuted"} else USABLE
        yield EventRow("condition", code, at, text=_status(resource.get("clinicalStatus")) or "active", flag=flag)


def _encounter(resource: Resource) -> Iterator[EventRow]:
    at = _when(resource, "period")
    status = resource.get("status")
    if at is None or status in {"planned", "cancelled"}:
        return
    flag = IN_ERROR if status == "entered-in-error" else USABLE
    coding = resource.get("class")
    mode = codes.encounter_class(str(coding.get("code") or "")) if isinstance(coding, dict) else ""
    if mode:
        yield EventRow("encounter", f"class|{mode}", at, flag=flag)
    for concept in resource.get("type") or ():
        code = concept_code(concept, ("type",))
        if code:
            system, bare = codes.split(code)
            kind = codes.encounter_type(bare) if system in {"type", "local"} else bare
            system = "type" if system == "local" else system
            yield EventRow("encounter", f"{system}|{kind}", at, text=mode or None, flag=flag)
    left = moment(resource["period"].get("end")) if mode == "IMP" and isinstance(resource["period"], dict) else None
    if left:
        yield EventRow("encounter", DISCHARGE, left, text=mode, flag=flag)


def _medication(*dates: str) -> Callable[[Resource], Iterator[EventRow]]:
    def make(resource: Resource) -> Iterator[EventRow]:
        at = _when(resource, *dates)
        status = resource.get("status")
        code = concept_code(_medicine(resource), ("atc",), "medication")
        if at is None or code is None or status in {"cancelled", "draft", "not-taken", "not-done", "declined"}:
            return
        supply = (
            resource.get("daysSupply") or (resource.get("dispenseRequest") or {}).get("expectedSupplyDuration") or {}
        )
        days = supply.get("value") if units.ucum(supply.get("code") or supply.get("unit")) == "d" else None
        flag = IN_ERROR if status == "entered-in-error" else USABLE
        yield EventRow("medication", code, at, days, "d" if days is not None else None, status, flag)

    return make


def _medicine(resource: Resource) -> Any:
    if "medicationCodeableConcept" in resource:
        return resource["medicationCodeableConcept"]
    reference = (resource.get("medicationReference") or {}).get("reference", "")
    for contained in resource.get("contained") or ():
        if isinstance(contained, dict) and reference == f"#{contained.get('id')}":
            return contained.get("code")
    return {"text": (resource.get("medicationReference") or {}).get("display")}


def _immunization(resource: Resource) -> Iterator[EventRow]:
    at = _when(resource, "occurrenceDateTime")
    code = concept_code(resource.get("vaccineCode"), ("vaccine",), "immunization")
    status = resource.get("status")
    if at is None or code is None or status == "not-done":
        return
    code = codes.vaccine(codes.split(code)[1]) or code if code.startswith("local|") else code
    protocols = resource.get("protocolApplied") or [{}]
    dose = protocols[0].get("doseNumberPositiveInt")
    flag = IN_ERROR if status == "entered-in-error" else USABLE
    yield EventRow("immunization", code, at, float(dose) if isinstance(dose, int) else None, flag=flag)


def _procedure(resource: Resource) -> Iterator[EventRow]:
    at = _when(resource, "performedDateTime", "performedPeriod")
    code = concept_code(resource.get("code"), ("icd9cm3", "hb"), "procedure")
    status = resource.get("status")
    if at is None or code is None or status in {"preparation", "not-done"}:
        return
    flag = IN_ERROR if status == "entered-in-error" else USABLE
    yield EventRow("procedure", code, at, text=concept_answer(resource.get("outcome")), flag=flag)


REFERRALS = frozenset({"snomed|3457005", "hb|referral", "hb|urgent-referral", "local|转诊"})


def _referral(resource: Resource) -> Iterator[EventRow]:
    """Only requests that are referrals: an order for a laboratory test is no event of a resident's care yet."""
    at = _when(resource, "authoredOn", "occurrenceDateTime", "occurrencePeriod")
    found = [concept_code(c, ("hb",)) for c in (resource.get("code"), *(resource.get("category") or ()))]
    status = resource.get("status")
    if at and not REFERRALS.isdisjoint(c for c in found if c) and status not in {"draft", "revoked"}:
        flag = IN_ERROR if status == "entered-in-error" else USABLE
        urgent = resource.get("priority") in {"urgent", "asap", "stat"} or "hb|urgent-referral" in found
        yield EventRow("referral", "hb|urgent-referral" if urgent else "hb|referral", at, text=status, flag=flag)


def _report(resource: Resource) -> Iterator[EventRow]:
    """A report's coded conclusion: one answer under the report's code."""
    at = _when(resource, "effectiveDateTime", "effectivePeriod", "issued")
    code = concept_code(resource.get("code"), ("loinc", "hb"))
    status = resource.get("status")
    if at and code and status not in {"registered", "cancelled"}:
        flag = IN_ERROR if status == "entered-in-error" else USABLE
        for concept in resource.get("conclusionCode") or ():
            yield EventRow("observation", code, at, text=concept_answer(concept), flag=flag)


MAKERS: dict[str, Callable[[Resource], Iterator[EventRow]]] = {
    "Observation": _observation,
    "Condition": _condition,
    "Encounter": _encounter,
    "MedicationRequest": _medication("authoredOn"),
    "MedicationStatement": _medication("effectiveDateTime", "effectivePeriod", "dateAsserted"),
    "MedicationDispense": _medication("whenHandedOver", "whenPrepared"),
    "MedicationAdministration": _medication("effectiveDateTime", "effectivePeriod"),
    "Immunization": _immunization,
    "Procedure": _procedure,
    "ServiceRequest": _referral,
    "DiagnosticReport": _report,
}

DATES = {  # what FHIR search calls `date`, by type
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming", "issued"),
    "Condition": ("onsetDateTime", "onsetPeriod", "recordedDate"),
    "Encounter": ("period",),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod", "dateAsserted"),
    "MedicationDispense": ("whenHandedOver", "whenPrepared"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod"),
    "Immunization": ("occurrenceDateTime",),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "ServiceRequest": ("authoredOn", "occurrenceDateTime"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod", "issued"),
}


def date_of(resource: Resource) -> dt.datetime | None:
    """The clinical date of a resource, None when its type has none."""
    return _when(resource, *DATES.get(resource.get("resourceType", ""), ("date", "created", "authored")))
