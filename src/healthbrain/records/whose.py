"""Whose a resource is: the identity behind what a source calls a person, known, described now, or a stub that waits."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from healthbrain.kernel import db
from healthbrain.residents import actions as residents


def with_identities(fresh: pl.DataFrame, persons: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
    """Columns `identity_id` and `waits` set: persons upserted, the others' identities found or made as stubs; and the
    ids of the identities that were described, which are to be matched."""
    described: list[int] = []
    if persons.is_empty():
        waits = pl.col("waits") & (pl.col("type") != "Patient")
        fresh = fresh.with_columns(identity_id=pl.coalesce("held_identity", _KEPT, "own_identity"), waits=waits)
    else:
        fresh, described = _described(fresh, persons)
    return (_with_stubs(fresh) if fresh["identity_id"].null_count() else fresh), described


_KEPT = pl.when(pl.col("type") == "Patient").then("known_identity")  # a Patient we hold keeps his identity


def _with_stubs(fresh: pl.DataFrame) -> pl.DataFrame:
    """Persons nobody has spoken of before get an identity that waits for its person."""
    unknown = fresh.filter(pl.col("person").is_not_null() & pl.col("identity_id").is_null())
    if unknown.is_empty():
        return fresh
    ids = residents.identity_stubs(unknown.select("source_id", "person").unique().iter_rows())
    stubs = pl.DataFrame(
        [(source, key, identity) for (source, key), identity in ids.items()],
        schema={"source_id": pl.Int64, "person": pl.Utf8, "stub_id": pl.Int64},
        orient="row",
    )
    new = pl.col("identity_id").is_null() & pl.col("stub_id").is_not_null() & (pl.col("type") != "Patient")
    fresh = fresh.join(stubs, on=["source_id", "person"], how="left", maintain_order="left")
    return fresh.with_columns(identity_id=pl.coalesce("identity_id", "stub_id"), waits=pl.col("waits") | new)


def _described(fresh: pl.DataFrame, persons: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
    """Persons of this chunk upserted; whose a resource is, now that they are known."""
    upserted = _upsert_persons(fresh, persons)
    patients = fresh.filter(pl.col("type") == "Patient").select("source_id", source_key="person", patient="key")
    arriving = patients.join(upserted, on=["source_id", "source_key"]).select("patient", arriving="identity_id")
    own = upserted.select("source_id", person="source_key", described="identity_id")
    fresh = fresh.join(arriving.unique("patient"), on="patient", how="left", maintain_order="left")
    fresh = fresh.join(own, on=["source_id", "person"], how="left", maintain_order="left")
    fresh = fresh.with_columns(identity_id=pl.coalesce("arriving", "held_identity", _KEPT, "described", "own_identity"))
    clinical = fresh.filter(pl.col("type") != "Patient")["identity_id"].drop_nulls().unique()
    waiting = pl.Series(_waiting(clinical.to_list()), dtype=pl.Int64).implode()
    waits = pl.col("identity_id").is_in(waiting).fill_null(False) & (pl.col("type") != "Patient")
    return fresh.with_columns(waits=waits), upserted["identity_id"].to_list()


def _upsert_persons(fresh: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """source_id, source_key, identity_id of persons whose resource is new or changed; known ones say nothing new.

    Events may have come before their person under the id of his Patient: that stub is then described too, and the
    index of residents finds that the two are one.
    """
    nobody = pl.DataFrame(schema={"source_id": pl.Int64, "source_key": pl.Utf8, "identity_id": pl.Int64})
    sources = fresh.select("source", "source_id").unique()
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
