"""The worker's loop: dirty residents within a fraction of a second, wake-ups at each new day, the lake kept close."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time

from django.db import OperationalError, close_old_connections, connection

from healthbrain.care import actions as care
from healthbrain.dispatch.actions import homecare_late
from healthbrain.kernel.clock import now, today
from healthbrain.notices import actions as notices
from healthbrain.records import actions as records
from healthbrain.surveillance.actions import notify, signals

BATCH = 500
POLL_SECONDS = 0.1  # one indexed query on an empty table; NOTIFY would save it, polling survives every proxy and pooler
LAKE_EVERY = 300.0
WATCH_SECONDS = 2.0  # between two looks at what must be counted anew
FEEDS_EVERY = 600.0
REMINDERS_EVERY = 60.0
log = logging.getLogger("healthbrain.worker")


def think_once() -> int:
    """Re-judge everybody who waits now; how many residents that were."""
    as_of, thought = today(), 0
    while count := care.think(as_of=as_of, limit=BATCH):
        thought += count
    return thought


def think_forever(stopping: threading.Event) -> None:
    """Until told to stop. A lost database connection is retried, not fatal."""
    woken: dt.date | None = None
    lake_due = time.monotonic() + LAKE_EVERY
    while not stopping.is_set():
        try:
            if woken != today():
                woken = today()
                care.run_wakeups(as_of=woken)
            if not care.think(as_of=woken, limit=BATCH):
                stopping.wait(POLL_SECONDS)
            if time.monotonic() > lake_due:
                records.refresh_lake()
                lake_due = time.monotonic() + LAKE_EVERY
        except OperationalError:
            log.warning("database away, trying again in 2 s")
            connection.close()
            close_old_connections()
            stopping.wait(2)


def watch_forever(stopping: threading.Event) -> None:
    """Counts and signals: what changed within seconds, the whole county at each new day, feeds every ten minutes."""
    woken: dt.date | None = None
    feeds_due = reminders_due = 0.0
    while not stopping.is_set():
        try:
            moment = now()
            if woken != moment.date():
                done = signals.run_pass(now=moment, everything=True)
                woken = moment.date()
            else:
                done = signals.run_pass(now=moment)
            notify.tell_signals(done.signals, moment)
            notices.deliver_due(moment)
            if time.monotonic() > reminders_due:
                notify.remind(moment)
                homecare_late.follow_all(moment)
                reminders_due = time.monotonic() + REMINDERS_EVERY
            if time.monotonic() > feeds_due:
                signals.check_feeds(now=moment)
                feeds_due = time.monotonic() + FEEDS_EVERY
        except OperationalError:
            log.warning("database away, trying again in 2 s")
            connection.close()
            close_old_connections()
        except Exception:
            log.exception("a pass over the signals failed; the next one starts in 30 s")
            stopping.wait(30)
        stopping.wait(WATCH_SECONDS)
    connection.close()
