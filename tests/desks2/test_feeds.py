"""Batches that add up, rejects, and which feeds are healthy."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from healthbrain.county.models import Source
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.errors import NotFound
from healthbrain.records import queries
from healthbrain.records.models import Batch, Event
from healthbrain.residents.models import Identity

from .conftest import event

NOW = dt.datetime(2026, 4, 1, 12, 0, tzinfo=COUNTY_ZONE)  # half the day is over


def told(
    county,
    source: str,
    happened: dt.datetime,
    arrived: dt.datetime | None = None,
    *,
    times: int = 1,
    batch: Batch | None = None,
) -> None:
    """Entries of one source: when they happened and when they came in (county time)."""
    owner = Identity.objects.filter(source__code=source).first()
    for _ in range(times):
        made = event(
            owner,
            "observation",
            "loinc|8867-4",
            happened.replace(tzinfo=None).isoformat(),
            county.organisations["W1"],
            value=70,
            unit="/min",
        )
        Event.objects.filter(pk=made.pk).update(recorded=arrived or happened, batch_id=batch.pk if batch else None)


def at(days: float, hour: int = 8) -> dt.datetime:
    """`days` before the first of April, at an hour."""
    return dt.datetime.combine((NOW - dt.timedelta(days=days)).date(), dt.time(hour), COUNTY_ZONE)


def feeds() -> dict[str, queries.Feed]:
    return {feed.code: feed for feed in queries.feed_health(NOW, Path("/nonexistent")).feeds}


def test_the_last_week_against_the_four_before(county):
    for back in range(8, 36):  # four a day for 28 days
        told(county, "ph-w", at(back), times=4)
    for back in range(1, 8):  # two a day in the last seven
        told(county, "ph-w", at(back), times=2)
    told(county, "ph-w", at(0), times=3)
    feed = feeds()["ph-w"]
    assert (feed.recent, feed.expected, feed.rows_today) == (14, 28.0, 3)
    assert feed.completeness == pytest.approx(0.5)
    assert feed.state == "feeding"


def test_a_back_load_today_hides_no_gap(county):
    for back in range(8, 36):
        told(county, "ph-w", at(back), arrived=at(0))
    feed = feeds()["ph-w"]
    assert feed.rows_today == 28
    assert feed.completeness == 0
    assert feed.state == "silent"
    assert feed.delay_hours is None, "things from before the source began to send say nothing about delay"


def test_the_county_day_begins_at_local_midnight(county):
    told(county, "ph-w", dt.datetime(2026, 3, 31, 23, 59, tzinfo=COUNTY_ZONE))
    told(county, "ph-w", dt.datetime(2026, 4, 1, 0, 1, tzinfo=COUNTY_ZONE), times=2)
    assert feeds()["ph-w"].rows_today == 2


@pytest.mark.parametrize(("hours", "silent"), [(23, None), (24, None), (30, 30.0)])
def test_silence_is_longer_than_expected(county, hours, silent):
    told(county, "ph-w", NOW - dt.timedelta(hours=hours))
    assert feeds()["ph-w"].silent_hours == silent


def test_a_date_in_the_future_breaks_no_silence(county):
    told(county, "ph-w", NOW - dt.timedelta(hours=30))
    told(county, "ph-w", dt.datetime(2099, 1, 1, tzinfo=COUNTY_ZONE), arrived=NOW)
    assert feeds()["ph-w"].silent_hours == 30.0


def test_never_heard_of_and_not_connected_are_named(county):
    Source.objects.create(code="new-lab", name="new-lab")
    health = queries.feed_health(NOW, Path("/nonexistent"))
    states = {feed.code: feed.state for feed in health.feeds}
    assert states["new-lab"] == states["ph-w"] == "never"
    assert states["his-h"] == "silent", "its last entry is of 20 March"
    assert health.not_connected == ("南湾镇卫生院",)


def test_delay_is_a_median(county):
    for hours in (2, 4, 30):
        told(county, "ph-w", at(2), arrived=at(2) + dt.timedelta(hours=hours))
    told(county, "ph-w", at(3), arrived=at(3))
    assert feeds()["ph-w"].delay_hours == pytest.approx(3), "0, 2, 4 and 30 hours"


@pytest.mark.parametrize("named", [True, False])
def test_share_of_rejected_rows_with_or_without_a_named_source(county, named):
    source = county.sources["ph-w"] if named else None
    batch = Batch.objects.create(
        source=source, name="x.csv", format="csv", status="done", rows_in=200, stored=190, rejected=10
    )
    old = Batch.objects.create(source=source, name="y.csv", format="csv", status="done", rows_in=100, rejected=100)
    Batch.objects.filter(pk=batch.pk).update(started=at(1))
    Batch.objects.filter(pk=old.pk).update(started=at(60))
    told(county, "ph-w", at(1), batch=batch)
    assert feeds()["ph-w"].error_share == pytest.approx(0.05)


def test_the_lake_and_the_table_together_count_each_entry_once(county, tmp_path):
    from healthbrain.records.lake import refresh_lake

    told(county, "ph-w", at(2), times=5)
    refresh_lake(NOW.date(), tmp_path)
    told(county, "ph-w", at(1), times=3)
    found = {feed.code: feed for feed in queries.feed_health(NOW, tmp_path).feeds}
    assert found["ph-w"].recent == 8


def test_batches_and_rejects(batch, county):
    rows, total = queries.batches()
    assert (total, rows[0].adds_up, rows[0].source) == (1, True, "东浦公卫系统")
    Batch.objects.filter(pk=batch.pk).update(stored=5)
    assert not queries.batch(batch.pk).adds_up
    rejects, count = queries.rejects(batch_id=batch.pk)
    assert [(r.row, r.field, r.reason) for r in rejects] == [
        (3, "effective", "date-invalid"),
        (7, "value", "number-invalid"),
    ]
    assert count == 2
    assert [(r.reason, r.rows) for r in queries.reasons(batch.pk)] == [("date-invalid", 1), ("number-invalid", 1)]
    assert queries.rejects(reason="date-invalid")[1] == 1
    with pytest.raises(NotFound):
        queries.batch(10**9)
