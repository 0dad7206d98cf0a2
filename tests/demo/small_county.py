"""Values the tests of this folder share."""

from __future__ import annotations

from datetime import date
from pathlib import Path

AS_OF = date(2026, 11, 22)


def is_utf8(path: Path) -> bool:
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError:
        return False
    return True
