"""An event's life: opened from signals, confirmed or excluded, closed when nothing is owed, opened again."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Max, Value

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.county.models import Organisation
from healthbrain.kernel import db
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.surveillance import behind, handbook
from healthbrain.surveillance.actions import notify, steps
from healthbrain.surveillance.actions.papers import draft_closing, draft_due_report
from healthbrain.surveillance.models import CaseRow, PublicHealthEvent, Signal, SignalStep
from healthbrain.surveillance.rules.grading import Known, Verdict, judge

SETTINGS = {"school", "childcare", "nursing-home", "workplace", "hospital", "lodging", "village"}


@transaction.atomic
def open_event(
    *, by: Actor, signal_ids: Iterable[int], at: dt.datetime, title: str = "", disease: str = "", reason: str = ""
) -> int:
    """Turn signals into an event, or join them to the open event of the same place and syndrome; the event's id.

    The signals are answered "verify" with it. Raises NotFound, Conflict when one already belongs to another event.
    """
    require(by, "signals.work")
    signals = list(
        visible(Signal.objects.all(), by, "public-health")
        .select_for_update(of=("self",))
        .filter(pk__in=list(signal_ids))
        .order_by("opened_at")
    )
    if not signals:
        raise NotFound("没有这个信号，或不在您的范围内 No such signal in your scope")
    taken = {s.outbreak_id for s in signals if s.outbreak_id is not None}
    if len(taken) > 1:
        raise Conflict("这些信号属于不同的事件 These signals belong to different events")
    event = PublicHealthEvent.objects.get(pk=taken.pop()) if taken else _standing(signals[0])
    fresh = event is None
    if event is None:
        event = _create(signals, at, title, disease)
    for signal in signals:
        _answer_verify(signal, event, by, at, reason)
    steps.write(event, by, at, "opened" if fresh else "joined", note=reason, signals=[s.pk for s in signals])
    from healthbrain.surveillance.actions.cases import add_cases

    rows = [row for signal in signals for row in behind.as_cases(signal)]
    add_cases(by=by, event_id=event.pk, rows=rows, at=at, source="signal")
    if fresh:
        notify.tell_officers(
            level="urgent", title=f"新事件 {event.number}：{event.title}", at=at, key=f"event:{event.pk}",
            url=f"/outbreaks/{event.pk}", text="请在 6 小时内开始首次处置",
        )  # fmt: skip
    return event.pk


def _standing(signal: Signal) -> PublicHealthEvent | None:
    """The open event of the signal's place and syndrome: one event per place, time and syndrome."""
    same = PublicHealthEvent.objects.filter(status__in=steps.OPEN, syndrome=signal.syndrome)
    if signal.organisation_id:
        return same.filter(organisation_id=signal.organisation_id).first()
    return same.filter(place_code=signal.place_code).exclude(place_code="").first()


def _create(signals: list[Signal], at: dt.datetime, title: str, disease: str) -> PublicHealthEvent:
    first = signals[0]
    place, told = first.organisation, str(first.detail.get("disease", ""))
    setting = (
        place.kind if place and place.kind in SETTINGS else "village" if not place and first.place_code else "other"
    )
    groups = _groups(place) if place else {}
    named = handbook.title(disease or told, first.syndrome)
    where = place.name if place else _place_name(first.place_code)
    return PublicHealthEvent.objects.create(
        number=next_number(at), title=title or f"{where} {named['zh']}聚集", syndrome=first.syndrome,
        disease=disease or next((d for d in (told, first.syndrome) if d in handbook.diseases()), ""), setting=setting,
        organisation=place or _responsible(first.path), place_code=first.place_code,
        population=sum(groups.values()) or None, groups=groups,
        first_case_on=min(s.first_day for s in signals), data_at=min(s.data_at for s in signals),
        signal_at=min(s.opened_at for s in signals), opened_at=at,
    )  # fmt: skip


