"""The lake: the ledger as Parquet, kept up incrementally, for everyone at once.

    lake/event/*.parquet        segments of the ledger, each sorted by identity and time; appended, sometimes merged
    lake/superseded/0.parquet   which events no longer hold
    lake/link.parquet           identity → resident
    lake/resident.parquet       residents with the team of their running contract

Ids come from a sequence and are not handed out in the order of commits: a slow writer may commit number 7 after
number 9 was exported. So a writer announces, before it takes numbers, from where on it will take them (an advisory
lock whose key holds that number, gone with its transaction); a refresh goes up to just before the lowest announcement.
Nobody waits for anybody. `resource` is left out: 16 random bytes a row that no rule reads.

`event` is a link to one generation of segments. Merging writes a new generation and moves the link, so that a reader
never counts a row twice or misses it; at worst it finds a file gone and asks again.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from django.db import connection

from healthbrain.kernel import db
from healthbrain.kernel.home import folder

MARK = 0x4C41  # "LA": the upper 16 bits of the announcement
STEP = 2_000_000  # ids a segment at most
MERGE_ABOVE = 16  # segments
ALWAYS = 200_000  # rows up to which links and residents are simply written again
EVENT: dict[str, Any] = {
    "id": pl.Int64,
    "identity_id": pl.Int64,
    "kind": pl.Utf8,
    "code": pl.Utf8,
    "at": pl.Datetime("us"),
    "value": pl.Float64,
    "unit": pl.Utf8,
    "text": pl.Utf8,
    "flag": pl.Int16,
    "organisation_id": pl.Int64,
    "batch_id": pl.Int64,
    "recorded": pl.Datetime("us"),
}
SUPERSEDED: dict[str, Any] = {"event_id": pl.Int64, "by_event_id": pl.Int64, "recorded": pl.Datetime("us")}
LINK: dict[str, Any] = {"identity_id": pl.Int64, "resident_id": pl.Int64, "score": pl.Float64, "rule": pl.Utf8}
RESIDENT: dict[str, Any] = {
    "id": pl.Int64,
    "name": pl.Utf8,
    "sex": pl.Utf8,
    "birth_date": pl.Date,
    "division_code": pl.Utf8,
    "home_organisation_id": pl.Int64,
    "deceased_on": pl.Date,
    "moved_on": pl.Date,
    "contract_team_id": pl.Int64,
}
EVENT_SQL = """SELECT id, identity_id, kind, code, at, value, unit, text, flag, organisation_id, batch_id,
                      recorded AT TIME ZONE 'Asia/Shanghai'
               FROM records_event WHERE id > {after} AND id <= {upto}"""
SUPERSEDED_SQL = "SELECT event_id, by_event_id, recorded AT TIME ZONE 'Asia/Shanghai' FROM records_superseded"
LINK_SQL = "SELECT identity_id, resident_id, score, rule FROM residents_link"
RESIDENT_SQL = """SELECT r.id, r.name, r.sex, r.birth_date, r.division_code, r.home_organisation_id, r.deceased_on,
                         r.moved_on, c.team_id
                  FROM residents_resident r
                  LEFT JOIN (SELECT DISTINCT ON (resident_id) resident_id, team_id FROM residents_contract
                             WHERE starts <= DATE '{as_of}' AND ends >= DATE '{as_of}'
                             ORDER BY resident_id, starts DESC, id DESC) c ON c.resident_id = r.id"""
SIGNATURES = {
    "superseded": "SELECT count(*), coalesce(max(event_id), 0) FROM records_superseded",
    "link": "SELECT count(*), coalesce(max(id), 0) FROM residents_linkchange",
    "resident": """SELECT (SELECT count(*) FROM residents_resident),
                          (SELECT max(updated)::text FROM residents_resident),
                          (SELECT count(*) FROM residents_contract), (SELECT max(id) FROM residents_contract),
                          '{as_of}'""",
}


@dataclass(slots=True)
class State:
    """What the lake holds. Written last, so that a crash only means doing a piece again."""

    database: str = ""
    upto: int = 0  # every event id up to here is in a segment, or never will be
    last: int = 0  # the newest exported id: it must still be in the table, or the lake is another database's
    generation: int = 0
    segments: list[str] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh brought."""

    events: int
    segments: int
    upto: int
    merged: bool


