"""Home beds: apply, recommend, assess, review, discharge."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.actions import families
from healthbrain.dispatch.actions.homecare_charges import charge
from healthbrain.dispatch.models import Application, HomeBed, HomeVisit, PlanItem
from healthbrain.dispatch.rules import homecare as rules
from healthbrain.kernel import db
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from healthbrain.residents import queries as people

CHANNEL = "homecare"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a care plan as decided. window: minutes since midnight; weekdays: 0 is Monday."""

    service: str
    goal: str
    weekdays: tuple[int, ...]
    window_from: dt.time
    window_until: dt.time
    people: int = 1
    starts: dt.date | None = None
    ends: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the nurse found at home: Barthel scores by item, findings, the address as driven to."""

    scores: Mapping[str, int]
    findings: tuple[str, ...]
    address: str
    x: float
    y: float
    note: str = ""


def purpose_of(by: Actor) -> str:
    """The purpose of looking at people on these pages."""
    return by.own_purpose if by.role == "resident" else "treatment"


def tell() -> None:
    """Pages of home care renew themselves when this transaction commits. No person's data travels."""
    db.notify(CHANNEL, json.dumps({}))


@transaction.atomic
def apply(
    *,
    by: Actor,
    now: dt.datetime,
    resident_id: int,
    channel: str,
    need: str,
    key: uuid.UUID,
    contact_name: str = "",
    contact_phone: str = "",
) -> int:
    """Ask for care at home; the application's id. The same `key` sent twice is one application.

    Residents ask for themselves, or as family for whom they act; all others for people they may see.
    Raises Invalid, NotAllowed, NotFound, Conflict (an application or a home bed is open already).
    """
    gate.require(by, "homecare.apply")
    if channel not in Application.Channel or not _fits(by, channel):
        raise Invalid("请选择谁来申请 Say who applies")
    if not need.strip():
        raise Invalid("请写明需要什么护理 Say what care is needed")
    known = Application.objects.filter(idempotency=key).first()
    if known is not None:
        if known.applied_by != by.account_id:
            raise Conflict("提交编号已用过，请刷新页面 Reload the page")
        return known.pk
    person = people.resident(by, resident_id, purpose_of(by))
    if HomeBed.objects.filter(resident_id=person.id, discharged_on__isnull=True).exists():
        raise Conflict("这位居民已有家庭病床 This resident has a home bed already")
    try:
        with transaction.atomic():
            made = Application.objects.create(
                resident_id=person.id, channel=channel, applied_by=by.account_id or 0, applied_at=now,
                contact_name=contact_name.strip(), contact_phone=contact_phone.strip(), need=need.strip(),
                idempotency=key,
            )  # fmt: skip
    except IntegrityError as error:
        raise Conflict("这位居民已有待评估的申请 An application of this resident is open already") from error
    if channel == Application.Channel.DOCTOR:
        made.recommended_by, made.recommendation = by.account_id, need.strip()
        made.save(update_fields=["recommended_by", "recommendation"])
    _record(by, "apply", made.resident_id, f"application/{made.pk}", {"channel": channel})
    return made.pk


def _fits(by: Actor, channel: str) -> bool:
    """Only a resident applies himself; one who acts for another is family."""
    if by.role != "resident":
        return channel != Application.Channel.SELF
    return channel == (Application.Channel.FAMILY if by.proxy_id else Application.Channel.SELF)


def _record(by: Actor, action: str, resident_id: int, subject: str, detail: dict[str, Any] | None = None) -> None:
    purpose = purpose_of(by)
    audit.record(
        by=by,
        action=f"homecare.{action}",
        resident_id=resident_id,
        subject=subject,
        purpose=purpose,
        detail=detail or {},
    )
    tell()


def _application(by: Actor, application_id: int) -> Application:
    """An open application the actor may see, locked. Raises NotFound, Conflict."""
    rows = gate.visible(Application.objects.select_for_update(of=("self",)), by, purpose_of(by))
    found = rows.filter(pk=application_id).first()
    if found is None:
        raise NotFound("没有这份申请 No such application")
    if found.status != Application.Status.APPLIED:
        raise Conflict("这份申请已有结论 This application is decided already")
    return found


