"""Work in the field: contacts and their follow-up, samples, measures, risk, guidance visits, surge capacity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import notify, steps
from healthbrain.surveillance.actions.cases import add_cases, classify_case
from healthbrain.surveillance.models import (
    Contact,
    FollowUpDay,
    GuidanceVisit,
    Measure,
    PublicHealthEvent,
    RiskAssessment,
    Sample,
    SurgeResource,
)
from healthbrain.surveillance.rules.case_rows import CaseInput

TEMPERATURES = (Decimal(34), Decimal(43))  # °C: outside these a reading is a typing error, not a patient


@dataclass(frozen=True, slots=True)
class ContactInput:
    """A contact as entered."""

    name: str
    last_contact_on: dt.date
    phone: str | None = None
    relation: str = ""
    group: str = ""
    resident_id: int | None = None
    case_id: int | None = None


@transaction.atomic
def add_contacts(
    *, by: Actor, event_id: int, rows: Sequence[ContactInput], at: dt.datetime, days: int | None = None
) -> int:
    """Contacts under follow-up, until the longest usual incubation after the last contact; how many were new.

    `days` is needed while the disease is not known. A contact already followed (same name and phone) is not repeated.
    """
    event = steps.load(by, event_id)
    length = days or handbook.diseases().get(event.disease, {}).get("incubation_days")
    if not length:
        raise Invalid("病种未定，请写明随访天数 The disease is not known: say how many days to follow up")
    known = set(event.contacts.values_list("name", "phone"))
    made = 0
    for row in rows:
        if not row.name.strip():
            raise Invalid("密切接触者要有姓名 A contact needs a name")
        if (row.name.strip(), row.phone) in known:
            continue
        known.add((row.name.strip(), row.phone))
        Contact.objects.create(
            event=event, case_id=row.case_id, resident_id=row.resident_id, name=row.name.strip(), phone=row.phone,
            relation=row.relation, group=row.group, last_contact_on=row.last_contact_on,
            until=row.last_contact_on + dt.timedelta(days=length), added_at=at,
        )  # fmt: skip
        made += 1
    if made:
        steps.write(event, by, at, "contacts", handling=True, added=made, days=length)
    return made


def _contact(by: Actor, contact_id: int) -> Contact:
    contact = Contact.objects.select_for_update(of=("self",)).filter(pk=contact_id).first()
    if contact is None:
        raise NotFound("没有这位密切接触者 No such contact")
    contact.event = steps.load(by, contact.event_id)
    return contact


@transaction.atomic
def record_follow_up(
    *,
    by: Actor,
    contact_id: int,
    day: dt.date,
    at: dt.datetime,
    reached: bool = True,
    temperature: Decimal | None = None,
    symptoms: Sequence[str] = (),
    note: str = "",
) -> bool:
    """One day of a contact; True when it is abnormal (fever or a symptom) and somebody must look today.

    Recorded again, the day's newer values hold. On the last day without anything abnormal the follow-up ends.
    """
    contact = _contact(by, contact_id)
    if not contact.last_contact_on <= day <= local(at).date():
        raise Invalid("随访日期要在末次接触之后、今天之前 The day must lie between the last contact and today")
    if temperature is not None and not TEMPERATURES[0] <= temperature <= TEMPERATURES[1]:
        raise Invalid(f"体温 {temperature} ℃ 不可能，请核对 {temperature} °C cannot be")
    if reached and temperature is None and not symptoms:
        raise Invalid("请填体温或症状，或标为未联系上 Give a temperature or symptoms, or mark as not reached")
    fever = temperature is not None and temperature >= Decimal(str(handbook.words("fever")["value"]))
    abnormal = reached and (fever or bool(symptoms))
    FollowUpDay.objects.update_or_create(
        contact=contact, day=day,
        defaults={
            "reached": reached, "temperature": temperature, "symptoms": list(symptoms), "abnormal": abnormal,
            "note": note, "at": at, "account_id": by.account_id,
        },
    )  # fmt: skip
    if contact.status == "following" and day >= contact.until and reached and not abnormal:
        contact.status = "finished"
        contact.save(update_fields=["status"])
    steps.write(
        contact.event, by, at, "follow-up", handling=True, resident_id=contact.resident_id, contact=contact.pk,
        day=day.isoformat(), abnormal=abnormal, reached=reached,
    )  # fmt: skip
    if abnormal:
        notify.tell_officers(
            level="urgent", title=f"{contact.event.number} 一名密切接触者出现异常", at=at,
            text="今天安排就诊或采样", url=f"/outbreaks/{contact.event_id}/contacts",
            key=f"abnormal:{contact.pk}:{day}",
        )  # fmt: skip
    return abnormal


@transaction.atomic
def end_follow_up(*, by: Actor, contact_id: int, status: str, at: dt.datetime) -> None:
    """End it early: finished or lost."""
    contact = _contact(by, contact_id)
    if status not in {"finished", "lost"}:
        raise Invalid("没有这种结果 No such outcome")
    contact.status = status
    contact.save(update_fields=["status"])
    steps.write(contact.event, by, at, "follow-up-ended", contact=contact.pk, status=status)


@transaction.atomic
def contact_fell_ill(*, by: Actor, contact_id: int, onset_at: dt.datetime | None, at: dt.datetime) -> None:
    """The contact is a case now: into the line list, out of the follow-up."""
    contact = _contact(by, contact_id)
    days = contact.days.filter(abnormal=True).order_by("-day").first()
    row = CaseInput(
        name=contact.name, phone=contact.phone, group=contact.group, resident_id=contact.resident_id,
        onset_at=onset_at, symptoms=tuple(days.symptoms) if days else (),
    )  # fmt: skip
    add_cases(by=by, event_id=contact.event_id, rows=[row], at=at, source="contact")
    contact.status = "case"
    contact.save(update_fields=["status"])
    steps.write(contact.event, by, at, "contact-ill", contact=contact.pk)


@transaction.atomic
def take_sample(
    *, by: Actor, event_id: int, code: str, kind: str, taken_at: dt.datetime, at: dt.datetime, test: str = "",
    laboratory: str = "", case_id: int | None = None,
) -> int:  # fmt: skip
    """A specimen with its label. Raises Conflict when the label was used for the same test."""
    event = steps.load(by, event_id)
    if kind not in handbook.words("specimens"):
        raise Invalid("没有这种标本 No such specimen")
    code = steps.said(code, "标本编号", "the label", least=1)
    if event.samples.filter(code=code, test=test).exists():
        raise Conflict(f"标本 {code} 已登记 Sample {code} is on file")
    if case_id is not None and not event.cases.filter(pk=case_id).exists():
        raise NotFound("没有这个病例 No such case")
    made = Sample.objects.create(
        event=event, case_id=case_id, code=code, kind=kind, taken_at=taken_at, test=test, laboratory=laboratory
    )
    steps.write(event, by, at, "sample", handling=True, code=code, specimen=kind)
    return made.pk


@transaction.atomic
def record_result(
    *, by: Actor, sample_id: int, result: str, result_at: dt.datetime, at: dt.datetime, note: str = ""
) -> None:
    """What the laboratory found. A positive result confirms the case it was taken from."""
    sample = Sample.objects.select_for_update(of=("self",)).filter(pk=sample_id).first()
    if sample is None:
        raise NotFound("没有这份标本 No such sample")
    if result not in {"positive", "negative", "invalid"}:
        raise Invalid("结果是阳性、阴性或无效 The result is positive, negative or invalid")
    event = steps.load(by, sample.event_id)
    sample.result, sample.result_at, sample.note = result, result_at, note
    sample.save()
    steps.write(event, by, at, "sample-result", handling=True, code=sample.code, result=result)
    case = sample.case
    if result == "positive" and case is not None and case.classification in {"suspected", "probable"}:
        classify_case(by=by, case_id=case.pk, classification="confirmed", at=at, reason=f"标本 {sample.code} 阳性")


@transaction.atomic
def order_measure(
    *, by: Actor, event_id: int, kind: str, at: dt.datetime, text: str = "", owner: str = "",
    deadline: dt.datetime | None = None, organisation_id: int | None = None, source: str = "",
) -> int:  # fmt: skip
    """A measure with owner and deadline; what is left out comes from the knowledge file, with its document."""
    event = steps.load(by, event_id)
    known = handbook.measures().get(kind)
    if known is None:
        raise Invalid("没有这种措施 No such measure")
    document = handbook.document("measures.yaml", known["source"])["document"]
    due = deadline or at + dt.timedelta(hours=known["hours"])
    if due <= at:
        raise Invalid("期限要在现在之后 The deadline must lie in the future")
    made = Measure.objects.create(
        event=event, kind=kind, text=text.strip() or known["title"]["zh"], owner=owner.strip() or known["owner"]["zh"],
        organisation_id=organisation_id, source=source or document, ordered_at=at, deadline=due,
    )  # fmt: skip
    if event.responded_at is not None:
        event.responded_at = None
        event.save(update_fields=["responded_at"])
    steps.write(event, by, at, "measure", handling=True, measure=kind, owner=made.owner, deadline=due.isoformat())
    return made.pk


def _measure(by: Actor, measure_id: int) -> Measure:
    measure = Measure.objects.select_for_update(of=("self",)).filter(pk=measure_id).first()
    if measure is None:
        raise NotFound("没有这项措施 No such measure")
    measure.event = steps.load(by, measure.event_id)
    return measure


@transaction.atomic
def finish_measure(*, by: Actor, measure_id: int, evidence: str, at: dt.datetime) -> None:
    """Done, with what proves it. When the last open one is done, the early response is complete (7-1-7)."""
    measure = _measure(by, measure_id)
    if measure.status != "open":
        raise Conflict("这项措施已处理过 Already settled")
    measure.status, measure.done_at = "done", at
    measure.evidence = steps.said(evidence, "完成的依据", "what shows that it is done")
    measure.save()
    steps.write(measure.event, by, at, "measure-done", measure=measure.kind, in_time=at <= measure.deadline)
    _responded(measure.event, at)


@transaction.atomic
def cancel_measure(*, by: Actor, measure_id: int, reason: str, at: dt.datetime) -> None:
    """Not needed after all."""
    measure = _measure(by, measure_id)
    measure.status, measure.evidence = "cancelled", steps.said(reason, "取消的原因", "why")
    measure.save()
    steps.write(measure.event, by, at, "measure-cancelled", measure=measure.kind, note=measure.evidence)
    _responded(measure.event, at)


@transaction.atomic
def reopen_measure(*, by: Actor, measure_id: int, at: dt.datetime) -> None:
    """Undo: open again."""
    measure = _measure(by, measure_id)
    measure.status, measure.done_at, measure.evidence = "open", None, ""
    measure.save()
    event = measure.event
    event.responded_at = None
    event.save(update_fields=["responded_at"])
    steps.write(event, by, at, "measure-reopened", measure=measure.kind)


def _responded(event: PublicHealthEvent, at: dt.datetime) -> None:
    settled = event.measures.filter(status="done").exists() and not event.measures.filter(status="open").exists()
    event.responded_at = at if settled else None
    event.save(update_fields=["responded_at"])


@transaction.atomic
def assess_risk(
    *, by: Actor, event_id: int, tier: str, reason: str, at: dt.datetime, likelihood: str = "", impact: str = "",
    opinions: Sequence[Mapping[str, str]] = (),
) -> int:  # fmt: skip
    """A judgement in four tiers, with other departments' opinions beside it; the newest holds."""
    event = steps.load(by, event_id)
    if tier not in handbook.words("risk")["tiers"]:
        raise Invalid("风险分低、中、高、极高四级 There are four tiers")
    kept = [dict(o) for o in opinions if o.get("text", "").strip()]
    if {o.get("department") for o in kept} - set(handbook.words("departments")):
        raise Invalid("没有这个部门 No such department")
    made = RiskAssessment.objects.create(
        event=event, at=at, tier=tier, likelihood=likelihood, impact=impact, opinions=kept,
        reason=steps.said(reason, "研判依据", "the grounds"), account_id=by.account_id, actor=by.name,
    )  # fmt: skip
    steps.write(event, by, at, "risk", handling=True, tier=tier, departments=len(kept))
    return made.pk


