"""The command line: a contract that tools outside the project call (docs/architecture.md §6).

Every command has --help and --json, exits 0 only on success, and says in one line what to do when it fails.
"""

from __future__ import annotations

import sys

import click

from healthbrain import __version__


class Commands(click.Group):
    """Shows commands in the order they are declared, and turns our own errors into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="healthbrain")
def cli() -> None:
    """Health Brain 健康大脑: a county's records in, one record per resident, today's work at the right desk."""


def _load() -> None:
    from healthbrain.cli import (
        backup,
        benches,
        care,
        county,
        demo,
        detect,
        dispatch,
        examination,
        intake,
        keys,
        serving,
    )

    for module in (demo, county, intake, care, serving, examination, backup, keys, detect, dispatch, benches):
        for command in module.COMMANDS:
            cli.add_command(command)


def main() -> None:
    """Entry point. Own errors end as one line on standard error and exit code 1; broken use exits 2."""
    _load()
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.Abort:
        click.echo("已中断。 Interrupted.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else cli.name
        hint = f"用法 usage: {where} --help" if error.exit_code == 2 else ""
        click.echo(f"错误 Error: {error.format_message()} {hint}".rstrip(), err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        told = _told(error)
        if not told:
            raise
        click.echo(f"错误 Error: {told}", err=True)
        sys.exit(1)


def _told(error: Exception) -> str:
    """One line for what a person can mend; empty for a fault of ours, whose trace is wanted."""
    from django.db import OperationalError

    from healthbrain.kernel.errors import HealthBrainError

    if isinstance(error, HealthBrainError):
        return str(error)
    if isinstance(error, OperationalError):
        reason = str(error).strip().splitlines()[0]
        return f"数据库不应答 The database does not answer: {reason}. 检查 DATABASE_URL 和磁盘 check both"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return ""


__all__ = ["cli", "main"]
