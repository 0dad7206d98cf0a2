"""Everybody at once: candidate pairs by blocking keys and their levels, weighed and decided, in DuckDB.

Only the levels exist twice (Python and SQL). Weights, vetoes and exact keys are looked up in a table that
`rules.decide` fills for every combination of levels, so the batch decides exactly as the online match does.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence

import duckdb
import polars as pl

from healthbrain.residents.rules import decide
from healthbrain.residents.rules.compare import COMPARISONS, Comparison

# (SQL of the key, condition). Two identities that share a key are compared; each names an error it survives.
BLOCKS: tuple[tuple[str, str], ...] = (
    ("number", "number <> ''"),
    ("born || surname", "born <> '' AND surname <> ''"),  # anything wrong in the given name
    ("born || '/' || given", "born <> '' AND given <> ''"),  # surname misread
    ("born || letters", "born <> '' AND letters <> ''"),  # order swapped
    ("born || sound", "born <> '' AND sound <> ''"),  # dialect
    ("letters || substr(born, 1, 4)", "born <> '' AND letters <> ''"),  # day or month wrong
    ("letters || '/' || substr(born, 5, 4)", "born <> '' AND letters <> ''"),  # year wrong
    ("letters || digits", "born <> '' AND letters <> ''"),  # digits of the date changed places
    ("phone || substr(born, 1, 4)", "phone <> '' AND born <> ''"),  # name misread, date wrong
    ("phone || '/' || given", "phone <> '' AND given <> ''"),  # no date
    ("phone || '/' || letters", "phone <> '' AND letters <> ''"),  # no date, order swapped
)


def _one(comparison: Comparison) -> str:
    cases = [f"WHEN {comparison.unknown.sql} THEN 0"]
    for number, level in enumerate(comparison.levels, start=1):
        cases.append(f"ELSE {number}" if level.sql == "ELSE" else f"WHEN {level.sql} THEN {number}")
    return f"CASE {' '.join(cases)} END"


def _aliased(sql: str) -> str:
    """Splink's `column_l` as `l.column`."""
    return re.sub(r"\b([a-z_]+)_(l|r)\b", r"\2.\1", sql)


def level_columns() -> list[str]:
    """SQL of each comparison's level number (0 unknown, 1 the first level …) over tables `l` and `r`."""
    return [_aliased(_one(comparison)) for comparison in COMPARISONS]


def code_sql() -> str:
    """All levels of a pair in one number."""
    sql = "0"
    for column, radix in zip(level_columns(), decide.RADICES, strict=True):
        sql = f"({sql}) * {radix} + ({column})"
    return sql


@functools.lru_cache(maxsize=4)
def _rulings(model: decide.Model) -> pl.DataFrame:
    """For every combination of levels: bits, whether the name's rarity counts, exact key, veto."""
    rows = []
    for code, levels in enumerate(itertools.product(*(range(radix) for radix in decide.RADICES))):
        keys = tuple([c.levels[n - 1].key if n else "unknown" for c, n in zip(COMPARISONS, levels, strict=True)])
        found = decide.ruling(model, keys)
        rows.append((code, found.bits, found.alike, found.exact_key, found.veto, found.same_number))
    schema = {
        "code": pl.Int32, "bits": pl.Float64, "alike": pl.Boolean, "exact_key": pl.Boolean, "veto": pl.Utf8,
        "same_number": pl.Boolean,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def candidates_sql(blocks: Sequence[tuple[str, str]] = BLOCKS, condition: str = "TRUE") -> str:
    """Distinct pairs (a < b) that share a key of a block."""
    joins = []
    for key, known in blocks:
        keyed = f"SELECT id, is_new, {key} AS k FROM person WHERE {known}"
        joins.append(
            f"""SELECT l.id AS a, r.id AS b FROM ({keyed}) l JOIN ({keyed}) r ON l.k = r.k AND l.id < r.id
                WHERE {condition}"""
        )
    return " UNION ".join(joins)


def score(
    connection: duckdb.DuckDBPyConnection, model: decide.Model, population: decide.Population, *, keep_all: bool = False
) -> pl.DataFrame:
    """Pairs of table `person` (Person columns, `is_new`, `bearers`) worth linking or asking about.

    Columns a, b, code, total, exact_key, veto, decision. `keep_all` keeps those left apart too.
    """
    connection.register("ruling_frame", _rulings(model))
    connection.execute("CREATE OR REPLACE TEMP TABLE ruling AS SELECT * FROM ruling_frame")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE candidate AS {candidates_sql(condition='(l.is_new OR r.is_new)')}"
    )
    low, high = decide.NAME_BITS_RANGE
    rarity = "0.0::DOUBLE"
    if population.identities >= decide.FEW_IDENTITIES:
        usual = model.name_collision * population.identities
        rarity = f"least({high}, greatest({low}, log2({usual} / greatest(l.bearers, r.bearers, {decide.RAREST}))))"
    total = f"{population.prior_bits()} + bits + CASE WHEN alike THEN rarity ELSE 0 END"
    found = connection.sql(
        f"""
        WITH compared AS (
            SELECT a, b, ({code_sql()})::INTEGER AS code, {rarity} AS rarity
            FROM candidate c JOIN person l ON l.id = c.a JOIN person r ON r.id = c.b
        ), weighed AS (
            SELECT a, b, code, rarity, alike, exact_key, veto, same_number,
                   CASE WHEN exact_key THEN greatest({total}, {decide.ID_NUMBER_BITS}) ELSE {total} END AS total
            FROM compared JOIN ruling USING (code)
        ), decided AS (
            SELECT *, CASE WHEN exact_key THEN 'link' WHEN veto <> '' AND same_number THEN 'ask'
                WHEN total >= {model.link_bits} AND veto = '' THEN 'link'
                WHEN total >= {model.ask_bits} THEN 'ask' ELSE 'apart' END AS decision
            FROM weighed
        )
        SELECT a, b, code, CASE WHEN alike THEN rarity ELSE 0 END AS rarity, total, exact_key, veto, decision
        FROM decided
        WHERE {"TRUE" if keep_all else "decision <> 'apart'"}"""
    ).to_arrow_table()
    return pl.DataFrame(found)
