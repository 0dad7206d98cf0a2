"""One intake: files in reading order, converted in other processes, stored chunk by chunk, each chunk one transaction.

Chunks are written side by side (`lanes`) and commit in their order. A chunk's rows, its counts and the position after
it commit together: after kill -9 the same command goes on where the last commit stood, and what had been converted but
not committed is converted again. Nothing is lost or doubled, because ids and content hashes tell what is there.
Messages in small files are stored many to a transaction: each is wholly in it, so none is ever half stored, and none is
reported before the commit.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.county import actions as county
from healthbrain.kernel import db
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import NotFound
from healthbrain.records import claims
from healthbrain.records.intake import batches, mappings, messages, sheet, sheets, writing
from healthbrain.records.intake.fhir import DEFAULT_SOURCE, Feed
from healthbrain.records.intake.files import Refused, collect, folders, groups, readable
from healthbrain.records.intake.lanes import Lanes, Turn, lanes_for
from healthbrain.records.intake.prepared import Prepared
from healthbrain.records.intake.report import KEPT, Meter, Progress, Report
from healthbrain.records.intake.worker import Worker, worker_for
from healthbrain.records.known import People
from healthbrain.records.models import Batch
from healthbrain.records.rules.reasons import message
from healthbrain.residents import actions as residents

AHEAD = 3  # chunks being converted while one is stored
RECORDS = "records_event, records_resource"
PEOPLE = "residents_identity, residents_link, residents_resident"
MANY = 20_000  # rows stored in one intake that change the tables' statistics, when they are a tenth of what is there
DENSE = {"hl7v2": 6}  # how much more work a byte of this format is

Work = tuple[Callable[[Any], Any], Any]


@dataclass(slots=True)
class Opened:
    """A file being read, and its batch."""

    path: Path
    form: str
    digest: bytes
    batch: Batch
    again: bool | None = None  # whether the same bytes were taken in before; known when its first chunk is stored


@dataclass(slots=True)
class Piece:
    """The next thing to store: work for the converter, or what needs none. Without either: the file ends here."""

    of: Opened | list[tuple[Path, str]]  # one file, or small ones that go together
    work: Work | None = None
    prepared: Prepared | None = None
    refused: Refused | None = None  # the file cannot be read any further
    read: float = 0  # bytes read, of all files


@dataclass(slots=True)
class Run:
    """The state of one intake."""

    by: Actor
    source: str | None
    source_id: int | None
    as_of: dt.date
    progress: Progress | None
    bytes_total: int
    worker: Worker | None
    lanes: Lanes
    report: Report = field(default_factory=Report)
    bytes_read: int = 0  # of the files before the one being read
    meter: Meter = field(default_factory=Meter)
    people: People = field(default_factory=People)
    open: list[Opened] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)  # digests of the files before
    unmatched: list[int] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)
    folders: dict[Path, str] = field(default_factory=dict)  # what the folders of files are called

    def feed(self, path: Path) -> Feed:
        """Whose the file is."""
        return Feed(self.source, self.folders.get(path, DEFAULT_SOURCE))


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
    work = sum(path.stat().st_size * DENSE.get(form, 1) for path, form in files)
    with _perhaps_undone(dry_run), worker_for(work) as worker, lanes_for(worker is not None) as lanes:
        source_id = county.source(source).pk if source else None
        run = Run(by, source, source_id, as_of or now().date(), progress, total, worker, lanes)
        run.report.files, run.folders = len(files), folders(given)
        _take_in(run, files)
        grown = f"{RECORDS}, {PEOPLE}" if _match(run) else RECORDS
        if run.report.stored > max(MANY, _counted_before() / 10):
            _look_at(grown)
    run.report.seconds = time.monotonic() - started
    run.report.cancelled = bool(run.cancelled)
    return run.report


def _look_at(tables: str) -> None:
    """Statistics for the next page, from few rows; autovacuum takes a minute, then reads more of them."""
    with transaction.atomic():
        db.execute("SET LOCAL default_statistics_target = 30")
        db.execute(f"ANALYZE {tables}")


def _counted_before() -> float:
    return float(db.select("SELECT reltuples FROM pg_class WHERE oid = 'records_resource'::regclass")[0][0])


@contextmanager
def _perhaps_undone(dry_run: bool) -> Iterator[None]:
    """A dry run does everything, then takes it back: its report is exact."""
    if not dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- reading ---------------------------------------------------------------------------------------------------------


def _pieces(run: Run, files: list[tuple[Path, str]]) -> Iterator[Piece]:
    """Everything there is to store, in order; read as it is asked for."""
    for group in groups(files):
        size = sum(path.stat().st_size for path, _ in group)
        run.meter.read = 0
        if len(group) > 1:
            chunk = [(str(path), run.feed(path), run.as_of) for path, _ in group]
            yield Piece(group, (messages.convert_files, chunk), read=run.bytes_read + size)
        else:
            for piece in _file(run, *group[0]):
                piece.read = run.bytes_read + run.meter.read
                yield piece
        run.bytes_read += size


def _file(run: Run, path: Path, form: str) -> Iterator[Piece]:
    opened = _open(run, path, form)
    try:
        for item in _chunks(run, opened):
            yield Piece(opened, prepared=item) if isinstance(item, Prepared) else Piece(opened, item)
    except Refused as problem:
        yield Piece(opened, refused=problem)
    yield Piece(opened)


def _open(run: Run, path: Path, form: str) -> Opened:
    digest = batches.content_hash(path)
    batches.claim(digest)
    beside = [other.batch.pk for other in run.open]
    batch = batches.begin(path, form, digest, account_id=run.by.account_id, source_id=run.source_id, beside=beside)
    opened = Opened(path, form, digest, batch)
    run.open.append(opened)
    _add_to_report(run, batch)
    return opened


def _chunks(run: Run, opened: Opened) -> Iterator[Work | Prepared]:
    """The file's chunks, to be converted. Raises Refused for what cannot be read any further."""
    path, form, start = opened.path, opened.form, opened.batch.position
    if form in {"csv", "xlsx"}:
        yield from _sheet_chunks(run, opened)
        return
    readers = {"hl7v2": messages.read_hl7v2, "fhir-bundle": messages.read_json, "fhir-ndjson": messages.read_ndjson}
    if form not in readers:
        raise Refused("file-type", path.suffix or readable(path.name))
    for chunk in readers[form](path, run.feed(path), run.as_of, start, run.meter):
        yield messages.convert, chunk


