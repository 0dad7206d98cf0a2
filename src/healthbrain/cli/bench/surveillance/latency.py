"""bench surveillance latency: during an outbreak at 50 records a second, from a record's storing to its signal.

The worker runs as in an installation. Each record is a first diagnosis of hand, foot and mouth disease; it has reached
the desk when the signal of its village, read after a NOTIFY, counts at least as many cases as were stored until then.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from typing import Any

from healthbrain.cli.bench.place import healthbrain, own_home, percentile
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 2_000
RATE, SECONDS = 50, 20
LEAST = 3  # cases of the village rule: the first two have no signal of their own


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Milliseconds from storing a record to a signal that counts it, seen through LISTEN as a desk sees it."""
    size = residents or FULL_SIZE
    home = own_home(f"signal-{size}", keep=False)
    healthbrain("demo", "--residents", str(size), "--no-serve", home=home)
    boot()
    patients = _patients(RATE * SECONDS)
    seen: list[tuple[float, dict[str, int]]] = []
    stopping = threading.Event()
    listener = threading.Thread(target=_listen, args=(seen, stopping), daemon=True)
    listener.start()
    worker = subprocess.Popen([sys.executable, "-m", "healthbrain", "worker"])
    try:
        time.sleep(15)  # the worker's start and first whole pass are not part of the figure
        stored = _send(patients, advance)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(_waits(stored, seen)) < len(stored):
            time.sleep(0.5)
    finally:
        stopping.set()
        worker.terminate()
        worker.wait(20)
    waits = _waits(stored, seen)
    return {
        "residents": size,
        "records": len(stored),
        "rate_asked": RATE,
        "rate_reached": round(len(stored) / (stored[-1][2] - stored[0][2]), 1),
        "reached_the_desk": len(waits),
        "p50_ms": percentile(waits, 0.5) if waits else None,
        "p99_ms": percentile(waits, 0.99) if waits else None,
        "max_ms": round(max(waits), 1) if waits else None,
    }


def _patients(count: int) -> list[tuple[str, str, str]]:
    """(village, source, the source's key) of residents without such a diagnosis, one identity a resident."""
    from healthbrain.kernel.db import select

    return select(
        """SELECT DISTINCT ON (r.id) r.division_code, s.code, i.source_key
           FROM residents_resident r JOIN residents_link l ON l.resident_id = r.id
           JOIN residents_identity i ON i.id = l.identity_id JOIN county_source s ON s.id = i.source_id
           WHERE length(r.division_code) = 12 AND NOT EXISTS (
               SELECT FROM surveillance_caserecord c JOIN residents_link m ON m.identity_id = c.identity_id
               WHERE m.resident_id = r.id AND c.syndrome = 'hfmd')
           ORDER BY r.id, i.id LIMIT %s""",
        (count,),
    )


def _listen(seen: list[tuple[float, dict[str, int]]], stopping: threading.Event) -> None:
    import psycopg

    from healthbrain.kernel.postgres import database_url

    with psycopg.connect(database_url(), autocommit=True) as connection:
        connection.execute("LISTEN signals")
        while not stopping.is_set():
            if list(connection.notifies(timeout=0.5, stop_after=1)):
                rows = connection.execute(
                    """SELECT place_code, observed::int FROM surveillance_signal
                       WHERE place_kind = 'village' AND syndrome = 'febrile-rash' AND life <> 'over'"""
                ).fetchall()
                seen.append((time.monotonic(), dict(rows)))


def _send(patients: list[tuple[str, str, str]], advance: Advance) -> list[tuple[str, int, float]]:
    """(village, how many of it are stored by now, when) for each record, at the rate."""
    from healthbrain.access.rules import SYSTEM
    from healthbrain.kernel.clock import now
    from healthbrain.records import actions as records

    stored: list[tuple[str, int, float]] = []
    by_village: dict[str, int] = {}
    begun = time.monotonic()
    for number, (village, source, key) in enumerate(patients):
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        records.store_bundle(_bundle(key, now().isoformat()), source=source, by=SYSTEM)
        by_village[village] = by_village.get(village, 0) + 1
        stored.append((village, by_village[village], time.monotonic()))
        advance(number + 1, len(patients))
    return stored


def _bundle(key: str, recorded: str) -> dict[str, Any]:
    condition = {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "B08.401"}]},
        "subject": {"reference": f"Patient/{key}"},
        "recordedDate": recorded,
    }
    entry = {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": condition}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{**entry, "request": {"method": "POST", "url": "Condition"}}],
    }


def _waits(stored: list[tuple[str, int, float]], seen: list[tuple[float, dict[str, int]]]) -> list[float]:
    """Milliseconds until a look at the signals counted the record; those below the rule's number wait for it."""
    looks = list(seen)
    waits = []
    for village, count, moment in stored:
        reached = next((at for at, told in looks if at >= moment and told.get(village, 0) >= max(count, LEAST)), None)
        if reached is not None:
            waits.append(1000 * (reached - moment))
    return waits
