"""What sources call people, stored: normalised on the way in, set-based."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl
from django.db import transaction

from healthbrain.kernel import db
from healthbrain.residents.rules import id_number, names

SEXES = {
    **dict.fromkeys(("1", "男", "男性", "M", "MALE"), "1"),
    **dict.fromkeys(("2", "女", "女性", "F", "FEMALE"), "2"),
    **dict.fromkeys(("9", "未说明", "O", "OTHER"), "9"),
}
_TEXT = ("source_key", "name", "sex", "id_number", "phone", "address", "division_code")
_DATES = ("birth_date", "deceased_on", "moved_on")
# Characters kept of what a source says; the whole stands in its own resource. A longer "name" is no name: matching it
# costs memory in the square of its length, and an index entry has a limit.
_LONGEST = {"name": 100, "id_number": 40, "phone": 40, "address": 300, "division_code": 40}
_STORED = (
    "source_id", "source_key", "name", "pinyin", "surname", "given", "initials", "sex", "birth_date", "id_number",
    "id_number_raw", "phone", "address", "division_code", "deceased_on",
    "moved_on",
)  # fmt: skip
_DEMOGRAPHICS = _STORED[2:]
_EARLIEST = 1800  # a date of birth before this year is a filler (0001-01-01), and tells nobody apart


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One source's word on one person. What is unknown stays None and never erases what was said before."""

    source_id: int
    source_key: str
    name: str | None = None
    sex: str | None = None
    birth_date: dt.date | None = None
    id_number: str | None = None
    phone: str | None = None
    address: str | None = None
    division_code: str | None = None
    deceased_on: dt.date | None = None
    moved_on: dt.date | None = None


def _frame(rows: pl.DataFrame | Sequence[PersonRow | Mapping[str, Any]]) -> pl.DataFrame:
    schema: dict[str, Any] = {"source_id": pl.Int64} | dict.fromkeys(_TEXT, pl.Utf8) | dict.fromkeys(_DATES, pl.Date)
    if not isinstance(rows, pl.DataFrame):
        dicts = [asdict(row) if isinstance(row, PersonRow) else dict(row) for row in rows]
        rows = pl.DataFrame(dicts, schema=schema)
    present = set(rows.columns)
    return rows.select(
        (pl.col(column) if column in present else pl.lit(None)).cast(kind).alias(column)
        for column, kind in schema.items()
    )


def _looked_up(frame: pl.DataFrame, column: str, made: dict[str, list[Any]]) -> pl.DataFrame:
    return frame.join(pl.DataFrame(made, infer_schema_length=None), on=column, how="left", maintain_order="left")


def _with_names(frame: pl.DataFrame) -> pl.DataFrame:
    distinct = frame["name"].drop_nulls().unique().to_list()
    forms = [names.form(text) for text in distinct]
    made: dict[str, list[Any]] = {"name": distinct, "tidy": [form.name for form in forms]}
    for part in ("pinyin", "surname", "given", "initials"):
        made[part] = [getattr(form, part) for form in forms]
    if not distinct:
        empty = pl.lit("", pl.Utf8)
        return frame.with_columns(name=empty, pinyin=empty, surname=empty, given=empty, initials=empty)
    filled = _looked_up(frame, "name", made).with_columns(pl.col("tidy", *list(made)[2:]).fill_null(""))
    return filled.with_columns(name=pl.col("tidy")).drop("tidy")


def _with_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    distinct = frame["id_number"].drop_nulls().unique().to_list()
    if not distinct:
        return frame.with_columns(id_number_raw=pl.lit(None, pl.Utf8))
    parsed = [id_number.parse(text) for text in distinct]
    made: dict[str, list[Any]] = {
        "id_number": distinct,
        "valid": [number.number if number else None for number in parsed],
        "raw": [
            None if number else id_number.clean(text) or None for text, number in zip(distinct, parsed, strict=True)
        ],
        "born": [number.birth_date if number else None for number in parsed],
        "id_sex": [number.sex if number else None for number in parsed],
    }
    table = {"id_number": pl.Utf8, "valid": pl.Utf8, "raw": pl.Utf8, "born": pl.Date, "id_sex": pl.Utf8}
    joined = frame.join(pl.DataFrame(made, schema=table), on="id_number", how="left", maintain_order="left")
    # A stand-in name (王芳之子) often comes with the mother's number, whose birth date and sex are not the child's.
    own = ~pl.col("name").map_elements(names.is_unnamed, return_dtype=pl.Boolean) | (pl.col("name") == "")
    return joined.with_columns(
        id_number=pl.col("valid"),
        id_number_raw=pl.col("raw"),
        birth_date=pl.coalesce("birth_date", pl.when(own).then("born")),
        sex=pl.when((pl.col("sex") == "0") & own).then(pl.col("id_sex").fill_null("0")).otherwise("sex"),
    ).drop("valid", "raw", "born", "id_sex")


