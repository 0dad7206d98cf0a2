"""Inner loops compiled by numba and kept on disk, also where the package itself lies in a read-only folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numba


def compiled[F: Callable](function: F) -> F:
    """numba's njit, cached beside the source or, when that is read-only, in the user's cache folder (numba's own order).

    Where neither can be written the function is compiled anew in each process: slower to start, same answers.
    """
    try:
        return cast(F, numba.njit(cache=True, error_model="numpy")(function))
    except RuntimeError:
        return cast(F, numba.njit(error_model="numpy")(function))
