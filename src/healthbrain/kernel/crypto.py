"""One port for cryptography: the international suite by default, SM3 (GB/T 32905-2016) by `HEALTHBRAIN_CRYPTO=sm`."""

from __future__ import annotations

import hashlib
import os


def digest(data: bytes) -> bytes:
    """32-byte hash by the suite in force (SHA-256 or SM3)."""
    return hashlib.new("sm3" if os.environ.get("HEALTHBRAIN_CRYPTO") == "sm" else "sha256", data).digest()
