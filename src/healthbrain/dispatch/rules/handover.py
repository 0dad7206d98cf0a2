"""A mission as FHIR R4: Patient, ServiceRequest (the call), Encounter (the mission), Observations (vital signs).

The eight times of an EMS mission go where HL7's EMS guide puts them: ServiceRequest.authoredOn, Encounter.period, and
the other steps as Encounter.statusHistory.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from healthbrain.kernel.ids import stable_id

CITIZEN_ID = "urn:oid:2.16.156.10011.1.3"
ORGANISATION = "urn:healthbrain:organisation"
GENDER = {"1": "male", "2": "female"}
URGENCY = {1: "stat", 2: "urgent", 3: "routine"}
Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Patient:
    """Who it was. `key` makes the Patient of this source: the identity number, or the resident without one."""

    key: str
    name: str
    sex: str
    birth_date: dt.date | None
    id_number: str
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Handover:
    """What a handed-over mission leaves. `times` by timeline kind; `vitals`: (moment, value by name)."""

    mission_id: int
    patient: Patient
    suspected: str
    priority: int
    destination: str
    vehicle: str
    times: Mapping[str, dt.datetime]
    vitals: Sequence[tuple[dt.datetime, Mapping[str, float]]]


def bundle(done: Handover, vitals: Mapping[str, Mapping[str, Any]]) -> Resource:
    """The transaction bundle. `vitals`: LOINC code and UCUM unit of each vital sign by its name here."""
    patient = stable_id("EMS", "patient", done.patient.key)
    call, visit = stable_id("EMS", "call", str(done.mission_id)), stable_id("EMS", "mission", str(done.mission_id))
    subject = {"reference": f"Patient/{patient}"}
    resources = [_patient(done.patient, patient), _request(done, call, subject), _encounter(done, visit, call, subject)]
    for number, (at, values) in enumerate(done.vitals):
        for name, value in values.items():
            own = stable_id("EMS", "vital", str(done.mission_id), str(number), name)
            resources.append(_observation(own, vitals[name], value, at, visit, subject))
    return {
        "resourceType": "Bundle",
        "id": f"ems-{done.mission_id}",
        "type": "transaction",
        "entry": [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in resources
        ],
    }


def _patient(who: Patient, own: str) -> Resource:
    found: Resource = {
        "resourceType": "Patient",
        "id": own,
        "name": [{"use": "official", "text": who.name}],
        "gender": GENDER.get(who.sex, "unknown"),
    }
    if who.id_number:
        found["identifier"] = [{"use": "official", "system": CITIZEN_ID, "value": who.id_number}]
    if who.phone:
        found["telecom"] = [{"system": "phone", "value": who.phone}]
    return found | ({"birthDate": who.birth_date.isoformat()} if who.birth_date else {})


def _request(done: Handover, own: str, subject: Resource) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": own,
        "status": "completed",
        "intent": "order",
        "priority": URGENCY[done.priority],
        "code": {"text": "院前急救 emergency ambulance"},
        "subject": subject,
        "authoredOn": done.times["assigned"].isoformat(),
        "reasonCode": [{"text": done.suspected}],
    }


def _encounter(done: Handover, own: str, call: str, subject: Resource) -> Resource:
    times = done.times
    start = times.get("on-scene") or times["assigned"]
    found: Resource = {
        "resourceType": "Encounter",
        "id": own,
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "FLD"},
        "type": [{"coding": [{"system": "urn:healthbrain:encounter-type", "code": "emergency"}]}],
        "subject": subject,
        "basedOn": [{"reference": f"ServiceRequest/{call}"}],
        "period": {"start": start.isoformat(), "end": times["handover"].isoformat()},
        "statusHistory": _history(times),
        "hospitalization": {"destination": {"identifier": {"system": ORGANISATION, "value": done.destination}}},
        "reasonCode": [{"text": done.suspected}],
    }
    return found


def _history(times: Mapping[str, dt.datetime]) -> list[Resource]:
    """Consecutive stretches: planned (assigned → rolling → on scene), arrived, in-progress (left scene → handover)."""
    steps = [
        ("planned", "assigned"),
        ("planned", "rolling"),
        ("arrived", "on-scene"),
        ("in-progress", "left-scene"),
        ("in-progress", "at-hospital"),
        ("finished", "handover"),
    ]
    known = sorted(((times[kind], status) for status, kind in steps if kind in times), key=lambda pair: pair[0])
    ends = [at for at, _ in known[1:]]
    return [
        {"status": status, "period": {"start": at.isoformat(), "end": end.isoformat()}}
        for (at, status), end in zip(known, ends, strict=False)
    ]


def _observation(
    own: str, sign: Mapping[str, Any], value: float, at: dt.datetime, visit: str, subject: Resource
) -> Resource:
    return {
        "resourceType": "Observation",
        "id": own,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": sign["loinc"]}], "text": sign["title"]["zh"]},
        "subject": subject,
        "encounter": {"reference": f"Encounter/{visit}"},
        "effectiveDateTime": at.isoformat(),
        "valueQuantity": {
            "value": value,
            "unit": sign["unit"],
            "system": "http://unitsofmeasure.org",
            "code": sign["unit"],
        },
    }
