"""Which institutions feed, how completely, how late, how cleanly, and who has fallen silent.

Counted over the ledger itself, because one file may carry several sources: the lake up to where it reaches, the table
for what came since. Silence and completeness go by when things *happened*, so a back-load does not hide a gap.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from healthbrain.county.models import Organisation
from healthbrain.kernel import db
from healthbrain.kernel.clock import COUNTY_ZONE, local
from healthbrain.kernel.home import folder
from healthbrain.records.lake import reach

RECENT_DAYS = 7  # whole days before today: what is compared
EXPECTATION_DAYS = 28  # four whole weeks before those, so that every weekday weighs the same
SEALED = 1_000_000  # identities a file: an identity never changes its source, so a file is written once


@dataclass(frozen=True, slots=True)
class Feed:
    """One source."""

    source_id: int
    code: str
    name: str
    organisation_id: int | None
    organisation: str
    approved: bool
    rows_today: int  # came in today
    recent: int  # happened in the last seven whole days
    expected: float | None  # usual for seven days; None without a history
    delay_hours: float | None  # median from happening to arriving, since the source began to send
    errors: int
    rows_recent: int
    last_at: dt.datetime | None  # when the newest thing it told of happened
    silent_hours: float | None  # None: not silent, or nothing agreed
    expected_every_hours: int | None

    @property
    def completeness(self) -> float | None:
        """Recent entries over the usual number, None without a history."""
        return None if not self.expected else self.recent / self.expected

    @property
    def error_share(self) -> float | None:
        """Rejected rows over received rows, last four weeks and today."""
        return None if not self.rows_recent else self.errors / self.rows_recent

    @property
    def state(self) -> str:
        """never, silent, unapproved, or feeding."""
        if self.last_at is None:
            return "never"
        if self.silent_hours is not None:
            return "silent"
        return "feeding" if self.approved else "unapproved"


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """All feeds, worst first, and the institutions that exist but are not connected yet."""

    as_of: dt.datetime
    feeds: tuple[Feed, ...]
    not_connected: tuple[str, ...]


ORDER = {"silent": 0, "never": 1, "unapproved": 2, "feeding": 3}

LEDGER = """
WITH told AS (
    SELECT i.source_id, e."at" AS happened, e.recorded
    FROM ledger e JOIN identities i ON i.id = e.identity_id
    WHERE e."at" <= $now
), began AS (SELECT source_id, min(recorded) AS first FROM told GROUP BY source_id)
SELECT told.source_id,
       count(*) FILTER (WHERE recorded >= $today) AS today,
       count(*) FILTER (WHERE happened >= $recent AND happened < $today) AS recent,
       count(*) FILTER (WHERE happened >= $expectation AND happened < $recent) AS before,
       median(epoch(recorded - happened) / 3600.0)
           FILTER (WHERE recorded >= $expectation AND happened >= first AND recorded >= happened) AS delay,
       max(happened) AS last_at
