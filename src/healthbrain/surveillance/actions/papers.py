"""What goes out on paper: reports drafted for the national system (never sent by us) and the three kinds of warning."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.clock import COUNTY_ZONE, local
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.notices import actions as notices
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import notify, steps
from healthbrain.surveillance.models import Measure, OutgoingReport, PublicHealthEvent, WarningNotice, WarningRecipient
from healthbrain.surveillance.rules import report_text
from healthbrain.surveillance.rules.grading import Verdict


def _facts(event: PublicHealthEvent) -> report_text.Facts:
    """The event in numbers, as a report states them. No person is named."""
    cases = list(
        event.cases.exclude(classification="excluded").values_list(
            "classification", "onset_at", "group", "outcome", "hospitalised", "symptoms"
        )
    )
    by_class: dict[str, int] = {}
    symptoms: dict[str, int] = {}
    for classification, *_, spoken in cases:
        by_class[classification] = by_class.get(classification, 0) + 1
        for one in spoken:
            symptoms[one] = symptoms.get(one, 0) + 1
    names = handbook.words("symptoms")
    onsets = [onset for _, onset, *_ in cases if onset]
    return report_text.Facts(
        number=event.number, title=event.title, disease=handbook.title(event.disease, event.syndrome)["zh"],
        place=event.organisation.name if event.organisation else event.place_code, where=event.place_words,
        population=event.population, grade=event.grade,
        by_class={handbook.words("classes")[k]["zh"]: n for k, n in by_class.items()}, cases=len(cases),
        deaths=sum(o == "dead" for *_, o, _, _ in cases), in_hospital=sum(bool(h) for *_, h, _ in cases),
        first_onset=min(onsets, default=None), last_onset=max(onsets, default=None),
        groups=len({group for _, _, group, *_ in cases if group}),
        symptoms=[(names[k]["zh"] if k in names else k, n) for k, n in sorted(symptoms.items(), key=lambda i: -i[1])],
        samples=event.samples.count(), positive=event.samples.filter(result="positive").count(),
        tests=sorted(set(event.samples.filter(result="positive").exclude(test="").values_list("test", flat=True))),
        measures=[(m.text, m.status == "done") for m in _ordered(event)],
        opened=local(event.opened_at), verified=local(event.verified_at) if event.verified_at else None,
        reason=event.reason,
    )  # fmt: skip


def _ordered(event: PublicHealthEvent) -> list[Measure]:
    return list(event.measures.exclude(status="cancelled").order_by("ordered_at"))


def draft_due_report(event: PublicHealthEvent, by: Actor, at: dt.datetime, verdict: Verdict) -> None:
    """Draft the initial report when a criterion asks for one, its deadline counted from the verification; an earlier
    draft not yet entered is renewed. When numbers grow past a stricter criterion, a progress report is due."""
    if verdict.asked_by is None or event.verified_at is None:
        return
    rule = verdict.asked_by.criterion.key
    standing = event.reports.filter(entered_at=None).exclude(kind="closing").first()
    if standing is not None:
        standing.text, standing.rule = report_text.draft(standing.kind, _facts(event), local(at)), rule
        due = verdict.due(event.verified_at if standing.kind == "initial" else standing.drafted_at)
        standing.due_at = min(filter(None, (standing.due_at, due)), default=None)
        standing.save()
        return
    if (
        event.reports.filter(rule=rule).exists()
        or event.reports.filter(kind="initial", rule__in=_as_strict(rule)).exists()
    ):
        return
    kind = "progress" if event.reports.filter(kind="initial").exists() else "initial"
    due = verdict.due(event.verified_at if kind == "initial" else at)
    _create(event, by, at, kind, rule, due)


def _as_strict(rule: str) -> list[str]:
    """Criteria with a deadline as short as this one's: a report by one of them needs no second."""
    found = handbook.criteria()
    hours = {one.key: found.hours[one.deadline] for one in found.reportable}
    return [key for key, value in hours.items() if value <= hours.get(rule, 0)]


def _create(
    event: PublicHealthEvent, by: Actor, at: dt.datetime, kind: str, rule: str, due: dt.datetime | None
) -> OutgoingReport:
    text = report_text.draft(kind, _facts(event), local(at))
    report = OutgoingReport.objects.create(event=event, kind=kind, text=text, rule=rule, drafted_at=at, due_at=due)
    steps.write(event, by, at, "report-drafted", report=kind, rule=rule, due=due.isoformat() if due else "")
    if due is not None:
        notify.tell_officers(
            level="urgent", title=f"{event.number} 需在 {local(due):%m月%d日 %H:%M} 前上报", at=at,
            key=f"report:{report.pk}", url=f"/outbreaks/{event.pk}#reports", text=event.title,
        )  # fmt: skip
    return report


@transaction.atomic
def draft_report(*, by: Actor, event_id: int, kind: str, at: dt.datetime) -> int:
    """Draft a progress or initial report from the event as it stands."""
    event = steps.load(by, event_id, any_state=True)
    if kind not in report_text.KINDS:
        raise Invalid("没有这种报告 No such report")
    return _create(event, by, at, kind, "", None).pk


def draft_closing(event: PublicHealthEvent, by: Actor, at: dt.datetime, summary: str) -> None:
    """The closing report, with the officer's summary at its end."""
    report = _create(event, by, at, "closing", "", None)
    report.text = f"{report.text}\n小结：{summary}"
    report.save(update_fields=["text"])


