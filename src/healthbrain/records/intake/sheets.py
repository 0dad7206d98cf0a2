"""CSV and XLSX files as chunks of text rows: encoding, delimiter, header, template, merged and formula cells."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from healthbrain.records.intake.files import Refused, check_zip
from healthbrain.records.intake.prepared import Note, Prepared, Reject, empty
from healthbrain.records.intake.report import Meter
from healthbrain.records.intake.sheet import SheetChunk, SheetPlan, chunk_of, raw_text
from healthbrain.records.rules.reasons import message
from healthbrain.records.rules.templates import TEMPLATES, mapping_of, missing, plain, recognise

CHUNK = 50_000
SAMPLE = 1 << 20
LONGEST_FIELD = 1 << 20
NOT_TEXT = "\x00undecodable"
OTHER_SHEETS = {"说明", "选项", "help", "choices"}
csv.field_size_limit(LONGEST_FIELD)


@dataclass(slots=True)
class Sheet:
    """An opened sheet: its header, and its rows with the numbers the sender sees. `refused`: row → reason."""

    header: list[str]
    rows: Iterator[tuple[int, Sequence[str]]]
    refused: dict[int, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    extra: list[tuple[int, str, str]] = field(default_factory=list)  # row, reason, raw: what counts as a row of its own


def open_sheet(path: Path, form: str, meter: Meter | None = None) -> Sheet:
    """Raises Refused for a file that cannot be read at all."""
    return _open_xlsx(path) if form == "xlsx" else _open_csv(path, meter or Meter())


def plan_of(
    sheet: Sheet,
    file_name: str,
    *,
    source: str | None,
    as_of: dt.date,
    remembered: tuple[str, dict[int, str]] | None = None,
) -> SheetPlan:
    """The template of the sheet and where its columns are. Raises Refused with what is wrong with the header."""
    header = sheet.header
    repeated = [name for name, n in Counter(plain(cell) for cell in header if plain(cell)).items() if n > 1]
    if repeated:
        raise Refused("header-duplicate", "、".join(repeated))
    given = ["source"] if source else []
    if remembered:
        template, mapping = TEMPLATES[remembered[0]], remembered[1]
    else:
        found = recognise(file_name, header, given)
        if found is None:
            raise Refused("template-unknown", "、".join(header[:12]))
        template, mapping = found, mapping_of(found, header)
    lacking = missing(template, mapping, given)
    if lacking:
        raise Refused("header-missing", "、".join(f"{template.column(name).zh}({name})" for name in lacking))
    return SheetPlan(template.name, len(header), mapping, source, as_of)


def chunks(sheet: Sheet, plan: SheetPlan, start: int = 0) -> Iterator[SheetChunk]:
    """The rows from data row `start`, in chunks."""
    rows = islice(sheet.rows, start, None)
    position = start
    while block := list(islice(rows, CHUNK)):
        position += len(block)
        yield chunk_of(plan, block, position, sheet.refused)


# --- CSV -----------------------------------------------------------------------------------------------------------


def encoding_of(path: Path) -> str:
    """UTF-8, UTF-16 by its mark, or GB18030 (which includes GBK and GB2312). Raises Refused for anything else."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for name in ("utf-8-sig", "gb18030"):
        try:
            codecs.getincrementaldecoder(name)().decode(sample, final=len(sample) < SAMPLE)
        except UnicodeDecodeError as error:
            # A few broken bytes in an otherwise good UTF-8 file cost their rows, not the file.
            if name == "utf-8-sig" and _mostly_utf8(sample):
                return name
            found = error
        else:
            if b"\x00" in sample:
                break
            return name
    else:
        raise Refused("file-encoding", f"第 {found.start} 字节") from found
    raise Refused("file-encoding", "文件含有零字节，不是文本")


def _mostly_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", errors="replace")
    wide = sum(c > "\x7f" for c in text)
    return wide > 0 and text.count("\ufffd") * 20 < wide


def _lines(path: Path, encoding: str, pending: list[str], meter: Meter) -> Iterator[str]:
    """Decoded lines; one that cannot be decoded is marked. `pending` keeps the lines of the record being read."""
    if encoding == "utf-16":
        with path.open(encoding=encoding, newline="") as text:
            yield from text
        return
    name = encoding.removesuffix("-sig")
    with path.open("rb") as file:
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        while raw := file.readline(LONGEST_FIELD * 4):
            meter.read += len(raw)
            try:
                line = raw.decode(name)
            except UnicodeDecodeError:
                line = NOT_TEXT + raw.decode(name, errors="replace")
            pending.append(line)
            yield line.replace("\x00", "") if "\x00" in line and not line.startswith(NOT_TEXT) else line


def _delimiter(line: str) -> str:
    return max(",\t;|", key=line.count)


def _open_csv(path: Path, meter: Meter) -> Sheet:
    encoding = encoding_of(path)
    first = next((line for line in _lines(path, encoding, [], meter) if line.strip()), "")
    refused: dict[int, str] = {}
    rows = _records(path, encoding, _delimiter(first), refused, meter)
    header = next((row for _, row in rows if any(cell.strip() for cell in row)), [])
    return Sheet([cell.strip() for cell in header], ((n, row) for n, row in rows if row and any(row)), refused)


def _records(
    path: Path, encoding: str, delimiter: str, refused: dict[int, str], meter: Meter
) -> Iterator[tuple[int, Sequence[str]]]:
    """(record number, cells). A record no reader can make sense of comes out as one cell and is refused."""
    pending: list[str] = []
    meter.read = 0
    lines = _lines(path, encoding, pending, meter)
    number = 0
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            row: list[str] = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a quote that never ends: its text is one refused record, reading goes on after it
            refused[number + 1] = "row-too-large"
            row = ["".join(pending)[:2000]]
            reader = csv.reader(lines, delimiter=delimiter)
        number += 1
        if row and row[0].startswith(NOT_TEXT):
            refused[number] = "file-encoding"
            row = [row[0].removeprefix(NOT_TEXT), *row[1:]]
        elif len(pending) > 1 and any(NOT_TEXT in cell for cell in row):
            refused[number] = "file-encoding"
        pending.clear()
        yield number, row


# --- XLSX ----------------------------------------------------------------------------------------------------------


def _open_xlsx(path: Path) -> Sheet:
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


def refused_rows(sheet: Sheet, problem: Refused, size: int = 5_000) -> Iterator[Prepared]:
    """Every row of a sheet whose header we cannot read, rejected for that reason; the header when there is none."""
    words = message(problem.reason, problem.detail)
    position = 0
    while block := list(islice(sheet.rows, size)):
        position += len(block)
        yield all_rejected([(number, raw_text(row)) for number, row in block], problem.reason, words, position)
    if not position and sheet.header:
        yield all_rejected([(1, raw_text(sheet.header))], problem.reason, words, 1)


def all_rejected(rows: list[tuple[int, str]], reason: str, words: str, position: int = 0) -> Prepared:
    """Rows (number, raw text) rejected together."""
    result = empty(len(rows))
    result.rejects = [Reject(number, "", reason, words, raw) for number, raw in rows]
    result.by_type = Counter({"unknown": len(rows)})
    result.position = position
    return result
