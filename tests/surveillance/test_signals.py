"""From a class teacher's number or a diagnosis to a signal, and what a signal lives through."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.audit.models import AuditEvent
from healthbrain.county.queries import township_tiles
from healthbrain.kernel.bus import publish
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed
from healthbrain.records.events import EventsRecorded
from healthbrain.records.models import Superseded
from healthbrain.residents.events import ResidentsChanged
from healthbrain.residents.models import Link
from healthbrain.surveillance.actions.signals import (
    Line,
    Pupil,
    answer_signal,
    import_counts,
    report_absence,
    report_rumour,
    run_pass,
    withdraw_report,
)
from healthbrain.surveillance.feeding import check_feeds
from healthbrain.surveillance.models import CaseRecord, DailyCount, ReportLine, Signal, SignalStep, Site
from healthbrain.surveillance.queries import feeds
from healthbrain.surveillance.queries import signals as queries
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty, at

DAY = dt.timedelta(days=1)


def tell(small: SmallCounty, day: dt.date, *numbers: dict[str, int], now: dt.datetime | None = None) -> int:
    """The first classes of the school report these symptoms, all of them new."""
    school = small.organisations["S"]
    lines = [Line(c.pk, symptoms=n, fresh=n) for c, n in zip(small.classes, numbers, strict=False)]
    return report_absence(
        by=small.actor("school_nurse", "S"), organisation_id=school.pk, day=day, lines=lines, now=now or at(day, 8, 30)
    )


def counts(source: str, syndrome: str) -> dict[dt.date, int]:
    found: dict[dt.date, int] = {}
    rows = DailyCount.objects.filter(source=source, syndrome=syndrome, place_code="")
    for day, n in rows.values_list("day", "count"):
        found[day] = found.get(day, 0) + n
    return found


@pytest.mark.parametrize(("ill", "raised"), [(2, False), (3, True)])
def test_three_in_one_class_in_one_day_is_a_watch(small: SmallCounty, ill: int, raised: bool) -> None:
    tell(small, TODAY, {"vomiting": ill})
    run_pass(now=NOW)
    signals = list(Signal.objects.all())
    assert bool(signals) == raised
    if raised:
        (signal,) = signals
        assert (signal.syndrome, signal.level, signal.observed) == ("diarrhoea", "watch", 3)
        assert signal.organisation == small.organisations["S"]
        assert "三年级（1）班" in signal.sentence_zh
        assert "3 例" in signal.sentence_zh
        assert signal.detail["findings"][0]["verified"] is True  # two copies agree


def test_vomiting_and_diarrhoea_of_all_classes_make_the_school_cluster(small: SmallCounty) -> None:
    """National guide 2015: five in three days. Two on Monday, two on Tuesday, one on Wednesday, in three classes."""
    tell(small, TODAY - 2 * DAY, {"vomiting": 2})
    tell(small, TODAY - DAY, {}, {"diarrhoea": 2})
    run_pass(now=at(TODAY - DAY))
    assert not Signal.objects.exists()
    tell(small, TODAY, {}, {}, {"norovirus": 1})
    run_pass(now=NOW)
    (signal,) = Signal.objects.all()
    assert (signal.level, signal.rule, signal.observed) == ("cluster", "norovirus-cluster", 5)
    assert (signal.first_day, signal.last_day) == (TODAY - 2 * DAY, TODAY)


def test_a_signal_grows_once_and_stays_one(small: SmallCounty) -> None:
    tell(small, TODAY - DAY, {"vomiting": 4})
    run_pass(now=at(TODAY - DAY))
    tell(small, TODAY, {"vomiting": 1}, {"vomiting": 6})
    assert run_pass(now=NOW).signals
    assert run_pass(now=NOW + dt.timedelta(minutes=1), everything=True).signals == ()
    (signal,) = Signal.objects.all()
    assert (signal.life, signal.observed) == ("grown", 11)  # a minute later it is still news
    assert run_pass(now=NOW + DAY, everything=True).signals == ()
    signal.refresh_from_db()
    assert (signal.life, signal.observed) == ("unchanged", 11)
    assert [s.kind for s in SignalStep.objects.filter(signal=signal).order_by("pk")] == ["new", "grown"]


def test_answered_noise_stays_quiet_seven_days_unless_it_grows(small: SmallCounty) -> None:
    officer = small.actor("disease_control", "D")
    tell(small, TODAY - 6 * DAY, {"rash": 4})
    run_pass(now=at(TODAY - 6 * DAY))
    signal = Signal.objects.get()
    with pytest.raises(Invalid):
        answer_signal(by=officer, signal_id=signal.pk, answer="noise", reason="", now=at(TODAY - 6 * DAY))
    answer_signal(by=officer, signal_id=signal.pk, answer="noise", reason="桑拿后皮疹，已核实", now=at(TODAY - 6 * DAY))
    tell(small, TODAY - 5 * DAY, {"rash": 1})
    assert run_pass(now=at(TODAY - 5 * DAY)).signals == ()  # 5 is less than 1.5 × 4
    tell(small, TODAY - 4 * DAY, {"rash": 2})
    assert run_pass(now=at(TODAY - 4 * DAY)).signals == (signal.pk,)  # 7 is more: it speaks again
    assert Signal.objects.count() == 1


def test_late_data_reopen_a_past_day(small: SmallCounty) -> None:
    tell(small, TODAY, {})
    run_pass(now=NOW)
    late = TODAY - 5 * DAY
    tell(small, late, {"rash": 3}, now=NOW)
    run_pass(now=NOW + dt.timedelta(minutes=1))
    (signal,) = Signal.objects.all()
    assert (signal.first_day, signal.last_day, signal.syndrome) == (late, late, "febrile-rash")


def test_a_corrected_number_takes_the_signal_back(small: SmallCounty) -> None:
    tell(small, TODAY, {"vomiting": 30})
    run_pass(now=NOW)
    assert Signal.objects.get().level == "outbreak"
    tell(small, TODAY, {"vomiting": 0})
    run_pass(now=NOW + dt.timedelta(minutes=5))
    assert Signal.objects.get().life == "over"
    assert "更正" in SignalStep.objects.filter(kind="over").get().note


def test_undo_brings_the_earlier_report_back(small: SmallCounty) -> None:
    nurse = small.actor("school_nurse", "S")
    first = tell(small, TODAY, {"vomiting": 1})
    second = tell(small, TODAY, {"vomiting": 4})
    with pytest.raises(Conflict):
        withdraw_report(by=nurse, report_id=first, now=NOW)
    withdraw_report(by=nurse, report_id=second, now=NOW)
    run_pass(now=NOW)
    assert ReportLine.objects.get(current=True).symptoms == {"vomiting": 1}
    assert counts("absence", "diarrhoea") == {TODAY: 1}


def test_new_cases_are_what_is_more_than_yesterday(small: SmallCounty) -> None:
    school, nurse = small.organisations["S"], small.actor("school_nurse", "S")
    for day, ill in ((TODAY - DAY, 2), (TODAY, 5)):
        line = Line(small.classes[0].pk, symptoms={"ili": ill})
        report_absence(by=nurse, organisation_id=school.pk, day=day, lines=[line], now=at(day, 8))
    run_pass(now=NOW)
    assert counts("absence", "influenza-like") == {TODAY - DAY: 2, TODAY: 3}
    assert counts("absence", "absence") == {TODAY - DAY: 2, TODAY: 5}


def test_only_ones_own_school_and_possible_numbers(small: SmallCounty) -> None:
    line = [Line(small.classes[0].pk, symptoms={"ili": 41})]
    with pytest.raises(NotAllowed):
        report_absence(
            by=small.actor("school_nurse", "K"), organisation_id=small.organisations["S"].pk, day=TODAY, lines=line,
            now=NOW,
        )  # fmt: skip
    with pytest.raises(Invalid, match="40"):
        tell(small, TODAY, {"ili": 41})
    with pytest.raises(Invalid):
        tell(small, TODAY + DAY, {"ili": 1}, now=NOW)


# --- the ledger ------------------------------------------------------------------------------------------------------


def test_one_case_of_plague_is_enough(small: SmallCounty) -> None:
    _, identity = small.resident("甲", dt.date(1980, 1, 1))
    small.diagnose(identity, "A20.2", TODAY)
    run_pass(now=NOW)
    signal = Signal.objects.get()
    assert (signal.level, signal.rule, signal.place_kind) == ("report", "single-case", "county")


def test_a_person_known_to_two_systems_is_one_case_until_unmerged(small: SmallCounty) -> None:
    person, here = small.resident("甲", dt.date(2019, 1, 1))
    there = small.identity(person)
    small.diagnose(here, "B08.401", TODAY)
    small.diagnose(there, "B08.4", TODAY, at="T")
    run_pass(now=NOW)
    village = DailyCount.objects.filter(place_code="330197001101", syndrome="hfmd")
    assert [row.count for row in village] == [1]
    assert village[0].age_group == "6-17"
    other, _ = small.resident("乙", dt.date(2019, 1, 2))
    Link.objects.filter(identity=there).update(resident=other)
    publish(ResidentsChanged([person.pk, other.pk]))
    run_pass(now=NOW + dt.timedelta(minutes=1))
    assert [row.count for row in DailyCount.objects.filter(place_code="330197001101", syndrome="hfmd")] == [2]


def test_a_second_visit_within_two_weeks_is_the_same_case(small: SmallCounty) -> None:
    _, identity = small.resident("甲", dt.date(2000, 1, 1))
    for back in (30, 10, 3, 0):
        small.diagnose(identity, "A03.9", TODAY - back * DAY)
    run_pass(now=NOW)
    assert counts("diagnosis", "dysentery") == {TODAY - 30 * DAY: 1, TODAY - 10 * DAY: 1}
    small.diagnose(identity, "A03.9", TODAY - 20 * DAY)  # late: now the one of ten days ago belongs to it
    run_pass(now=NOW + dt.timedelta(minutes=1))
    assert counts("diagnosis", "dysentery") == {TODAY - 30 * DAY: 1}


def test_a_withdrawn_diagnosis_is_no_case(small: SmallCounty) -> None:
    _, identity = small.resident("甲", dt.date(2000, 1, 1))
    event = small.diagnose(identity, "B05.9", TODAY)
    run_pass(now=NOW)
    assert Signal.objects.get().rule == "single-measles"
    Superseded.objects.create(event=event, recorded=NOW)
    publish(EventsRecorded([identity.pk]))
    run_pass(now=NOW + dt.timedelta(minutes=1))
    assert not CaseRecord.objects.exists()
    assert counts("diagnosis", "measles") == {}
    assert Signal.objects.get().life == "over"


def test_an_ended_signal_stays_ended_while_its_days_are_looked_back_on(small: SmallCounty) -> None:
    """Passes of the morning see the schools only, those of the evening everything: neither wakes it again."""
    _, identity = small.resident("甲", dt.date(2000, 1, 1))
    small.diagnose(identity, "B05.9", TODAY)
    run_pass(now=NOW)
    for day in range(1, 28):
        tell(small, TODAY + day * DAY, {"ili": 0}, now=at(TODAY + day * DAY, 9))
        run_pass(now=at(TODAY + day * DAY, 9, 5))
        run_pass(now=at(TODAY + day * DAY, 20), everything=True)
    assert [step.kind for step in SignalStep.objects.order_by("pk")] == ["new", "over"]
    assert Signal.objects.get().life == "over"


def test_a_signal_that_data_raise_late_waits_for_its_answer(small: SmallCounty) -> None:
    _, identity = small.resident("甲", dt.date(2000, 1, 1))
    small.diagnose(identity, "B05.9", TODAY - 26 * DAY)
    for minute in range(3):
        run_pass(now=NOW + dt.timedelta(minutes=minute), everything=True)
    assert Signal.objects.get().life in {"new", "unchanged"}


def test_what_was_entered_in_error_is_no_case(small: SmallCounty) -> None:
    _, identity = small.resident("甲", dt.date(2000, 1, 1))
    small.diagnose(identity, "B05.9", TODAY, flag=2)
    assert not CaseRecord.objects.exists()


# --- counts from files -----------------------------------------------------------------------------------------------

HEAD = "机构代码,日期,来源,药品组或症候群,数量,分母,年龄组\n"


def test_every_row_of_a_file_ends_somewhere_and_a_double_upload_counts_once(small: SmallCounty) -> None:
    officer = small.actor("disease_control", "D")
    text = HEAD + "".join(
        [
            "T,2026-11-17,pharmacy,antidiarrhoeal,12,,\n",
            "T,2026-11-17,pharmacy,oral-rehydration,5,,\n",
            "T,2026-11-17,pharmacy,antidiarrhoeal,13,,\n",  # the same again: the last one holds
            "X9,2026-11-17,pharmacy,antidiarrhoeal,4,,\n",  # not in the register
            "T,2027-01-01,pharmacy,antidiarrhoeal,4,,\n",
            "T,2026-11-17,pharmacy,candy,4,,\n",
            "T,2026-11-17,pharmacy,antidiarrhoeal,-4,,\n",
        ]
    )
    first = import_counts("sales.csv", by=officer, now=NOW, data=text.encode("gb18030"))
    assert (first.rows_in, first.stored, first.duplicates, first.rejected, first.waiting) == (7, 2, 1, 3, 1)
    assert [problem[:2] for problem in first.problems] == [
        [5, "机构代码"], [6, "日期"], [7, "药品组或症候群"], [8, "数量"]
    ]  # fmt: skip
    again = import_counts("sales.csv", by=officer, now=NOW, data=text.encode("gb18030"))
    assert (again.stored, again.duplicates, again.rejected, again.waiting) == (0, 3, 3, 1)
    assert counts("pharmacy", "antidiarrhoeal") == {dt.date(2026, 11, 17): 13}


def test_a_rumour_counts_when_its_words_are_plain(small: SmallCounty) -> None:
    officer = small.actor("disease_control", "D")
    common = {"by": officer, "day": TODAY, "now": NOW, "organisation_id": small.organisations["S"].pk}
    report_rumour(**common, text="家长群里说三班好多孩子拉肚子", people=6)
    report_rumour(**common, text="听说学校有事")
    assert counts("rumour", "diarrhoea") == {TODAY: 6}
    with pytest.raises(Invalid):
        report_rumour(**{**common, "day": TODAY + DAY}, text="明天")


# --- reading ---------------------------------------------------------------------------------------------------------


def test_the_board_ranks_counts_and_shows_the_people_masked_and_audited(small: SmallCounty) -> None:
    officer, school = small.actor("disease_control", "D"), small.organisations["S"]
    pupils = (Pupil("王小明", symptoms=("vomiting",), onset_on=TODAY, dormitory="2号楼"),)
    line = Line(small.classes[1].pk, symptoms={"vomiting": 6}, pupils=pupils)
    report_absence(
        by=small.actor("school_nurse", "S"), organisation_id=school.pk, day=TODAY, lines=[line], now=at(TODAY, 8)
    )
    for n in range(3):
        _, identity = small.resident(f"李{n}四", dt.date(2022, 5, 1))
        small.diagnose(identity, "B08.4", TODAY)
    run_pass(now=NOW)
    board = queries.signals(officer, as_of=TODAY)
    assert [(row.place, row.syndrome, row.level) for row in board.rows] == [
        ("望潮街道第一小学", "diarrhoea", "cluster"),
        ("望潮街道东溪村", "febrile-rash", "cluster"),
    ]
    assert board.counts["waiting"] == 2
    assert queries.signals(officer, as_of=TODAY, place="330197002").rows == []
    (pupil,) = queries.line_list(officer, board.rows[0].id)
    assert (pupil.name, pupil.where, pupil.dormitory) == ("王*明", "三年级（2）班", "2号楼")
    assert AuditEvent.objects.filter(action="signal.line_list").count() == 1
    children = queries.line_list(officer, board.rows[1].id)
    assert [(m.name, m.age, m.where) for m in children] == [("李*四", 4, "东溪村")] * 3
    with pytest.raises(NotAllowed):
        queries.line_list(small.actor("bureau", "C").__class__(1, "x", "village_doctor", 1, "/"), board.rows[0].id)
    (tile,) = queries.tiles(officer, township_tiles(), as_of=TODAY)
    assert (tile.signals, tile.worst, tile.cases_7_days) == (2, "cluster", 3)
    week_ago = TODAY - 6 * DAY
    assert queries.chart(officer, keys=["hfmd"], first=week_ago, last=TODAY, place_code="330197")[-1] == 3


def test_a_school_that_says_nothing_becomes_late_then_silent(small: SmallCounty) -> None:
    officer = small.actor("disease_control", "D")
    tell(small, dt.date(2026, 11, 13), {})  # a Friday
    run_pass(now=at(dt.date(2026, 11, 13), 10))
    states = []
    for day, hour in ((14, 12), (16, 9), (16, 11), (17, 11), (18, 11)):
        check_feeds(now=at(dt.date(2026, 11, day), hour))
        states.append({f.organisation: f.state for f in feeds.feeds(officer, only_ill=False)}["望潮街道第一小学"])
    assert states == ["live", "live", "late", "late", "silent"]
    coverage = {c.kind: (c.places, c.live) for c in feeds.coverage(officer)}
    assert coverage == {"school": (1, 0), "childcare": (1, 0)}


def test_a_rise_of_sales_is_a_statistical_signal_of_the_township_and_joins_the_schools(small: SmallCounty) -> None:
    """Half a year of five to seven packs a day, then twenty: no fixed rule says anything, the detector does."""
    officer = small.actor("disease_control", "D")
    Site.objects.create(organisation=small.organisations["V"], kind="pharmacy", township_id="330197001")
    sales = [5 + (n * 7 + n // 3) % 3 for n in range(180)] + [20, 22, 19]
    text = HEAD + "".join(
        f"V,{TODAY - (len(sales) - 1 - n) * DAY},pharmacy,antidiarrhoeal,{sold},,\n" for n, sold in enumerate(sales)
    )
    import_counts("sales.csv", by=officer, now=NOW, data=text.encode())
    run_pass(now=at(TODAY - 4 * DAY), everything=True)
    assert not Signal.objects.exists()
    run_pass(now=NOW, everything=True)
    signal = Signal.objects.get()
    assert (signal.level, signal.method, signal.place_code, signal.syndrome) == (
        "statistical", "own", "330197001", "diarrhoea",
    )  # fmt: skip
    assert signal.pvalue < 0.001
    assert signal.observed >= 40
    Signal.objects.all().delete()
    tell(small, TODAY, {"vomiting": 5})
    run_pass(now=NOW, everything=True)
    joined = Signal.objects.get()
    assert (joined.organisation, joined.detail["sources"]) == (small.organisations["S"], ["absence", "pharmacy"])
    assert "药店销量同时升高" in joined.sentence_zh