def next_number(at: dt.datetime) -> str:
    """E2026-0007. One event at a time takes a number: the lock ends with the transaction."""
    db.select("SELECT pg_advisory_xact_lock(hashtext('surveillance event number'))")
    year = at.astimezone(COUNTY_ZONE).year
    latest = PublicHealthEvent.objects.filter(number__startswith=f"E{year}-").aggregate(n=Max("number"))["n"]
    return f"E{year}-{int(latest[6:]) + 1 if latest else 1:04d}"


def _groups(place: Organisation) -> dict[str, int]:
    """Classes and their size, where the place has any."""
    rows = db.select(
        "SELECT grade || name, pupils FROM surveillance_schoolclass WHERE organisation_id = %s AND active ORDER BY 1",
        [place.pk],
    )
    return dict(rows)


def _place_name(code: str) -> str:
    found = db.select("SELECT name FROM county_place WHERE code = %s", [code])
    return str(found[0][0]) if found else code


def _responsible(path: str) -> Organisation | None:
    return Organisation.objects.filter(path=path).first()


def _answer_verify(signal: Signal, event: PublicHealthEvent, by: Actor, at: dt.datetime, reason: str) -> None:
    signal.outbreak = event
    if signal.answer != Signal.Answer.VERIFY:
        signal.answer, signal.answered_at, signal.answered_by_id = Signal.Answer.VERIFY, at, by.account_id
        signal.answer_reason = reason
        SignalStep.objects.create(signal=signal, at=at, kind="verify", note=reason, account_id=by.account_id)
    signal.save(update_fields=["outbreak", "answer", "answered_at", "answered_by_id", "answer_reason"])
    db.notify("signals")


@transaction.atomic
def describe_event(*, by: Actor, event_id: int, at: dt.datetime, **changes: Any) -> None:
    """Change title, disease, setting, place_words, population or groups. Raises Invalid for another field."""
    event = steps.load(by, event_id)
    allowed = {"title", "disease", "setting", "place_words", "population", "groups"}
    if not changes or set(changes) - allowed:
        raise Invalid("没有可以修改的内容 Nothing that can be changed")
    before = {name: getattr(event, name) for name in changes}
    for name, value in changes.items():
        setattr(event, name, value)
    event.save(update_fields=list(changes))
    steps.write(event, by, at, "described", before=before, after=changes)
    settle(event, by, at)


@transaction.atomic
def verify_event(
    *, by: Actor, event_id: int, at: dt.datetime, confirmed: bool, reason: str, disease: str | None = None
) -> None:
    """Confirm an event or exclude it, with the reason. A confirmed one is graded, a report that is due is drafted."""
    event = steps.load(by, event_id)
    if event.status != PublicHealthEvent.Status.VERIFYING:
        raise Conflict("事件已核实过 The event has been verified already")
    event.status = PublicHealthEvent.Status.CONFIRMED if confirmed else PublicHealthEvent.Status.EXCLUDED
    event.reason, event.verified_at = steps.said(reason, "核实依据", "what the verification found"), at
    if disease is not None:
        event.disease = disease
    event.save()
    steps.write(event, by, at, "confirmed" if confirmed else "excluded", note=event.reason, handling=True)
    settle(event, by, at)


@transaction.atomic
def withdraw_verification(*, by: Actor, event_id: int, at: dt.datetime) -> None:
    """Undo: back to verifying. Refused once a report was entered in the national system."""
    event = steps.load(by, event_id, any_state=True)
    if event.status not in {"confirmed", "excluded"} or event.notified_at is not None:
        raise Conflict("核实结论已用于上报，不能撤回 The verdict was reported and cannot be withdrawn")
    event.status, event.verified_at, event.reason, event.grade = PublicHealthEvent.Status.VERIFYING, None, "", ""
    event.save()
    event.reports.filter(entered_at=None).delete()
    steps.write(event, by, at, "verification-withdrawn")