@transaction.atomic
def recommend(*, by: Actor, application_id: int, text: str) -> None:
    """The family doctor supports an application. Raises NotAllowed, Invalid, NotFound, Conflict."""
    gate.require(by, "homecare.apply")
    if not by.may("record.read"):
        raise NotAllowed("只有医生可以推荐 Only a doctor recommends")
    if not text.strip():
        raise Invalid("请写推荐意见 Write the recommendation")
    found = _application(by, application_id)
    found.recommended_by, found.recommendation = by.account_id, text.strip()
    found.save(update_fields=["recommended_by", "recommendation"])
    _record(by, "recommend", found.resident_id, f"application/{found.pk}")


@transaction.atomic
def withdraw(*, by: Actor, now: dt.datetime, application_id: int) -> None:
    """Who applied takes it back, or the resident it is about. Raises NotFound, NotAllowed, Conflict."""
    gate.require(by, "homecare.apply")
    found = _application(by, application_id)
    if found.applied_by != by.account_id and by.role != "resident":
        raise NotAllowed("只能撤回自己提交的申请 Only who applied may withdraw")
    _decide(found, Application.Status.WITHDRAWN, now, "")
    _record(by, "withdraw", found.resident_id, f"application/{found.pk}")


def _decide(found: Application, status: str, now: dt.datetime, reason: str) -> None:
    found.status, found.decided_at, found.reason = status, now, reason
    found.save(update_fields=["status", "decided_at", "reason"])


@transaction.atomic
def decline(*, by: Actor, now: dt.datetime, application_id: int, reason: str) -> None:
    """Not admitted, with the reason the applicant reads. Raises Invalid, NotFound, Conflict."""
    gate.require(by, "homecare.plan")
    if not reason.strip():
        raise Invalid("请写明不收治的原因 Say why not")
    found = _application(by, application_id)
    _decide(found, Application.Status.DECLINED, now, reason.strip())
    families.decided(found, now, f"不收治，{reason.strip()}", f"not admitted, {reason.strip()}")
    _record(by, "decline", found.resident_id, f"application/{found.pk}")


@transaction.atomic
def assess(
    *,
    by: Actor,
    now: dt.datetime,
    application_id: int,
    assessment: Assessment,
    plan: Sequence[Line],
    override: str = "",
) -> int:
    """Admit to a home bed with its care plan; the bed's id. Against the admission rule only with an `override` reason.

    Raises Invalid (scores, plan, rule), NotFound, Conflict (decided already, another bed open).
    """
    gate.require(by, "homecare.plan")
    found = _application(by, application_id)
    total = _check_admission(assessment, override)
    today = local(now).date()
    if by.organisation_id is None:
        raise NotAllowed("只有机构的护士可以建床 Only a nurse of a unit admits")
    if not plan:
        raise Invalid("护理计划至少一项 The plan needs at least one line")
    try:
        with transaction.atomic():
            bed = HomeBed.objects.create(
                resident_id=found.resident_id, application=found, organisation_id=by.organisation_id,
                assessment={
                    "scores": dict(assessment.scores), "total": total, "findings": list(assessment.findings),
                    "note": assessment.note, "override": override, "reviews": [],
                },
                assessed_by=by.account_id or 0, admitted_on=today,
                review_due=today + dt.timedelta(days=knowledge.figure("review_days")),
                address=assessment.address.strip(), x=assessment.x, y=assessment.y,
            )  # fmt: skip
    except IntegrityError as error:
        raise Conflict("这位居民已有家庭病床 This resident has a home bed already") from error
    PlanItem.objects.bulk_create(_item(bed, line, today) for line in plan)
    charge(now=now, bed=bed, item="admission")
    _decide(found, Application.Status.ACCEPTED, now, override)
    families.decided(found, now, "已建家庭病床，上门时间另行告知", "admitted, the times of the visits follow")
    _record(by, "admit", bed.resident_id, f"bed/{bed.pk}", {"barthel": total, "override": override})
    return bed.pk


