"""The long table that `healthbrain detect` reads: one row per series and period, every mistake named by its line.

Columns series (may be missing: one series), date or period, count, and if wanted population and expected, or their
Chinese headings, between commas, semicolons or tabs. UTF-8, with or without byte order mark, UTF-16 or GBK. Empty rows
are passed over. Dates 2024-01-31, 2024/1/31, 20240131 or 2024年1月31日, ISO weeks 2024-W05 or 2024年第5周, months
2024-01 or 2024年1月, or whole numbers that count the periods.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.series import Dates, Frequency, SeriesSet

NAMES = {"date": "period"} | {
    chinese: standard
    for standard, words in {
        "series": "序列 系列 病种 疾病 症候群", "period": "日期 时期 周 周次 月份", "count": "例数 病例数 发病数 数量",
        "population": "人口 人口数", "expected": "预期 预期数 期望值",
    }.items()
    for chinese in words.split()
}  # fmt: skip
OPTIONAL = ("population", "expected")
WEEK = re.compile(r"(\d{4})(?:-?W|年第?)(\d{1,2})周?", re.IGNORECASE)
MONTH = re.compile(r"(\d{4})[-/年](\d{1,2})月?")
DAY = re.compile(r"(\d{4})(?:([-/]?)(\d{1,2})\2(\d{1,2})|年(\d{1,2})月(\d{1,2})日)")
NUMBER = re.compile(r"\d{1,6}")
SEPARATORS = (",", ";", "\t")
FIRST_LINE = 2  # the first row of values is the file's second line


@dataclass(frozen=True)
class Axis:
    """The periods of a file: number of each text on the common axis, its frequency and start when it is a date."""

    frequency: Frequency
    number: dict[str, int]
    start: dict[str, dt.date] | None

    def place(self, text: str) -> int:
        """Number of a period given by the user: as written in the file, or any day, week or month inside it."""
        if text in self.number:
            return self.number[text]
        value = _parse(text)
        if value is None or isinstance(value, int) != (self.start is None):
            raise Invalid(f"--from {text}: no such period; the file has {_span(self.number)}.")
        return value if isinstance(value, int) else _number(value, self.frequency)


def read(path: Path, *, frequency: Frequency | None, zero_gaps: bool) -> tuple[list[SeriesSet], list[int], Axis]:
    """Series grouped by equal first and last period, the number of each group's first period, and the axis."""
    table = _columns(_text(path))
    lines = table["line"].to_numpy()
    axis = _axis(table, frequency)
    at = table["period"].replace_strict(axis.number, return_dtype=pl.Int64).to_numpy()
    names = table["series"].unique(maintain_order=True).to_list()
    which = table["series"].replace_strict({name: i for i, name in enumerate(names)}, return_dtype=pl.Int64).to_numpy()
    values = {name: _numbers(table, name) for name in ("count", *OPTIONAL) if name in table.columns}
    order = np.lexsort((at, which))
    _no_doubles(which[order], at[order], lines[order], names, table["period"].gather(order))
    first = np.full(len(names), np.iinfo(np.int64).max)
    last = np.full(len(names), np.iinfo(np.int64).min)
    np.minimum.at(first, which, at)
    np.maximum.at(last, which, at)
    if not zero_gaps:
        _no_gaps(which[order], at[order], lines[order], names, table["period"].gather(order))
    elif "population" in values or "expected" in values:
        raise Invalid("--zero-gaps cannot fill population or expected: give these rows.")
    labels = _labels(axis, int(first.min()), int(last.max()))
    sets, starts = [], []
    spans = np.unique(np.column_stack([first, last]), axis=0)
    for begin, end in spans.tolist():
        members = np.flatnonzero((first == begin) & (last == end))
        row = np.full(len(names), -1)
        row[members] = np.arange(len(members))
        mine = row[which] >= 0
        matrices = {}
        for name, value in values.items():
            matrix = np.zeros((len(members), end - begin + 1))
            matrix[row[which[mine]], at[mine] - begin] = value[mine]
            matrices[name] = matrix
        offset = begin - int(first.min())
        text = labels[offset : offset + end - begin + 1]
        sets.append(_series([names[i] for i in members], matrices, axis, begin, text))
        starts.append(begin)
    return sets, starts, axis


