"""A CSV file read by blocks says what `csv` says, row by row; a frame copied in binary says what it said."""

from __future__ import annotations

import csv
import datetime as dt
import io
import string

import polars as pl
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthbrain.kernel import copying, db
from healthbrain.kernel.copying import copy_frame, copy_frames
from healthbrain.records.intake import csv_files, sheet, sheets
from healthbrain.records.intake.report import Meter
from healthbrain.records.rules.templates import PROCEDURES

HEADER = [c.name for c in PROCEDURES.columns]
CELL = st.text(st.sampled_from(string.ascii_letters + string.digits + "中文|;'\\ \t.-\""), max_size=6)
ROW = st.lists(CELL, min_size=1, max_size=len(HEADER) + 1) | st.lists(CELL, min_size=len(HEADER), max_size=len(HEADER))


def by_block(path, start=0):
    opened = sheets.open_sheet(path, "csv")
    plan = sheet.SheetPlan("procedures", len(HEADER), dict(enumerate(HEADER)), None, dt.date(2026, 1, 1))
    good, bad, positions = [], [], []
    for chunk in sheets.chunks(opened, plan, start, Meter()):
        done = sheet.split(chunk)
        good += [(row[0], [cell or "" for cell in row[1:]]) for row in done.frame.iter_rows()]
        bad += [reject.row for reject in done.rejects]
        positions.append(chunk.position)
    return good, sorted(bad), positions


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(ROW, max_size=12),
    block=st.integers(1, 300),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    last=st.booleans(),
)
def test_blocks_read_what_csv_reads(tmp_path, monkeypatch, rows, block, end, encoding, last):
    monkeypatch.setattr(csv_files, "BLOCK", block)
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows([["编号", *HEADER[1:]], *rows])
    whole = text.getvalue() if last else text.getvalue().removesuffix(end)
    path = tmp_path / "a.csv"
    path.write_bytes(whole.encode(encoding))
    expected = list(enumerate(csv.reader(io.StringIO(whole, newline="")), 1))[1:]
    expected = [(number, row) for number, row in expected if any(row)]
    good, bad, positions = by_block(path)
    assert good == [(number, row) for number, row in expected if len(row) == len(HEADER)]
    assert bad == [number for number, row in expected if len(row) != len(HEADER)]
    for position in positions:  # going on behind any chunk brings exactly the rest
        rest, rejected, _ = by_block(path, position)
        assert rest == [item for item in good if item[0] > position]
        assert rejected == [number for number in bad if number > position]


def test_an_open_quote_costs_its_own_line_only(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_files, "BLOCK", 64)
    lines = [",".join(HEADER), *(f"s,P{i}" + "," * (len(HEADER) - 2) for i in range(40))]
    lines[20] = lines[20].replace("P19", '"P19')
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    good, bad, _ = by_block(path)
    assert bad == [21]
    assert [number for number, _ in good] == [n for n in range(2, 42) if n != 21]


SMALL, LARGE = st.integers(-(2**15), 2**15 - 1), st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5)
MOMENT = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)).flatmap(
    lambda day: st.times().map(lambda at: dt.datetime.combine(day, at))
)
COLUMNS = {
    "a": ("bigint", pl.Int64, LARGE),
    "b": ("integer", pl.Int32, SMALL),
    "c": ("smallint", pl.Int16, SMALL),
    "d": ("double precision", pl.Float64, st.floats(allow_nan=False)),
    "e": ("boolean", pl.Boolean, st.booleans()),
    "f": ("date", pl.Date, st.dates(dt.date(1850, 1, 1), dt.date(2100, 1, 1))),
    "g": ("timestamp", pl.Datetime("us"), MOMENT),
    "h": ("timestamptz", pl.Datetime("us", "UTC"), MOMENT.map(lambda at: at.replace(tzinfo=dt.UTC))),
    "i": ("text", pl.Utf8, TEXT),
    "j": ("bytea", pl.Binary, st.binary(max_size=5)),
}


@pytest.mark.django_db
@pytest.mark.parametrize("few", [0, 6])  # column by column, row by row
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_frame_copied_is_the_frame_read(db, monkeypatch, few, data):
    monkeypatch.setattr(copying, "FEW", few)
    count = data.draw(st.integers(0, 6))
    several = st.lists
    values = {
        name: data.draw(several(made | st.none() if data.draw(st.booleans()) else made, min_size=count, max_size=count))
        for name, (_, _, made) in COLUMNS.items()
    }
    values["l"] = data.draw(several(several(TEXT, max_size=4), min_size=count, max_size=count))
    kinds = {name: kind for name, (_, kind, _) in COLUMNS.items()} | {"l": pl.List(pl.Utf8)}
    columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in COLUMNS.items())
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS copied (n serial, {columns}, l text[])")
        cursor.execute("DELETE FROM copied")
    copy_frame("copied", pl.DataFrame(values, schema=kinds))
    rows = select_all()
    assert rows == list(zip(*values.values(), strict=True))


def select_all():
    names = ", ".join([*COLUMNS, "l"])
    rows = db.select(f"SELECT {names} FROM copied ORDER BY n")
    place = list(COLUMNS).index("j")
    return [(*row[:place], None if row[place] is None else bytes(row[place]), *row[place + 1 :]) for row in rows]


@pytest.mark.django_db
@pytest.mark.parametrize("slice_", [1, 3, 100])
def test_frames_laid_out_slice_by_slice_arrive_whole_and_in_order(monkeypatch, slice_):
    monkeypatch.setattr(copying, "SLICE", slice_)
    monkeypatch.setattr(copying, "FEW", 2)
    first = pl.DataFrame({"a": range(10), "b": [None if n % 3 else f"行{n}" for n in range(10)]})
    second = pl.DataFrame({"a": range(100, 107), "b": ["x"] * 7})
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE sliced (n serial, a bigint, b text)")
    copy_frames(("sliced", first), ("sliced", first.clear()), ("sliced", second))
    assert db.select("SELECT a, b FROM sliced ORDER BY n") == [*first.rows(), *second.rows()]
