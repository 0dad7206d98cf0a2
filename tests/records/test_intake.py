"""Intake end to end: idempotence, corrections, waiting, dry run, cancel, resume, sheets going back."""

from __future__ import annotations

import datetime as dt
import io
import os
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthbrain.access.rules import SYSTEM
from healthbrain.audit.models import AuditEvent
from healthbrain.kernel import bus
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.records import actions
from healthbrain.records.events import EventsRecorded
from healthbrain.records.intake import csv_files
from healthbrain.records.models import Batch, Event, RejectedRow, Resource, ResourceVersion, Superseded
from healthbrain.records.rules import ledger
from healthbrain.residents.models import Identity, Link, Review
from tests.records import intake_files as feeds
from tests.records.intake_files import ROW, current, take

pytestmark = pytest.mark.django_db
PERSON = "jw01,P1,王测试,1,1960-03-20,,13800000000,,"
NUMBER = "330197195001010010"  # made up: no county has this prefix; of a man born on 1950-01-01


def counts(report):
    return (report.rows_in, report.stored, report.duplicates, report.rejected, report.waiting)


def test_a_first_day(tmp_path):
    feeds.text_file(tmp_path, "persons.csv", feeds.PERSONS, PERSON, "jw01,P2,坏日期,2,19700230,,,,")
    feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW, ROW, ROW.replace("P1", "P9"))
    feeds.json_file(
        tmp_path,
        "visit.json",
        feeds.bundle(feeds.patient(), feeds.observation("urn:uuid:0"), {"resourceType": "Basic"}),
    )
    (tmp_path / "lab.hl7").write_bytes(feeds.oru("1", "77"))
    report = take(tmp_path)
    assert report.as_dict() | {"seconds": 0, "rows_per_second": 0} == {
        "files": 4, "rows_in": 9, "stored": 6, "duplicates": 1, "rejected": 1, "waiting": 1,
        "by_type": {"Basic": 1, "ORU^R01": 1, "Observation": 4, "Patient": 3}, "seconds": 0, "rows_per_second": 0,
    }  # fmt: skip
    assert Link.objects.count() == 3
    assert [batch.status for batch in Batch.objects.all()] == ["done"] * 4
    assert AuditEvent.objects.filter(action="intake.store").count() == 4


def test_sending_again_changes_nothing(tmp_path):
    feeds.text_file(tmp_path, "persons.csv", feeds.PERSONS, PERSON)
    feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW)
    feeds.json_file(tmp_path, "visit.json", feeds.bundle(feeds.patient(), feeds.observation("urn:uuid:0")))
    (tmp_path / "lab.hl7").write_bytes(feeds.oru("1", "77"))
    take(tmp_path)
    before = (
        Event.objects.count(),
        Resource.objects.count(),
        Identity.objects.count(),
        ResourceVersion.objects.count(),
    )
    assert counts(take(tmp_path)) == (5, 0, 5, 0, 0)
    assert (
        Event.objects.count(),
        Resource.objects.count(),
        Identity.objects.count(),
        ResourceVersion.objects.count(),
    ) == before


ENTRIES = st.lists(
    st.tuples(st.sampled_from(["P1", "P2", ""]), st.sampled_from(["8480-6", ""]), st.sampled_from(["138", "139", "坏"]),
              st.sampled_from(["", "R1", "R2"])),
    max_size=12,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=ENTRIES)
def test_counts_add_up_and_a_second_time_all_good_rows_are_known(db, entries):
    from django.db import transaction

    with tempfile.TemporaryDirectory() as folder, transaction.atomic():
        rows = [f"s,{p},{record},{code},2026-03-20,{value},mmHg" for p, code, value, record in entries]
        feeds.text_file(Path(folder), "observations.csv", "source,source_id,record_id,code,effective,value,unit", *rows)
        first = take(Path(folder))
        good = sum(1 for p, code, value, _ in entries if p and code and value != "坏")
        assert first.rows_in == len(entries) == first.stored + first.duplicates + first.rejected + first.waiting
        assert first.rejected == len(entries) - good
        distinct = {record or (p, value) for p, code, value, record in entries if p and code and value != "坏"}
        assert Resource.objects.count() == len(distinct)
        assert current().count() == len(distinct)  # whatever was corrected on the way, each resource speaks once
        transaction.set_rollback(True)