FROM told JOIN began ON began.source_id = told.source_id GROUP BY told.source_id
"""
COLUMNS = ("source_id", "today", "recent", "before", "delay", "last_at")
BATCHES = """
SELECT e.batch_id, any_value(i.source_id) FROM ledger e JOIN identities i ON i.id = e.identity_id
WHERE e.batch_id IN (SELECT unnest($batches)) GROUP BY 1
"""


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _ledger(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """The relation `ledger`: the lake, and the rows of the table it does not hold yet."""
    upto = reach(lake)
    sql = "SELECT identity_id, at, recorded AT TIME ZONE 'Asia/Shanghai', batch_id FROM records_event WHERE id > %s"
    schema: dict[str, Any] = {
        "identity_id": pl.Int64,
        "at": pl.Datetime("us"),
        "recorded": pl.Datetime("us"),
        "batch_id": pl.Int64,
    }
    connection.register("fresh", pl.DataFrame(db.select(sql, (upto,)), schema=schema, orient="row").to_arrow())
    files = f'SELECT identity_id, "at", recorded, batch_id FROM read_parquet({_text(lake / "event" / "*.parquet")})'
    connection.execute(f"CREATE VIEW ledger AS FROM fresh {'UNION ALL ' + files if upto else ''}")


def _identities(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """The relation `identities`: id and source of every identity; whole millions are kept as files."""
    highest, database = db.select(
        """SELECT coalesce(max(id), 0), (SELECT oid FROM pg_database WHERE datname = current_database())
           FROM residents_identity"""
    )[0]
    kept = lake / f"identity-{database}"
    sealed = max(0, (highest - SEALED // 5) // SEALED)  # the youngest ids may still be uncommitted
    schema: dict[str, Any] = {"id": pl.Int64, "source_id": pl.Int64}
    sql = "SELECT id, source_id FROM residents_identity WHERE id > %s AND id <= %s"
    for number in range(sealed):
        path = kept / f"{number}.parquet"
        if not path.exists():
            kept.mkdir(parents=True, exist_ok=True)
            rows = db.select(sql, (number * SEALED, (number + 1) * SEALED))
            beside = path.with_suffix(".new")
            pl.DataFrame(rows, schema=schema, orient="row").write_parquet(beside)
            beside.replace(path)
    young = db.select(sql, (sealed * SEALED, highest))
    connection.register("young", pl.DataFrame(young, schema=schema, orient="row").to_arrow())
    files = f"UNION ALL FROM read_parquet({_text(kept / '*.parquet')})" if sealed else ""
    connection.execute(f"CREATE VIEW identities AS FROM young {files}")


def _errors(connection: duckdb.DuckDBPyConnection, since: dt.datetime) -> dict[int, tuple[int, int]]:
    """Source → (rows rejected, rows received) since then. A batch without a source is its events' source's."""
    batches = db.select(
        "SELECT id, source_id, rows_in, rejected FROM records_batch WHERE started >= %s AND status <> 'rolled-back'",
        (since,),
    )
    unnamed = [row[0] for row in batches if row[1] is None]
    found = dict(connection.execute(BATCHES, {"batches": unnamed}).fetchall()) if unnamed else {}
    sums: dict[int, tuple[int, int]] = {}
    for batch_id, source_id, rows_in, rejected in batches:
        source = source_id or found.get(batch_id)
        if source is not None:
            errors, rows = sums.get(source, (0, 0))
            sums[source] = (errors + rejected, rows + rows_in)
    return sums


def _feed(source: dict[str, Any], told: dict[str, Any] | None, errors: tuple[int, int], now: dt.datetime) -> Feed:
    last = told["last_at"].replace(tzinfo=COUNTY_ZONE) if told else None
    every: int | None = source["expected_every_hours"]
    hours = (now - last).total_seconds() / 3600 if last else None
    before = told["before"] if told else 0
    return Feed(
        source_id=source["id"],
        code=source["code"],
        name=source["name"],
        organisation_id=source["organisation_id"],
        organisation=source["organisation"],
        approved=source["approved"],
        rows_today=told["today"] if told else 0,
        recent=told["recent"] if told else 0,
        expected=before * RECENT_DAYS / EXPECTATION_DAYS if before else None,
        delay_hours=told["delay"] if told else None,
        errors=errors[0],
        rows_recent=errors[1],
        last_at=last,
        silent_hours=hours if hours is not None and every and hours > every else None,
        expected_every_hours=every,
    )


def feed_health(now: dt.datetime, lake: Path | None = None) -> FeedHealth:
    """Every source's health at `now` (aware), worst first. One pass over three columns of the lake."""
    lake = lake or folder("lake")
    moment = local(now)
    today = dt.datetime.combine(moment.date(), dt.time())
    recent = today - dt.timedelta(days=RECENT_DAYS)
    expectation = recent - dt.timedelta(days=EXPECTATION_DAYS)
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'")
        _ledger(connection, lake)
        _identities(connection, lake)
        days = {"now": moment, "today": today, "recent": recent, "expectation": expectation}
        told = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in connection.execute(LEDGER, days).fetchall()}
        errors = _errors(connection, (today - dt.timedelta(days=EXPECTATION_DAYS)).replace(tzinfo=COUNTY_ZONE))
    sources = db.select_dicts(
        """SELECT s.id, s.code, s.name, s.organisation_id, coalesce(o.name, '') AS organisation, s.approved,
                  s.expected_every_hours
           FROM county_source s LEFT JOIN county_organisation o ON o.id = s.organisation_id WHERE s.code <> 'desk'"""
    )
    feeds = [_feed(source, told.get(source["id"]), errors.get(source["id"], (0, 0)), now) for source in sources]
    feeds.sort(key=lambda feed: (ORDER[feed.state], feed.name))
    missing = Organisation.objects.filter(connected=False).order_by("path").values_list("name", flat=True)
    return FeedHealth(now, tuple(feeds), tuple(missing))
