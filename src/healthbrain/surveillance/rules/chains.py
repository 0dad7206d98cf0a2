"""Transmission chains: who infected whom as a forest, its generations, and where to draw it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Placed[K]:
    """A case on the drawing: column = days after the first onset, row = its own line, generation = 0 for a source."""

    key: K
    column: int
    row: int
    generation: int
    offspring: int


@dataclass(frozen=True, slots=True)
class Chain[K]:
    """The layout. `serial`: days from the infector's onset to the infectee's, for each link with both onsets known."""

    nodes: tuple[Placed[K], ...]
    links: tuple[tuple[K, K], ...]
    columns: int
    rows: int
    generations: tuple[int, ...]  # cases by generation
    serial: tuple[int, ...]


def closes_a_circle[K: Hashable](links: Iterable[tuple[K, K]], infector: K, infectee: K) -> bool:
    """Would the new link make a case its own ancestor? `links`: (infector, infectee) that stand already."""
    above = {child: parent for parent, child in links}
    at: K | None = infector
    while at is not None:
        if at == infectee:
            return True
        at = above.get(at)
    return False


def layout[K: Hashable](onsets: Mapping[K, dt.date | None], links: Sequence[tuple[K, K]]) -> Chain[K]:
    """Place every case of a chain, parents above their children, in the order of onset.

    Cases without a link stand at the end, one row each. An unknown onset takes the infector's day, else day 0. Raises
    ValueError for a circle, for two infectors of one case, or for a link to a case that is not there.
    """
    above: dict[K, K] = {}
    below: dict[K, list[K]] = {}
    for parent, child in links:
        if parent not in onsets or child not in onsets:
            raise ValueError("a link names a case that is not in the line list")
        if child in above:
            raise ValueError("a case can have one infector only")
        if closes_a_circle(above_pairs(above), parent, child):
            raise ValueError("a case cannot infect itself through others")
        above[child] = parent
        below.setdefault(parent, []).append(child)
    known = [day for day in onsets.values() if day is not None]
    first = min(known, default=None)

    def column(key: K) -> int:
        at: K | None = key
        while at is not None:
            day = onsets[at]
            if day is not None and first is not None:
                return (day - first).days
            at = above.get(at)
        return 0

    def order(key: K) -> tuple[int, str]:
        return column(key), str(key)

    nodes: list[Placed[K]] = []
    roots = sorted((k for k in onsets if k not in above), key=lambda k: (k not in below, *order(k)))
    pending = [(root, 0) for root in reversed(roots)]
    while pending:
        key, generation = pending.pop()
        children = sorted(below.get(key, ()), key=order)
        nodes.append(Placed(key, column(key), len(nodes), generation, len(children)))
        pending.extend((child, generation + 1) for child in reversed(children))
    serial = tuple(
        (late - early).days
        for parent, child in links
        if (early := onsets[parent]) is not None and (late := onsets[child]) is not None
    )
    depth = max((node.generation for node in nodes), default=-1)
    return Chain(
        tuple(nodes), tuple(links), max((n.column for n in nodes), default=0) + 1, len(nodes),
        tuple(sum(n.generation == g for n in nodes) for g in range(depth + 1)), serial,
    )  # fmt: skip


def above_pairs[K: Hashable](above: Mapping[K, K]) -> list[tuple[K, K]]:
    """(infector, infectee) pairs of a child → parent map."""
    return [(parent, child) for child, parent in above.items()]


def offspring_mean(chain: Chain[Hashable], until_column: int | None = None) -> float | None:
    """Mean number of further cases per case with a link: the observed reproduction number of the traced part.

    Cases with onset after `until_column` have not had their time yet and are left out. None without a link.
    """
    linked = {key for link in chain.links for key in link}
    counted = [
        n.offspring for n in chain.nodes if n.key in linked and (until_column is None or n.column <= until_column)
    ]
    return None if not counted else math.fsum(counted) / len(counted)