def normalise(rows: pl.DataFrame | Sequence[PersonRow | Mapping[str, Any]]) -> pl.DataFrame:
    """The rows as they are stored, the last word of each (source_id, source_key) winning."""
    frame = _frame(rows).unique(["source_id", "source_key"], keep="last", maintain_order=True)
    # NUL is no character to PostgreSQL: one in a name would stop the rows beside it.
    frame = frame.with_columns(
        pl.col(column).str.replace_all("\x00", "", literal=True).str.slice(0, longest)
        for column, longest in _LONGEST.items()
    )
    frame = frame.with_columns(pl.when(pl.col(c).dt.year() >= _EARLIEST).then(c) for c in _DATES)
    sex = pl.col("sex").str.strip_chars().str.to_uppercase().replace_strict(SEXES, default="0").fill_null("0")
    phone = pl.col("phone").str.replace_all(r"[^\d]", "").str.replace(r"^(0086|86)(1\d{10})$", "${2}")
    frame = frame.with_columns(sex=sex, phone=pl.when(phone.str.len_chars() >= 7).then(phone))
    for column in ("address", "division_code"):
        text = pl.col(column).str.strip_chars()
        frame = frame.with_columns(pl.when(text != "").then(text).alias(column))
    return _with_numbers(_with_names(frame)).select(_STORED)


@transaction.atomic(savepoint=False)
def upsert_frame(rows: pl.DataFrame | Sequence[PersonRow | Mapping[str, Any]]) -> pl.DataFrame:
    """Store identities; frame of source_id, source_key, identity_id. Unknown values keep what was known.

    Cost: one statement for any number of rows, the rows sent as one JSON text: no table to make for one arriving
    person, no statistics to gather for many.
    """
    frame = normalise(rows)
    columns = ", ".join(_STORED)
    kinds = {"source_id": "bigint"} | dict.fromkeys(_DATES, "date")
    typed = ", ".join(f"{column} {kinds.get(column, 'text')}" for column in _STORED)
    incoming = f"SELECT * FROM json_to_recordset(%(rows)s::json) AS n({typed})"
    known = (
        "SELECT i.source_id, i.source_key, i.id FROM incoming JOIN residents_identity i USING (source_id, source_key)"
    )
    given = {"rows": frame.write_json()}
    # Sorted, so that two writers take row locks in the same order.
    found = db.select(
        f"""WITH incoming AS MATERIALIZED ({incoming}), merged AS (
                INSERT INTO residents_identity ({columns}, updated)
                SELECT {columns}, now() FROM incoming ORDER BY source_id, source_key
                ON CONFLICT (source_id, source_key) DO UPDATE SET {_merged()}, updated = now()
                WHERE ({", ".join(f"residents_identity.{c}" for c in _DEMOGRAPHICS)})
                  IS DISTINCT FROM ({", ".join(_kept(c) for c in _DEMOGRAPHICS)})
                RETURNING source_id, source_key, id)
            SELECT * FROM merged UNION {known} ORDER BY id""",
        given,
    )
    if len(found) < len(frame):  # somebody else stored the same words after this statement began
        found = db.select(f"WITH incoming AS MATERIALIZED ({incoming}) {known} ORDER BY i.id", given)
    return pl.DataFrame(
        found, schema={"source_id": pl.Int64, "source_key": pl.Utf8, "identity_id": pl.Int64}, orient="row"
    )


def _kept(column: str) -> str:
    """The new value where it says something, else the old one."""
    old, new = f"residents_identity.{column}", f"excluded.{column}"
    if column in {"name", "pinyin", "surname", "given", "initials"}:
        return f"CASE WHEN excluded.name = '' THEN {old} ELSE {new} END"
    if column == "sex":
        return f"CASE WHEN {new} = '0' THEN {old} ELSE {new} END"
    if column in {"id_number", "id_number_raw"}:  # the two go together: a new valid number clears the old raw one
        return f"CASE WHEN excluded.id_number IS NULL AND excluded.id_number_raw IS NULL THEN {old} ELSE {new} END"
    return f"COALESCE({new}, {old})"


def _merged() -> str:
    return ", ".join(f"{column} = {_kept(column)}" for column in _DEMOGRAPHICS)


@transaction.atomic(savepoint=False)
def stubs(pairs: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Identity ids of (source_id, source_key) pairs; unknown ones are made without demographics."""
    wanted = sorted(set(pairs))
    sources, keys = [source for source, _ in wanted], [key for _, key in wanted]
    db.execute(
        """INSERT INTO residents_identity
               (source_id, source_key, name, pinyin, surname, given, initials, sex, updated)
           SELECT p.source_id, p.source_key, '', '', '', '', '', '0', now()
           FROM unnest(%s::bigint[], %s::text[]) AS p(source_id, source_key)
           WHERE NOT EXISTS (SELECT FROM residents_identity i
                             WHERE i.source_id = p.source_id AND i.source_key = p.source_key)
           ON CONFLICT DO NOTHING""",
        (sources, keys),
    )
    found = db.select(
        """SELECT i.source_id, i.source_key, i.id FROM unnest(%s::bigint[], %s::text[]) AS p(source_id, source_key)
           JOIN residents_identity i USING (source_id, source_key)""",
        (sources, keys),
    )
    return {(source, key): identity for source, key, identity in found}
