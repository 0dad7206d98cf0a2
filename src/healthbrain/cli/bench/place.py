"""A data folder of its own for each bench, so that nothing measured here touches an installation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from healthbrain.kernel.errors import HealthBrainError
from healthbrain.kernel.home import folder


def own_home(name: str, *, keep: bool) -> Path:
    """Point HEALTHBRAIN_HOME at `bench/<name>`; call before Django starts. `keep` reuses what an earlier run built."""
    place = folder("bench", name)
    if not keep:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    os.environ["HEALTHBRAIN_HOME"] = str(place)
    os.environ.pop("DATABASE_URL", None)
    return place


def healthbrain(*arguments: str, home: Path) -> dict[str, Any]:
    """Run one of our own commands with --json in another process and folder; its answer."""
    command = [sys.executable, "-m", "healthbrain", *arguments, "--json"]
    environment = {**os.environ, "HEALTHBRAIN_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise HealthBrainError(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, Any] = orjson.loads(done.stdout)
    return answer


def scratch() -> Path:
    """A temporary folder below the data folder, for files a bench writes."""
    return Path(tempfile.mkdtemp(prefix="scratch-", dir=folder("bench")))


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of `values`, rounded to 2 digits. `share` in 0..1."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