def _sheet_chunks(run: Run, opened: Opened) -> Iterator[Work | Prepared]:
    path, start = opened.path, opened.batch.position
    found = sheets.open_sheet(path, opened.form)
    if not start:
        for _, reason, raw in found.extra:
            yield sheets.all_rejected([(0, raw)], reason, message(reason, raw))
    if not found.header:
        return  # an empty file: no rows
    try:
        remembered = mappings.recall(run.source_id, found.header)
        plan = sheets.plan_of(found, readable(path.name), source=run.source, as_of=run.as_of, remembered=remembered)
    except Refused as problem:
        yield from sheets.refused_rows(found, problem)
        return
    for number, chunk in enumerate(sheets.chunks(found, plan, start, run.meter)):
        yield sheet.convert, replace(chunk, notes=[] if start or number else found.notes)


def _converted(run: Run, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, Any]]:
    """Each piece with what it was converted to, in order; the next ones are made while the caller stores one.

    A file that cannot be opened stops the intake only after the pieces before it have been stored.
    """
    waiting: deque[tuple[Piece, Future[Any] | Any]] = deque()
    problem: Exception | None = None
    while problem is None:
        try:
            piece = next(pieces)
        except StopIteration:
            break
        except Exception as error:
            problem = error
            break
        made: Any = piece.prepared
        if piece.work:
            function, chunk = piece.work
            made = run.worker.start(function, chunk) if run.worker else function(chunk)
            piece.work = None
        waiting.append((piece, made))
        while waiting and _due(waiting, run.worker):
            yield _result(*waiting.popleft())
    while waiting:
        yield _result(*waiting.popleft())
    if problem:
        raise problem


def _due(waiting: deque[tuple[Piece, Any]], worker: Worker | None) -> bool:
    """Whether the first is to be stored now: it is ready and the worker has something to do, or enough is under way."""
    under_way = sum(isinstance(made, Future) for _, made in waiting)
    ready = not isinstance(waiting[0][1], Future)
    return under_way > AHEAD or (ready and (worker is None or under_way > 0 or len(waiting) > AHEAD))


def _result(piece: Piece, made: Future[Any] | Any) -> tuple[Piece, Any]:
    return piece, made.result() if isinstance(made, Future) else made


# --- storing ---------------------------------------------------------------------------------------------------------


