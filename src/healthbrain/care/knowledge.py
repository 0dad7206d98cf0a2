"""The programmes of this installation: the shipped files, and the county's own folder over them."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from healthbrain.care.rules.loader import load_programmes
from healthbrain.care.rules.programme import Programme
from healthbrain.facts.knowledge import catalogue

SHIPPED = Path(__file__).resolve().parents[1] / "knowledge" / "programmes"


def folders() -> list[Path]:
    """Where programme files stand; a file of a later folder replaces the one of its name."""
    own = os.environ.get("HEALTHBRAIN_KNOWLEDGE")
    return [SHIPPED, *([Path(own) / "programmes"] if own else [])]


@functools.cache
def programmes() -> tuple[Programme, ...]:
    """Every programme, read once a process."""
    return load_programmes(folders(), catalogue())


def programme(name: str) -> Programme | None:
    """The programme of this id."""
    return next((p for p in programmes() if p.id == name), None)
