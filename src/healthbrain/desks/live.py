"""Live changes: a small ASGI stream of event names; the page then asks for the part that changed.

It runs on its own port because one open page is one open connection, which a WSGI worker thread could not spare.
The address carries a signed scope that ends after twelve hours; only names of changes travel, never people's data.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import psycopg
from django.core import signing

from healthbrain.access.rules import Actor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthbrain.settings")

SALT = "healthbrain.live"
LIFETIME = 12 * 3600
HEARTBEAT = 20.0  # seconds; proxies close silent connections
CHANNELS = ("tasks", "intake", "signals", "outbreaks", "emergency", "transport", "homecare")
ARRIVED = "dirty"  # facts says so with every record that arrives; pages hear "intake" of it
GATHER = 2.0  # seconds: a feed of fifty readings a second is one change to a reader
HELLO = b"retry: 3000\n\nevent: ready\ndata: 1\n\n"
Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


def live_url(request: Any, actor: Actor) -> str:
    """Where this page listens: the page's host on the next port, or HEALTHBRAIN_LIVE_URL behind a proxy. "" = none."""
    base = os.environ.get("HEALTHBRAIN_LIVE_URL")
    if base is None:
        host, _, port = request.get_host().partition(":")
        if not port.isdigit():
            return ""
        base = f"{request.scheme}://{host}:{int(port) + 1}/"
    token = signing.dumps({"path": actor.path, "wide": actor.county_wide}, salt=SALT, compress=True)
    return f"{base}?token={token}" if base else ""


def concerns(payload: str, organisations: frozenset[int] | None) -> bool:
    """Does a notification touch one of `organisations`? None = the whole county; a payload without a list = all."""
    if organisations is None or not payload:
        return True
    named = json.loads(payload).get("organisations")
    return named is None or bool(organisations.intersection(named))


async def _subtree(connection: psycopg.AsyncConnection[Any], path: str) -> frozenset[int]:
    cursor = await connection.execute("SELECT id FROM county_organisation WHERE path LIKE %s", (path + "%",))
    return frozenset(row[0] for row in await cursor.fetchall())


class Hub:
    """One database connection listens for all open pages."""

    def __init__(self) -> None:
        self.waiting: dict[asyncio.Queue[str], frozenset[int] | None] = {}
        self.listener: asyncio.Task[None] | None = None
        self.arrived: asyncio.TimerHandle | None = None

    async def join(self, path: str, wide: bool) -> asyncio.Queue[str]:
        """A queue of event names for one page."""
        if self.listener is None or self.listener.done():
            self.listener = asyncio.create_task(self._listen())
        organisations = None
        if not wide:
            async with await _connect() as connection:
                organisations = await _subtree(connection, path)
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=64)
        self.waiting[queue] = organisations
        return queue

    def leave(self, queue: asyncio.Queue[str]) -> None:
        self.waiting.pop(queue, None)

    async def _listen(self) -> None:
        while True:
            try:
                async with await _connect() as connection:
                    for channel in (*CHANNELS, ARRIVED):
                        await connection.execute(f'LISTEN "{channel}"')
                    async for notice in connection.notifies():
                        if notice.channel == ARRIVED:
                            self._gather()
                        else:
                            self._tell(notice.channel, notice.payload)
            except psycopg.OperationalError:
                await asyncio.sleep(2)  # the server restarts: pages poll meanwhile

    def _gather(self) -> None:
        if self.arrived is None:
            self.arrived = asyncio.get_running_loop().call_later(GATHER, self._tell_arrived)

    def _tell_arrived(self) -> None:
        self.arrived = None
        self._tell("intake", "")

    def _tell(self, channel: str, payload: str) -> None:
        for queue, organisations in self.waiting.items():
            if concerns(payload, organisations) and not queue.full():
                queue.put_nowait(channel)


async def _connect() -> psycopg.AsyncConnection[Any]:
    from django.db import connection

    settings = connection.settings_dict
    return await psycopg.AsyncConnection.connect(
        dbname=settings["NAME"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        host=settings["HOST"],
        port=settings["PORT"] or None,
        autocommit=True,
        application_name="healthbrain live",
    )


hub = Hub()


async def application(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    """ASGI entry point: GET /?token=… → text/event-stream."""
    if scope["type"] != "http":
        return
    token = parse_qs(scope["query_string"].decode()).get("token", [""])[0]
    try:
        claim = signing.loads(token, salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b"sign in again"})
        return
    origin = dict(scope["headers"]).get(b"origin", b"")
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"access-control-allow-origin", origin or b"null"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    queue = await hub.join(claim["path"], claim["wide"])
    gone = asyncio.create_task(_until_gone(receive))
    try:
        await send({"type": "http.response.body", "body": HELLO, "more_body": True})
        await _stream(queue, gone, send)
    finally:
        gone.cancel()
        hub.leave(queue)


async def _until_gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stream(queue: asyncio.Queue[str], gone: asyncio.Task[None], send: Send) -> None:
    while not gone.done():
        try:
            name = await asyncio.wait_for(queue.get(), HEARTBEAT)
            body = f"event: {name}\ndata: 1\n\n"
        except TimeoutError:
            body = ": still here\n\n"
        await send({"type": "http.response.body", "body": body.encode(), "more_body": True})
