"""The FHIR store and the ledger: prepared frames in, set by set, inside the caller's transaction.

Ids are functions of what the source calls a thing, so nothing is looked up to know them: one indexed query tells new
from known, COPY writes the new, a correction keeps the old version and supersedes its events. Bodies are stored as
they are served; the store writes their head (`meta.versionId`, `meta.lastUpdated`), the sender's part is untouched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from healthbrain.county import actions as county
from healthbrain.kernel import bus, db
from healthbrain.kernel.copying import copy_frame
from healthbrain.kernel.ids import uuid_array
from healthbrain.records import lake
from healthbrain.records.events import EventsRecorded
from healthbrain.records.intake.prepared import SEPARATOR, Prepared
from healthbrain.records.rules import index
from healthbrain.records.whose import with_identities

STORED, WAITING, DUPLICATE = "stored", "waiting", "duplicate"
MOMENT = pl.Datetime("us", "UTC")
RESOURCE_COLUMNS: dict[str, Any] = {  # as the table has them: binary COPY converts nothing
    "key": pl.Binary,
    "type": pl.Utf8,
    "id": pl.Utf8,
    "version": pl.Int32,
    "updated": MOMENT,
    "source_id": pl.Int64,
    "batch_id": pl.Int64,
    "identity_id": pl.Int64,
    "at": pl.Datetime("us"),
    "content_hash": pl.Binary,
    "deleted": pl.Boolean,
    "tokens": pl.List(pl.Utf8),
    "body": pl.Utf8,
}
EVENT_COLUMNS: dict[str, Any] = {
    "identity_id": pl.Int64,
    "kind": pl.Utf8,
    "code": pl.Utf8,
    "at": pl.Datetime("us"),
    "value": pl.Float64,
    "unit": pl.Utf8,
    "text": pl.Utf8,
    "flag": pl.Int16,
    "organisation_id": pl.Int64,
    "resource": pl.Binary,
    "batch_id": pl.Int64,
    "recorded": MOMENT,
}


@dataclass(slots=True)
class Written:
    """How the rows of one prepared chunk ended."""

    ends: pl.DataFrame = field(default_factory=pl.DataFrame)  # batch_id, row, end
    new_persons: list[int] = field(default_factory=list)  # identities to match
    identity_ids: list[int] = field(default_factory=list)  # whose ledger changed
    versions: dict[bytes, int] = field(default_factory=dict)  # key → version, of what was written


def write(
    prepared: Prepared, *, now: dt.datetime, organisation_id: int | None = None, identity_id: int | None = None
) -> Written:
    """Store one prepared chunk. Call inside a transaction; IntegrityError means another writer was first: try again.

    `organisation_id` is taken for events that name no organisation when their source has none of its own;
    `identity_id` says whose all of it is, when the caller knows (a form at the desk).
    Cost: about ten statements for any number of rows.
    """
    written = Written()
    prepared = _keys_fit(prepared)
    if prepared.resources["key"].n_unique() < len(prepared.resources):  # a row sent twice made its events twice
        prepared = replace(prepared, events=prepared.events.unique(maintain_order=True))
    ends: list[pl.DataFrame] = []
    for resources in _rounds(prepared.resources):
        ends.append(_write_round(resources, prepared, now, organisation_id, identity_id, written))
    written.ends = _counted(prepared.resources, ends)
    if written.identity_ids:
        written.identity_ids = sorted(set(written.identity_ids))
        bus.publish(EventsRecorded(written.identity_ids))
    return written


def _keys_fit(prepared: Prepared) -> Prepared:
    """What a source calls people and places, short enough for an index: very long ones end in a hash of the whole."""
    columns = {"resources": ("person",), "persons": ("source_key", "alias"), "events": ("organisation",)}
    changed = {}
    for name, keys in columns.items():
        frame: pl.DataFrame = getattr(prepared, name)
        if any((frame[key].str.len_chars().max() or 0) > index.LONGEST for key in keys):
            changed[name] = frame.with_columns(
                pl.when(pl.col(key).str.len_chars() > index.LONGEST)
                .then(pl.col(key).map_elements(index.clip, return_dtype=pl.Utf8))
                .otherwise(key)
                .alias(key)
                for key in keys
            )
    return replace(prepared, **changed) if changed else prepared


def _rounds(resources: pl.DataFrame) -> list[pl.DataFrame]:
    """One frame a version: a chunk that holds two versions of one resource is written in two rounds, in its order."""
    if resources.is_empty():
        return []
    if resources["key"].n_unique() == len(resources):
        return [resources]
    fresh = resources.filter((pl.col("hash") != pl.col("hash").shift(1).over("key")).fill_null(True))
    numbered = fresh.with_columns(pl.int_range(pl.len()).over("key").alias("nth")).filter(
        ~pl.col("weak") | (pl.col("nth") == 0)
    )
    return [part.drop("nth") for _, part in sorted(numbered.group_by("nth"), key=lambda item: item[0])]


def _write_round(
    resources: pl.DataFrame,
    prepared: Prepared,
    now: dt.datetime,
    organisation_id: int | None,
    identity_id: int | None,
    written: Written,
) -> pl.DataFrame:
    """Write one version of each resource; (batch_id, row, end) of all of them."""
    known = _known(resources["key"].to_list())
    resources = resources.join(known, on="key", how="left", maintain_order="left")
    same = ((pl.col("known_hash") == pl.col("hash")) | pl.col("weak")) & ~pl.col("deleted")
    fresh = resources.filter(~same.fill_null(False))
    if fresh.is_empty():
        return resources.select("batch_id", "row", pl.lit(DUPLICATE).alias("end"))
    sources = county.sources(fresh["source"].unique())
    source_table = pl.DataFrame({"source": list(sources), "source_id": list(sources.values())})
    fresh = fresh.join(source_table, on="source", how="left", maintain_order="left")
    if identity_id is not None:
        fresh = fresh.with_columns(pl.lit(identity_id, pl.Int64).alias("identity_id"), pl.lit(False).alias("waits"))
    else:
        fresh, described = with_identities(fresh, prepared.persons, source_table)
        written.new_persons += described
    changed = fresh.filter(pl.col("known_hash").is_not_null())
    if len(changed):
        fresh = fresh.drop("version").join(
            _locked(changed["key"].to_list()), on="key", how="left", maintain_order="left"
        )
        changed = fresh.filter(pl.col("known_hash").is_not_null())
    fresh = fresh.with_columns((pl.col("version").fill_null(0) + 1).alias("version"))
    last_event = _withdraw_point(changed)
    _put(fresh.filter(pl.col("known_hash").is_null()), now)
    _replace(fresh.filter(pl.col("known_hash").is_not_null()), now)
    _record(fresh, prepared.events, now, organisation_id)
    if len(changed):
        supersede(changed["key"].to_list(), before=last_event, now=now)
    written.identity_ids += fresh["identity_id"].drop_nulls().unique().to_list()
    written.versions |= dict(zip(fresh["key"], fresh["version"], strict=True))
    ends = pl.when(pl.col("waits")).then(pl.lit(WAITING)).otherwise(pl.lit(STORED))
    new = fresh.select("batch_id", "row", ends.alias("end"))
    return pl.concat(
        [new, resources.filter(same.fill_null(False)).select("batch_id", "row", pl.lit(DUPLICATE).alias("end"))]
    )


# --- what is there already --------------------------------------------------------------------------------------------


def _known(keys: Sequence[bytes]) -> pl.DataFrame:
    rows = db.select(
        "SELECT uuid_send(key), content_hash, version, deleted, identity_id FROM records_resource"
        " WHERE key = ANY(%s::uuid[])",
        (uuid_array(keys),),
    )
    schema = {
        "key": pl.Binary,
        "known_hash": pl.Binary,
        "version": pl.Int32,
        "deleted": pl.Boolean,
        "known_identity": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _locked(keys: Sequence[bytes]) -> pl.DataFrame:
    """Current versions, locked in key order, so that two corrections of one resource follow each other."""
    rows = db.select(
        "SELECT uuid_send(key), version FROM records_resource WHERE key = ANY(%s::uuid[]) ORDER BY key FOR UPDATE",
        (uuid_array(keys),),
    )
    return pl.DataFrame(rows, schema={"key": pl.Binary, "version": pl.Int32}, orient="row")


# --- writing ----------------------------------------------------------------------------------------------------------


def _rows(fresh: pl.DataFrame, now: dt.datetime) -> pl.DataFrame:
    head = pl.concat_str(
        pl.lit('{"resourceType":"'),
        "type",
        pl.lit('","id":"'),
        "id",
        pl.lit('","meta":{"versionId":"'),
        pl.col("version").cast(pl.Utf8),
        pl.lit(f'","lastUpdated":"{now.isoformat(timespec="milliseconds")}"'),
        "tail",
    )
    several = pl.col("tokens").str.split(SEPARATOR)
    tokens = pl.when(pl.col("tokens") == "").then(pl.lit([], pl.List(pl.Utf8))).otherwise(several)
    made = fresh.with_columns(
        pl.lit(now).alias("updated"),
        head.alias("body"),
        pl.col("hash").alias("content_hash"),
        pl.lit(False).alias("deleted"),
        tokens.alias("tokens"),
    )
    return made.select(pl.col(name).cast(kind) for name, kind in RESOURCE_COLUMNS.items())


def _put(new: pl.DataFrame, now: dt.datetime) -> None:
    if len(new):
        copy_frame("records_resource", _rows(new, now))


def _replace(changed: pl.DataFrame, now: dt.datetime) -> None:
    """Keep the current version in the history, then put the new one in its place."""
    if changed.is_empty():
        return
    keep_versions(changed["key"].to_list())
    db.execute("CREATE TEMP TABLE IF NOT EXISTS incoming_resource (LIKE records_resource) ON COMMIT DROP")
    db.execute("TRUNCATE incoming_resource")
    copy_frame("incoming_resource", _rows(changed, now))
    columns = ", ".join(f"{c} = n.{c}" for c in RESOURCE_COLUMNS if c not in {"key", "type", "id"})
    db.execute(f"UPDATE records_resource r SET {columns} FROM incoming_resource n WHERE r.key = n.key")


def keep_versions(keys: Sequence[bytes]) -> None:
    """Copy the current version of each resource into the history."""
    db.execute(
        """INSERT INTO records_resourceversion (key, version, updated, deleted, batch_id, body)
           SELECT key, version, updated, deleted, batch_id, body FROM records_resource WHERE key = ANY(%s::uuid[])
           ON CONFLICT (key, version) DO NOTHING""",
        (uuid_array(keys),),
    )


def _record(fresh: pl.DataFrame, events: pl.DataFrame, now: dt.datetime, organisation_id: int | None) -> None:
    """The ledger rows of these resource versions."""
    owned = fresh.filter(pl.col("identity_id").is_not_null()).select(
        "key", "hash", "identity_id", "source_id", "batch_id"
    )
    rows = events.join(owned, on=["key", "hash"], how="inner", maintain_order="left")
    if rows.is_empty():
        return
    codes = rows["organisation"].drop_nulls().unique().to_list()
    known = county.organisation_stubs(codes) if codes else {}
    named = pl.DataFrame(
        {"organisation": list(known), "named_id": list(known.values())},
        schema={"organisation": pl.Utf8, "named_id": pl.Int64},
    )
    rows = rows.join(named, on="organisation", how="left", maintain_order="left")
    rows = rows.join(
        _home_of_sources(rows["source_id"].unique().to_list()), on="source_id", how="left", maintain_order="left"
    )
    organisation = pl.coalesce("named_id", "home_id", pl.lit(organisation_id, pl.Int64))
    rows = rows.with_columns(
        organisation.alias("organisation_id"),
        pl.col("key").alias("resource"),
        pl.lit(now).alias("recorded"),
    )
    lake.announce()
    copy_frame("records_event", rows.select(pl.col(name).cast(kind) for name, kind in EVENT_COLUMNS.items()))


def _home_of_sources(source_ids: Sequence[int]) -> pl.DataFrame:
    rows = db.select("SELECT id, organisation_id FROM county_source WHERE id = ANY(%s)", (list(source_ids),))
    return pl.DataFrame(rows, schema={"source_id": pl.Int64, "home_id": pl.Int64}, orient="row")


def _withdraw_point(changed: pl.DataFrame) -> int:
    """The newest event id before the correction's own: what is at or below it is superseded."""
    if changed.is_empty():
        return 0
    row = db.select(
        "SELECT coalesce(max(id), 0) FROM records_event WHERE resource = ANY(%s::uuid[])", (uuid_array(changed["key"]),)
    )
    return int(row[0][0])


