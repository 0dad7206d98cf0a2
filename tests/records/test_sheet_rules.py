"""Sheets: headers, cells, and the proof that the column-wise path says what the rules for one resource say."""

from __future__ import annotations

import datetime as dt

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthbrain.records.intake import cells, sheet
from healthbrain.records.intake.prepared import SEPARATOR
from healthbrain.records.rules import index, ledger, r4
from healthbrain.records.rules.templates import TEMPLATES, mapping_of, recognise

AS_OF = dt.date(2026, 4, 1)

DATES = [
    ("2026-03-20", "2026-03-20 00:00"),
    ("20260320", "2026-03-20 00:00"),
    ("2026/3/20", "2026-03-20 00:00"),
    ("2026.3.20", "2026-03-20 00:00"),
    ("2026年3月20日", "2026-03-20 00:00"),
    ("２０２６－０３－２０", "2026-03-20 00:00"),
    ("46101", "2026-03-20 00:00"),  # Excel: 46101 days after 1899-12-30
    ("46101.5", "2026-03-20 12:00"),
    ("2026-03-20 08:30", "2026-03-20 08:30"),
    ("2026-03-20T08:30:15", "2026-03-20 08:30:15"),
    ("20260320083000", "2026-03-20 08:30"),
    ("202603200830", "2026-03-20 08:30"),
    ("2026-03-20T00:30:00Z", "2026-03-20 08:30"),
    ("2026-03-20T08:30:00+08:00", "2026-03-20 08:30"),
    ("2026/3/20 8:05", "2026-03-20 08:05"),
    ("20260230", None),
    ("2026-02-30", None),
    ("2026-13-01", None),
    ("2026320", None),
    ("昨天", None),
    ("2026-03-20 25:00", None),
]


@pytest.mark.parametrize(("cell", "expected"), DATES)
def test_dates_as_people_write_them(cell, expected):
    found = cells.moments(pl.DataFrame({"d": [cell, "2020-01-01"]}), "d")["d_at"][0]
    assert found == (dt.datetime.fromisoformat(expected) if expected else None)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("1", "1"),
        ("男", "1"),
        ("M", "1"),
        ("male", "1"),
        ("2", "2"),
        ("女性", "2"),
        ("F", "2"),
        ("0", "0"),
        ("9", "9"),
        ("5", None),
    ],
)
def test_sex_as_people_write_it(cell, code):
    assert pl.DataFrame({"s": [cell]}).select(cells.sex("s")).item() == code


@pytest.mark.parametrize(
    ("file", "header", "template"),
    [
        ("persons.csv", "source,source_id,name,sex,birth_date", "persons"),
        ("export.csv", "来源,人员编号,姓名,性别,出生日期", "persons"),
        ("export.csv", "性别,姓名*,出生日期（必填）,人员编号,来源", "persons"),
        ("a.csv", "source,source_id,code,effective,value,unit,organisation", "observations"),
        ("a.csv", "source,source_id,code,onset,organisation", "conditions"),
        ("a.csv", "来源,档案号,疫苗,接种日期,剂次", "immunizations"),
        ("jw01-encounters-2026.csv", "source,source_id,class,start,type", "encounters"),
    ],
)
def test_the_header_says_which_template(file, header, template):
    assert recognise(file, header.split(",")).name == template


def test_a_header_nobody_knows():
    assert recognise("a.csv", ["甲", "乙"]) is None


def convert(template: str, *rows: list[str]):
    columns = [c.name for c in TEMPLATES[template].columns]
    plan = sheet.SheetPlan(template, len(columns), mapping_of(TEMPLATES[template], columns), None, AS_OF)
    return sheet.convert(sheet.chunk_of(plan, list(enumerate(rows, 2)), len(rows), {}))


def resources_of(prepared):
    for row in prepared.resources.iter_rows(named=True):
        text = f'{{"resourceType":"{row["type"]}","id":"{row["id"]}","meta":{{"versionId":"1"{row["tail"]}'
        yield row, orjson.loads(text)


def agrees(prepared):
    """Bodies are valid R4; tokens, date and ledger rows are what the rules for one resource give."""
    for row, resource in resources_of(prepared):
        assert r4.check(resource) == []
        assert sorted(row["tokens"].split(SEPARATOR)) == sorted(index.tokens(resource))
        # a row sent twice has its events twice here; the store writes them once
        mine = prepared.events.filter((pl.col("key") == row["key"]) & (pl.col("hash") == row["hash"]))
        events = mine.unique(maintain_order=True).drop("key", "hash").rows()
        assert events == [tuple(e) for e in ledger.events(resource, as_of=AS_OF)]
        if row["type"] != "Patient":
            assert row["at"] == ledger.date_of(resource)


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_the_example_of_each_template(name):
    prepared = convert(name, list(TEMPLATES[name].example))
    assert (prepared.rows, prepared.rejects) == (1, [])
    agrees(prepared)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
