"""The vault: another key, an earlier format, files larger than memory is asked for. Photos: tests/dispatch."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from healthbrain.kernel import vault
from healthbrain.kernel.errors import NotFound


def test_old_keys_open_what_they_sealed_until_it_is_sealed_anew(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HEALTHBRAIN_HOME", str(tmp_path))
    monkeypatch.setenv("HEALTHBRAIN_SECRET_KEY", "the first made-up key")
    first = vault.put("photos", b"a wound")
    vault.put_pieces("uploads", (bytes([n % 251]) * 400_000 for n in range(8)), "sheet")  # larger than one piece
    monkeypatch.setenv("HEALTHBRAIN_SECRET_KEY", "the second")
    passed, there, lost = vault.reseal()
    assert (passed, there, len(lost)) == (0, 0, 2), "no key opens them: they are left as they are"
    monkeypatch.setenv("HEALTHBRAIN_OLD_SECRET_KEYS", "some-other")
    with pytest.raises(NotFound):
        vault.get("photos", first)
    second = vault.put("photos", b"a tube")
    monkeypatch.setenv("HEALTHBRAIN_OLD_SECRET_KEYS", "the first made-up key")
    assert vault.get("photos", first) == b"a wound"
    assert vault.reseal() == (2, 1, [])
    monkeypatch.delenv("HEALTHBRAIN_OLD_SECRET_KEYS")
    assert (vault.get("photos", first), vault.get("photos", second)) == (b"a wound", b"a tube")
    with vault.opened("uploads", "sheet", "sheet.csv") as path:
        assert path.read_bytes() == b"".join(bytes([n % 251]) * 400_000 for n in range(8))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".sealed", "")]


def test_a_file_of_the_first_format_is_still_read(tmp_path, monkeypatch) -> None:
    """Sealed by the version of 2026-11-22: AES-256-GCM, no key named; made with the cryptography package alone."""
    monkeypatch.setenv("HEALTHBRAIN_HOME", str(tmp_path))
    monkeypatch.setenv("HEALTHBRAIN_SECRET_KEY", "new")
    monkeypatch.setenv("HEALTHBRAIN_OLD_SECRET_KEYS", "old")
    key = HKDF(hashes.SHA256(), 32, salt=None, info=b"healthbrain vault").derive(b"old")
    sealed = AESGCM(key).encrypt(bytes(12), b"a wound", b"abc")
    path = tmp_path / "photos" / "ab" / "abc.sealed"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"HBV1A" + bytes(12) + sealed[-16:] + sealed[:-16])
    assert vault.get("photos", "abc") == b"a wound"
    assert vault.reseal() == (1, 0, [])
    monkeypatch.delenv("HEALTHBRAIN_OLD_SECRET_KEYS")
    assert vault.get("photos", "abc") == b"a wound"
