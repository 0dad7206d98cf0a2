"""bench match: one arriving record against the whole county, with the trained weights."""

from __future__ import annotations

import random
import time
from typing import Any

from healthbrain.cli.bench.place import own_home, percentile
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 1_650_000
RECORDS = 1_000


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Milliseconds to store and match one record; each is a known person as a new source might write him."""
    size = residents or FULL_SIZE
    own_home(f"county-{size}", keep=True)
    boot()
    from django.db import transaction

    from healthbrain.cli.bench.big import load
    from healthbrain.county import actions as county
    from healthbrain.kernel.db import select

    load(size, advance)
    source = county.source("BENCH-NEW").pk
    waits: list[tuple[float, float]] = []
    right = 0
    for number, (resident, row) in enumerate(_arriving(size, source)):
        with transaction.atomic():
            wait, linked = _one(row, select)
            transaction.set_rollback(True)
        waits.append(wait)
        right += linked == resident
        advance(number + 1, RECORDS, "match")
    return {
        "residents": size,
        "identities": select("SELECT count(*) FROM residents_identity")[0][0],
        "records": RECORDS,
        "store_p50_ms": percentile([stored for stored, _ in waits], 0.5),
        "match_p50_ms": percentile([matched for _, matched in waits], 0.5),
        "match_p99_ms": percentile([matched for _, matched in waits], 0.99),
        "match_max_ms": round(max(matched for _, matched in waits), 1),
        "linked_to_the_right_person": round(right / RECORDS, 3),
    }


def _arriving(size: int, source: int) -> list[tuple[int, dict[str, Any]]]:
    """Known people, half without their ID number, a third with another phone. Seeded."""
    from healthbrain.residents.models import Resident

    draw = random.Random(7)  # noqa: S311  a sample, not a secret
    people = Resident.objects.in_bulk(draw.sample(range(1, size + 1), RECORDS))
    rows = []
    for number, person in people.items():
        rows.append(
            (
                number,
                {
                    "source_id": source,
                    "source_key": f"new-{number}",
                    "name": person.name,
                    "sex": person.sex,
                    "birth_date": person.birth_date,
                    "id_number": None if draw.random() < 0.5 else person.id_number,
                    "phone": None if draw.random() < 0.33 else person.phone,
                    "address": person.address,
                    "division_code": person.division_code,
                },
            )
        )
    return rows


def _one(row: dict[str, Any], select: Any) -> tuple[tuple[float, float], int | None]:
    from healthbrain.residents import actions as residents

    begun = time.perf_counter()
    (identity,) = residents.upsert_identities([row]).values()
    stored = time.perf_counter()
    residents.match_new([identity], mode="online")
    matched = time.perf_counter()
    wait = (1000 * (stored - begun), 1000 * (matched - stored))
    linked = select("SELECT resident_id FROM residents_link WHERE identity_id = %s", (identity,))
    return wait, linked[0][0] if linked else None
