"""The programmes of this installation: the shipped files, and the county's own folder over them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from healthbrain.care.rules.loader import load_programmes
from healthbrain.care.rules.programme import Programme
from healthbrain.facts.knowledge import catalogue
from healthbrain.kernel.errors import DefinitionError

type Stamp = tuple[tuple[str, int, int], ...]
log = logging.getLogger("healthbrain.care")
_read: tuple[Stamp, tuple[Programme, ...]] | None = None

SHIPPED = Path(__file__).resolve().parents[1] / "knowledge" / "programmes"


def folders() -> list[Path]:
    """Where programme files stand; a file of a later folder replaces the one of its name."""
    own = os.environ.get("HEALTHBRAIN_KNOWLEDGE")
    return [SHIPPED, *([Path(own) / "programmes"] if own else [])]


def stamp() -> Stamp:
    """Name, time and size of every programme file: an edited file is a new stamp. About 50 µs."""
    files = [file for folder in folders() for file in os.scandir(folder) if file.name.endswith(".yaml")]
    return tuple(sorted((file.path, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


def programmes() -> tuple[Programme, ...]:
    """Every programme. Read again when a file has changed: a long-running worker follows an edit by itself.

    A faulty edit is logged and the last good programmes stay: one wrong line must not stop a county's work. Raises
    DefinitionError when there never was a good one.
    """
    global _read  # noqa: PLW0603  one process, one set of programmes
    now = stamp()
    if _read is not None and _read[0] == now:
        return _read[1]
    try:
        _read = now, load_programmes(folders(), catalogue())
    except DefinitionError as error:
        if _read is None:
            raise
        log.error("programme file not taken, the earlier one stays: %s", error)
        _read = now, _read[1]
    return _read[1]


def programme(name: str) -> Programme | None:
    """The programme of this id, as last read."""
    return next((p for p in (_read[1] if _read else programmes()) if p.id == name), None)
