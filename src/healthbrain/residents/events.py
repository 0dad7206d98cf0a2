"""What the index tells the other rooms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResidentsChanged:
    """Links or golden records of these residents changed. Published inside the transaction."""

    resident_ids: list[int]
