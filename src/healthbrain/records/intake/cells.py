"""Cells of a sheet as Polars expressions: dates, numbers, sex, JSON text. Whole columns, never row by row."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import polars as pl

SPACED = (
    r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T\s]*(\d{1,2})[:：时](\d{1,2})分?(?:[:：]?(\d{1,2})(?:\.\d+)?秒?)?\s*(Z|[+-]\d{2}:?\d{2})?)?$"
)
COMPACT = r"^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?$"
SERIAL = r"^(\d{5})(?:\.(\d+))?$"  # Excel's day count since 1899-12-30
NUMBER = r"^([<>]=?|≤|≥|＜|＞)?\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)$"
STRICT_NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?$"
SEXES = {
    "1": "1",
    "男": "1",
    "男性": "1",
    "m": "1",
    "male": "1",
    "2": "2",
    "女": "2",
    "女性": "2",
    "f": "2",
    "female": "2",
    "0": "0",
    "未知": "0",
    "u": "0",
    "unknown": "0",
    "9": "9",
    "未说明": "9",
    "其他": "9",
    "other": "9",
    "1 男": "1",
    "2 女": "2",
    "0 未知": "0",
    "9 未说明": "9",
}
WIDE = {chr(code + 0xFEE0): chr(code) for code in map(ord, "0123456789.-+:/<>")}  # as a Chinese keyboard types them
GENDERS = {"0": "unknown", "1": "male", "2": "female", "9": "other"}


def clean(column: str) -> pl.Expr:
    """The cell without white space around it; an empty one is null."""
    text = pl.col(column).str.strip_chars()
    return pl.when(text != "").then(text).alias(column)


def half_width(column: str) -> pl.Expr:
    """The cell with digits and their signs in one width (１５０ is 150). Not NFKC: it makes 10² a hundred and two."""
    return pl.col(column).str.replace_many(WIDE)


def moments(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Columns `{column}_at` (county time, null when unreadable) and `{column}_timed` (with a time of day)."""
    distinct = frame.select(pl.col(column).drop_nulls().unique().alias(column)).with_columns(
        half_width(column).alias("cell")
    )
    names = ["year", "month", "day", "hour", "minute", "second", "zone"]
    spaced, compact = (pl.col("cell").str.extract_groups(p).struct.rename_fields(names) for p in (SPACED, COMPACT))
    parts = pl.when(spaced.struct.field("year").is_not_null()).then(spaced).otherwise(compact)
    read = distinct.with_columns(parts.alias("parts")).unnest("parts").with_columns(_assembled(), _serial())
    read = read.with_columns(pl.coalesce("whole", "serial").alias("at")).with_columns(_in_county_time())
    timed = (pl.col("hour").is_not_null() | (pl.col("at").dt.time() != pl.time(0))).fill_null(False)
    read = read.select(column, pl.col("at").alias(f"{column}_at"), timed.alias(f"{column}_timed"))
    return frame.join(read, on=column, how="left", maintain_order="left")


def _assembled() -> pl.Expr:
    month, day, hour, minute, second = (
        pl.col(part).fill_null("00").str.zfill(2) for part in ("month", "day", "hour", "minute", "second")
    )
    date = pl.concat_str("year", month, day, separator="-")
    text = pl.concat_str(date, pl.lit(" "), pl.concat_str(hour, minute, second, separator=":"))
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us").alias("whole")


def _serial() -> pl.Expr:
    number = pl.when(pl.col("cell").str.contains(SERIAL)).then(pl.col("cell")).cast(pl.Float64, strict=False)
    sane = pl.when(number.is_between(10_000, 80_000)).then(number)  # 1927 to 2119
    seconds = (sane * 86_400).round().cast(pl.Int64)
    return (pl.datetime(1899, 12, 30) + pl.duration(seconds=seconds)).dt.cast_time_unit("us").alias("serial")


