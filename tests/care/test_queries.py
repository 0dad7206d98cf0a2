"""Today's list, its scope and order; explanations; the bureau's figures and lists; exports."""

from __future__ import annotations

import csv
import datetime as dt

import pytest

from healthbrain.access import actions as access
from healthbrain.access.queries import actor_of
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.care import actions, queries
from healthbrain.care.models import Task
from healthbrain.kernel.errors import NotAllowed, NotFound

AS_OF = dt.date(2026, 4, 10)


def village(county, organisation=None) -> Actor:
    place = organisation or county.station
    return Actor(1, "测试", "village_doctor", place.pk, place.path)


@pytest.fixture
def people(county) -> dict[str, int]:
    """Urgent, overdue, controlled, without a reading: all of 50 years with hypertension; one at the other station."""
    made = {
        name: county.resident("1976-02-01", name="王小明") for name in ("urgent", "overdue", "controlled", "silent")
    }
    made["elsewhere"] = county.resident("1976-02-01", home=county.other)
    for resident in made.values():
        county.diagnosis(resident, "I10", "2025-01-01")
    county.pressure(made["urgent"], "2026-04-09", 190, 100)
    county.pressure(made["overdue"], "2026-03-20", 150, 95)
    county.pressure(made["controlled"], "2026-04-01", 130, 80)
    county.pressure(made["elsewhere"], "2026-03-20", 150, 95)
    actions.evaluate(made.values(), as_of=AS_OF)
    return made


def test_urgent_first_then_overdue_then_what_waits_for_over_a_year(county, people) -> None:
    found = queries.today(village(county), AS_OF, programme="hypertension")
    shown = [(line.resident_id, line.task, line.state) for line in found.lines]
    assert shown[0] == (people["urgent"], "urgent-referral", "urgent")
    assert shown[1] == (people["overdue"], "follow-up", "overdue")  # due 2026-04-03
    assert shown[2] == (people["silent"], "follow-up", "overdue")  # due 2025-01-31: over a year ago, a backlog
    assert people["elsewhere"] not in {resident for resident, _, _ in shown}
    for_today = sum(count for state, count in found.counts.items() if state != "upcoming")
    assert found.total == for_today == len(found.lines)
    early = queries.today(village(county), AS_OF, state="upcoming")
    assert early.total == len(early.lines)
    assert all(line.due > AS_OF + dt.timedelta(days=14) for line in early.lines)


def test_line_says_who_what_why_and_by_when(county, people) -> None:
    line = next(
        x
        for x in queries.today(village(county), AS_OF).lines
        if x.resident_id == people["overdue"] and x.task == "follow-up"
    )
    assert (line.name, line.age, line.due, line.days_left) == ("王*明", 50, dt.date(2026, 4, 3), -7)
    assert line.title == {"zh": "高血压随访", "en": "Hypertension follow-up"}
    assert line.why["zh"] == "血压 150/95（3月20日），首次未达标（国家基本公卫规范第三版）：调整用药，2 周内随访"


def test_newborn_visit_says_whether_the_discharge_is_known(county) -> None:
    known, unknown = county.resident("2026-04-01"), county.resident("2026-04-01")
    county.event(known, "encounter", "class|IMP", "2026-04-01")
    county.event(known, "encounter", "type|discharge", "2026-04-06")
    actions.evaluate([known, unknown], as_of=AS_OF)
    lines = {x.resident_id: x for x in queries.today(village(county), AS_OF).lines if x.task == "newborn-visit"}
    assert (lines[known].due, lines[known].why["zh"]) == (dt.date(2026, 4, 13), "4月6日出院（国家基本公卫规范第三版）")
    assert lines[unknown].due == dt.date(2026, 4, 11)  # as if discharged on the third day, and a week
    assert lines[unknown].why["zh"] == "出院日未知，按通常的住院天数推算（国家基本公卫规范第三版）"
    told = queries.explain(lines[unknown].task_id, village(county), AS_OF)
    assert [str(words) for words in told.missing] == ["出生住院的出院日期（未知，按出生后 3 天出院推算）"]


