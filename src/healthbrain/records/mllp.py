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

from django.db import IntegrityError, OperationalError, close_old_connections, connection, transaction

from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.county import actions as county
from healthbrain.kernel.clock import local, now
from healthbrain.records.intake import batches, calls, messages
from healthbrain.records.intake.fhir import Builder
from healthbrain.records.intake.prepared import Note
from healthbrain.records.rules import hl7v2

log = logging.getLogger(__name__)
START, END = b"\x0b", b"\x1c"
LARGEST = 32 << 20  # bytes of one message; reports with embedded PDF are the large ones
CONNECTIONS = 64
STALLED = 60.0  # seconds a half-sent frame may stand still
POLL = 0.5
ATTEMPTS = 4
UNNAMED = "hl7v2"  # a sender that does not say who it is


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


def ingest_message(data: bytes, *, by: Actor = SYSTEM, source: str | None = None) -> list[bytes]:
    """Store what one frame holds; an acknowledgement for each message in it (nearly always one), after its commit."""
    return [acknowledge(found, by=by, source=source) for found in hl7v2.messages(data)]


def acknowledge(found: hl7v2.Message, *, by: Actor = SYSTEM, source: str | None = None) -> bytes:
    """Store one message in a transaction of its own; the acknowledgement to send. Never raises.

    AA: stored, or known already. AE: its content was refused; the raw text is kept with the reason. AR: not HL7, or we
    failed and it should be sent again.
    """
    moment = now()
    stamp = local(moment)
    try:
        why = _store(found, source, by, moment)
    except Exception:
        log.exception("HL7v2 message %s was not stored", found.control_id)
        return hl7v2.ack(found, "AR", "内部错误,请重发 (not stored, send again)", at=stamp)
    if why is None:
        return hl7v2.ack(found, "AA", at=stamp)
    return hl7v2.ack(found, "AE" if found.kind else "AR", why.text, why.path, reason=why.code, at=stamp)


def _store(found: hl7v2.Message, source: str | None, by: Actor, moment: dt.datetime) -> hl7v2.Issue | None:
    """One message, one batch, one transaction; why it was refused, if it was."""
    resources, issues = hl7v2.to_resources(found, source)
    why = next((issue for issue in issues if issue.severity == "fatal"), None)
    builder = Builder(moment.date())
    builder.rows = 1
    kind = f"{found.kind}^{found.trigger}" if found.kind else "unknown"
    builder.by_type[kind] = 1
    if why:
        messages.reject_hl7v2(builder, found, why, 1)
    else:
        messages.add_hl7v2(builder, found, resources, 1, source)
        builder.notes += [Note(1, issue.path, issue.text) for issue in issues[:3]]
    source_id = county.source(source or found.source or UNNAMED).pk
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                name = f"{kind} {found.control_id}"[:200]
                batch = batches.of_call(name, "hl7v2", account_id=by.account_id, source_id=source_id)
                calls.write_call(builder, batch, by=by, action="intake.hl7v2")
                break
        except (IntegrityError, OperationalError):  # a key somebody else wrote first, or a deadlock
            if attempt == ATTEMPTS - 1:
                raise
    if why is None and builder.rejects:
        refused = builder.rejects[0]
        return hl7v2.Issue("fatal", "value", refused.field, refused.message)
    return why


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
            for reply in ingest_message(message, by=by, source=source):
                _send(peer, reply)


def _send(peer: socket.socket, reply: bytes) -> None:
    peer.settimeout(STALLED)
    peer.sendall(START + reply + END + b"\r")
    peer.settimeout(POLL)