@transaction.atomic
def set_surge(*, by: Actor, kind: str, organisation_id: int, capacity: int, used: int, at: dt.datetime) -> None:
    """How many there are and how many are in use. More in use than there are is said, not refused: it happens."""
    require(by, "signals.work")
    if kind not in handbook.words("surge") or capacity < 0 or used < 0:
        raise Invalid("资源种类或数量不对 Wrong kind or number")
    SurgeResource.objects.update_or_create(
        kind=kind, organisation_id=organisation_id, defaults={"capacity": capacity, "used": used, "updated_at": at}
    )
    audit.record(
        by=by, action="surge.set", subject=f"{kind}/{organisation_id}", detail={"capacity": capacity, "used": used}
    )
    db.notify("outbreaks")


@transaction.atomic
def plan_visit(*, by: Actor, kind: str, organisation_id: int, on: dt.date, visitor: str = "") -> int:
    """A guidance visit to come."""
    require(by, "signals.work")
    if kind not in handbook.words("guidance"):
        raise Invalid("没有这种指导 No such guidance")
    made = GuidanceVisit.objects.create(
        kind=kind, organisation_id=organisation_id, planned_on=on, visitor=visitor or by.name
    )
    audit.record(by=by, action="guidance.plan", subject=f"visit/{made.pk}", detail={"kind": kind})
    return made.pk