def supersede(keys: Sequence[bytes], *, before: int | None, now: dt.datetime) -> int:
    """Mark the current events of these resources superseded, by their successor of the same kind and code if any.

    `before`: events with a greater id are the successors; None withdraws all. Returns how many were superseded.
    """
    return db.execute(
        """INSERT INTO records_superseded (event_id, by_event_id, recorded)
           SELECT o.id, min(n.id), %(now)s
           FROM records_event o
           LEFT JOIN records_superseded s ON s.event_id = o.id
           LEFT JOIN records_event n ON n.resource = o.resource AND n.id > %(before)s
                AND n.kind = o.kind AND n.code = o.code
           WHERE o.resource = ANY(%(keys)s::uuid[]) AND s.event_id IS NULL AND o.id <= %(before)s
           GROUP BY o.id""",
        {"now": now, "keys": uuid_array(keys), "before": before if before is not None else 2**62},
    )


# --- counting ---------------------------------------------------------------------------------------------------------


def _counted(resources: pl.DataFrame, ends: list[pl.DataFrame]) -> pl.DataFrame:
    """(batch_id, row, end), each row once: waiting if any of its resources waits, stored if any is new."""
    rows = resources.select(
        "batch_id", "row", pl.lit(DUPLICATE).alias("end")
    )  # a repeat within the chunk has no end of its own
    rank = {DUPLICATE: 0, STORED: 1, WAITING: 2}
    ranked = pl.concat([rows, *ends]).with_columns(
        pl.col("end").replace_strict(rank, return_dtype=pl.Int8).alias("rank")
    )
    best = ranked.group_by("batch_id", "row").agg(pl.col("rank").max())
    return best.select("batch_id", "row", pl.col("rank").replace_strict({v: k for k, v in rank.items()}).alias("end"))
