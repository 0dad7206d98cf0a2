"""Taking a batch back: what it said goes, what stood before or came later stays; of records and of people."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit.models import AuditEvent
from healthbrain.kernel import db
from healthbrain.kernel.errors import Conflict, NotAllowed, NotFound
from healthbrain.records import actions, known
from healthbrain.records.intake.fhir import Builder, Naming
from healthbrain.records.models import Batch, Resource
from healthbrain.residents.models import Identity, Link
from tests.records import intake_files as feeds
from tests.records.intake_files import AS_OF, ROW, current, take

pytestmark = pytest.mark.django_db
NUMBER = "330197195001010010"  # made up: no county has this prefix; of a man born on 1950-01-01


def test_rollback_takes_back_exactly_one_batch(tmp_path):
    header = "source,source_id,record_id,code,effective,value,unit"
    path = feeds.text_file(
        tmp_path,
        "observations.csv",
        header,
        "jw01,P1,R1,8480-6,2026-03-20,138,mmHg",
        "jw01,P1,R2,8462-4,2026-03-20,88,mmHg",
    )
    take(path)
    feeds.text_file(
        tmp_path,
        "observations.csv",
        header,
        "jw01,P1,R1,8480-6,2026-03-20,183,mmHg",
        "jw01,P1,R3,8867-4,2026-03-20,70,/min",
    )
    second = take(path).batch_ids[0]
    assert sorted(current().values_list("value", flat=True)) == [70, 88, 183]
    assert actions.rollback_batch(by=SYSTEM, batch_id=second) == 2
    assert sorted(current().values_list("value", flat=True)) == [88, 138]
    assert Batch.objects.get(pk=second).status == "rolled-back"
    assert Resource.objects.get(deleted=True).type == "Observation"
    assert AuditEvent.objects.filter(action="intake.rollback", subject=f"batch/{second}").count() == 1
    with pytest.raises(Conflict):
        actions.rollback_batch(by=SYSTEM, batch_id=second)
    take(path)  # and it can be sent again
    assert sorted(current().values_list("value", flat=True)) == [70, 88, 183]


def test_rollback_restores_what_stood_before_the_batch_even_after_two_corrections_in_it(tmp_path):
    header = "source,source_id,record_id,code,effective,value,unit"
    path = feeds.text_file(tmp_path, "observations.csv", header, "jw01,P1,R1,8480-6,2026-03-20,138,mmHg")
    take(path)
    feeds.text_file(
        tmp_path, "observations.csv", header, *(f"jw01,P1,R1,8480-6,2026-03-20,{v},mmHg" for v in (150, 160))
    )
    actions.rollback_batch(by=SYSTEM, batch_id=take(path).batch_ids[0])
    assert [event.value for event in current()] == [138]


def person(**fields):
    row = {"source": "jw01", "source_id": "P1", "name": "王测试", "sex": "1", "birth_date": "1960-03-20"} | fields
    return ",".join(row.get(column, "") for column in feeds.PERSONS.split(","))


def said(*keys):
    fields = ("name", "sex", "birth_date", "id_number", "phone", "address", "deceased_on")
    return {row[0]: row[1:] for row in Identity.objects.filter(source_key__in=keys).values_list("source_key", *fields)}


def take_persons(folder, *rows):
    return take(feeds.text_file(folder, "persons.csv", feeds.PERSONS, *rows)).batch_ids[0]


def test_rollback_gives_people_their_previous_words_back(tmp_path):
    """A sheet with a wrong number, phone and address for one man: his own come back, what it added goes."""
    take_persons(tmp_path, person(phone="13800000000"))
    before = said("P1")
    wrong = take_persons(tmp_path, person(name="李测试", phone="13911111111", id_number=NUMBER, address="某路1号"))
    assert said("P1") != before
    actions.rollback_batch(by=SYSTEM, batch_id=wrong)
    assert said("P1") == before == {"P1": ("王测试", "1", dt.date(1960, 3, 20), None, "13800000000", None, None)}
    resident = Link.objects.get(identity__source_key="P1").resident
    assert (resident.name, resident.phone, resident.id_number) == ("王测试", "13800000000", None)


def test_rollback_keeps_what_a_later_batch_said(tmp_path):
    take_persons(tmp_path, person(phone="13800000000"))
    wrong = take_persons(tmp_path, person(phone="13911111111", address="某路1号"))
    take_persons(tmp_path, person(name="王测试甲"))
    actions.rollback_batch(by=SYSTEM, batch_id=wrong)
    assert said("P1") == {"P1": ("王测试甲", "1", dt.date(1960, 3, 20), None, "13800000000", None, None)}


def test_rollback_withdraws_a_person_only_that_batch_described(tmp_path):
    """Its resident goes, its events wait; sent again, both are there again."""
    take(feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW))
    first = take_persons(tmp_path, person(), person(source_id="P2", name="赵某某"))
    resident = Link.objects.get(identity__source_key="P1").resident
    actions.rollback_batch(by=SYSTEM, batch_id=first)
    assert set(said("P1", "P2").values()) == {("", "0", None, None, None, None, None)}
    assert not Link.objects.exists()
    resident.refresh_from_db()
    assert resident.merged_into == 0  # a tombstone: no search finds it
    assert current().get().identity.source_key == "P1"
    assert take(feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW.replace("138", "140"))).waiting
    take_persons(tmp_path, person(), person(source_id="P2", name="赵某某"))
    assert Link.objects.count() == 2
    assert said("P1")["P1"][0] == "王测试"


def test_rollback_leaves_the_same_person_of_another_source_alone(tmp_path):
    take_persons(tmp_path, person(source="jw02", source_id="Q1", id_number=NUMBER))
    wrong = take_persons(tmp_path, person(id_number=NUMBER, phone="13911111111"))
    assert Link.objects.get(identity__source_key="P1").resident.phone == "13911111111"
    actions.rollback_batch(by=SYSTEM, batch_id=wrong)
    (link,) = Link.objects.all()
    assert (link.identity.source_key, link.resident.phone, link.resident.merged_into) == ("Q1", None, None)


@pytest.mark.django_db(transaction=True)
def test_rollback_brings_back_whom_a_wrong_number_had_moved(tmp_path):
    """A sheet gives P1 the number of somebody else: he moves to that resident, and returns with the rollback."""
    take_persons(tmp_path, person(), person(source_id="P2", name="赵某某", birth_date="1950-01-01", id_number=NUMBER))
    own = Link.objects.get(identity__source_key="P1").resident_id
    wrong = take_persons(tmp_path, person(name="赵某某", birth_date="1950-01-01", id_number=NUMBER))
    assert Link.objects.get(identity__source_key="P1").resident_id != own
    actions.rollback_batch(by=SYSTEM, batch_id=wrong)
    link = Link.objects.get(identity__source_key="P1")
    assert (link.resident_id, link.resident.name, link.resident.merged_into) == (own, "王测试", None)


def test_rollback_of_fhir_patients_reaches_the_stub_that_waited_under_their_id(tmp_path):
    number = {"type": {"coding": [{"code": "MR"}]}, "value": "77"}
    patient = feeds.patient("srv-1", identifier=[number])
    visit = feeds.observation("Patient/srv-1")
    take(feeds.json_file(tmp_path, "visit.json", feeds.bundle(visit)))
    batch = take(feeds.json_file(tmp_path, "patient.json", feeds.bundle(patient))).batch_ids[0]
    names = set(Identity.objects.values_list("name", flat=True))
    assert "" not in names
    actions.rollback_batch(by=SYSTEM, batch_id=batch)
    assert set(Identity.objects.values_list("name", flat=True)) == {""}
    assert not Link.objects.exists()


def test_only_a_steward_takes_back_anothers_batch(tmp_path):
    batch = take(feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW)).batch_ids[0]
    doctor = Actor(account_id=5, name="村医", role="village_doctor", organisation_id=None, path="/1/")
    with pytest.raises(NotAllowed):
        actions.rollback_batch(by=doctor, batch_id=batch)
    with pytest.raises(NotFound):
        actions.rollback_batch(by=SYSTEM, batch_id=batch + 1000)
    with pytest.raises(NotAllowed):
        actions.ingest([tmp_path], by=doctor)


def test_what_is_known_of_many_rows_is_what_is_known_of_each(tmp_path, monkeypatch):
    take(feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW, ROW.replace("P1", "P2")))
    take_persons(tmp_path, person())
    visit = feeds.observation("Patient/p1", id="o1")
    take(feeds.json_file(tmp_path, "visit.json", feeds.bundle(feeds.patient(id="p1"), visit)))
    builder = Builder(AS_OF)
    said = [feeds.observation(f"Patient/{who}", id=own) for who in ("p1", "p9") for own in ("o1", "o2")]
    for row, (resource, source) in enumerate([*((r, "hosp") for r in said), *((r, "new") for r in said)]):
        builder.add(resource, Naming(source), row)
    rows = builder.prepared().resources
    mine = pl.DataFrame({"source": "jw01", "person": ["P1", "P2", None], "key": bytes(16)})
    rows = pl.concat([rows, mine], how="diagonal_relaxed")
    each = known._looked_up(rows)
    assert each["own_identity"].count() == 4
    assert each["held_identity"].count() == 2
    assert each["known_hash"].count() == 2
    assert each["waits"].sum() == 1
    monkeypatch.setattr(db, "FEW", 0)
    people = known.People()
    for _ in range(2):  # the second time some are remembered
        assert known.known(rows, people).rows() == each.rows()
