"""healthbrain doctor: is this installation well?"""

from __future__ import annotations

import shutil
import subprocess

import click

from healthbrain.cli.boot import boot
from healthbrain.cli.output import emit, json_option
from healthbrain.kernel.home import home

Finding = tuple[str, bool, str]
DISK_FLOOR = 5 * 1024**3  # bytes; below this a county's intake of a day may not fit


def examine() -> list[Finding]:
    """Every check, in the order a person would read them."""
    findings = [_database(), _migrations()]
    if all(good for _, good, _ in findings):
        findings += [_audit_chain(), _waiting()]
    return [*findings, _disk(), _fonts()]


def _database() -> Finding:
    from healthbrain.kernel.db import select

    version = select("SHOW server_version")[0][0]
    return "database", int(str(version).split(".")[0]) >= 15, f"PostgreSQL {version}"


def _migrations() -> Finding:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return (
        "migrations",
        not pending,
        f"{len(pending)} pending: any other command applies them" if pending else "none pending",
    )


def _audit_chain() -> Finding:
    from healthbrain.audit.queries import verify

    chain = verify()
    words = f"{chain.events} events in {chain.lanes} lanes"
    return "audit chain", chain.ok, words if chain.ok else f"{words}, broken at {chain.broken}"


def _waiting() -> Finding:
    from healthbrain.kernel.db import select

    dirty = select("SELECT count(*), coalesce(extract(epoch FROM now() - min(since)), 0) FROM facts_dirty")[0]
    return "residents to re-think", float(dirty[1]) < 600, f"{dirty[0]} waiting, oldest {int(dirty[1])} s"


def _disk() -> Finding:
    free = shutil.disk_usage(home()).free
    return "disk", free > DISK_FLOOR, f"{free / 1024**3:.0f} GB free in {home()}"


def _fonts() -> Finding:
    tool = shutil.which("fc-list")
    if not tool:
        return "fonts", False, "fc-list missing: install fontconfig and fonts-noto-cjk for PDF printing"
    found = subprocess.run([tool, ":lang=zh"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    return "fonts", bool(found.strip()), "Chinese fonts present" if found.strip() else "install fonts-noto-cjk"


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check the installation: database, migrations, audit chain, disk, fonts. Exits 1 if something is wrong."""
    boot(migrate=False)
    findings = examine()
    emit({name: ("ok: " if good else "WRONG: ") + text for name, good, text in findings}, as_json=as_json)
    if not all(good for _, good, _ in findings):
        ctx.exit(1)


COMMANDS = [doctor]
