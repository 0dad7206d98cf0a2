"""The writes of the longitudinal record: files in, resources, forms, corrections, the lake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path

from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.records.intake import run
from healthbrain.records.intake.report import Progress, Report

__all__ = ["Progress", "Report", "ingest"]


def ingest(
    paths: Iterable[Path | str],
    *,
    by: Actor = SYSTEM,
    source: str | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
    as_of: dt.date | None = None,
) -> Report:
    """Read files and folders into the record; the report adds up: rows_in = stored + duplicates + rejected + waiting.

    `source` names the sender where the data does not. A file another run left unfinished is continued. `as_of` is the
    day dates are held against (default: the day of arrival). Raises NotFound, NotAllowed, Conflict.
    """
    return run.ingest(paths, by=by, source=source, progress=progress, dry_run=dry_run, as_of=as_of)
