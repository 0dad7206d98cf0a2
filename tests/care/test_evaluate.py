"""Evaluation end to end in the database: enrolled, due, closed by evidence, re-run without change, escalated, ended."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from healthbrain.care import actions
from healthbrain.care.knowledge import SHIPPED
from healthbrain.care.models import Enrolment, ProgrammeVersion, Quarantine, Task
from healthbrain.care.write import Changes, announce
from healthbrain.facts import actions as facts
from healthbrain.facts.models import Dirty
from healthbrain.kernel import db


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def task(resident: int, name: str, programme: str = "hypertension") -> Task:
    return Task.objects.get(
        resident_id=resident, programme=programme, task=name, status__in=["upcoming", "due", "overdue"]
    )


def man(county, **values) -> int:
    resident = county.resident("1976-02-01", **values)
    county.diagnosis(resident, "I10", "2025-01-01")
    return resident


@pytest.fixture(params=["postgres", "lake"])
def run(request, county):
    """One evaluation of everybody, by either engine."""

    def evaluate(as_of: str) -> actions.Summary:
        if request.param == "lake":
            county.lake()
        return actions.evaluate(as_of=day(as_of), lake=request.param == "lake")

    return evaluate


def test_uncontrolled_reading_makes_follow_up_in_two_weeks(county, run) -> None:
    resident = man(county)
    county.pressure(resident, "2026-03-20", 150, 95)
    summary = run("2026-04-01")
    enrolment = Enrolment.objects.get(resident_id=resident, programme="hypertension")
    assert (enrolment.status, enrolment.risk_level, enrolment.since) == ("active", "uncontrolled", day("2025-01-01"))
    found = task(resident, "follow-up")
    assert (found.due, found.status, found.organisation_id) == (day("2026-04-03"), "due", county.station.pk)
    assert found.reason["state"] == "uncontrolled"
    assert found.reason["because"]["sbp"] == 150
    assert summary.residents == 1
    assert summary.enrolled == 3  # and the two screenings of a man of 50


def test_running_again_changes_nothing(county, run) -> None:
    county.pressure(man(county), "2026-03-20", 150, 95)
    run("2026-04-01")
    before = list(Task.objects.order_by("id").values())
    again = run("2026-04-01")
    assert (again.tasks_opened, again.tasks_closed, again.tasks_changed) == (0, 0, 0)
    assert list(Task.objects.order_by("id").values()) == before


def test_visit_closes_the_task_and_sets_the_next(county, run) -> None:
    resident = man(county)
    county.pressure(resident, "2026-03-20", 150, 95)
    run("2026-04-01")
    first = task(resident, "follow-up")
    county.pressure(resident, "2026-04-02", 134, 84)
    run("2026-04-02")
    first.refresh_from_db()
    assert (first.status, first.closed_on) == ("done", day("2026-04-02"))
    assert first.closed_by_event is not None
    assert task(resident, "follow-up").due == day("2026-07-02")


def test_urgent_reading_opens_urgent_referral_closed_by_accepted_referral(county, run) -> None:
    resident = man(county)
    county.pressure(resident, "2026-03-20", 182, 95)
    run("2026-03-20")
    urgent = task(resident, "urgent-referral")
    assert (urgent.due, urgent.urgent, urgent.status) == (day("2026-03-20"), True, "due")
    assert task(resident, "referral-check").due == day("2026-04-03")
    referral = county.event(resident, "referral", "hb|referral", "2026-03-21", text="active")
    run("2026-03-21")
    urgent.refresh_from_db()
    assert (urgent.status, urgent.closed_by_event) == ("done", referral)


def test_contract_team_first_then_escalated_when_overdue(county, run) -> None:
    resident = man(county)
    team = county.team(resident, county.other)
    county.pressure(resident, "2026-03-20", 150, 95)
    run("2026-04-01")
    assert (task(resident, "follow-up").organisation_id, task(resident, "follow-up").team_id) == (
        county.other.pk,
        team.pk,
    )
    run("2026-04-17")  # 14 days after 04-03
    found = task(resident, "follow-up")
    assert (found.status, found.escalated_to, found.organisation_id) == ("overdue", "township", county.centre.pk)
    run("2026-06-02")  # 60 days after 04-03
    assert task(resident, "follow-up").organisation_id == county.county.pk


def test_died_ends_the_enrolment_and_cancels_tasks(county, run) -> None:
    resident = man(county)
    run("2026-04-01")
    db.execute("UPDATE residents_resident SET deceased_on = '2026-04-05'")
    run("2026-04-06")
    enrolment = Enrolment.objects.get(resident_id=resident, programme="hypertension")
    assert (enrolment.status, enrolment.end_reason, enrolment.ended_on) == ("ended", "died", day("2026-04-05"))
    assert set(Task.objects.values_list("status", flat=True)) == {"cancelled"}


def test_withdrawn_diagnosis_ends_the_enrolment(county, run) -> None:
    resident = county.resident("1976-02-01")
    wrong = county.diagnosis(resident, "I10", "2025-01-01")
    run("2026-04-01")
    db.execute("INSERT INTO records_superseded (event_id, recorded) VALUES (%s, now())", [wrong])
    run("2026-04-02")
    enrolment = Enrolment.objects.get(resident_id=resident, programme="hypertension")
    assert (enrolment.status, enrolment.end_reason) == ("ended", "no-longer-eligible")


def test_diagnosis_confirms_a_suspicion(county, run) -> None:
    resident = county.resident("1980-02-01")
    for date in ("2026-03-01", "2026-03-10", "2026-03-20"):
        county.pressure(resident, date, 152, 92)
    run("2026-03-21")
    suspicion = task(resident, "confirm-diagnosis")
    assert Enrolment.objects.get(resident_id=resident, programme="hypertension").status == "suspected"
    county.diagnosis(resident, "I10.x00x002", "2026-03-25")
    run("2026-03-26")
    suspicion.refresh_from_db()
    assert (suspicion.status, suspicion.closed_on) == ("done", day("2026-03-25"))
    assert Enrolment.objects.get(resident_id=resident, programme="hypertension").status == "active"


def test_past_day_is_judged_by_what_was_known_then(county, run) -> None:
    resident = man(county)
    county.pressure(resident, "2026-02-01", 130, 80)
    county.pressure(resident, "2026-03-20", 150, 95)
    run("2026-03-01")
    assert Enrolment.objects.get(resident_id=resident, programme="hypertension").risk_level == "controlled"
    assert task(resident, "follow-up").due == day("2026-05-01")


def test_one_broken_resident_stops_nobody(county) -> None:
    residents = [man(county) for _ in range(5)]
    huge = county.event(
        residents[2], "observation", "loinc|2160-0", "2026-03-01", 1e308, unit="mg/dL"
    )  # × 88.42 overflows
    summary = actions.evaluate(residents, as_of=day("2026-04-01"))
    assert summary.quarantined == 1
    assert [q.resident_id for q in Quarantine.objects.all()] == [residents[2]]
    assert set(Enrolment.objects.values_list("resident_id", flat=True)) == set(residents) - {residents[2]}
    db.execute("INSERT INTO records_superseded (event_id, recorded) VALUES (%s, now())", [huge])
    assert actions.evaluate(residents, as_of=day("2026-04-01")).quarantined == 0
    assert not Quarantine.objects.filter(resolved=None).exists()


def test_refused_task_waits_and_stands_again(county) -> None:
    from healthbrain.access.rules import SYSTEM

    resident = man(county)
    county.pressure(resident, "2026-03-20", 150, 95)
    actions.evaluate([resident], as_of=day("2026-04-01"))
    actions.refuse(
        by=SYSTEM,
        task_id=task(resident, "follow-up").pk,
        reason="本人拒绝",
        as_of=day("2026-04-01"),
        until=day("2026-05-01"),
    )
    assert Task.objects.get(task="follow-up").status == "refused"
    assert Enrolment.objects.get(programme="hypertension").next_evaluation_at <= day("2026-05-02")
    actions.evaluate([resident], as_of=day("2026-05-02"))
    held = Task.objects.get(task="follow-up")
    assert held.status == "overdue"
    until = {"until": day("2026-06-01"), "as_of": day("2026-05-02")}
    actions.contraindicate(by=SYSTEM, task_id=held.pk, reason="住院中", **until)
    assert Task.objects.get(task="follow-up").status == "refused"
    actions.resume(by=SYSTEM, task_id=held.pk, as_of=day("2026-05-02"))
    assert Task.objects.get(task="follow-up").status == "overdue"


def test_an_earlier_day_judged_anew_has_nothing_that_had_not_begun(county) -> None:
    resident = man(county)
    actions.evaluate([resident], as_of=day("2026-04-01"))
    actions.evaluate([resident], as_of=day("1999-01-01"))
    assert not Enrolment.objects.filter(resident_id=resident, since__gt=day("1999-01-01")).exists()


def test_thinking_drains_the_dirty_set_and_tells_the_desks(county) -> None:
    resident = man(county)
    county.pressure(resident, "2026-03-20", 190, 115)
    facts.mark_dirty([resident])
    assert actions.think(day("2026-03-20")) == 1
    assert task(resident, "urgent-referral").urgent
    assert not Dirty.objects.exists()
    assert actions.think(day("2026-03-20")) == 0


def test_wake_up_marks_whom_a_date_has_reached(county) -> None:
    resident = man(county)
    young = county.resident("1991-04-05")  # 35 on 2026-04-05, diagnosed before
    county.diagnosis(young, "I10", "2020-01-01")
    county.pressure(resident, "2026-03-20", 150, 95)
    actions.evaluate([resident, young], as_of=day("2026-04-01"))
    assert not Enrolment.objects.filter(resident_id=young).exists()
    assert actions.run_wakeups(day("2026-04-03")) == 0
    assert actions.run_wakeups(day("2026-04-05")) == 2  # overdue since 04-04; birthday
    actions.think(day("2026-04-05"))
    assert Enrolment.objects.get(resident_id=young, programme="hypertension").since == day("2026-04-05")
    assert task(resident, "follow-up").status == "overdue"


def test_published_once_until_it_changes(county) -> None:
    assert len(actions.publish_programmes()) == 9
    assert actions.publish_programmes() == []
    assert ProgrammeVersion.objects.count() == 9


@pytest.mark.django_db
def test_notification_stays_below_the_limit_of_the_server(monkeypatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr("healthbrain.kernel.db.notify", lambda channel, payload: sent.append(payload))
    announce(Changes(residents=frozenset(range(10**6, 10**6 + 5000)), organisations=frozenset(range(600))))
    assert len(sent[0].encode()) < 8000
    assert json.loads(sent[0])["more"] is True


def test_an_edited_programme_is_followed_without_a_restart(county, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "programmes"
    folder.mkdir()
    monkeypatch.setenv("HEALTHBRAIN_KNOWLEDGE", str(tmp_path))
    resident = man(county)
    county.pressure(resident, "2026-03-20", 132, 80)
    actions.evaluate([resident], as_of=day("2026-04-01"))
    assert task(resident, "follow-up").due == day("2026-06-20")
    shipped = (SHIPPED / "hypertension.yaml").read_text(encoding="utf-8")
    edited = folder / "hypertension.yaml"
    edited.write_text(shipped.replace("regular: {value: 3 months", "regular: {value: 1 month"), encoding="utf-8")
    actions.evaluate([resident], as_of=day("2026-04-01"))
    assert task(resident, "follow-up").due == day("2026-04-20")
    edited.write_text("id: hypertension\nstates: [", encoding="utf-8")  # a faulty edit changes nothing
    actions.evaluate([resident], as_of=day("2026-04-02"))
    assert task(resident, "follow-up").due == day("2026-04-20")
