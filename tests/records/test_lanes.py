"""Chunks written side by side leave what the same chunks leave one after the other."""

from __future__ import annotations

import json
import random
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import connection

from healthbrain.kernel import db
from healthbrain.records.intake import csv_files, lanes, messages, run
from tests.records import intake_files as feeds

LEFT_BEHIND = {
    "resources": """SELECT r.type, r.id, r.version, r.content_hash::text, s.code, i.source_key, r.tokens
        FROM records_resource r JOIN county_source s ON s.id = r.source_id
        LEFT JOIN residents_identity i ON i.id = r.identity_id""",
    "events": """SELECT i.source_key, e.kind, e.code, e.at, e.value, o.code, e.resource::text, s.event_id IS NOT NULL,
               n.value
        FROM records_event e JOIN residents_identity i ON i.id = e.identity_id
        LEFT JOIN county_organisation o ON o.id = e.organisation_id
        LEFT JOIN records_superseded s ON s.event_id = e.id LEFT JOIN records_event n ON n.id = s.by_event_id""",
    "versions": "SELECT key::text, version FROM records_resourceversion",
    "batches": "SELECT name, status, rows_in, stored, duplicates, rejected, waiting FROM records_batch",
    "people": """SELECT string_agg(i.source_key || i.name, ' ' ORDER BY i.source_key) FROM residents_link l
        JOIN residents_identity i ON i.id = l.identity_id GROUP BY l.resident_id""",
    "marks": """SELECT string_agg(i.source_key, ' ' ORDER BY i.source_key) FROM facts_dirty d
        JOIN residents_link l USING (resident_id) JOIN residents_identity i ON i.id = l.identity_id
        GROUP BY d.resident_id""",
    "places": "SELECT code FROM county_organisation",
}


def left_behind():
    return {name: sorted(db.select(sql), key=repr) for name, sql in LEFT_BEHIND.items()}


@pytest.fixture
def feed(tmp_path):
    """Rows in the order a hospital sends them: people seen before they are described, rows repeated, new places, values
    corrected again and again, in several small files and one of them twice."""
    chance = random.Random(20260330)
    people = [f"P{n}" for n in range(60)]
    described = [
        f"jw01,{p},赵样本{p},{1 + n % 2},19{50 + n % 40}-0{1 + n % 9}-1{n % 9},,,," for n, p in enumerate(people[:50])
    ]
    visits = [
        f"jw01,{chance.choice(people)},8480-6,2026-03-{chance.randint(1, 9):02} 08:{chance.randint(0, 5):02},"
        f"{chance.choice([118, 121, 139, 144, 'high'])},mmHg,H{chance.randint(1, 30)}"
        for _ in range(2_400)
    ]
    visits += chance.sample(visits, 300)
    first = feeds.text_file(tmp_path, "observations-1.csv", feeds.OBSERVATIONS, *visits[:1_400])
    persons = feeds.text_file(tmp_path, "persons.csv", feeds.PERSONS, *described)
    second = feeds.text_file(tmp_path, "observations-2.csv", feeds.OBSERVATIONS, *visits[1_400:])
    (tmp_path / "again").mkdir()
    again = feeds.text_file(tmp_path / "again", "observations-1.csv", feeds.OBSERVATIONS, *visits[:1_400])
    renamed = feeds.text_file(
        tmp_path, "persons-2.csv", feeds.PERSONS, *[d.replace("样本", "改名") for d in described[:9]]
    )
    lines = [json.dumps(feeds.patient(f"p{n}", f"赵样本{n}"), ensure_ascii=False) for n in range(30)]
    lines += [
        json.dumps(
            feeds.observation(f"Patient/p{chance.randint(0, 40)}", value=chance.randint(110, 180), id=f"o{n % 300}")
        )
        for n in range(900)
    ]
    chance.shuffle(lines)
    corrected = feeds.text_file(tmp_path, "corrected.ndjson", *lines)
    return [first, persons, second, again, renamed, corrected]


@pytest.mark.django_db(transaction=True)
def test_side_by_side_is_one_after_the_other(feed, monkeypatch):
    monkeypatch.setattr(csv_files, "BLOCK", 3_000)
    monkeypatch.setattr(messages, "LINES", 50)
    one_by_one = [feeds.take(path).as_dict() for path in feed]
    expected = left_behind()
    assert expected["versions"]
    assert expected["marks"]
    assert any(row[7] for row in expected["events"])
    call_command("flush", interactive=False, verbosity=0)

    overlapping, most = set(), 0

    @contextmanager
    def always(_many):
        with lanes.lanes_for(True) as found:
            yield found

    def watched(*given, **more):
        nonlocal most
        overlapping.add(threading.get_ident())
        most = max(most, len(overlapping))
        try:
            return store(*given, **more)
        finally:
            overlapping.discard(threading.get_ident())

    store = run.writing.store
    monkeypatch.setattr(run.writing, "store", watched)
    monkeypatch.setattr(run, "lanes_for", always)
    side_by_side = [feeds.take(path).as_dict() for path in feed]
    assert left_behind() == expected
    assert most > 1
    for before, now in zip(one_by_one, side_by_side, strict=True):
        assert {k: v for k, v in now.items() if "second" not in k} == {
            k: v for k, v in before.items() if "second" not in k
        }


@pytest.mark.django_db(transaction=True)
def test_who_waits_too_long_takes_back_what_was_written(tmp_path, monkeypatch):
    """The chunk before may be waiting for a lock of ours: then nothing of ours may stand in its way."""
    monkeypatch.setattr(lanes, "PATIENCE", 0.05)
    before, seen = Future(), []

    def finish():
        time.sleep(0.4)
        seen.append(db.select("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"))
        connection.close()
        before.set_result(None)

    @contextmanager
    def after_another(_many):
        with lanes.lanes_for(True) as found:
            found.under_way.append(lanes._Step(lambda _: None, before))
            yield found

    monkeypatch.setattr(run, "lanes_for", after_another)
    threading.Thread(target=finish).start()
    report = feeds.take(feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, feeds.ROW))
    assert (report.rows_in, report.waiting) == (1, 1)
    assert seen
    assert feeds.current().count() == 1


def test_turn_tells_what_stopped_the_one_before():
    before = Future()
    before.set_exception(ValueError("disk"))
    with pytest.raises(ValueError, match="disk"):
        lanes.Turn(before)()
    assert lanes.Turn()() is False
