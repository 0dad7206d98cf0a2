"""A desk form's values as FHIR resources: what the form's definition gives a code becomes an observation, the whole
form is kept as a QuestionnaireResponse, so that the sheet can be printed again as it was filled in."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from healthbrain.kernel.knowledge import load
from healthbrain.records.rules import codes
from healthbrain.records.rules.ledger import ORGANISATION

QUESTIONNAIRE = "urn:healthbrain:form:"
PRESSURE = ("loinc|8480-6", "loinc|8462-4")
Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """A contact with a resident, in the record's words."""

    id: str  # of the visit; the ids of its resources follow from it
    subject: Resource  # reference to the Patient
    at: dt.datetime  # naive county time
    encounter_class: str
    encounter_type: str  # empty: a result passed on, nobody was seen
    observations: Sequence[tuple[str, float, str | None]] = ()  # code, value, unit
    texts: Sequence[tuple[str, str]] = ()  # code, coded answer
    medications: Sequence[Mapping[str, str]] = ()  # name, times, dose
    referral: Mapping[str, str] = field(default_factory=dict)  # reason, to, status, urgent
    conditions: Sequence[str] = ()  # codes of diagnoses made elsewhere and reported here
    procedures: Sequence[str] = ()  # codes of what was done
    organisation: str | None = None  # its code
    organisation_name: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    id: str
    kind: str
    code: str
    unit: str
    record: str
    says: Mapping[str, Mapping[str, str]]  # option → what else it records: condition, procedure, referral


@functools.cache
def definition(form: str) -> dict[str, Any]:
    """The definition of a form. One made of `parts` has their fields written out, and what is urgent in any of them.

    Raises FileNotFoundError for an unknown form.
    """
    found = load("forms", f"{form}.yaml")
    if "parts" not in found:
        return found
    known = {part: load("forms", f"{part}.yaml") for part in found["parts"]}
    fields = {part: {f["id"]: f for s in one["sections"] for f in s["fields"]} for part, one in known.items()}
    sections = [
        section | {"fields": [
            fields[group["of"]][name] | {"id": group.get("as", {}).get(name, name)}
            for group in section["fields"] for name in group["ids"]
        ]}
        for section in found["sections"]
    ]  # fmt: skip
    urgent = [one["urgent"] for one in known.values() if "urgent" in one]
    clauses = "；".join(one["source"]["part"] for one in urgent)
    values = {name: pair for one in urgent for name, pair in one["values"].items()}
    joined = urgent[0] | {"values": values, "source": urgent[0]["source"] | {"part": clauses}}
    return found | {"sections": sections, "urgent": joined}


def parts_of(form: str) -> dict[str, dict[str, str]]:
    """Of a form made of parts: part → its field → the field here. Else the form itself, each field its own."""
    found = load("forms", f"{form}.yaml")
    names = {
        (group["of"], name): new
        for section in found["sections"]
        for group in section["fields"]
        for name, new in group.get("as", {}).items()
    }
    parts = found.get("parts", [form])
    return {
        part: {f["id"]: names.get((part, f["id"]), f["id"]) for s in definition(part)["sections"] for f in s["fields"]}
        for part in parts
    }


def fields_of(form: str) -> list[Field]:
    """The fields of a form definition. Raises FileNotFoundError for an unknown form."""
    sections = definition(form)["sections"]
    return [
        Field(f["id"], f["kind"], f.get("code", ""), f.get("unit", ""), f.get("record", ""), _says(f))
        for section in sections
        for f in section["fields"]
    ]


