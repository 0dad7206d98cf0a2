"""Pictures of home visits: whole and as a thumbnail, sealed in the vault under the hash of the whole picture.

The same picture is stored once and a changed one cannot pass for it. Pages hand pictures out through
`queries.homecare_record.photo`, which asks the gate and writes the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.kernel import pictures, vault

SHELF, THUMB = "photos", 320


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture as kept: hash in hex, size in pixels and bytes."""

    digest: str
    width: int
    height: int
    bytes: int


def store(data: bytes) -> Stored:
    """Check a picture and keep it with its thumbnail. Raises Invalid saying what is wrong with it."""
    limits = pictures.Limits(
        knowledge.figure("photo_megabytes"), int(knowledge.figure("photo_side")), int(knowledge.figure("photo_least"))
    )
    picture = pictures.opened(data, limits)
    whole, small = pictures.jpeg(picture), picture.copy()
    small.thumbnail((THUMB, THUMB))
    name = vault.put(SHELF, whole)
    vault.put(SHELF, pictures.jpeg(small), f"{name}.thumb")
    return Stored(name, picture.width, picture.height, len(whole))


def read(name: str, *, thumb: bool = False) -> bytes:
    """The JPEG kept under a hash. Raises NotFound, also when the bytes are no longer what was kept."""
    return vault.get(SHELF, f"{name}.thumb" if thumb else name)
