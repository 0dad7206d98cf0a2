"""Random streams and blocks: what is drawn depends on the seed, the table and the block, never on who draws it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from zlib import crc32

import numpy as np

BLOCK = 65_536  # residents in one block


def stream(seed: int, table: str, block: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, crc32(table.encode()), block])))


def blocks(residents: int, size: int = BLOCK) -> list[tuple[int, int, int]]:
    """(number, first resident, how many) of every block."""
    return [(number, first, min(size, residents - first)) for number, first in enumerate(range(0, residents, size))]


def over_blocks[T](
    work: Callable[[int, int, int], T], parts: Sequence[tuple[int, int, int]], workers: int
) -> Iterator[T]:
    """Run `work(number, first, count)` for each block, results in block order.

    Threads, not processes: numpy and polars leave the interpreter lock while they compute, and a caller inside
    a web server may not fork.
    """
    if workers <= 1 or len(parts) == 1:
        yield from (work(*part) for part in parts)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(lambda part: work(*part), parts)


def choose(rng: np.random.Generator, shares: dict[str, float], n: int) -> np.ndarray:
    """n indices into the keys of `shares`."""
    edges = np.cumsum(list(shares.values()))
    return np.searchsorted(edges / edges[-1], rng.random(n), side="right").astype(np.int8)
