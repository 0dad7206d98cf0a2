"""Small cells in what leaves the house: a published figure must not point at a person. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

FLOOR = 8  # counts of 1 to 7 are withheld in published tables
WITHHELD = "<8"


def suppress(column: Sequence[int | None]) -> list[int | str | None]:
    """One column of counts for publication: 1 to 7 withheld.

    A single withheld cell could be had from the total by subtraction, so then the next smallest goes too.
    """
    small = {i for i, value in enumerate(column) if value is not None and 0 < value < FLOOR}
    if len(small) == 1:
        others = [(value, i) for i, value in enumerate(column) if value and i not in small]
        if others:
            small.add(min(others)[1])
    return [_shown(value, i in small) for i, value in enumerate(column)]


def _shown(value: int | None, withheld: bool) -> int | str | None:
    if not withheld or value is None:
        return value
    return WITHHELD if value < FLOOR else "—"  # withheld only to protect its neighbour
