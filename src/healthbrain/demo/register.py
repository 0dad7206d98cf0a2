"""The county's own registers: institutions, places, teams, sources, family-doctor contracts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from healthbrain.demo.block import Block
from healthbrain.demo.geography import County
from healthbrain.demo.identities import Identities
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.streams import stream


def write_register(folder: Path, county: County, signed: pl.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "organisations": county.organisations,
        "places": county.places,
        "teams": county.teams,
        "sources": county.sources,
        "contracts": signed,
    }
    for name, frame in tables.items():
        frame.with_columns(pl.col(pl.String).replace("", None)).write_csv(folder / f"{name}.csv")


def contracts(p: Parameters, county: County, block: Block, who: Identities, seed: int, as_of: date) -> pl.DataFrame:
    """A contract runs for the calendar year; the old, the small and the chronically ill sign first."""
    rng, people = stream(seed, "contracts", block.people.block), block.people
    wish = 1 + 2.5 * (people.age >= 65) + 2 * (people.age < 7) + 3 * np.any(list(block.health.managed.values()), axis=0)
    signs = rng.random(len(people)) < np.minimum(wish * p("use_of_care.contracts") / wish.mean(), 0.97)
    signs &= people.died > people.as_of
    rows = np.flatnonzero(signs[who.person] & (who.duplicate_of < 0) & (who.frame["source"] == "PH").to_numpy())
    person = who.person[rows]
    township = county.village_township[people.village[person]]
    pick = rng.random(len(rows))
    team = np.array(
        [t[int(u * len(t))] for t, u in zip((county.township_teams[t] for t in township), pick, strict=True)], np.int64
    )
    year = as_of.year
    return pl.DataFrame(
        {
            "source": who.frame["source"].gather(rows),
            "source_id": who.frame["source_id"].gather(rows),
            "team_code": county.teams["code"].gather(team),
            "starts": pl.repeat(f"{year}-01-01", len(rows), eager=True),
            "ends": pl.repeat(f"{year}-12-31", len(rows), eager=True),
        }
    )
