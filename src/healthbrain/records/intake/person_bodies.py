"""Rows of the persons template as Patient resources and as the person fields the index of residents takes."""

from __future__ import annotations

import orjson
import polars as pl

from healthbrain.records.intake.cells import digests, looked_up, optional, quoted
from healthbrain.records.intake.prepared import EVENTS, PERSONS, RESOURCES, SEPARATOR, joined
from healthbrain.records.rules import index

PERSON = "urn:healthbrain:source:"  # + source: identifier system of a source's own person numbers
DIVISION = "urn:healthbrain:division-code"  # extension of an address: GB/T 2260 and its statistical continuation
MOVED = "urn:healthbrain:moved-on"  # extension of a Patient: the day he left the county
ID_NUMBER = "urn:oid:2.16.156.10011.1.3"  # citizen id number, the OID Chinese health documents use

SHORT = 100  # characters of cells whose tokens cannot be too long for the index


def build(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    gender = pl.col("sex_code").replace_strict({"0": "unknown", "1": "male", "2": "female", "9": "other"}, default=None)
    number = optional(f',{{"system":"{ID_NUMBER}","value":', "id_number", "}")
    tail = pl.concat_str(
        pl.lit('},"identifier":[{"system":'),
        quoted(pl.lit(PERSON) + pl.col("source")),
        pl.lit(',"value":'),
        quoted("source_id"),
        pl.lit("}"),
        number,
        pl.lit("]"),
        optional(',"name":[{"text":', "name", "}]"),
        optional(',"telecom":[{"system":"phone","value":', "phone", "}]"),
        optional(',"gender":', gender),
        pl.concat_str(pl.lit(',"birthDate":"'), pl.col("birth_date_at").dt.strftime("%Y-%m-%d"), pl.lit('"')).fill_null(
            ""
        ),
        pl.concat_str(
            pl.lit(',"deceasedDateTime":"'), pl.col("deceased_on_at").dt.strftime("%Y-%m-%d"), pl.lit('"')
        ).fill_null(""),
        pl.concat_str(
            pl.lit(f',"extension":[{{"url":"{MOVED}","valueDate":"'),
            pl.col("moved_on_at").dt.strftime("%Y-%m-%d"),
            pl.lit('"}]'),
        ).fill_null(""),
        _address(),
        pl.lit("}"),
    )
    frame = frame.with_columns(tail.alias("tail"), pl.col("patient_id").alias("id"))
    keys = frame.select(pl.concat_str(pl.lit("Patient/"), pl.col("id"))).to_series()
    frame = frame.with_columns(digests("key", keys), digests("hash", frame["tail"]))
    frame = _with_tokens(frame, gender)
    resources = frame.select(
        pl.lit(None, pl.Int64).alias("batch_id"),
        "row",
        "key",
        pl.lit("Patient").alias("type"),
        "id",
        "source",
        pl.col("source_id").alias("person"),
        pl.lit(None, pl.Binary).alias("patient"),
        pl.lit(None, pl.Datetime("us")).alias("at"),
        "hash",
        "tokens",
        "tail",
        pl.lit(False).alias("weak"),
    )
    persons = frame.select(
        "key",
        "hash",
        "source",
        pl.col("source_id").alias("source_key"),
        pl.lit(None, pl.Utf8).alias("alias"),
        "name",
        pl.col("sex_code").alias("sex"),
        pl.col("birth_date_at").cast(pl.Date).alias("birth_date"),
        "id_number",
        "phone",
        "address",
        "division_code",
        pl.col("deceased_on_at").cast(pl.Date).alias("deceased_on"),
        pl.col("moved_on_at").cast(pl.Date).alias("moved_on"),
    )
    return resources.select(list(RESOURCES)), pl.DataFrame(schema=EVENTS), persons.select(list(PERSONS))


def _with_tokens(frame: pl.DataFrame, gender: pl.Expr) -> pl.DataFrame:
    """Search tokens as `index.tokens` makes them of the body; a row with a long cell asks it."""
    number, day = pl.col("id_number"), pl.col("birth_date_at").dt.strftime("%Y-%m-%d")
    frame = looked_up(frame, ["name"], _name_tokens, {"name_tokens": pl.Utf8})
    own = pl.concat_str(pl.lit(PERSON), "source", pl.lit("|"), "source_id")
    identifiers = [pl.col("source_id"), own, number, pl.lit(f"{ID_NUMBER}|") + number]
    said = [
        *(pl.lit("identifier=") + value for value in identifiers),
        pl.lit("gender=") + gender,
        *(pl.lit("birthdate=") + day.str.slice(0, length) for length in (4, 7, 10)),
        pl.col("name_tokens"),
        pl.lit("phone=") + pl.col("phone"),
    ]
    cells = pl.max_horizontal(pl.col("source", "source_id", "id_number", "phone", "name").str.len_chars())
    whole = pl.concat_str(said, separator=SEPARATOR, ignore_nulls=True)
    odd = (cells > SHORT) | (number == pl.col("source_id"))
    frame = frame.with_columns(tokens=whole, odd=odd.fill_null(False))
    if frame["odd"].any():
        asked = [
            joined(index.tokens(orjson.loads('{"resourceType":"Patient","meta":{' + tail))) if is_odd else whole_
            for tail, whole_, is_odd in frame.select("tail", "tokens", "odd").iter_rows()
        ]
        frame = frame.with_columns(pl.Series("tokens", asked, dtype=pl.Utf8))
    return frame


def _name_tokens(name: str | None) -> tuple[str | None]:
    found = index.tokens({"resourceType": "Patient", "name": [{"text": name}]}) if name else []
    return (joined(found) if found else None,)


def _address() -> pl.Expr:
    text = optional('"text":', "address")
    division = optional(f'"extension":[{{"url":"{DIVISION}","valueCode":', "division_code", "}]")
    both = pl.col("address").is_not_null() & pl.col("division_code").is_not_null()
    inner = pl.concat_str(division, pl.when(both).then(pl.lit(",")).otherwise(pl.lit("")), text)
    given = pl.col("address").is_not_null() | pl.col("division_code").is_not_null()
    return pl.when(given).then(pl.concat_str(pl.lit(',"address":[{'), inner, pl.lit("}]"))).otherwise(pl.lit(""))
