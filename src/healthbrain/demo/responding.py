"""A past outbreak of the synthetic county worked from its signal to its closing, by the same actions people use.

The nursing home's norovirus outbreak (truth/outbreaks.json) is watched as of its third evening, answered, investigated,
reported, followed up and closed. A second open signal, where there is one, becomes an event in the middle of its work;
the strongest stays on the board for whoever opens it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.county.models import Organisation
from healthbrain.kernel.clock import COUNTY_ZONE, local
from healthbrain.kernel.db import select
from healthbrain.surveillance.actions import cases, fieldwork, papers, response, signals
from healthbrain.surveillance.actions.fieldwork import ContactInput
from healthbrain.surveillance.models import OutgoingReport, PublicHealthEvent, Signal
from healthbrain.surveillance.rules.case_rows import CaseInput

PAST = "norovirus-nursing-home"
WORK_DAY = (8, 30)


def play_past(folder: Path, *, by: Actor = SYSTEM) -> int:
    """The past event, whole; before the county's watch of today. How many events there are then."""
    truth: dict[str, Any] = orjson.loads((folder / "truth" / "outbreaks.json").read_bytes())
    past = next((o for o in truth["outbreaks"] if o["id"] == PAST), None)
    if past is not None:
        _past(past, by)
    return PublicHealthEvent.objects.count()


def play_present(*, now: dt.datetime, by: Actor = SYSTEM) -> int:
    """An open event where the board has a second signal, surge resources and visits. How many events there are then."""
    others = Signal.objects.filter(answer="", outbreak=None).exclude(life="over").order_by("-score")[1:2]
    for signal in others:
        _open(signal, by, now)
    _resources(by, now)
    return PublicHealthEvent.objects.count()


