"""The lake holds what the table holds: after any history, and while slow writers are under way."""

from __future__ import annotations

import datetime as dt
import threading

import duckdb
import pytest
from django.db import connection, transaction

from healthbrain.access.rules import SYSTEM
from healthbrain.kernel import db
from healthbrain.records import actions, lake
from healthbrain.records.models import Batch
from tests.records import intake_files as feeds

AS_OF = dt.date(2026, 4, 1)
ROW = "jw01,P{person},8480-6,2026-03-{day:02} 08:30,{value},mmHg,H1"


def rows(root, text):
    return duckdb.connect().execute(text.replace("$", str(root))).fetchall()


def same(root):
    """The current events in the lake and in PostgreSQL."""
    columns = 'id, identity_id, kind, code, "at", value, unit, text, flag, organisation_id'
    lake_rows = rows(
        root,
        f"""SELECT {columns} FROM '$/event/*.parquet' WHERE id NOT IN
            (SELECT event_id FROM '$/superseded/*.parquet') ORDER BY id""",
    )
    table = db.select(
        f"""SELECT {columns} FROM records_event WHERE id NOT IN (SELECT event_id FROM records_superseded) ORDER BY id"""
    )
    assert lake_rows == table
    assert rows(root, "SELECT identity_id, resident_id FROM '$/link.parquet' ORDER BY 1") == db.select(
        "SELECT identity_id, resident_id FROM residents_link ORDER BY 1"
    )
    assert rows(root, "SELECT count(*) FROM '$/resident.parquet'") == db.select(
        "SELECT count(*) FROM residents_resident"
    )
    return len(table)


def take(folder, *lines):
    return actions.ingest([feeds.text_file(folder, "observations.csv", feeds.OBSERVATIONS, *lines)], as_of=AS_OF)


@pytest.mark.django_db
def test_the_lake_follows(tmp_path):
    root = tmp_path / "lake"
    root.mkdir()
    assert lake.refresh_lake(AS_OF, root).events == 0
    actions.ingest(
        [feeds.text_file(tmp_path, "persons.csv", feeds.PERSONS, "jw01,P1,王测试,1,1960-03-20,,,,")], as_of=AS_OF
    )
    first = take(tmp_path, *(ROW.format(person=i % 3, day=1 + i, value=120 + i) for i in range(9)))
    assert lake.refresh_lake(AS_OF, root).events == 9
    assert same(root) == 9
    assert lake.refresh_lake(AS_OF, root).events == 0
    take(tmp_path, ROW.format(person=1, day=28, value=160))
    assert lake.refresh_lake(AS_OF, root).events == 1
    actions.rollback_batch(by=SYSTEM, batch_id=first.batch_ids[0])
    lake.refresh_lake(AS_OF, root)
    assert same(root) == 1


@pytest.mark.django_db
def test_many_small_segments_are_merged(tmp_path, monkeypatch):
    root = tmp_path / "lake"
    root.mkdir()
    monkeypatch.setattr(lake, "MERGE_ABOVE", 3)
    for day in range(1, 9):
        take(tmp_path, ROW.format(person=1, day=day, value=120))
        found = lake.refresh_lake(AS_OF, root)
        assert same(root) == day
        assert found.segments <= 4
    assert len(list(root.glob("event-*"))) <= 3


@pytest.mark.django_db
def test_a_crash_between_segment_and_state_is_made_good(tmp_path):
    root = tmp_path / "lake"
    root.mkdir()
    take(tmp_path, ROW.format(person=1, day=1, value=120))
    lake.refresh_lake(AS_OF, root)
    before = (root / "state.json").read_text()
    take(tmp_path, ROW.format(person=1, day=2, value=130))
    lake.refresh_lake(AS_OF, root)
    (root / "state.json").write_text(before)  # as if the process had died just before this was written
    lake.refresh_lake(AS_OF, root)
    assert same(root) == 2


@pytest.mark.django_db
def test_another_database_means_a_new_lake(tmp_path):
    root = tmp_path / "lake"
    root.mkdir()
    take(tmp_path, ROW.format(person=1, day=1, value=120))
    lake.refresh_lake(AS_OF, root)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE records_event, records_superseded, records_resource, records_resourceversion CASCADE")
    take(tmp_path, ROW.format(person=2, day=2, value=130))
    lake.refresh_lake(AS_OF, root)
    assert same(root) == 1


@pytest.mark.django_db(transaction=True)
def test_a_slow_writer_is_neither_lost_nor_waited_for(tmp_path):
    """A transaction takes ids, stays open while others commit higher ids and the lake is refreshed, then commits."""
    root = tmp_path / "lake"
    root.mkdir()
    written, finish = threading.Event(), threading.Event()
    slow_folder = tmp_path / "slow"
    slow_folder.mkdir()
    path = feeds.text_file(slow_folder, "observations.csv", feeds.OBSERVATIONS, ROW.format(person=7, day=1, value=111))

    def slow():
        try:
            with transaction.atomic():
                actions.ingest([path], as_of=AS_OF, source="slow")
                written.set()
                finish.wait(20)
        finally:
            connection.close()

    take(tmp_path, ROW.format(person=1, day=1, value=120))
    thread = threading.Thread(target=slow)
    thread.start()
    try:
        assert written.wait(20)
        with transaction.atomic():  # another writer, while the slow one is still open; sources and people differ
            db.execute(
                """INSERT INTO records_event (identity_id, kind, code, at, flag, resource, recorded)
                   VALUES (1, 'observation', 'loinc|8867-4', now(), 0, gen_random_uuid(), now())"""
            )
        found = lake.refresh_lake(AS_OF, root)  # returns at once
        assert found.events == 1
        assert found.upto < db.select("SELECT max(id) FROM records_event")[0][0]
    finally:
        finish.set()
        thread.join()
    assert lake.refresh_lake(AS_OF, root).events == 2
    assert same(root) == 3
    assert Batch.objects.count() == 2
