"""传染病报告卡: drafted for the doctor from what is on record. We never send it; the doctor enters it himself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from healthbrain.access.gate import require, scope_sql, visible
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.residents.models import Resident
from healthbrain.surveillance.knowledge import classifier
from healthbrain.surveillance.models import CaseRecord, DirtyCount, NotifiableCard
from healthbrain.surveillance.rules.syndromes import Disease

PURPOSE = "treatment"
CLASSIFICATIONS = ("suspected", "clinical", "confirmed", "carrier")
SAME_DAYS = 90  # an earlier card of the same disease this close is asked about
WAITING_DAYS = 14


@dataclass(frozen=True, slots=True)
class Due:
    """A diagnosis on record that wants a card."""

    event_id: int
    resident_id: int
    name: str
    sex: str
    birth_date: dt.date | None
    disease: Disease
    code: str
    at: dt.datetime
    due_at: dt.datetime

    @property
    def hour_known(self) -> bool:
        """A diagnosis without an hour stands at 00:00: its deadline is counted from there, the strictest reading."""
        return self.at.timetz().replace(tzinfo=None) != dt.time()


def waiting(actor: Actor, *, now: dt.datetime) -> list[Due]:
    """Notifiable diagnoses of the actor's institution, last 14 days, without a card; the shortest deadline first."""
    require(actor, "cases.report")
    condition, parameters = scope_sql(actor, "public-health", "o.path")
    rows = db.select(
        f"""SELECT DISTINCT ON (e.id) e.id, r.id, r.name, r.sex, r.birth_date, e.code, e.at
            FROM surveillance_caserecord c JOIN records_event e ON e.id = c.event_id
            JOIN residents_link l ON l.identity_id = e.identity_id JOIN residents_resident r ON r.id = l.resident_id
            JOIN county_organisation o ON o.id = e.organisation_id
            WHERE {condition} AND c.syndrome = ANY(%s) AND c.visit_on > %s AND e.kind = 'condition'
              AND NOT EXISTS (SELECT FROM surveillance_notifiablecard k WHERE k.resident_id = r.id
                              AND k.withdrawn_at IS NULL AND k.diagnosed_at > e.at - interval '90 days')""",
        [*parameters, list(classifier().diseases), now.date() - dt.timedelta(days=WAITING_DAYS)],
    )
    found = []
    for event, resident, name, sex, born, code, at in rows:
        disease = classifier().disease_of_code(code, at.date())
        if disease is not None:
            moment = at.replace(tzinfo=COUNTY_ZONE)
            found.append(Due(event, resident, name, sex, born, disease, code, moment, due_at(disease, moment)))
    return sorted(found, key=lambda d: d.due_at)


def due_at(disease: Disease, diagnosed_at: dt.datetime) -> dt.datetime:
    return diagnosed_at + dt.timedelta(hours=disease.report_hours)


def cards(actor: Actor, *, since: dt.date) -> QuerySet[NotifiableCard]:
    """Cards of the actor's institution, the newest first."""
    require(actor, "cases.report")
    rows = visible(NotifiableCard.objects.select_related("resident", "organisation", "school"), actor, "public-health")
    return rows.filter(drafted_at__date__gte=since, withdrawn_at=None).order_by("-drafted_at")


def card(actor: Actor, card_id: int) -> NotifiableCard:
    """One card; the look is audited. Raises NotFound."""
    require(actor, "cases.report")
    own = visible(NotifiableCard.objects.select_related("resident", "organisation", "school"), actor, "public-health")
    found = own.filter(pk=card_id).first()
    if found is None:
        raise NotFound("没有这张卡，或不在您的范围内 No such card in your scope")
    with transaction.atomic():
        audit.record(by=actor, action="card.open", resident_id=found.resident_id, subject=f"card/{card_id}")
    return found


def same(resident_id: int, disease: str, near: dt.date) -> NotifiableCard | None:
    """An earlier card of the same person and disease, whoever drafted it."""
    rows = NotifiableCard.objects.filter(resident_id=resident_id, disease=disease, withdrawn_at=None)
    return rows.filter(onset_on__gte=near - dt.timedelta(days=SAME_DAYS)).order_by("-drafted_at").first()


