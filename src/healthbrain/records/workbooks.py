"""Sheets that go out: empty templates to fill in, and a sender's own sheet back with what is wrong in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import xlsxwriter
from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import vault
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.records.intake import batches, sheets
from healthbrain.records.intake.files import Refused
from healthbrain.records.models import Batch, RejectedRow
from healthbrain.records.rules.templates import TEMPLATES, Template

ROWS = 5_000  # rows of the template the drop-downs reach
COLUMN = "错误"
SEALED = "sealed:"  # of a batch's path: the file lies in the vault, "shelf/name"
# What a cell says is written as text: a cell that begins with = is somebody's data, never a formula of ours.
OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def template(name: str, form: str = "xlsx") -> bytes:
    """An empty template with one example row: xlsx (with drop-downs and an explanation) or csv (UTF-8, BOM)."""
    found = TEMPLATES.get(name)
    if found is None:
        raise NotFound(f"没有模板 {name} No such template", hint="、".join(TEMPLATES))
    header = [f"{column.zh}{'*' if column.required else ''}" for column in found.columns]
    if form == "csv":
        out = io.StringIO()
        csv.writer(out).writerows([header, found.example])
        return out.getvalue().encode("utf-8-sig")
    if form != "xlsx":
        raise Invalid(f"模板只有 xlsx 和 csv Templates come as xlsx or csv, not {form}")
    return _template_book(found, header)


def _template_book(found: Template, header: Sequence[str]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, OPTIONS) as book:
        bold, text = book.add_format({"bold": True, "bg_color": "#E8F1EE"}), book.add_format({"num_format": "@"})
        sheet = book.add_worksheet(found.zh)
        sheet.freeze_panes(1, 0)
        for i, column in enumerate(found.columns):
            sheet.set_column(i, i, 20, text)
            sheet.write_string(0, i, header[i], bold)
            sheet.write_string(1, i, found.example[i], text)
            if column.choices:
                rule = {"validate": "list", "source": list(column.choices), "error_type": "warning"}
                sheet.data_validation(1, i, ROWS, i, rule)
        _explain(book, found, bold)
    return out.getvalue()


def _explain(book: xlsxwriter.Workbook, found: Template, bold: object) -> None:
    sheet = book.add_worksheet("说明")
    sheet.set_column(0, 3, 28)
    forms = {
        "date": "日期，如 2026-03-20",
        "moment": "日期或时间，如 2026-03-20 08:30",
        "number": "数字",
        "sex": "1 男、2 女",
        "value": "数字，或阳性/阴性等结果",
    }
    rows = [("列", "英文列名", "必填", "写法")]
    rows += [(c.zh, c.name, "必填" if c.required else "", forms.get(c.form, "文字")) for c in found.columns]
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            sheet.write_string(r, c, cell, bold if r == 0 else None)


def error_sheet(*, by: Actor, batch_id: int) -> tuple[str, bytes]:
    """See `actions.error_sheet`."""
    gate.require(by, "steward.work")
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise NotFound(f"没有批次 {batch_id} No such batch")
    rejects = list(
        RejectedRow.objects.filter(batch=batch).order_by("row").values_list("row", "field", "message", "raw")
    )
    problems: dict[int, str] = {}
    for row, name, words, _ in rejects:
        text = f"{name}：{words}" if name else words
        problems[row] = f"{problems[row]}；{text}" if row in problems else text
    rows = _original(batch, problems) or _rejected_only(batch, rejects, problems)
    with transaction.atomic():
        audit.record(by=by, action="intake.error_sheet", subject=f"batch/{batch_id}", detail={"rejected": len(rejects)})
    return f"{Path(batch.name).stem}-错误.xlsx", _error_book(rows)


Row = tuple[list[str], str]  # cells, what is wrong


def kept_sealed(batch_ids: Iterable[int], *, shelf: str, name: str) -> None:
    """See `actions.kept_sealed`."""
    Batch.objects.filter(pk__in=list(batch_ids)).update(path=f"{SEALED}{shelf}/{name}")


def _original(batch: Batch, problems: dict[int, str]) -> list[Row] | None:
    """Every row of the sheet as it was sent, None when the file is gone, changed, or no sheet."""
    if batch.format not in {"csv", "xlsx"} or not batch.path:
        return None
    if not batch.path.startswith(SEALED):
        return _whole(batch, Path(batch.path), problems)
    shelf, _, name = batch.path.removeprefix(SEALED).partition("/")
    try:
        with vault.opened(shelf, name, batch.name) as path:
            return _whole(batch, path, problems)
    except NotFound:
        return None


def _whole(batch: Batch, path: Path, problems: dict[int, str]) -> list[Row] | None:
    if not path.is_file() or batches.content_hash(path) != bytes(batch.content_hash or b""):
        return None
    try:
        opened = sheets.open_sheet(path, batch.format)
    except Refused:
        return None
    rows: list[Row] = [(opened.header, problems.get(1, COLUMN))]
    rows += [(list(cells), problems.get(number, "")) for number, cells in opened.rows]
    return rows


def _rejected_only(batch: Batch, rejects: Iterable[tuple[int, str, str, str]], problems: dict[int, str]) -> list[Row]:
    rows: list[Row] = [(["行号", "原文"], COLUMN)]
    seen: set[int] = set()
    for number, _, _, raw in rejects:
        if number not in seen:
            seen.add(number)
            cells = next(csv.reader([raw]), []) if batch.format in {"csv", "xlsx"} else [raw[:32_000]]
            rows.append(([str(number), *cells], problems[number]))
    return rows


def _error_book(rows: list[Row]) -> bytes:
    out = io.BytesIO()
    width = max((len(cells) for cells, _ in rows), default=0)
    with xlsxwriter.Workbook(out, OPTIONS) as book:
        sheet = book.add_worksheet("数据")
        bold, wrong = book.add_format({"bold": True}), book.add_format({"bg_color": "#FBE3E4"})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, width, 16)
        for r, (cells, problem) in enumerate(rows):
            style = bold if r == 0 else wrong if problem else None
            for c, cell in enumerate(cells):
                sheet.write_string(r, c, cell[:32_000], style)
            sheet.write_string(r, width, problem[:32_000], style)
    return out.getvalue()
