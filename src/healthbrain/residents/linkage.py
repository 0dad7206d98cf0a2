"""How well the matcher finds planted duplicates: precision and recall against known truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from healthbrain.residents import pairs, persons, train
from healthbrain.residents.rules import decide, id_number
from healthbrain.residents.rules.clusters import Edge, cluster
from healthbrain.residents.settle import Scored, ask_about_twins, rivals


def _read(source: Path | str | pl.DataFrame) -> pl.DataFrame:
    if isinstance(source, pl.DataFrame):
        return source
    return pl.read_parquet(source) if str(source).endswith(".parquet") else pl.read_csv(source, infer_schema_length=0)


def _prepared(frame: pl.DataFrame, *, without_id_number: bool) -> pl.DataFrame:
    if "id" not in frame.columns:
        frame = frame.with_row_index("id", offset=1)
    frame = frame.with_columns(pl.col("id").cast(pl.Int64))
    if frame.schema["birth_date"] == pl.Utf8:
        frame = frame.with_columns(pl.col("birth_date").str.to_date(strict=False))
    if without_id_number or "id_number" not in frame.columns:
        return frame.with_columns(id_number=pl.lit(None, pl.Utf8), id_number_raw=pl.lit(None, pl.Utf8))
    parsed = [id_number.parse(text) for text in frame["id_number"]]
    numbers = pl.Series("id_number", [number.number if number else None for number in parsed], dtype=pl.Utf8)
    return frame.with_columns(numbers, id_number_raw=pl.col("id_number"))


def cluster_frame(people: pl.DataFrame, model: decide.Model) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Clusters of a frame of Person columns, all new: (id, root) and the scored pairs."""
    counts = people.filter(pl.col("pinyin") != "")["pinyin"].value_counts().rename({"count": "bearers"})
    population = decide.Population(people.height, {})
    connection = persons.connect()
    load_people(connection, people.join(counts, on="pinyin", how="left"))
    scored = pairs.score(connection, model, population)
    rows = scored.select("a", "b", "total", "decision", "code", "veto").iter_rows()
    found_pairs = [Scored(a, b, None, total, "", d == "link", code, 0.0, veto) for a, b, total, d, code, veto in rows]
    sure = ask_about_twins(found_pairs, set(people.filter(pl.col("name") == "")["id"]))
    own = people.filter(pl.col("own"))
    found = cluster(
        (Edge(p.left, p.right, p.weight, p.nameless) for p in sure if p.link),
        numbers=dict(own.select("id", "number").iter_rows()),
        births=dict(people.filter(pl.col("born") != "").select("id", "born").iter_rows()),
        foes={},
        rivals=rivals(sure),
    )
    roots = pl.DataFrame(
        {"id": list(found.root_of), "root": list(found.root_of.values())}, schema={"id": pl.Int64, "root": pl.Int64}
    )
    return people.select("id").join(roots, on="id", how="left").with_columns(pl.coalesce("root", "id")), scored


def load_people(connection: duckdb.DuckDBPyConnection, people: pl.DataFrame, *, append: bool = False) -> None:
    """Table `person` of a DuckDB connection from a frame of Person columns with `bearers`."""
    frame = people.with_columns(pl.col("bearers").fill_null(1))
    if "is_new" not in frame.columns:
        frame = frame.with_columns(is_new=pl.lit(True))
    connection.register("person_frame", frame.to_arrow())
    if append:
        connection.execute("INSERT INTO person BY NAME SELECT * FROM person_frame")
    else:
        connection.execute("CREATE OR REPLACE TEMP TABLE person AS SELECT * FROM person_frame")
    connection.unregister("person_frame")


def _pairs_of(groups: pl.Series) -> int:
    sizes = groups.value_counts()["count"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


def linkage_report(
    identities: Path | str | pl.DataFrame,
    labels: Path | str | pl.DataFrame | None = None,
    *,
    without_id_number: bool = False,
) -> dict[str, Any]:
    """Precision and recall over all pairs of one person's identities, and over the planted duplicates.

    `identities`: columns of the persons template, optional `id`. `labels`: columns id, person, and optionally kind
    (the planted error; empty for a first registration); None when `identities` holds them.
    """
    started = time.perf_counter()
    frame = _prepared(_read(identities), without_id_number=without_id_number)
    truth = frame if labels is None else _read(labels).with_columns(pl.col("id").cast(pl.Int64))
    people = persons.persons(frame.select(pl.exclude("person", "kind")))
    found, scored = cluster_frame(people, train.load())
    joined = found.join(truth.select(pl.col("id", *[c for c in ("person", "kind") if c in truth.columns])), on="id")
    right = _pairs_of(joined.select(pl.concat_str("root", "person", separator="/"))["root"])
    linked, true = _pairs_of(joined["root"]), _pairs_of(joined["person"])
    report: dict[str, Any] = {
        "identities": frame.height,
        "pairs": true,
        "linked_pairs": linked,
        "precision": right / linked if linked else 1.0,
        "recall": right / true if true else 1.0,
        "reviews": int((scored["decision"] == "ask").sum()),
        "without_id_number": without_id_number,
    }
    if "kind" in joined.columns:
        report |= _planted(joined)
    return report | {"seconds": round(time.perf_counter() - started, 2)}


def _planted(joined: pl.DataFrame) -> dict[str, Any]:
    """Of the planted duplicates: how many ended with their person's first registrations, by kind of error."""
    main = joined.filter(pl.col("kind").fill_null("") == "").select("person", "root").unique()
    planted = joined.filter((pl.col("kind").fill_null("") != "") & pl.col("person").is_in(main["person"].implode()))
    hits = planted.join(main.with_columns(hit=True), on=["person", "root"], how="left").with_columns(
        pl.col("hit").fill_null(False)
    )
    by_kind = hits.group_by("kind").agg(pl.len().alias("n"), pl.col("hit").mean()).sort("kind")
    return {
        "planted": hits.height,
        "planted_recall": float(hits["hit"].mean() or 0.0),  # type: ignore[arg-type]
        "by_kind": {kind: (n, round(hit, 3)) for kind, n, hit in by_kind.iter_rows() if "+" not in kind},
    }
