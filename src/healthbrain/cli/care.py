"""healthbrain evaluate, what-if."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from pathlib import Path

import click

from healthbrain.cli.boot import boot
from healthbrain.cli.output import emit, json_option, progress


def _date(ctx: click.Context, param: click.Parameter, value: str | None) -> dt.date | None:
    if value is None:
        return None
    try:
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter("写成 YYYY-MM-DD, write it as YYYY-MM-DD") from error


as_of_option = click.option("--as-of", callback=_date, help="Day to judge by, YYYY-MM-DD (default: today).")


@click.command()
@as_of_option
@click.option("--months", default=0, help="Write also how everybody stood at the end of each of the last N months.")
@json_option
def evaluate(as_of: dt.date | None, months: int, as_json: bool) -> None:
    """Re-think the whole county: enrolments and tasks of every resident under every programme."""
    boot()
    from healthbrain.care import actions as care
    from healthbrain.care.queries import last_days
    from healthbrain.kernel.clock import today
    from healthbrain.records import actions as records

    with progress("全区评估 evaluate", quiet=as_json):
        records.refresh_lake()
        care.publish_programmes()
        summary = asdict(care.evaluate(as_of=as_of or today()))
        if months:
            summary["month_rows"] = care.write_months(last_days(months, as_of or today()))
    emit(summary, as_json=as_json, title="评估结果 Evaluation")


@click.command("what-if")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_of_option
@json_option
def what_if(file: Path, as_of: dt.date | None, as_json: bool) -> None:
    """Compare a changed programme with the published one: who enters, leaves and moves, and what work it makes."""
    boot()
    from healthbrain.care import actions as care
    from healthbrain.kernel.clock import today

    with progress("试算 what-if", quiet=as_json):
        diff = care.what_if(file, as_of=as_of or today())
    emit(asdict(diff), as_json=as_json, title="试算结果 What if")


COMMANDS = [evaluate, what_if]
