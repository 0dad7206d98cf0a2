"""The hash of an audit event: over its content and the hash before it, so that no row can change unnoticed."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from healthbrain.kernel.crypto import digest

LANES = 64  # independent chains: writers of different lanes never wait for each other
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is hashed: every column of the event but its id and the hashes."""

    at: dt.datetime
    lane: int
    account_id: int | None
    actor: str
    role: str
    action: str
    purpose: str
    resident_id: int | None
    subject: str
    detail: dict[str, Any]

    def chained(self, previous: bytes) -> bytes:
        """32-byte hash of this entry after `previous`."""
        content = [
            self.at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
            self.lane,
            self.account_id,
            self.actor,
            self.role,
            self.action,
            self.purpose,
            self.resident_id,
            self.subject,
            self.detail,
        ]
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return digest(previous + text.encode())


def lane_of(account_id: int | None, subject: str) -> int:
    """People share a lane by account; the system's work spreads by what it works on."""
    if account_id is not None:
        return account_id % LANES
    return digest(subject.encode())[0] % LANES
