"""fhirpy, a public FHIR client nobody here wrote, against a running server."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.fhir.conftest import TOKEN, connected_system

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.fhir.fhir_urls")]


@pytest.fixture
def client(live_server):
    connected_system()
    return SyncFHIRClient(f"{live_server.url}/fhir", authorization=f"Bearer {TOKEN}")


def person(client, number, **more):
    return client.resource(
        "Patient", identifier=[{"system": "urn:mrn", "value": number}], name=[{"text": "张小明"}], **more
    )


def test_create_read_update_delete(client):
    patient = person(client, "1")
    patient.save()
    assert patient.id
    patient["gender"] = "female"
    patient.save()
    assert patient["meta"]["versionId"] == "2"
    assert client.reference("Patient", patient.id).to_resource()["gender"] == "female"
    patient.patch(birthDate="1950-03-07")
    assert client.get("Patient", patient.id)["birthDate"] == "1950-03-07"
    assert patient.is_valid()
    patient.refresh()
    patient.delete()
    with pytest.raises(ResourceNotFound):
        client.get("Patient", patient.id)


def test_search_pages_count_includes(client):
    patient = person(client, "1")
    patient.save()
    for n in range(7):
        client.resource(
            "Observation",
            status="final",
            code={"coding": [{"system": "http://loinc.org", "code": "14771-0"}]},
            subject=patient.to_reference().serialize(),
            effectiveDateTime=f"2024-01-0{n + 1}",
            valueQuantity={"value": 5 + n, "unit": "mmol/L"},
        ).save()
    results = client.resources("Observation").search(code="http://loinc.org|14771-0", patient=patient.id)
    assert results.count() == 7
    assert len(results.limit(3).fetch()) == 3
    assert len(results.limit(3).fetch_all()) == 7
    newest = results.sort("-date").first()
    assert newest["effectiveDateTime"] == "2024-01-07"
    assert len(results.search(date__ge="2024-01-05").fetch()) == 3
    with_patient = results.limit(1).include("Observation", "subject").fetch_raw()
    assert [e["search"]["mode"] for e in with_patient["entry"]] == ["match", "include"]
    assert client.resources("Patient").search(identifier="urn:mrn|1").get()["id"] == patient.id
    assert client.resources("Patient").has("Observation", "patient", code="14771-0").count() == 1
    with pytest.raises(MultipleResourcesFound):
        results.get()
    with pytest.raises(ResourceNotFound):
        client.resources("Patient").search(identifier="none").get()


def test_get_or_create_and_conditional_update(client):
    found = client.resources("Patient").search(identifier="urn:mrn|5")
    first, made = found.get_or_create(person(client, "5"))
    again, made_again = found.get_or_create(person(client, "5"))
    assert (made, made_again, first.id) == (True, False, again.id)
    changed, new = found.update(person(client, "5", gender="male"))
    assert (new, changed.id, changed["gender"]) == (False, first.id, "male")


def test_transaction_and_errors(client):
    bundle = client.resource(
        "Bundle",
        type="transaction",
        entry=[
            {
                "request": {"method": "PUT", "url": "Patient/t1"},
                "resource": {"resourceType": "Patient", "id": "t1", "active": True},
            }
        ],
    )
    assert client.execute("", data=bundle.serialize())["type"] == "transaction-response"
    assert client.get("Patient", "t1")["active"] is True
    with pytest.raises(OperationOutcome) as error:
        client.resource("Patient", gender="M").save()
    assert error.value.resource["issue"][0]["expression"] == ["Patient.gender"]
    with pytest.raises(OperationOutcome):
        client.resources("Patient").search(name__sounds="x").fetch()
    assert [p.id for p in client.resources("Patient").search(colour="red").fetch()] == ["t1"]  # passed over


def test_the_asynchronous_client(live_server):
    connected_system()

    async def work():
        client = AsyncFHIRClient(f"{live_server.url}/fhir", authorization=f"Bearer {TOKEN}")
        patients = [person(client, str(n)) for n in range(4)]
        await asyncio.gather(*(p.save() for p in patients))
        return await client.resources("Patient").search(name="张").count()

    # In a thread of its own: the browser tests of the same run keep an event loop going in this one.
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, work()).result() == 4
