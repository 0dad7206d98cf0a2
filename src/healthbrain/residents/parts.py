"""A large batch in parts that know nothing of each other: memory stays bounded, the result is the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

PART = 250_000  # identities settled together, about


def components(left: np.ndarray, right: np.ndarray, count: int) -> np.ndarray:
    """The smallest node each of `count` nodes is connected to."""
    label = np.arange(count)
    while True:
        before = label.copy()
        low = np.minimum(label[left], label[right])
        np.minimum.at(label, label[left], low)
        np.minimum.at(label, label[right], low)
        while not np.array_equal(label, label[label]):
            label = label[label]
        if np.array_equal(before, label):
            return label


def parts(
    new: Sequence[int], pairs: pl.DataFrame, resident_of: Mapping[int, int]
) -> Iterator[tuple[list[int], pl.DataFrame]]:
    """New identities (sorted) and their pairs, cut where no pair crosses. Pairs meet in `resident_of` residents too."""
    if len(new) <= PART:
        yield list(new), pairs
        return
    stored = pl.DataFrame({"id": list(resident_of), "node": [-r for r in resident_of.values()]},
                          schema={"id": pl.Int64, "node": pl.Int64})  # fmt: skip
    sides = [
        pairs.select(pl.col(side).alias("id")).join(stored, on="id", how="left", maintain_order="left")
        .select(pl.coalesce("node", "id"))["node"].to_numpy()
        for side in ("a", "b")
    ]  # fmt: skip
    nodes = np.unique(np.concatenate([np.asarray(new), *sides]))
    left, right = (np.searchsorted(nodes, side) for side in sides)
    label = components(left, right, len(nodes))
    of_new = label[np.searchsorted(nodes, np.asarray(new))]
    order = np.argsort(of_new, kind="stable")
    ranks = of_new[order]
    starts = np.flatnonzero(np.r_[True, ranks[1:] != ranks[:-1]])  # where a component begins
    cuts = [0]
    for start in starts:
        if start - cuts[-1] >= PART:
            cuts.append(int(start))
    cuts.append(len(order))
    pair_label = label[left]
    by_label = np.argsort(pair_label, kind="stable")
    sorted_labels = pair_label[by_label]
    ids = np.asarray(new)
    for begin, end in itertools.pairwise(cuts):
        low = np.searchsorted(sorted_labels, ranks[begin])
        high = np.searchsorted(sorted_labels, ranks[end - 1], side="right")
        yield sorted(ids[order[begin:end]].tolist()), pairs[by_label[low:high]]
