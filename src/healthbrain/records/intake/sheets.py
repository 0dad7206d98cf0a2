"""CSV and XLSX files as chunks of text rows: encoding, delimiter, header, template, merged and formula cells."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from healthbrain.records.intake import csv_files
from healthbrain.records.intake.files import Refused
from healthbrain.records.intake.prepared import Note, Prepared, Reject, empty
from healthbrain.records.intake.report import Meter
from healthbrain.records.intake.sheet import SheetChunk, SheetPlan, chunk_of, raw_text
from healthbrain.records.rules.reasons import message
from healthbrain.records.rules.templates import TEMPLATES, mapping_of, missing, plain, recognise

CHUNK = 50_000


@dataclass(slots=True)
class Sheet:
    """An opened sheet: its header, and its rows with the numbers the sender sees. `refused`: row → reason."""

    header: list[str]
    rows: Iterator[tuple[int, Sequence[str]]]
    refused: dict[int, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    extra: list[tuple[int, str, str]] = field(default_factory=list)  # row, reason, raw: what counts as a row of its own
    text: csv_files.Text | None = None  # the file behind it, when that is read by blocks


def open_sheet(path: Path, form: str) -> Sheet:
    """Raises Refused for a file that cannot be read at all."""
    if form == "xlsx":
        from healthbrain.records.intake.xlsx_files import open_xlsx

        return open_xlsx(path)
    text = csv_files.open_text(path)
    rows = ((n, row) for n, row in csv_files.records(text) if row and any(row))
    return Sheet(text.header, rows, text.refused, text=text)


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


def chunks(sheet: Sheet, plan: SheetPlan, start: int, meter: Meter) -> Iterator[SheetChunk]:
    """The rows behind row number `start`, in chunks."""
    if sheet.text is None:
        behind = (item for item in sheet.rows if item[0] > start)
        while block := list(islice(behind, CHUNK)):
            yield chunk_of(plan, block, block[-1][0], sheet.refused)
        return
    for number, found in csv_files.blocks(sheet.text, meter, start):
        if isinstance(found, csv_files.Plain):
            if found.lines.strip(b"\n"):
                yield SheetChunk(plan, plain=found, delimiter=sheet.text.delimiter, position=number)
        elif rows := [item for item in found if any(item[1])]:
            yield chunk_of(plan, rows, number, sheet.refused)


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
