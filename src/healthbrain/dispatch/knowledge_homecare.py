"""The knowledge of home care: services, skills, the assessment, who is admitted. A county's folder overrides."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

from healthbrain.dispatch.rules.homecare import Field, Item, Service
from healthbrain.kernel.knowledge import load


def _services() -> dict[str, Any]:
    return load("homecare", "services.yaml")


def assessment() -> dict[str, Any]:
    """barthel, bands, findings, admission, outcomes, reached, as the file has them."""
    return load("homecare", "assessment.yaml")


def figure(name: str) -> float:
    """A figure by name: seconds, minutes, metres or days as the file says."""
    return float(_services()["figures"][name]["value"])


def skills() -> dict[str, dict[str, str]]:
    return dict(_services()["skills"])


def photo_kinds() -> dict[str, dict[str, str]]:
    return dict(_services()["photo_kinds"])


@functools.cache
def items() -> dict[str, Item]:
    """Items a home bed is settled by."""
    return {
        key: Item(
            row["title"], row["unit"], None if row["price"] is None else Decimal(str(row["price"])), row["source"]
        )
        for key, row in _services()["items"].items()
    }


def source_words(key: str) -> str:
    """A source as it stands in a list: document, number, and whether anybody has checked it."""
    row = _services()["sources"][key]
    return f"{row['document']} {row['number']}".replace(" -", "") + (
        "" if row["verified"] else "（未核定 not approved）"
    )


@functools.cache
def services() -> dict[str, Service]:
    """Services by key."""
    return {key: _service(row) for key, row in _services()["services"].items()}


def _service(row: dict[str, Any]) -> Service:
    fields = {
        name: Field(
            one["title"], one["unit"], float(one["range"][0]), float(one["range"][1]), one.get("required", False)
        )
        for name, one in row["record"].items()
    }
    return Service(
        row["title"],
        tuple(frozenset(person) for person in row["needs"]),
        int(row["minutes"]),
        fields,
        dict(row["done"]),
        dict(row["teach"]),
        row["insurance"],
    )


def scores() -> dict[str, tuple[int, ...]]:
    """Barthel item → the scores it may get."""
    return {name: tuple(row["scores"]) for name, row in assessment()["barthel"].items()}


def verified() -> bool:
    """Does every entry stand in a document somebody has read? Pages say so when not."""
    return all(row["verified"] for file in (_services(), assessment()) for row in file["sources"].values())
