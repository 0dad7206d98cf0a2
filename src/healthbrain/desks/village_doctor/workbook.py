"""The group sheet as XLSX: written with drop-down lists and limits, read back whatever the columns' order."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from typing import Any

from django.http import QueryDict
from python_calamine import CalamineError, CalamineWorkbook
from xlsxwriter import Workbook

from healthbrain.desks import forms
from healthbrain.desks.i18n import age_of, said, sex_of, t
from healthbrain.kernel.errors import Invalid
from healthbrain.kernel.masking import mask_name

LIMIT_BYTES = 5 * 1024 * 1024
LIMIT_ROWS = 500
ID = "resident_id"  # the hidden first row names the columns, so that nobody's re-ordering breaks the sheet


def _label(item: forms.Field) -> str:
    unit = said(item.unit_text)
    return said(item.label) + (f"（{unit}）" if unit else "")


def _choices(item: forms.Field) -> list[str]:
    return [f"{option.number} {said(option.words)}" for option in item.options]


def write(form: forms.Form, rows: Sequence[Any], day: dt.date) -> bytes:
    """The sheet with one row a person. Carried answers are filled in; measured values are left empty."""
    out = io.BytesIO()
    book = Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(said(form.short)[:31])
    bold = book.add_format({"bold": True, "bg_color": "#F5F7F9", "border": 1, "text_wrap": True})
    grey = book.add_format({"font_color": "#5B6776"})
    columns = form.grid_fields
    heads = [
        t("居民编号", "Resident"),
        t("姓名", "Name"),
        t("性别年龄", "Sex, age"),
        t("上次", "Last"),
        t("随访日期", "Date"),
    ]
    ids = [ID, "", "", "", "visit_date"]
    for column, (name, head) in enumerate([*zip(ids, heads, strict=True), *((f.id, _label(f)) for f in columns)]):
        sheet.write_string(0, column, name)
        sheet.write_string(1, column, head, bold)
    sheet.set_row(0, None, None, {"hidden": True})
    sheet.freeze_panes(2, 2)
    sheet.set_column(0, 0, 10)
    sheet.set_column(1, 3, 14, grey)
    sheet.set_column(4, 4 + len(columns), 13)
    for number, row in enumerate(rows, start=2):
        last = next((row.start.origins[f.id] for f in columns if f.prefill == "show" and f.id in row.start.origins), "")
        sheet.write_number(number, 0, row.resident_id)
        sheet.write_string(number, 1, mask_name(row.name))
        sheet.write_string(number, 2, f"{sex_of(row.sex)} {age_of(row.birth_date, day)}")
        sheet.write_string(number, 3, last)
        sheet.write_string(number, 4, day.isoformat())
        for column, item in enumerate(columns, start=5):
            _cell(sheet, number, column, item, row.start.values.get(item.id))
    book.close()
    return out.getvalue()


def _cell(sheet: Any, row: int, column: int, item: forms.Field, value: Any) -> None:
    if item.kind == "choice":
        sheet.data_validation(row, column, row, column, {"validate": "list", "source": _choices(item)})
        if value:
            sheet.write_string(row, column, f"{item.number_of(value)} {item.words_of(value)}")
        return
    if item.hard:
        low, high = item.hard
        sheet.data_validation(row, column, row, column, {
            "validate": "decimal", "criteria": "between", "minimum": low, "maximum": high,
            "error_message": t("只收 {low}–{high}", "Between {low} and {high}", low=low, high=high),
        })  # fmt: skip
    if isinstance(value, int | float) and item.prefill == "carry":
        sheet.write_number(row, column, value)


def read(form: forms.Form, data: bytes) -> QueryDict:
    """A filled sheet as the grid would have posted it. Raises Invalid when it is no such sheet."""
    try:
        table = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    except (CalamineError, OSError, ValueError) as error:
        raise Invalid(
            t(
                "读不了这个文件，请用下载的表格填写后上传（.xlsx）",
                "Not a readable sheet: fill in the downloaded one (.xlsx)",
            )
        ) from error
    names, body = _columns(form, table)
    posted = QueryDict(mutable=True)
    posted["visit_mode"] = "AMB"
    for row in body[:LIMIT_ROWS]:
        cells = {name: row[index] for index, name in names.items() if index < len(row)}
        resident = _text(cells.get(ID))
        if not resident.isdigit():
            continue
        posted.appendlist("resident", resident)
        if _text(cells.get("visit_date")):
            posted["visit_date"] = _text(cells["visit_date"])
        for item in form.grid_fields:
            posted[f"r{resident}-{item.id}"] = _value(item, cells.get(item.id))
    return posted


def _columns(form: forms.Form, table: list[list[Any]]) -> tuple[dict[int, str], list[list[Any]]]:
    """Column names by index, from the hidden first row or, if somebody removed it, from the headings."""
    words = {_label(f): f.id for f in form.grid_fields}
    words |= {"居民编号": ID, "Resident": ID, "随访日期": "visit_date", "Date": "visit_date"}
    for number, row in enumerate(table[:5]):
        texts = [_text(cell) for cell in row]
        if ID in texts:
            return {i: name for i, name in enumerate(texts) if name}, table[number + 1 :]
        if ID in (words.get(text) for text in texts):
            return {i: words[text] for i, text in enumerate(texts) if text in words}, table[number + 1 :]
    raise Invalid(
        t("表格里找不到“居民编号”一列，请用下载的表格填写", "No column “Resident”: please fill in the downloaded sheet")
    )


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, dt.datetime | dt.date):
        return f"{cell:%Y-%m-%d}"
    return f"{cell:g}" if isinstance(cell, float) and cell < 1e15 and len(f"{cell:g}") < 7 else _plain(cell)


def _plain(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _value(item: forms.Field, cell: Any) -> str:
    """A choice may come as “1 规律”, “规律”, “1” or its value."""
    text = _text(cell)
    if item.kind != "choice" or not text:
        return text
    for option in item.options:
        names = {option.value, option.words["zh"], option.words["en"]}
        if text in names or any(text == f"{option.number} {name}" for name in names):
            return option.value
    numbered = [option.value for option in item.options if str(option.number) == text]
    return numbered[0] if len(numbered) == 1 else text
