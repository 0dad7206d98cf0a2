# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""A small county written out by hand, to search in, and a walk over the pages of an answer."""

from __future__ import annotations

LAB = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}


def observation(own, subject, code, at, value=None, **more):
    made = {
        "resourceType": "Observation",
        "id": own,
        "status": "final",
        "category": [{"coding": [LAB]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": subject},
        "effectiveDateTime": at,
    }
    if value is not None:
        made["valueQuantity"] = {
            "value": value,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        }
    return made | more


ZHANG = {"resourceType": "Patient", "id": "zhang", "identifier": [{"system": "urn:mrn", "value": "A1"}, {"value": "Z9"}],
         "name": [{"text": "张小明", "family": "张", "given": ["小明"]}], "gender": "male", "birthDate": "1950-03-07", "active": True,
         "telecom": [{"system": "phone", "value": "13800000001"}],
         "address": [{"text": "云溪县青石镇和平村1号", "city": "云溪"}], "deceasedBoolean": False}  # fmt: skip
WANG = {"resourceType": "Patient", "id": "wang", "identifier": [{"system": "urn:mrn", "value": "A2"}],
        "name": [{"text": "王芳", "family": "王", "given": ["芳"]}], "gender": "female", "birthDate": "1950-11-30",
        "deceasedDateTime": "2024-06-01"}  # fmt: skip
SMITH = {"resourceType": "Patient", "id": "smith", "identifier": [{"system": "urn:other", "value": "A1"}],
         "name": [{"family": "Smithsonian-Jones", "given": ["Chloé"]}], "gender": "female", "birthDate": "1984-02",
         "deceasedBoolean": True}  # fmt: skip
COUNTY = [
    {"resourceType": "Organization", "id": "h1", "name": "县人民医院", "identifier": [{"value": "H1"}]},
    ZHANG,
    WANG | {"managingOrganization": {"reference": "Organization/h1"}},
    SMITH,
    observation("g1", "Patient/zhang", "14771-0", "2024-03-05T08:00:00+08:00", 7.2, performer=[{"reference": "Organization/h1"}]),
    observation("g2", "Patient/zhang", "14771-0", "2024-04-05", 5.4),
    observation("g3", "Patient/wang", "14771-0", "2024-04-30T23:30:00+08:00", 5.44, status="preliminary"),
    observation("k1", "Patient/wang", "2823-3", "2023", 4.1),
    observation("t1", "Patient/smith", "2093-3", "2024-04-05T10:00:00Z", valueString="Not Done"),
    observation("bp", "Patient/smith", "85354-9", "2024-05-01", component=[
        {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}, "valueQuantity": {"value": 152, "unit": "mmHg"}},
        {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]}, "valueQuantity": {"value": 88, "unit": "mmHg"}}]),
    {"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/zhang"},
     "period": {"start": "2024-03-05T07:00:00+08:00", "end": "2024-03-06T07:00:00+08:00"}},
    {"resourceType": "Condition", "id": "c1", "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I10"}]},
     "category": [{"coding": [{"code": "p", "display": "Problem list"}]}],
     "subject": {"reference": "Patient/zhang"}, "onsetDateTime": "2015", "encounter": {"reference": "Encounter/e1"},
     "recordedDate": "2020-06-01"},
    {"resourceType": "Condition", "id": "c2", "code": {"coding": [{"system": "urn:own", "code": "I10"}], "text": "高血压"},
     "subject": {"reference": "Patient/wang"}, "onsetPeriod": {"start": "2019-01-01", "end": "2019-12-31"}},
    {"resourceType": "RiskAssessment", "id": "r1", "status": "final", "subject": {"reference": "Patient/zhang"},
     "prediction": [{"probabilityDecimal": 0.25}]},
]  # fmt: skip


def page_through(client, path):
    found, url = [], path
    while url:
        body = client.get(url).json()
        found.append([e["resource"]["id"] for e in body.get("entry", [])])
        url = next((link["url"].split("/fhir")[1] for link in body["link"] if link["relation"] == "next"), "")
    return found
