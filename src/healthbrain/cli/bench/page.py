"""bench page: the longitudinal page of one resident with the whole county loaded, server time."""

from __future__ import annotations

import random
import time
from typing import Any

from healthbrain.cli.bench.place import own_home, percentile
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 1_650_000
OPENINGS = 300
TABS = ("summary", "timeline", "results")


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Milliseconds of GET /residents/<id> (summary, timeline, results in turn) through all of Django's stack."""
    size = residents or FULL_SIZE
    own_home(f"county-{size}", keep=True)
    boot()
    from django.test import Client

    from healthbrain.access import actions as access
    from healthbrain.access.models import Account
    from healthbrain.access.rules import SYSTEM
    from healthbrain.cli.bench.big import load
    from healthbrain.kernel.db import select

    load(size, advance)
    doctor = Account.objects.filter(username="bench").first() or access.create_account(
        by=SYSTEM, username="bench", name="测量", role="hospital_doctor", organisation_id=1
    )
    client = Client()
    client.force_login(doctor)
    client.post("/find/purpose", {"purpose": "treatment"})
    draw = random.Random(3)  # noqa: S311  a sample, not a secret
    waits = []
    for number, resident in enumerate(draw.sample(range(1, size + 1), OPENINGS)):
        begun = time.perf_counter()
        answer = client.get(f"/residents/{resident}?view={TABS[number % len(TABS)]}")
        waits.append(1000 * (time.perf_counter() - begun))
        if answer.status_code != 200 or b"view=timeline" not in answer.content:
            raise RuntimeError(f"/residents/{resident} answered {answer.status_code}, not the record")
        advance(number + 1, OPENINGS, "page")
    return {
        "residents": size,
        "events": select("SELECT count(*) FROM records_event")[0][0],
        "openings": OPENINGS,
        "p50_ms": percentile(waits, 0.5),
        "p95_ms": percentile(waits, 0.95),
        "max_ms": round(max(waits), 1),
    }
