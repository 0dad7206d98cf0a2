"""The MLLP listener: HL7 v2 over TCP, each message whole or not at all, acknowledged only after its commit.

A frame is VT … FS CR. Between frames anything is skipped; a frame without its VT is taken from its MSH on. A connection
that breaks inside a frame loses nothing: what was not acknowledged is sent again, and sending again is harmless.
"""

from __future__ import annotations

import datetime as dt
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

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
TOGETHER = 100  # messages in one transaction
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
    return [acknowledge([found], by=by, source=source)[0] for found in hl7v2.messages(data)]


def acknowledge(found: Sequence[hl7v2.Message], *, by: Actor = SYSTEM, source: str | None = None) -> list[bytes]:
    """Store messages of one sender in one transaction; the acknowledgements to send. Never raises.

    AA: stored, or known already. AE: its content was refused; the raw text is kept with the reason. AR: not HL7, or we
    failed and it should be sent again. When several cannot be stored together, each is tried alone: one bad message
    costs its neighbours nothing.
    """
    moment = now()
    stamp = local(moment)
    try:
        reasons = _store(found, source, by, moment)
    except Exception:
        if len(found) > 1:
            return [acknowledge([one], by=by, source=source)[0] for one in found]
        log.exception("HL7v2 message %s was not stored", found[0].control_id)
        return [hl7v2.ack(found[0], "AR", "内部错误,请重发 (not stored, send again)", at=stamp)]
    return [_answer(one, why, stamp) for one, why in zip(found, reasons, strict=True)]


def _answer(found: hl7v2.Message, why: hl7v2.Issue | None, stamp: dt.datetime) -> bytes:
    if why is None:
        return hl7v2.ack(found, "AA", at=stamp)
    code = "AE" if found.kind and why.code != "not-production" else "AR"
    return hl7v2.ack(found, code, why.text, why.path, reason=why.code, at=stamp)


def _store(
    found: Sequence[hl7v2.Message], source: str | None, by: Actor, moment: dt.datetime
) -> list[hl7v2.Issue | None]:
    """One batch, one transaction; for each message why it was refused, if it was."""
    builder = Builder(moment.date())
    reasons = [_add(builder, one, source, row) for row, one in enumerate(found, 1)]
    first = found[0]
    name = f"{first.kind}^{first.trigger} {first.control_id}"[:180] + (f" +{len(found) - 1}" if len(found) > 1 else "")
    source_id = county.source(source or first.source or UNNAMED).pk
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                batch = batches.of_call(name, "hl7v2", account_id=by.account_id, source_id=source_id)
                calls.write_call(builder, batch, by=by, action="intake.hl7v2")
                break
        except (IntegrityError, OperationalError):  # a key somebody else wrote first, or a deadlock
            if attempt == ATTEMPTS - 1:
                raise
    refused = {reject.row: hl7v2.Issue("fatal", "value", reject.field, reject.message) for reject in builder.rejects}
    return [why or refused.get(row) for row, why in enumerate(reasons, 1)]


def _add(builder: Builder, found: hl7v2.Message, source: str | None, row: int) -> hl7v2.Issue | None:
    """Put one message into the builder; why not, if its content cannot be used."""
    resources, issues = hl7v2.to_resources(found, source)
    why = next((issue for issue in issues if issue.severity == "fatal"), None)
    builder.rows += 1
    builder.by_type[f"{found.kind}^{found.trigger}" if found.kind else "unknown"] += 1
    if why:
        messages.reject_hl7v2(builder, found, why, row)
    else:
        messages.add_hl7v2(builder, found, resources, row, source)
        builder.notes += [Note(row, issue.path, issue.text) for issue in issues[:3]]
    return why


class Committer(threading.Thread):
    """Stores what all connections bring. What waits while one transaction runs goes into the next one together:
    a transaction costs nearly the same for fifty messages as for one, so a busy hour does not fall behind.
    """

    def __init__(self, source: str | None, by: Actor) -> None:
        super().__init__(name="mllp-committer", daemon=True)
        self.source, self.by = source, by
        self.waiting: queue.SimpleQueue[tuple[hl7v2.Message, Future[bytes]] | None] = queue.SimpleQueue()

    def submit(self, found: hl7v2.Message) -> Future[bytes]:
        """The future acknowledgement of one message."""
        future: Future[bytes] = Future()
        self.waiting.put((found, future))
        return future

    def close(self) -> None:
        """Finish what was submitted, then end."""
        self.waiting.put(None)
        self.join()

    def run(self) -> None:
        open_ = True
        while open_:
            taken = [self.waiting.get()]
            while len(taken) < TOGETHER and taken[-1] is not None and not self.waiting.empty():
                taken.append(self.waiting.get())
            open_ = taken[-1] is not None
            close_old_connections()
            self._commit([work for work in taken if work is not None])
        connection.close()

    def _commit(self, taken: list[tuple[hl7v2.Message, Future[bytes]]]) -> None:
        by_sender: dict[str, list[tuple[hl7v2.Message, Future[bytes]]]] = {}
        for found, future in taken:
            by_sender.setdefault(found.source, []).append((found, future))
        for group in by_sender.values():
            try:
                replies = acknowledge([found for found, _ in group], by=self.by, source=self.source)
            except Exception as error:  # the senders' threads must not wait for ever; they close, and are sent to again
                replies = []
                for _, future in group:
                    future.set_exception(ConnectionAbortedError(str(error)))
            for (_, future), reply in zip(group, replies, strict=False):
                future.set_result(reply)


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
    committer = Committer(source, by)
    committer.start()
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
            threads.append(threading.Thread(target=_connection, args=(peer, committer, stop, room), daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join(timeout=10)
    committer.close()


def _connection(
    peer: socket.socket, committer: Committer, stop: threading.Event, room: threading.BoundedSemaphore
) -> None:
    """Serve one sender until it leaves, stalls inside a frame, or we stop."""
    try:
        with peer:
            _talk(peer, committer, stop)
    except OSError as error:
        log.info("MLLP connection ended: %s", error)
    finally:
        room.release()


def _talk(peer: socket.socket, committer: Committer, stop: threading.Event) -> None:
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
            begun = next(hl7v2.messages(bytes(framer.buffer[:2000])), hl7v2.Message(b""))
            _send(peer, hl7v2.ack(begun, "AR", "消息过大 (message too large)"))
            return
        submitted = [committer.submit(message) for frame in found for message in hl7v2.messages(frame)]
        for future in submitted:
            _send(peer, future.result())


def _send(peer: socket.socket, reply: bytes) -> None:
    peer.settimeout(STALLED)
    peer.sendall(START + reply + END + b"\r")
    peer.settimeout(POLL)
