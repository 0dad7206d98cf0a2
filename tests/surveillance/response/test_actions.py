"""An event from its signal to its end, and every refusal on the way."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from healthbrain.access.queries import actor_of
from healthbrain.audit.models import AuditEvent
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from healthbrain.notices.models import Notification
from healthbrain.residents.models import Resident
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import cases, fieldwork, notify, papers, response
from healthbrain.surveillance.models import EventStep, PublicHealthEvent, Signal
from healthbrain.surveillance.queries import response as queries
from healthbrain.surveillance.queries.estimates import estimate
from healthbrain.surveillance.rules import clocks
from healthbrain.surveillance.rules.case_rows import CaseInput

from .conftest import NINE, later, make_signal

pytestmark = pytest.mark.django_db


def pupil(number: int, **more: object) -> CaseInput:
    values = {
        "name": f"学生{number:02d}", "sex": "1", "group": "三(2)班", "symptoms": ("vomiting",),
        "onset_at": dt.datetime.fromisoformat("2026-03-09T12:00") + dt.timedelta(hours=number),
    }  # fmt: skip
    return CaseInput(**{**values, **more})


@pytest.fixture
def event(world) -> PublicHealthEvent:
    found = response.open_event(by=world.officer, signal_ids=[world.signal.pk], at=later(hours=1), reason="聚集")
    return PublicHealthEvent.objects.get(pk=found)


def test_a_signal_becomes_an_event_with_its_clocks(world, event):
    assert (event.number, event.status, event.setting) == ("E2026-0001", "verifying", "school")
    assert event.groups == {"三(1)班": 45, "三(2)班": 44, "三(3)班": 46}
    assert event.population == 135
    assert (event.data_at, event.signal_at, event.handled_at) == (later(minutes=-10), NINE, None)
    signal = Signal.objects.get(pk=world.signal.pk)
    assert (signal.outbreak_id, signal.answer, signal.answered_by_id) == (
        event.pk, "verify", world.officer.account_id)  # fmt: skip
    states = {r.clock.key: r.state for r in _read(event, later(hours=5))}
    assert states == {
        "data-to-signal": "met", "signal-to-handling": "soon", "detect": "met", "notify": "running",
        "respond": "waiting",
    }  # fmt: skip
    cases.add_cases(by=world.officer, event_id=event.pk, rows=[pupil(1)], at=later(hours=5.5))
    event.refresh_from_db()
    assert event.handled_at == later(hours=5.5)
    assert next(r for r in _read(event, later(days=9)) if r.clock.key == "signal-to-handling").state == "met"


def _read(event, now):
    return clocks.read_clocks(handbook.clocks(), notify.moments_of(event), now)


def test_one_event_per_place_and_syndrome(world, event):
    second = make_signal(world.school, key="second")
    other = make_signal(world.school, key="rash", syndrome="febrile-rash")
    assert response.open_event(by=world.officer, signal_ids=[second.pk], at=later(hours=2)) == event.pk
    assert response.open_event(by=world.officer, signal_ids=[other.pk], at=later(hours=2)) != event.pk
    with pytest.raises(Conflict):
        response.open_event(by=world.officer, signal_ids=[second.pk, other.pk], at=later(hours=2))


def test_who_may_not_work_signals_is_refused(world, event):
    for role in ("bureau", "school_nurse", "village_doctor"):
        actor = actor_of(world.accounts[role])
        with pytest.raises(NotAllowed):
            response.open_event(by=actor, signal_ids=[world.signal.pk], at=NINE)
        with pytest.raises(NotAllowed):
            response.verify_event(by=actor, event_id=event.pk, at=NINE, confirmed=True, reason="测试核实")
        with pytest.raises(NotAllowed):
            cases.add_cases(by=actor, event_id=event.pk, rows=[pupil(1)], at=NINE)


SHEET = """安澜实验小学病例名单
姓名,性别,年龄,班级或部门,发病时间,病例分类,症状,备注
张一,男,9,三(2)班,2026-03-09 13:00,临床诊断,呕吐、腹痛,
张一,男,9,三(2)班,2026/3/9,疑似,呕吐,重复
李二,女,9,三(2)班,2026-03-32,疑似,呕吐,没有这一天
,男,9,三(1)班,2026-03-09,疑似,呕吐,没有姓名
王三,女,九,三(1)班,2026-03-11,疑似,头晕,明天
赵四,女,8,三(1)班,2026-03-09 20:30,确诊,呕吐 抽筋,
,,,,,,,
"""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_every_line_of_a_sheet_ends_somewhere(world, event, encoding):
    found = cases.import_cases(
        by=world.officer, event_id=event.pk, name="病例.csv", data=SHEET.encode(encoding), at=later(hours=2)
    )
    assert (found.rows_in, found.stored, found.waiting, found.duplicates, found.rejected) == (6, 2, 0, 1, 3)
    assert [(line, column) for line, column, _ in found.rejects] == [
        (5, "onset_at"), (6, "name"), (7, "onset_at"), (7, "age")]  # fmt: skip
    rows = list(event.cases.order_by("number"))
    assert [(r.name, r.classification, r.symptoms) for r in rows] == [
        ("张一", "probable", ["vomiting", "abdominal-pain"]), ("赵四", "confirmed", ["vomiting", "抽筋"])]  # fmt: skip
    again = cases.import_cases(
        by=world.officer, event_id=event.pk, name="病例.csv", data=SHEET.encode(encoding), at=later(hours=3)
    )
    assert (again.stored, again.duplicates, again.rejected) == (0, 3, 3)


def test_a_file_that_is_no_line_list_is_refused_whole(world, event):
    for name, data in (("a.xlsx", b"PK not a sheet"), ("a.csv", "甲,乙\n1,2\n".encode())):
        with pytest.raises(Invalid):
            cases.import_cases(by=world.officer, event_id=event.pk, name=name, data=data, at=NINE)
    assert not event.cases.exists()


def test_the_master_index_finds_the_person_once(world, event):
    known = Resident.objects.create(
        name="张小明", sex="1", birth_date=dt.date(2017, 8, 12), id_number="330197201708120018", phone="15400001234"
    )
    row = pupil(1, name="张小明", resident_id=known.pk)
    cases.add_cases(by=world.officer, event_id=event.pk, rows=[row], at=later(hours=2))
    twice = cases.add_cases(
        by=world.officer, event_id=event.pk, at=later(hours=2),
        rows=[pupil(2, name="张晓明", id_number="330197201708120018"), pupil(3, name="张晓明", group="三(3)班")],
    )  # fmt: skip
    assert (twice.duplicates, twice.stored) == (1, 1)
    assert AuditEvent.objects.filter(action="outbreak.cases", subject=f"outbreak/{event.pk}").count() == 2


def test_twenty_cases_are_reported_within_two_hours(world, event):
    cases.add_cases(by=world.officer, event_id=event.pk, rows=[pupil(n) for n in range(1, 9)], at=later(hours=2))
    response.verify_event(
        by=world.officer, event_id=event.pk, at=later(hours=3), confirmed=True, reason="现场核实", disease="norovirus"
    )
    first = event.reports.get()
    assert (first.kind, first.rule, first.due_at) == ("initial", "norovirus-cluster", later(hours=27))
    cases.add_cases(by=world.officer, event_id=event.pk, rows=[pupil(n) for n in range(9, 21)], at=later(hours=4))
    first.refresh_from_db()
    assert (first.rule, first.due_at) == ("diarrhoea-20", later(hours=5))  # the deadline runs from the verification
    assert "累计20例" in first.text
    assert "14.81%" in first.text  # 20 of 135
    assert "学生" not in first.text  # nobody is named
    papers.mark_reported(by=world.officer, report_id=first.pk, at=later(hours=4.5), number="YJ-1")
    event.refresh_from_db()
    assert event.notified_at == later(hours=4.5)
    cases.add_cases(by=world.officer, event_id=event.pk, rows=[pupil(30)], at=later(hours=6))
    assert event.reports.count() == 1  # the same criterion asks once
    with pytest.raises(Conflict):
        papers.edit_report(by=world.officer, report_id=first.pk, text="改一改", at=later(hours=6))


def test_a_report_marked_late_says_so(world, event):
    cases.add_cases(by=world.officer, event_id=event.pk, rows=[pupil(n) for n in range(20)], at=later(hours=2))
    response.verify_event(by=world.officer, event_id=event.pk, at=later(hours=3), confirmed=True, reason="现场核实",
                          disease="norovirus")  # fmt: skip
    papers.mark_reported(by=world.officer, report_id=event.reports.get().pk, at=later(hours=6))
    assert EventStep.objects.get(event=event, kind="reported").detail["on_time"] is False


def _confirmed(world, event) -> None:
    cases.add_cases(by=world.officer, event_id=event.pk, rows=[pupil(n) for n in range(4)], at=later(hours=2))
    response.verify_event(by=world.officer, event_id=event.pk, at=later(hours=3), confirmed=True, reason="现场核实",
                          disease="norovirus")  # fmt: skip


def test_an_event_is_closed_only_when_nothing_is_owed(world, event):
    officer = world.officer
    with pytest.raises(Conflict, match="核实结论"):
        response.close_event(by=officer, event_id=event.pk, at=later(hours=2), summary="没有新发病例")
    _confirmed(world, event)
    measure = fieldwork.order_measure(by=officer, event_id=event.pk, kind="disinfection", at=later(hours=4))
    contact = fieldwork.ContactInput("学生99", dt.date(2026, 3, 10), phone="15400000099", group="三(2)班")
    fieldwork.add_contacts(by=officer, event_id=event.pk, rows=[contact, contact], at=later(hours=4))
    row = event.cases.first()
    sample = fieldwork.take_sample(
        by=officer, event_id=event.pk, code="A-1", kind="stool", taken_at=dt.datetime.fromisoformat("2026-03-10T12:00"),
        at=later(hours=4), test="诺如病毒", case_id=row.pk,
    )  # fmt: skip
    with pytest.raises(Conflict) as refused:
        response.close_event(by=officer, event_id=event.pk, at=later(hours=5), summary="没有新发病例")
    for words in ("1 项措施未完成", "1 名密切接触者在随访", "1 份标本未出结果", "1 份报告未填报"):
        assert words in str(refused.value)

    fieldwork.record_result(by=officer, sample_id=sample, result="positive", at=later(days=1),
                            result_at=dt.datetime.fromisoformat("2026-03-11T09:00"))  # fmt: skip
    row.refresh_from_db()
    assert row.classification == "confirmed"
    followed = event.contacts.get()
    assert followed.until == dt.date(2026, 3, 13)  # 3 days of incubation after the last contact
    for day in (11, 12, 13):
        fieldwork.record_follow_up(
            by=officer, contact_id=followed.pk, day=dt.date(2026, 3, day), temperature=Decimal("36.6"),
            at=NINE.replace(day=day),
        )  # fmt: skip
    followed.refresh_from_db()
    assert followed.status == "finished"
    fieldwork.finish_measure(by=officer, measure_id=measure, evidence="消毒记录 3月10日", at=later(hours=9))
    event.refresh_from_db()
    assert event.responded_at == later(hours=9)
    papers.mark_reported(by=officer, report_id=event.reports.get().pk, at=later(hours=8))
    response.close_event(by=officer, event_id=event.pk, at=later(days=5), summary="连续 3 天没有新发病例")
    event.refresh_from_db()
    assert (event.status, event.closed_at) == ("closed", later(days=5))
    assert "连续 3 天没有新发病例" in event.reports.get(kind="closing").text
    with pytest.raises(Conflict, match="重新打开"):
        fieldwork.order_measure(by=officer, event_id=event.pk, kind="education", at=later(days=6))
    response.reopen_event(by=officer, event_id=event.pk, at=later(days=6), reason="又有新发病例")
    event.refresh_from_db()
    assert (event.status, event.closed_at) == ("confirmed", None)


def test_a_contact_with_fever_is_told_at_once_and_becomes_a_case(world, event):
    _confirmed(world, event)
    fieldwork.add_contacts(by=world.officer, event_id=event.pk, at=later(hours=4),
                           rows=[fieldwork.ContactInput("陈五", dt.date(2026, 3, 10))])  # fmt: skip
    contact = event.contacts.get()
    record = {"by": world.officer, "contact_id": contact.pk, "at": later(days=1)}
    assert not fieldwork.record_follow_up(day=dt.date(2026, 3, 10), temperature=Decimal("37.2"), **record)
    assert fieldwork.record_follow_up(day=dt.date(2026, 3, 11), temperature=Decimal("37.3"), **record)
    assert fieldwork.record_follow_up(day=dt.date(2026, 3, 11), symptoms=["vomiting"], **record)  # corrected, not twice
    assert contact.days.count() == 2
    assert Notification.objects.filter(key=f"abnormal:{contact.pk}:2026-03-11").count() == 1
    for bad in ({"temperature": Decimal("366")}, {}):
        with pytest.raises(Invalid):
            fieldwork.record_follow_up(day=dt.date(2026, 3, 11), **record, **bad)
    with pytest.raises(Invalid, match="末次接触"):
        fieldwork.record_follow_up(day=dt.date(2026, 3, 12), temperature=Decimal("36.5"), **record)
    fieldwork.contact_fell_ill(by=world.officer, contact_id=contact.pk, at=later(days=1),
                               onset_at=dt.datetime.fromisoformat("2026-03-11T07:00"))  # fmt: skip
    assert event.cases.get(name="陈五").symptoms == ["vomiting"]
    contact.refresh_from_db()
    assert contact.status == "case"


def test_a_chain_without_circles(world, event):
    _confirmed(world, event)
    a, b, c, _ = event.cases.order_by("number")
    link = {"by": world.officer, "at": later(hours=4)}
    cases.link_cases(infectee_id=b.pk, infector_id=a.pk, kind="class", **link)
    cases.link_cases(infectee_id=c.pk, infector_id=b.pk, **link)
    with pytest.raises(Conflict):
        cases.link_cases(infectee_id=a.pk, infector_id=c.pk, **link)
    cases.link_cases(infectee_id=c.pk, infector_id=a.pk, **link)  # corrected: one infector a case
    assert set(event.transmissions.values_list("infector_id", "infectee_id")) == {(a.pk, b.pk), (a.pk, c.pk)}


def test_answers_of_a_form_are_checked_and_corrected(world, event):
    _confirmed(world, event)
    case = event.cases.first()
    record = {"by": world.officer, "case_id": case.pk, "form": "gastroenteritis", "at": later(hours=4)}
    assert cases.record_answers(answers={"canteen": "yes", "vomiting-times": "4", "delivery": ""}, **record) == 2
    cases.record_answers(answers={"canteen": "no"}, **record)
    assert dict(case.exposures.values_list("item", "value")) == {"canteen": "no", "vomiting-times": "4"}
    for bad in ({"canteen": "maybe"}, {"vomiting-times": "400"}, {"vomiting-times": "many"}, {"colour": "yes"}):
        with pytest.raises(Invalid):
            cases.record_answers(answers=bad, **record)


def test_undo(world, event):
    _confirmed(world, event)
    case = event.cases.first()
    before = cases.classify_case(by=world.officer, case_id=case.pk, classification="excluded", at=later(hours=4))
    cases.classify_case(by=world.officer, case_id=case.pk, classification=before, at=later(hours=4))
    case.refresh_from_db()
    assert case.classification == "suspected"
    response.withdraw_verification(by=world.officer, event_id=event.pk, at=later(hours=4))
    event.refresh_from_db()
    assert (event.status, event.verified_at, event.reports.count()) == ("verifying", None, 0)


COLD_DISHES = """姓名,班级或部门,寝室或家庭,发病时间,病例分类,吃过凉菜或生食,吃过外卖
甲,三(1)班,A-1,2026-03-09,疑似,是,否
乙,三(1)班,A-1,2026-03-09,疑似,是,是
丙,三(3)班,A-1,2026-03-09,疑似,是,否
丁,三(3)班,A-2,2026-03-09,疑似,是,否
戊,三(2)班,A-2,2026-03-09,疑似,是,不知道
己,三(1)班,A-2,2026-03-09,排除,否,否
庚,三(1)班,A-2,2026-03-09,排除,否,是
辛,三(3)班,A-3,2026-03-09,排除,否,否
壬,三(3)班,A-3,2026-03-09,排除,否,否
癸,三(2)班,A-3,2026-03-09,排除,否,是
"""


def test_the_meal_all_the_ill_ate_stands_first(world, event):
    """Meals come as columns of the sheet; the well stand in it as excluded. 5 of 5 who ate, none of 5 others."""
    response.describe_event(by=world.officer, event_id=event.pk, at=NINE, disease="norovirus")
    done = cases.import_cases(by=world.officer, event_id=event.pk, name="x.csv", data=COLD_DISHES.encode(), at=NINE)
    assert (done.stored, done.rejected) == (10, 0)
    found = queries.room(world.officer, event.pk, NINE).common
    first = found[0]
    assert (first.kind, first.name, first.asked) == ("answer", "cold-dish", 10)
    table = first.found.table
    assert (table.exposed_ill, table.exposed_well, table.other_ill, table.other_well) == (5, 0, 0, 5)
    assert first.found.fisher == pytest.approx(1 / 252)  # one of the ways to choose 5 of 10
    others = {(c.kind, c.name): c.found.table for c in found}
    assert others["answer", "delivery"].exposed_ill == 1  # "unknown" is left out
    assert others["answer", "delivery"].exposed + others["answer", "delivery"].others == 9
    assert (others["household", "A-1"].exposed_ill, others["household", "A-1"].exposed) == (3, 3)


def test_a_class_is_compared_with_all_pupils_of_the_others(world, event):
    """Without asking anybody: the school told how many pupils each class has (45, 44, 46)."""
    event.cases.all().delete()
    onset = dt.datetime(2026, 3, 9, 10)  # noqa: DTZ001  county time
    rows = [CaseInput(name=f"生{n}", group="三(2)班", onset_at=onset) for n in range(11)]
    rows += [CaseInput(name=f"员{n}", group="三(1)班", onset_at=onset) for n in range(3)]
    cases.add_cases(by=world.officer, event_id=event.pk, rows=rows, at=NINE)
    first = queries.room(world.officer, event.pk, NINE).common[0]
    table = first.found.table
    assert (first.kind, first.name) == ("group", "三(2)班")
    assert (table.exposed_ill, table.exposed, table.other_ill, table.others) == (11, 44, 3, 91)
    assert first.found.risk_ratio == pytest.approx((11 / 44) / (3 / 91))
    assert first.found.speaks
    assert first.found.low > 2


def test_the_timeline_is_append_only(world, event):
    step = event.steps.first()
    with pytest.raises(TypeError):
        step.save()
    with pytest.raises(TypeError):
        step.delete()


@pytest.mark.parametrize(
    "change", ["UPDATE surveillance_eventstep SET note = 'x'", "DELETE FROM surveillance_eventstep"]
)
def test_the_database_keeps_the_timeline_too(world, event, change):
    """Whoever asks, past the models: nothing of a timeline is rewritten or lost."""
    before = list(event.steps.order_by("pk").values_list("pk", "kind", "note"))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    assert before
    assert list(event.steps.order_by("pk").values_list("pk", "kind", "note")) == before


def test_a_warning_is_formed_sent_answered_and_fed_back(world, event):
    made = papers.form_warning(by=world.officer, kind="hint", title="诺如病毒高发提示", text="加强晨检和消毒", at=NINE,
                               event_id=event.pk)  # fmt: skip
    with pytest.raises(Conflict):
        papers.feed_back_warning(by=world.officer, warning_id=made, text="已落实", at=NINE)
    told = papers.send_warning(by=world.officer, warning_id=made, organisation_ids=[world.school.pk], at=NINE)
    assert told == 1
    line = Notification.objects.get(account_id=world.accounts["school_nurse"].pk)
    assert (line.title, line.url) == ("公共卫生风险提示：诺如病毒高发提示", f"/warnings/{made}")
    papers.answer_warning(by=world.teacher, warning_id=made, text="已消毒三楼教室", at=later(hours=2))
    papers.feed_back_warning(by=world.officer, warning_id=made, text="疫情已控制", at=later(days=3))
    assert list(event.steps.filter(kind__startswith="warning").order_by("id").values_list("kind", flat=True)) == [
        "warning-formed", "warning-sent", "warning-answered", "warning-fed-back"]  # fmt: skip
    with pytest.raises(NotFound):  # not sent to the village doctor's unit
        papers.answer_warning(by=actor_of(world.accounts["village_doctor"]), warning_id=made, text="收到", at=NINE)


def test_clocks_that_run_out_are_told_once(world, event):
    assert notify.remind(later(hours=3)) == 0
    assert notify.remind(later(hours=5)) == 1  # the last quarter of six hours
    assert notify.remind(later(hours=5.5)) == 0
    assert notify.remind(later(hours=6.5)) == 1
    titles = list(Notification.objects.filter(key__startswith="clock").order_by("id").values_list("title", flat=True))
    assert titles == ["E2026-0001 信号到首次处置快到时限", "E2026-0001 信号到首次处置已超时"]


def test_reproduction_and_forecast_only_with_enough_behind_them(world, event):
    _confirmed(world, event)
    at, today = later(days=9), dt.date(2026, 3, 19)
    assert estimate(queries.room(world.officer, event.pk, at), today) is None  # four cases say nothing
    rows = [
        pupil(0, name=f"后{day}-{n}", onset_at=dt.datetime.fromisoformat(f"2026-03-{9 + day:02d}T09:00"))
        for day, count in enumerate((1, 2, 3, 4, 6, 8, 10)) for n in range(count)
    ]  # fmt: skip
    cases.add_cases(by=world.officer, event_id=event.pk, rows=rows, at=at)
    found = estimate(queries.room(world.officer, event.pk, at), today)
    low, middle, high = found.ratio
    assert (found.last, found.window) == (dt.date(2026, 3, 18), 7)
    assert low < middle < high
    assert low > 0.3
    response.describe_event(by=world.officer, event_id=event.pk, at=at, population=event.cases.count() + 5)
    capped = estimate(queries.room(world.officer, event.pk, at), today).ahead
    assert found.ahead[2] > 5.0 == capped[2]  # only five of the exposed are not ill yet
    quiet = estimate(queries.room(world.officer, event.pk, at), today + dt.timedelta(days=6))
    assert quiet.ratio[2] < 1  # nine days without a case
    assert quiet.ahead[1] == 0
    assert estimate(queries.room(world.officer, event.pk, at), today + dt.timedelta(days=30)) is None
