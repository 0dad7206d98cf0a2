"""Who died or left the county: by every door, and then nothing is to be done for him. Two senders are two sources."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from healthbrain.kernel import db
from healthbrain.records.intake.patients import person_of
from healthbrain.residents.models import Resident
from tests.records import intake_files as feeds

DAY, SAID, TODAY = dt.date(2026, 3, 5), dt.date(2026, 3, 9), dt.date(2026, 4, 1)


@pytest.mark.parametrize(
    ("patient", "died"),
    [
        ({"deceasedDateTime": "2026-03-05T04:00:00+08:00"}, DAY),
        ({"deceasedDateTime": "2026-02"}, dt.date(2026, 2, 28)),
        ({"deceasedDateTime": "2024"}, dt.date(2024, 12, 31)),
        ({"deceasedDateTime": "2026", "meta": {"lastUpdated": "2026-03-09T10:00:00Z"}}, SAID),
        ({"deceasedBoolean": True, "meta": {"lastUpdated": "2026-03-09T10:00:00Z"}}, SAID),
        ({"deceasedBoolean": True}, TODAY),
        ({"deceasedBoolean": False}, None),
        ({"deceasedDateTime": "soon"}, None),
        ({}, None),
    ],
)
def test_day_of_death(patient, died):
    assert person_of({"resourceType": "Patient", **patient}, TODAY)[7] == died


@pytest.mark.django_db
def test_by_every_door(tmp_path):
    header = feeds.PERSONS + ",deceased_on,moved_on"
    rows = ["jw01,P1,赵样本,1,1950-02-03,,,,,2026-03-05,", "jw01,P2,钱样本,1,1951-02-03,,,,,,2026/3/5"]
    moved = {"url": "urn:healthbrain:moved-on", "valueDate": "2026-03-05"}
    patients = [
        feeds.patient("p3", "孙样本", birthDate="1952-02-03", deceasedBoolean=True),
        feeds.patient("p4", "李样本", birthDate="1953-02-03", extension=[moved]),
    ]
    message = feeds.hl7(
        "MSH|^~\\&|HIS|H9|HB|X|20260309||ADT^A04|M1|P|2.5",
        "PID|1||P5^^^H9||周^样本||19540203|M" + "|" * 22 + "Y",  # PID-30
    )
    (tmp_path / "adt.hl7").write_bytes(message)
    feeds.take(
        feeds.text_file(tmp_path, "persons.csv", header, *rows),
        feeds.text_file(tmp_path, "Patient.ndjson", *(json.dumps(p, ensure_ascii=False) for p in patients)),
        tmp_path / "adt.hl7",
    )
    ways = dict(db.select("SELECT name, concat(deceased_on, '/', moved_on) FROM residents_resident"))
    assert ways == {
        "赵样本": "2026-03-05/",
        "钱样本": "/2026-03-05",
        "孙样本": "2026-04-01/",
        "李样本": "/2026-03-05",
        "周样本": "2026-04-01/",
    }


@pytest.mark.django_db
def test_the_folders_of_two_hospitals_are_two_sources(tmp_path):
    """Both have a Patient/1: one must not overwrite the other."""
    for hospital, name, born in (("hospA", "王样本", "1960-01-02"), ("hospB", "李样本", "1988-03-04")):
        (tmp_path / "feeds" / hospital / "2026").mkdir(parents=True)
        lines = [feeds.patient("1", name, birthDate=born), feeds.observation("Patient/1", value=150, id="o1")]
        feeds.text_file(
            tmp_path / "feeds" / hospital / "2026", "all.ndjson", *(json.dumps(x, ensure_ascii=False) for x in lines)
        )
    report = feeds.take(tmp_path / "feeds")
    assert (report.stored, report.rows_in) == (4, 4)
    assert sorted(Resident.objects.values_list("name", flat=True)) == ["李样本", "王样本"]
    sources = db.select("SELECT DISTINCT s.code FROM records_resource r JOIN county_source s ON s.id = r.source_id")
    assert sorted(row[0] for row in sources) == ["hospA", "hospB"]
    named = feeds.patient("2", "郑样本", meta={"source": "hospC"})
    feeds.take(feeds.text_file(tmp_path / "feeds" / "hospA", "named.ndjson", json.dumps(named, ensure_ascii=False)))
    assert db.select("SELECT count(*) FROM county_source WHERE code = 'hospC'") == [(1,)]