def test_a_correction_supersedes(tmp_path):
    header = "source,source_id,record_id,code,effective,value,unit"
    path = feeds.text_file(tmp_path, "observations.csv", header, "jw01,P1,R1,8480-6,2026-03-20,183,mmHg")
    take(path)
    feeds.text_file(tmp_path, "observations.csv", header, "jw01,P1,R1,8480-6,2026-03-20,138,mmHg")
    take(path)
    old, new = Event.objects.order_by("id")
    assert (old.value, new.value) == (183, 138)
    assert Superseded.objects.get().event_id == old.id
    assert Superseded.objects.get().by_event_id == new.id
    resource = Resource.objects.get()
    assert resource.version == 2
    assert orjson.loads(bytes(resource.body))["meta"]["versionId"] == "2"
    assert orjson.loads(bytes(ResourceVersion.objects.get().body))["valueQuantity"]["value"] == 183


def test_an_old_file_sent_again_does_not_undo_a_correction_but_a_new_export_does(tmp_path):
    header = "source,source_id,record_id,code,effective,value,unit"
    first = feeds.text_file(tmp_path, "a.csv", header, "jw01,P1,R1,8480-6,2026-03-20,138,mmHg")
    take(first)
    take(feeds.text_file(tmp_path, "b.csv", header, "jw01,P1,R1,8480-6,2026-03-20,150,mmHg"))
    assert counts(take(first)) == (1, 0, 1, 0, 0)
    assert [event.value for event in current()] == [150]
    later = ("jw01,P1,R1,8480-6,2026-03-20,138,mmHg", "jw01,P1,R2,8480-6,2026-03-21,140,mmHg")
    take(feeds.text_file(tmp_path, "c.csv", header, *later))
    assert sorted(event.value for event in current()) == [138, 140]


def test_two_versions_in_one_file_end_with_the_last(tmp_path):
    header = "source,source_id,record_id,code,effective,value,unit"
    rows = [f"jw01,P1,R1,8480-6,2026-03-20,{value},mmHg" for value in (183, 138, 138, 183)]
    report = take(feeds.text_file(tmp_path, "observations.csv", header, *rows))
    assert Resource.objects.get().version == 3
    assert [event.value for event in current()] == [183]
    assert counts(report) == (4, 0, 1, 0, 3)


def test_what_waits_is_there_when_the_person_comes(tmp_path):
    take(feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW))
    identity = Event.objects.get().identity_id
    assert not Link.objects.filter(identity_id=identity).exists()
    take(feeds.text_file(tmp_path, "persons.csv", feeds.PERSONS, PERSON))
    assert Link.objects.filter(identity_id=identity).exists()
    assert Event.objects.count() == 1


def test_fhir_events_wait_under_the_patient_id_and_are_found_by_the_record_number(tmp_path):
    take(feeds.json_file(tmp_path, "a.json", feeds.bundle(feeds.observation("Patient/fhir-7"))))
    identifier = {"type": {"coding": [{"code": "MR"}]}, "value": "MRN7"}
    known = feeds.patient(
        "fhir-7", identifier=[identifier, {"system": "urn:oid:2.16.156.10011.1.3", "value": "330197195804020022"}]
    )
    take(feeds.json_file(tmp_path, "b.json", feeds.bundle(known)))
    event = Event.objects.get()
    named = Identity.objects.get(source_key="MRN7")
    assert Link.objects.get(identity_id=event.identity_id).resident_id == Link.objects.get(identity=named).resident_id


