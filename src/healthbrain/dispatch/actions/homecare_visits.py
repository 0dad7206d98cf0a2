"""Visits at home: made from plans, given to nurses, told, repaired, begun, recorded."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from django.db import transaction
from django.db.models import Q

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import homecare_day as days
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch import network, photos
from healthbrain.dispatch.actions import families
from healthbrain.dispatch.actions.homecare import tell
from healthbrain.dispatch.actions.homecare_charges import charge
from healthbrain.dispatch.actions.homecare_late import follow
from healthbrain.dispatch.models import CareNurse, HomeBed, HomeVisit, NurseAbsence, PlanItem, VisitNurse, VisitPhoto
from healthbrain.dispatch.rules import home
from healthbrain.dispatch.rules import homecare as rules
from healthbrain.dispatch.rules.home.model import Change, DayPlan, Event, NoShow, NurseOut, Urgent
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound

Status = HomeVisit.Status
LONGEST = 62  # days of visits made at once


@transaction.atomic
def generate_visits(*, by: Actor, first: dt.date, last: dt.date) -> int:
    """Visits of all plans of the actor's unit from first to last; how many are new. Again makes none twice."""
    gate.require(by, "homecare.plan")
    if not 0 <= (last - first).days < LONGEST:
        raise Invalid("日期范围不对 Bad range of days", hint=f"一次最多 {LONGEST} 天 at most {LONGEST} days")
    items = PlanItem.objects.select_related("bed").filter(
        Q(ends__isnull=True) | Q(ends__gte=first), starts__lte=last, bed__discharged_on__isnull=True,
        bed__organisation__path__startswith=by.path,
    )  # fmt: skip
    wanted = {
        (item.pk, day): item for item in items
        for day in rules.visit_days(item.weekdays, item.starts, item.ends, first, last)
    }  # fmt: skip
    known = set(HomeVisit.objects.filter(day__range=(first, last), item__isnull=False).values_list("item_id", "day"))
    rows = [_row(item, day) for (pk, day), item in wanted.items() if (pk, day) not in known]
    HomeVisit.objects.bulk_create(rows, ignore_conflicts=True)
    audit.record(by=by, action="homecare.generate", detail={"first": str(first), "last": str(last), "new": len(rows)})
    tell()
    return len(rows)


def _row(item: PlanItem, day: dt.date) -> HomeVisit:
    return HomeVisit(
        bed=item.bed, item=item, day=day, service=item.service, minutes=item.minutes, people=item.people,
        window_from=days.minute_of(item.window_from), window_until=days.minute_of(item.window_until),
    )  # fmt: skip


@transaction.atomic
def plan_day(*, by: Actor, now: dt.datetime, day: dt.date, seconds: float | None = None) -> int:
    """Give the day's visits to the nurses on duty; how many nobody can make. Told windows hold, begun visits stand.

    Raises Invalid for a day that is over, NotFound when no nurse is on duty.
    """
    gate.require(by, "homecare.plan")
    _check_day(day, now)
    loaded = days.load(by, day, now=now)
    if not loaded.standing.day.nurses:
        raise NotFound("当天没有护士 No nurse is on duty that day")
    seconds = seconds or knowledge.figure("plan_seconds")
    moment = days.minute_now(now, day)
    if moment > 0:
        plan = home.repair(
            loaded.standing, [], now=moment, seconds=seconds, known=loaded.known, pinned=loaded.pinned
        ).plan
    else:
        plan = home.plan_day(loaded.standing.day, seconds=seconds, known=loaded.known, pinned=loaded.pinned)
    keep(plan, loaded, now)
    detail = {"day": str(day), "visits": len(plan.day.visits), "uncovered": len(plan.uncovered)}
    audit.record(by=by, action="homecare.plan", detail=detail)
    tell()
    return len(plan.uncovered)


def keep(plan: DayPlan, loaded: days.Loaded, now: dt.datetime) -> None:
    """Write the plan; families who were told and to whom nobody can come now are told that too."""
    days.save(plan, loaded.visits)
    lost = [visit for visit in loaded.visits.values() if visit.status == Status.UNCOVERED]
    families.dropped([visit for visit in lost if visit.promised_from is not None], now)


