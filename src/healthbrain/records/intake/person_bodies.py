"""Rows of the persons template as Patient resources and as the person fields the index of residents takes."""

from __future__ import annotations

import orjson
import polars as pl

from healthbrain.records.intake.cells import digests, optional, quoted
from healthbrain.records.intake.prepared import EVENTS, PERSONS, RESOURCES, joined
from healthbrain.records.rules import index

PERSON = "urn:healthbrain:source:"  # + source: identifier system of a source's own person numbers
DIVISION = "urn:healthbrain:division-code"  # extension of an address: GB/T 2260 and its statistical continuation
ID_NUMBER = "urn:oid:2.16.156.10011.1.3"  # citizen id number, the OID Chinese health documents use


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
        _address(),
        pl.lit("}"),
    )
    frame = frame.with_columns(tail.alias("tail"), pl.col("patient_id").alias("id"))
    keys = frame.select(pl.concat_str(pl.lit("Patient/"), pl.col("id"))).to_series()
    frame = frame.with_columns(digests("key", keys), digests("hash", frame["tail"]))
    tokens = [joined(index.tokens(orjson.loads('{"resourceType":"Patient","meta":{' + t))) for t in frame["tail"]]
    frame = frame.with_columns(pl.Series("tokens", tokens, dtype=pl.Utf8))
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
    )
    return resources.select(list(RESOURCES)), pl.DataFrame(schema=EVENTS), persons.select(list(PERSONS))


def _address() -> pl.Expr:
    text = optional('"text":', "address")
    division = optional(f'"extension":[{{"url":"{DIVISION}","valueCode":', "division_code", "}]")
    both = pl.col("address").is_not_null() & pl.col("division_code").is_not_null()
    inner = pl.concat_str(division, pl.when(both).then(pl.lit(",")).otherwise(pl.lit("")), text)
    given = pl.col("address").is_not_null() | pl.col("division_code").is_not_null()
    return pl.when(given).then(pl.concat_str(pl.lit(',"address":[{'), inner, pl.lit("}]"))).otherwise(pl.lit(""))
