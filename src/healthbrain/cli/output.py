"""What a command says: JSON on standard output for machines, a short table for people, progress on standard error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")


class Advance(Protocol):
    """Called as work goes on: how much is done, out of how much, and what is being done."""

    def __call__(self, done: float, total: float | None = None, text: str = "") -> None: ...


def emit(value: Mapping[str, Any], *, as_json: bool, title: str = "") -> None:
    """Print a result: one JSON line, or a two-column table."""
    if as_json:
        click.echo(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode())
        return
    table = Table(title=title or None, show_header=False, box=None, pad_edge=False)
    for key, item in value.items():
        table.add_row(f"[dim]{key}[/dim]", _shown(item))
    Console().print(table)


def _shown(item: Any) -> Table | str:
    """A value as a person reads it: thousands apart, six figures, a table within the table."""
    if isinstance(item, Mapping):
        inner = Table(show_header=False, box=None, pad_edge=False)
        for key, value in item.items():
            inner.add_row(str(key), _shown(value))
        return inner
    if isinstance(item, (list, tuple)):
        return ", ".join(str(_shown(one)) if not isinstance(one, Mapping) else str(one) for one in item)
    if isinstance(item, float):
        return f"{item:,.6g}" if abs(item) < 1_000 else f"{item:,.0f}"
    return f"{item:,}" if isinstance(item, int) and not isinstance(item, bool) else str(item)


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Advance]:
    """A progress bar on standard error; silent with --json or when nobody watches."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: float, total: float | None = None, text: str = "") -> None:
            bar.update(task, completed=done, total=total, description=f"{title} {text}".strip())

        yield advance