def _check_day(day: dt.date, now: dt.datetime) -> None:
    if day < local(now).date():
        raise Invalid("这一天已经过去 That day is over")


@transaction.atomic
def tell_families(*, by: Actor, now: dt.datetime, day: dt.date) -> int:
    """Fix the windows and tell the families; how many are new. From then on plans keep them."""
    gate.require(by, "homecare.plan")
    rows = HomeVisit.objects.select_for_update(of=("self",)).select_related("bed__resident", "bed__application").filter(
        day=day, status=Status.PLANNED, promised_from__isnull=True, begins__isnull=False,
        bed__organisation__path__startswith=by.path,
    )  # fmt: skip
    visits = list(rows)
    width = knowledge.figure("told_width")
    for visit in visits:
        visit.promised_from, visit.promised_until = rules.told_window(
            visit.begins or 0.0, width, visit.window_from, visit.window_until
        )
    HomeVisit.objects.bulk_update(visits, ["promised_from", "promised_until"])
    families.told(visits, now)
    audit.record(by=by, action="homecare.tell", detail={"day": str(day), "visits": len(visits)})
    tell()
    return len(visits)


def _repair(
    by: Actor, now: dt.datetime, loaded: days.Loaded, day: dt.date, events: Sequence[Event], seconds: float | None
) -> tuple[Change, ...]:
    done = home.repair(
        loaded.standing,
        events,
        now=max(days.minute_now(now, day), 0.0),
        seconds=seconds or knowledge.figure("repair_seconds"),
        known=loaded.known,
        pinned=loaded.pinned,
    )
    planned = {pk: visit.begins for pk, visit in loaded.visits.items()}  # the solver counts late ones from now
    keep(done.plan, loaded, now)
    kinds = [type(event).__name__ for event in events]
    audit.record(
        by=by, action="homecare.repair", detail={"day": str(day), "events": kinds, "changes": len(done.changes)}
    )
    tell()
    return tuple(
        replace(c, was_begin=planned[int(c.visit)]) if c.was and int(c.visit) in planned else c for c in done.changes
    )


@transaction.atomic
def nurse_out(
    *, by: Actor, now: dt.datetime, nurse_id: int, day: dt.date, reason: str = "", seconds: float | None = None
) -> tuple[Change, ...]:
    """A nurse does not come (any more) that day: the others take over what they can. Said twice, nothing changes."""
    gate.require(by, "homecare.plan")
    _check_day(day, now)
    nurse = CareNurse.objects.filter(pk=nurse_id, organisation__path__startswith=by.path).first()
    if nurse is None:
        raise NotFound("没有这位护士 No such nurse")
    loaded = days.load(by, day, now=now)
    since = max(days.minute_now(now, day), 0.0)
    _, new = NurseAbsence.objects.get_or_create(nurse=nurse, day=day, defaults={"since": since, "reason": reason})
    return _repair(by, now, loaded, day, [NurseOut(nurse.pk, since)], seconds) if new and loaded.visits else ()


@transaction.atomic
def nurse_away(
    *, by: Actor, now: dt.datetime, nurse_id: int, first: dt.date, last: dt.date, reason: str = "",
    seconds: float | None = None,
) -> dict[dt.date, tuple[Change, ...]]:  # fmt: skip
    """`nurse_out` from first to last day; visits made later for these days go to others too. Raises Invalid."""
    if not 0 <= (last - first).days < LONGEST:
        raise Invalid("日期范围不对 Bad range of days", hint=f"一次最多 {LONGEST} 天 at most {LONGEST} days")
    wanted = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    return {
        day: nurse_out(by=by, now=now, nurse_id=nurse_id, day=day, reason=reason, seconds=seconds) for day in wanted
    }