def _series(
    names: Sequence[str], matrices: dict[str, np.ndarray], axis: Axis, begin: int, labels: Sequence[str]
) -> SeriesSet:
    count = matrices["count"]
    starts = None if axis.start is None else _starts(axis, begin, count.shape[1])
    return SeriesSet(
        tuple(names),
        count,
        axis.frequency,
        starts,
        tuple(labels),
        matrices.get("population"),
        matrices.get("expected"),
    )


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Invalid(f"{path.name} is neither UTF-8 nor GBK.", hint="Save it as CSV UTF-8.")


def _columns(text: str) -> pl.DataFrame:
    """All cells as trimmed text, columns by their standard names, and `line`, the row's line in the file."""
    head = text.partition("\n")[0]
    comma = max(SEPARATORS, key=head.count)
    try:
        table = pl.read_csv(io.StringIO(text), infer_schema=False, separator=comma)
    except pl.exceptions.PolarsError as error:
        raise Invalid(_unreadable(text, comma, error)) from None
    table = table.rename({name: name.strip().lower() for name in table.columns})
    for name, standard in NAMES.items():
        if name in table.columns and standard not in table.columns:
            table = table.rename({name: standard})
    missing = [name for name in ("period", "count") if name not in table.columns]
    if missing:
        wanted = {"period": "date or period", "count": "count"}
        what = " and no column ".join(wanted[name] for name in missing)
        raise Invalid(f"No column {what} in the first line, which is {head.strip()[:80]!r}.")
    kept = [name for name in ("series", "period", "count", *OPTIONAL) if name in table.columns]
    table = table.with_row_index("line", FIRST_LINE).select(
        pl.col("line").cast(pl.Int64), *(pl.col(name).fill_null("").str.strip_chars() for name in kept)
    )
    table = table.filter(pl.any_horizontal(pl.col(name) != "" for name in kept))
    if table.is_empty():
        raise Invalid("The file has a first line but no rows.")
    if "series" not in kept:
        table = table.with_columns(pl.lit("series").alias("series"))
    for name in ("series", "period"):
        empty = table["line"].filter(table[name].eq(""))
        if len(empty):
            raise Invalid(f"Line {empty[0]}: {name} is empty.")
    return table


def _unreadable(text: str, comma: str, error: Exception) -> str:
    """Why the file is no table: the first line with more cells than the first, else the reader's own words."""
    rows = csv.reader(io.StringIO(text), delimiter=comma)
    width = len(next(rows, []))
    for number, row in enumerate(rows, FIRST_LINE):
        if len(row) > width:
            return f"Line {number}: {len(row)} cells, the first line has {width}. Is a comma inside a number or a name?"
    return f"The file cannot be read as CSV: {str(error).splitlines()[0]}"


def _numbers(table: pl.DataFrame, name: str) -> np.ndarray:
    """A column as numbers >= 0 (population > 0)."""
    value = table[name].cast(pl.Float64, strict=False)
    bad = (value.is_null() | ~value.is_finite()).fill_null(True).arg_true()
    if len(bad):
        line = table["line"][bad[0]]
        hint = "A period without cases is a 0; a period without a report cannot be tested." if name == "count" else ""
        raise Invalid(f"Line {line}: {name} {table[name][bad[0]]!r} is not a number.", hint=hint)
    low = (value <= 0 if name == "population" else value < 0).arg_true()
    if len(low):
        what = "must be above 0" if name == "population" else "is negative"
        raise Invalid(f"Line {table['line'][low[0]]}: {name} {table[name][low[0]]} {what}.")
    return value.to_numpy()


def _axis(table: pl.DataFrame, frequency: Frequency | None) -> Axis:
    texts = table["period"].unique(maintain_order=True).to_list()
    parsed = {text: _parse(text) for text in texts}
    bad = next((text for text in texts if parsed[text] is None), None)
    if bad is not None:
        raise Invalid(
            f"Line {_line(table, bad)}: {bad!r} is not a date or period.",
            hint="Write 2024-01-31, 2024-W05, 2024-01 or a whole number.",
        )
    numbered = {text for text, value in parsed.items() if isinstance(value, int)}
    if numbered and len(numbered) < len(texts):
        odd = next(text for text in texts if (text in numbered) != (texts[0] in numbered))
        raise Invalid(f"Line {_line(table, odd)}: {odd!r}: numbers and dates are mixed.")
    if numbered:
        return Axis(frequency or Frequency.WEEKLY, {t: v for t, v in parsed.items() if isinstance(v, int)}, None)
    days = {text: value for text, value in parsed.items() if isinstance(value, dt.date)}
    frequency = frequency or _infer(texts, sorted(set(days.values())))
    _same_weekday(table, days, frequency)
    return Axis(frequency, {text: _number(day, frequency) for text, day in days.items()}, days)


