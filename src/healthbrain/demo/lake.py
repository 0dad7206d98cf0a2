"""The compact county for benchmarks: the lake's tables written directly, and identities for the matcher."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from healthbrain.demo.block import Block, make_block
from healthbrain.demo.care_use import DRUGS
from healthbrain.demo.geography import County, county
from healthbrain.demo.identities import make_identities
from healthbrain.demo.parameters import Parameters, parameters
from healthbrain.demo.people import make_people
from healthbrain.demo.sheets import moments
from healthbrain.demo.story import CLASS, CLASSES, CODES, DAY, REFERRALS, TEXTS, TYPES, UNITS
from healthbrain.demo.streams import BLOCK, blocks, over_blocks, stream

CHANNEL_COUNT = 5  # identity ids: person × 5 + channel + 1
PER_BLOCK = 10_000_000
PREFIXED = {"conditions": "icd10|", "immunizations": "vaccine|", "procedures": "icd9cm3|"}
SCHEMA: dict[str, Any] = {
    "id": pl.Int64,
    "identity_id": pl.Int64,
    "kind": pl.String,
    "code": pl.String,
    "at": pl.Datetime("us"),
    "value": pl.Float64,
    "unit": pl.String,
    "text": pl.String,
    "flag": pl.Int16,
    "organisation_id": pl.Int64,
    "resource": pl.String,
    "batch_id": pl.Int64,
    "recorded": pl.Datetime("us"),
}


def generate_lake(
    folder: Path, *, residents: int = 1_650_000, seed: int = 1, workers: int = 2, as_of: date, block_size: int = BLOCK
) -> dict[str, int]:
    """Writes event/, superseded/, link.parquet, resident.parquet; returns rows by table and kind.

    The truth as if it had been recorded without error: what facts and programmes are timed on, not intake. Resident ids
    are person + 1, organisation ids the row of the register + 1; `resource` is null: no FHIR stands behind.
    """
    p = parameters()
    where = county(p, residents, stream(seed, "county", 0))
    for name in ("event", "superseded", "people", "links"):
        (folder / name).mkdir(parents=True, exist_ok=True)

    def work(number: int, first: int, count: int) -> dict[str, int]:
        block = make_block(p, where, seed, as_of, number, first, count)
        return _write(folder, where, block)

    rows: dict[str, int] = {}
    for counts in over_blocks(work, blocks(residents, block_size), workers):
        for name, n in counts.items():
            rows[name] = rows.get(name, 0) + n
    pl.DataFrame(schema={"event_id": pl.Int64, "by_event_id": pl.Int64, "recorded": pl.Datetime("us")}).write_parquet(
        folder / "superseded" / "0.parquet"
    )
    for part, name in (("people", "resident"), ("links", "link")):
        pl.scan_parquet(folder / part / "*.parquet").sink_parquet(folder / f"{name}.parquet")
        for path in (folder / part).glob("*.parquet"):
            path.unlink()
        (folder / part).rmdir()
    return rows


def _write(folder: Path, where: County, block: Block) -> dict[str, int]:
    number = block.people.block
    people = _residents(where, block)
    people.write_parquet(folder / "people" / f"{number:03}.parquet")
    links = _links(block)
    links.write_parquet(folder / "links" / f"{number:03}.parquet")
    counts = {"resident": people.height, "link": links.height}
    frames = []
    start = number * PER_BLOCK + 1
    for kind, frame in _events(block):
        frames.append(frame.with_columns(pl.lit(kind).alias("kind"), (pl.int_range(pl.len()) + start).alias("id")))
        start += frame.height
        counts[kind] = counts.get(kind, 0) + frame.height
    recorded = pl.Series([block.people.as_of * DAY * 60_000_000]).cast(pl.Datetime("us"))[0]
    missing = {
        "value": None,
        "unit": None,
        "text": None,
        "resource": None,
        "batch_id": None,
        "flag": 0,
        "recorded": recorded,
    }
    whole = [
        frame.with_columns(
            pl.lit(v).cast(SCHEMA[k]).alias(k) for k, v in missing.items() if k not in frame.columns
        ).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
        for frame in frames
    ]
    pl.concat(whole).write_parquet(folder / "event" / f"{number:06}.parquet", compression="zstd", compression_level=1)
    return counts


def _residents(where: County, block: Block) -> pl.DataFrame:
    q = block.people
    dead = pl.Series(q.died).cast(pl.Date)
    return pl.DataFrame(
        {
            "id": q.person + 1,
            "name": q.name,
            "sex": pl.Series(q.sex).cast(pl.String),
            "birth_date": pl.Series(q.birth).cast(pl.Date),
            "id_number": q.id_number,
            "phone": q.phone,
            "address": q.address,
            "division_code": pl.Series(where.village_codes).gather(q.village),
            "home_organisation_id": where.village_station[q.village].astype(np.int64) + 1,
            "deceased_on": dead.zip_with(
                pl.Series(q.died <= q.as_of), pl.Series([None], dtype=pl.Date).new_from_index(0, len(q))
            ),
            "moved_on": pl.Series([None], dtype=pl.Date).new_from_index(0, len(q)),
        }
    )


def _links(block: Block) -> pl.DataFrame:
    keys = np.unique(block.visits["person"].astype(np.int64) * CHANNEL_COUNT + block.visits["channel"])
    keys = np.union1d(keys, np.arange(len(block.people)) * CHANNEL_COUNT)
    first = int(block.people.person[0])
    return pl.DataFrame(
        {
            "identity_id": keys + first * CHANNEL_COUNT + 1,
            "resident_id": keys // CHANNEL_COUNT + first + 1,
            "score": np.ones(len(keys)),
            "rule": pl.repeat("id-number", len(keys), eager=True),
        }
    )


def _events(block: Block) -> list[tuple[str, pl.DataFrame]]:
    """Every table of the block with the ledger's columns; an encounter gives two rows, its class and its type."""
    visits, tables = block.visits, block.tables
    first = int(block.people.person[0])
    identity = (visits["person"] + np.int64(first)) * CHANNEL_COUNT + visits["channel"] + 1
    base = pl.DataFrame(
        {
            "identity_id": identity,
            "at": moments(visits["at"]),
            "organisation_id": visits["organisation"].astype(np.int64) + 1,
        }
    )
    seen = tables["observations"]
    out = [("observation", base[seen["visit"]].with_columns(_observed(seen)))]
    shown = base.filter(pl.Series(visits["shown"]))
    for column, words, prefix in (("cls", CLASSES, "class|"), ("type", TYPES, "type|")):
        names = pl.Series([prefix + word for word in words]).gather(visits[column][visits["shown"]].astype(np.int64))
        out.append(("encounter", shown.with_columns(names.alias("code"))))
    stays = visits["shown"] & (visits["cls"] == CLASS["IMP"])
    left = moments((visits["at"] + visits["minutes"])[stays]).alias("at")
    out.append(("encounter", base.filter(pl.Series(stays)).with_columns(left, pl.lit("type|discharge").alias("code"))))
    for kind, table in (("condition", "conditions"), ("immunization", "immunizations"), ("procedure", "procedures")):
        values = tables[table]["vaccine" if table == "immunizations" else "code"]
        code = PREFIXED[table] + pl.Series("code", values.tolist(), dtype=pl.String)
        out.append((kind, base[tables[table]["visit"]].with_columns(code.alias("code"))))
    referred = tables["referrals"]
    asked = pl.Series(["hb|" + r for r in REFERRALS]).gather(referred["urgent"].astype(np.int64))
    done = pl.lit("completed").alias("text")
    out.append(("referral", base[referred["visit"]].with_columns(asked.alias("code"), done)))
    drugs = pl.Series(["atc|" + d[0] for d in DRUGS]).gather(tables["medications"]["drug"].astype(np.int64))
    out.append(("medication", base[tables["medications"]["visit"]].with_columns(drugs.alias("code"))))
    return out