@transaction.atomic
def record_visit(
    *, by: Actor, visit_id: int, on: dt.date, findings: Mapping[str, str], to_correct: str = "",
    correct_by: dt.date | None = None,
) -> None:  # fmt: skip
    """What was found, item by item; what is to be corrected needs a day."""
    visit = _visit(by, visit_id)
    items = handbook.words("guidance")[visit.kind]["items"]
    if set(findings) - set(items) or set(findings.values()) - {"yes", "no", "not-applicable"}:
        raise Invalid("检查项目或结论不对 Unknown item or finding")
    if to_correct.strip() and correct_by is None:
        raise Invalid("要整改的请写明期限 Say by when it is to be corrected")
    visit.visited_on, visit.findings, visit.visitor = on, dict(findings), visit.visitor or by.name
    visit.to_correct, visit.correct_by = to_correct.strip(), correct_by if to_correct.strip() else None
    visit.save()
    audit.record(by=by, action="guidance.visit", subject=f"visit/{visit.pk}", detail={"findings": dict(findings)})


@transaction.atomic
def confirm_correction(*, by: Actor, visit_id: int, on: dt.date) -> None:
    """What was to be corrected is."""
    visit = _visit(by, visit_id)
    if not visit.to_correct:
        raise Conflict("没有要整改的问题 Nothing to correct")
    visit.corrected_on = on
    visit.save(update_fields=["corrected_on"])
    audit.record(by=by, action="guidance.corrected", subject=f"visit/{visit.pk}")


def _visit(by: Actor, visit_id: int) -> GuidanceVisit:
    require(by, "signals.work")
    visit = GuidanceVisit.objects.select_for_update().filter(pk=visit_id).first()
    if visit is None:
        raise NotFound("没有这次指导 No such visit")
    return visit
