"""What is there already of the rows that come in: the resources themselves, and the people they speak of."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import polars as pl

from healthbrain.county import actions as county
from healthbrain.kernel import db
from healthbrain.kernel.ids import uuid_array

_HELD: dict[str, Any] = {
    "known_hash": pl.Binary,
    "version": pl.Int32,
    "deleted": pl.Boolean,
    "known_identity": pl.Int64,  # whose the resource is
}
_WHO: dict[str, Any] = {"source": pl.Utf8, "person": pl.Utf8, "patient": pl.Binary}
_WHOSE: dict[str, Any] = {
    "source_id": pl.Int64,
    "home_id": pl.Int64,  # the organisation the source speaks for
    "held_identity": pl.Int64,  # whose the Patient resource is that it refers to
    "own_identity": pl.Int64,  # what the source calls the person
    "waits": pl.Boolean,  # whether nobody has described that person yet
}


class People:
    """Those one intake has looked up, so that each chunk asks for new ones only.

    Kept is who was described, and whose Patient we hold where a row names one: no row that comes later changes that.
    Organisations too. Chunks that are written at the same time share it.
    """

    def __init__(self) -> None:
        self._one_at_a_time = Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew: a transaction was taken back, and what it had read may not be there."""
        self._kept = pl.DataFrame(schema=_WHO | _WHOSE)
        self._organisations: dict[str, int] = {}

    def organisations(self, codes: set[str], turn: Callable[[], bool]) -> dict[str, int]:
        """Their ids by code. Those nobody has named before register themselves."""
        if not codes <= self._organisations.keys():
            turn()
            self._organisations = self._organisations | county.organisation_stubs(codes)
        return self._organisations

    def found(self, people: pl.DataFrame) -> pl.DataFrame:
        """The columns of _WHOSE beside those of _WHO, in any order."""
        with self._one_at_a_time:
            return self._found(people)

    def _found(self, people: pl.DataFrame) -> pl.DataFrame:
        seen = people.join(self._kept, on=list(_WHO), how="left", nulls_equal=True)
        new = seen.filter(pl.col("source_id").is_null()).select(list(_WHO))
        if new.is_empty():
            return seen
        asked = new.hstack(_looked_up(new.with_columns(key=pl.lit(None, pl.Binary))).select(list(_WHOSE)))
        whose = pl.when(pl.col("patient").is_null()).then("own_identity").otherwise("held_identity")
        settled = pl.col("source_id").is_not_null() & whose.is_not_null() & ~pl.col("waits")
        self._kept = pl.concat([self._kept, asked.filter(settled)])
        return pl.concat([seen.filter(pl.col("source_id").is_not_null()), asked])


def known(resources: pl.DataFrame, people: People) -> pl.DataFrame:
    """What is there already, for each row. Of many rows, most are new and speak of the same people."""
    if len(resources) <= db.FEW:
        return _looked_up(resources)
    who = people.found(resources.select(list(_WHO)).unique())
    keys = "{" + resources["key"].bin.encode("hex").str.join(",").item() + "}"
    rows = db.prepared(
        """SELECT uuid_send(key), content_hash, version, deleted, identity_id FROM records_resource
           WHERE key = ANY(%s::uuid[])""",
        (keys,),
    )
    there = pl.DataFrame(rows, schema={"key": pl.Binary} | _HELD, orient="row")
    found = resources.select("key", *_WHO).join(there, on="key", how="left", maintain_order="left")
    found = found.join(who, on=list(_WHO), how="left", maintain_order="left", nulls_equal=True)
    return found.select(*_HELD, *_WHOSE)


def settled(resources: pl.DataFrame, found: pl.DataFrame) -> bool:
    """Whether all rows are new and speak of people and sources that are there: no other chunk may want them too."""
    if found["version"].null_count() < len(found) or found["source_id"].null_count():
        return False
    nobody = found["held_identity"].is_null() & found["own_identity"].is_null() & resources["person"].is_not_null()
    return not ((nobody | found["waits"]) & (resources["type"] != "Patient")).any()


def _looked_up(resources: pl.DataFrame) -> pl.DataFrame:
    """The same in one statement, a few index look-ups a row."""
    rows = db.prepared(
        """SELECT r.content_hash, r.version, r.deleted, r.identity_id, s.id, s.organisation_id, p.identity_id, i.id,
                  coalesce(w.name = '' AND w.id_number IS NULL AND w.birth_date IS NULL
                           AND NOT EXISTS (SELECT FROM residents_link l WHERE l.identity_id = w.id), false)
           FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[])
                WITH ORDINALITY AS n(key, source, person, patient, nth)
           LEFT JOIN records_resource r ON r.key = n.key
           LEFT JOIN county_source s ON s.code = n.source
           LEFT JOIN records_resource p ON p.key = n.patient
           LEFT JOIN residents_identity i ON i.source_id = s.id AND i.source_key = n.person
           LEFT JOIN residents_identity w ON w.id = coalesce(p.identity_id, i.id)
           ORDER BY n.nth""",
        (
            uuid_array(resources["key"]),
            resources["source"].to_list(),
            resources["person"].to_list(),
            uuid_array(resources["patient"]),
        ),
    )
    columns = zip(*rows, strict=True)
    return pl.DataFrame([pl.Series(n, c, dtype=k) for (n, k), c in zip((_HELD | _WHOSE).items(), columns, strict=True)])