@transaction.atomic
def draft_card(
    *,
    by: Actor,
    resident_id: int,
    disease: str,
    onset_on: dt.date,
    diagnosed_at: dt.datetime,
    now: dt.datetime,
    classification: str = "clinical",
    work_place: str = "",
    school_id: int | None = None,
    event_id: int | None = None,
    values: Mapping[str, Any] | None = None,
    another: bool = False,
) -> int:
    """Keep a card; its id. It counts as a case at once. Raises Invalid, NotFound, Conflict (a card of the same disease
    within 90 days, unless `another`)."""
    require(by, "cases.report")
    known = classifier().diseases.get(disease)
    if known is None or classification not in CLASSIFICATIONS:
        raise Invalid("没有这个病种或分类 No such disease or classification")
    if not onset_on <= diagnosed_at.date() <= now.date():
        raise Invalid("发病日期不能晚于诊断日期，诊断不能在今天之后 Onset, then diagnosis, then today")
    if by.organisation_id is None or not visible(Resident.objects.all(), by, PURPOSE).filter(pk=resident_id).exists():
        raise NotFound("没有这位居民，或不在您的范围内 No such resident in your scope")
    if not another and (earlier := same(resident_id, disease, onset_on)) is not None:
        raise Conflict(
            f"{earlier.onset_on} 发病的同病种卡已由 {earlier.organisation.name} 填写 A card of this disease exists",
            hint="确认是另一次发病再勾选“仍要填写”。 Tick “another episode” if it is one.",
        )
    made = NotifiableCard.objects.create(
        resident_id=resident_id, disease=disease, classification=classification, onset_on=onset_on,
        diagnosed_at=diagnosed_at, due_at=due_at(known, diagnosed_at), organisation_id=by.organisation_id,
        work_place=work_place, school_id=school_id, values=dict(values or {}), event_id=event_id, drafted_at=now,
        account_id=by.account_id or 0, doctor=by.name,
    )  # fmt: skip
    keys = {disease, known.part_of or disease, classifier().family.get(disease, disease)}
    CaseRecord.objects.bulk_create([
        CaseRecord(
            card=made, resident_id=resident_id, syndrome=key, source="card", onset_on=onset_on,
            visit_on=diagnosed_at.date(), report_on=now.date(), organisation_id=by.organisation_id, recorded=now,
        )
        for key in sorted(keys)
    ])  # fmt: skip
    _mark(keys, diagnosed_at.date(), now)
    audit.record(
        by=by, action="card.draft", resident_id=resident_id, subject=f"card/{made.pk}", detail={"disease": disease}
    )
    return int(made.pk)


@transaction.atomic
def mark_entered(*, by: Actor, card_id: int, number: str, now: dt.datetime) -> None:
    """The doctor has entered it in the national system himself."""
    found = _own(by, card_id)
    found.entered_at, found.entered_number = now, number.strip()
    found.save(update_fields=["entered_at", "entered_number"])
    audit.record(by=by, action="card.entered", resident_id=found.resident_id, subject=f"card/{card_id}")


@transaction.atomic
def withdraw_card(*, by: Actor, card_id: int, now: dt.datetime) -> None:
    """Written in error, or the diagnosis changed: it is no case any more. The card stays on record."""
    found = _own(by, card_id)
    found.withdrawn_at = now
    found.save(update_fields=["withdrawn_at"])
    rows = CaseRecord.objects.filter(card=found)
    _mark(set(rows.values_list("syndrome", flat=True)), found.diagnosed_at.astimezone(COUNTY_ZONE).date(), now)
    rows.delete()
    audit.record(by=by, action="card.withdraw", resident_id=found.resident_id, subject=f"card/{card_id}")


def _own(by: Actor, card_id: int) -> NotifiableCard:
    require(by, "cases.report")
    own = visible(NotifiableCard.objects.all(), by, "public-health").select_for_update(of=("self",))
    found = own.filter(pk=card_id, withdrawn_at=None).first()
    if found is None:
        raise NotFound("没有这张卡，或已撤销 No such card, or withdrawn")
    return found


def _mark(keys: set[str], day: dt.date, now: dt.datetime) -> None:
    DirtyCount.objects.bulk_create([DirtyCount(source="ledger", syndrome=k, day=day, since=now) for k in sorted(keys)])
    db.notify("dirty")
