"""Batches that add up, rejects, and which feeds are healthy."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.county.models import Source
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.errors import NotFound
from healthbrain.records import queries
from healthbrain.records.models import Batch, Event

from .conftest import event

NOW = dt.datetime(2026, 4, 1, 12, 0, tzinfo=COUNTY_ZONE)  # half the day is over


def received(source: Source, when: dt.datetime, rows: int, rejected: int = 0, status: str = "done") -> Batch:
    made = Batch.objects.create(
        source=source,
        name="x.csv",
        format="csv",
        status=status,
        rows_in=rows,
        stored=rows - rejected,
        rejected=rejected,
    )
    Batch.objects.filter(pk=made.pk).update(started=when)  # auto_now_add would say now
    return made


def feeds() -> dict[str, queries.Feed]:
    return {feed.code: feed for feed in queries.feed_health(NOW).feeds}


def test_rows_today_against_the_usual_day(county):
    source = county.sources["his-h"]
    for back in range(1, 11):  # ten days of 200 rows
        received(source, NOW - dt.timedelta(days=back), 200)
    received(source, NOW - dt.timedelta(hours=2), 60, rejected=6)
    received(source, NOW - dt.timedelta(hours=1), 1000, status="rolled-back")
    feed = feeds()["his-h"]
    assert feed.rows_today == 60
    assert feed.expected_today == pytest.approx(100)
    assert feed.completeness == pytest.approx(0.6)
    assert feed.error_share == pytest.approx(6 / 2060)
    assert feed.state == "feeding"


def test_the_county_day_begins_at_local_midnight(county):
    received(county.sources["his-h"], dt.datetime(2026, 3, 31, 23, 59, tzinfo=COUNTY_ZONE), 5)
    received(county.sources["his-h"], dt.datetime(2026, 4, 1, 0, 1, tzinfo=COUNTY_ZONE), 7)
    assert feeds()["his-h"].rows_today == 7


@pytest.mark.parametrize(("hours", "silent"), [(23, None), (24, None), (30, 30.0)])
def test_silence_is_longer_than_expected(county, hours, silent):
    received(county.sources["ph-w"], NOW - dt.timedelta(hours=hours), 10)
    assert feeds()["ph-w"].silent_hours == silent


def test_never_heard_of_and_not_connected_are_named(county):
    Source.objects.create(code="new-lab", name="new-lab")
    received(Source.objects.get(code="new-lab"), NOW - dt.timedelta(hours=1), 3)
    health = queries.feed_health(NOW)
    states = {feed.code: feed.state for feed in health.feeds}
    assert states["ph-w"] == "never"
    assert states["new-lab"] == "unapproved"
    assert health.not_connected == ("南湾镇卫生院",)


def test_delay_is_the_median_of_fresh_events_and_ignores_back_loads(county):
    from healthbrain.residents.models import Identity

    owner = Identity.objects.get(source__code="ph-w")
    for hours in (2, 4, 30):
        made = event(
            owner, "observation", "loinc|8867-4", "2026-03-31T08:00", county.organisations["W1"], value=70, unit="/min"
        )
        Event.objects.filter(pk=made.pk).update(
            recorded=dt.datetime(2026, 3, 31, 8, tzinfo=COUNTY_ZONE) + dt.timedelta(hours=hours)
        )
    old = event(
        owner, "observation", "loinc|8867-4", "2020-03-31T08:00", county.organisations["W1"], value=70, unit="/min"
    )
    Event.objects.filter(pk=old.pk).update(recorded=dt.datetime(2026, 3, 31, 8, tzinfo=COUNTY_ZONE))
    assert feeds()["ph-w"].delay_hours == pytest.approx(4)


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
