"""Is every key place still talking? Late, silent and falling feeds are a signal of their own, to the right desk."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

from django.db import transaction

from healthbrain.kernel import db
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.surveillance.knowledge import calendar, feed_of, read
from healthbrain.surveillance.models import FeedState

_LAST = """
    SELECT s.organisation_id, s.kind, s.workdays_only, s.due_hour, c.last_day, c.arrived,
           c.recent / 7.0, CASE WHEN c.days >= 28 THEN c.usual / 28.0 END
    FROM surveillance_site s LEFT JOIN (
        SELECT organisation_id, max(day) AS last_day, max(arrived) AS arrived,
               sum(count) FILTER (WHERE day > %(day)s - 7) AS recent,
               sum(count) FILTER (WHERE day BETWEEN %(day)s - 34 AND %(day)s - 7) AS usual, %(day)s - min(day) AS days
        FROM surveillance_dailycount
        WHERE organisation_id IS NOT NULL AND source <> ALL(ARRAY['diagnosis', 'laboratory', 'rumour'])
          AND day BETWEEN %(day)s - 60 AND %(day)s
        GROUP BY organisation_id
    ) c USING (organisation_id)
    WHERE NOT s.national_front_end
"""
# A front-end lives when watched diagnoses of its hospital keep arriving: it sends nothing else to us.
_FRONT_ENDS = """
    SELECT s.organisation_id, (SELECT max(recorded) FROM surveillance_caserecord c
                               WHERE c.organisation_id = s.organisation_id AND c.card_id IS NULL)
    FROM surveillance_site s WHERE s.national_front_end
"""


@dataclass(frozen=True, slots=True)
class Spoken:
    """When a place last spoke, as day and moment; records a day lately and before."""

    organisation_id: int
    feed: str
    last_day: dt.date | None
    last_at: dt.datetime | None
    recent: float | None
    usual: float | None
    schools: bool
    due_hour: int


def judge(spoken: Spoken, now: dt.datetime) -> str:
    """live, late (today's report is due and not there), silent (nothing for the allowed days), falling."""
    limits = read("feeds")
    days = _due_days(spoken, now, int(limits["silent_after_due_days"]))
    if not days:
        return "live"  # a holiday: nothing was due
    if spoken.last_day is None or (len(days) >= limits["silent_after_due_days"] and spoken.last_day < days[0]):
        return "silent"
    if spoken.last_day < days[-1]:
        return "late"
    usual, recent = spoken.usual or 0.0, spoken.recent or 0.0
    return "falling" if usual >= limits["usual_at_least"] and recent < limits["falling_below"] * usual else "live"


def _due_days(spoken: Spoken, now: dt.datetime, count: int) -> list[dt.date]:
    """The last days whose report was due by `now`, oldest first, not reaching back over a holiday of two weeks."""
    last = now.date() if now.hour >= spoken.due_hour else now.date() - dt.timedelta(days=1)
    if not spoken.schools:
        return [last - dt.timedelta(days=n) for n in range(count)][::-1]
    days = calendar().last_school_days(last, count)
    return [day for day in days if (last - day).days <= 14]


def check_feeds(*, now: dt.datetime) -> int:
    """Judge every key place and front-end; how many changed their state. Tells the open pages."""
    rows = db.select(_LAST, {"day": now.date()})
    spoken = [
        Spoken(o, feed_of(kind), day, at, _number(recent), _number(usual), workdays, due)
        for o, kind, workdays, due, day, at, recent, usual in rows
    ]
    states = [(s, judge(s, now), 24) for s in spoken] + _front_ends(now)
    with transaction.atomic():
        known = {(f.organisation_id, f.feed): f for f in FeedState.objects.all()}
        fresh, changed = [], 0
        for said, state, hours in states:
            row = known.get((said.organisation_id, said.feed))
            if row is None:
                fresh.append(FeedState(
                    organisation_id=said.organisation_id, feed=said.feed, state=state, since=now, last_at=said.last_at,
                    expected_every_hours=hours, recent=said.recent, usual=said.usual,
                ))  # fmt: skip
                changed += state != "live"
                continue
            changed += row.state != state
            row.since = now if row.state != state else row.since
            row.state, row.last_at, row.recent, row.usual = state, said.last_at, said.recent, said.usual
        FeedState.objects.bulk_create(fresh)
        FeedState.objects.bulk_update(known.values(), ["state", "since", "last_at", "recent", "usual"], batch_size=1000)
        if changed:
            db.notify("signals", json.dumps({"feeds": changed}))
    return changed


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _front_ends(now: dt.datetime) -> list[tuple[Spoken, str, int]]:
    limits = read("feeds")
    found = []
    for organisation, last_at in db.select(_FRONT_ENDS):
        hours = (now - last_at.astimezone(COUNTY_ZONE)).total_seconds() / 3600 if last_at else None
        state = "live"
        if hours is None or hours > limits["front_end_silent_hours"]:
            state = "silent"
        elif hours > limits["front_end_late_hours"]:
            state = "late"
        day = last_at.date() if last_at else None
        said = Spoken(organisation, "front-end", day, last_at, None, None, schools=False, due_hour=0)
        found.append((said, state, int(limits["front_end_late_hours"])))
    return found