def _says(item: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    return {str(option["value"]): option for option in item.get("options", ())}


def version_of(form: str) -> str:
    return str(load("forms", f"{form}.yaml").get("version", ""))


def visit_of(form: str, values: Mapping[str, Any], **known: Any) -> Visit:
    """What the values of a form say. Empty answers say nothing."""
    observations: list[tuple[str, float, str | None]] = []
    texts: list[tuple[str, str]] = []
    medications: list[Mapping[str, str]] = []
    referral: dict[str, str] = {}
    said_of_form = definition(form)
    conditions: list[str] = []
    procedures = [said_of_form["procedure"]] if "procedure" in said_of_form else []
    mode = str(said_of_form.get("class", "AMB"))
    for item in fields_of(form):
        value = values.get(item.id)
        if value is None or value in ("", []):
            continue
        for one in value if isinstance(value, list) else [value]:
            said = item.says.get(str(one), {}) if item.says else {}
            conditions += [said["condition"]] if "condition" in said else []
            procedures += [said["procedure"]] if "procedure" in said else []
            if "referral" in said:
                referral |= {"status": said["referral"], "reason": said["zh"]}
        if item.record == "class":
            mode = str(value)
        elif item.record.startswith("referral-"):
            referral[item.record.removeprefix("referral-")] = str(value)
        elif item.kind == "medications":
            medications += [row for row in value if row.get("name")]
        elif item.code and isinstance(value, int | float):
            observations.append((item.code, float(value), item.unit or None))
        elif item.code:
            texts += [(item.code, str(one)) for one in (value if isinstance(value, list) else [value])]
    return Visit(
        encounter_class=codes.encounter_class(mode),
        encounter_type=said_of_form.get("encounter", {}).get("type", ""),
        observations=observations,
        texts=texts,
        medications=medications,
        referral=referral,
        conditions=conditions,
        procedures=procedures,
        **known,
    )


def resources_of(visit: Visit) -> list[Resource]:
    """The visit as FHIR R4 resources, the encounter first."""
    found = [_encounter(visit)] if visit.encounter_type else []
    found += _observations(visit)
    found += [_condition(visit, i, code) for i, code in enumerate(visit.conditions)]
    found += [_procedure(visit, i, code) for i, code in enumerate(visit.procedures)]
    found += [_medication(visit, i, row) for i, row in enumerate(visit.medications)]
    if visit.referral.get("reason"):
        found.append(_referral(visit))
    return found


def responses_of(visit: Visit, form: str, values: Mapping[str, Any]) -> list[Resource]:
    """The form as it was filled in; of a form made of parts each part, as if it alone had been filled in."""
    found = []
    for number, (part, names) in enumerate(parts_of(form).items()):
        own = {name: values.get(here) for name, here in names.items()}
        found.append(_response(visit, part, own, f"-{number}" if number else ""))
    return found


def _response(visit: Visit, form: str, values: Mapping[str, Any], more: str) -> Resource:
    organisation = {
        "url": ORGANISATION,
        "valueReference": {"type": "Organization", "display": visit.organisation_name or "—"},
    }
    return {
        "resourceType": "QuestionnaireResponse",
        "id": f"{visit.id}-form{more}",
        "extension": [organisation],
        "questionnaire": f"{QUESTIONNAIRE}{form}|{version_of(form)}",
        "status": "completed",
        "subject": visit.subject,
        "authored": _when(visit),
        "author": {"display": visit.author or "—"},
        "item": [item for f in fields_of(form) if (item := _item(f.id, values.get(f.id)))],
    } | _encountered(visit)


def values_of(response: Resource) -> dict[str, Any]:
    """The values of a stored form, as `responses_of` took them."""
    found: dict[str, Any] = {}
    for item in response.get("item") or ():
        if "item" in item:
            rows = [{part["linkId"]: part["answer"][0]["valueString"] for part in row["item"]} for row in item["item"]]
            found[item["linkId"]] = rows
            continue
        answers = [next(iter(answer.values())) for answer in item.get("answer") or ()]
        found[item["linkId"]] = answers if item.get("text") == "several" else answers[0]
    return found


def _item(name: str, value: Any) -> Resource | None:
    if value is None or value in ("", []):
        return None
    if isinstance(value, list) and isinstance(value[0], dict):
        rows = [{"linkId": str(i), "item": [_part(k, v) for k, v in row.items() if v]} for i, row in enumerate(value)]
        return {"linkId": name, "item": rows}
    if isinstance(value, list):
        return {"linkId": name, "text": "several", "answer": [{"valueString": str(one)} for one in value]}
    if isinstance(value, bool):
        return {"linkId": name, "answer": [{"valueBoolean": value}]}
    if isinstance(value, int | float):
        return {"linkId": name, "answer": [{"valueDecimal": value}]}
    return {"linkId": name, "answer": [{"valueString": str(value)}]}


def _part(name: str, value: Any) -> Resource:
    return {"linkId": name, "answer": [{"valueString": str(value)}]}


# --- resources -------------------------------------------------------------------------------------------------------


def _when(visit: Visit) -> str:
    return visit.at.strftime("%Y-%m-%dT%H:%M:%S+08:00")


def _encountered(visit: Visit) -> Resource:
    return {"encounter": {"reference": f"Encounter/{visit.id}"}} if visit.encounter_type else {}


def _organisation(visit: Visit) -> Resource:
    return {"type": "Organization", "identifier": {"system": ORGANISATION, "value": visit.organisation}}


def _performer(visit: Visit) -> Resource:
    return {"performer": [_organisation(visit)]} if visit.organisation else {}


def _concept(code: str) -> Resource:
    system, bare = codes.split(code)
    return {"coding": [{"system": codes.url(system), "code": bare}]}


def _encounter(visit: Visit) -> Resource:
    provider = {"serviceProvider": _organisation(visit)} if visit.organisation else {}
    return {
        "resourceType": "Encounter",
        "id": visit.id,
        "status": "finished",
        "class": {"system": codes.url("class"), "code": visit.encounter_class},
        "type": [_concept(f"type|{visit.encounter_type}")],
        "subject": visit.subject,
        "period": {"start": _when(visit)},
    } | provider


def _observations(visit: Visit) -> list[Resource]:
    """One Observation an item; systolic and diastolic together as the panel the vital-signs profile asks for."""
    measured = {code: (value, unit) for code, value, unit in visit.observations}
    pair = all(code in measured for code in PRESSURE)
    found = []
    if pair:
        parts = [{"code": _concept(code), "valueQuantity": _quantity(*measured[code])} for code in PRESSURE]
        found.append(_observation(visit, "bp", _concept("loinc|85354-9")) | {"component": parts})
    for i, (code, value, unit) in enumerate(visit.observations):
        if not (pair and code in PRESSURE):
            found.append(_observation(visit, f"o{i}", _concept(code)) | {"valueQuantity": _quantity(value, unit)})
    for i, (code, answer) in enumerate(visit.texts):
        coded = {"coding": [{"system": codes.url(codes.split(code)[0]), "code": answer}]}
        found.append(_observation(visit, f"t{i}", _concept(code)) | {"valueCodeableConcept": coded})
    return found


def _observation(visit: Visit, name: str, code: Resource) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"{visit.id}-{name}",
        "status": "final",
        "code": code,
        "subject": visit.subject,
        "effectiveDateTime": _when(visit),
    } | _encountered(visit) | _performer(visit)  # fmt: skip


