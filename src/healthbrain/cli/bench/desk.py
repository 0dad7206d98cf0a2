"""bench desk: a reading arrives, how long until its task is on the desk, at 50 readings a second.

Each reading is a FHIR transaction bundle of one blood pressure at 190/115 for a person under hypertension management,
so that each must raise an urgent referral. Clock starts before the bundle is handed to the store and stops when the
worker's NOTIFY names the resident, which is what the open page listens to.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from typing import Any

from healthbrain.cli.bench.place import healthbrain, own_home, percentile
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 50_000
RATE = 50  # readings a second
SECONDS = 30


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """p50, p99 and maximum in milliseconds from reading to task, over 30 s at 50 readings/s."""
    size = residents or FULL_SIZE
    home = own_home(f"demo-{size}", keep=True)  # the county `bench demo` built, or a new one
    healthbrain("demo", "--residents", str(size), "--no-serve", home=home)
    boot()
    patients = _patients(RATE * SECONDS)
    arrived: dict[int, float] = {}
    stopping = threading.Event()
    listener = threading.Thread(target=_listen, args=(arrived, stopping), daemon=True)
    listener.start()
    worker = subprocess.Popen([sys.executable, "-m", "healthbrain", "worker"])
    try:
        time.sleep(5)  # the worker's start is not part of the figure
        sent = _send(patients, advance)
        _wait(sent, arrived)
    finally:
        stopping.set()
        worker.terminate()
        worker.wait(15)
    waits = [1000 * (arrived[resident] - moment) for resident, moment in sent.items() if resident in arrived]
    return {
        "residents": size,
        "readings": len(sent),
        "rate_per_second": RATE,
        "tasks_seen": len(waits),
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
        "max_ms": round(max(waits), 1),
    }


def _patients(count: int) -> list[tuple[int, str, str]]:
    """Residents under hypertension management without an urgent referral: id, source code, the source's key."""
    from healthbrain.kernel.db import select

    return select(
        """
        SELECT DISTINCT ON (e.resident_id) e.resident_id, s.code, i.source_key
        FROM care_enrolment e
        JOIN residents_link l ON l.resident_id = e.resident_id
        JOIN residents_identity i ON i.id = l.identity_id
        JOIN county_source s ON s.id = i.source_id
        WHERE e.programme = 'hypertension' AND e.status = 'active' AND e.risk_level <> 'urgent'
        ORDER BY e.resident_id, i.id LIMIT %s
        """,
        (count,),
    )


def _listen(arrived: dict[int, float], stopping: threading.Event) -> None:
    import psycopg

    from healthbrain.kernel.postgres import database_url

    with psycopg.connect(database_url(), autocommit=True) as connection:
        connection.execute("LISTEN tasks")
        while not stopping.is_set():
            for note in connection.notifies(timeout=0.5):
                moment = time.monotonic()
                for resident in json.loads(note.payload).get("residents", []):
                    arrived.setdefault(resident, moment)


def _send(patients: list[tuple[int, str, str]], advance: Advance) -> dict[int, float]:
    from healthbrain.access.rules import SYSTEM
    from healthbrain.kernel.clock import now
    from healthbrain.records import actions as records

    sent, begun = {}, time.monotonic()
    for number, (resident, source, key) in enumerate(patients):
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        sent[resident] = time.monotonic()
        records.store_bundle(_bundle(key, now().isoformat()), source=source, by=SYSTEM)
        advance(number + 1, len(patients))
    return sent


def _bundle(key: str, effective: str) -> dict[str, Any]:
    def component(code: str, value: int) -> dict[str, Any]:
        return {
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        }

    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": f"Patient/{key}"},
        "effectiveDateTime": effective,
        "component": [component("8480-6", 190), component("8462-4", 115)],
    }
    entry = {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": observation}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{**entry, "request": {"method": "POST", "url": "Observation"}}],
    }


def _wait(sent: dict[int, float], arrived: dict[int, float]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not sent.keys() <= arrived.keys():
        time.sleep(0.1)
