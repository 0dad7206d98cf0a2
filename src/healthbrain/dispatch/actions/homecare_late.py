"""A tour that runs late: the windows that cannot be kept are told anew, before the family waits for nothing."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace

from django.db import transaction

from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import homecare_day as days
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.actions import families
from healthbrain.dispatch.models import HomeVisit
from healthbrain.dispatch.rules import homecare as rules
from healthbrain.dispatch.rules.home.delay import expected
from healthbrain.kernel import db
from healthbrain.kernel.clock import local

GRID = 5  # minutes: people are told full five minutes


def follow(by: Actor, now: dt.datetime, day: dt.date) -> int:
    """Tell families of the actor's unit whose window will pass before the nurse can come; how many.

    Runs in the caller's transaction. A window moves only when it is missed by more than `late_after` minutes, and to
    the next one that can be kept as things stand; the audit log keeps what was told before.
    """
    if day != local(now).date():
        return 0
    loaded = days.load(by, day, now=now)
    begun = frozenset(pk for pk, visit in loaded.visits.items() if visit.status in days.BEGUN)
    slack, width, moment = knowledge.figure("late_after"), knowledge.figure("told_width"), days.minute_now(now, day)
    moved, told = [], {}
    for key, begin in expected(loaded.standing, begun).items():
        visit = loaded.visits[int(key)]
        if visit.pk in begun or visit.promised_until is None or begin <= visit.promised_until + slack:
            continue
        told[str(visit.pk)] = [visit.promised_from, visit.promised_until]
        soonest = math.ceil(moment / GRID) * GRID
        visit.promised_from, visit.promised_until = rules.told_window(begin, width, soonest, begin + width)
        moved.append(visit)
    if moved:
        HomeVisit.objects.bulk_update(moved, ["promised_from", "promised_until"])
        families.late(moved, now)
        audit.record(by=by, action="homecare.late", detail={"day": str(day), "told_before": told})
        db.notify("homecare", json.dumps({}))
    return len(moved)


def follow_all(now: dt.datetime) -> int:
    """The same for every unit with visits told for today: the worker's look, for tours nobody presses a button on."""
    today = local(now).date()
    minute = days.minute_now(now, today)
    waiting = HomeVisit.objects.filter(day=today, status=HomeVisit.Status.PLANNED, promised_until__lt=minute)
    told = 0
    for path in sorted(set(waiting.values_list("bed__organisation__path", flat=True))):
        with transaction.atomic():
            told += follow(replace(SYSTEM, path=path), now, today)
    return told