def test_a_laboratory_that_mentions_a_patient_does_not_rewrite_him(tmp_path):
    admitted = feeds.hl7(
        "MSH|^~\\&|LIS|HOSP|HB|C|20260320080000||ADT^A28|0|P|2.5",
        "PID|1||77^^^HOSP^MR||张^三||19800101|M|||浙江省安澜区示例路 1 号||13800000001",
    )
    (tmp_path / "a.hl7").write_bytes(admitted + feeds.oru("1", "77", name="张^三") + feeds.oru("2", "77", "6.9"))
    report = take(tmp_path)
    assert counts(report) == (3, 3, 0, 0, 0)
    patient = Resource.objects.get(type="Patient")
    assert patient.version == 1
    assert "示例路" in bytes(patient.body).decode()


def test_the_ledger_is_what_the_rules_say_of_each_stored_resource(tmp_path):
    feeds.json_file(
        tmp_path,
        "visit.json",
        feeds.bundle(
            feeds.patient(), feeds.observation("urn:uuid:0"), feeds.observation("urn:uuid:0", "14771-0", 126, "mg/dL")
        ),
    )
    take(tmp_path)
    for resource in Resource.objects.exclude(type="Patient"):
        body = orjson.loads(bytes(resource.body))
        rows = Event.objects.filter(resource=resource.key).values_list(
            "kind", "code", "at", "value", "unit", "text", "flag"
        )
        assert list(rows) == [tuple(e)[:7] for e in ledger.events(body)]


def test_events_are_published_once_a_transaction(tmp_path):
    heard = []
    bus.subscribe(EventsRecorded, heard.append)
    try:
        take(feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW, ROW.replace("P1", "P2")))
    finally:
        bus._handlers[EventsRecorded].remove(heard.append)
    assert [len(event.identity_ids) for event in heard] == [2]


def test_a_dry_run_stores_nothing_and_says_everything(tmp_path):
    feeds.text_file(tmp_path, "persons.csv", feeds.PERSONS, PERSON, "jw01,P2,坏日期,2,19700230,,,,")
    report = take(tmp_path, dry_run=True)
    assert counts(report) == (2, 1, 0, 1, 0)
    assert report.rejects[0].field == "birth_date"
    assert (Batch.objects.count(), Resource.objects.count(), Identity.objects.count()) == (0, 0, 0)


def many_rows(folder, count):
    rows = [f"jw01,P{i % 7},8480-6,2026-03-20 08:{i // 60:02}:{i % 60:02},{120 + i % 40},mmHg,H1" for i in range(count)]
    return feeds.text_file(folder, "observations.csv", feeds.OBSERVATIONS, *rows)