def _observed(seen: dict[str, np.ndarray]) -> list[pl.Series]:
    code = seen["code"].astype(np.int64)
    named = [c if "|" in c else f"loinc|{c}" for c in CODES]
    text = pl.Series([None, *TEXTS[1:]], dtype=pl.String).gather(seen["text"].astype(np.int64))
    units = pl.Series([u or None for u in UNITS], dtype=pl.String).gather(code)
    value = pl.Series("value", seen["value"]).fill_nan(None)
    return [pl.Series(named).gather(code).alias("code"), value, units.alias("unit"), text.alias("text")]


def generate_identities(
    folder: Path,
    *,
    residents: int,
    seed: int = 1,
    workers: int = 2,
    as_of: date = date(2026, 11, 22),
    block_size: int = BLOCK,
) -> tuple[Path, Path]:
    """Source identities with planted duplicates, and labels (id, source, source_id, person, kind), as Parquet.

    Everybody is in the public-health system, most at their centre and the county hospital: three sources, about 2.7
    identities a resident. Identity columns: `id` and the `persons` template; `kind` is empty for a first registration.
    """
    p = parameters()
    where = county(p, residents, stream(seed, "county", 0))
    parts = folder / "identity-parts"
    parts.mkdir(parents=True, exist_ok=True)

    def work(number: int, first: int, count: int) -> None:
        _write_identities(p, where, parts, seed, as_of, number, first, count)

    for _ in over_blocks(work, blocks(residents, block_size), workers):
        pass
    out = folder / "identities.parquet", folder / "identity-labels.parquet"
    for kind, path in zip(("rows", "labels"), out, strict=True):
        pl.scan_parquet(parts / f"{kind}-*.parquet").sink_parquet(path)
    for path in parts.glob("*.parquet"):
        path.unlink()
    parts.rmdir()
    return out


def _write_identities(
    p: Parameters, where: County, folder: Path, seed: int, as_of: date, number: int, first: int, count: int
) -> None:
    people = make_people(p, where, seed, as_of, number, first, count)
    none = np.zeros(0, np.int64)
    who = make_identities(p, where, people, {"channel": none, "organisation": none, "person": none}, seed)
    ids = pl.Series("id", np.arange(len(who.person)) + number * PER_BLOCK + 1)
    who.frame.with_columns(ids).write_parquet(folder / f"rows-{number:03}.parquet")
    labels = who.frame.select("source", "source_id").with_columns(
        ids, pl.Series("person", who.person + first), pl.Series("kind", who.errors)
    )
    labels.write_parquet(folder / f"labels-{number:03}.parquet")
