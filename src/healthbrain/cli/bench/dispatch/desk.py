"""bench dispatch page, positions: the recommendation on the page, and while 1,000 positions a second arrive."""

from __future__ import annotations

import threading
import time
from typing import Any

from healthbrain.cli.bench.dispatch import centre
from healthbrain.cli.bench.place import percentile
from healthbrain.cli.output import Advance

OPENINGS = 200
SECONDS, RATE, BATCH = 20, 1000, 100


def page(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Milliseconds of GET /dispatch?call=… (queue, call, ranked list) through all of Django's stack."""
    size = centre.build(residents, advance)
    from django.test import Client

    made = centre.placed_calls(20)
    client = Client()
    client.force_login(centre.account("bench-dispatcher", "dispatcher"))
    client.get(f"/dispatch?call={made[0]}")  # roads, coverage and templates are loaded once a process
    whole, alone = [], []
    worked = time.process_time()
    for number in range(OPENINGS):
        call = made[number % len(made)]
        whole.append(_timed(client, f"/dispatch?call={call}"))
        alone.append(_timed(client, f"/dispatch/advice?call={call}"))
        advance(number + 1, OPENINGS, "page")
    cpu = 1000 * (time.process_time() - worked) / (2 * OPENINGS)
    centre.close(made)
    return {
        "residents": size,
        "openings": OPENINGS,
        "desk_p50_ms": percentile(whole, 0.5),
        "desk_p99_ms": percentile(whole, 0.99),
        "list_p50_ms": percentile(alone, 0.5),
        "list_p99_ms": percentile(alone, 0.99),
        "cpu_ms_per_answer": round(cpu, 1),
    }


def _timed(client: Any, address: str) -> float:
    begun = time.perf_counter()
    answer = client.get(address)
    if answer.status_code != 200 or b"choices" not in answer.content:
        raise RuntimeError(f"{address} answered {answer.status_code} without a ranked list")
    return 1000 * (time.perf_counter() - begun)


def positions(residents: int | None, advance: Advance) -> dict[str, Any]:
    """p99 of the recommendation while 1,000 positions a second are written by the same process for 20 s."""
    size = centre.build(residents, advance)
    from healthbrain.access.queries import actor_of
    from healthbrain.dispatch.models import PositionLog
    from healthbrain.dispatch.queries import recommend
    from healthbrain.kernel.clock import now

    made, before = centre.placed_calls(20), PositionLog.objects.count()
    actor = actor_of(centre.account("bench-dispatcher", "dispatcher"))
    recommend.recommend(actor, made[0], now=now())
    stopping, sent = threading.Event(), [0]
    writer = threading.Thread(target=_write, args=(stopping, sent), daemon=True)
    waits: list[float] = []
    writer.start()
    begun, worked = time.monotonic(), time.process_time()
    while time.monotonic() - begun < SECONDS:
        started = time.perf_counter()
        found = recommend.recommend(actor, made[len(waits) % len(made)], now=now())
        waits.append(1000 * (time.perf_counter() - started))
        if not found.vehicles:
            raise RuntimeError("no vehicle was recommended")
        time.sleep(0.02)
        advance(time.monotonic() - begun, SECONDS, "positions")
    cpu = time.process_time() - worked
    stopping.set()
    writer.join(10)
    took = time.monotonic() - begun
    kept = PositionLog.objects.count() - before
    centre.close(made)
    return {
        "residents": size,
        "positions_sent": sent[0],
        "positions_kept": kept,
        "positions_per_second": round(sent[0] / took),
        "recommendations": len(waits),
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
        "max_ms": round(max(waits), 1),
        "cpu_share": round(cpu / took, 2),
    }


def _write(stopping: threading.Event, sent: list[int]) -> None:
    """Batches on time: RATE positions a second over the whole fleet."""
    import numpy as np
    from django.db import connection

    from healthbrain.dispatch.actions.positions import record_positions
    from healthbrain.dispatch.models import Station, Vehicle
    from healthbrain.dispatch.rules.positions import Report
    from healthbrain.kernel.clock import now

    fleet = list(Vehicle.objects.values_list("id", flat=True))
    home = np.array(Station.objects.values_list("x", "y"))
    random, begun = np.random.default_rng(3), time.monotonic()
    while not stopping.is_set():
        time.sleep(max(0.0, begun + sent[0] / RATE - time.monotonic()))
        moment = now()
        at = home[random.integers(len(home), size=BATCH)] + random.normal(0, 1, (BATCH, 2))
        reports = [Report(fleet[(sent[0] + k) % len(fleet)], float(x), float(y), moment) for k, (x, y) in enumerate(at)]
        record_positions(reports, now=moment)
        sent[0] += BATCH
    connection.close()
