"""The shipped knowledge files, read once as constants; a county's folder overrides by file."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import yaml

SHIPPED = Path(__file__).resolve().parents[1] / "knowledge"


@functools.cache
def load(folder: str, name: str) -> dict[str, Any]:
    """The file `folder/name` of the knowledge, the county's own (`HEALTHBRAIN_KNOWLEDGE`) before the shipped one."""
    own = os.environ.get("HEALTHBRAIN_KNOWLEDGE")
    for root in (Path(own),) if own else ():
        if (root / folder / name).exists():
            return dict(yaml.safe_load((root / folder / name).read_text(encoding="utf-8")))
    return dict(yaml.safe_load((SHIPPED / folder / name).read_text(encoding="utf-8")))
