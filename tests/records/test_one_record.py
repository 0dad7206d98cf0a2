"""What one arriving record costs: statements of a single POST, from the request to the answer."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from tests.fhir.conftest import Fhir, connected_system

PERSON = {
    "resourceType": "Patient",
    "id": "zhang",
    "name": [{"text": "张小明"}],
    "gender": "male",
    "birthDate": "1961-02-03",
}


def observation(value: float) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "14771-0"}]},
        "subject": {"reference": "Patient/zhang"},
        "effectiveDateTime": f"2026-11-20T08:{int(value):02}:00+08:00",
        "valueQuantity": {"value": value, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
    }


def transaction(*resources: dict[str, object]) -> dict[str, object]:
    entries = [
        {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": r, "request": {"method": "POST", "url": r["resourceType"]}}
        for r in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@pytest.fixture
def statements(monkeypatch):
    """Everything sent to the server, COPY and prepared statements too."""
    seen: list[str] = []
    for name in ("execute", "copy"):
        sent = getattr(psycopg.Cursor, name)

        def told(cursor, query, *args, sent=sent, **kwargs):
            seen.append(" ".join(str(query).split())[:90])
            return sent(cursor, query, *args, **kwargs)

        monkeypatch.setattr(psycopg.Cursor, name, told)
    return seen


@pytest.fixture
def fhir(db):
    connected_system()
    client = Fhir()
    assert client.put(PERSON).status_code == 201
    assert client.send("POST", "/Observation", observation(1)).status_code == 201
    return client


def test_an_observation_of_a_known_person(fhir, statements):
    statements.clear()
    assert fhir.send("POST", "/Observation", observation(2)).status_code == 201
    assert len([s for s in statements if "SAVEPOINT" not in s]) <= 13, statements


def test_a_transaction_costs_no_more_statements_for_more_resources(fhir, statements):
    counts = []
    for resources in ([observation(3)], [observation(n) for n in range(4, 24)]):
        statements.clear()
        assert fhir.send("POST", "", transaction(*resources)).status_code == 200
        counts.append(len([s for s in statements if "SAVEPOINT" not in s]))
    assert counts[0] == counts[1] <= 12, statements


def test_the_same_record_again_writes_nothing_but_the_note_that_it_came(fhir, statements):
    again = transaction(observation(30))
    first = fhir.send("POST", "", again).json()
    statements.clear()
    second = fhir.send("POST", "", again).json()
    assert [e["response"]["location"] for e in first["entry"]] == [e["response"]["location"] for e in second["entry"]]
    assert [e["response"]["lastModified"] for e in first["entry"]] == [
        e["response"]["lastModified"] for e in second["entry"]
    ]
    assert not [s for s in statements if "records_event" in s or s.startswith("COPY")], statements