def _check_admission(assessment: Assessment, override: str) -> int:
    """The Barthel index of somebody who may be admitted. Raises Invalid."""
    known = knowledge.assessment()
    total = rules.barthel(assessment.scores, knowledge.scores())
    if not assessment.address.strip():
        raise Invalid("请填上门地址 Give the address")
    admitted = rules.admits(total, assessment.findings, known["admission"], known["findings"])
    if not admitted and not override.strip():
        title = known["admission"]["title"]
        raise Invalid(
            f"Barthel {total} 分，不符合收治条件：{title['zh']} Not within the rule: {title['en']}",
            hint="写明破例原因，或不收治 give a reason for the exception, or decline",
        )
    return total


def _item(bed: HomeBed, line: Line, today: dt.date) -> PlanItem:
    service = knowledge.services().get(line.service)
    if service is None:
        raise Invalid(f"没有这项服务 No such service: {line.service}")
    if not line.goal.strip() or not line.weekdays or not set(line.weekdays) <= set(range(7)):
        raise Invalid("每项计划要有目标和星期 Each line needs a goal and weekdays")
    if line.window_from >= line.window_until:
        raise Invalid("上门时段的开始要早于结束 The window must begin before it ends")
    return PlanItem(
        bed=bed, service=line.service, goal=line.goal.strip(), weekdays=sorted(set(line.weekdays)),
        minutes=service.minutes, window_from=line.window_from, window_until=line.window_until,
        people=max(line.people, len(service.needs)), starts=line.starts or today, ends=line.ends,
    )  # fmt: skip


def _bed(by: Actor, bed_id: int) -> HomeBed:
    """An open bed of the actor's unit, locked. Raises NotFound, Conflict."""
    gate.require(by, "homecare.plan")
    rows = gate.visible(HomeBed.objects.select_for_update(of=("self",)), by, "treatment")
    found = rows.filter(pk=bed_id).first()
    if found is None:
        raise NotFound("没有这张家庭病床 No such home bed")
    if found.discharged_on is not None:
        raise Conflict("已经撤床 Discharged already")
    return found


@transaction.atomic
def review(*, by: Actor, now: dt.datetime, bed_id: int, results: Mapping[int, str], note: str = "") -> dt.date:
    """Were the goals reached (item id → reached, partly, not)? The day of the next review. Raises Invalid, NotFound."""
    bed = _bed(by, bed_id)
    items = {item.pk: item for item in bed.plan.filter(ends__isnull=True)}
    if set(results) != set(items) or not set(results.values()) <= set(knowledge.assessment()["reached"]):
        raise Invalid("请对每个目标作出评价 Judge every goal")
    for pk, item in items.items():
        item.reached = results[pk]
    PlanItem.objects.bulk_update(items.values(), ["reached"])
    today = local(now).date()
    kept = {"on": today.isoformat(), "by": by.account_id, "results": {str(k): v for k, v in results.items()}}
    bed.assessment = bed.assessment | {"reviews": [*bed.assessment.get("reviews", []), kept | {"note": note}]}
    bed.review_due = today + dt.timedelta(days=knowledge.figure("review_days"))
    bed.save(update_fields=["assessment", "review_due"])
    _record(by, "review", bed.resident_id, f"bed/{bed.pk}")
    return bed.review_due


@transaction.atomic
def discharge(*, by: Actor, now: dt.datetime, bed_id: int, outcome: str) -> int:
    """Close the bed: visits still to come are cancelled (how many is returned). Raises Invalid, NotFound, Conflict."""
    if outcome not in knowledge.assessment()["outcomes"]:
        raise Invalid("请选择撤床原因 Choose why")
    bed = _bed(by, bed_id)
    if bed.visits.filter(status=HomeVisit.Status.ARRIVED).exists():
        raise Conflict("护士正在上门，请先完成记录 A nurse is there now: finish the visit first")
    today = local(now).date()
    bed.discharged_on, bed.outcome = today, outcome
    bed.save(update_fields=["discharged_on", "outcome"])
    bed.plan.filter(ends__isnull=True, starts__lte=today).update(ends=today)
    bed.plan.filter(starts__gt=today).update(ends=F("starts"))
    open_ones = bed.visits.filter(status__in=[HomeVisit.Status.PLANNED, HomeVisit.Status.UNCOVERED])
    cancelled = open_ones.update(status=HomeVisit.Status.CANCELLED)
    _record(by, "discharge", bed.resident_id, f"bed/{bed.pk}", {"outcome": outcome, "cancelled": cancelled})
    return cancelled
