"""The patient of a call and the resident of the health records: found, linked, seen by who needs it, undone."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from healthbrain.access.rules import SYSTEM
from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch.actions import missions, patients
from healthbrain.dispatch.models import Call, Mission
from healthbrain.dispatch.queries import patient as reads
from healthbrain.kernel.errors import Conflict, NotAllowed, NotFound
from healthbrain.records import actions as records
from healthbrain.records.models import Resource
from healthbrain.residents.models import Link, Resident
from tests.dispatch.test_emergency_calls import after, send, waiting_call

ID_NUMBER = "330197196408120013"  # made up: prefix 330197 was given to no county
ICD10 = "http://hl7.org/fhir/sid/icd-10"


def _bundle(number: str, name: str, *, id_number: str = "", phone: str = "", birth: str = "1964-08-12") -> dict:
    subject = {"reference": f"Patient/{number}"}
    person = {
        "resourceType": "Patient", "id": number, "name": [{"text": name}], "gender": "male", "birthDate": birth,
        "telecom": [{"system": "phone", "value": phone}] if phone else [],
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": id_number}] if id_number else [],
    }  # fmt: skip
    allergy = {
        "resourceType": "AllergyIntolerance", "id": f"a{number}", "patient": subject, "code": {"text": "青霉素"},
        "reaction": [{"manifestation": [{"text": "过敏性休克"}]}], "recordedDate": "2020-05-01",
    }  # fmt: skip
    condition = {
        "resourceType": "Condition", "id": f"c{number}", "subject": subject, "onsetDateTime": "2019-03-01",
        "code": {"coding": [{"system": ICD10, "code": "I10"}]},
    }  # fmt: skip
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
               for r in (person, allergy, condition)]  # fmt: skip
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@pytest.fixture
def resident(centre) -> int:
    records.store_bundle(_bundle("p1", "张小明", id_number=ID_NUMBER, phone="15400000001"), source="HIS1", by=SYSTEM)
    return Resident.objects.get(id_number=ID_NUMBER).pk


@pytest.fixture
def running(centre) -> int:
    """A chest pain with 急东1 at the patient, on the way to the first hospital."""
    mission = send(centre, waiting_call(centre), "east1")
    crew = centre.actors["crew"]
    for number, kind in enumerate(("acknowledged", "rolling", "on-scene", "at-patient")):
        missions.step(by=crew, now=after(60 * (number + 1)), mission_id=mission, kind=kind)
    missions.send_to(by=crew, now=after(260), mission_id=mission, organisation_id=centre.hospitals["first"].pk)
    return mission


@pytest.fixture
def client(centre) -> Client:
    client = Client()
    client.force_login(centre.accounts["dispatcher"], backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_search_link_look_unlink_and_undo_over_http(client, centre, resident) -> None:
    call = waiting_call(centre)
    asked = {"call": call, "q": "15400000001"}
    found = client.get("/dispatch/people", asked, headers={"HX-Request": "true"}).content.decode()
    assert "张*明" in found
    assert "张小明" not in found
    assert ID_NUMBER not in found
    assert "15400000001" not in found
    look = AuditEvent.objects.get(action="emergency.find_patient")
    assert (look.purpose, look.detail) == ("emergency", {"found": 1})
    assert "没有找到" in client.get("/dispatch/people", {"call": call, "q": "无此人"}).content.decode()

    page = client.post(f"/dispatch/calls/{call}/patient/{resident}", follow=True).content.decode()
    assert Call.objects.get(pk=call).resident_id == resident
    assert f'action="/dispatch/calls/{call}/patient"' in page, "the toast undoes it"
    known = client.get(f"/dispatch/calls/{call}/known").content.decode()
    assert "青霉素" in known
    assert "过敏性休克" in known
    assert "高血压" in known
    assert AuditEvent.objects.get(action="emergency.record_open").resident_id == resident

    page = client.post(f"/dispatch/calls/{call}/patient", follow=True).content.decode()
    assert Call.objects.get(pk=call).resident_id is None
    assert f'action="/dispatch/calls/{call}/patient/{resident}"' in page, "and the undoing is undone"
    links = AuditEvent.objects.filter(action__in=["emergency.link", "emergency.unlink"]).order_by("id")
    assert [(e.action, e.resident_id, e.detail["before"]) for e in links] == [
        ("emergency.link", resident, None),
        ("emergency.unlink", resident, resident),
    ]


def test_only_who_is_with_the_patient_sees_the_record(centre, resident, running) -> None:
    call = Mission.objects.get(pk=running).call_id
    with pytest.raises(NotFound):
        reads.known(centre.actors["crew"], call)
    patients.link_resident(by=centre.actors["dispatcher"], call_id=call, resident_id=resident)
    for allowed in ("dispatcher", "crew", "hospital"):
        person, history = reads.known(centre.actors[allowed], call)
        assert person.id == resident
        assert {r.type for r in history.resources} == {"AllergyIntolerance"}
    for other in ("other_crew", "bureau"):
        with pytest.raises(NotAllowed):
            reads.known(centre.actors[other], call)
    missions.step(by=centre.actors["crew"], now=after(900), mission_id=running, kind="at-hospital")
    patients.hand_over(by=centre.actors["crew"], now=after(1000), mission_id=running)
    missions.step(by=centre.actors["crew"], now=after(1100), mission_id=running, kind="available")
    for gone in ("crew", "hospital"):
        with pytest.raises(NotAllowed):
            reads.known(centre.actors[gone], call)
    with pytest.raises(NotAllowed):
        patients.link_resident(by=centre.actors["crew"], call_id=call, resident_id=resident)


@pytest.mark.parametrize("number", [ID_NUMBER, ""], ids=["with an identity number", "a child without one"])
def test_the_visit_of_a_linked_patient_goes_into_his_record(centre, running, number) -> None:
    birth = "1964-08-12" if number else "2019-06-01"
    records.store_bundle(
        _bundle("p2", "欧阳若澜", id_number=number, phone="15400000009", birth=birth), source="HIS1", by=SYSTEM
    )
    resident = Resident.objects.get(name="欧阳若澜").pk
    call = Mission.objects.get(pk=running).call_id
    patients.link_resident(by=centre.actors["dispatcher"], call_id=call, resident_id=resident)
    assert patients.hand_over(by=centre.actors["crew"], now=after(1000), mission_id=running)
    visit = Resource.objects.get(type="Encounter")
    subject = json.loads(bytes(visit.body))["subject"]["reference"]
    assert Resource.objects.get(type="Patient", id=subject.removeprefix("Patient/")).identity_id == visit.identity_id
    assert Link.objects.get(identity_id=visit.identity_id).resident_id == resident
    with pytest.raises(Conflict, match="in the record"):
        patients.link_resident(by=centre.actors["dispatcher"], call_id=call, resident_id=None)


def test_the_card_in_the_crews_hand_is_surer_than_the_telephone(centre, resident, running) -> None:
    records.store_bundle(_bundle("p3", "李四"), source="HIS1", by=SYSTEM)
    call = Mission.objects.get(pk=running).call_id
    other = Resident.objects.get(name="李四").pk
    patients.link_resident(by=centre.actors["dispatcher"], call_id=call, resident_id=other)
    patients.identify(by=centre.actors["crew"], mission_id=running, name="张小明", sex="1", id_number=ID_NUMBER, age=61)
    assert Call.objects.get(pk=call).resident_id == resident
