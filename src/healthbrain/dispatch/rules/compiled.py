"""Inner loops compiled by numba and kept on disk, also where the package itself lies in a read-only folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import numba


def compiled[F: Callable](function: F) -> F:
    """numba's njit, cached beside the source, or in the user's cache folder when that is read-only (numba's own order).

    Where neither can be written the function is compiled anew in each process: slower to start, same answers.
    """
    try:
        return cast(F, numba.njit(cache=True, error_model="numpy")(function))
    except RuntimeError:
        return cast(F, numba.njit(error_model="numpy")(function))


@contextmanager
def interpreted() -> Iterator[None]:
    """Loops whose module is first imported inside stay plain Python: for a handful of rides that is quicker than the
    half minute of compiling that an installation pays once."""
    numba.config.DISABLE_JIT = True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        numba.config.DISABLE_JIT = False  # type: ignore[attr-defined]