@transaction.atomic
def edit_report(*, by: Actor, report_id: int, text: str, at: dt.datetime) -> None:
    """Change a draft. Refused once it was entered."""
    report = _report(by, report_id)
    if report.entered_at is not None:
        raise Conflict("报告已填报，不能再改 The report was entered", hint="请另拟进程报告 Draft a progress report.")
    report.text = steps.said(text, "报告内容", "the report's text")
    report.save(update_fields=["text"])
    steps.write(report.event, by, at, "report-edited", report=report.kind)


@transaction.atomic
def mark_reported(*, by: Actor, report_id: int, at: dt.datetime, number: str = "") -> None:
    """已由本人在国家系统填报: the officer says he has entered it there. We never send it."""
    report = _report(by, report_id)
    if report.entered_at is not None:
        raise Conflict("这份报告已标记填报 Already marked as entered")
    report.entered_at, report.entered_by, report.entered_number = at, by.name, number.strip()
    report.save()
    event = report.event
    if event.notified_at is None:
        event.notified_at = at
        event.save(update_fields=["notified_at"])
    on_time = report.due_at is None or at <= report.due_at
    steps.write(event, by, at, "reported", report=report.kind, on_time=on_time, number=report.entered_number)


def _report(by: Actor, report_id: int) -> OutgoingReport:
    report = OutgoingReport.objects.select_for_update(of=("self",)).filter(pk=report_id).first()
    if report is None:
        raise NotFound("没有这份报告 No such report")
    report.event = steps.load(by, report.event_id, any_state=True)
    return report


@transaction.atomic
def form_warning(
    *, by: Actor, kind: str, title: str, text: str, at: dt.datetime, event_id: int | None = None, tier: str = ""
) -> int:
    """Form a warning: risk hint, alert notice or decision advice."""
    require(by, "signals.work")
    if kind not in handbook.words("warnings"):
        raise Invalid("没有这种预警 No such warning")
    event = steps.load(by, event_id, any_state=True) if event_id is not None else None
    db.select("SELECT pg_advisory_xact_lock(hashtext('surveillance warning number'))")
    year = at.astimezone(COUNTY_ZONE).year
    count = WarningNotice.objects.filter(number__startswith=f"W{year}-").count()
    made = WarningNotice.objects.create(
        event=event, number=f"W{year}-{count + 1:04d}", kind=kind, tier=tier,
        title=steps.said(title, "标题", "a title"), text=steps.said(text, "内容", "what to do"),
        formed_at=at, formed_by=by.name,
    )  # fmt: skip
    _warned(made, by, at, "warning-formed")
    return made.pk


@transaction.atomic
def send_warning(*, by: Actor, warning_id: int, organisation_ids: Iterable[int], at: dt.datetime) -> int:
    """Send it to institutions: a line in the inbox of everybody who works there; how many inboxes."""
    warning = _warning(by, warning_id)
    places = sorted(set(organisation_ids))
    if not places:
        raise Invalid("请选择接收单位 Choose who gets it")
    for place in places:
        WarningRecipient.objects.get_or_create(warning=warning, organisation_id=place)
    warning.sent_at = warning.sent_at or at
    warning.save(update_fields=["sent_at"])
    told = notices.tell_organisations(
        places, level="urgent", title=f"{handbook.words('warnings')[warning.kind]['zh']}：{warning.title}",
        text=warning.text[:200], url=f"/warnings/{warning.pk}", key=f"warning:{warning.pk}", at=at,
    )  # fmt: skip
    _warned(warning, by, at, "warning-sent", recipients=len(places))
    return told


@transaction.atomic
def answer_warning(*, by: Actor, warning_id: int, text: str, at: dt.datetime) -> None:
    """An institution that got it answers what it has done. The answering person works there."""
    found = WarningRecipient.objects.select_for_update().filter(
        warning_id=warning_id, organisation_id=by.organisation_id or 0
    )
    recipient = found.first()
    if recipient is None:
        raise NotFound("这份预警没有发给您的单位 This warning was not sent to your unit")
    recipient.answered_at, recipient.answered_by = at, by.name
    recipient.answer = steps.said(text, "已采取的措施", "what has been done")
    recipient.save()
    _warned(recipient.warning, by, at, "warning-answered", organisation=by.organisation_id)


@transaction.atomic
def feed_back_warning(*, by: Actor, warning_id: int, text: str, at: dt.datetime) -> None:
    """Feed back: what became of it, to everybody who got it. Ends the warning."""
    warning = _warning(by, warning_id)
    if warning.sent_at is None:
        raise Conflict("还没有发送 Not sent yet")
    warning.fed_back_at, warning.feedback = at, steps.said(text, "反馈内容", "the feedback")
    warning.save()
    places = list(warning.recipients.values_list("organisation_id", flat=True))
    notices.tell_organisations(
        places, level="due", title=f"预警反馈：{warning.title}", text=warning.feedback[:200],
        url=f"/warnings/{warning.pk}", key=f"warning-feedback:{warning.pk}", at=at,
    )  # fmt: skip
    _warned(warning, by, at, "warning-fed-back")


def _warning(by: Actor, warning_id: int) -> WarningNotice:
    require(by, "signals.work")
    warning = WarningNotice.objects.select_for_update(of=("self",)).filter(pk=warning_id).first()
    if warning is None:
        raise NotFound("没有这份预警 No such warning")
    return warning


def _warned(warning: WarningNotice, by: Actor, at: dt.datetime, kind: str, **detail: Any) -> None:
    if warning.event is not None:
        steps.write(
            warning.event, by, at, kind, handling=kind == "warning-sent", warning=warning.kind, number=warning.number,
            **detail,
        )  # fmt: skip
    else:
        audit.record(by=by, action=f"outbreak.{kind}", subject=f"warning/{warning.pk}", detail=dict(detail))
