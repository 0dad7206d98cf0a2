"""A week of home care planned as one: the same faces at the same doors, told windows kept."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import homecare_day as days
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.actions import homecare_visits as visits
from healthbrain.dispatch.actions.homecare import tell
from healthbrain.dispatch.rules import home
from healthbrain.dispatch.rules.darp.model import Key
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Invalid, NotFound

DAYS = 7


@transaction.atomic
def plan_week(*, by: Actor, now: dt.datetime, first: dt.date, seconds: float | None = None) -> int:
    """Make and give out the visits of seven days from `first`; how many nobody can make.

    Days gone by and the day that is running are left as they are: a running day is repaired (`plan_day`), not planned.
    Raises Invalid when nothing of the week is left, NotFound when no nurse is on duty on any day.
    """
    gate.require(by, "homecare.plan")
    wanted = [day for n in range(DAYS) if (day := first + dt.timedelta(days=n)) > local(now).date()]
    if not wanted:
        raise Invalid("这一周已经过去 That week is over")
    visits.generate_visits(by=by, first=wanted[0], last=wanted[-1])
    loaded = [one for one in (days.load(by, day, now=now) for day in wanted) if one.standing.day.nurses]
    if not loaded:
        raise NotFound("这一周没有护士 No nurse is on duty that week")
    known: dict[Key, frozenset[Key]] = {}
    for one in loaded:
        known |= {patient: known.get(patient, frozenset()) | faces for patient, faces in one.known.items()}
    week = home.plan_week(
        [one.standing.day for one in loaded], seconds=seconds or knowledge.figure("week_seconds"), known=known,
        pinned={key: pin for one in loaded for key, pin in one.pinned.items()},
    )  # fmt: skip
    for one, plan in zip(loaded, week.days, strict=True):
        visits.keep(plan, one, now)
    left = sum(len(plan.uncovered) for plan in week.days)
    audit.record(by=by, action="homecare.plan_week", detail={"first": str(wanted[0]), "uncovered": left})
    tell()
    return left