def _condition(visit: Visit, number: int, code: str) -> Resource:
    def status(name: str, value: str) -> Resource:
        return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/condition-{name}", "code": value}]}

    asserter = {"asserter": _organisation(visit)} if visit.organisation else {}
    return {
        "resourceType": "Condition",
        "id": f"{visit.id}-c{number}",
        "clinicalStatus": status("clinical", "active"),
        "verificationStatus": status("ver-status", "confirmed"),
        "code": _concept(code),
        "subject": visit.subject,
        "onsetDateTime": _when(visit),
    } | _encountered(visit) | asserter  # fmt: skip


def _procedure(visit: Visit, number: int, code: str) -> Resource:
    performer = {"performer": [{"actor": _organisation(visit)}]} if visit.organisation else {}
    return {
        "resourceType": "Procedure",
        "id": f"{visit.id}-p{number}",
        "status": "completed",
        "code": _concept(code),
        "subject": visit.subject,
        "performedDateTime": _when(visit),
    } | _encountered(visit) | performer  # fmt: skip


def _quantity(value: float, unit: str | None) -> Resource:
    number = int(value) if float(value).is_integer() else value
    return {"value": number} | ({"unit": unit, "system": "http://unitsofmeasure.org", "code": unit} if unit else {})


def _medication(visit: Visit, number: int, row: Mapping[str, str]) -> Resource:
    """The drug as it was written, with its ATC code when the name says one."""
    known = codes.drug(row["name"])
    concept = (_concept(known) if known else {}) | {"text": row["name"]}
    dosage = " ".join(part for part in (row.get("dose", ""), row.get("times", "")) if part)
    return (
        {
            "resourceType": "MedicationStatement",
            "id": f"{visit.id}-m{number}",
            "status": "active",
            "medicationCodeableConcept": concept,
            "subject": visit.subject,
            "context": {"reference": f"Encounter/{visit.id}"},
            "effectiveDateTime": _when(visit),
        }
        | ({"dosage": [{"text": dosage}]} if dosage else {})
        | ({"informationSource": _organisation(visit)} if visit.organisation else {})
    )


def _referral(visit: Visit) -> Resource:
    to = visit.referral.get("to")
    return (
        {
            "resourceType": "ServiceRequest",
            "id": f"{visit.id}-referral",
            "status": visit.referral.get("status", "active"),
            "intent": "order",
            "category": [_concept("hb|referral")],
            "code": _concept("hb|referral"),
            "subject": visit.subject,
            "authoredOn": _when(visit),
            "reasonCode": [{"text": visit.referral["reason"]}],
        }
        | _encountered(visit)
        | ({"performer": [{"type": "Organization", "display": to}]} if to else {})
        | ({"requester": _organisation(visit)} if visit.organisation else {})
    )
