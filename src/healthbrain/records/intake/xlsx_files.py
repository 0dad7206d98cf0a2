"""XLSX workbooks as rows of text: merged cells, formula cells, other sheets. Zip bombs are refused unopened."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from pathlib import Path
from typing import Any

from healthbrain.records.intake.files import Refused, check_zip
from healthbrain.records.intake.prepared import Note
from healthbrain.records.intake.sheets import Sheet

OTHER_SHEETS = {"说明", "选项", "help", "choices"}


def open_xlsx(path: Path) -> Sheet:
    import python_calamine

    check_zip(path)
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        names = [m.name for m in book.sheets_metadata if m.name not in OTHER_SHEETS]
        opened = [(name, book.get_sheet_by_name(name)) for name in names]
    except Exception as error:  # calamine raises its own, zip's and XML's errors
        raise Refused("file-damaged", str(error)[:200]) from error
    filled = [(name, sheet) for name, sheet in opened if sheet.height]
    if not filled:
        return Sheet([], iter(()))
    name, sheet = filled[0]
    top = sheet.start[0] if sheet.start else 0
    cells = [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=True)]
    left = sheet.start[1] if sheet.start else 0
    refused, merged_notes = _unmerge(cells, [_shifted(r, top, left) for r in sheet.merged_cell_ranges or ()], top)
    numbered = [(top + i + 1, row) for i, row in enumerate(cells) if any(row)]
    header = numbered[0] if numbered else (1, [])
    if header[0] in refused:
        raise Refused("merged-cells", "表头")
    notes = merged_notes + _formulas(path, names.index(name))
    extra = [(1, "sheet-extra", f"工作表 {other}（{found.height} 行）") for other, found in filled[1:]]
    return Sheet([c.strip() for c in header[1]], iter(numbered[1:]), refused, notes, extra)


def _shifted(span: Any, top: int, left: int) -> tuple[int, int, int, int]:
    (first_row, first_column), (last_row, last_column) = span
    return first_row - top, first_column - left, last_row - top, last_column - left


def _unmerge(
    cells: list[list[str]], spans: list[tuple[int, int, int, int]], top: int
) -> tuple[dict[int, str], list[Note]]:
    """A cell merged downwards says its value for each of its rows; one merged across columns leaves us guessing."""
    refused: dict[int, str] = {}
    notes: list[Note] = []
    for first_row, first_column, last_row, last_column in spans:
        inside = range(max(first_row, 0), min(last_row + 1, len(cells)))
        if first_column == last_column and inside:
            for row in inside:
                cells[row][first_column] = cells[inside[0]][first_column]
            notes.append(
                Note(
                    top + inside[0] + 1,
                    "",
                    f"纵向合并的单元格，其值用于第 {top + inside[0] + 1}–{top + inside[-1] + 1} 行",
                )
            )
        else:
            refused |= {top + row + 1: "merged-cells" for row in inside}
    return refused, notes


def _formulas(path: Path, index: int) -> list[Note]:
    """Cells that hold a formula: their cached value is used, the formula itself never evaluated."""
    found: list[bytes] = []
    with zipfile.ZipFile(path) as archive:
        member = f"xl/worksheets/sheet{index + 1}.xml"
        if member not in archive.namelist():
            return []
        with archive.open(member) as stream:
            tail = b""
            while block := stream.read(1 << 20):
                text = tail + block
                found += re.findall(rb'<c r="([A-Z]+\d+)"[^>]*>\s*<f', text)
                tail = text[-200:].rpartition(b"<c ")[2]
                tail = b"<c " + tail if tail else b""
    names = [name.decode() for name in found]
    return [Note(int(re.sub(r"\D", "", name)), name, "公式单元格：取其已算出的值，不重新计算") for name in names[:20]]


def _text(cell: Any) -> str:
    """A cell as the sender reads it."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.strftime("%Y-%m-%d" if cell.time() == dt.time() else "%Y-%m-%d %H:%M:%S")
    return "" if cell is None else str(cell)
