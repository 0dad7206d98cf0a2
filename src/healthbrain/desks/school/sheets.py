"""The whole school in one XLSX: down with the classes filled in, up as a report."""

from __future__ import annotations

import io
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST
from python_calamine import CalamineError, CalamineWorkbook
from xlsxwriter import Workbook

from healthbrain.access.gate import page
from healthbrain.desks.bureau.workbook import response
from healthbrain.desks.i18n import t
from healthbrain.desks.school.views import chosen_day, moment, school_of
from healthbrain.desks.shell import say
from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance import knowledge
from healthbrain.surveillance.actions import signals as actions
from healthbrain.surveillance.actions.signals import Line
from healthbrain.surveillance.queries.feeds import SchoolDay

LIMIT_BYTES = 2 * 1024 * 1024
FIRST = ("class_id", "title", "pupils", "other")  # the hidden first row names the columns


@page(permission="absence.report")
@require_GET
def download(request: HttpRequest) -> HttpResponse:
    """One row a class, what was told today or else yesterday."""
    day = chosen_day(request)
    school = school_of(request, day)
    return response(workbook(school), t("晨检缺课 {s} {d}.xlsx", "absence {s} {d}.xlsx", s=school.organisation, d=day))


def workbook(school: SchoolDay) -> bytes:
    chips = knowledge.chips()
    heads = [t("编号", "No."), t("班级", "Class"), t("人数", "Pupils"), t("事假", "Leave")]
    heads += [t(row["zh"], row["en"]) for row in chips.values()]
    out = io.BytesIO()
    with Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(str(school.day))
        bold = book.add_format({"bold": True, "bg_color": "#F5F7F9", "text_wrap": True})
        for column, (name, head) in enumerate(zip((*FIRST, *chips), heads, strict=True)):
            sheet.write_string(0, column, name)
            sheet.write_string(1, column, head, bold)
        sheet.set_row(0, None, None, {"hidden": True})
        sheet.set_column(1, 1, 16)
        sheet.freeze_panes(2, 2)
        for number, one in enumerate(school.classes, start=2):
            sheet.write_number(number, 0, one.class_id)
            sheet.write_string(number, 1, one.title)
            sheet.write_number(number, 2, one.pupils)
            start = one.symptoms if one.told else one.before
            for column, n in enumerate([one.absent_other, *(start.get(chip, 0) for chip in chips)], start=3):
                sheet.write_number(number, column, n)
            sheet.data_validation(
                number, 3, number, 3 + len(chips),
                {"validate": "integer", "criteria": "between", "minimum": 0, "maximum": one.pupils},
            )  # fmt: skip
    return out.getvalue()


@page(permission="absence.report")
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """A filled sheet is one report of all its classes, or none: a sheet with a wrong figure changes nothing."""
    day = chosen_day(request)
    file = request.FILES.get("file")
    if file is None or file.size is None or file.size > LIMIT_BYTES:
        raise Invalid(t("选择填好的表格（.xlsx，2 MB 以内）", "Choose the filled sheet (.xlsx, up to 2 MB)"))
    school = school_of(request, day)
    lines = read(file.read(), school)
    report = actions.report_absence(
        by=request.actor,  # type: ignore[attr-defined]
        organisation_id=school.organisation_id, day=day, lines=lines, now=moment(request), channel="xlsx",
    )  # fmt: skip
    say(
        request, t("表格已入库：{n} 个班", "Sheet taken in: {n} classes", n=len(lines)),
        undo_url=f"/absence/reports/{report}/undo",
    )  # fmt: skip
    return HttpResponseRedirect("/absence")


def read(data: bytes, school: SchoolDay) -> list[Line]:
    """The classes of a filled sheet. Raises Invalid with the row that is wrong."""
    try:
        table = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    except (CalamineError, OSError, ValueError) as error:
        raise Invalid(
            t("读不了这个文件，请用下载的表格填写", "Not a readable sheet: use the downloaded one")
        ) from error
    names = [str(cell) for cell in table[0]] if table else []
    if "class_id" not in names:
        raise Invalid(t("表格里找不到班级编号，请用下载的表格填写", "No class numbers: use the downloaded sheet"))
    own = {c.class_id for c in school.classes}
    lines = []
    for number, row in enumerate(table[2:], start=3):
        cells = dict(zip(names, row, strict=False))
        if cells.get("class_id") in {None, ""}:
            continue
        figures = {name: _whole(cells.get(name), number) for name in ("class_id", "other", *knowledge.chips())}
        if figures["class_id"] not in own:
            raise Invalid(t("第 {n} 行不是本校的班", "Row {n} is no class of this school", n=number))
        symptoms = {chip: figures[chip] for chip in knowledge.chips()}
        lines.append(Line(figures["class_id"], symptoms=symptoms, absent_other=figures["other"]))
    return lines


def _whole(cell: Any, row: int) -> int:
    if cell is None or cell == "":
        return 0
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = -1.0
    if value < 0 or not value.is_integer():
        raise Invalid(t("第 {n} 行有一格不是人数：{c}", "Row {n} has a cell that is no number: {c}", n=row, c=cell))
    return int(value)