def _past(outbreak: dict[str, Any], by: Actor) -> None:
    first, last = dt.date.fromisoformat(outbreak["first"]), dt.date.fromisoformat(outbreak["last"])
    evening = dt.datetime.combine(first + dt.timedelta(days=2), dt.time(20, 20), COUNTY_ZONE)
    signals.run_pass(now=evening, everything=True)
    signal = Signal.objects.filter(organisation__code=outbreak["place"], syndrome=outbreak["family"]).first()
    if signal is None:
        return
    for other in Signal.objects.filter(opened_at=evening, answer="").exclude(pk=signal.pk):
        signals.answer_signal(by=by, signal_id=other.pk, answer="watch", reason="电话核实，继续关注", now=evening)
    event = response.open_event(
        by=by, signal_ids=[signal.pk], at=evening + dt.timedelta(minutes=25), disease="norovirus",
        reason="电话核实：养老院多名老人呕吐腹泻",
    )  # fmt: skip
    rows = _elders(signal, int(outbreak["cases"]), first, last)
    cases.add_cases(by=by, event_id=event, rows=rows[: len(rows) * 2 // 3], at=evening + dt.timedelta(hours=2))
    response.describe_event(
        by=by, event_id=event, at=evening + dt.timedelta(hours=2), place_words="二楼护理区", population=96
    )
    response.verify_event(
        by=by, event_id=event, at=evening + dt.timedelta(hours=3), confirmed=True, disease="norovirus",
        reason="现场核实：病例集中在二楼，症状一致，有护理员发病",
    )  # fmt: skip
    _field_work(event, by, evening)
    _finish(event, by, dt.datetime.combine(last, dt.time(*WORK_DAY), COUNTY_ZONE), rows)


def _field_work(event: int, by: Actor, evening: dt.datetime) -> None:
    at = evening + dt.timedelta(hours=4)
    for kind in ("isolation", "disinfection", "food-stop", "education"):
        fieldwork.order_measure(by=by, event_id=event, kind=kind, at=at)
    listed = PublicHealthEvent.objects.get(pk=event).cases.order_by("number")
    for n, case in enumerate(listed[:4], 1):
        fieldwork.take_sample(
            by=by, event_id=event, code=f"G{n:02d}", kind="stool", test="诺如病毒核酸", taken_at=local(at), at=at,
            case_id=case.pk, laboratory="疾控中心实验室",
        )  # fmt: skip
    people = list(listed[:8])
    for infectee, infector in ((3, 0), (4, 0), (5, 1), (6, 3)):
        if infectee < len(people):
            cases.link_cases(
                by=by, infectee_id=people[infectee].pk, infector_id=people[infector].pk, at=at, kind="care"
            )
    for case, canteen in zip(people[:6], ("yes", "yes", "no", "yes", "yes", "no"), strict=False):
        answers = {"canteen": canteen, "vomit-nearby": "yes", "vomiting-times": "3"}
        cases.record_answers(by=by, case_id=case.pk, form="gastroenteritis", answers=answers, at=at)
    fieldwork.add_contacts(
        by=by, event_id=event, at=at,
        rows=[ContactInput(f"护理员{n}", local(at).date(), relation="护理员", group="二楼") for n in "甲乙"],
    )  # fmt: skip
    fieldwork.assess_risk(
        by=by, event_id=event, tier="medium", at=at, likelihood="medium", impact="low",
        reason="局限在一层楼，传播途径明确；老人多，有脱水风险",
        opinions=[{"department": "civil-affairs", "tier": "medium", "text": "同意，暂停探视三天"}],
    )  # fmt: skip
    _enter_reports(event, by, evening + dt.timedelta(hours=4, minutes=30))
    for measure in PublicHealthEvent.objects.get(pk=event).measures.all():
        fieldwork.finish_measure(by=by, measure_id=measure.pk, evidence="现场检查记录", at=at + dt.timedelta(hours=5))


def _enter_reports(event: int, by: Actor, at: dt.datetime) -> None:
    for report in OutgoingReport.objects.filter(event_id=event, entered_at=None):
        papers.mark_reported(by=by, report_id=report.pk, at=at, number="演示编号")


def _finish(event: int, by: Actor, last: dt.datetime, rows: list[CaseInput]) -> None:
    """The rest of the cases, results, follow-up, measures done, and the end three days after the last case."""
    done = PublicHealthEvent.objects.get(pk=event)
    cases.add_cases(by=by, event_id=event, rows=rows, at=last)
    for n, sample in enumerate(done.samples.order_by("code")):
        fieldwork.record_result(
            by=by, sample_id=sample.pk, result="positive" if n < 3 else "negative", result_at=local(last), at=last
        )
    for contact in done.contacts.all():
        for offset in range((contact.until - contact.last_contact_on).days):
            day = contact.last_contact_on + dt.timedelta(days=offset + 1)
            fieldwork.record_follow_up(
                by=by, contact_id=contact.pk, day=day, temperature=Decimal("36.6"),
                at=dt.datetime.combine(day, dt.time(17), COUNTY_ZONE),
            )  # fmt: skip
    closing = last + dt.timedelta(days=4)
    _enter_reports(event, by, closing)
    response.close_event(
        by=by, event_id=event, at=closing, summary="末例后三天没有新病例；由护理员带入，呕吐物处置不及时造成扩散",
    )  # fmt: skip


def _elders(signal: Signal, count: int, first: dt.date, last: dt.date) -> list[CaseInput]:
    """Made-up residents of the county old enough to live there, with onsets spread over the outbreak."""
    found = select(
        "SELECT id, name, sex, birth_date FROM residents_resident WHERE deceased_on IS NULL AND merged_into IS NULL"
        " AND birth_date < %s ORDER BY id LIMIT %s",
        [first - dt.timedelta(days=75 * 365), count],
    )
    days = (last - first).days
    shape = (0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4)  # a point source first, then from person to person
    return [
        CaseInput(
            resident_id=pk, name=name, sex=sex, birth_date=born, group=f"二楼{'东西'[n % 2]}区",
            household=f"{201 + n // 3}室", role="老人", classification="probable",
            symptoms=("vomiting", "diarrhoea") if n % 3 else ("vomiting",),
            onset_at=_at(first, min(days, shape[n * len(shape) // count]), 6 + n % 14),
            hospitalised=n == 5, outcome="recovered",
        )
        for n, (pk, name, sex, born) in enumerate(found)
    ]  # fmt: skip


def _at(first: dt.date, days: int, hour: int) -> dt.datetime:
    return dt.datetime.combine(first + dt.timedelta(days=days), dt.time(hour))


def _open(signal: Signal, by: Actor, now: dt.datetime) -> None:
    """An event two hours old: verified, a measure ordered, a report waiting to be entered."""
    opened = max(signal.opened_at, now - dt.timedelta(hours=2))
    event = response.open_event(by=by, signal_ids=[signal.pk], at=opened, reason="电话核实有聚集")
    fieldwork.order_measure(by=by, event_id=event, kind="disinfection", at=now)
    fieldwork.order_measure(by=by, event_id=event, kind="morning-check", at=now)


def _resources(by: Actor, now: dt.datetime) -> None:
    hospitals = list(Organisation.objects.filter(kind="hospital").order_by("id")[:3])
    for n, hospital in enumerate(hospitals):
        for kind, capacity, used in (("isolation-bed", 60, 14), ("fever-room", 8, 3), ("laboratory-tube", 4000, 620)):
            fieldwork.set_surge(
                by=by,
                kind=kind,
                organisation_id=hospital.pk,
                capacity=capacity // (n + 1),
                used=used // (n + 1),
                at=now,
            )
    today = local(now).date()
    for n, place in enumerate(Organisation.objects.filter(kind__in=("school", "childcare")).order_by("id")[:4]):
        visit = fieldwork.plan_visit(
            by=by, kind="back-to-school", organisation_id=place.pk, on=today - dt.timedelta(days=60 - 25 * n)
        )
        if n < 2:
            fieldwork.record_visit(
                by=by, visit_id=visit, on=today - dt.timedelta(days=60 - 25 * n),
                findings={"plan": "yes", "morning-check": "yes", "water": "no" if n else "yes"},
                to_correct="饮水设备消毒补记录" if n else "", correct_by=today + dt.timedelta(days=7) if n else None,
            )  # fmt: skip