CODE = st.sampled_from(["8480-6", "14771-0", "29771-3", "收缩压", "hb|copd-sq", "X-1", "29463-7"])
VALUE = st.one_of(
    st.decimals(0, 500, places=2).map(str), st.sampled_from(["阳性", "-", "<0.5", "=1+1", "+5", "007", "1e2"]), TEXT
)
UNIT = st.sampled_from(["", "mmHg", "mg/dL", "mmol/L", "斤", "什么", 'a"b'])
DATE = st.dates(dt.date(1950, 1, 1), dt.date(2030, 1, 1)).map(lambda d: d.strftime("%Y/%m/%d"))
ORGANISATION = st.sampled_from(["", "H1", 'H"2', "H\\3"])
OBSERVATION = st.tuples(st.just("s"), TEXT, TEXT, CODE, DATE, VALUE, UNIT, ORGANISATION, TEXT).map(list)


@settings(max_examples=60, deadline=None)
@given(st.lists(OBSERVATION, min_size=1, max_size=12))
def test_columns_say_what_rows_say(rows):
    prepared = convert("observations", *rows)
    assert len(prepared.resources) + len(prepared.rejects) == prepared.rows == len(rows)
    assert len(prepared.events) == len(prepared.resources)
    agrees(prepared)


def test_a_stay_ends_with_an_event_of_its_own():
    stay = ["s", "P1", "", "住院", "2026-03-10 08:00", "2026-03-15 10:30", "", "H1"]
    still_in = [*stay[:5], "", *stay[6:]]
    visit = ["s", "P1", "", "门诊", "2026-03-10 08:00", "2026-03-10 08:20", "随访", "H1"]
    prepared = convert("encounters", stay, still_in, visit)
    agrees(prepared)
    said = [(row["code"], row["at"].isoformat(" ", "minutes")) for row in prepared.events.to_dicts()]
    assert sorted(said) == [
        ("class|AMB", "2026-03-10 08:00"),
        ("class|IMP", "2026-03-10 08:00"),
        ("class|IMP", "2026-03-10 08:00"),
        ("type|discharge", "2026-03-15 10:30"),
        ("type|follow-up", "2026-03-10 08:00"),
    ]


def test_the_same_row_is_the_same_resource_and_another_is_not():
    row = ["s", "P1", "", "8480-6", "2026-03-20", "138", "mmHg", "H1", ""]
    other = [*row[:5], "139", *row[6:]]
    keys = convert("observations", row, other, row).resources["key"].to_list()
    assert keys[0] == keys[2] != keys[1]


def test_a_record_number_is_the_identity_whatever_the_content():
    row = ["s", "P1", "R7", "8480-6", "2026-03-20", "138", "mmHg", "H1", ""]
    found = convert("observations", row, [*row[:5], "139", *row[6:]]).resources
    assert found["key"].n_unique() == 1
    assert found["hash"].n_unique() == 2


BAD_ROWS = [
    ("observations", {"code": ""}, "code", "required"),
    ("observations", {"source_id": " "}, "source_id", "required"),
    ("observations", {"effective": "20260230"}, "effective", "date-invalid"),
    ("observations", {"value": "偏高"}, "value", "number-invalid"),
    ("observations", {"value": "=1+1"}, "value", "number-invalid"),  # a formula is text, and no number
    ("persons", {"sex": "5"}, "sex", "sex-invalid"),
    ("persons", {"birth_date": "20260230"}, "birth_date", "date-invalid"),
    ("immunizations", {"dose": "第二"}, "dose", "number-invalid"),
]


@pytest.mark.parametrize(("template", "change", "field", "reason"), BAD_ROWS)
def test_a_bad_cell_names_field_and_reason(template, change, field, reason):
    columns = [c.name for c in TEMPLATES[template].columns]
    row = [change.get(name, cell) for name, cell in zip(columns, TEMPLATES[template].example, strict=True)]
    prepared = convert(template, list(TEMPLATES[template].example), row)
    [reject] = prepared.rejects
    assert (reject.row, reject.field, reject.reason) == (3, field, reason)
    assert reject.raw == sheet.raw_text(row)
    assert len(prepared.resources) == 1


CELLS = st.text(st.sampled_from("张三 Ab1-|.é"), max_size=5) | st.sampled_from(
    ["x" * 101, "王" * 250, "330197195001010010"]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS, st.sampled_from(["", "1", "9"])), min_size=1, max_size=6))
def test_search_tokens_of_persons_are_those_of_their_bodies(rows):
    """Made column-wise, they are what one body alone would be searched by."""
    columns = ["source", "source_id", "name", "id_number", "phone", "sex", "birth_date"]
    cells = [(f"s{n}", f"{own}#", name, number, phone, sex, "1950-01-01") for n, (own, name, number, phone, sex)
             in enumerate(rows)]  # fmt: skip
    plan = sheet.SheetPlan("persons", len(columns), dict(enumerate(columns)), None, dt.date(2026, 1, 1))
    made = sheet.convert(sheet.chunk_of(plan, list(enumerate(cells, 1)), len(cells), {}))
    assert len(made.resources) == len(rows)
    for tail, tokens in made.resources.select("tail", "tokens").iter_rows():
        body = orjson.loads('{"resourceType":"Patient","meta":{' + tail)
        assert tokens.split("\x00") == index.tokens(body)