def verdict_of(event: PublicHealthEvent, cases: Iterable[CaseRow]) -> Verdict:
    """Grade and deadline of an event as its line list stands."""
    rows = [case for case in cases if case.classification != "excluded"]
    known = Known(
        event.disease,
        event.setting,
        [(case.onset_at or case.added_at.astimezone(COUNTY_ZONE)).date() for case in rows],
        deaths=sum(case.outcome == "dead" for case in rows),
        hospitalised=sum(bool(case.hospitalised) for case in rows),
    )
    return judge(handbook.criteria(), known)


def settle(event: PublicHealthEvent, by: Actor, at: dt.datetime) -> None:
    """After the line list or the verdict changed: first case, grade, and the report that has become due."""
    earliest = event.cases.exclude(classification="excluded").order_by("onset_at").values_list("onset_at", flat=True)
    first = next((onset.date() for onset in earliest if onset is not None), None)
    if first is not None and (event.first_case_on is None or first < event.first_case_on):
        event.first_case_on = first
        event.save(update_fields=["first_case_on"])
    if event.status != PublicHealthEvent.Status.CONFIRMED:
        return
    verdict = verdict_of(event, event.cases.all())
    if verdict.grade != event.grade:
        event.grade = verdict.grade
        event.save(update_fields=["grade"])
        steps.write(event, by, at, "graded", grade=verdict.grade or "-")
    draft_due_report(event, by, at, verdict)


def owed(event: PublicHealthEvent) -> list[tuple[str, str]]:
    """What keeps an event from being closed, as (zh, en)."""
    open_things = (
        (event.measures.filter(status="open"), "{n} 项措施未完成", "{n} measures open"),
        (event.contacts.filter(status="following"), "{n} 名密切接触者在随访", "{n} contacts under follow-up"),
        (event.samples.filter(result="pending"), "{n} 份标本未出结果", "{n} samples without result"),
        (event.cases.filter(match="waiting"), "{n} 行病例待核对身份", "{n} rows wait for a person"),
        (event.reports.filter(entered_at=None, due_at__isnull=False), "{n} 份报告未填报", "{n} reports not entered"),
    )
    kinds = [rows.order_by().values_list(Value(kind)) for kind, (rows, _, _) in enumerate(open_things)]
    counted = Counter(kind for (kind,) in kinds[0].union(*kinds[1:], all=True))
    return [
        (zh.format(n=counted[kind]), en.format(n=counted[kind]))
        for kind, (_, zh, en) in enumerate(open_things)
        if counted[kind]
    ]


@transaction.atomic
def close_event(*, by: Actor, event_id: int, at: dt.datetime, summary: str) -> None:
    """Close a confirmed event: nothing may be owed, and the closing report is drafted. Raises Conflict with what is."""
    event = steps.load(by, event_id)
    if event.status != PublicHealthEvent.Status.CONFIRMED:
        raise Conflict(
            "还没有核实结论，不能结案 Not verified yet", hint="先确认或排除事件 Confirm or exclude it first."
        )
    if open_things := owed(event):
        zh, en = "；".join(z for z, _ in open_things), "; ".join(e for _, e in open_things)
        raise Conflict(f"还不能结案：{zh} Cannot be closed: {en}")
    event.status, event.closed_at = PublicHealthEvent.Status.CLOSED, at
    event.save(update_fields=["status", "closed_at"])
    note = steps.said(summary, "结案小结", "a closing summary", least=4)
    draft_closing(event, by, at, note)
    steps.write(event, by, at, "closed", note=note)


@transaction.atomic
def reopen_event(*, by: Actor, event_id: int, at: dt.datetime, reason: str) -> None:
    """Open a closed or excluded event again: a closed one as confirmed, an excluded one as verifying."""
    event = steps.load(by, event_id, any_state=True)
    if event.status in steps.OPEN:
        raise Conflict("事件没有结案 The event is open")
    was_closed = event.status == PublicHealthEvent.Status.CLOSED
    event.status = PublicHealthEvent.Status.CONFIRMED if was_closed else PublicHealthEvent.Status.VERIFYING
    event.closed_at = None
    if not was_closed:
        event.verified_at = None
    event.save()
    steps.write(event, by, at, "reopened", note=steps.said(reason, "重新打开的原因", "why"))
