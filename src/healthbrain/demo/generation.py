"""`generate`: the truth, the registers and the feeds of a synthetic county, written to a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from healthbrain.demo.block import Block, make_block
from healthbrain.demo.dirt import Dirt, plant
from healthbrain.demo.feeds_csv import write_csv
from healthbrain.demo.feeds_fhir import write_fhir
from healthbrain.demo.feeds_hl7 import write_hl7
from healthbrain.demo.geography import County, county
from healthbrain.demo.identities import Identities, make_identities
from healthbrain.demo.parameters import Parameters, parameters
from healthbrain.demo.people import day_number
from healthbrain.demo.register import contracts, write_register
from healthbrain.demo.sheets import MINUTE, PER_BLOCK, Sheets, make_sheets, moments
from healthbrain.demo.story import CLASSES, DAY, TYPES
from healthbrain.demo.streams import BLOCK, blocks, over_blocks, stream
from healthbrain.demo.truth import write_truth

Progress = Callable[[str, float], None]  # what, share done
BUNDLE_DAYS = ((10_000, 60), (300_000, 40), (10**9, 3))  # residents below → days of bundles; older visits go as NDJSON


@dataclass(frozen=True)
class Manifest:
    """What was written: rows by table and files by folder."""

    folder: Path
    residents: int
    seed: int
    as_of: date
    rows: dict[str, int]
    files: int
    bytes: int


def generate(
    folder: Path,
    *,
    residents: int,
    seed: int = 1,
    workers: int = 1,
    as_of: date,
    progress: Progress | None = None,
    block_size: int = BLOCK,
) -> Manifest:
    """Same seed, size and day: the same bytes, whatever `workers` is."""
    p = parameters()
    where = county(p, residents, stream(seed, "county", 0))
    parts = blocks(residents, block_size)
    rows: dict[str, int] = {}
    signed = []

    def work(number: int, first: int, count: int) -> tuple[dict[str, int], pl.DataFrame]:
        return _write_block(p, where, folder, seed, as_of, residents, number, first, count)

    for done, (counts, contract) in enumerate(over_blocks(work, parts, workers), 1):
        signed.append(contract)
        for name, n in counts.items():
            rows[name] = rows.get(name, 0) + n
        if progress:
            progress("feeds", done / len(parts))
    write_register(folder / "register", where, pl.concat(signed))
    every = [path for path in folder.rglob("*") if path.is_file()]
    return Manifest(folder, residents, seed, as_of, rows, len(every), sum(path.stat().st_size for path in every))


def _write_block(
    p: Parameters,
    where: County,
    folder: Path,
    seed: int,
    as_of: date,
    residents: int,
    number: int,
    first: int,
    count: int,
) -> tuple[dict[str, int], pl.DataFrame]:
    block = make_block(p, where, seed, as_of, number, first, count)
    who = make_identities(p, where, block.people, block.visits, seed)
    dirt = plant(p, where, block, who.of_visit >= 0, seed)
    sheets = make_sheets(where, block, who, dirt)
    days = next(d for below, d in BUNDLE_DAYS if residents < below)
    bad = _write_feeds(
        p, where, folder / "feeds", seed, number, block, who, dirt, sheets, (day_number(as_of) - days) * DAY
    )
    write_truth(folder / "truth", where, number, block, who, dirt, sheets, bad)
    counts = {"persons": who.frame.height} | {name: frame.height for name, frame in sheets.frames.items()}
    return counts, contracts(p, where, block, who, seed, as_of)


def _write_feeds(
    p: Parameters,
    where: County,
    folder: Path,
    seed: int,
    number: int,
    block: Block,
    who: Identities,
    dirt: Dirt,
    sheets: Sheets,
    since: int,
) -> list[dict[str, object]]:
    rng = stream(seed, "bad rows", number)
    bad: list[dict[str, object]] = []
    persons = who.frame.with_columns(row=pl.Series(who.source))
    split = {name: frame.partition_by("source_row", as_dict=True) for name, frame in sheets.frames.items()}
    every = _all_visits(where, block, who, dirt).partition_by("source_row", as_dict=True)
    first_centre = next(c for c in where.sources["code"] if c.startswith("CHC"))
    for row, (source, organisation) in enumerate(where.sources.select("code", "organisation_code").iter_rows()):
        mine = persons.filter(pl.col("row") == row)
        frames = {name: parts.get((row,), sheets.frames[name].clear()) for name, parts in split.items()}
        target = folder / organisation / source
        if not mine.height:
            continue
        if source == "PH" or source.startswith("CHC"):
            bad += write_csv(
                target,
                source,
                number,
                mine,
                frames,
                p("dirt.bad_rows"),
                rng,
                gbk=source == first_centre,
                xlsx=source == "PH",
            )
            continue
        known, died = _by_id(mine), _deaths(block, who, row)
        if source.startswith("HIS") and int(source[3:]) % 2 == 1:
            write_fhir(target, number, known, died, frames, since)
        elif (row,) in every:
            write_hl7(target, number, known, died, every[row,], frames)
    return bad


def _all_visits(where: County, block: Block, who: Identities, dirt: Dirt) -> pl.DataFrame:
    """Every recorded visit and when it was sent, in that order: HL7v2 tells of visits CSV would not show."""
    visits = block.visits
    rows = np.flatnonzero((who.of_visit >= 0) & ~dirt.withheld)
    identity, at = who.of_visit[rows], visits["at"][rows]
    end = at + visits["minutes"][rows]
    return pl.DataFrame(
        {
            "visit": rows + block.people.block * PER_BLOCK,
            "source_row": who.source[identity],
            "source": who.frame["source"].gather(identity),
            "source_id": who.frame["source_id"].gather(identity),
            "organisation": where.organisations["code"].gather(visits["organisation"][rows].astype(np.int64)),
            "class": pl.Series(CLASSES).gather(visits["cls"][rows].astype(np.int64)),
            "type": pl.Series(TYPES).gather(visits["type"][rows].astype(np.int64)),
            "start": moments(at).dt.to_string(MINUTE),
            "end": moments(end).dt.to_string(MINUTE),
            "sent": moments(end + dirt.late_days[rows] * DAY).dt.to_string(MINUTE),
            "late": dirt.late_days[rows],
            "repeated": dirt.repeated["visits"][rows],
        }
    ).sort("sent", "visit")


def _by_id(frame: pl.DataFrame) -> dict[str, dict[str, object]]:
    return {row["source_id"]: row for row in frame.iter_rows(named=True)}


def _deaths(block: Block, who: Identities, source: int) -> dict[str, str]:
    rows = np.flatnonzero((who.source == source) & (block.people.died[who.person] <= block.people.as_of))
    ids = who.frame["source_id"].gather(rows).to_list()
    days = block.people.died[who.person[rows]]
    return {i: (date(1970, 1, 1) + timedelta(days=int(d))).isoformat() for i, d in zip(ids, days, strict=True)}
