"""Files that hold a person's data: sealed on the disk with the installation's key, bound to their name.

Cipher by the suite in force (`kernel.crypto`): AES-256-GCM (NIST SP 800-38D) or SM4-GCM (GB/T 32907-2016); its key is
derived from `home.secret_key` by HKDF (RFC 5869) over SHA-256 or SM3. A sealed file says which cipher and which key
sealed it, and is read whatever the suite is, also under an earlier key (`home.old_keys`) until `reseal` has passed it
on to the key of today; put in another's place it is refused. A secret key that is not given opens none of them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from healthbrain.kernel.crypto import digest
from healthbrain.kernel.errors import NotFound
from healthbrain.kernel.home import folder, home, old_keys, secret_key

# Bytes: mark, one letter of the cipher, which key (none under FIRST), nonce, tag, then what is sealed.
MARK, FIRST, LETTER, NAMED, NONCE, TAG = b"HBV2", b"HBV1", 1, 8, 12, 16
KEY = {b"A": 32, b"S": 16}  # bytes of key: AES-256, SM4
PIECE = 1 << 20
LEFT_BEHIND = 24 * 3600  # seconds after which an open copy is of a process that was killed


def put(shelf: str, data: bytes, name: str = "", *, replace: bool = False) -> str:
    """Keep a file; its name: the hash of `data` in hex unless one is given. The same again is kept once."""
    name = name or digest(data).hex()
    if replace or not _path(shelf, name).exists():
        put_pieces(shelf, [data], name)
    return name


def put_pieces(shelf: str, pieces: Iterable[bytes], name: str) -> None:
    """Keep a file that may be larger than memory, whole or not at all."""
    with _written(_path(shelf, name)) as target:
        _seal(pieces, target, name)


def get(shelf: str, name: str) -> bytes:
    """A file kept by `put`. Raises NotFound, also when it is no longer what was kept."""
    found = io.BytesIO()
    _read(shelf, name, found)
    return found.getvalue()


def holds(shelf: str, name: str) -> bool:
    return _path(shelf, name).exists()


@contextlib.contextmanager
def opened(shelf: str, name: str, shown: str) -> Iterator[Path]:
    """A copy to read, under the file name `shown`, only for this user and only inside the block. Raises NotFound."""
    place = folder("tmp", "open")
    for left in place.iterdir():
        if time.time() - left.stat().st_mtime > LEFT_BEHIND:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place) as beside:
        path = Path(beside) / shown
        with path.open("w+b") as target:
            _read(shelf, name, target)
        yield path


def fingerprint(key: str = "") -> str:
    """Tells a key from another one without giving it away; the installation's own if none is named."""
    return hmac.new((key or secret_key()).encode(), b"healthbrain vault fingerprint", hashlib.sha256).hexdigest()[:16]


def reseal() -> tuple[int, int, list[Path]]:
    """Pass every file on to the key of today: (passed on, already there, files that no key opens, left as they are)."""
    today, passed, there, lost = fingerprint(), 0, 0, []
    for path in sorted(home().glob("*/??/*.sealed")):
        with path.open("rb") as source:
            if source.read(len(MARK)) == MARK and source.read(LETTER + NAMED)[LETTER:].hex() == today:
                there += 1
                continue
            source.seek(0)
            with tempfile.TemporaryFile(dir=folder("tmp")) as plain:  # has no name: nobody can open it
                try:
                    _unseal(source, plain, path.stem)
                except ValueError:
                    lost.append(path)
                    continue
                plain.seek(0)
                with _written(path) as target:
                    _seal(_pieces(plain), target, path.stem)
        passed += 1
    return passed, there, lost


def _read(shelf: str, name: str, target: BinaryIO) -> None:
    path = _path(shelf, name)
    if not path.exists():
        raise NotFound("文件不在数据目录里 The file is missing", hint="请从备份恢复 restore it from a backup")
    try:
        with path.open("rb") as source:
            _unseal(source, target, name)
    except ValueError as error:
        raise NotFound(
            "文件已被改动，或密钥不是当时的 The file was changed, or the secret key is another one",
            hint="请从备份恢复，或设回原来的 HEALTHBRAIN_SECRET_KEY restore it, or set the key it was sealed with",
        ) from error


def _seal(pieces: Iterable[bytes], target: BinaryIO, name: str) -> None:
    """`pieces` as they may lie on a disk, under this name only."""
    letter = b"S" if os.environ.get("HEALTHBRAIN_CRYPTO") == "sm" else b"A"
    nonce, key = os.urandom(NONCE), secret_key()
    encryptor = _cipher(key, letter, nonce).encryptor()
    encryptor.authenticate_additional_data(name.encode())
    target.write(MARK + letter + bytes.fromhex(fingerprint(key)) + nonce)
    at = target.tell()
    target.write(bytes(TAG))
    for piece in pieces:
        target.write(encryptor.update(piece))
    target.write(encryptor.finalize())
    target.seek(at)
    target.write(encryptor.tag)


def _unseal(source: BinaryIO, target: BinaryIO, name: str) -> None:
    """What was sealed under this name. Raises ValueError: not sealed, changed, moved, or by a key not given."""
    mark, letter = source.read(len(MARK)), source.read(LETTER)
    if mark not in (MARK, FIRST) or letter not in KEY:
        raise ValueError("not sealed here")
    named = source.read(NAMED).hex() if mark == MARK else ""
    start = source.tell()
    for key in (secret_key(), *old_keys()):
        if named in ("", fingerprint(key)):
            source.seek(start)
            target.seek(0)
            target.truncate()
            if _opens(source, target, name, letter, key):
                return
    target.truncate(0)
    raise ValueError("changed, or sealed with another key")


def _opens(source: BinaryIO, target: BinaryIO, name: str, letter: bytes, key: str) -> bool:
    """Nobody sees what is written to `target` before its tag was right: callers drop it otherwise."""
    from cryptography.exceptions import InvalidTag

    nonce, tag = source.read(NONCE), source.read(TAG)
    if len(tag) < TAG:
        return False
    decryptor = _cipher(key, letter, nonce, tag).decryptor()
    decryptor.authenticate_additional_data(name.encode())
    for piece in _pieces(source):
        target.write(decryptor.update(piece))
    try:
        target.write(decryptor.finalize())
    except InvalidTag:
        return False
    target.flush()
    return True


def _cipher(key: str, letter: bytes, nonce: bytes, tag: bytes | None = None):  # type: ignore[no-untyped-def]
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    made = algorithms.SM4 if letter == b"S" else algorithms.AES
    return Cipher(made(_derived(key, letter)), modes.GCM(nonce, tag))


@functools.lru_cache(maxsize=16)
def _derived(key: str, letter: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    hashed = hashes.SM3 if letter == b"S" else hashes.SHA256
    return HKDF(hashed(), KEY[letter], salt=None, info=b"healthbrain vault").derive(key.encode())


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece


def _path(shelf: str, name: str) -> Path:
    return home() / shelf / name[:2] / f"{name}.sealed"


@contextlib.contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """All or nothing: a crash leaves no half file under a whole file's name."""
    part = folder(path.parent.parent.name, path.parent.name) / f"{path.stem}.{os.getpid()}.part"
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
