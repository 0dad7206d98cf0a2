"""The knowledge of non-emergency transport: purposes, postures, eligibility, fees. A county's folder overrides."""

from __future__ import annotations

import functools
from typing import Any

from healthbrain.dispatch.rules.transport import Fares, Posture, Purpose
from healthbrain.kernel.knowledge import load


def _rules() -> dict[str, Any]:
    return load("transport", "rules.yaml")


def figure(name: str) -> float:
    """A figure by name: minutes, people, days, km/h or km as the file says."""
    return float(_rules()["figures"][name]["value"])


@functools.cache
def postures() -> dict[str, Posture]:
    return {
        key: Posture(row["title"], tuple(row["places"]), row["board"], row["alight"], row["max_ride"])
        for key, row in _rules()["postures"].items()
    }


@functools.cache
def purposes() -> dict[str, Purpose]:
    return {
        key: Purpose(row["title"], row["return_after"], row["same_vehicle"], row.get("long", False))
        for key, row in _rules()["purposes"].items()
    }


def cohorts() -> dict[str, dict[str, str]]:
    return dict(_rules()["cohorts"])


def questions() -> dict[str, dict[str, Any]]:
    """Eligibility questions by id: ask, source. A yes to one of them calls for 120."""
    return dict(_rules()["eligibility"])


def call_120() -> dict[str, str]:
    return dict(_rules()["call_120"])


@functools.cache
def fares() -> Fares:
    rows = _rules()["fees"]
    return Fares({name: float(row["value"]) for name, row in rows.items()}, {n: r["title"] for n, r in rows.items()})


def verified(table: str) -> bool:
    """Do all entries of a table stand in a document somebody has read? Pages say so when not."""
    sources = _rules()["sources"]
    return all(sources[row["source"]]["verified"] for row in _rules()[table].values())
