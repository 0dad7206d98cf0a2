"""One chunk of a sheet → resources, events, persons, rejects. Pure: may run in another process."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from healthbrain.records.intake import bodies, cells
from healthbrain.records.intake.prepared import Prepared, Reject, empty
from healthbrain.records.rules.reasons import message
from healthbrain.records.rules.templates import TEMPLATES, Template


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
    """Rows of a sheet with the numbers the sender sees. `refused`: rows the reader itself cannot vouch for."""

    plan: SheetPlan
    numbers: list[int]
    rows: list[Sequence[str]]
    position: int
    refused: dict[int, str]  # row number → reason


def convert(chunk: SheetChunk) -> Prepared:
    """The chunk converted. Rows that fail a check are in `rejects`, each once, with the first thing wrong."""
    template = TEMPLATES[chunk.plan.template]
    rejects = _misshapen(chunk)
    bad = {reject.row for reject in rejects}
    kept = [(n, row) for n, row in zip(chunk.numbers, chunk.rows, strict=True) if n not in bad] if bad else None
    numbers, rows = (chunk.numbers, chunk.rows) if kept is None else ([n for n, _ in kept], [r for _, r in kept])
    result = empty(len(chunk.rows))
    if rows:
        frame = _frame(chunk.plan, template, numbers, rows)
        frame, problems = _checked(frame, template)
        by_number = dict(zip(numbers, rows, strict=True)) if problems else {}
        rejects += [Reject(n, f, r, message(r, v), raw_text(by_number[n])) for n, f, r, v in problems]
        result.resources, result.events, result.persons = bodies.build(template, frame, chunk.plan.as_of)
    result.rejects = rejects
    result.rows = len(chunk.rows)
    result.by_type = Counter({template.resource: len(chunk.rows)})
    result.position = chunk.position
    return result


def raw_text(cells_: Sequence[str]) -> str:
    """A row as the sender would write it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells_)
    return out.getvalue()


def _misshapen(chunk: SheetChunk) -> list[Reject]:
    width = chunk.plan.width
    found = []
    for number, row in zip(chunk.numbers, chunk.rows, strict=True):
        if number in chunk.refused:
            reason = chunk.refused[number]
            found.append(Reject(number, "", reason, message(reason), raw_text(row)))
        elif len(row) != width:
            detail = f"表头 {width} 列，本行 {len(row)} 列"
            found.append(Reject(number, "", "column-count", message("column-count", detail), raw_text(row)))
    return found


def _frame(plan: SheetPlan, template: Template, numbers: list[int], rows: list[Sequence[str]]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True))
    data = {name: pl.Series(name, columns[position], dtype=pl.Utf8) for position, name in plan.mapping.items()}
    frame = pl.DataFrame({"row": pl.Series("row", numbers, dtype=pl.Int64), **data})
    frame = frame.with_columns(cells.clean(name) for name in data)
    absent = [c.name for c in template.columns if c.name not in data]
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
    found = [(r["row"], checks[r["problem"]][0], checks[r["problem"]][1], r[checks[r["problem"]][0]] or "")
             for r in wrong.iter_rows(named=True)]  # fmt: skip
    return frame.filter(pl.col("problem").is_null()), found
