"""healthbrain detect FILE.csv: any published detector, or ours, over a table of counts. Needs no database."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from healthbrain.cli.output import emit, json_option
from healthbrain.kernel.errors import Invalid

EXAMPLES = """
\b
FILE.csv has one row per series and period:
    series,date,count          (or: period,count  for one series)
    norovirus,2023-W51,4
    norovirus,2023-W52,9
Columns: series (optional), date or period, count, and optionally population and expected.
Dates 2024-01-31, ISO weeks 2024-W05, months 2024-01, or whole numbers; Chinese headings (病种, 日期, 例数) and dates
(2024年1月31日) too. Commas, semicolons or tabs; UTF-8 or GBK.

\b
Examples:
    healthbrain detect --list
    healthbrain detect weeks.csv --method flex_noufaily --csv out.csv
    healthbrain detect weeks.csv --method flex_default --param r_compatible=no --from 2024-W01 --csv out.csv
    healthbrain detect weeks.csv --method flex_rki --b 4 --w 2 --param noPeriods=7 --csv -
    healthbrain detect days.csv --method essence --from 2024-03-01 --json
    healthbrain detect counts.csv --method fixed --param threshold=10 --param window=7 --csv out.csv

\b
Out (--csv): series, period, observed, expected, bound, alarm (1 or 0), pvalue; an empty cell means the method
cannot say. own writes the bound -1 where the periods just before alarm by themselves; cdc's expected, bound and
alarm are about four periods together. Methods named as in R give the numbers of R `surveillance` 1.20.3
(docs/surveillance.md).
"""
COLUMNS = ("series", "period", "observed", "expected", "bound", "alarm", "pvalue")
SHOWN = 20


def _parameters(ctx: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r}: write NAME=VALUE, such as skip=26")
        pairs[key.strip()] = text.strip()
    return pairs


@click.command(help="Detect outbreaks in a table of counts with a published method or our own.", epilog=EXAMPLES)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--method", "name", default="own", show_default=True, help="A name of --list.")
@click.option("--list", "listed", is_flag=True, help="All methods, what they are and how much history they need.")
@click.option("--alpha", help="Level of the method.")
@click.option("--b", help="Years back.")
@click.option("--w", help="Half window in periods.")
@click.option("--param", "params", multiple=True, callback=_parameters, help="NAME=VALUE, repeatable, R's names too.")
@click.option("--from", "start", help="First tested period; else the first with enough history.")
@click.option("--frequency", type=click.Choice(["daily", "weekly", "monthly"]), help="When it cannot be seen.")
@click.option("--zero-gaps", is_flag=True, help="A missing row means no case.")
@click.option("--csv", "out", type=click.Path(dir_okay=False, allow_dash=True), help="Write results; - prints them.")
@json_option
def detect(
    file: Path | None,
    name: str,
    listed: bool,
    alpha: str | None,
    b: str | None,
    w: str | None,
    params: dict[str, str],
    start: str | None,
    frequency: str | None,
    zero_gaps: bool,
    out: str | None,
    as_json: bool,
) -> None:
    from healthbrain.surveillance.rules.methods import method

    if listed:
        return _list(as_json)
    if file is None:
        raise click.UsageError("Give a CSV file, or --list.")
    given = {key: value for key, value in (("alpha", alpha), ("b", b), ("w", w)) if value is not None}
    chosen = method(name).with_text({**given, **params})

    from healthbrain.cli import detect_file
    from healthbrain.surveillance.rules.series import Frequency

    wanted = None if frequency is None else Frequency[frequency.upper()]
    groups, starts, axis = detect_file.read(file, frequency=wanted, zero_gaps=zero_gaps)
    begin = None if start is None else axis.place(start)
    results = [_run(chosen, series, first, begin, start) for series, first in zip(groups, starts, strict=True)]
    pairs = list(zip(groups, results, strict=True))
    if out is not None:
        _write(out, pairs)
    alarms = sum(int(found.alarm.sum()) for found in results)
    summary: dict[str, Any] = {
        "method": chosen.name,
        "settings": chosen.said(),
        "frequency": axis.frequency.name.lower(),
        "series": sum(series.n_series for series in groups),
        "tested": sum(found.observed.size for found in results),
        "alarms": alarms,
    }
    if out == "-":
        return
    if as_json:
        emit({**summary, "csv": out, **({} if out else {"results": list(_rows(pairs))})}, as_json=True)
        return
    summary["settings"] = " ".join(f"{key}={value}" for key, value in summary["settings"].items())
    emit(summary, as_json=False, title="detect")
    if out is None:
        _show([row for row in _rows(pairs) if row["alarm"]])


def _run(chosen: Any, series: Any, first: int, begin: int | None, start: str | None) -> Any:
    from healthbrain.surveillance.rules.series import TooLittleHistory

    index = None if begin is None else begin - first
    if index is not None and not 0 <= index < series.n_periods:
        span = f"{series.labels[0]} to {series.labels[-1]}"
        raise Invalid(f"--from {start}: series {series.names[0]} has {span}.")
    try:
        return chosen.detect(series, from_index=index)
    except TooLittleHistory as error:
        raise TooLittleHistory(f"Series {series.names[0]}: {error.message}", hint=error.hint) from None


def _list(as_json: bool) -> None:
    from healthbrain.surveillance.rules.methods import methods

    found = methods().values()
    if as_json:
        return emit({item.name: {"text": item.text, "history": item.history} for item in found}, as_json=True)
    for item in found:
        click.echo(f"{item.name:18} {item.text}  [history: {item.history}]")
    return None


def _rows(pairs: Sequence[tuple[Any, Any]]) -> Iterator[dict[str, Any]]:
    for series, found in pairs:
        columns = [getattr(found, name).tolist() for name in COLUMNS[2:]]
        labels = [series.labels[i] for i in found.periods]
        for i, name in enumerate(series.names):
            for j, label in enumerate(labels):
                yield {"series": name, "period": label} | {
                    column: _value(values[i][j]) for column, values in zip(COLUMNS[2:], columns, strict=True)
                }


def _value(value: float | bool) -> float | int | None:
    """Whole numbers without a point, nothing for not a number, alarm as 1 or 0."""
    if isinstance(value, bool):
        return int(value)
    if value != value:
        return None
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _write(out: str, pairs: Sequence[tuple[Any, Any]]) -> None:
    if out == "-":
        _write_rows(sys.stdout, pairs)
        return
    try:
        with Path(out).open("w", encoding="utf-8", newline="") as file:
            _write_rows(file, pairs)
    except OSError as error:
        raise Invalid(f"--csv {out}: {error.strerror}.") from None


def _write_rows(file: Any, pairs: Sequence[tuple[Any, Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row.values() for row in _rows(pairs))


def _show(alarms: Sequence[dict[str, Any]]) -> None:
    for row in alarms[-SHOWN:]:
        bound = "" if row["bound"] is None else f" > {row['bound']:.4g}"
        click.echo(f"{row['period']}  {row['series']}  {row['observed']:g}{bound}")
    if len(alarms) > SHOWN:
        click.echo(f"(the last {SHOWN} of {len(alarms)} alarms; --csv OUT writes everything)")


COMMANDS = [detect]