def test_cancel_then_resume(tmp_path, monkeypatch):
    path = many_rows(tmp_path, 300)
    monkeypatch.setattr(csv_files, "BLOCK", path.stat().st_size // 6 + 1)

    def stop(done, total=None, text=""):
        if not Batch.objects.filter(status="cancelled").exists() and Batch.objects.get().rows_in >= 100:
            actions.cancel_batch(by=SYSTEM, batch_id=Batch.objects.get().pk)

    report = take(path, progress=stop)
    assert report.cancelled
    batch = Batch.objects.get()
    assert batch.status == "cancelled"
    assert 100 <= batch.rows_in <= 160  # the chunk under way is finished, no other begun
    report = take(path)
    batch.refresh_from_db()
    assert (batch.status, batch.rows_in, report.rows_in) == ("done", 300, 300)
    assert Event.objects.count() == 300
    with pytest.raises(Conflict):
        actions.cancel_batch(by=SYSTEM, batch_id=batch.pk)


def test_progress_reaches_the_end(tmp_path, monkeypatch):
    path = many_rows(tmp_path, 200)
    monkeypatch.setattr(csv_files, "BLOCK", path.stat().st_size // 4 + 1)
    seen = []
    take(path, progress=lambda done, total=None, text="": seen.append((done, total)))
    assert len(seen) == 4
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert all(0 < done <= total == os.path.getsize(path) for done, total in seen)


def read_book(data: bytes):
    import python_calamine

    return python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()


def test_the_sheet_goes_back_with_its_errors(tmp_path):
    path = feeds.text_file(
        tmp_path, "persons.csv", feeds.PERSONS, PERSON, "jw01,P2,=1+1,2,19700230,,,,", encoding="gbk"
    )
    batch = take(path).batch_ids[0]
    name, data = actions.error_sheet(by=SYSTEM, batch_id=batch)
    rows = read_book(data)
    assert name == "persons-错误.xlsx"
    assert rows[0] == [*feeds.PERSONS.split(","), "错误"]
    assert rows[1][-1] == ""
    assert rows[2][2] == "=1+1"  # text, not a formula
    assert "19700230" in rows[2][-1]
    path.unlink()  # the original is gone: the rejected rows alone
    assert read_book(actions.error_sheet(by=SYSTEM, batch_id=batch)[1])[1][:4] == ["3", "jw01", "P2", "=1+1"]


def test_a_template_can_be_filled_in_and_sent(tmp_path):
    for name in ("persons", "observations", "immunizations"):
        (tmp_path / f"{name}.xlsx").write_bytes(actions.template(name))
        (tmp_path / f"{name}.csv").write_bytes(actions.template(name, "csv"))
    report = take(tmp_path)
    assert (report.rejected, report.duplicates, report.rows_in) == (0, 3, 6)
    with pytest.raises(NotFound):
        actions.template("nothing")
    with pytest.raises(Invalid):
        actions.template("persons", "pdf")


def test_a_mapping_is_remembered_for_its_source(tmp_path):
    header = ["卡号", "东西", "什么时候", "多少"]
    mapping = {0: "source_id", 1: "code", 2: "effective", 3: "value"}
    path = feeds.text_file(tmp_path, "x.csv", ",".join(header), "P1,8480-6,2026-03-20,138")
    assert take(path, source="clinic").rejected == 1
    actions.remember_mapping(source="clinic", template="observations", header=header, mapping=mapping)
    assert take(path, source="clinic").waiting == 1
    assert take(path, source="other").rejected == 1
    with pytest.raises(Invalid):
        actions.remember_mapping(source="clinic", template="observations", header=header, mapping={0: "colour"})


def test_extra_sheets_are_named_not_skipped(tmp_path):
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "persons.xlsx") as book:
        for name in ("一", "二"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, feeds.PERSONS.split(","))
            sheet.write_row(1, 0, ["jw01", f"P-{name}", "王测试", "1", dt.date(1960, 3, 20).isoformat()])
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (1, 1)
    assert RejectedRow.objects.get().reason == "sheet-extra"


def test_a_missing_path_says_so():
    with pytest.raises(NotFound):
        actions.ingest(["/nowhere/at/all.csv"])


def test_a_merge_message_asks_a_steward_and_merges_nothing(tmp_path):
    def person(number: str, name: str) -> bytes:
        return feeds.hl7(
            f"MSH|^~\\&|HIS|HOSP|HB|C|20260320080000||ADT^A28|{number}|P|2.5",
            f"PID|1||{number}^^^HOSP^MR||{name}||198001{number}|M",
        )

    (tmp_path / "a.hl7").write_bytes(person("12", "张^三") + person("13", "李^四"))
    take(tmp_path)
    assert Link.objects.values("resident_id").distinct().count() == 2
    merge = feeds.hl7(
        "MSH|^~\\&|HIS|HOSP|HB|C|20260321080000||ADT^A40|9|P|2.5",
        "PID|1||13^^^HOSP^MR||李^四||19800113|M",
        "MRG|12^^^HOSP^MR",
    )
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "merge.hl7").write_bytes(merge)
    take(tmp_path / "b")
    review = Review.objects.get()
    assert (review.status, review.explanation["said"]) == ("open", "ADT^A40")
    assert Link.objects.values("resident_id").distinct().count() == 2, "a person decides"
