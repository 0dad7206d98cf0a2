"""FHIR R4 of the newer hospitals: one transaction bundle for each recent visit, bulk NDJSON for the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from healthbrain.kernel.ids import stable_id

LOINC, ICD10 = "http://loinc.org", "http://hl7.org/fhir/sid/icd-10"
ATC, ICD9 = "http://www.whocc.no/atc", "http://hl7.org/fhir/sid/icd-9-cm"
UCUM, ACT = "http://unitsofmeasure.org", "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CITIZEN_ID = "urn:oid:2.16.156.10011.1.3"  # resident identity number, as national interchange standards name it
HB = "urn:healthbrain:code"
ENCOUNTER_TYPE, ORGANISATION = "urn:healthbrain:encounter-type", "urn:healthbrain:organisation"
GENDER = {"1": "male", "2": "female", "0": "unknown"}
PRESSURE = {"8480-6", "8462-4"}
CATEGORY = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
TITLES = {
    "8480-6": "收缩压",
    "8462-4": "舒张压",
    "14771-0": "空腹血糖",
    "14647-2": "总胆固醇",
    "14682-9": "肌酐",
    "4548-4": "糖化血红蛋白",
    "718-7": "血红蛋白",
}
Resource = dict[str, Any]


def zoned(moment: str) -> str:
    return moment + "+08:00"


def patient(row: Resource, died: str | None) -> Resource:
    """`row`: a line of the persons template."""
    source = row["source"]
    identifiers: list[Resource] = [
        {
            "use": "usual",
            "system": f"urn:healthbrain:source:{source}",
            "value": row["source_id"],
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
        }
    ]
    if row["id_number"]:
        identifiers.append({"use": "official", "system": CITIZEN_ID, "value": row["id_number"]})
    out: Resource = {
        "resourceType": "Patient",
        "id": f"{source}-{row['source_id']}",
        "meta": {"source": source},
        "identifier": identifiers,
        "name": [{"use": "official", "text": row["name"], "family": row["name"][:1], "given": [row["name"][1:]]}],
        "gender": GENDER.get(row["sex"], "unknown"),
        "birthDate": row["birth_date"],
        "address": [{"text": row["address"]}],
    }
    if row["phone"]:
        out["telecom"] = [{"system": "phone", "use": "mobile", "value": row["phone"]}]
    if died:
        out["deceasedDateTime"] = died
    return out


def coded(system: str, code: str, text: str | None = None) -> Resource:
    out: Resource = {"coding": [{"system": system, "code": code}]}
    return out | {"text": text} if text else out


def quantity(value: str, unit: str) -> Resource:
    known = unit.isascii()
    out: Resource = {"value": float(value) if "." in value else int(value), "unit": unit}
    return out | {"system": UCUM, "code": unit} if known else out


def encounter(row: Resource, subject: str) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": f"{row['source']}-e{row['visit']}",
        "meta": {"source": row["source"]},
        "status": "finished",
        "class": {"system": ACT, "code": row["class"]},
        "type": [coded(ENCOUNTER_TYPE, row["type"])],
        "subject": {"reference": subject},
        "period": {"start": zoned(row["start"]), "end": zoned(row["end"])},
        "serviceProvider": {"identifier": {"system": ORGANISATION, "value": row["organisation"]}},
    }


def observations(rows: list[Resource], subject: str, visit: str) -> Iterator[Resource]:
    """Systolic and diastolic of one visit become one blood-pressure panel, as the profile for vital signs asks."""
    pair = {r["code"]: r for r in rows if r["code"] in PRESSURE}
    for row in rows:
        paired = len(pair) == 2 and row["code"] in PRESSURE
        if paired and row["code"] == "8462-4":
            continue
        base: Resource = {
            "resourceType": "Observation",
            "id": f"{row['source']}-o{row['row']}",
            "meta": {"source": row["source"]},
            "status": "final",
            "subject": {"reference": subject},
            "encounter": {"reference": visit},
            "effectiveDateTime": zoned(row["effective"]),
            "performer": [{"identifier": {"system": ORGANISATION, "value": row["organisation"]}}],
        }
        if paired:
            parts = [
                {"code": coded(LOINC, c, TITLES[c]), "valueQuantity": quantity(pair[c]["value"], pair[c]["unit"])}
                for c in ("8480-6", "8462-4")
            ]
            yield base | {"category": [CATEGORY], "code": coded(LOINC, "85354-9", "血压"), "component": parts}
        else:
            code = coded(LOINC, row["code"], TITLES.get(row["code"]))
            yield base | {"code": code, "valueQuantity": quantity(row["value"], row["unit"])}


def conditions(rows: list[Resource], subject: str, visit: str) -> Iterator[Resource]:
    active = coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active")
    for row in rows:
        yield {
            "resourceType": "Condition",
            "id": f"{row['source']}-c{row['row']}",
            "meta": {"source": row["source"]},
            "clinicalStatus": active,
            "code": coded(ICD10, row["code"]),
            "subject": {"reference": subject},
            "encounter": {"reference": visit},
            "onsetDateTime": row["onset"],
            "recordedDate": row["onset"],
        }


def medications(rows: list[Resource], subject: str, visit: str) -> Iterator[Resource]:
    for row in rows:
        yield {
            "resourceType": "MedicationRequest",
            "id": f"{row['source']}-m{row['row']}",
            "meta": {"source": row["source"]},
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": coded(ATC, row["code"], row["name"]),
            "subject": {"reference": subject},
            "encounter": {"reference": visit},
            "authoredOn": row["start"],
            "dosageInstruction": [{"text": row["dose"]}],
            "dispenseRequest": {"validityPeriod": {"start": row["start"], "end": row["end"]}},
        }


def procedures(rows: list[Resource], subject: str, visit: str) -> Iterator[Resource]:
    for row in rows:
        yield {
            "resourceType": "Procedure",
            "id": f"{row['source']}-p{row['row']}",
            "meta": {"source": row["source"]},
            "status": "completed",
            "code": coded(ICD9, row["code"]),
            "subject": {"reference": subject},
            "encounter": {"reference": visit},
            "performedDateTime": row["performed"],
        }


def referrals(rows: list[Resource], subject: str, visit: str) -> Iterator[Resource]:
    """The hospital saw the referred person: the request is done."""
    for row in rows:
        yield {
            "resourceType": "ServiceRequest",
            "id": f"{row['source']}-r{row['row']}",
            "meta": {"source": row["source"]},
            "status": "completed",
            "intent": "order",
            "priority": "urgent" if row["code"] == "urgent-referral" else "routine",
            "code": coded(HB, row["code"], "转诊"),
            "subject": {"reference": subject},
            "encounter": {"reference": visit},
            "authoredOn": zoned(row["authored"]),
            "performer": [{"identifier": {"system": ORGANISATION, "value": row["organisation"]}}],
        }


MAKERS = {
    "observations": observations,
    "conditions": conditions,
    "medications": medications,
    "procedures": procedures,
    "referrals": referrals,
}


def _by_visit(frame: pl.DataFrame) -> dict[int, list[Resource]]:
    out: dict[int, list[Resource]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        out[row["visit"]].append(row)
    return out


def write_fhir(
    folder: Path,
    number: int,
    persons: dict[str, Resource],
    died: dict[str, str],
    frames: dict[str, pl.DataFrame],
    since: int,
) -> None:
    """Visits from minute `since` on become bundles; earlier ones NDJSON. `persons`: by source id."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {name: _by_visit(frames[name]) for name in MAKERS}
    bulk: dict[str, list[bytes]] = defaultdict(list)
    met: set[str] = set()
    for row in frames["encounters"].iter_rows(named=True):
        who = patient(persons[row["source_id"]], died.get(row["source_id"]))
        if row["at"] >= since:
            _write_bundle(folder, f"{number:03}-{row['visit']:07}", row, who, parts)
            continue
        subject, visit = f"Patient/{who['id']}", f"Encounter/{row['source']}-e{row['visit']}"
        if who["id"] not in met:
            met.add(who["id"])
            bulk["Patient"].append(orjson.dumps(who))
        for resource in _resources(row, subject, visit, parts):
            bulk[resource["resourceType"]] += [orjson.dumps(resource)] * (2 if row["repeated"] else 1)
    bulk["Patient"] += [
        orjson.dumps(patient(row, died.get(key))) for key, row in persons.items() if f"{row['source']}-{key}" not in met
    ]
    for kind, lines in bulk.items():
        (folder / f"{kind}-{number:03}.ndjson").write_bytes(b"\n".join(lines) + b"\n")


