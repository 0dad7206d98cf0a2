"""The group sheet as XLSX: out, filled by hand, back in, errors at their cells."""

from __future__ import annotations

import datetime as dt
import io
from types import SimpleNamespace

import pytest
from python_calamine import CalamineWorkbook
from xlsxwriter import Workbook

from healthbrain.desks import forms
from healthbrain.desks.village_doctor import workbook
from healthbrain.desks.village_doctor.prefill import Start
from healthbrain.kernel.errors import Invalid

FORM = "hypertension-follow-up"
DAY = dt.date(2026, 4, 1)


def person(number: int, **values):
    start = Start(values, {"sbp": "上次 152（3月20日 湖山站）"}, {"sbp": 152.0})
    return SimpleNamespace(resident_id=number, name="张小明", sex="1", birth_date=dt.date(1965, 3, 3), start=start)


def sheet(*rows: list) -> bytes:
    out = io.BytesIO()
    book = Workbook(out)
    page = book.add_worksheet()
    for number, row in enumerate(rows):
        page.write_row(number, 0, row)
    book.close()
    return out.getvalue()


def test_downloaded_sheet_shows_masked_names_and_leaves_measurements_empty():
    data = workbook.write(forms.load(FORM), [person(7, adherence="irregular", cigarettes=10.0)], DAY)
    names, heads, row = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    assert row[:5] == [7.0, "张*明", "男 61岁", "上次 152（3月20日 湖山站）", "2026-04-01"]
    cells = dict(zip(names[5:], row[5:], strict=False))
    assert (cells["sbp"], cells["dbp"], cells["weight"]) == ("", "", "")
    assert (cells["adherence"], cells["cigarettes"]) == ("2 间断", 10.0)
    assert heads[5] == "收缩压（mmHg）"


def test_sheet_comes_back_as_the_grid_would_have_posted_it():
    data = sheet(
        ["resident_id", "", "visit_date", "dbp", "sbp", "adherence"],
        ["居民编号", "姓名", "随访日期", "舒张压", "收缩压", "服药依从性"],
        [7, "张*明", "2026-03-31", 84, 132, "2 间断"],
        [8, "李*", "2026-03-31", "", 151.0, "规律"],
        ["", "", "", "", "", ""],
    )
    posted = workbook.read(forms.load(FORM), data)
    assert posted.getlist("resident") == ["7", "8"]
    assert posted["visit_date"] == "2026-03-31"
    assert [posted[f"r7-{name}"] for name in ("sbp", "dbp", "adherence")] == ["132", "84", "irregular"]
    assert [posted[f"r8-{name}"] for name in ("sbp", "dbp", "adherence")] == ["151", "", "regular"]


def test_a_sheet_whose_hidden_row_was_deleted_is_read_by_its_headings():
    data = sheet(["居民编号", "姓名", "收缩压（mmHg）", "舒张压（mmHg）"], [7, "张*明", 132, 84])
    posted = workbook.read(forms.load(FORM), data)
    assert (posted["r7-sbp"], posted["r7-dbp"]) == ("132", "84")


@pytest.mark.parametrize("data", [b"", b"not a sheet", sheet(["a", "b"], [1, 2])])
def test_anything_else_is_refused_with_a_word_on_what_to_do(data):
    with pytest.raises(Invalid):
        workbook.read(forms.load(FORM), data)
