"""Files that hold a person's data: sealed on the disk with the installation's key, named by the hash of their content.

Cipher by the suite in force (`kernel.crypto`): AES-256-GCM (NIST SP 800-38D) or SM4-GCM (GB/T 32907-2016); its key is
derived from `home.secret_key` by HKDF (RFC 5869) over SHA-256 or SM3. A sealed file says which cipher sealed it, and is
read whatever the suite is; it is bound to its name, so that one put in another's place is refused. Another secret key
opens none of them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from healthbrain.kernel.crypto import digest
from healthbrain.kernel.errors import NotFound
from healthbrain.kernel.home import folder, secret_key

MARK, NONCE, TAG = b"HBV1", 12, 16  # bytes: mark, then one letter of the cipher, nonce, tag, what is sealed
KEY = {b"A": 32, b"S": 16}  # bytes of key: AES-256, SM4


def seal(data: bytes, name: str) -> bytes:
    """`data` as it may lie on a disk, under this name only."""
    letter = b"S" if os.environ.get("HEALTHBRAIN_CRYPTO") == "sm" else b"A"
    nonce = os.urandom(NONCE)
    encryptor = _cipher(letter, nonce).encryptor()
    encryptor.authenticate_additional_data(name.encode())
    sealed = encryptor.update(data) + encryptor.finalize()
    return MARK + letter + nonce + encryptor.tag + sealed


def unseal(sealed: bytes, name: str) -> bytes:
    """What was sealed under this name. Raises ValueError: not sealed, changed, moved, or by another key."""
    from cryptography.exceptions import InvalidTag

    head = len(MARK) + 1 + NONCE + TAG
    letter = sealed[len(MARK) : len(MARK) + 1]
    if len(sealed) < head or not sealed.startswith(MARK) or letter not in KEY:
        raise ValueError("not sealed here")
    nonce, tag = sealed[len(MARK) + 1 : head - TAG], sealed[head - TAG : head]
    decryptor = _cipher(letter, nonce, tag).decryptor()
    decryptor.authenticate_additional_data(name.encode())
    try:
        return decryptor.update(sealed[head:]) + decryptor.finalize()
    except InvalidTag as error:
        raise ValueError("changed, or sealed with another key") from error


def _cipher(letter: bytes, nonce: bytes, tag: bytes | None = None):  # type: ignore[no-untyped-def]
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    hashed, made = (hashes.SM3(), algorithms.SM4) if letter == b"S" else (hashes.SHA256(), algorithms.AES)
    key = HKDF(hashed, KEY[letter], salt=None, info=b"healthbrain vault").derive(secret_key().encode())
    return Cipher(made(key), modes.GCM(nonce, tag))


def fingerprint() -> str:
    """Tells the installation's key from another one without giving it away."""
    return hmac.new(secret_key().encode(), b"healthbrain vault fingerprint", hashlib.sha256).hexdigest()[:16]


def put(shelf: str, data: bytes, name: str = "") -> str:
    """Keep a file; its name: the hash of `data` in hex unless one is given. The same again is kept once."""
    name = name or digest(data).hex()
    path = _path(shelf, name)
    if not path.exists():
        _write(path, seal(data, name))
    return name


def get(shelf: str, name: str) -> bytes:
    """A file kept by `put`. Raises NotFound, also when it is no longer what was kept."""
    path = _path(shelf, name)
    if not path.exists():
        raise NotFound("文件不在数据目录里 The file is missing", hint="请从备份恢复 restore it from a backup")
    try:
        return unseal(path.read_bytes(), name)
    except ValueError as error:
        raise NotFound(
            "文件已被改动，或密钥不是当时的 The file was changed, or the secret key is another one",
            hint="请从备份恢复，或设回原来的 HEALTHBRAIN_SECRET_KEY restore it, or set the key it was sealed with",
        ) from error


def _path(shelf: str, name: str) -> Path:
    return folder(shelf, name[:2]) / f"{name}.sealed"


def _write(path: Path, data: bytes) -> None:
    """All or nothing: a crash leaves no half file under a whole file's name."""
    part = path.with_suffix(f".{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