def _in_county_time() -> pl.Expr:
    """Times with an offset become county time, as the ledger keeps them."""
    offset = pl.col("zone").str.replace("Z", "+0000", literal=True).str.replace(":", "", literal=True)
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    minutes = sign * (offset.str.slice(1, 2).cast(pl.Int64) * 60 + offset.str.slice(3, 2).cast(pl.Int64))
    utc = pl.col("at") - pl.duration(minutes=minutes)
    county = utc.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Shanghai").dt.replace_time_zone(None)
    return pl.when(pl.col("zone").is_not_null()).then(county).otherwise("at").alias("at")


def fhir_time(column: str) -> pl.Expr:
    """FHIR dateTime text of a column read by `moments`: a day stays a day, a time carries the county's offset."""
    at = pl.col(f"{column}_at")
    return (
        pl.when(pl.col(f"{column}_timed"))
        .then(at.dt.strftime("%Y-%m-%dT%H:%M:%S+08:00"))
        .otherwise(at.dt.strftime("%Y-%m-%d"))
    )


def numbers(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Columns `number` (null when the cell is none), `comparator`, and `number_json` (the digits as JSON)."""
    groups = half_width(column).str.extract_groups(NUMBER).struct.rename_fields(["comparator", "digits"])
    frame = frame.with_columns(groups.alias("n")).unnest("n")
    number = pl.col("digits").cast(pl.Float64, strict=False)
    frame = frame.with_columns(pl.when(number.is_finite()).then(number).alias("number"))
    tidy = pl.col("comparator").replace({"≤": "<=", "≥": ">=", "＜": "<", "＞": ">"})
    digits = (
        pl.when(pl.col("digits").str.contains(STRICT_NUMBER)).then("digits").otherwise(pl.col("number").cast(pl.Utf8))
    )
    return frame.with_columns(tidy.alias("comparator"), digits.alias("number_json")).drop("digits")


def sex(column: str) -> pl.Expr:
    """GB/T 2261.1 code, null when the word is unknown."""
    return half_width(column).str.to_lowercase().replace_strict(SEXES, default=None, return_dtype=pl.Utf8)


def quoted(column: str | pl.Expr) -> pl.Expr:
    """A text as a JSON string, quotes included; null stays null. The engine's own JSON writer does the escaping."""
    expression = pl.col(column) if isinstance(column, str) else column
    wrapped = pl.struct(expression.alias("a")).struct.json_encode()
    return pl.when(expression.is_not_null()).then(wrapped.str.slice(5, wrapped.str.len_chars() - 6))


def optional(before: str, column: str | pl.Expr, after: str = "") -> pl.Expr:
    """`before` + JSON string + `after` when the cell is given, else nothing."""
    return pl.concat_str(pl.lit(before), quoted(column), pl.lit(after)).fill_null("")


def looked_up(
    frame: pl.DataFrame, on: list[str], make: Callable[..., tuple[Any, ...]], schema: dict[str, Any]
) -> pl.DataFrame:
    """`frame` with the columns of `schema`, `make(*values of on)` called once for each distinct combination."""
    distinct = frame.select(on).unique()
    made = [make(*row) for row in distinct.iter_rows()]
    table = distinct.hstack(pl.DataFrame(made, schema=schema, orient="row") if made else pl.DataFrame(schema=schema))
    return frame.join(table, on=on, how="left", maintain_order="left", nulls_equal=True)


def digests(name: str, texts: pl.Series) -> pl.Series:
    """16 bytes for each text: the hash `kernel.ids` uses."""
    hashed = [blake2b(text, digest_size=16).digest() for text in texts.cast(pl.Binary).to_list()]
    return pl.Series(name, hashed, dtype=pl.Binary)


def uuid_text(digest: str) -> pl.Expr:
    """A column of 16 bytes in the text form of a UUID."""
    h = pl.col(digest).bin.encode("hex").str
    parts = [h.slice(0, 8), h.slice(8, 4), h.slice(12, 4), h.slice(16, 4), h.slice(20)]
    return pl.concat_str(parts, separator="-")
