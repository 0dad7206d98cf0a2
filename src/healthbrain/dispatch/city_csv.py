"""Reads the tables of a city folder: plain CSV, or JEMSS files (a title line, a header, rows, a blank line)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from healthbrain.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Row:
    """One row with where it stands: every error names file and line."""

    file: str
    line: int
    cells: dict[str, str]

    def text(self, column: str, default: str | None = None) -> str:
        value = self.cells.get(column, "").strip()
        if value:
            return value
        if default is None:
            raise self.wrong(f"{column} 为空 is empty")
        return default

    def number(self, column: str, default: float | None = None) -> float:
        raw = self.text(column, None if default is None else str(default))
        try:
            value = float(raw)
        except ValueError:
            raise self.wrong(f"{column} 不是数字 is not a number: {raw}") from None
        if not np.isfinite(value):
            raise self.wrong(f"{column} 不是数字 is not a number: {raw}")
        return value

    def wrong(self, what: str) -> Invalid:
        return Invalid(f"{self.file} 第 {self.line} 行 line {self.line}: {what}")


def read_text(path: Path) -> str:
    """The text of a file, UTF-8 with or without mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Invalid(f"读不到 cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Invalid(f"{path.name} 不是 UTF-8 文本 is not UTF-8 text") from None


def plain_rows(path: Path, *, required: frozenset[str], known: frozenset[str]) -> list[Row]:
    """Rows of an ordinary CSV; missing or unknown columns and empty files are refused by name."""
    text = read_text(path)
    reader = csv.reader(io.StringIO(text))
    header = [h.strip() for h in next(reader, [])]
    if not any(header):
        raise Invalid(f"{path.name} 是空文件 is empty", hint=f"第一行应为 first line: {','.join(sorted(required))}")
    missing, unknown = required - set(header), set(header) - known - {""}
    if missing:
        raise Invalid(f"{path.name} 第 1 行 line 1: 缺列 missing column {', '.join(sorted(missing))}")
    if unknown:
        raise Invalid(
            f"{path.name} 第 1 行 line 1: 不认识的列 unknown column {', '.join(sorted(unknown))}",
            hint=f"可用 known: {', '.join(sorted(known))}",
        )
    rows = []
    for cells in reader:
        if any(c.strip() for c in cells):
            if len(cells) > len(header):
                raise Invalid(f"{path.name} 第 {reader.line_num} 行 line {reader.line_num}: 列数过多 too many cells")
            rows.append(Row(path.name, reader.line_num, dict(zip(header, cells, strict=False))))
    if not rows:
        raise Invalid(f"{path.name} 只有表头，没有数据 has a header and no rows")
    return rows


def tables(path: Path) -> dict[str, list[Row]]:
    """Sections of a JEMSS file by title. A file that begins with its header is one table named after the file."""
    found: dict[str, list[Row]] = {}
    for title, header, rows in _sections(path):
        found[title or path.stem.rstrip("_0123456789")] = [
            Row(path.name, line, dict(zip(header, cells, strict=False))) for line, cells in rows
        ]
    if not found:
        raise Invalid(f"{path.name} 是空文件 is empty")
    return found


def _sections(path: Path) -> Iterator[tuple[str, list[str], list[tuple[int, list[str]]]]]:
    block: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(read_text(path)))
    for cells in reader:
        if any(c.strip() for c in cells):
            block.append((reader.line_num, cells))
        elif block:
            yield _section(block)
            block = []
    if block:
        yield _section(block)


def _section(block: list[tuple[int, list[str]]]) -> tuple[str, list[str], list[tuple[int, list[str]]]]:
    first = [c.strip() for c in block[0][1]]
    if len(block) > 1 and not {"index", "x", "y"} & set(first):
        return first[0], [c.strip() for c in block[1][1]], block[2:]
    return "", first, block[1:]


def columns(raw: bytes, name: str, header: str) -> tuple[pl.DataFrame, int]:
    """A large table, read at once: the rows under the line that begins with `header`, and that line's number."""
    for number, line in enumerate(raw.split(b"\n", 12)[:12], start=1):
        if line.lstrip(b"\xef\xbb\xbf").split(b",")[0].strip() == header.encode():
            try:
                frame = pl.read_csv(raw, skip_lines=number - 1, infer_schema=False, truncate_ragged_lines=True)
            except pl.exceptions.PolarsError as error:
                raise Invalid(f"{name}: {str(error).splitlines()[0]}") from None
            return frame.filter(pl.any_horizontal(pl.col(header).str.strip_chars() != "")), number
    raise Invalid(f"{name}: 没有以 {header} 开头的表头 no header that begins with {header}")


def numbers(frame: pl.DataFrame, column: str, name: str, header_line: int) -> np.ndarray:
    """One column as float64; the first cell that is no number is named by its line."""
    if column not in frame.columns:
        raise Invalid(f"{name} 第 {header_line} 行 line {header_line}: 缺列 missing column {column}")
    values = frame[column].str.strip_chars().cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        line = header_line + 1 + int(wrong[0])
        raise Invalid(
            f"{name} 第 {line} 行 line {line}: {column} 不是数字 is not a number: {frame[column][int(wrong[0])]}"
        )
    return values
