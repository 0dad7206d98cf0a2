"""One intake: files in reading order, converted in other processes, stored chunk by chunk, each chunk one transaction.

A chunk's rows, its counts and the position after it commit together: after kill -9 the same command goes on where the
last commit stood, and what had been converted but not committed is converted again. Nothing is lost or doubled,
because ids and content hashes tell what is there. Messages in small files are stored many to a transaction: each is
wholly in it, so none is ever half stored, and none is reported before the commit.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.county import actions as county
from healthbrain.kernel import db
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import NotFound
from healthbrain.records.intake import batches, mappings, messages, sheet, sheets, writing
from healthbrain.records.intake.files import Refused, collect
from healthbrain.records.intake.prepared import Prepared
from healthbrain.records.intake.report import KEPT, Meter, Progress, Report
from healthbrain.records.models import Batch
from healthbrain.records.rules.reasons import message
from healthbrain.residents import actions as residents

AHEAD = 3  # chunks being converted while one is stored
WORTH_A_WORKER = 4 << 20  # bytes; below it starting a process costs more than it saves
SMALL = 1 << 20  # JSON files below it are stored many to a transaction
GROUP_FILES, GROUP_BYTES = 200, 3 << 20
GROWN = "residents_identity, residents_link, residents_resident, records_event, records_resource"
MANY = 20_000  # rows stored in one intake that change the tables' statistics

Work = tuple[Callable[[Any], Any], Any]


@dataclass(slots=True)
class Run:
    """The state of one intake."""

    by: Actor
    source: str | None
    source_id: int | None
    as_of: dt.date
    progress: Progress | None
    bytes_total: int
    pool: ProcessPoolExecutor | None
    report: Report = field(default_factory=Report)
    bytes_done: int = 0
    meter: Meter = field(default_factory=Meter)
    unmatched: list[int] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)


def ingest(
    paths: Iterable[Path | str],
    *,
    by: Actor,
    source: str | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
    as_of: dt.date | None = None,
) -> Report:
    """See `actions.ingest`."""
    gate.require(by, "intake.upload")
    given = [Path(p) for p in paths]
    if absent := [str(p) for p in given if not p.exists()]:
        raise NotFound(f"没有这个文件或文件夹 No such file or folder: {', '.join(absent)}")
    files = collect(given)
    started = time.monotonic()
    total = sum(path.stat().st_size for path, _ in files)
    with _workers(total) as pool, _perhaps_undone(dry_run):
        run = Run(
            by, source, county.source(source).pk if source else None, as_of or now().date(), progress, total, pool
        )
        run.report.files = len(files)
        for group in _groups(files):
            (_small_files if len(group) > 1 else _file)(run, group)
        _match(run)
        if run.report.stored > MANY:  # autovacuum would find out in a minute; the next page should not wait for it
            db.execute(f"ANALYZE {GROWN}")
    run.report.seconds = time.monotonic() - started
    run.report.cancelled = bool(run.cancelled)
    return run.report


@contextmanager
def _perhaps_undone(dry_run: bool) -> Iterator[None]:
    """A dry run does everything, then takes it back: its report is exact."""
    if not dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def _workers(total: int) -> Iterator[ProcessPoolExecutor | None]:
    if total < WORTH_A_WORKER:
        yield None
        return
    # spawn, not fork: a forked copy of our threads and database connection would be neither safe nor closed.
    pool = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _groups(files: list[tuple[Path, str]]) -> Iterator[list[tuple[Path, str]]]:
    """Neighbouring small JSON files together, everything else alone."""
    group: list[tuple[Path, str]] = []
    size = 0
    for path, form in files:
        bytes_ = path.stat().st_size
        fits = form == "fhir-bundle" and 0 < bytes_ < SMALL
        if group and (not fits or len(group) == GROUP_FILES or size + bytes_ > GROUP_BYTES):
            yield group
            group, size = [], 0
        if fits:
            group.append((path, form))
            size += bytes_
        else:
            yield [(path, form)]
    if group:
        yield group


def _converted(run: Run, work: Iterable[Work]) -> Iterator[Any]:
    """The results of `work` in order; the next ones are made while the caller stores one."""
    if run.pool is None:
        for function, chunk in work:
            yield function(chunk)
        return
    waiting: deque[Future[Any]] = deque()
    for function, chunk in work:
        waiting.append(run.pool.submit(function, chunk))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


# --- one file --------------------------------------------------------------------------------------------------------


def _file(run: Run, group: list[tuple[Path, str]]) -> None:
    [(path, form)] = group
    digest = batches.content_hash(path)
    batches.claim(digest)
    batch: Batch | None = None
    try:
        again = bool(batches.taken_before([digest]))
        batch = batches.begin(path, form, digest, account_id=run.by.account_id, source_id=run.source_id)
        _add_to_report(run, batch)
        if not _read(run, path, form, batch, again=again):
            return
        _finish(batch)
    except BaseException:
        _fail(batch)
        raise
    finally:
        batches.release(digest)
    run.bytes_done, run.meter.read = run.bytes_done + path.stat().st_size, 0


def _read(run: Run, path: Path, form: str, batch: Batch, *, again: bool) -> bool:
    """Store the file chunk by chunk; False when somebody cancelled it. What cannot be read any further is one row."""
    try:
        for prepared in _chunks(run, path, form, batch):
            _store(run, batch, batches.as_known(prepared) if again else prepared)
            if batch.pk in run.cancelled:
                return False
    except Refused as problem:
        raw = path.name if not batch.rows_in else ""
        words = message(problem.reason, problem.detail)
        refused = sheets.all_rejected([(batch.rows_in + 1, raw)], problem.reason, words, batch.position)
        _store(run, batch, refused)
    return True


def _finish(batch: Batch) -> None:
    batch.status, batch.finished = Batch.Status.DONE, now()
    batch.save(update_fields=["status", "finished"])


def _fail(batch: Batch | None) -> None:
    if batch and not transaction.get_connection().needs_rollback:
        Batch.objects.filter(pk=batch.pk, status=Batch.Status.RUNNING).update(status=Batch.Status.FAILED)


def _chunks(run: Run, path: Path, form: str, batch: Batch) -> Iterator[Prepared]:
    """The file's chunks, converted. Raises Refused for what cannot be read any further."""
    if form in {"csv", "xlsx"}:
        yield from _sheet_chunks(run, path, form, batch)
    elif form == "hl7v2":
        work = (
            (messages.convert, c) for c in messages.read_hl7v2(path, run.source, run.as_of, batch.position, run.meter)
        )
        for prepared in _converted(run, work):
            yield messages.renumbered(prepared, batch.rows_in)
    elif form in {"fhir-bundle", "fhir-ndjson"}:
        read = messages.read_json if form == "fhir-bundle" else messages.read_ndjson
        yield from _converted(
            run, ((messages.convert, c) for c in read(path, run.source, run.as_of, batch.position, run.meter))
        )
    else:
        raise Refused("file-type", path.suffix or path.name)


