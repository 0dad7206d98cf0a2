"""Planted dirt: impossible values, mixed-up units, late and repeated rows, a silent centre. Each with its label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from healthbrain.demo.block import Block
from healthbrain.demo.geography import County
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.story import (
    BMI,
    CENTRE,
    CODES,
    COPD_SQ,
    DAY,
    DBP,
    FPG,
    HB,
    HEIGHT,
    SBP,
    SPO2,
    TC,
    UNITS,
    WEIGHT,
)
from healthbrain.demo.streams import stream

# code → (unit a clerk may use instead, factor)
OTHER_UNITS = {FPG: ("mg/dL", 18.016), TC: ("mg/dL", 38.67), WEIGHT: ("斤", 2.0), HB: ("g/dL", 0.1)}
CLEAN, IMPLAUSIBLE, DECLARED, UNDECLARED = range(4)
DIRT = ("", "implausible", "mixed-unit-declared", "mixed-unit-undeclared")


@dataclass(frozen=True)
class Dirt:
    value: np.ndarray  # of each observation, as recorded
    unit: pl.Series
    kind: np.ndarray  # index into DIRT
    late_days: np.ndarray  # of each visit, 0 = in time
    withheld: np.ndarray  # of each visit: happened in the silent days
    repeated: dict[str, np.ndarray]  # rows of each table sent a second time


def plant(p: Parameters, county: County, block: Block, recorded: np.ndarray, seed: int) -> Dirt:
    rng = stream(seed, "dirt", block.people.block)
    visits, seen = block.visits, block.tables["observations"]
    kind = _kinds(p, rng, seen, recorded[seen["visit"]])
    value, unit = _spoilt(seen, kind)
    n = len(visits["at"])
    old = visits["at"] // DAY < block.people.as_of - 45
    late = np.where((rng.random(n) < p("dirt.late") / max(old.mean(), 0.1)) & old, rng.integers(4, 41, n), 0)
    silent = (visits["channel"] == CENTRE) & (visits["organisation"] == county.dark)
    withheld = silent & (visits["at"] // DAY > block.people.as_of - p("dirt.dark_days"))
    repeated = {name: rng.random(len(t["visit"])) < p("dirt.repeated") for name, t in block.tables.items()}
    repeated["visits"] = rng.random(n) < p("dirt.repeated")
    return Dirt(value, unit, kind, late, withheld, repeated)


def _kinds(p: Parameters, rng: np.random.Generator, seen: dict[str, np.ndarray], recorded: np.ndarray) -> np.ndarray:
    """Rates are of all recorded observations; rows that carry a planted scenario stay clean."""
    n = len(seen["code"])
    numeric = recorded & ~seen["keep"] & (seen["text"] == 0) & (seen["code"] != COPD_SQ)
    other = numeric & np.isin(seen["code"], list(OTHER_UNITS))
    u = rng.random(n)
    wanted = recorded.sum()
    share_bad = p("dirt.implausible") * wanted / max(numeric.sum(), 1)
    share_unit = p("dirt.mixed_unit") * wanted / max(other.sum(), 1)
    kind = np.where(numeric & (u < share_bad), IMPLAUSIBLE, CLEAN)
    declared = np.where(rng.random(n) < 0.6, DECLARED, UNDECLARED)
    return np.where(other & (u > 1 - share_unit), declared, kind).astype(np.int8)


def _spoilt(seen: dict[str, np.ndarray], kind: np.ndarray) -> tuple[np.ndarray, pl.Series]:
    """Implausible = a slipped decimal point, the way it happens at a keyboard."""
    code, value = seen["code"], seen["value"].copy()
    factor = np.full(len(CODES), 10.0)
    factor[[HEIGHT, SPO2]] = 0.01, 0.1
    factor[[SBP, DBP, BMI]] = 10.0
    bad = kind == IMPLAUSIBLE
    value[bad] = np.round(value[bad] * factor[code[bad]], 2)
    unit = pl.Series(UNITS).gather(code.astype(np.int64))
    for item, (name, times) in OTHER_UNITS.items():
        mixed = (kind >= DECLARED) & (code == item)
        value[mixed] = np.round(value[mixed] * times, 1)
        unit = unit.zip_with(
            pl.Series(~((kind == DECLARED) & (code == item))), pl.Series([name]).new_from_index(0, len(unit))
        )
    return value, unit
