"""The data folder: `HEALTHBRAIN_HOME`, or a per-user data folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from healthbrain.kernel.errors import HealthBrainError

KEY, OLD_KEYS = "HEALTHBRAIN_SECRET_KEY", "HEALTHBRAIN_OLD_SECRET_KEYS"


def home() -> Path:
    """Folder that holds the embedded database, the lake, uploads and reports. Created on first use.

    Raises HealthBrainError when it cannot be made.
    """
    named = os.environ.get("HEALTHBRAIN_HOME")
    path = Path(named).expanduser() if named else Path(platformdirs.user_data_dir("healthbrain"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HealthBrainError(
            f"不能建立数据文件夹 Cannot make the data folder {path}: {error.strerror}",
            hint="用 HEALTHBRAIN_HOME 指定可写的文件夹 name one you may write to in HEALTHBRAIN_HOME",
        ) from error
    return path.resolve()


def folder(*parts: str) -> Path:
    """A folder below `home()`, created if missing."""
    path = home().joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def secret_key() -> str:
    """The key that signs sessions and seals files: `HEALTHBRAIN_SECRET_KEY`, else made once and kept (mode 0600)."""
    given = os.environ.get(KEY)
    if given:
        return given
    path = home() / "secret_key"
    if not path.exists():
        _write_key(path, os.O_EXCL)
    return path.read_text().strip()


def old_keys() -> tuple[str, ...]:
    """Keys of before that may still open a file or a session: given ones (one, or several with spaces between), then
    kept ones."""
    given, kept = os.environ.get(OLD_KEYS, "").strip(), home() / "secret_keys_old"
    lines = kept.read_text().splitlines() if kept.exists() else []
    return tuple(dict.fromkeys(key for key in (given, *given.split(), *lines) if key))


def change_key() -> None:
    """A new key in the data folder; the old one is kept with the old ones first, so that no crash loses it."""
    old = home() / "secret_keys_old"
    descriptor = os.open(old, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret_key() + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside = home() / "secret_key.new"
    _write_key(beside, os.O_TRUNC)
    beside.replace(home() / "secret_key")


def forget_old_keys() -> None:
    """Only once nothing is sealed with them."""
    (home() / "secret_keys_old").unlink(missing_ok=True)


def _write_key(path: Path, how: int) -> None:
    import secrets

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())


def mark_synthetic(text: str) -> None:
    """Mark this installation as one of made-up people; every page then says so."""
    (home() / "synthetic.json").write_text(text, encoding="utf-8")


def synthetic() -> str | None:
    """What `mark_synthetic` wrote, or None in an installation of real people."""
    path = home() / "synthetic.json"
    return path.read_text(encoding="utf-8") if path.exists() else None
