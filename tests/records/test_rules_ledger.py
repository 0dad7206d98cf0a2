"""From a FHIR resource to the ledger, as a table: what comes in, what the ledger says."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.records.rules import forms, ledger
from tests.records.intake_files import observation

AT = dt.datetime.fromisoformat("2026-03-20T08:30")
ORGANISATION = {"type": "Organization", "identifier": {"system": "urn:healthbrain:organisation", "value": "H1"}}
PANEL = observation("Patient/1", "85354-9")
del PANEL["valueQuantity"]
PANEL["component"] = [
    {"code": {"coding": [{"system": "http://loinc.org", "code": c}]}, "valueQuantity": {"value": v, "unit": "mmHg"}}
    for c, v in (("8480-6", 152), ("8462-4", 94))
]


def coded(system, code, **more):
    return {"coding": [{"system": system, "code": code}], **more}


def short(resource, **known):
    return [(e.kind, e.code, e.value, e.unit, e.text, e.flag) for e in ledger.events(resource, **known)]


CASES = [
    ("a reading", observation("Patient/1"), [("observation", "loinc|8480-6", 138.0, "mm[Hg]", None, 0)]),
    (
        "a blood-pressure panel is its two components",
        PANEL,
        [
            ("observation", "loinc|8480-6", 152.0, "mm[Hg]", None, 0),
            ("observation", "loinc|8462-4", 94.0, "mm[Hg]", None, 0),
        ],
    ),
    (
        "entered in error stays visible, flag 2",
        observation("Patient/1", status="entered-in-error"),
        [("observation", "loinc|8480-6", 138.0, "mm[Hg]", None, 2)],
    ),
    ("cancelled is no event", observation("Patient/1", status="cancelled"), []),
    (
        "a coded answer",
        {**observation("Patient/1", "29771-3"), "valueQuantity": None, "valueCodeableConcept": {"text": "阳性"}},
        [("observation", "loinc|29771-3", None, None, "positive", 0)],
    ),
    (
        "a diagnosis keeps the national code",
        {
            "resourceType": "Condition",
            "code": coded("http://hl7.org/fhir/sid/icd-10", "I10.x00x002"),
            "clinicalStatus": coded("x", "resolved"),
            "onsetDateTime": "2020-05",
        },
        [("condition", "icd10|I10.x00x002", None, None, "resolved", 0)],
    ),
    (
        "a refuted diagnosis is flagged",
        {
            "resourceType": "Condition",
            "code": coded("http://hl7.org/fhir/sid/icd-10", "I10"),
            "verificationStatus": coded("x", "refuted"),
            "recordedDate": "2026-01-01",
        },
        [("condition", "icd10|I10", None, None, "active", 2)],
    ),
    (
        "a home visit for follow-up is two rows",
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "HH"},
            "type": [coded("urn:healthbrain:encounter-type", "follow-up")],
            "period": {"start": "2026-03-20T08:30:00+08:00"},
        },
        [("encounter", "class|HH", None, None, None, 0), ("encounter", "type|follow-up", None, None, "HH", 0)],
    ),
    (
        "a stay that is over is two rows: it began, and it ended",
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "IMP"},
            "period": {"start": "2026-03-20T08:30:00+08:00", "end": "2026-03-24T10:00:00+08:00"},
        },
        [("encounter", "class|IMP", None, None, None, 0), ("encounter", "type|discharge", None, None, "IMP", 0)],
    ),
    (
        "the end of a visit at the clinic is nothing of its own",
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "AMB"},
            "period": {"start": "2026-03-20T08:30:00+08:00", "end": "2026-03-20T08:40:00+08:00"},
        },
        [("encounter", "class|AMB", None, None, None, 0)],
    ),
    (
        "a planned encounter has not happened",
        {"resourceType": "Encounter", "status": "planned", "class": {"code": "AMB"}, "period": {"start": "2026-03-20"}},
        [],
    ),
    (
        "a prescription of 28 days",
        {
            "resourceType": "MedicationDispense",
            "status": "completed",
            "medicationCodeableConcept": coded("http://www.whocc.no/atc", "C08CA01"),
            "whenHandedOver": "2026-03-20",
            "daysSupply": {"value": 28, "unit": "天"},
        },
        [("medication", "atc|C08CA01", 28, "d", "completed", 0)],
    ),
    (
        "the second dose of hepatitis B",
        {
            "resourceType": "Immunization",
            "status": "completed",
            "vaccineCode": coded("http://hl7.org/fhir/sid/cvx", "08"),
            "occurrenceDateTime": "2026-03-20",
            "protocolApplied": [{"doseNumberPositiveInt": 2}],
        },
        [("immunization", "vaccine|HepB", 2.0, None, None, 0)],
    ),
    (
        "a refused vaccination is none",
        {
            "resourceType": "Immunization",
            "status": "not-done",
            "vaccineCode": {"text": "HepB"},
            "occurrenceDateTime": "2026-03-20",
        },
        [],
    ),
    (
        "a colonoscopy",
        {
            "resourceType": "Procedure",
            "status": "completed",
            "code": coded("http://hl7.org/fhir/sid/icd-9-cm", "45.2300"),
            "performedPeriod": {"start": "2026-03-20"},
        },
        [("procedure", "icd9cm3|45.2300", None, None, None, 0)],
    ),
    (
        "an urgent referral",
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "priority": "urgent",
            "code": coded("http://snomed.info/sct", "3457005"),
            "authoredOn": "2026-03-20",
        },
        [("referral", "hb|urgent-referral", None, None, "active", 0)],
    ),
    (
        "an order for a test is no referral",
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "authoredOn": "2026-03-20",
            "code": coded("http://loinc.org", "14771-0"),
        },
        [],
    ),
    ("a type we do not interpret", {"resourceType": "CarePlan", "status": "active"}, []),
]


@pytest.mark.parametrize(("name", "resource", "expected"), CASES, ids=[case[0] for case in CASES])
def test_resource_to_ledger(name, resource, expected):
    assert short(resource) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-20T08:30:00+08:00", AT),
        ("2026-03-20T00:30:00Z", AT),
        ("2026-03-20", dt.datetime.fromisoformat("2026-03-20")),
        ("2026-03", dt.datetime.fromisoformat("2026-03-01")),
        ("2026", dt.datetime.fromisoformat("2026-01-01")),
        ("2026-02-30", None),
        (20260320, None),
    ],
)
def test_ledger_time_is_county_time(text, expected):
    assert ledger.moment(text) == expected


def test_who_said_it():
    reading = observation(
        "Patient/1", performer=[{"reference": "urn:uuid:org"}], encounter={"reference": "Encounter/9"}
    )
    assert ledger.organisation_of(reading, {"urn:uuid:org": "H1"}) == "H1"
    assert ledger.organisation_of(observation("Patient/1", performer=[ORGANISATION]), {}) == "H1"
    del reading["performer"]
    assert ledger.organisation_of(reading, {"Encounter/9": "H2"}) == "H2"
    assert ledger.organisation_of(observation("Patient/1"), {}) is None


def test_a_future_date_is_flagged_and_kept():
    [event] = ledger.events(observation("Patient/1"), as_of=dt.date(2026, 3, 1))
    assert (event.flag, event.at) == (1, AT)
    [event] = ledger.events(observation("Patient/1"), as_of=dt.date(2026, 3, 19))  # clocks differ: a day of grace
    assert event.flag == 0


def test_a_form_can_be_printed_again_as_it_was_filled_in():
    values = {
        "visit_mode": "HH", "sbp": 150, "dbp": 95, "weight_target": 60.5, "symptoms": ["nausea-vomiting", "dyspnoea"],
        "adherence": "irregular", "medications": [{"name": "氨氯地平片", "times": "每日1次", "dose": "5mg"}],
    }  # fmt: skip
    visit = forms.visit_of("hypertension-follow-up", values, id="v1", subject={"reference": "Patient/1"}, at=AT)
    assert [forms.values_of(r) for r in forms.responses_of(visit, "hypertension-follow-up", values)] == [values]
    rows = [row for resource in forms.resources_of(visit) for row in short(resource)]
    assert rows == [
        ("encounter", "class|HH", None, None, None, 0),
        ("encounter", "type|follow-up", None, None, "HH", 0),
        ("observation", "loinc|8480-6", 150.0, "mm[Hg]", None, 0),
        ("observation", "loinc|8462-4", 95.0, "mm[Hg]", None, 0),
        ("observation", "hb|hypertension-symptom", None, None, "nausea-vomiting", 0),
        ("observation", "hb|hypertension-symptom", None, None, "dyspnoea", 0),
        ("observation", "hb|adherence", None, None, "irregular", 0),
        ("medication", "atc|C08CA01", None, None, "active", 0),
    ]