def _take_in(run: Run, files: list[tuple[Path, str]]) -> None:
    try:
        for piece, converted in _converted(run, _pieces(run, files)):
            if isinstance(piece.of, list):
                run.lanes.drain()
                _store_group(run, piece, piece.of, converted)
            elif converted is None and piece.refused is None:
                run.lanes.after(partial(_end, run, piece.of))
            elif piece.of.batch.pk not in run.cancelled:
                _store(run, piece, piece.of, converted or _unreadable(run, piece.of, piece.refused))
        run.lanes.drain()
    finally:
        run.lanes.stop()
        for opened in run.open:
            _fail(opened.batch)
            batches.release(opened.digest)


def _end(run: Run, opened: Opened) -> None:
    """The file is read to its end: so is its batch, unless somebody cancelled it."""
    if opened.batch.pk not in run.cancelled:
        opened.batch.status, opened.batch.finished = Batch.Status.DONE, now()
        opened.batch.save(update_fields=["status", "finished"])
    run.open.remove(opened)
    batches.release(opened.digest)


def _unreadable(run: Run, opened: Opened, refused: Refused | None) -> Prepared:
    """What cannot be read any further is one row, numbered after those before it."""
    run.lanes.drain()
    batch = opened.batch
    raw = readable(opened.path.name) if not batch.rows_in else ""
    reason, detail = (refused.reason, refused.detail) if refused else ("file-damaged", "")
    return sheets.all_rejected([(batch.rows_in + 1, raw)], reason, message(reason, detail), batch.position)


def _store(run: Run, piece: Piece, opened: Opened, converted: Prepared) -> None:
    batch = opened.batch
    if opened.form == "hl7v2":  # its rows are numbered after those before
        run.lanes.drain()
        converted = messages.renumbered(converted, batch.rows_in)
    if opened.again is None:
        if opened.digest in run.seen:  # twice in this very intake: the first is to end before
            run.lanes.drain()
        run.seen.add(opened.digest)
        opened.again = bool(batches.taken_before([opened.digest]))
    _write(run, batch, batches.as_known(converted) if opened.again else converted, piece.read)


def _fail(batch: Batch) -> None:
    if not transaction.get_connection().needs_rollback:
        Batch.objects.filter(pk=batch.pk, status=Batch.Status.RUNNING).update(status=Batch.Status.FAILED)


def _store_group(run: Run, piece: Piece, group: list[tuple[Path, str]], found: messages.Group) -> None:
    made = [
        Batch(
            name=readable(path.name),
            path=readable(str(path.resolve())),
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
    _tell(run, readable(group[-1][0].name), piece.read)


def _write(run: Run, batch: Batch, prepared: Prepared, read: float) -> None:
    def work(turn: Turn) -> writing.Outcome:
        return writing.store(batch, prepared, by=run.by, done=False, people=run.people, turn=turn)

    run.lanes.store(prepared, work, partial(_written, run, batch, prepared, read))


def _written(run: Run, batch: Batch, prepared: Prepared, read: float, outcome: writing.Outcome) -> None:
    run.cancelled |= outcome.cancelled
    run.unmatched += outcome.new_persons
    _count(run.report, outcome.counts)
    if not outcome.counts["rows_in"]:  # cancelled before it was stored
        return
    report = run.report
    report.by_type += prepared.by_type
    report.rejects += prepared.rejects[: KEPT - len(report.rejects)]
    report.notes += prepared.notes[: KEPT - len(report.notes)]
    _tell(run, batch.name, read)


def _add_to_report(run: Run, batch: Batch) -> None:
    """A batch that is resumed brings what it had counted before."""
    run.report.batch_ids.append(batch.pk)
    _count(run.report, batches.counts(batch))
    run.report.by_type.update(batch.by_type)


def _count(report: Report, more: Counter[str]) -> None:
    for name in batches.COUNTS:
        setattr(report, name, getattr(report, name) + more[name])


def _tell(run: Run, name: str, read: float) -> None:
    if run.progress:
        r = run.report
        words = f"{name}：{r.rows_in} 行，入库 {r.stored}，重复 {r.duplicates}，拒收 {r.rejected}，待人 {r.waiting}"
        run.progress(read, run.bytes_total, words)


def _match(run: Run) -> bool:
    """Link the persons that came; whether any did. All at once, so that a county's first load is matched as a whole.

    Also those whom an earlier intake stored and was killed before it could match.
    """
    waiting = residents.unmatched()
    if run.unmatched or waiting:
        residents.match_all(sorted({*run.unmatched, *waiting}))
        claims.ask(run.unmatched, run.report.by_type)
        run.unmatched = []
        return True
    return False