def _sheet_chunks(run: Run, path: Path, form: str, batch: Batch) -> Iterator[Prepared]:
    opened = sheets.open_sheet(path, form, run.meter)
    if not batch.position:
        for _, reason, raw in opened.extra:
            yield sheets.all_rejected([(0, raw)], reason, message(reason, raw))
    if not opened.header:
        return  # an empty file: no rows
    try:
        remembered = mappings.recall(run.source_id, opened.header)
        plan = sheets.plan_of(opened, path.name, source=run.source, as_of=run.as_of, remembered=remembered)
    except Refused as problem:
        yield from sheets.refused_rows(opened, problem)
        return
    notes = [] if batch.position else opened.notes
    for prepared in _converted(run, ((sheet.convert, c) for c in sheets.chunks(opened, plan, batch.position))):
        prepared.notes, notes = notes + prepared.notes, []
        yield prepared


# --- many small files ------------------------------------------------------------------------------------------------


def _small_files(run: Run, group: list[tuple[Path, str]]) -> None:
    work = [(str(path), run.source, run.as_of) for path, _ in group]
    for found in _converted(run, [(messages.convert_files, work)]):
        made = [
            Batch(
                name=path.name,
                path=str(path.resolve()),
                format=form,
                content_hash=part.digest,
                source_id=run.source_id,
                account_id=run.by.account_id,
            )
            for (path, form), part in zip(group, found.parts, strict=True)
        ]
        outcome = writing.store_group(made, found, by=run.by)
        run.unmatched += outcome.new_persons
        for batch, part in zip(made, found.parts, strict=True):
            _add_to_report(run, batch)
            run.report.rejects += part.rejects[: KEPT - len(run.report.rejects)]
            run.report.notes += part.notes[: KEPT - len(run.report.notes)]
    run.bytes_done += sum(path.stat().st_size for path, _ in group)
    _tell(run, group[-1][0].name)


# --- storing ---------------------------------------------------------------------------------------------------------


COUNTS = ("rows_in", "stored", "duplicates", "rejected", "waiting")


def _store(run: Run, batch: Batch, prepared: Prepared) -> None:
    before = {name: getattr(batch, name) for name in COUNTS}
    written = writing.store(batch, prepared, by=run.by, done=False)
    run.cancelled |= written.cancelled
    run.unmatched += written.new_persons
    report = run.report
    for name in COUNTS:
        setattr(report, name, getattr(report, name) + getattr(batch, name) - before[name])
    report.by_type += prepared.by_type
    report.rejects += prepared.rejects[: KEPT - len(report.rejects)]
    report.notes += prepared.notes[: KEPT - len(report.notes)]
    _tell(run, batch.name)


def _add_to_report(run: Run, batch: Batch) -> None:
    """A batch that is resumed brings what it had counted before."""
    run.report.batch_ids.append(batch.pk)
    for name in COUNTS:
        setattr(run.report, name, getattr(run.report, name) + getattr(batch, name))
    run.report.by_type.update(batch.by_type)


def _tell(run: Run, name: str) -> None:
    if run.progress:
        r = run.report
        words = f"{name}：{r.rows_in} 行，入库 {r.stored}，重复 {r.duplicates}，拒收 {r.rejected}，待人 {r.waiting}"
        run.progress(run.bytes_done + run.meter.read, run.bytes_total, words)


def _match(run: Run) -> None:
    """Link the persons that came. All at once, so that a county's first load is matched as a whole.

    Also those whom an earlier intake stored and was killed before it could match.
    """
    waiting = residents.unmatched()
    if run.unmatched or waiting:
        residents.match_new(sorted({*run.unmatched, *waiting}))
        run.unmatched = []
