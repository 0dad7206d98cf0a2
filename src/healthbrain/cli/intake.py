"""healthbrain ingest, export."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from healthbrain.cli.boot import boot
from healthbrain.cli.output import emit, json_option, progress

LINKS = ("source", "source_id", "resident_id", "score", "rule")
RESIDENTS = ("resident_id", "name", "sex", "birth_date", "sources")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--source", help="Code of the sending system, where the files do not say it themselves.")
@click.option("--dry-run", is_flag=True, help="Check everything, store nothing.")
@json_option
def ingest(paths: tuple[Path, ...], source: str | None, dry_run: bool, as_json: bool) -> None:
    """Take in files: .json/.ndjson FHIR R4, .hl7 HL7v2, .csv/.xlsx; folders too.

    Every row ends stored, duplicate, rejected (with its reason) or waiting, and the counts add up. Sending the same
    file again is harmless.
    """
    boot()
    from healthbrain.access.rules import SYSTEM
    from healthbrain.care import actions as care
    from healthbrain.kernel.clock import today
    from healthbrain.records import actions as records

    with progress("接收 ingest", quiet=as_json) as advance:
        report = records.ingest(list(paths), by=SYSTEM, source=source, dry_run=dry_run, progress=advance)
    if not dry_run:
        records.refresh_lake()
        care.catch_up(as_of=today())
    emit(report.as_dict(), as_json=as_json, title="接收结果 Intake")


@click.command()
@click.argument("what", type=click.Choice(["links", "residents", "enrolments", "tasks"]))
@click.option("--csv", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@json_option
def export(what: str, path: Path, as_json: bool) -> None:
    """Write links, residents, enrolments or tasks as CSV (UTF-8) for other tools. Audited."""
    boot()
    from django.db import transaction

    from healthbrain.audit import actions as audit
    from healthbrain.care import queries as care
    from healthbrain.residents import queries as residents

    exporters: dict[str, Callable[[Path], int]] = {
        "links": lambda to: _written(to, LINKS, residents.export_links()),
        "residents": lambda to: _written(to, RESIDENTS, residents.export_residents()),
        "enrolments": care.export_enrolments,
        "tasks": care.export_tasks,
    }
    with transaction.atomic():
        rows = exporters[what](path)
        audit.record(by=None, action=f"export.{what}", subject="command line", detail={"rows": rows})
    emit({"what": what, "rows": rows, "file": str(path)}, as_json=as_json)


def _written(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow(["" if cell is None else cell for cell in row])
            count += 1
    return count


@click.command()
@click.argument("username")
@click.argument("source")
@json_option
def token(username: str, source: str, as_json: bool) -> None:
    """A token for the system whose account is USERNAME, speaking for SOURCE; shown once, kept as a hash.

    \b
    For FHIR (role system) and for daily counts of other departments (role department), see docs/data-in.md.
    """
    boot()
    from healthbrain.access import actions as access
    from healthbrain.access.models import Account
    from healthbrain.access.roles import MACHINES
    from healthbrain.access.rules import SYSTEM
    from healthbrain.kernel.errors import NotFound

    account = Account.objects.filter(username=username, role__in=MACHINES).first()
    if account is None:
        raise NotFound(
            f"没有名为 {username} 的接入系统账号 No account of a connected system is called {username}",
            hint="先在“系统管理 → 新建账号”里建一个，角色选“接入系统”或“部门接入系统” Make one first, as administrator",
        )
    made = access.issue_token(by=SYSTEM, account_id=account.pk, source=source)
    emit({"account": username, "source": source, "token": made}, as_json=as_json)


COMMANDS = [ingest, export, token]
