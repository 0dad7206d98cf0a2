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
WARM = 50


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Milliseconds to store and to match one record, each in a transaction of its own; CPU of this process
    beside it. Each is a known person as a new source might write him; what the bench stored is taken out again.
    """
    size = residents or FULL_SIZE
    own_home(f"county-{size}", keep=True)
    boot()
    from healthbrain.cli.bench.big import load
    from healthbrain.county import actions as county
    from healthbrain.kernel.db import select
    from healthbrain.residents import actions

    load(size, advance)
    actions.count_names()
    source = county.source("BENCH-NEW").pk
    _forget(source)
    in_memory = _in_memory()
    people = _arriving(size, source)
    try:
        seen = []
        for number, (resident, row) in enumerate(people):
            seen.append((resident, *_one(row)))
            advance(number + 1, len(people), "match")
        links = dict(
            select(
                """SELECT i.source_key, l.resident_id FROM residents_identity i
                   JOIN residents_link l ON l.identity_id = i.id WHERE i.source_id = %s""",
                (source,),
            )
        )
    finally:
        _forget(source)
    counted = seen[WARM:]  # the first ones plan each statement once for the connection
    matched = [wait for _, _, wait, _ in counted]
    return {
        "residents": size,
        "identities": select("SELECT count(*) FROM residents_identity")[0][0],
        "index_in_memory_mb": in_memory,
        "records": len(counted),
        "store_p50_ms": percentile([wait for _, wait, _, _ in counted], 0.5),
        "match_p50_ms": percentile(matched, 0.5),
        "match_p99_ms": percentile(matched, 0.99),
        "match_max_ms": round(max(matched), 1),
        "match_cpu_p50_ms": percentile([cpu for *_, cpu in counted], 0.5),
        "linked_to_the_right_person": round(sum(links[f"new-{n}"] == n for n, *_ in seen) / len(seen), 3),
    }


def _in_memory() -> int:
    """Read the index of residents into the server's memory, as a day of work leaves it; megabytes."""
    from healthbrain.kernel.db import execute, select

    execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
    ((blocks,),) = select(
        """SELECT sum(pg_prewarm(c.oid)) FROM pg_class c
           WHERE c.relkind IN ('r', 'i') AND c.relnamespace = 'public'::regnamespace
             AND (c.relname ^@ 'residents_' OR c.relname ^@ 'identity_' OR c.relname ^@ 'resident_')"""
    )
    return int(blocks) * 8 // 1024


def _forget(source: int) -> None:
    """Take out what the bench stored, so that it finds the same county every time."""
    from django.db import transaction

    from healthbrain.kernel.db import execute, select
    from healthbrain.residents import golden

    with transaction.atomic():
        mine = "SELECT id FROM residents_identity WHERE source_id = %s"
        execute(f"DELETE FROM residents_review WHERE left_id IN ({mine}) OR right_id IN ({mine})", (source, source))
        rows = select(f"DELETE FROM residents_link WHERE identity_id IN ({mine}) RETURNING resident_id", (source,))
        execute("DELETE FROM residents_identity WHERE source_id = %s", (source,))
        golden.refresh({row[0] for row in rows})


def _arriving(size: int, source: int) -> list[tuple[int, dict[str, Any]]]:
    """Known people, half without their ID number, a third with another phone. Seeded."""
    from healthbrain.residents.models import Resident

    draw = random.Random(7)  # noqa: S311  a sample, not a secret
    people = Resident.objects.in_bulk(draw.sample(range(1, size + 1), RECORDS + WARM))
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


def _one(row: dict[str, Any]) -> tuple[float, float, float]:
    """Store and match one record: milliseconds of storing, of matching, and of matching by this process's CPU clock."""
    from django.db import transaction

    from healthbrain.residents import actions as residents

    with transaction.atomic():
        begun = time.perf_counter()
        (identity,) = residents.upsert_identities([row]).values()
        stored, busy = time.perf_counter(), time.process_time()
        residents.match_new([identity], mode="online")
        matched, worked = time.perf_counter(), time.process_time()
    return 1000 * (stored - begun), 1000 * (matched - stored), 1000 * (worked - busy)
