"""Which institutions feed, how completely, how late, how cleanly, and who has fallen silent."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from healthbrain.county.models import Organisation
from healthbrain.kernel.db import select, select_dicts

EXPECTATION_DAYS = 28  # four whole weeks, so that every weekday weighs the same
RECENT_EVENTS = 200_000  # the newest events looked at for delay: a bounded read of the primary key
HISTORY_DAYS = 30  # an event older than this when it came in is a back-load, not a delay


@dataclass(frozen=True, slots=True)
class Feed:
    """One source. `expected_today` is what it usually sent by this hour; None where it has no usual day yet."""

    source_id: int
    code: str
    name: str
    organisation_id: int | None
    organisation: str
    approved: bool
    rows_today: int
    expected_today: float | None
    delay_hours: float | None
    errors: int
    rows_recent: int
    last_at: dt.datetime | None
    silent_hours: float | None  # None: not silent, or no expectation
    expected_every_hours: int | None

    @property
    def completeness(self) -> float | None:
        """Rows today over rows expected by this hour, None without an expectation."""
        return None if not self.expected_today else self.rows_today / self.expected_today

    @property
    def error_share(self) -> float | None:
        """Rejected rows over rows received in the last four weeks and today."""
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


FEEDS = """
WITH day AS (SELECT date_trunc('day', %(now)s AT TIME ZONE 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai' AS starts),
counts AS (
    SELECT b.source_id,
           sum(b.rows_in) FILTER (WHERE b.started >= day.starts) AS today,
           sum(b.rows_in) FILTER (WHERE b.started < day.starts) AS before,
           count(DISTINCT date_trunc('day', b.started)) FILTER (WHERE b.started < day.starts) AS days,
           sum(b.rows_in) AS recent, sum(b.rejected) AS errors
    FROM records_batch b, day
    WHERE b.started >= day.starts - make_interval(days => %(days)s) AND b.started <= %(now)s
      AND b.status <> 'rolled-back'
    GROUP BY b.source_id
)
SELECT s.id, s.code, s.name, s.organisation_id, coalesce(o.name, '') AS organisation, s.approved,
       coalesce(c.today, 0)::bigint AS today, c.before::bigint AS before, c.days,
       coalesce(c.recent, 0)::bigint AS recent, coalesce(c.errors, 0)::bigint AS errors,
       s.expected_every_hours, last.started AS last_at,
       extract(epoch FROM %(now)s - day.starts) / 86400.0 AS day_share
FROM county_source s
CROSS JOIN day
LEFT JOIN county_organisation o ON o.id = s.organisation_id
LEFT JOIN counts c ON c.source_id = s.id
LEFT JOIN LATERAL (
    SELECT b.started FROM records_batch b
    WHERE b.source_id = s.id AND b.started <= %(now)s AND b.status <> 'rolled-back'
    ORDER BY b.started DESC LIMIT 1
) last ON TRUE
ORDER BY s.name
"""

DELAYS = """
SELECT i.source_id, percentile_cont(0.5) WITHIN GROUP (
           ORDER BY extract(epoch FROM (e.recorded AT TIME ZONE 'Asia/Shanghai') - e.at) / 3600.0)
FROM (SELECT identity_id, recorded, at FROM records_event ORDER BY id DESC LIMIT %s) e
JOIN residents_identity i ON i.id = e.identity_id
WHERE e.at > (e.recorded AT TIME ZONE 'Asia/Shanghai') - make_interval(days => %s)
  AND e.at <= (e.recorded AT TIME ZONE 'Asia/Shanghai')
GROUP BY i.source_id
"""


def _feed(row: dict[str, Any], delays: dict[int, float], now: dt.datetime) -> Feed:
    last: dt.datetime | None = row["last_at"]
    every: int | None = row["expected_every_hours"]
    days, before = int(row["days"] or 0), int(row["before"] or 0)
    hours = (now - last).total_seconds() / 3600 if last else None
    return Feed(
        source_id=int(row["id"]),
        code=str(row["code"]),
        name=str(row["name"]),
        organisation_id=row["organisation_id"],
        organisation=str(row["organisation"]),
        approved=bool(row["approved"]),
        rows_today=int(row["today"]),
        expected_today=before / days * float(row["day_share"]) if days else None,
        delay_hours=delays.get(int(row["id"])),
        errors=int(row["errors"]),
        rows_recent=int(row["recent"]),
        last_at=last,
        silent_hours=hours if hours is not None and every and hours > every else None,
        expected_every_hours=every,
    )


ORDER = {"silent": 0, "never": 1, "unapproved": 2, "feeding": 3}


def feed_health(now: dt.datetime) -> FeedHealth:
    """Every source's health at `now` (aware), worst first. Three queries; the delay reads at most 200,000 events."""
    delays = dict(select(DELAYS, (RECENT_EVENTS, HISTORY_DAYS)))
    rows = select_dicts(FEEDS, {"now": now, "days": EXPECTATION_DAYS})
    feeds = sorted((_feed(row, delays, now) for row in rows), key=lambda feed: (ORDER[feed.state], feed.name))
    missing = Organisation.objects.filter(connected=False).order_by("path").values_list("name", flat=True)
    return FeedHealth(now, tuple(feeds), tuple(missing))
