"""The FHIR store and the ledger: prepared frames in, set by set, inside the caller's transaction.

Ids are functions of what the source calls a thing, so nothing is looked up to know them: one indexed query tells new
from known, COPY writes the new, a correction keeps the old version and supersedes its events. Bodies are stored as
they are served; the store writes their head (`meta.versionId`, `meta.lastUpdated`), the sender's part is untouched.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from healthbrain.county import actions as county
from healthbrain.kernel import bus, db
from healthbrain.kernel.copying import copy_frame, copy_frames
from healthbrain.kernel.ids import uuid_array
from healthbrain.records import lake
from healthbrain.records.events import EventsRecorded
from healthbrain.records.intake.prepared import SEPARATOR, Prepared
from healthbrain.records.known import People, known, settled
from healthbrain.records.rules import index
from healthbrain.records.whose import with_identities

DUPLICATE, STORED, WAITING = "duplicate", "stored", "waiting"  # in the order of the alphabet: the last one counts
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

    at: dt.datetime  # when what was written says it was
    ends: dict[int, dict[str, int]] = field(default_factory=dict)  # batch → how its rows ended → how many
    new_persons: list[int] = field(default_factory=list)  # identities to match
    identity_ids: list[int] = field(default_factory=list)  # whose ledger changed
    people: People = field(default_factory=People)  # looked up so far
    turn: Callable[[], bool] = bool
    codes: set[str] | None = field(default_factory=set)  # of their new events; None when others changed or went
    rows: list[pl.DataFrame] = field(default_factory=list)  # key and version of what was written

    @property
    def versions(self) -> dict[bytes, int]:
        """Key → version of what was written."""
        return {key: version for frame in self.rows for key, version in frame.iter_rows()}


def write(
    prepared: Prepared,
    *,
    now: dt.datetime,
    organisation_id: int | None = None,
    identity_id: int | None = None,
    people: People | None = None,
    turn: Callable[[], bool] = bool,
) -> Written:
    """Store one prepared chunk. Call inside a transaction; IntegrityError means another writer was first: try again.

    `organisation_id` is taken for events that name no organisation when their source has none of its own;
    `identity_id` says whose all of it is, when the caller knows (a form at the desk); `people` are those an intake has
    looked up in earlier chunks; `turn` waits until the chunk before is committed, and says whether it had to: it is
    called before anything two chunks may both want.
    Cost: four statements for any number of new rows, and those of `EventsRecorded`; a few more for corrections, and for
    people and places nobody has spoken of before.
    """
    written = Written(now, people=people or People(), turn=turn)
    prepared = _keys_fit(prepared)
    rounds = [prepared.resources] if len(prepared.resources) else []
    if prepared.resources["key"].n_unique() < len(prepared.resources):
        rounds = _rounds(prepared.resources)  # a row sent twice made its events twice, too
        prepared = replace(prepared, events=prepared.events.unique(maintain_order=True))
    ends: list[pl.DataFrame] = []
    for resources in rounds:
        ends.append(_write_round(resources, prepared, now, organisation_id, identity_id, written))
    written.ends = _counted(prepared.resources, ends)
    turn()
    if written.identity_ids:
        written.identity_ids = sorted(set(written.identity_ids))
        codes = None if written.codes is None else frozenset(written.codes)
        bus.publish(EventsRecorded(written.identity_ids, codes))
    return written


def _keys_fit(prepared: Prepared) -> Prepared:
    """What a source calls people and places, short enough for an index: very long ones end in a hash of the whole."""
    return replace(
        prepared,
        resources=_clipped(prepared.resources, "person"),
        persons=_clipped(prepared.persons, "source_key", "alias"),
        events=_clipped(prepared.events, "organisation"),
    )


def _clipped(frame: pl.DataFrame, *keys: str) -> pl.DataFrame:
    if frame.is_empty():
        return frame
    longest = frame.select(pl.max_horizontal(pl.col(*keys).str.len_bytes().max())).item()
    if (longest or 0) <= index.LONGEST:
        return frame
    return frame.with_columns(
        pl.when(pl.col(key).str.len_chars() > index.LONGEST)
        .then(pl.col(key).map_elements(index.clip, return_dtype=pl.Utf8))
        .otherwise(key)
        .alias(key)
        for key in keys
    )


def _rounds(resources: pl.DataFrame) -> list[pl.DataFrame]:
    """One frame a version: a chunk that holds two versions of one resource is written in two rounds, in its order."""
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
    """Write one version of each resource; (batch_id, row, end) of those that say something new."""
    found = known(resources, written.people)
    if not settled(resources, found) and written.turn():
        found = known(resources, written.people)
    resources = resources.hstack(found)
    fresh = resources
    if resources["version"].null_count() < len(resources):
        same = ((pl.col("known_hash") == pl.col("hash")) | pl.col("weak")) & ~pl.col("deleted")
        fresh = resources.filter(~same.fill_null(False))
    if fresh.is_empty():
        return fresh.select("batch_id", "row", end=pl.lit(DUPLICATE))
    if fresh["source_id"].null_count():
        fresh = _with_new_sources(fresh)
    if identity_id is not None:
        fresh = fresh.with_columns(identity_id=pl.lit(identity_id, pl.Int64), waits=pl.lit(False))
    else:
        fresh, described = with_identities(fresh, prepared.persons)
        written.new_persons += described
    if fresh["version"].null_count() < len(fresh):
        fresh = _correct(fresh, prepared.events, written, organisation_id)
        written.codes = None
    else:
        fresh = fresh.with_columns(version=pl.lit(1, pl.Int32))
        events = _events(fresh, prepared.events, written, organisation_id)
        if written.codes is not None:
            written.codes |= set(events["code"].unique())
        copy_frames(("records_resource", _rows(fresh, now)), ("records_event", events))
    written.identity_ids += fresh["identity_id"].drop_nulls().unique().to_list()
    written.rows.append(fresh.select("key", "version"))
    ends = pl.when(pl.col("waits")).then(pl.lit(WAITING)).otherwise(pl.lit(STORED))
    return fresh.select("batch_id", "row", end=ends)


def _correct(fresh: pl.DataFrame, events: pl.DataFrame, written: Written, organisation_id: int | None) -> pl.DataFrame:
    """Write rows some of which are there already: the new versions' numbers are in what comes back."""
    now = written.at
    there = pl.col("known_hash").is_not_null()
    keys = fresh.filter(there)["key"].to_list()
    fresh = fresh.drop("version").join(_locked(keys), on="key", how="left", maintain_order="left")
    fresh = fresh.with_columns(version=pl.col("version").fill_null(0) + 1)
    before, point = standing(keys), _last_event_id()
    _replace(fresh.filter(there), now)
    told = _events(fresh, events, written, organisation_id)
    copy_frames(("records_resource", _rows(fresh.filter(~there), now)), ("records_event", told))
    supersede(before, _newer(keys, point), now=now)
    return fresh


