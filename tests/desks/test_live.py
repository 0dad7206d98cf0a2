"""The live stream: a signed address, names of changes only, and only those that concern one's organisations."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import signing
from django.db import connection

from healthbrain.desks import live


@pytest.mark.parametrize(
    ("payload", "organisations", "expected"),
    [
        ("", frozenset({1}), True),
        ('{"organisations": [3, 4]}', frozenset({4, 5}), True),
        ('{"organisations": [3, 4]}', frozenset({5}), False),
        ('{"organisations": [3]}', None, True),  # the whole county
        ('{"residents": [9]}', frozenset({5}), True),  # names no organisation: tell everybody rather than nobody
    ],
)
def test_who_is_told(payload, organisations, expected):
    assert live.concerns(payload, organisations) is expected


async def _ask(query: str, seconds: float, after_start=None, wanted: bytes = b"event: tasks") -> tuple[int, str]:
    """Open the stream for a moment; its status and everything it sent."""
    sent: list[dict] = []
    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "query_string": query.encode(), "headers": [(b"origin", b"http://testserver")]}
    running = asyncio.create_task(live.application(scope, receive, send))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not any(b"ready" in m.get("body", b"") for m in sent) and not running.done():
        await asyncio.sleep(0.05)
    if after_start:
        await asyncio.sleep(0.3)
        await after_start()
        while time.monotonic() < deadline and not any(wanted in m.get("body", b"") for m in sent):
            await asyncio.sleep(0.05)
    gone.set()
    running.cancel()
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent).decode()


def run(scenario):
    """In a thread of its own: this one may already run the browser's event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, scenario).result()


def _fresh_hub() -> None:
    live.hub = live.Hub()


def test_without_a_valid_token_nothing_is_told():
    status, _ = run(_ask("token=forged", 3))
    assert status == 403


def _told(statement: str, wanted: bytes, times: int = 1) -> tuple[int, str]:
    """What an open page hears when another connection says `statement` that many times."""
    _fresh_hub()
    token = signing.dumps({"path": "/", "wide": True}, salt=live.SALT, compress=True)
    connection.ensure_connection()

    async def change():
        async with await live._connect() as other:
            for _ in range(times):
                await other.execute(statement)

    async def scenario():
        try:
            return await _ask(f"token={token}", 20, change, wanted)
        finally:
            if live.hub.listener:
                live.hub.listener.cancel()

    return run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_notification_reaches_an_open_page():
    status, text = _told(f"SELECT pg_notify('tasks', '{json.dumps({'organisations': [1]})}')", b"event: tasks")
    assert status == 200
    assert "event: tasks" in text
    assert "organisations" not in text  # only the name of the change travels


@pytest.mark.django_db(transaction=True)
def test_many_arriving_records_are_one_change_to_a_reader():
    _, text = _told("SELECT pg_notify('dirty', '')", b"event: intake", times=20)
    assert text.count("event: intake") == 1
