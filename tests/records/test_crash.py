"""kill -9 in the middle of a batch: nothing acknowledged is lost or doubled, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.records import intake_files as feeds

ROWS = 12_000
RUN = """
    import os, signal, sys, threading, json
    import django
    django.setup()
    from django.core.management import call_command
    from healthbrain.kernel import db
    from healthbrain.records import actions
    from healthbrain.records.intake import csv_files, messages, worker
    csv_files.BLOCK, messages.LINES, worker.WORTH = 24_000, 400, 0  # as a large file is taken: chunks side by side
    call_command("migrate", verbosity=0, skip_checks=True)
    path, die = sys.argv[1], int(sys.argv[2])
    seen = []
    def progress(done, total=None, text=""):
        seen.append(done)
        if die and len(seen) == die:  # a moment later, inside the next chunk's transaction
            [(rows, events)] = db.select(
                "SELECT (SELECT sum(rows_in)::int FROM records_batch), (SELECT count(*) FROM records_event)")
            print(json.dumps([rows, events]), flush=True)
            threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGKILL)).start()
    report = actions.ingest([path], progress=progress, source="jw01")
    [(events,)] = db.select("SELECT count(*) FROM records_event")
    [(resources,)] = db.select("SELECT count(*) FROM records_resource")
    batches = db.select("SELECT status, rows_in, stored + waiting FROM records_batch")
    print(json.dumps(report.as_dict() | {"events": events, "resources": resources, "batches": batches}))
"""


@pytest.fixture
def home(tmp_path):
    """A data folder with its own server, which outlives a killed process."""
    place = tmp_path / "home"
    place.mkdir()
    yield place
    pid = place / "pg" / "postmaster.pid"
    if pid.exists():
        os.kill(int(pid.read_text().split()[0]), signal.SIGINT)


def run(home, path, die=0):
    environment = os.environ | {"HEALTHBRAIN_HOME": str(home), "DJANGO_SETTINGS_MODULE": "healthbrain.settings"}
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "-c", textwrap.dedent(RUN), str(path), str(die)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode == -signal.SIGKILL) if die else done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_kill_9_in_the_middle_of_a_batch(home, tmp_path):
    rows = [
        f"jw01,P{i % 50},8480-6,2026-03-{1 + i // 3600:02} 08:{i // 60 % 60:02}:{i % 60:02},120,mmHg,H1"
        for i in range(ROWS)
    ]
    assert len(set(rows)) == ROWS
    path = feeds.text_file(tmp_path, "observations.csv", feeds.OBSERVATIONS, *rows)
    acknowledged, events = run(home, path, die=2)
    assert 0 < acknowledged == events < ROWS / 2  # counts and rows commit together
    run(home, path, die=4)
    report = run(home, path)
    assert report["rows_in"] == ROWS == report["stored"] + report["waiting"]
    assert (report["duplicates"], report["rejected"]) == (0, 0)
    assert report["events"] == report["resources"] == ROWS
    assert report["batches"] == [["done", ROWS, ROWS]]  # one batch, continued twice
