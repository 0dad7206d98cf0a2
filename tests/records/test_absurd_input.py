"""Absurd input: what no person writes costs its own row and nobody else's."""

from __future__ import annotations

import datetime as dt
import json
import os
import random

import orjson
import pytest

from healthbrain.records.models import Batch, Event, RejectedRow
from healthbrain.residents.models import Identity
from tests.records import intake_files as feeds
from tests.records.intake_files import ROW, reasons, take

pytestmark = pytest.mark.django_db


LONG = "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))  # no compressing it away
NAMELESS = "王" * 40_000


def test_texts_too_long_for_an_index_cost_nobody_else_his_row(tmp_path):
    """A 9,000-character id cannot be indexed as it is, a 40,000-character name not be matched: both are clipped."""
    feeds.text_file(
        tmp_path, "persons.csv", feeds.PERSONS,
        f"jw01,{LONG},{NAMELESS},1,1960-03-20,{LONG},{'1' * 9000},{LONG},{LONG}", "jw01,P2,王测试,1,1960-03-20,,,,",
    )  # fmt: skip
    feeds.text_file(
        tmp_path, "observations.csv", feeds.OBSERVATIONS,
        ROW.replace("P1", LONG), ROW.replace("P1", "P2").replace("H1", LONG), ROW.replace("jw01,P1", f"{LONG},P2"),
    )  # fmt: skip
    patient = {
        "resourceType": "Patient",
        "id": "x",
        "identifier": [{"value": LONG, "system": LONG}],
        "name": [{"text": LONG}],
    }
    (tmp_path / "patients.ndjson").write_bytes(orjson.dumps(patient))
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (5, 1)
    assert reasons() == [(4, "", "store-refused")]  # a source nobody could register
    person = Identity.objects.get(source_key__startswith=LONG[:100], source__code="jw01")
    assert len(person.name) == 100
    assert Event.objects.filter(identity=person).count() == 1  # found again under the same clipped key
    assert not Identity.objects.filter(link=None).exclude(name="").exists()  # all were matched


def test_a_nul_in_what_nobody_defined_is_refused_alone(tmp_path):
    """It would break the row's JSON for every later search, and once made the intake halve its rows for ever."""
    lines = [
        rb'{"resourceType":"Patient","id":"n1","foo":{"a":["x\u0000y"]}}',
        orjson.dumps(feeds.patient("p2")),
        rb'{"resourceType":"Patient","id":"n3","f\u0000oo":1}',
        rb'{"resourceType":"Pa\u0000tient","id":"n4"}',
        rb'{"resourceType":"Patient","id":"n5","name":[{"text":"\ud800"}]}',
    ]
    (tmp_path / "patients.ndjson").write_bytes(b"\n".join(lines))
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (1, 4)
    assert {row for row, _, _ in reasons()} == {1, 3, 4, 5}


def test_a_filler_date_of_birth_does_not_stop_the_matching(tmp_path):
    feeds.text_file(
        tmp_path, "persons.csv", feeds.PERSONS, "jw01,P1,王测试,1,0001-01-01,,,,", "jw01,P2,李测试,1,1960-03-20,,,,"
    )
    take(tmp_path)
    assert list(Identity.objects.order_by("source_key").values_list("birth_date", flat=True)) == [
        None,
        dt.date(1960, 3, 20),
    ]
    assert not Identity.objects.filter(link=None).exists()


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_a_byte_order_mark_before_json_is_no_fault(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + orjson.dumps(feeds.patient()))
    assert take(tmp_path).stored == 1


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_json_in_another_encoding_is_refused_with_its_place(tmp_path, encoding):
    (tmp_path / "a.json").write_text(json.dumps(feeds.patient(), ensure_ascii=False), encoding=encoding)
    assert take(tmp_path).rejected == 1
    assert RejectedRow.objects.get().reason == "json-invalid"


def test_a_cell_of_a_quarter_megabyte_is_called_too_large(tmp_path):
    cell = "x" * (1 << 18)
    feeds.text_file(
        tmp_path, "persons.csv", feeds.PERSONS, f'jw01,P1,"{cell}",1,1960-03-20,,,,', "jw01,P2,李测试,1,,,,,"
    )
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (1, 1)
    assert reasons() == [(2, "", "row-too-large")]


# the cell, and what becomes of it: a value in the ledger, a flagged one, or a rejected row
CELLS = {
    **dict.fromkeys(("1e400", "NaN", "inf", "0x10", "--", "1_000", "10²")),
    **{"１３８．５": (138.5, 0), "-5": (-5, 1), "1e5": (1e5, 1), "138.00000000000000001": (138, 0)},
}


@pytest.mark.parametrize(("cell", "expected"), CELLS.items())
def test_numbers_only_a_programmer_would_write(tmp_path, cell, expected):
    feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW.replace("138", cell))
    take(tmp_path)
    if expected is None:
        assert RejectedRow.objects.get().reason == "number-invalid"
    else:
        event = Event.objects.get()
        assert (event.value, event.flag) == expected


def test_file_names_in_the_encoding_of_a_chinese_windows(tmp_path):
    """An archive unpacked on Linux leaves the names as GBK bytes."""
    folder = os.fsencode(tmp_path)
    for name, data in (
        ("人员.csv", f"{feeds.PERSONS}\njw01,P1,王测试,1,1960-03-20,,,,\n"),
        ("结果.json", json.dumps(feeds.patient("p2"))),
        ("两个.json", json.dumps(feeds.patient("p3"))),
        ("说明.pdf", "x"),
    ):
        with open(os.path.join(folder, name.encode("gbk")), "w", encoding="utf-8") as file:
            file.write(data)
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (3, 1)
    assert set(Batch.objects.values_list("name", flat=True)) == {"人员.csv", "结果.json", "两个.json", "说明.pdf"}


def test_one_enormous_cell_or_line_is_one_row(tmp_path):
    """5 MB of text in one cell, 70 MB in one line: one row refused for what it is, the rows beside it stored."""
    fat = f"jw01,P1,8480-6,2026-03-20,{'很长' * 900_000},mmHg,H1"
    take(feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW, fat, ROW.replace("P1", "P2")))
    assert reasons() == [(3, "", "row-too-large")]
    line = json.dumps(feeds.observation("Patient/p1", id="fat", note=[{"text": "x" * (70 << 20)}]))
    good = json.dumps(feeds.observation("Patient/p1", id="good"))
    report = take(feeds.text_file(tmp_path, "Observation.ndjson", good, line, good.replace("good", "better")))
    assert (report.rows_in, report.stored + report.waiting, report.rejected) == (3, 2, 1)


def test_a_sheet_of_an_old_macintosh(tmp_path):
    """Lines that end in a carriage return alone; and a full-width 1 for the sex, as a Chinese keyboard types it."""
    path = tmp_path / "persons.csv"
    path.write_bytes(
        f"{feeds.PERSONS}\rjw01,P1,王测试,１,1960-03-20,,,,\rjw01,P2,李测试,2,1961-03-20,,,,\r".encode("gb18030")
    )
    assert take(path).stored == 2
    assert sorted(Identity.objects.values_list("name", "sex")) == [("李测试", "2"), ("王测试", "1")]