# --- sources, locks ---------------------------------------------------------------------------------------------------


def _with_new_sources(fresh: pl.DataFrame) -> pl.DataFrame:
    """Sources nobody has heard of register themselves."""
    found = county.sources(fresh.filter(pl.col("source_id").is_null())["source"].unique())
    return fresh.with_columns(
        pl.coalesce("source_id", pl.col("source").replace_strict(found, default=None, return_dtype=pl.Int64))
    )


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
    made = {
        "updated": pl.lit(now),
        "body": head,
        "content_hash": pl.col("hash"),
        "deleted": pl.lit(False),
        "tokens": tokens,
    }
    return fresh.select(made.get(n, pl.col(n)).cast(kind).alias(n) for n, kind in RESOURCE_COLUMNS.items())


def _replace(changed: pl.DataFrame, now: dt.datetime) -> None:
    """Keep the current version in the history, then put the new one in its place."""
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


def _events(fresh: pl.DataFrame, events: pl.DataFrame, written: Written, organisation_id: int | None) -> pl.DataFrame:
    """The ledger rows of these resource versions, as the table has them."""
    owned = fresh.lazy().select("key", "hash", "identity_id", "home_id", "batch_id")
    joined = events.lazy().join(owned, on=["key", "hash"], how="inner", maintain_order="left")
    rows = joined.filter(pl.col("identity_id").is_not_null()).collect()
    codes = set(rows["organisation"].drop_nulls().unique()) - {""}
    known = written.people.organisations(codes, written.turn) if codes else {}
    named = pl.col("organisation").replace_strict(known, default=None, return_dtype=pl.Int64)
    made = {
        "organisation_id": pl.coalesce(named, "home_id", pl.lit(organisation_id, pl.Int64)),
        "resource": pl.col("key"),
        "recorded": pl.lit(written.at),
    }
    if len(rows):
        lake.announce()
    return rows.select(made.get(n, pl.col(n)).cast(kind).alias(n) for n, kind in EVENT_COLUMNS.items())


