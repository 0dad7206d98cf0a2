"""The bureau's figures of surveillance: how fast, how many clusters, how much absence, how well covered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.db import select
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions.notify import moments_of
from healthbrain.surveillance.models import PublicHealthEvent, Signal
from healthbrain.surveillance.queries import feeds
from healthbrain.surveillance.rules import clocks

CLUSTER = 10  # persons: 10人以上的聚集性疫情, the county's own measure of size
YEAR = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Speed:
    """One clock over all events of a period: middle, share within the limit, how many were counted."""

    clock: clocks.Clock
    median: dt.timedelta | None
    within: int
    counted: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A period against the same days a year before; None where nothing was counted then."""

    first: dt.date
    last: dt.date
    speeds: tuple[Speed, ...]
    events: int
    events_before: int
    clusters: int
    clusters_before: int
    closed: int
    signals: int
    answered: int
    absence: float | None  # ill pupil-days per 1,000 pupil-days
    absence_before: float | None
    places: int
    live: int


def midnight(day: dt.date) -> dt.datetime:
    """The start of a day of the county."""
    return dt.datetime.combine(day, dt.time(), COUNTY_ZONE)


def figures(actor: Actor, first: dt.date, last: dt.date, now: dt.datetime) -> Figures:
    """Everything on the bureau's page for the days first … last. Seven queries, none over people."""
    require(actor, "signals.read")
    rows = visible(PublicHealthEvent.objects.exclude(status="excluded"), actor, "public-health")
    begun, ended = midnight(first), midnight(last + dt.timedelta(days=1))
    found = list(rows.filter(opened_at__gte=begun, opened_at__lt=ended))
    before = list(rows.filter(opened_at__gte=begun - YEAR, opened_at__lt=ended - YEAR).values_list("pk", flat=True))
    told = visible(Signal.objects.all(), actor, "public-health").filter(opened_at__gte=begun, opened_at__lt=ended)
    signals = list(told.values_list("data_at", "opened_at", "answer"))
    coverage = feeds.coverage(actor)
    large = _clusters([e.pk for e in found] + before)
    return Figures(
        first, last, _speeds(found, [(data, opened) for data, opened, _ in signals], now), len(found), len(before),
        sum(e.pk in large for e in found), sum(pk in large for pk in before),
        sum(e.status == "closed" for e in found), len(signals), sum(answer != "" for *_, answer in signals),
        absence(first, last), absence(first - YEAR, last - YEAR), sum(c.places for c in coverage),
        sum(c.live for c in coverage),
    )  # fmt: skip


def _speeds(
    events: list[PublicHealthEvent], told: Iterable[tuple[dt.datetime, dt.datetime]], now: dt.datetime
) -> tuple[Speed, ...]:
    """The warning time counts every signal, the other clocks every event whose stretch has ended."""
    made = []
    for clock in handbook.clocks():
        if clock.key == "data-to-signal":
            spans = [max(dt.timedelta(0), opened - data) for data, opened in told]
        else:
            read = [clocks.read_clock(clock, moments_of(event), now) for event in events]
            spans = [r.elapsed for r in read if r.ended is not None and r.elapsed is not None]
        made.append(Speed(clock, clocks.median(spans), sum(s <= clock.limit for s in spans), len(spans)))
    return tuple(made)


def _clusters(event_ids: list[int]) -> set[int]:
    """Those events with ten cases or more that are not excluded."""
    rows = select(
        "SELECT event_id FROM surveillance_caserow WHERE event_id = ANY(%s)"
        " AND classification <> 'excluded' GROUP BY 1 HAVING count(*) >= %s",
        [event_ids, CLUSTER],
    )
    return {event_id for (event_id,) in rows}


def absence(first: dt.date, last: dt.date) -> float | None:
    """Pupils absent because of illness per 1,000 pupils a day, over the reports in force; None without a report."""
    ill, pupils = select(
        "SELECT coalesce(sum(absent_ill), 0), coalesce(sum(pupils), 0) FROM surveillance_reportline"
        " WHERE current AND day BETWEEN %s AND %s",
        [first, last],
    )[0]
    return 1000 * int(ill) / int(pupils) if pupils else None


def absence_by_month(first: dt.date, last: dt.date) -> list[tuple[dt.date, float]]:
    """The same by month."""
    rows = select(
        "SELECT date_trunc('month', day)::date, 1000.0 * sum(absent_ill) / nullif(sum(pupils), 0)"
        " FROM surveillance_reportline WHERE current AND day BETWEEN %s AND %s GROUP BY 1 ORDER BY 1",
        [first, last],
    )
    return [(month, float(rate)) for month, rate in rows if rate is not None]
