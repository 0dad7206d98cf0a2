"""The truth layer: for scoring only, never shown to the platform."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from healthbrain.demo.block import Block
from healthbrain.demo.dirt import Dirt
from healthbrain.demo.geography import County
from healthbrain.demo.identities import Identities
from healthbrain.demo.screening import CRC_STATES, SQ_STATES
from healthbrain.demo.sheets import TABLE_OF, Sheets

SCENARIOS = {
    "rhythm": ("regular", "lost", "new", "phone"),
    "hypertension": ("controlled", "first-uncontrolled", "twice-uncontrolled", "urgent"),
    "type-2-diabetes": ("controlled", "first-uncontrolled", "twice-uncontrolled", "urgent"),
    "suspect": ("suspect",),
    "referred": ("referred",),
    "elderly": ("examined", "not-yet", "never"),
    "children": ("on-track", "missed-last", "late-registered", "never"),
    "colorectal": CRC_STATES,
    "fit": ("negative", "positive"),
    "questionnaire": ("negative", "positive"),
    "copd-screening": SQ_STATES,
}


def write_truth(
    folder: Path,
    county: County,
    number: int,
    block: Block,
    who: Identities,
    dirt: Dirt,
    sheets: Sheets,
    bad: list[dict[str, object]],
) -> None:
    """Each table in its folder, one file a block: `truth/people/000.parquet`, …"""
    first = int(block.people.person[0])
    tables = {
        "people": _people(county, block),
        "diseases": _diseases(block),
        "scenarios": _scenarios(block),
        "identities": _identities(first, who),
        "duplicates": _duplicates(first, who),
        "dirty_values": sheets.frames["observations"]
        .filter(pl.col("dirt") != "")
        .select("source", "source_id", "code", "effective", "value", "unit", "dirt"),
        "late": _late(sheets),
        "repeated": _repeated(sheets),
        "withheld": _withheld(county, block, who, dirt),
        "bad_rows": pl.DataFrame(
            bad, schema={"source": pl.String, "file": pl.String, "line": pl.Int64, "kind": pl.String}
        ),
        "use": _use(block),
        "sent": pl.DataFrame(
            {"table": list(sheets.frames), "rows": [frame.height for frame in sheets.frames.values()]}
        ),
    }
    for name, frame in tables.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        frame.write_parquet(folder / name / f"{number:03}.parquet", compression="zstd")


def _people(county: County, block: Block) -> pl.DataFrame:
    q = block.people
    return pl.DataFrame(
        {
            "person": q.person,
            "name": q.name,
            "surname": q.surname,
            "sex": q.sex,
            "birth_date": pl.Series(q.birth).cast(pl.Date),
            "age": q.age,
            "id_number": q.id_number,
            "phone": q.phone,
            "address": q.address,
            "division_code": pl.Series(county.village_codes).gather(q.village),
            "mother": np.where(q.mother >= 0, q.mother + q.person[0], -1),
            "died": pl.select(pl.when(pl.Series(q.died) <= q.as_of).then(pl.Series(q.died)).cast(pl.Date)).to_series(),
            "smoker": q.smoker,
        }
    )


def _diseases(block: Block) -> pl.DataFrame:
    health, q = block.health, block.people
    parts = []
    for name, has in health.has.items():
        who = np.flatnonzero(has)
        managed = health.managed.get(name, np.zeros(len(q), bool))
        parts.append(
            pl.DataFrame(
                {
                    "person": q.person[who],
                    "disease": pl.repeat(name, len(who), eager=True),
                    "known": health.known[name][who],
                    "managed": managed[who],
                    "since": pl.Series(health.since[name][who]).cast(pl.Date),
                }
            )
        )
    return pl.concat(parts)


def _scenarios(block: Block) -> pl.DataFrame:
    parts = []
    for name, words in SCENARIOS.items():
        state = block.states[name]
        who = np.flatnonzero(state >= 0)
        labels = pl.Series(words, dtype=pl.String).gather(state[who].astype(np.int64))
        parts.append(
            pl.DataFrame(
                {
                    "person": block.people.person[who],
                    "programme": pl.repeat(name, len(who), eager=True),
                    "scenario": labels,
                }
            )
        )
    return pl.concat(parts)


def _identities(first: int, who: Identities) -> pl.DataFrame:
    duplicate = pl.Series("duplicate", who.duplicate_of >= 0)
    return who.frame.select("source", "source_id").with_columns(
        pl.Series("person", who.person + first), duplicate, pl.Series("errors", who.errors)
    )


def _duplicates(first: int, who: Identities) -> pl.DataFrame:
    rows = np.flatnonzero(who.duplicate_of >= 0)
    return who.frame.select("source", "source_id")[rows].with_columns(
        who.frame["source_id"].gather(who.duplicate_of[rows]).alias("of_source_id"),
        pl.Series("person", who.person[rows] + first),
        pl.Series("errors", [who.errors[r] for r in rows.tolist()], dtype=pl.String),
    )


def _late(sheets: Sheets) -> pl.DataFrame:
    parts = [
        frame.filter(pl.col("late") > 0).select(pl.lit(name).alias("table"), "source", "source_id", "moment", "late")
        for name, frame in sheets.frames.items()
    ]
    return pl.concat(parts)


def _repeated(sheets: Sheets) -> pl.DataFrame:
    parts = [
        frame.filter(pl.col("repeated")).select(pl.lit(name).alias("table"), "source", "source_id", "moment")
        for name, frame in sheets.frames.items()
    ]
    return pl.concat(parts)


def _withheld(county: County, block: Block, who: Identities, dirt: Dirt) -> pl.DataFrame:
    """Visits the platform never hears of: the silent days of one centre, and the centre that is not connected."""
    silent = np.flatnonzero(dirt.withheld)
    unconnected = np.flatnonzero(who.of_visit < 0)
    rows = np.r_[silent, unconnected]
    reason = ["silent"] * len(silent) + ["not-connected"] * len(unconnected)
    visits = block.visits
    return pl.DataFrame(
        {
            "person": block.people.person[visits["person"][rows]],
            "organisation": pl.Series(county.codes).gather(visits["organisation"][rows].astype(np.int64)),
            "at": pl.Series(visits["at"][rows] * 60_000_000).cast(pl.Datetime("us")),
            "reason": pl.Series(reason, dtype=pl.String),
        }
    )


def _use(block: Block) -> pl.DataFrame:
    """Row counts of the truth, for the self-check: by channel."""
    channel = np.bincount(block.visits["channel"], minlength=5)
    names = ["visits-PH", "visits-centre", "visits-HIS", "visits-LIS", "visits-IPD"]
    tables = {name: len(block.tables[t]["visit"]) for name, t in TABLE_OF.items() if t != "visits"}
    return pl.DataFrame({"what": names + list(tables), "rows": [*channel.tolist(), *tables.values()]})