_TOLD: dict[str, Any] = {"event_id": pl.Int64, "resource": pl.Binary, "kind": pl.Utf8, "code": pl.Utf8}


def standing(keys: Sequence[bytes]) -> pl.DataFrame:
    """The events of these resources that hold, as the resources are now: event_id, resource, kind, code.

    Events have no index by resource, which every row of a bulk load would pay for: they stand with whom the resource
    is about. Cost: one look into the index of resources a key, one range of the ledger's a person.
    """
    rows = db.select(
        """SELECT e.id, uuid_send(e.resource), e.kind, e.code
           FROM (SELECT DISTINCT identity_id FROM records_resource WHERE key = ANY(%(keys)s::uuid[])) whose
           JOIN records_event e USING (identity_id)
           JOIN unnest(%(keys)s::uuid[]) AS asked(key) ON asked.key = e.resource
           WHERE NOT EXISTS (SELECT FROM records_superseded s WHERE s.event_id = e.id)""",
        {"keys": uuid_array(keys)},
    )
    return pl.DataFrame(rows, schema=_TOLD, orient="row")


def _last_event_id() -> int:
    """Where the sequence of events stands; what is written from now on comes after it."""
    return int(db.select("SELECT last_value FROM records_event_id_seq")[0][0])


def _newer(keys: Sequence[bytes], after: int) -> pl.DataFrame:
    """The events of these resources written since the sequence stood at `after`."""
    rows = db.select(
        """SELECT id, uuid_send(resource), kind, code FROM records_event
           WHERE id > %s AND resource = ANY(%s::uuid[])""",
        (after, uuid_array(keys)),
    )
    return pl.DataFrame(rows, schema=_TOLD, orient="row")


def supersede(events: pl.DataFrame, newer: pl.DataFrame | None = None, *, now: dt.datetime) -> None:
    """Mark `events` (as `standing` gives them) superseded, by the first of `newer` that says the same of them."""
    newer = pl.DataFrame(schema=_TOLD) if newer is None else newer
    same = ["resource", "kind", "code"]
    first = newer.group_by(same).agg(by_event_id=pl.col("event_id").min())
    found = events.join(first, on=same, how="left").select("event_id", "by_event_id", recorded=pl.lit(now).cast(MOMENT))
    copy_frame("records_superseded", found)


# --- counting ---------------------------------------------------------------------------------------------------------


def _counted(resources: pl.DataFrame, ends: list[pl.DataFrame]) -> dict[int, dict[str, int]]:
    """How many rows of each batch ended how: waiting if any resource of the row waits, stored if any is new."""
    rows = resources.lazy().select("batch_id", "row", end=pl.lit(DUPLICATE))
    each = pl.concat([rows, *(end.lazy() for end in ends)]).group_by("batch_id", "row").agg(pl.col("end").max())
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for batch_id, end, count in each.group_by("batch_id", "end").len().collect().iter_rows():
        found[batch_id][end] = count
    return found
