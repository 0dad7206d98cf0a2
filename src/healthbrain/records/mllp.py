"""The MLLP listener: HL7 v2 over TCP, each message one transaction, acknowledged only after its commit.

A frame is VT … FS CR. Between frames anything is skipped; a frame without its VT is taken from its MSH on. A connection
that breaks inside a frame loses nothing: what was not acknowledged is sent again, and sending again is harmless.
"""

from __future__ import annotations

import datetime as dt
import logging
import socket
import threading
import time
from collections.abc import Callable
from hashlib import blake2b

from django.db import close_old_connections, connection, transaction

from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.county import actions as county
from healthbrain.kernel.clock import local, now
from healthbrain.records.intake import messages as intake
from healthbrain.records.intake import writing
from healthbrain.records.intake.prepared import Reject
from healthbrain.records.models import Batch
from healthbrain.records.rules import hl7v2
from healthbrain.residents import actions as residents

log = logging.getLogger(__name__)
START, END = b"\x0b", b"\x1c"
LARGEST = 32 << 20  # bytes of one message; reports with embedded PDF are the large ones
CONNECTIONS = 64
STALLED = 60.0  # seconds a half-sent frame may stand still
POLL = 0.5


class TooLarge(Exception):
    """A frame over LARGEST."""


class Framer:
    """Bytes as they arrive → whole messages."""

    def __init__(self, largest: int = LARGEST) -> None:
        self.buffer = bytearray()
        self.largest = largest

    def feed(self, data: bytes) -> list[bytes]:
        """The messages completed by `data`, without their frames. Raises TooLarge."""
        seen = max(len(self.buffer) - 1, 0)
        self.buffer += data
        found = []
        while (end := self.buffer.find(END, seen)) >= 0:
            message = _inside(bytes(self.buffer[:end]))
            del self.buffer[: end + 1]
            seen = 0
            if message:
                found.append(message)
        if len(self.buffer) > self.largest:
            raise TooLarge
        return found

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self.buffer.strip(b"\r\n"))


def _inside(data: bytes) -> bytes:
    """What stands after the last VT, else from MSH on, else all of it: garbage is answered too, it is not lost."""
    start = data.rfind(START)
    if start < 0:
        start = data.find(b"MSH") - 1 if b"MSH" in data else -1
    return data[start + 1 :].strip(b"\r\n")


def ingest_message(data: bytes, *, by: Actor = SYSTEM, source: str | None = None) -> bytes:
    """Store one message; the acknowledgement to send, after commit. Never raises.

    AA: stored, or known already. AE: its content was refused; the raw text is kept with the reason. AR: not HL7, or we
    failed and it should be sent again.
    """
    found = next(hl7v2.messages(data), None) or hl7v2.parse(data)
    moment = now()
    stamp = local(moment)
    try:
        rejects = _store(data, found, by, source, moment.date())
    except Exception:
        log.exception("HL7v2 message %s was not stored", found.control_id)
        return hl7v2.ack(found, "AR", "内部错误,请重发 (not stored, send again)", at=stamp)
    if not rejects:
        return hl7v2.ack(found, "AA", at=stamp)
    where = rejects[0].field
    code = "AR" if where.startswith("MSH") and not found.kind else "AE"
    return hl7v2.ack(found, code, rejects[0].message, where, reason=_reason(found, source, where), at=stamp)


@transaction.atomic
def _store(data: bytes, found: hl7v2.Message, by: Actor, source: str | None, as_of: dt.date) -> list[Reject]:
    prepared = intake.convert(intake.MessageChunk("hl7v2", data, 0, len(data), source, as_of))
    name = source or found.source
    batch = Batch.objects.create(
        name=f"mllp/{found.control_id}"[:200].replace("\0", ""),
        format="hl7v2",
        content_hash=blake2b(data, digest_size=16).digest(),
        account_id=by.account_id,
        source=county.source(name) if name else None,
    )
    outcome = writing.store([(batch, prepared)], by=by, done=True)
    residents.match_new(outcome.new_persons)
    return prepared.rejects


def _reason(found: hl7v2.Message, source: str | None, where: str) -> str:
    """The issue code behind a rejection, for ERR-3."""
    issues = hl7v2.to_resources(found, source)[1]
    return next((issue.code for issue in issues if issue.severity == "fatal" and issue.path == where), "value")


# --- the wire -------------------------------------------------------------------------------------------------------


def serve(
    port: int,
    host: str = "127.0.0.1",
    source: str | None = None,
    *,
    stop: threading.Event,
    by: Actor = SYSTEM,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Listen until `stop` is set; `ready` is told the port (useful with port 0). One thread for each connection."""
    room = threading.BoundedSemaphore(CONNECTIONS)
    threads: list[threading.Thread] = []
    with socket.create_server((host, port)) as server:
        server.settimeout(POLL)
        if ready:
            ready(server.getsockname()[1])
        while not stop.is_set():
            try:
                peer, address = server.accept()
            except TimeoutError:
                continue
            if not room.acquire(blocking=False):
                log.warning("MLLP: more than %s connections, %s refused", CONNECTIONS, address)
                peer.close()
                continue
            threads = [thread for thread in threads if thread.is_alive()]
            threads.append(threading.Thread(target=_connection, args=(peer, source, by, stop, room), daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join(timeout=10)


def _connection(
    peer: socket.socket, source: str | None, by: Actor, stop: threading.Event, room: threading.BoundedSemaphore
) -> None:
    """Serve one sender until it leaves, stalls inside a frame, or we stop."""
    try:
        with peer:
            _talk(peer, source, by, stop)
    except OSError as error:
        log.info("MLLP connection ended: %s", error)
    finally:
        connection.close()  # each thread has its own database connection
        room.release()


def _talk(peer: socket.socket, source: str | None, by: Actor, stop: threading.Event) -> None:
    peer.settimeout(POLL)
    framer = Framer()
    last = time.monotonic()
    while not stop.is_set():
        try:
            data = peer.recv(1 << 16)
        except TimeoutError:
            if framer.partial and time.monotonic() - last > STALLED:
                log.warning("MLLP: a frame stood still for %s s, connection closed", STALLED)
                return
            continue
        if not data:
            return
        last = time.monotonic()
        try:
            found = framer.feed(data)
        except TooLarge:
            reply = hl7v2.ack(
                hl7v2.parse(bytes(framer.buffer[:2000]).lstrip(START)), "AR", "消息过大 (message too large)"
            )
            _send(peer, reply)
            return
        for message in found:
            close_old_connections()
            _send(peer, ingest_message(message, by=by, source=source))


def _send(peer: socket.socket, reply: bytes) -> None:
    peer.settimeout(STALLED)
    peer.sendall(START + reply + END + b"\r")
    peer.settimeout(POLL)
