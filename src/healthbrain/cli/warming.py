"""Compile the inner loops ahead, in a process of its own: once on a new installation (half a minute), then from disk.

`python -m healthbrain.cli.warming` compiles; `ahead()` starts that beside what a command does anyway.
"""

from __future__ import annotations

import subprocess
import sys

PARTS = ("detector", "routes")


def ahead(*parts: str) -> subprocess.Popen[bytes]:
    """Start compiling `parts` (none: all). Nobody has to wait: who comes first compiles the rest himself."""
    command = [sys.executable, "-m", "healthbrain.cli.warming", *parts]
    return subprocess.Popen(command)  # noqa: S603  our own command line


def main(parts: list[str]) -> None:
    """Load or compile each part once, which leaves it in numba's cache on disk."""
    if "detector" in parts:
        import numpy as np

        from healthbrain.surveillance.rules.own import detect_own
        from healthbrain.surveillance.rules.scan import scan_expected
        from healthbrain.surveillance.rules.series import SeriesSet
        from healthbrain.surveillance.rules.zones import adjacent

        detect_own(SeriesSet(("warm",), np.ones((1, 60))), from_index=59)
        ones = np.ones((2, 3))
        scan_expected(ones, ones, ones, adjacent(2, [(0, 1)], 2), seed=1, draws=2)
    if "routes" in parts:
        from healthbrain.dispatch.rules.darp import warm_up

        warm_up()


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