@pytest.mark.parametrize(("on", "state"), [("2026-05-01", "due"), ("2026-05-30", "due"), ("2026-05-31", "overdue")])
def test_late_is_who_let_the_grace_pass(county, on: str, state: str) -> None:
    """A colonoscopy is asked for within a month of the test and late after three: due 03-31, grace until 05-30."""
    resident = county.resident("1970-01-01")
    county.event(resident, "observation", "loinc|29771-3", "2026-03-01", text="positive")
    actions.evaluate([resident], as_of=AS_OF)
    day = dt.date.fromisoformat(on)
    found = [x for x in queries.today(village(county), day).lines if x.task == "colonoscopy"]
    assert [(x.due, x.status, x.days_left) for x in found] == [
        (dt.date(2026, 3, 31), state, (dt.date(2026, 3, 31) - day).days)
    ]
    bureau = Actor(2, "测试", "bureau", county.county.pk, county.county.path)
    late, _ = queries.measure_list(bureau, "colorectal-screening.overdue", as_of=day)
    assert [p.resident_id for p in late] == ([resident] if state == "overdue" else [])


def test_status_follows_from_the_day_asked(county, people) -> None:
    lines = queries.today(village(county), dt.date(2026, 4, 3)).lines
    line = next(x for x in lines if x.resident_id == people["overdue"] and x.task == "follow-up")
    assert (line.status, line.days_left) == ("due", 0)


def test_filters_and_pages(county, people) -> None:
    actor = village(county)
    overdue = queries.today(actor, AS_OF, state="overdue", limit=1)
    assert len(overdue.lines) == 1
    assert overdue.total == overdue.counts["overdue"] >= 2
    assert queries.today(actor, AS_OF, text="不存在").total == 0


def test_a_moved_up_task_stays_visible_below(county, people) -> None:
    actions.evaluate(people.values(), as_of=dt.date(2026, 6, 20))
    moved = Task.objects.get(resident_id=people["overdue"], task="follow-up", status="overdue")
    assert moved.organisation_id == county.county.pk
    assert moved.pk in {x.task_id for x in queries.today(village(county), dt.date(2026, 6, 20)).lines}


def test_explanation_names_value_day_place_document_and_gap(county, people) -> None:
    task = Task.objects.get(resident_id=people["overdue"], task="follow-up")
    told = queries.explain(task.pk, village(county), AS_OF)
    assert (told.state, told.status, told.agrees) == ("uncontrolled", "overdue", True)
    held = next(c for c in told.clauses if c.holds)
    assert {(str(v.name), v.value, v.day, v.organisation) for v in held.values} == {
        ("血压", 150.0, dt.date(2026, 3, 20), county.station.name),
        ("血压", 95.0, dt.date(2026, 3, 20), county.station.name),
    }
    assert held.source == "N3 HTN-08"
    assert ("HTN-08", "国卫基层发〔2017〕13号") in {(s.clause, s.number) for s in told.sources}
    assert "近一年肾功能" in {str(m) for m in told.missing}
    assert ("recheck", "14 days", "N3 HTN-08", True) in told.parameters


def test_explanation_outside_the_scope_is_refused(county, people) -> None:
    task = Task.objects.get(resident_id=people["elsewhere"], task="follow-up")
    with pytest.raises(NotFound):
        queries.explain(task.pk, village(county), AS_OF)


def test_enrolments_of_a_resident(county, people) -> None:
    rows = queries.enrolments(village(county), people["overdue"], AS_OF)
    found = next(r for r in rows if r.programme == "hypertension")
    assert (found.risk_level, str(found.state_title), found.abnormal) == ("uncontrolled", "首次未达标", True)
    assert found.next_task == {"zh": "高血压随访", "en": "Hypertension follow-up"}
    elsewhere = village(county, county.other)
    assert queries.enrolments(elsewhere, people["overdue"], AS_OF) == []


def test_an_emergency_opening_shows_the_programmes(county, people) -> None:
    account = access.create_account(
        by=SYSTEM, username="far", name="远", role="village_doctor", organisation_id=county.other.pk
    )
    far = actor_of(account)
    assert queries.enrolments(far, people["urgent"], AS_OF) == []
    access.break_glass(by=far, resident_id=people["urgent"], reason="昏迷，需了解用药")
    assert [row.programme for row in queries.enrolments(far, people["urgent"], AS_OF) if row.abnormal] == [
        "hypertension"
    ]


