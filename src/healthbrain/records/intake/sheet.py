"""One chunk of a sheet → resources, events, persons, rejects. Pure: may run in another process."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from healthbrain.records.intake import bodies, cells
from healthbrain.records.intake.csv_files import Plain
from healthbrain.records.intake.prepared import Note, Prepared, Reject, empty
from healthbrain.records.rules.reasons import message
from healthbrain.records.rules.templates import TEMPLATES, Template

QUOTED = '"(?:[^"]|"")*"'  # a cell in quotes


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """How to read a sheet: its template, which position holds which column, and what stands for an absent one."""

    template: str
    width: int
    mapping: dict[int, str]
    source: str | None  # when the sheet has no source column
    as_of: dt.date


@dataclass(frozen=True, slots=True)
class SheetChunk:
    """Rows of a sheet as text columns "0", "1", … with the sender's row numbers; `rejects`: rows of another shape.

    Or lines still to be split into such.
    """

    plan: SheetPlan
    frame: pl.DataFrame = field(default_factory=pl.DataFrame)
    rejects: list[Reject] = field(default_factory=list)
    position: int = 0  # number of the last row
    notes: list[Note] = field(default_factory=list)
    plain: Plain | None = None
    delimiter: str = ","


def chunk_of(
    plan: SheetPlan, rows: Sequence[tuple[int, Sequence[str]]], position: int, refused: dict[int, str]
) -> SheetChunk:
    """Columns from rows. `refused`: row number → reason, for rows the reader itself cannot vouch for."""
    rejects = [_misshapen(plan, n, row, refused) for n, row in rows if n in refused or len(row) != plan.width]
    if rejects:
        rows = [(n, row) for n, row in rows if n not in refused and len(row) == plan.width]
    numbers = pl.Series("row", [n for n, _ in rows], dtype=pl.Int64)
    columns = zip(*(row for _, row in rows), strict=True) if rows else [()] * plan.width
    texts = [pl.Series(str(i), values, dtype=pl.Utf8) for i, values in enumerate(columns)]
    return SheetChunk(plan, pl.DataFrame([numbers, *texts]), rejects, position)


def split(chunk: SheetChunk) -> SheetChunk:
    """The lines of a chunk split into columns, all at once. Empty lines are no rows."""
    if chunk.plain is None:
        return chunk
    width, delimiter = chunk.plan.width, chunk.delimiter
    lines = pl.Series("line", [chunk.plain.lines.removesuffix(b"\n").decode()]).str.split("\n").explode()
    frame = lines.to_frame().with_row_index("row", chunk.plain.first).cast({"row": pl.Int64})
    quoted = b'"' in chunk.plain.lines
    line, blank = pl.col("line"), pl.lit(True)
    if quoted:
        line = line.str.replace_all(QUOTED, "")
        blank = pl.col("line").str.len_bytes() - line.str.len_bytes() == 2 * pl.col("line").str.count_matches(QUOTED)
    cells_ = line.str.count_matches(delimiter, literal=True) + 1
    frame = frame.filter(~((line.str.strip_chars(delimiter) == "") & blank))
    odd = frame.filter(cells_ != width)
    rejects = [
        _misshapen(chunk.plan, n, next(csv.reader([line], delimiter=delimiter)), {}) for n, line in odd.iter_rows()
    ]
    frame = frame.filter(cells_ == width) if rejects else frame
    data = chunk.plain.lines if len(frame) == len(lines) else "\n".join(frame["line"]).encode()
    names = [str(place) for place in range(width)]
    columns = pl.DataFrame(schema=dict.fromkeys(names, pl.Utf8))
    if len(frame):
        columns = pl.read_csv(
            data,
            has_header=False,
            separator=delimiter,
            quote_char='"' if quoted else None,
            new_columns=names,
            infer_schema=False,
        )
    return replace(
        chunk, frame=pl.concat([frame.select("row"), columns], how="horizontal"), rejects=rejects, plain=None
    )


def _misshapen(plan: SheetPlan, number: int, row: Sequence[str], refused: dict[int, str]) -> Reject:
    if number in refused:
        return Reject(number, "", refused[number], message(refused[number]), raw_text(row))
    detail = f"表头 {plan.width} 列，本行 {len(row)} 列"
    return Reject(number, "", "column-count", message("column-count", detail), raw_text(row))


def convert(chunk: SheetChunk) -> Prepared:
    """The chunk converted. Rows that fail a check are in `rejects`, each once, with the first thing wrong."""
    chunk, template = split(chunk), TEMPLATES[chunk.plan.template]
    result = empty(len(chunk.frame) + len(chunk.rejects))
    result.rejects, result.notes = list(chunk.rejects), list(chunk.notes)
    if len(chunk.frame):
        frame, problems = _checked(_named(chunk.plan, template, chunk.frame), template)
        result.rejects += _rejected(chunk.frame, problems)
        if len(frame):
            result.resources, result.events, result.persons = bodies.build(template, frame, chunk.plan.as_of)
    result.by_type = Counter({template.resource: result.rows})
    result.position = chunk.position
    return result


def _rejected(frame: pl.DataFrame, problems: list[tuple[int, str, str, str]]) -> list[Reject]:
    if not problems:
        return []
    wrong = frame.filter(pl.col("row").is_in([problem[0] for problem in problems]))
    raw = {row[0]: raw_text([cell or "" for cell in row[1:]]) for row in wrong.iter_rows()}
    return [Reject(n, name, reason, message(reason, value), raw[n]) for n, name, reason, value in problems]


def raw_text(cells_: Sequence[str]) -> str:
    """A row as the sender would write it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells_)
    return out.getvalue()


