"""Bad input of every kind the issue names: each file is accounted for, nothing is skipped silently, nothing crashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import orjson
import pytest

from healthbrain.records.models import Batch, Event, RejectedRow, Resource
from tests.records import intake_files as feeds
from tests.records.intake_files import ROW, reasons, take

pytestmark = pytest.mark.django_db


def test_truncated_json_says_where(tmp_path):
    whole = orjson.dumps(feeds.bundle(feeds.patient(), feeds.observation("urn:uuid:0")))
    (tmp_path / "cut.json").write_bytes(whole[:-40])
    report = take(tmp_path)
    assert (report.rows_in, report.rejected) == (1, 1)
    found = RejectedRow.objects.get()
    assert found.reason == "json-invalid"
    assert "字符" in found.message
    assert found.raw.startswith('{"resourceType":"Bundle"')


def test_truncated_line_of_ndjson_costs_one_line(tmp_path):
    lines = [
        orjson.dumps(feeds.patient("p1")),
        b'{"resourceType": "Patient", "id": ',
        orjson.dumps(feeds.patient("p2")),
    ]
    (tmp_path / "patients.ndjson").write_bytes(b"\n".join(lines))
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (2, 1)
    assert reasons() == [(2, "", "json-invalid")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_encodings_are_detected(tmp_path, encoding):
    feeds.text_file(
        tmp_path, "人员.csv", "来源,人员编号,姓名,性别,出生日期", "jw01,P1,王测试,男,1960-03-20", encoding=encoding
    )
    assert take(tmp_path).stored == 1
    assert '"text":"王测试"' in bytes(Resource.objects.get().body).decode()


def test_a_line_that_is_no_text_is_rejected_alone(tmp_path):
    good = "\n".join(f"jw01,P{i},王测试{i},1,1960-03-20,,,," for i in range(40))
    data = f"{feeds.PERSONS}\n{good}\n".encode() + b"jw01,PX,\xff\xfe\xfa,1,1960-03-20,,,,\n"
    (tmp_path / "persons.csv").write_bytes(data)
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (40, 1)
    assert reasons() == [(42, "", "file-encoding")]


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "persons.csv").write_bytes(bytes(range(256)) * 50)
    assert take(tmp_path).rejected == 1
    assert reasons() == [(1, "", "file-encoding")]


def test_deep_nesting(tmp_path):
    deep = feeds.patient("deep")
    node = deep
    for _ in range(100):  # each level is an array and an object
        node["extension"] = [{"url": "u"}]
        node = node["extension"][0]
    (tmp_path / "a.json").write_text(json.dumps(feeds.bundle(deep, feeds.patient("p1"))))
    (tmp_path / "b.ndjson").write_bytes(b'{"resourceType":"Patient","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n")
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (1, 2)
    assert {reason for _, _, reason in reasons()} <= {"nesting-too-deep", "json-invalid", "resource-invalid"}


def test_broken_references_are_kept_and_said(tmp_path):
    reading = feeds.observation("urn:uuid:0", encounter={"reference": "urn:uuid:nowhere"})
    feeds.json_file(tmp_path, "a.json", feeds.bundle(feeds.patient(), reading))
    report = take(tmp_path)
    assert (report.stored, report.rejected) == (2, 0)
    assert [(note.row, "urn:uuid:nowhere" in note.message) for note in report.notes] == [(2, True)]
    assert Batch.objects.get().notes[0][0] == 2
    body = orjson.loads(bytes(Resource.objects.get(type="Observation").body))
    assert body["encounter"]["reference"] == "urn:uuid:nowhere"
    patient = Resource.objects.get(type="Patient")
    assert body["subject"]["reference"] == f"Patient/{patient.id}"


def test_an_observation_of_nobody_we_know_waits(tmp_path):
    feeds.json_file(tmp_path, "a.json", feeds.bundle(feeds.observation("Patient/unseen")))
    report = take(tmp_path)
    assert (report.waiting, report.stored) == (1, 0)
    assert Event.objects.count() == 1


def test_hl7v2_with_odd_delimiters_and_missing_segments(tmp_path):
    odd = (
        "MSH#*~\\&#LIS#HOSP#HB#C#20260320083000##ORU*R01#1#P#2.5\rPID#1##77***HOSP*MR##李*四##19790202#F\r"
        "OBR#1#1#1#GLU\rOBX#1#NM#14771-0*GLU*LN##5.4#mmol/L#####F###20260320080000\r"
    ).encode()
    no_pid = feeds.hl7(
        "MSH|^~\\&|LIS|HOSP|HB|C|20260320083000||ORU^R01|2|P|2.5", "OBR|1|2|2|GLU", "OBX|1|NM|GLU||5|mmol/L"
    )
    cut = b"MSH|^~\\&|LIS\r"
    (tmp_path / "day.hl7").write_bytes(odd + no_pid + cut + feeds.oru("3", "78"))
    report = take(tmp_path)
    assert (report.rows_in, report.stored, report.rejected) == (4, 2, 2)
    assert [(row, reason) for row, _, reason in reasons()] == [(2, "hl7-invalid"), (3, "hl7-invalid")]
    assert sorted(Event.objects.filter(kind="observation").values_list("value", flat=True)) == [5.4, 6.1]


def test_shifted_columns(tmp_path):
    feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW, f"{ROW},extra", ROW.rpartition(",")[0])
    report = take(tmp_path)
    assert (report.waiting, report.rejected) == (1, 2)
    assert reasons() == [(3, "", "column-count"), (4, "", "column-count")]
    assert "表头 7 列，本行 8 列" in RejectedRow.objects.order_by("id")[0].message


def test_formulas_are_data(tmp_path):
    feeds.text_file(
        tmp_path,
        "persons.csv",
        feeds.PERSONS,
        "jw01,P1,=cmd|' /C calc'!A0,1,1960-03-20,,,@SUM(A1),",
        "jw01,P2,+8613,2,1961-01-01,,,,",
    )
    assert take(tmp_path).stored == 2
    bodies = "".join(bytes(r.body).decode() for r in Resource.objects.all())
    assert "=cmd|' /C calc'!A0" in bodies
    assert "@SUM(A1)" in bodies


def test_a_formula_cell_of_a_workbook_gives_its_cached_value(tmp_path):
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "observations.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, feeds.OBSERVATIONS.split(","))
        sheet.write_row(1, 0, ["jw01", "P1", "8480-6", "2026-03-20"])
        sheet.write_formula(1, 4, "=100+38", None, 138)
        sheet.write_row(1, 5, ["mmHg", "H1"])
    report = take(tmp_path)
    assert Event.objects.get().value == 138
    assert [note.field for note in report.notes] == ["E2"]


def test_merged_cells(tmp_path):
    header = feeds.OBSERVATIONS.split(",")
    rows = [
        header,
        ["jw01", "P1", "8480-6", "2026-03-20", "138", "mmHg", "H1"],
        ["", "", "8462-4", "2026-03-20", "88", "mmHg", "H1"],
    ]
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "down.xlsx") as book:
        sheet = book.add_worksheet()
        for r, row in enumerate(rows):
            sheet.write_row(r, 0, row)
        sheet.merge_range(1, 0, 2, 0, "jw01")
        sheet.merge_range(1, 1, 2, 1, "P1")
    with xlsxwriter.Workbook(tmp_path / "sideways.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, header)
        sheet.write_row(1, 0, ["jw01", "P2", "8480-6", "2026-03-20", "138", "mmHg", "H1"])
        sheet.write_row(2, 0, ["jw01", "P3", "8480-6", "2026-03-20", "138", "mmHg", "H1"])
        sheet.merge_range(2, 4, 2, 5, "138 mmHg")
    report = take(tmp_path)
    assert (report.waiting, report.rejected) == (3, 1)  # one value for two rows is clear; one across columns is not
    assert reasons() == [(3, "", "merged-cells")]
    assert Event.objects.filter(code="loinc|8462-4").count() == 1


def test_impossible_dates(tmp_path):
    feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW, ROW.replace("2026-03-20 08:30", "20260230"))
    take(tmp_path)
    found = RejectedRow.objects.get()
    assert (found.row, found.field, found.reason) == (3, "effective", "date-invalid")
    assert "20260230" in found.message
    assert found.raw == ROW.replace("2026-03-20 08:30", "20260230")


def test_future_dates_and_impossible_values_are_flagged_and_kept(tmp_path):
    feeds.text_file(
        tmp_path,
        "observations.csv",
        feeds.OBSERVATIONS,
        ROW.replace("2026-03-20 08:30", "2099-01-01"),
        ROW.replace("138", "1380"),
        ROW,
    )
    assert take(tmp_path).waiting == 3
    assert sorted(Event.objects.values_list("value", "flag")) == [(138, 0), (138, 1), (1380, 1)]


def test_duplicate_headers_are_refused_row_by_row(tmp_path):
    feeds.text_file(
        tmp_path, "observations.csv", "source,source_id,code,effective,value,value", "jw01,P1,8480-6,2026-03-20,138,139"
    )
    report = take(tmp_path)
    assert (report.rows_in, report.rejected) == (1, 1)
    assert "value" in RejectedRow.objects.get(reason="header-duplicate").message


def test_missing_columns_are_named(tmp_path):
    feeds.text_file(tmp_path, "observations.csv", "source,source_id,code,value", "jw01,P1,8480-6,138")
    take(tmp_path)
    assert "时间(effective)" in RejectedRow.objects.get(reason="header-missing").message


@pytest.mark.parametrize("name", ["persons.csv", "a.json", "a.ndjson", "a.hl7"])
def test_an_empty_file_is_a_file_with_no_rows(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    report = take(tmp_path)
    assert (report.files, report.rows_in) == (1, 0)
    assert Batch.objects.get().status == "done"


def test_a_zip_bomb_is_not_unfolded(tmp_path):
    report = take(feeds.zip_bomb(tmp_path, "persons.xlsx"))
    assert report.rejected == 1
    assert reasons() == [(1, "", "file-too-large")]


def test_a_damaged_workbook(tmp_path):
    (tmp_path / "persons.xlsx").write_bytes(b"PK\x03\x04 not really")
    take(tmp_path)
    assert reasons() == [(1, "", "file-damaged")]


def test_unknown_files_are_named_not_skipped(tmp_path):
    (tmp_path / "readme.docx").write_bytes(b"x")
    report = take(tmp_path)
    assert (report.files, report.rejected) == (1, 1)
    assert RejectedRow.objects.get().raw == "readme.docx"


def test_json_that_is_no_resource(tmp_path):
    feeds.json_file(tmp_path, "package.json", {"name": "x"})
    feeds.json_file(tmp_path, "wrong.json", {"resourceType": "Hospital"})
    take(tmp_path)
    assert sorted(reason for _, _, reason in reasons()) == ["not-a-resource", "resource-invalid"]


def test_a_type_we_do_not_interpret_is_stored_whole(tmp_path):
    plan = {
        "resourceType": "CarePlan",
        "id": "c1",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/p1"},
        "note": [{"text": "每周三次"}],
    }
    feeds.json_file(tmp_path, "a.json", feeds.bundle(feeds.patient(), plan))
    report = take(tmp_path)
    assert report.by_type == {"Patient": 1, "CarePlan": 1}
    body = orjson.loads(bytes(Resource.objects.get(type="CarePlan").body))
    assert body["note"] == [{"text": "每周三次"}]


def test_a_quote_that_never_ends_costs_its_rows_not_the_file(tmp_path):
    feeds.text_file(
        tmp_path, "observations.csv", feeds.OBSERVATIONS, ROW, ROW.replace("H1", '"H1'), ROW.replace("138", "150")
    )
    report = take(tmp_path)
    assert (report.rows_in, report.waiting, report.rejected) == (3, 2, 1)
    assert reasons() == [(3, "", "quote-open")]
    assert sorted(Event.objects.values_list("value", flat=True)) == [138, 150]


def test_a_cell_may_hold_line_breaks(tmp_path):
    feeds.text_file(tmp_path, "persons.csv", feeds.PERSONS, 'jw01,P1,王测试,1,1960-03-20,,,"一号楼', '二单元",')
    assert take(tmp_path).stored == 1
    assert "一号楼\\n二单元" in bytes(Resource.objects.get().body).decode()


BIG = """
    import sys, resource
    from pathlib import Path
    import datetime as dt
    from healthbrain.records.intake import messages
    from healthbrain.records.intake.fhir import Feed
    entry = b'{"fullUrl":"urn:uuid:%d","resource":{"resourceType":"Binary","contentType":"text/plain","data":"'
    entry += b"QUJD" * 25_000 + b'"}}'
    path = Path(sys.argv[1]) / "big.json"
    with path.open("wb") as file:
        file.write(b'{"resourceType":"Bundle","type":"collection","entry":[')
        for i in range(2100):
            file.write((b"," if i else b"") + entry % i)
        file.write(b"]}")
    assert path.stat().st_size > 200 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = 0
    for chunk in messages.read_json(path, Feed(), dt.date(2026, 4, 1)):
        prepared = messages.convert(chunk)
        rows += prepared.rows
    print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_file_of_200_megabytes_is_streamed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BIG), str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ,
        check=True,
    )
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 2100
    assert megabytes < 260, f"200 MB file took {megabytes} MB of memory"


def test_a_large_bundle_that_breaks_off_keeps_what_came_before(tmp_path, monkeypatch):
    from healthbrain.records.intake import messages

    monkeypatch.setattr(messages, "WHOLE", 1_000)  # the streamed path, without 32 MB of test data
    data = orjson.dumps(feeds.bundle(*(feeds.patient(f"p{i}") for i in range(30))))
    (tmp_path / "a.json").write_bytes(data[:-200])
    report = take(tmp_path)
    assert report.stored >= 28
    assert report.rejected == 1
    assert RejectedRow.objects.get().reason == "json-invalid"
