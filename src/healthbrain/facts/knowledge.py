"""The fact catalogue of this installation: the shipped files, and the county's own folder over them."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from healthbrain.facts.rules.catalogue import Catalogue, load_catalogue

SHIPPED = Path(__file__).resolve().parents[1] / "knowledge" / "facts"


@functools.cache
def catalogue() -> Catalogue:
    """Every fact, read once. A county's file (`HEALTHBRAIN_KNOWLEDGE`/facts) replaces the shipped one of its name."""
    own = os.environ.get("HEALTHBRAIN_KNOWLEDGE")
    return load_catalogue(SHIPPED, *([Path(own) / "facts"] if own else []))
