"""Questionnaires that add up: points of the answers, of the age and of the body mass index, and what the sum means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Bands = Sequence[tuple[float, float]]  # (from this value on, points), ascending


@dataclass(frozen=True, slots=True)
class Level:
    """What a sum means from `start` points on. `value`: the coded answer recorded instead of the sum."""

    start: float
    words: Mapping[str, str]
    value: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """`of`: choice fields whose options carry points; `bands`: points of a number, of `age` (years) or of `bmi`."""

    of: tuple[str, ...]
    bands: Mapping[str, Bands]
    levels: tuple[Level, ...]

    def level(self, points: float) -> Level:
        return next(level for level in reversed(self.levels) if points >= level.start)


def score_of(row: Mapping[str, Any]) -> Score:
    """A score from the keys of its field in a form definition; its levels start at 0."""
    levels = (Level(float(r["from"]), {"zh": r["zh"], "en": r["en"]}, str(r.get("value", ""))) for r in row["levels"])
    bands = {name: tuple((float(a), float(b)) for a, b in rows) for name, rows in row.get("bands", {}).items()}
    return Score(tuple(row.get("of", ())), bands, tuple(levels))


def total(score: Score, points: Mapping[str, Mapping[str, float]], values: Mapping[str, Any]) -> float | None:
    """The sum; None while a part of it is not known. `points`: of each option, by field."""
    added = 0.0
    for name in score.of:
        chosen = values.get(name)
        if chosen in (None, "", []):
            return None
        added += sum(points[name].get(one, 0.0) for one in (chosen if isinstance(chosen, list) else [chosen]))
    for name, bands in score.bands.items():
        value = _index(values) if name == "bmi" else values.get(name)  # not rounded: 18.48 is below 18.5
        if value is None:
            return None
        added += next((worth for start, worth in reversed(bands) if value >= start), 0.0)
    return added


def body_mass_index(values: Mapping[str, Any]) -> float | None:
    """体重（kg）/身高（m）², as a page shows it."""
    index = _index(values)
    return None if index is None else round(index, 1)


def _index(values: Mapping[str, Any]) -> float | None:
    weight, height = values.get("weight"), values.get("height")
    return weight / (height / 100) ** 2 if weight and height else None
