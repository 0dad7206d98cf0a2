"""Units: spellings to UCUM, and values to the canonical unit of their item."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from healthbrain.kernel.knowledge import load
from healthbrain.records.rules.codes import catalogue, split

EXACT = 10  # decimals kept: a conversion must not turn 7.0 into 6.999999999999999


@dataclass(frozen=True, slots=True)
class Conversion:
    """value × factor + offset, in `unit`, to `decimals`. `usable` is False when the unit says nothing we understand."""

    unit: str | None
    factor: float = 1.0
    offset: float = 0.0
    usable: bool = True
    decimals: int = EXACT

    def of(self, value: float) -> float:
        if (self.factor, self.offset) == (1.0, 0.0):
            return value
        return round(value * self.factor + self.offset, self.decimals)


@functools.cache
def _spellings() -> dict[str, str]:
    table: dict[str, list[Any]] = load("units", "units.yaml")["spellings"]
    exact = {str(word): ucum for ucum, words in table.items() for word in (ucum, *words)}
    return {key.replace(" ", ""): ucum for key, ucum in exact.items()}


@functools.cache
def _dimensionless() -> frozenset[str]:
    return frozenset(load("units", "units.yaml")["dimensionless"])


@functools.cache
def _conversions() -> dict[tuple[str, str, str], Conversion]:
    """(LOINC or "", from, to) → conversion."""
    data = load("units", "units.yaml")
    found = {}
    for row in data["linear"]:
        found["", row["from"], row["to"]] = _conversion(row)
    for row in data["analytes"]:
        for code in row["loinc"]:
            found[code, row["from"], row["to"]] = _conversion(row)
    return found


def _conversion(row: dict[str, Any]) -> Conversion:
    factor = 1 / row["divide"] if "divide" in row else row["factor"]
    decimals = row.get("decimals", EXACT)
    return Conversion(row["to"], float(factor), float(row.get("offset", 0.0)), decimals=decimals)


@functools.cache
def ucum(unit: str | None) -> str | None:
    """The UCUM spelling of a unit, None when it is empty or unknown to us."""
    if not unit or not unit.strip():
        return None
    return _spellings().get(unit.strip().replace(" ", ""))


@functools.lru_cache(maxsize=65536)
def conversion(code: str, unit: str | None) -> Conversion:
    """How a value of `code` in `unit` becomes a value in the canonical unit.

    No unit given: a catalogued item is taken in its canonical unit, because its code already fixes the property, and a
    slip shows against the plausible range. An unknown unit is kept and marked unusable.
    """
    item = catalogue().get(code)
    target = item.unit if item else None
    given = ucum(unit)
    if given is None:
        if unit and unit.strip():
            return Conversion(unit.strip(), usable=False)
        return Conversion(target)
    if target is None or given == target:
        return Conversion(given)
    if given in _dimensionless() and target in _dimensionless() and "%" not in {given, target}:
        return Conversion(target)
    bare = split(code)[1]
    found = _conversions().get((bare, given, target)) or _conversions().get(("", given, target))
    return found or Conversion(given, usable=False)


def normalise(code: str, value: float, unit: str | None) -> tuple[float, str | None, int]:
    """(value, unit, flag) as the ledger keeps them: canonical unit; flag 1: unusable or implausible."""
    way = conversion(code, unit)
    result = way.of(value)
    item = catalogue().get(code)
    implausible = item is not None and item.low is not None and not (item.low <= result <= (item.high or item.low))
    return result, way.unit, int(implausible or not way.usable)