@transaction.atomic
def nurse_back(*, by: Actor, now: dt.datetime, nurse_id: int, day: dt.date) -> bool:
    """She comes that day after all and can be given visits again; False when she was not out. Raises Invalid."""
    gate.require(by, "homecare.plan")
    _check_day(day, now)
    gone = NurseAbsence.objects.filter(nurse_id=nurse_id, day=day, nurse__organisation__path__startswith=by.path)
    found = bool(gone.delete()[0])
    if found:
        audit.record(by=by, action="homecare.nurse_back", detail={"day": str(day), "nurse": nurse_id})
        tell()
    return found


@transaction.atomic
def urgent_visit(
    *,
    by: Actor,
    now: dt.datetime,
    bed_id: int,
    service: str,
    day: dt.date,
    window: tuple[float, float],
    seconds: float | None = None,
) -> tuple[int, tuple[Change, ...]]:
    """A visit nobody had planned: its id and what moves for it. Raises Invalid, NotFound."""
    gate.require(by, "homecare.plan")
    _check_day(day, now)
    bed = gate.visible(HomeBed.objects.all(), by, "treatment").filter(pk=bed_id, discharged_on__isnull=True).first()
    what = knowledge.services().get(service)
    if bed is None or what is None:
        raise NotFound("没有这张家庭病床或这项服务 No such home bed or service")
    earliest, latest = max(window[0], days.minute_now(now, day)), window[1]
    if not 0 <= earliest < latest <= 1440:
        raise Invalid("加急时段已过或不对 The window is over or wrong")
    row = HomeVisit.objects.create(
        bed=bed, day=day, urgent=True, service=service, minutes=what.minutes, people=len(what.needs),
        window_from=earliest, window_until=latest,
    )  # fmt: skip
    loaded = days.load(by, day, now=now)
    whole = loaded.standing.day
    others = replace(whole, visits=tuple(v for v in whole.visits if v.key != row.pk))
    event = Urgent(next(v for v in whole.visits if v.key == row.pk))
    changes = _repair(by, now, replace(loaded, standing=replace(loaded.standing, day=others)), day, [event], seconds)
    audit.record(by=by, action="homecare.urgent", resident_id=bed.resident_id, subject=f"visit/{row.pk}")
    return row.pk, changes


def _own(by: Actor, visit_id: int) -> HomeVisit:
    """A visit the actor makes, locked. Raises NotFound, NotAllowed."""
    gate.require(by, "homecare.visit")
    rows = gate.visible(HomeVisit.objects.select_for_update(of=("self",)).select_related("bed"), by, "treatment")
    visit = rows.filter(pk=visit_id).first()
    if visit is None:
        raise NotFound("没有这次上门 No such visit")
    if not VisitNurse.objects.filter(visit=visit, nurse_id=by.account_id).exists():
        raise NotAllowed("这次上门不是派给您的 Not one of your visits")
    return visit


def _note(by: Actor, action: str, visit: HomeVisit, **detail: object) -> None:
    audit.record(
        by=by, action=f"homecare.{action}", resident_id=visit.bed.resident_id, subject=f"visit/{visit.pk}",
        purpose="treatment", detail=detail,
    )  # fmt: skip
    tell()


@transaction.atomic
def no_show(*, by: Actor, now: dt.datetime, visit_id: int, seconds: float | None = None) -> tuple[Change, ...]:
    """Nobody opened: the visit is over, the rest of the day uses the time. Again changes nothing. Raises Conflict."""
    visit = _own(by, visit_id)
    if visit.status == Status.NO_SHOW:
        return ()
    if visit.status not in (Status.PLANNED, Status.ARRIVED) or visit.day != local(now).date():
        raise Conflict("这次上门不能记为家中无人 This visit cannot be a no-show")
    visit.status, visit.finished_at = Status.NO_SHOW, now
    visit.save(update_fields=["status", "finished_at"])
    _note(by, "no_show", visit)
    return _repair(by, now, days.load(by, visit.day, now=now), visit.day, [NoShow(visit.pk)], seconds)


