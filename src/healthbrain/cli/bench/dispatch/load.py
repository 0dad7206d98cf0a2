"""bench dispatch load: 128 calls at once, 32 seats, 69 vehicles every 5 s, and the web process killed in the middle.

A thing is lost when the server said "done" (its answer reached the client) and the database does not have it.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from healthbrain.cli.bench.dispatch import centre
from healthbrain.cli.bench.place import percentile
from healthbrain.cli.output import Advance

CALLS, SEATS, PORT = 128, 32, 8399
KILL_AFTER, EVERY = 6.0, 5.0
BROKEN = (OSError, http.client.HTTPException)
TOKEN = "b" * 32  # a CSRF cookie and its header only have to agree


Crew = tuple[str, int, float, float]  # session, vehicle, x, y


@dataclass
class Tally:
    """What the clients were told."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waits: list[float] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)  # phone → id
    answers: dict[int, int] = field(default_factory=dict)  # call → answers acknowledged
    missions: set[int] = field(default_factory=set)  # calls whose assignment was acknowledged
    pressed: set[str] = field(default_factory=set)  # client ids acknowledged
    positions: int = 0
    retries: int = 0


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Waits of the seats, retries over the kill, and what was lost (must be 0)."""
    size = centre.build(residents, advance)
    from healthbrain.dispatch.models import PositionLog

    seats, crews = _sessions()
    before = PositionLog.objects.count()
    tally, stopping = Tally(), threading.Event()
    web = _start()
    work: queue.Queue[int] = queue.Queue()
    for number in range(CALLS):
        work.put(number)
    threads = [threading.Thread(target=_seat, args=(s, work, tally), daemon=True) for s in seats]
    phones = [threading.Thread(target=_phone, args=(c, tally, stopping), daemon=True) for c in crews]
    begun = time.monotonic()
    for thread in (*threads, *phones):
        thread.start()
    time.sleep(KILL_AFTER)
    os.killpg(web.pid, signal.SIGKILL)
    killed = time.monotonic()
    web.wait()
    web = _start()
    down = time.monotonic() - killed
    for number, thread in enumerate(threads):
        thread.join(300)
        advance(number + 1, SEATS, "load")
    took = time.monotonic() - begun
    stopping.set()
    for thread in phones:
        thread.join(15)
    os.killpg(web.pid, signal.SIGTERM)
    web.wait(20)
    return {"residents": size, **_lost(tally, PositionLog.objects.count() - before), **_waits(tally, took, down)}


def _waits(tally: Tally, took: float, down: float) -> dict[str, Any]:
    return {
        "calls": len(tally.calls),
        "seats": SEATS,
        "vehicles": 69,
        "seconds": round(took, 1),
        "down_seconds": round(down, 1),
        "retries": tally.retries,
        "acts": len(tally.waits),
        "act_p50_ms": percentile(tally.waits, 0.5),
        "act_p99_ms": percentile(tally.waits, 0.99),
    }


def _lost(tally: Tally, logged: int) -> dict[str, Any]:
    """Acknowledged and not in the database, by kind. Then the bench's calls leave the desk."""
    from healthbrain.dispatch.models import Call, Mission, TimelineEvent

    stored = dict(Call.objects.filter(pk__in=tally.calls.values()).values_list("pk", "answers"))
    sent = set(Mission.objects.filter(call__in=tally.missions).values_list("call_id", flat=True))
    known = TimelineEvent.objects.filter(client_id__in=tally.pressed).count()
    lost = {
        "lost_calls": len(set(tally.calls.values()) - stored.keys()),
        "lost_answers": sum(max(0, n - len(stored.get(call, []))) for call, n in tally.answers.items()),
        "lost_assignments": len(tally.missions - sent),
        "lost_presses": len(tally.pressed) - known,
        "lost_positions": max(0, tally.positions - logged),
        "assigned": len(tally.missions),
        "presses": len(tally.pressed),
        "positions": tally.positions,
    }
    centre.close(list(Call.objects.exclude(state__in=["closed", "merged", "cancelled"]).values_list("id", flat=True)))
    return lost


def _sessions() -> tuple[list[str], list[Crew]]:
    """Session cookies of the seats, and of a crew in each of the 69 vehicles with the place it stands."""
    from django.test import Client

    from healthbrain.dispatch.models import Vehicle

    def cookie(account: Any) -> str:
        client = Client()
        client.force_login(account)
        return client.cookies["sessionid"].value

    seats = [cookie(centre.account(f"bench-seat-{n}", "dispatcher")) for n in range(SEATS)]
    Vehicle.objects.filter(crew__username__startswith="bench-crew-").update(crew=None)  # of an earlier run
    crews = []
    for number, vehicle in enumerate(Vehicle.objects.filter(fleet="emergency").select_related("station")[:69]):
        account = centre.account(f"bench-crew-{number}", "crew")
        Vehicle.objects.filter(pk=vehicle.pk).update(crew=account)
        crews.append((cookie(account), vehicle.pk, vehicle.station.x, vehicle.station.y))
    return seats, crews