def _resources(
    row: Resource, subject: str, visit: str, parts: dict[str, dict[int, list[Resource]]]
) -> Iterator[Resource]:
    yield encounter(row, subject)
    for name, make in MAKERS.items():
        own = parts[name].get(row["visit"])
        if own:
            yield from make(own, subject, visit)


def _write_bundle(
    folder: Path, name: str, row: Resource, who: Resource, parts: dict[str, dict[int, list[Resource]]]
) -> None:
    subject = f"urn:uuid:{stable_id(row['source'], 'Patient', who['id'])}"
    visit = f"urn:uuid:{stable_id(row['source'], 'Encounter', str(row['visit']))}"
    entries = [_entry(who, subject)]
    for resource in _resources(row, subject, visit, parts):
        own = (
            visit if resource["resourceType"] == "Encounter" else f"urn:uuid:{stable_id(row['source'], resource['id'])}"
        )
        entries.append(_entry(resource, own))
    bundle = {
        "resourceType": "Bundle",
        "id": f"{row['source']}-v{row['visit']}",
        "meta": {"source": row["source"]},
        "type": "transaction",
        "timestamp": zoned(row["end"]),
        "entry": entries,
    }
    body = orjson.dumps(bundle)
    (folder / f"visit-{name}.json").write_bytes(body)
    if row["repeated"]:
        (folder / f"visit-{name}-again.json").write_bytes(body)


def _entry(resource: Resource, url: str) -> Resource:
    """PUT with the sender's own id: sending it twice changes nothing."""
    return {
        "fullUrl": url,
        "resource": resource,
        "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
    }