def _parse(text: str) -> int | dt.date | None:
    """Whole number, or the first day of a day, ISO week or month."""
    try:
        if (match := WEEK.fullmatch(text)) and ("年" in text) == ("周" in text):
            return dt.date.fromisocalendar(int(match[1]), int(match[2]), 1)
        if match := MONTH.fullmatch(text):
            return dt.date(int(match[1]), int(match[2]), 1)
        if NUMBER.fullmatch(text):
            return int(text)
        if match := DAY.fullmatch(text):
            return dt.date(int(match[1]), int(match[3] or match[5]), int(match[4] or match[6]))
    except ValueError:
        return None
    return None


def _infer(texts: Sequence[str], days: Sequence[dt.date]) -> Frequency:
    if MONTH.fullmatch(texts[0]):
        return Frequency.MONTHLY
    if WEEK.fullmatch(texts[0]):
        return Frequency.WEEKLY
    steps = [(later - earlier).days for earlier, later in pairwise(days)]
    if not steps:
        raise Invalid("There is only one date: say --frequency daily, weekly or monthly.")
    if math.gcd(*steps) % 7 == 0:
        return Frequency.WEEKLY
    return Frequency.MONTHLY if min(steps) >= 28 else Frequency.DAILY


def _same_weekday(table: pl.DataFrame, days: dict[str, dt.date], frequency: Frequency) -> None:
    if frequency is not Frequency.WEEKLY:
        return
    first = next(iter(days.values())).weekday()
    odd = next((text for text, day in days.items() if day.weekday() != first), None)
    if odd is not None:
        raise Invalid(f"Line {_line(table, odd)}: {odd} is not the same day of the week as the first date.")


def _number(day: dt.date, frequency: Frequency) -> int:
    if frequency is Frequency.MONTHLY:
        return day.year * 12 + day.month
    return day.toordinal() if frequency is Frequency.DAILY else (day.toordinal() - 1) // 7


def _starts(axis: Axis, begin: int, count: int) -> Dates:
    assert axis.start is not None  # noqa: S101
    text, number = next(iter(axis.number.items()))
    known = np.datetime64(axis.start[text], "D")
    steps = np.arange(begin - number, begin - number + count)
    if axis.frequency is Frequency.MONTHLY:
        into = known - known.astype("datetime64[M]").astype("datetime64[D]")
        starts: Dates = (known.astype("datetime64[M]") + steps).astype("datetime64[D]") + into
        return starts
    return known + steps * (7 if axis.frequency is Frequency.WEEKLY else 1)


def _labels(axis: Axis, first: int, last: int) -> list[str]:
    """Each period as the file writes it; filled gaps as a number or date."""
    written: dict[int, str] = {}
    for text, number in axis.number.items():
        written.setdefault(number, text)
    if axis.start is None:
        return [written.get(number, str(number)) for number in range(first, last + 1)]
    starts = _starts(axis, first, last - first + 1)
    return [written.get(number, str(starts[number - first])) for number in range(first, last + 1)]


def _no_doubles(which: np.ndarray, at: np.ndarray, lines: np.ndarray, names: list[str], period: pl.Series) -> None:
    double = np.flatnonzero((np.diff(which) == 0) & (np.diff(at) == 0))
    if len(double):
        i = int(double[0])
        here, there = sorted((int(lines[i]), int(lines[i + 1])))
        raise Invalid(f"Line {there}: {period[i]} of series {names[which[i]]} was already given in line {here}.")


def _no_gaps(which: np.ndarray, at: np.ndarray, lines: np.ndarray, names: list[str], period: pl.Series) -> None:
    gap = np.flatnonzero((np.diff(which) == 0) & (np.diff(at) > 1))
    if len(gap):
        i = int(gap[0])
        missing, line = int(at[i + 1] - at[i] - 1), int(lines[i])
        raise Invalid(
            f"Line {line}: series {names[which[i]]} has a gap of {missing} period{'s' if missing > 1 else ''} after "
            f"{period[i]} ({len(gap)} gap{'s' if len(gap) > 1 else ''} in the file).",
            hint="If no row means no case, add --zero-gaps.",
        )


def _line(table: pl.DataFrame, text: str) -> int:
    return int(table["line"][table["period"].eq(text).arg_true()[0]])


def _span(number: dict[str, int]) -> str:
    return f"{min(number, key=number.__getitem__)} to {max(number, key=number.__getitem__)}"
