"""bench linkage: precision and recall on planted duplicates, with the ID number and without it."""

from __future__ import annotations

import shutil
from typing import Any

from healthbrain.cli.bench.place import scratch
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 1_650_000


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Pairwise precision and recall against the generator's truth; synthetic people only."""
    boot(migrate=False)
    from healthbrain.demo import generate_identities
    from healthbrain.residents.linkage import linkage_report

    size, place = residents or FULL_SIZE, scratch()
    try:
        identities, labels = generate_identities(place, residents=size)
        figures: dict[str, Any] = {"residents": size}
        for step, (name, blind) in enumerate((("with_id_number", False), ("without_id_number", True))):
            advance(step, 2, name)
            figures[name] = linkage_report(identities, labels, without_id_number=blind)
        return figures
    finally:
        shutil.rmtree(place, ignore_errors=True)