@transaction.atomic
def arrive(
    *, by: Actor, now: dt.datetime, visit_id: int, x: float | None = None, y: float | None = None
) -> float | None:
    """The nurse is at the door; metres from the address, None without a position. The first arrival counts.

    Raises Invalid for a position that is none, Conflict on another day or when the visit is over.
    """
    visit = _own(by, visit_id)
    if visit.status in days.BEGUN:
        return visit.arrived_metres
    if visit.status != Status.PLANNED or visit.day != local(now).date():
        raise Conflict("这次上门不在今天，或已取消 Not a visit of today, or cancelled")
    if x is not None and y is not None:
        if not (math.isfinite(x) and math.isfinite(y)):
            raise Invalid("坐标不是数字 The position is no number")
        visit.arrived_x, visit.arrived_y = x, y
        visit.arrived_metres = network.metres(x, y, [(visit.bed.x, visit.bed.y)])[0]
    visit.status, visit.arrived_at = Status.ARRIVED, now
    visit.save(update_fields=["status", "arrived_at", "arrived_x", "arrived_y", "arrived_metres"])
    follow(by, now, visit.day)
    _note(by, "arrive", visit, metres=visit.arrived_metres)
    return visit.arrived_metres


@transaction.atomic
def record_visit(
    *,
    by: Actor,
    now: dt.datetime,
    visit_id: int,
    client_id: uuid.UUID,
    measures: Mapping[str, float],
    done: Collection[str],
    taught: Mapping[str, str],
    signed_by: str,
    signature: str = "",
    voucher: str = "",
    note: str = "",
) -> bool:
    """What was measured, done and taught, signed by the carer; False when this record was known already.

    signature: as drawn (`rules.homecare.signature`), "" where only the name was typed. voucher: pays instead of the
    insurance. Raises Invalid (a value missing or out of range, no name), Conflict (not arrived, recorded already).
    """
    visit = _own(by, visit_id)
    if visit.client_id == client_id:
        return False
    if visit.status != Status.ARRIVED:
        raise Conflict("请先记到达；已完成的不能再改 Arrive first; a finished record stays")
    if not signed_by.strip():
        raise Invalid("请照护者签名 The carer signs by name")
    service = knowledge.services()[visit.service]
    visit.record = rules.checked(service, measures, done) | {"note": note.strip(), "by": by.account_id}
    visit.taught = rules.taught(service, taught)
    visit.signed_by, visit.client_id = signed_by.strip(), client_id
    visit.signature = rules.signature(signature).encode() or None
    visit.status, visit.finished_at = Status.DONE, now
    visit.save(update_fields=["record", "taught", "signature", "signed_by", "client_id", "status", "finished_at"])
    charge(now=now, bed=visit.bed, visit=visit, item=service.insurance, voucher=rules.voucher(voucher))
    follow(by, now, visit.day)
    _note(by, "record", visit, service=visit.service, drawn=visit.signature is not None, voucher=bool(voucher.strip()))
    return True


@transaction.atomic
def add_photo(*, by: Actor, now: dt.datetime, visit_id: int, data: bytes, kind: str) -> int:
    """A picture taken at the visit; its id. The same picture twice is one. Raises Invalid, Conflict, NotAllowed."""
    visit = _own(by, visit_id)
    if visit.status not in days.BEGUN or visit.day != local(now).date():
        raise Conflict("请先记到达；只能给今天的上门加照片 Arrive first; only today's visits take pictures")
    if kind not in knowledge.photo_kinds():
        raise Invalid("请选择照片内容 Say what the picture shows")
    if visit.photos.count() >= knowledge.figure("photos_most"):
        raise Conflict(f"一次上门最多 {knowledge.figure('photos_most'):g} 张照片 No more pictures for this visit")
    kept = photos.store(data)
    row, new = VisitPhoto.objects.get_or_create(
        visit=visit, digest=kept.digest,
        defaults={
            "taken_at": now, "taken_by": by.account_id or 0, "kind": kind, "width": kept.width, "height": kept.height,
            "bytes": kept.bytes,
        },
    )  # fmt: skip
    if new:
        _note(by, "photo", visit, kind=kind, digest=kept.digest)
    return row.pk
