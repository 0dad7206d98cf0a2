"""Identifiers that need no look-up: what one source calls one thing always gets the same id here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from hashlib import blake2b


def stable_id(*parts: str) -> str:
    """A UUID in text form, the same for the same parts, on every machine (BLAKE2b, 128 bits)."""
    return str(uuid.UUID(bytes=blake2b("\x1f".join(parts).encode(), digest_size=16).digest()))


def resource_key(resource_type: str, resource_id: str) -> uuid.UUID:
    """Primary key of a FHIR resource in the store: a function of type and id, so no row is read to know it."""
    return uuid.UUID(bytes=blake2b(f"{resource_type}/{resource_id}".encode(), digest_size=16).digest())


def uuid_array(keys: Iterable[bytes | None]) -> str:
    """Keys of 16 bytes as the text of a PostgreSQL uuid[]: one text costs less to send than many values."""
    return "{" + ",".join(["NULL" if key is None else key.hex() for key in keys]) + "}"