def _start() -> subprocess.Popen[bytes]:
    """The web process as `healthbrain serve` starts it, answering."""
    command = [sys.executable, "-m", "granian", "--no-ws", "--log-level", "error", "--host", "127.0.0.1", "--interface",
               "wsgi", "--port", str(PORT), "--workers", "2", "--blocking-threads", "4",
               "healthbrain.wsgi:application"]  # fmt: skip
    web = subprocess.Popen(command, start_new_session=True)  # noqa: S603  our own command line
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if _once("GET", "/sign-in", "", None)[0] == 200:
                return web
        except BROKEN:
            time.sleep(0.2)
    raise RuntimeError("the web process did not come up in two minutes")


def _once(method: str, path: str, session: str, body: dict[str, Any] | str | None) -> tuple[int, str]:
    """One request; status and where it redirects to."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    text = body if isinstance(body, str) else urlencode(body or {})
    kind = "application/json" if isinstance(body, str) else "application/x-www-form-urlencoded"
    headers = {
        "Cookie": f"sessionid={session}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN, "Content-Type": kind,
        "Accept": "application/json",
    }  # fmt: skip
    try:
        connection.request(method, path, text if method == "POST" else None, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Location", "")
    finally:
        connection.close()


def _act(path: str, session: str, body: dict[str, Any] | str, tally: Tally) -> tuple[int, str]:
    """POST until the server answers; a broken connection is tried again, as a person would."""
    begun = time.perf_counter()
    while True:
        try:
            status, where = _once("POST", path, session, body)
        except BROKEN:
            with tally.lock:
                tally.retries += 1
            time.sleep(0.3)
            begun = time.perf_counter()
            continue
        with tally.lock:
            tally.waits.append(1000 * (time.perf_counter() - begun))
        return status, where


def _seat(session: str, work: queue.Queue[int], tally: Tally) -> None:
    """One dispatcher: takes calls until none is left, each answered, placed, triaged, sent."""
    while True:
        try:
            number = work.get_nowait()
        except queue.Empty:
            return
        phone = f"1600{number:07}"
        _, where = _act("/dispatch/take", session, {"phone": phone}, tally)
        call = int(where.partition("call=")[2])
        with tally.lock:
            tally.calls[phone] = call
        _work_call(call, number, session, tally)


def _work_call(call: int, number: int, session: str, tally: Tally) -> None:
    from django.db import connection

    from healthbrain.dispatch.models import LandMark, Vehicle

    mark = LandMark.objects.filter(kind="village").order_by("id")[number % 200]
    place = {"place": mark.name, "x": mark.x, "y": mark.y, "how": "address"}
    _act(f"/dispatch/calls/{call}/locate", session, place, tally)
    for question, digit in (("breathing", 4), ("complaint", 3), ("trauma", 1 + number % 3)):
        _act(f"/dispatch/calls/{call}/answer", session, {"question": question, "digit": digit}, tally)
    with tally.lock:
        # An answer repeated after a broken connection may be refused as out of turn: it is there already, not lost.
        tally.answers[call] = 3
    free = Vehicle.objects.filter(fleet="emergency", status="idle").order_by("id")[number % 8 : number % 8 + 1].first()
    connection.close()
    if free is None:
        return
    _act(f"/dispatch/calls/{call}/assign", session, {"vehicle": free.pk, "code": free.code}, tally)
    if _has_mission(call):
        with tally.lock:
            tally.missions.add(call)


def _has_mission(call: int) -> bool:
    """Asked at once after the answer: the kill may come later, and then it must still be there."""
    from django.db import connection

    from healthbrain.dispatch.models import Mission

    found = Mission.objects.filter(call_id=call).exists()
    connection.close()
    return found


def _phone(crew: Crew, tally: Tally, stopping: threading.Event) -> None:
    """One vehicle: a position every five seconds; its mission acknowledged and rolling when there is one."""
    from django.db import connection

    from healthbrain.dispatch.models import Mission

    session, vehicle, x, y = crew
    while not stopping.is_set():
        report = json.dumps([{"x": x, "y": y, "at": time.time() * 1000}])
        status, _ = _act("/crew/position", session, report, tally)
        if status == 200:
            with tally.lock:
                tally.positions += 1
        for mission in Mission.objects.filter(ended_at=None, vehicle=vehicle, step="assigned"):
            key = str(uuid.uuid4())
            given = {"kind": "acknowledged", "client_id": key}
            status, _ = _act(f"/crew/missions/{mission.pk}/step", session, given, tally)
            if status == 200:
                with tally.lock:
                    tally.pressed.add(key)
        connection.close()
        stopping.wait(EVERY)