def announce() -> None:
    """Say from which event id on this transaction will write. Call before events are written."""
    db.select(
        """SELECT pg_advisory_xact_lock_shared((%s::bigint << 48) | CASE WHEN is_called THEN last_value ELSE 0 END)
           FROM records_event_id_seq""",
        (MARK,),
    )


def refresh_lake(as_of: dt.date, root: Path | None = None) -> Refreshed:
    """See `actions.refresh_lake`."""
    root = root or folder("lake")
    with _alone(root):
        state = _valid(_read(root))
        events = root / "event"
        _settle(root, state)
        merged = False
        count = _append(events, state)
        if len(state.segments) > MERGE_ABOVE:
            _merge(root, state)
            merged = True
        _tables(root, state, as_of)
        _write(root, state)
        _sweep(root, state)
        return Refreshed(count, len(state.segments), state.upto, merged)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    with (root / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# --- state -----------------------------------------------------------------------------------------------------------


def _read(root: Path) -> State:
    path = root / "state.json"
    return State(**json.loads(path.read_text())) if path.exists() else State()


def _write(root: Path, state: State) -> None:
    path = root / "state.json.new"
    path.write_text(json.dumps(asdict(state)))
    path.replace(root / "state.json")


def _valid(state: State) -> State:
    """The state, or an empty one when this is not the database the lake was filled from."""
    [(database,)] = db.select(
        "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || oid FROM pg_database"
        " WHERE datname = current_database()"
    )
    same = state.database == database
    if same and state.last:
        same = bool(db.select("SELECT 1 FROM records_event WHERE id = %s", (state.last,)))
    return state if same else State(database=database, generation=state.generation + 1)


def reach(root: Path) -> int:
    """Up to which event id the lake holds this database's ledger; 0 when it is empty or another database's."""
    return _valid(_read(root)).upto


def _directory(root: Path, state: State) -> Path:
    return root / f"event-{state.generation:06}"


def _settle(root: Path, state: State) -> None:
    """The folder of this generation holds exactly the segments the state names, and `event` leads to it."""
    directory = _directory(root, state)
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        if path.name not in state.segments:
            path.unlink()
    _lead(root, directory)


def _lead(root: Path, directory: Path) -> None:
    link = root / "event"
    if link.is_dir() and not link.is_symlink():  # a lake another tool laid down
        shutil.rmtree(link)
    fresh = root / "event.new"
    fresh.unlink(missing_ok=True)
    os.symlink(directory.name, fresh)
    fresh.replace(link)


def _sweep(root: Path, state: State) -> None:
    """Generations older than the last one are gone: queries that began on it may still end."""
    for path in root.glob("event-*"):
        if int(path.name.partition("-")[2]) < state.generation - 1:
            shutil.rmtree(path)


# --- events ----------------------------------------------------------------------------------------------------------


def _safe_upto() -> int:
    """Every id up to this is committed or will never be. The order of the two reads matters: see `announce`."""
    [(last,)] = db.select("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM records_event_id_seq")
    [(announced,)] = db.select(
        """SELECT min(((classid::bigint & 65535) << 32) | objid::bigint) FROM pg_locks
           WHERE locktype = 'advisory' AND objsubid = 1 AND (classid::bigint >> 16) = %s AND pid <> pg_backend_pid()
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        (MARK,),
    )
    return int(last) if announced is None else min(int(last), int(announced))


def _append(directory: Path, state: State) -> int:
    upto, count = _safe_upto(), 0
    after = state.upto
    while after < upto:
        end = min(upto, _end_of_step(after))
        rows = copy_out(EVENT_SQL.format(after=int(after), upto=int(end)), EVENT)
        if len(rows):
            name = f"{after + 1:012}-{end:012}.parquet"
            _put(rows.sort("identity_id", "at", "id"), directory / name)
            state.segments.append(name)
            state.last = int(rows["id"].max())  # type: ignore[arg-type]
            count += len(rows)
        after = state.upto = end
    return count


def _end_of_step(after: int) -> int:
    """The id that ends a segment: ids have holes where transactions were taken back, so count rows, not ids."""
    rows = db.select("SELECT id FROM records_event WHERE id > %s ORDER BY id OFFSET %s LIMIT 1", (after, STEP - 1))
    return int(rows[0][0]) if rows else 2**62


def _put(frame: pl.DataFrame, path: Path) -> None:
    """Written beside, then renamed: a reader sees whole files only."""
    fresh = path.with_suffix(".new")
    frame.write_parquet(fresh, compression="zstd", compression_level=1, statistics=True, row_group_size=250_000)
    fresh.replace(path)


def _merge(root: Path, state: State) -> None:
    """The small segments into one of the next generation; the large ones go along as they are."""
    old = _directory(root, state)
    sizes = {name: pl.scan_parquet(old / name).select(pl.len()).collect().item() for name in state.segments}
    small = [name for name in state.segments if sizes[name] < STEP // 2]
    state.generation += 1
    new = _directory(root, state)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    kept = [name for name in state.segments if name not in small]
    for name in kept:
        os.link(old / name, new / name)
    merged: list[str] = []
    part: list[str] = []
    for name in [*small, ""]:
        if part and (not name or sum(sizes[n] for n in part) + sizes[name] > STEP):
            frame = pl.concat([pl.read_parquet(old / n) for n in part])
            merged.append(f"{part[0][:12]}-{part[-1][13:25]}-{state.generation}.parquet")
            _put(frame.sort("identity_id", "at", "id"), new / merged[-1])
            part = []
        part.append(name)
    state.segments = sorted([*kept, *merged])
    _write(root, state)
    _lead(root, new)


# --- the small tables ------------------------------------------------------------------------------------------------


def _tables(root: Path, state: State, as_of: dt.date) -> None:
    (root / "superseded").mkdir(exist_ok=True)
    _table(root / "superseded" / "0.parquet", "superseded", SUPERSEDED_SQL, SUPERSEDED, state, as_of)
    _table(root / "link.parquet", "link", LINK_SQL, LINK, state, as_of)
    _table(root / "resident.parquet", "resident", RESIDENT_SQL, RESIDENT, state, as_of)


def _table(path: Path, name: str, sql: str, schema: dict[str, Any], state: State, as_of: dt.date) -> None:
    """Written again when it changed. While another writer is under way the signature is not trusted."""
    day = as_of.isoformat()
    row = db.select(SIGNATURES[name].format(as_of=day))[0]
    signature = json.dumps(row, default=str)
    if path.exists() and state.signatures.get(name) == signature and int(row[0]) > ALWAYS:
        return
    frame = copy_out(sql.format(as_of=day), schema)
    order = "resident_id" if name == "link" else frame.columns[0]
    _put(frame.sort(order), path)
    [(quiet,)] = db.select("SELECT pg_snapshot_xmin(s) = pg_snapshot_xmax(s) FROM pg_current_snapshot() s")
    state.signatures[name] = signature if quiet else ""


def copy_out(sql: str, schema: dict[str, Any]) -> pl.DataFrame:
    """The rows of a query as a frame, by COPY on our own connection: it sees what this transaction sees."""
    buffer = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)") as copy:
        for block in copy:
            buffer.write(block)
    if not buffer.tell():
        return pl.DataFrame(schema=schema)
    buffer.seek(0)
    raw = {name: pl.Utf8 if kind == pl.Datetime("us") else kind for name, kind in schema.items()}
    frame = pl.read_csv(buffer, has_header=False, new_columns=list(schema), schema_overrides=raw)
    moments = [name for name, kind in schema.items() if kind == pl.Datetime("us")]
    return frame.with_columns(pl.col(name).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us") for name in moments)