def _named(plan: SheetPlan, template: Template, raw: pl.DataFrame) -> pl.DataFrame:
    """The template's columns, each cell without white space around it, absent ones null."""
    frame = raw.select("row", *(pl.col(str(position)).alias(name) for position, name in plan.mapping.items()))
    frame = frame.with_columns(cells.clean(name) for name in plan.mapping.values())
    absent = [c.name for c in template.columns if c.name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, pl.Utf8).alias(name) for name in absent)
    return frame.with_columns(pl.col("source").fill_null(plan.source)) if plan.source else frame


def _checked(frame: pl.DataFrame, template: Template) -> tuple[pl.DataFrame, list[tuple[int, str, str, str]]]:
    """Parsed columns added, bad rows taken out; their (row, field, reason, what was found)."""
    checks: list[tuple[str, str, pl.Expr]] = []
    for column in template.columns:
        name = column.name
        if column.required:
            checks.append((name, "required", pl.col(name).is_null()))
        if column.form in {"date", "moment"}:
            frame = cells.moments(frame, name)
            checks.append((name, "date-invalid", pl.col(name).is_not_null() & pl.col(f"{name}_at").is_null()))
        elif column.form == "sex":
            frame = frame.with_columns(cells.sex(name).alias("sex_code"))
            checks.append((name, "sex-invalid", pl.col(name).is_not_null() & pl.col("sex_code").is_null()))
        elif column.form == "value":
            frame = bodies.with_value(frame)
            checks.append((name, "number-invalid", pl.col("number_wrong")))
        elif column.form == "number":
            frame = cells.numbers(frame, name)
            checks.append((name, "number-invalid", pl.col(name).is_not_null() & pl.col("number").is_null()))
    problem = pl.coalesce(pl.when(wrong).then(pl.lit(i)) for i, (_, _, wrong) in enumerate(checks)).alias("problem")
    frame = frame.with_columns(problem)
    if frame["problem"].null_count() == len(frame):
        return frame, []
    wrong = frame.filter(pl.col("problem").is_not_null())
    found = [
        (r["row"], checks[r["problem"]][0], checks[r["problem"]][1], r[checks[r["problem"]][0]] or "")
        for r in wrong.iter_rows(named=True)
    ]
    return frame.filter(pl.col("problem").is_null()), found
