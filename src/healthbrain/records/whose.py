"""Whose a resource is: the identity behind what a source calls a person, known, described now, or a stub that waits."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from healthbrain.kernel import db
from healthbrain.kernel.ids import uuid_array
from healthbrain.residents import actions as residents


def with_identities(
    fresh: pl.DataFrame, persons: pl.DataFrame, sources: pl.DataFrame
) -> tuple[pl.DataFrame, list[int]]:
    """Columns `identity_id` and `waits` added: persons upserted, the others' identities found or made as stubs; and the
    ids of the identities that were described, which are to be matched."""
    upserted = _upsert_persons(fresh, persons, sources)
    fresh = _by_patient_resource(fresh, upserted)
    described = upserted.select("source_id", pl.col("source_key").alias("person"), described_id="identity_id")
    fresh = fresh.join(described, on=["source_id", "person"], how="left", maintain_order="left")
    fresh = fresh.with_columns(pl.coalesce("identity_id", "described_id").alias("identity_id")).drop("described_id")
    unknown = pl.col("person").is_not_null() & pl.col("identity_id").is_null()
    pairs = fresh.filter(unknown).select("source_id", "person").unique()
    ids = residents.identity_stubs(pairs.iter_rows()) if len(pairs) else {}
    table = pl.DataFrame(
        [(source, key, identity) for (source, key), identity in ids.items()],
        schema={"source_id": pl.Int64, "person": pl.Utf8, "stub_id": pl.Int64},
        orient="row",
    )
    fresh = fresh.join(table, on=["source_id", "person"], how="left", maintain_order="left")
    fresh = fresh.with_columns(pl.coalesce("identity_id", "stub_id").alias("identity_id")).drop("stub_id")
    clinical = fresh.filter(pl.col("type") != "Patient")["identity_id"].drop_nulls().unique()
    waits = (pl.col("type") != "Patient") & pl.col("identity_id").is_in(_waiting(clinical.to_list()))
    return fresh.with_columns(waits.fill_null(False).alias("waits")), upserted["identity_id"].to_list()


def _upsert_persons(fresh: pl.DataFrame, persons: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """source_id, source_key, identity_id of persons whose resource is new or changed; known ones say nothing new.

    Events may have come before their person under the id of his Patient: that stub is then described too, and the
    index of residents finds that the two are one.
    """
    nobody = pl.DataFrame(schema={"source_id": pl.Int64, "source_key": pl.Utf8, "identity_id": pl.Int64})
    if persons.is_empty():
        return nobody
    wanted = persons.join(fresh.select("key", "hash"), on=["key", "hash"], how="semi")
    wanted = wanted.unique("key", keep="last", maintain_order=True).join(sources, on="source")
    if wanted.is_empty():
        return nobody
    wanted = _as_first_called(wanted, fresh)
    aliased = wanted.filter(pl.col("alias").is_not_null())
    stubs = aliased.join(_existing(aliased), on=["source_id", "alias"], how="semi") if len(aliased) else aliased
    described = pl.concat([wanted, stubs.with_columns(pl.col("alias").alias("source_key"))])
    return residents.upsert_identities_frame(described.drop("key", "hash", "source", "alias"))


def _as_first_called(wanted: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """A Patient we hold keeps his identity, whoever describes him now and under whichever number."""
    held = fresh.filter((pl.col("type") == "Patient") & pl.col("known_identity").is_not_null())
    if held.is_empty():
        return wanted
    rows = db.select(
        "SELECT id, source_id, source_key FROM residents_identity WHERE id = ANY(%s)",
        (held["known_identity"].to_list(),),
    )
    schema = {"known_identity": pl.Int64, "first_source": pl.Int64, "first_key": pl.Utf8}
    first = held.select("key", "known_identity").join(
        pl.DataFrame(rows, schema=schema, orient="row"), on="known_identity"
    )
    wanted = wanted.join(first.unique("key"), on="key", how="left", maintain_order="left")
    called = [
        pl.coalesce("first_source", "source_id").alias("source_id"),
        pl.coalesce("first_key", "source_key").alias("source_key"),
    ]
    return wanted.with_columns(called).drop("first_source", "first_key", "known_identity")


def _existing(aliased: pl.DataFrame) -> pl.DataFrame:
    rows = db.select(
        """SELECT i.source_id, i.source_key FROM unnest(%s::bigint[], %s::text[]) AS p(source_id, source_key)
           JOIN residents_identity i USING (source_id, source_key)""",
        (aliased["source_id"].to_list(), aliased["alias"].to_list()),
    )
    return pl.DataFrame(rows, schema={"source_id": pl.Int64, "alias": pl.Utf8}, orient="row")


def _by_patient_resource(fresh: pl.DataFrame, upserted: pl.DataFrame) -> pl.DataFrame:
    """A reference to a Patient we hold, or hold from now on, is about that Patient's identity."""
    patients = fresh.filter(pl.col("type") == "Patient").select(
        "source_id", pl.col("person").alias("source_key"), "key"
    )
    arriving = patients.join(upserted, on=["source_id", "source_key"]).select(
        pl.col("key").alias("patient"), "identity_id"
    )
    keys = set(fresh["patient"].drop_nulls().unique()) - set(arriving["patient"])
    rows = (
        db.select(
            "SELECT uuid_send(key), identity_id FROM records_resource"
            " WHERE key = ANY(%s::uuid[]) AND identity_id IS NOT NULL",
            (uuid_array(keys),),
        )
        if keys
        else []
    )
    held = pl.DataFrame(rows, schema={"patient": pl.Binary, "identity_id": pl.Int64}, orient="row")
    known = pl.concat([arriving.unique("patient"), held])
    fresh = fresh.join(known, on="patient", how="left", maintain_order="left")
    own = pl.when(pl.col("type") == "Patient").then("known_identity")
    return fresh.with_columns(pl.coalesce("identity_id", own).alias("identity_id"))


def _waiting(identity_ids: Sequence[int]) -> list[int]:
    """Identities nobody has described yet: their person has not arrived."""
    if not identity_ids:
        return []
    rows = db.select(
        """SELECT i.id FROM residents_identity i
           WHERE i.id = ANY(%s::bigint[]) AND i.name = '' AND i.id_number IS NULL AND i.birth_date IS NULL
             AND NOT EXISTS (SELECT FROM residents_link l WHERE l.identity_id = i.id)""",
        ("{" + ",".join(map(str, identity_ids)) + "}",),  # one text: a list of many costs more to send
    )
    return [row[0] for row in rows]
