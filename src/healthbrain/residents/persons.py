"""Identities as a frame of `rules.compare.Person` columns, for DuckDB and Splink."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl

from healthbrain.kernel.home import folder
from healthbrain.residents.rules import addresses, moon, names
from healthbrain.residents.rules.characters import alike
from healthbrain.residents.rules.compare import MACROS
from healthbrain.residents.rules.person import is_own, name_parts

CROWDED = 30  # a phone given for more identities than this is an institution's, and proves nothing
_PARTS: dict[str, Any] = {"cuts": pl.List(pl.Utf8), "child": pl.Boolean} | dict.fromkeys(
    ("name", "pinyin", "surname", "given", "sound", "letters"), pl.Utf8
)


def connect(memory: str = "4GB", threads: int = 2) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that spills into the data folder."""
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory}'")
    connection.execute(f"SET threads = {threads}")
    connection.execute("SET temp_directory = ?", [str(folder("tmp"))])
    connection.execute("SET preserve_insertion_order = false")
    connection.register("alike_frame", pl.DataFrame({"pair": sorted(alike())}).to_arrow())
    connection.execute("CREATE TEMP TABLE alike_pair AS SELECT pair FROM alike_frame")
    for macro in MACROS:
        connection.execute(macro)
    return connection


def _names(texts: pl.Series) -> pl.DataFrame:
    distinct = texts.unique().to_list()
    parts = [name_parts(text) for text in distinct]
    columns: dict[str, pl.Series] = {"raw_name": pl.Series(distinct, dtype=pl.Utf8)}
    for part, kind in _PARTS.items():
        columns[part] = pl.Series([getattr(p, part) for p in parts], dtype=kind)
    columns["syllables"] = pl.Series([names.sorted_syllables(p.name) for p in parts], dtype=pl.Utf8)
    return pl.DataFrame(columns)


def _addresses(texts: pl.Series) -> pl.DataFrame:
    distinct = texts.unique().to_list()
    keys = [addresses.key(text) for text in distinct]
    columns = {"raw_address": distinct, "address": keys, "doors": [addresses.doors(key) for key in keys]}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Utf8))


def _by_moon(births: pl.Series) -> pl.DataFrame:
    distinct = births.unique().to_list()
    columns = {"born": distinct, "moon": [moon.of(born) for born in distinct]}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Utf8))


def _own(numbers: pl.Series, births: pl.Series) -> pl.Series:
    return pl.Series([is_own(n, b) for n, b in zip(numbers, births, strict=True)], dtype=pl.Boolean)


def persons(identities: pl.DataFrame, *, crowded_phones: frozenset[str] | None = None) -> pl.DataFrame:
    """Columns id, name, sex, birth_date, id_number, id_number_raw, phone, address, division_code → Person columns.

    Further columns are carried along. `crowded_phones` None: counted within the frame.
    """
    text = ("name", "sex", "id_number", "id_number_raw", "phone", "address", "division_code")
    frame = identities.with_columns(
        (pl.col(c) if c in identities.columns else pl.lit(None)).cast(pl.Utf8).fill_null("").alias(c) for c in text
    )
    frame = frame.rename(
        {"name": "raw_name", "address": "raw_address", "division_code": "division", "id_number": "number"}
    )
    frame = frame.with_columns(
        born=pl.col("birth_date").dt.strftime("%Y%m%d").fill_null(""),
        number_text=pl.when(pl.col("number") != "").then("number").otherwise("id_number_raw"),
        sex=pl.when(pl.col("sex") == "").then(pl.lit("0")).otherwise("sex"),
    ).drop("birth_date", "id_number_raw")
    frame = frame.join(_names(frame["raw_name"]), on="raw_name", how="left")
    frame = frame.join(_addresses(frame["raw_address"]), on="raw_address", how="left").drop("raw_name", "raw_address")
    numbered = (pl.col("number") != "") & (pl.col("born") != "")
    digits = pl.col("born").str.split("").list.sort().list.join("")
    frame = frame.with_columns(
        digits=digits,
        own=pl.when(~numbered | (pl.col("number").str.slice(6, 8) == pl.col("born"))).then(
            (pl.col("number") != "") & ((pl.col("born") != "") | ~pl.col("child"))
        ),
    ).drop("child")
    frame = frame.join(_by_moon(frame["born"]), on="born", how="left")
    doubtful = frame.filter(pl.col("own").is_null()).select("id", "number", "born")
    if doubtful.height:
        checked = doubtful.select("id", _own(doubtful["number"], doubtful["born"]).alias("checked"))
        frame = frame.join(checked, on="id", how="left").with_columns(own=pl.coalesce("own", "checked")).drop("checked")
    return _without_crowded(frame, crowded_phones)


def _without_crowded(frame: pl.DataFrame, crowded: frozenset[str] | None) -> pl.DataFrame:
    busy = pl.len().over("phone") > CROWDED if crowded is None else pl.col("phone").is_in(list(crowded))
    return frame.with_columns(phone=pl.when(busy).then(pl.lit("")).otherwise("phone"))