def test_bureau_counts_and_the_people_behind(county, people) -> None:
    bureau = Actor(2, "局", "bureau", county.county.pk, county.county.path)
    found = queries.overview(bureau, AS_OF)
    figures = found.townships[0].programmes["hypertension"]
    assert (figures.enrolled, figures.controlled, figures.uncontrolled, figures.unknown) == (5, 1, 3, 1)
    assert figures.rate == pytest.approx(0.2)
    listed, total = queries.measure_list(bureau, "hypertension.unknown", county.centre.pk, as_of=AS_OF)
    assert [p.resident_id for p in listed] == [people["silent"]]
    assert total == 1
    overdue, count = queries.measure_list(bureau, "hypertension.overdue", as_of=AS_OF)
    assert people["overdue"] in {p.resident_id for p in overdue}
    first, of_all = queries.measure_list(bureau, "hypertension.overdue", as_of=AS_OF, limit=1)
    second, _ = queries.measure_list(bureau, "hypertension.overdue", as_of=AS_OF, limit=1, offset=1)
    assert of_all == count == figures.overdue
    assert [first[0].resident_id, second[0].resident_id] == [p.resident_id for p in overdue[:2]]
    with pytest.raises(NotAllowed):
        queries.measure_list(village(county), "hypertension.unknown", as_of=AS_OF)


def test_standard_management_counts_visits_of_a_year(county) -> None:
    """Four days seen with a reading in twelve months; who is enrolled for less than a year is not compared."""
    seen = {"four": 4, "three": 3, "twice a day": 2, "new": 4}
    made = {name: county.resident("1976-02-01") for name in seen}
    for name, resident in made.items():
        county.diagnosis(resident, "I10", "2025-09-01" if name == "new" else "2024-01-01")
        for month in range(seen[name]):
            day = f"2025-{9 + month:02}-05"
            county.pressure(resident, f"{day} 09:00", 132, 82)
            county.event(resident, "encounter", "class|AMB", f"{day} 09:00")
            if name == "twice a day":
                county.pressure(resident, f"{day} 15:00", 132, 82)
                county.event(resident, "encounter", "class|AMB", f"{day} 15:00")
    actions.evaluate(made.values(), as_of=AS_OF)
    bureau = Actor(2, "局", "bureau", county.county.pk, county.county.path)
    figures = queries.overview(bureau, AS_OF).townships[0].programmes["hypertension"]
    assert (figures.standard, figures.substandard) == (1, 2)
    assert figures.standard_rate == pytest.approx(1 / 3)
    below, total = queries.measure_list(bureau, "hypertension.substandard", as_of=AS_OF)
    assert {p.resident_id for p in below} == {made["three"], made["twice a day"]}
    assert total == 2


def test_exports(county, people, tmp_path) -> None:
    assert queries.export_enrolments(tmp_path / "e.csv") == 15
    assert queries.export_tasks(tmp_path / "t.csv") > 15
    enrolments = list(csv.DictReader((tmp_path / "e.csv").open(encoding="utf-8")))
    assert {
        "resident_id": str(people["urgent"]),
        "programme": "hypertension",
        "status": "active",
        "risk_level": "urgent",
        "since": "2025-01-01",
    } in enrolments
    tasks = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8")))
    assert list(tasks[0]) == ["resident_id", "programme", "task", "opens", "due", "status", "team", "reason"]
    mine = next(t for t in tasks if t["resident_id"] == str(people["overdue"]) and t["task"] == "follow-up")
    assert (mine["due"], mine["status"], mine["team"]) == ("2026-04-03", "overdue", "330199101001")


def test_hold_needs_a_reason(county, people) -> None:
    from healthbrain.kernel.errors import Invalid

    with pytest.raises(Invalid):
        actions.defer(by=SYSTEM, task_id=1, reason=" ", until=AS_OF, as_of=AS_OF)
