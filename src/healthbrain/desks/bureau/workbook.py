"""Excel export: text stays text, numbers stay numbers, every sheet says what it is and as of when."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import xlsxwriter
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path

from healthbrain.audit import actions as audit
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One block as a sheet. `notes` stand under the title: data time, definition, source."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    notes: Sequence[str] = ()


def file_name(unit: str, report: str, day: dt.date) -> str:
    """单位_报表_日期.xlsx, safe on every file system."""
    parts = (re.sub(r'[\\/:*?"<>|\s]+', "-", part).strip("-") for part in (unit, report, day.isoformat()))
    return "_".join(parts) + ".xlsx"


def _write_sheet(book: xlsxwriter.Workbook, sheet: Sheet) -> None:
    # Excel allows 31 characters and forbids []:*?/\ in a sheet's name.
    page = book.add_worksheet(re.sub(r"[\[\]:*?/\\]", " ", sheet.title)[:31])
    head, text, plain = (
        book.add_format({"bold": True, "bottom": 1, "text_wrap": True}),
        book.add_format({"num_format": "@"}),
        book.add_format({"num_format": "#,##0.##"}),
    )
    page.write_string(0, 0, sheet.title, book.add_format({"bold": True, "font_size": 14}))
    for number, note in enumerate(sheet.notes, 1):
        page.write_string(number, 0, note)
    top = len(sheet.notes) + 2
    for column, name in enumerate(sheet.columns):
        page.write_string(top, column, name, head)
        widest = max([len(name)] + [len(str(row[column] or "")) for row in sheet.rows[:200]])
        page.set_column(column, column, min(48, 4 + widest * 1.6))
    for offset, row in enumerate(sheet.rows, top + 1):
        for column, value in enumerate(row):
            if isinstance(value, bool) or value is None:
                page.write_string(offset, column, "" if value is None else str(value), text)
            elif isinstance(value, int | float):
                page.write_number(offset, column, value, plain)
            else:  # written as a string, so =cmd() in somebody's name stays a name
                page.write_string(offset, column, str(value), text)
    page.freeze_panes(top + 1, 1)
    if sheet.rows:
        page.autofilter(top, 0, top + len(sheet.rows), len(sheet.columns) - 1)


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """The sheets as an XLSX file."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        for sheet in sheets:
            _write_sheet(book, sheet)
    return buffer.getvalue()


def hand_out(request: HttpRequest, report: str, sheets: Sequence[Sheet], notes: Sequence[str] = ()) -> HttpResponse:
    """The sheets as a download that says as of when and by whom it was made; audited, for it leaves the house."""
    day, made = as_of(request), t("导出人", "Exported by")
    head = [f"{t('数据截至', 'Data as of')} {day.isoformat()}", f"{made} {request.actor.name}", *notes]  # type: ignore[attr-defined]
    with transaction.atomic():
        audit.record(
            by=request.actor,  # type: ignore[attr-defined]
            action="export.workbook",
            subject=report,
            purpose="quality",
            detail={"rows": sum(len(sheet.rows) for sheet in sheets)},
        )
    unit = request.user.organisation.name  # type: ignore[union-attr]
    data = workbook([replace(sheet, notes=[*head, *sheet.notes]) for sheet in sheets])
    return response(data, file_name(unit, report, day))


def response(data: bytes, name: str) -> HttpResponse:
    """A download with its Chinese name."""
    answer = HttpResponse(data, content_type=TYPE)
    answer["Content-Disposition"] = f"attachment; filename*=UTF-8''{escape_uri_path(name)}"
    answer["Cache-Control"] = "no-store"
    return answer
