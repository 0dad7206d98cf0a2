"""Made-up home care of one township: three nurses, home beds admitted and planned through the real actions."""

from __future__ import annotations

import datetime as dt
import uuid

from healthbrain.access import actions as access
from healthbrain.access.models import Account
from healthbrain.access.queries import actor_of
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.actions import homecare
from healthbrain.dispatch.actions import homecare_visits as visits
from healthbrain.dispatch.actions.homecare import Assessment, Line
from healthbrain.dispatch.models import CareNurse, HomeVisit
from healthbrain.dispatch.queries import homecare as reads
from healthbrain.kernel.clock import now
from healthbrain.residents.models import Resident

OTHERS = (("demo-home-nurse-2", "护士乙 演示"), ("demo-home-nurse-3", "护士丙 演示"))
SKILLS = (
    ["nursing", "wound", "catheter", "injection"],
    ["nursing", "wound", "rehabilitation", "injection"],
    ["nursing", "catheter", "rehabilitation"],
)
SCORES = {
    "feeding": 5, "bathing": 0, "grooming": 5, "dressing": 5, "bowels": 5, "bladder": 0, "toilet": 5, "transfer": 5,
    "mobility": 5, "stairs": 0,
}  # fmt: skip
CASES = (  # need, finding, service, goal
    ("骶尾部压疮，需换药", "wound", "pressure-sore", "八周内创面缩小一半"),
    ("长期留置导尿", "tube", "catheter", "四周内无感染"),
    ("中风后右侧偏瘫", "rehabilitation", "rehabilitation", "三个月内能扶拐站立"),
    ("多病共存，卧床", "", "vital-signs", "血压平稳、按时服药"),
    ("髋部骨折术后", "rehabilitation", "rehabilitation", "六周内床椅转移无需人扶"),
    ("足跟压疮", "wound", "pressure-sore", "六周内愈合"),
)
WAITING = ("独居，行动不便，请上门测血压", "出院后需伤口换药")
MEASURED = {
    "systolic": 136.0, "diastolic": 82.0, "pulse": 76.0, "wound_length": 42.0, "wound_width": 30.0, "wound_depth": 5.0,
    "urine": 350.0,
}  # fmt: skip
EVERY_DAY = tuple(range(7))


def begin(account_id: int) -> None:
    """Once: nurses, beds, today's and tomorrow's visits given out and told, two applications waiting."""
    if CareNurse.objects.exists():
        return
    head = Account.objects.get(pk=account_id)
    by = actor_of(head)
    old = Resident.objects.filter(
        home_organisation__path__startswith=by.path, deceased_on=None, moved_on=None, merged_into=None,
        division_code__isnull=False,
    ).order_by("birth_date", "pk")  # fmt: skip
    people = [one for one in old[:24] if reads.door(by, one.pk)][: len(CASES) + len(WAITING)]
    doors = [reads.door(by, one.pk) for one in people]
    if not doors or doors[0] is None:
        return
    _nurses(head, doors[0][1], doors[0][2])
    morning = now().replace(hour=6, minute=0, second=0, microsecond=0)
    for person, door, case in zip(people, doors, CASES, strict=False):
        if door is not None:
            _admit(by, person.pk, door, case, morning)
    for person, need in zip(people[len(CASES) :], WAITING, strict=False):
        _apply(by, person.pk, need, morning)
    today = morning.date()
    visits.generate_visits(by=by, first=today, last=today + dt.timedelta(days=13))
    for day in (today, today + dt.timedelta(days=1)):
        visits.plan_day(by=by, now=morning, day=day, seconds=0.1)
    visits.tell_families(by=by, now=morning, day=today)
    _work_until(now(), keep=head.pk)


def _work_until(at: dt.datetime, *, keep: int) -> None:
    """What the nurses have done today by now, as on their phones; the last visit of nurse `keep` stays open."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    today = HomeVisit.objects.filter(day=at.date(), begins__isnull=False).prefetch_related("nurses__nurse__account")
    last = today.filter(nurses__nurse_id=keep).order_by("-begins").values_list("pk", flat=True)[:1]
    for visit in today.exclude(pk__in=list(last)).order_by("begins"):
        came = midnight + dt.timedelta(minutes=visit.begins or 0.0)
        left = came + dt.timedelta(minutes=visit.minutes)
        if left > at:
            continue
        nurse, service = actor_of(visit.nurses.all()[0].nurse.account), knowledge.services()[visit.service]
        visits.arrive(by=nurse, now=came, visit_id=visit.pk)
        visits.record_visit(
            by=nurse, now=left, visit_id=visit.pk, client_id=uuid.uuid4(), done=list(service.done)[:2],
            measures={name: MEASURED[name] for name in service.record if name in MEASURED},
            taught=dict.fromkeys(list(service.teach)[:1], "shown"), signed_by="照护者 演示",
        )  # fmt: skip


def _nurses(head: Account, x: float, y: float) -> None:
    others = [
        access.create_account(
            by=SYSTEM, username=username, name=name, role="home_nurse", organisation_id=head.organisation_id
        )
        for username, name in OTHERS
    ]
    CareNurse.objects.bulk_create(
        CareNurse(
            account=account, organisation_id=head.organisation_id, skills=skills, x=x, y=y, shift_from=dt.time(7, 30),
            shift_until=dt.time(17),
        )
        for account, skills in zip((head, *others), SKILLS, strict=True)
    )  # fmt: skip


def _apply(by: Actor, resident_id: int, need: str, at: dt.datetime) -> int:
    return homecare.apply(by=by, now=at, resident_id=resident_id, channel="family", need=need, key=uuid.uuid4())


def _admit(
    by: Actor, resident_id: int, door: tuple[str, float, float], case: tuple[str, str, str, str], at: dt.datetime
) -> None:
    need, finding, service, goal = case
    found = Assessment(SCORES, (finding,) if finding else (), *door)
    plan = [Line(service, goal, EVERY_DAY, dt.time(8), dt.time(16))]
    number = _apply(by, resident_id, need, at)
    homecare.assess(by=by, now=at, application_id=number, assessment=found, plan=plan)
