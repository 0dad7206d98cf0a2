"""One call at a time: FHIR resources, transactions, forms. Each is one transaction with ledger, audit and event."""

from __future__ import annotations

import datetime as dt

import orjson
import pytest

from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit.models import AuditEvent
from healthbrain.kernel.errors import NotAllowed, NotFound
from healthbrain.records import actions, queries
from healthbrain.records.models import Batch, Event, Resource, ResourceVersion, Superseded
from healthbrain.residents.models import Link
from tests.records import intake_files as feeds

pytestmark = pytest.mark.django_db


def current():
    return Event.objects.exclude(id__in=Superseded.objects.values("event_id")).order_by("id")


def test_put_keeps_the_clients_id_and_counts_versions():
    reading = feeds.observation("Patient/x", id="o1")
    assert actions.put_resource(reading, source="s", by=SYSTEM).version == 1
    same = actions.put_resource(reading, source="s", by=SYSTEM)
    assert (same.version, same.changed) == (1, False)
    assert actions.put_resource(feeds.observation("Patient/x", value=150, id="o1"), source="s", by=SYSTEM).version == 2
    assert [event.value for event in current()] == [150]
    assert Resource.objects.get().id == "o1"
    assert Batch.objects.count() == 3
    assert AuditEvent.objects.filter(action="fhir.write").count() == 3


def test_delete_withdraws_and_put_brings_back():
    reading = feeds.observation("Patient/x", id="o1")
    actions.put_resource(reading, source="s", by=SYSTEM)
    assert actions.delete_resource("Observation", "o1", by=SYSTEM) == 2
    assert actions.delete_resource("Observation", "o1", by=SYSTEM) == 2  # gone already
    assert current().count() == 0
    assert actions.put_resource(reading, source="s", by=SYSTEM).version == 3
    assert current().count() == 1
    assert sorted(ResourceVersion.objects.values_list("version", flat=True)) == [1, 2]
    with pytest.raises(NotFound):
        actions.delete_resource("Observation", "nobody", by=SYSTEM)


def test_an_observation_on_another_sources_patient_is_his():
    actions.put_resource(feeds.patient("p1"), source="hospital", by=SYSTEM)
    actions.put_resource(feeds.observation("Patient/p1", id="o1"), source="device", by=SYSTEM)
    assert Event.objects.get().identity_id == Resource.objects.get(type="Patient").identity_id
    assert Link.objects.filter(identity_id=Event.objects.get().identity_id).exists()


def test_a_patient_described_by_another_source_keeps_his_identity():
    actions.put_resource(feeds.patient("p1"), source="hospital", by=SYSTEM)
    before = Resource.objects.get().identity_id
    actions.put_resource(
        feeds.patient("p1", telecom=[{"system": "phone", "value": "13800000009"}]), source="clinic", by=SYSTEM
    )
    assert Resource.objects.get().identity_id == before


def test_a_transaction_resolves_its_references_and_is_the_same_again():
    bundle = feeds.bundle(
        {**feeds.patient(), "id": None} | {"identifier": [{"system": "urn:x", "value": "7"}]},
        feeds.observation("urn:uuid:0"),
    )
    del bundle["entry"][0]["resource"]["id"]
    answer = actions.store_bundle(bundle, source="s", by=SYSTEM)
    assert [entry["response"]["status"] for entry in answer["entry"]] == ["201 Created", "201 Created"]
    body = orjson.loads(bytes(Resource.objects.get(type="Observation").body))
    assert body["subject"]["reference"] == answer["entry"][0]["response"]["location"].partition("/_history")[0]
    again = actions.store_bundle(bundle, source="s", by=SYSTEM)
    assert [entry["response"]["status"] for entry in again["entry"]] == ["200 OK", "200 OK"]
    assert Resource.objects.count() == 2
    assert Event.objects.count() == 1


def test_a_transaction_is_all_or_nothing():
    bundle = feeds.bundle(feeds.patient(), {"resourceType": "Observation", "status": ["final"]})
    with pytest.raises(actions.Unacceptable) as refused:
        actions.store_bundle(bundle, source="s", by=SYSTEM)
    assert "Observation.status" in refused.value.issues[0].path
    assert (Resource.objects.count(), Batch.objects.count()) == (0, 0)


@pytest.fixture
def resident():
    actions.put_resource(feeds.patient("p1"), source="hospital", by=SYSTEM)
    return Link.objects.get().resident_id


def test_a_form_goes_into_the_record_and_can_be_taken_back(resident):
    values = {"visit_mode": "AMB", "sbp": 152, "dbp": 94, "adherence": "regular", "referral_reason": "血压控制不佳"}
    at = dt.datetime.fromisoformat("2026-03-20T09:00")
    saved = actions.record_form(by=SYSTEM, resident_id=resident, form="hypertension-follow-up", values=values, at=at)
    found = set(current().values_list("kind", "code", "value", "text"))
    assert found == {
        ("encounter", "class|AMB", None, None),
        ("encounter", "type|follow-up", None, "AMB"),
        ("observation", "loinc|8480-6", 152.0, None),
        ("observation", "loinc|8462-4", 94.0, None),
        ("observation", "hb|adherence", None, "regular"),
        ("referral", "hb|referral", None, "active"),
    }
    assert set(saved.event_ids) == set(current().values_list("id", flat=True))
    assert set(current().values_list("at", flat=True)) == {at}
    assert queries.forms(SYSTEM, resident, "hypertension-follow-up", "treatment")[0]["values"] == values
    assert AuditEvent.objects.filter(action="records.record_form", resident_id=resident).count() == 1
    actions.rollback_batch(by=SYSTEM, batch_id=saved.batch_id)
    assert current().count() == 0
    assert queries.forms(SYSTEM, resident, "hypertension-follow-up", "treatment") == []


def test_a_visit_without_a_form(resident):
    actions.record_visit(
        by=SYSTEM,
        resident_id=resident,
        encounter_class="PHONE",
        encounter_type="follow-up",
        at=dt.datetime.fromisoformat("2026-03-20T09:00"),
        observations=[("loinc|29463-7", 66.5, "kg")],
        texts={"hb|adherence": "irregular"},
    )
    assert {e.code for e in current()} == {"class|PHONE", "type|follow-up", "loinc|29463-7", "hb|adherence"}


def test_refusals_of_a_form(resident):
    at = dt.datetime.fromisoformat("2026-03-20")
    with pytest.raises(NotFound):
        actions.record_form(by=SYSTEM, resident_id=resident, form="no-such-form", values={}, at=at)
    with pytest.raises(NotFound):
        actions.record_form(by=SYSTEM, resident_id=resident + 999, form="hypertension-follow-up", values={}, at=at)
    bureau = Actor(account_id=3, name="局", role="bureau", organisation_id=None, path="/1/")
    with pytest.raises(NotAllowed):
        actions.record_form(by=bureau, resident_id=resident, form="hypertension-follow-up", values={}, at=at)
