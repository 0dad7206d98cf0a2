"""CSV and XLSX of the public-health system and the centres, with rows no system should have sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from xlsxwriter import Workbook

from healthbrain.demo.sheets import TEMPLATES

# (kind, template it fits, changes to a good row)
BAD = (
    ("impossible-date", "observations", {"effective": "20260230"}),
    ("empty-code", "observations", {"code": ""}),
    ("text-for-number", "observations", {"value": "偏高"}),
    ("no-person", "observations", {"source_id": ""}),
    ("future-date", "observations", {"effective": "2099-01-01T08:00:00"}),
    ("wrong-sex-code", "persons", {"sex": "5"}),
    ("impossible-birth", "persons", {"birth_date": "20260230"}),
    ("impossible-date", "conditions", {"onset": "2026-02-30"}),
    ("empty-code", "conditions", {"code": ""}),
)


def write_csv(
    folder: Path,
    source: str,
    number: int,
    persons: pl.DataFrame,
    frames: dict[str, pl.DataFrame],
    bad_share: float,
    rng: np.random.Generator,
    *,
    gbk: bool,
    xlsx: bool,
) -> list[dict[str, object]]:
    """Writes one source's files of one block; returns labels of the bad rows (file, line as a reader counts, kind)."""
    folder.mkdir(parents=True, exist_ok=True)
    labels: list[dict[str, object]] = []
    for template, columns in TEMPLATES.items():
        frame = persons if template == "persons" else frames[template]
        if not frame.height:
            continue
        name = f"{template}-{number:03}"
        late = frame.filter(pl.col("late") > 0) if "late" in frame.columns else frame.clear()
        if late.height:
            late.select(columns).write_csv(folder / f"{name}-late.csv")
            frame = frame.filter(pl.col("late") == 0)
        if "repeated" in frame.columns:
            frame = pl.concat([frame, frame.filter(pl.col("repeated"))])
        table, made = _with_bad_rows(frame.select(columns), template, bad_share, rng)
        path = folder / f"{name}{'.xlsx' if xlsx and template == 'procedures' else '.csv'}"
        labels += [
            {"source": source, "file": path.name, "line": table.height - len(made) + i + 2, "kind": k}
            for i, k in enumerate(made)
        ]
        _write(path, table, gbk and template == "persons")
    return labels


def _with_bad_rows(
    table: pl.DataFrame, template: str, share: float, rng: np.random.Generator
) -> tuple[pl.DataFrame, list[str]]:
    """Good rows of the table, spoilt and added at its end: nothing that is true is lost by them."""
    kinds: list[str] = []
    extra = []
    for kind, fits, change in BAD:
        if fits != template:
            continue
        each = max(2, int(table.height * share))
        rows = table[rng.integers(0, table.height, each)]
        extra.append(rows.with_columns(pl.lit(v, pl.String).alias(k) for k, v in change.items()))
        kinds += [kind] * each
    return pl.concat([table, *extra]), kinds


def _write(path: Path, table: pl.DataFrame, gbk: bool) -> None:
    if path.suffix == ".xlsx":
        with Workbook(path) as book:
            book.set_properties(
                {"created": datetime(2020, 1, 1, tzinfo=UTC)}
            )  # else the hour of writing is in the file
            table.write_excel(book, worksheet="procedures")
    elif gbk:
        path.write_bytes(table.write_csv().encode("gbk", errors="replace"))
    else:
        table.write_csv(path)
