"""What families are told: windows fixed, moved because a nurse is late, not kept; and the week planned as one."""

from __future__ import annotations

import datetime as dt
import uuid

import numpy as np
import pytest
from django.test import Client

from healthbrain.access.models import Account, Proxy
from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch.actions import homecare, homecare_late
from healthbrain.dispatch.actions import homecare_visits as visits
from healthbrain.dispatch.actions.homecare_week import plan_week
from healthbrain.dispatch.models import HomeVisit, VisitNurse
from healthbrain.dispatch.queries import homecare as reads
from healthbrain.dispatch.rules.darp.model import Window
from healthbrain.dispatch.rules.home import plan_day, repair
from healthbrain.dispatch.rules.home.delay import expected
from healthbrain.dispatch.rules.home.model import Call, Day, DayPlan, Nurse, NurseOut, Tour, Visit
from healthbrain.kernel.errors import Invalid
from healthbrain.notices.models import Delivery, Notification
from healthbrain.notices.queries import told
from tests.dispatch import homecare_county
from tests.dispatch.homecare_county import NOW, TODAY, TOMORROW, line


@pytest.fixture
def town(db):
    return homecare_county.build()


def daughter(town) -> Account:
    """Lets 试卧1 act for 试卧0 and hear about her."""
    account = Account.objects.create(
        username="daughter", name="试卧1", role="resident", organisation=town.accounts["doctor"].organisation,
        resident_id=town.residents[1].pk,
    )  # fmt: skip
    Proxy.objects.create(
        principal_id=town.residents[0].pk, principal_name="试卧0", agent_id=town.residents[1].pk, agent_name="试卧1",
        basis="consent", relation="child", scopes=["messages", "homecare"], starts=TODAY, ends=TOMORROW, granted_by=0,
        granted_at=NOW,
    )  # fmt: skip
    return account


def one_nurse(town, *, day: dt.date = TODAY) -> list[HomeVisit]:
    """Two visits of twenty minutes, one after the other, by the only nurse on duty; both told."""
    for name in ("second", "third"):
        town.accounts[name].home_care.active = False
        town.accounts[name].home_care.save()
    town.admit(0, line("vital-signs", window_from=dt.time(8), window_until=dt.time(9)))
    town.admit(2, line("vital-signs", window_from=dt.time(10), window_until=dt.time(11)))
    visits.generate_visits(by=town.actors["head"], first=day, last=day)
    assert visits.plan_day(by=town.actors["head"], now=NOW, day=day, seconds=0.2) == 0
    visits.tell_families(by=town.actors["head"], now=NOW, day=day)
    return list(HomeVisit.objects.order_by("begins"))


def record(town, visit: HomeVisit, at: dt.datetime) -> None:
    visits.record_visit(
        by=town.actors["head"], now=at, visit_id=visit.pk, client_id=uuid.uuid4(), measures={}, done=["advice"],
        taught={}, signed_by="家属",
    )  # fmt: skip


def test_a_fixed_window_reaches_patient_and_family_once_and_goes_to_the_phone(town) -> None:
    account = daughter(town)
    first, second = one_nurse(town)
    mine = Notification.objects.filter(account_id=town.accounts["patient"].pk, key__startswith="home-visit").get()
    hers = Notification.objects.filter(account_id=account.pk, key__startswith="home-visit").get()
    assert mine.title == hers.title
    assert "试*0" in mine.title  # masked: a message is read by who holds the phone
    assert (mine.url, hers.url) == ("/homecare/apply", "/me/family")
    sent = Delivery.objects.filter(key=mine.key).get()
    assert (sent.phone, sent.channel) == (town.residents[0].phone, None)
    assert visits.tell_families(by=town.actors["head"], now=NOW, day=TODAY) == 0
    assert Notification.objects.filter(key=mine.key).count() == 2
    stops = {s.id: s for nurse in reads.board(town.actors["head"], TODAY).nurses for s in nurse.stops}
    state = told([stops[first.pk].message, stops[second.pk].message])
    assert state[stops[first.pk].message].reached
    assert not state[stops[second.pk].message].reached  # no account, and no gateway has taken the text message


def test_a_late_nurse_moves_the_next_window_and_says_so(town) -> None:
    first, second = one_nurse(town)
    before = (second.promised_from, second.promised_until)
    visits.arrive(by=town.actors["head"], now=NOW.replace(hour=8, minute=30), visit_id=first.pk)
    second.refresh_from_db()
    assert (second.promised_from, second.promised_until) == before
    record(town, first, NOW.replace(hour=11, minute=20))
    second.refresh_from_db()
    assert second.promised_from is not None
    assert second.promised_until is not None
    assert second.promised_from >= 11 * 60 + 20
    assert second.promised_until >= 11 * 60 + 20
    message = Delivery.objects.filter(phone=town.residents[2].phone, text__contains="晚到").get()
    assert f"{int(second.promised_from) // 60}:{int(second.promised_from) % 60:02d}" in message.text
    kept = AuditEvent.objects.get(action="homecare.late")
    assert kept.detail["told_before"] == {str(second.pk): list(before)}
    assert homecare_late.follow_all(NOW.replace(hour=11, minute=25)) == 0  # told already


def test_the_worker_sees_what_nobody_presses(town) -> None:
    _, second = one_nurse(town)
    assert homecare_late.follow_all(NOW.replace(hour=7, minute=30)) == 0
    assert homecare_late.follow_all(NOW.replace(hour=14)) == 2
    second.refresh_from_db()
    assert second.promised_from is not None
    assert second.promised_from >= 14 * 60
    assert homecare_late.follow_all(NOW.replace(hour=14, minute=1)) == 0


def test_who_was_told_and_cannot_be_visited_is_told(town) -> None:
    first, _ = one_nurse(town)
    head = town.accounts["head"]
    visits.nurse_out(by=town.actors["head"], now=NOW, nurse_id=head.pk, day=TODAY, seconds=0.1)
    first.refresh_from_db()
    assert first.status == "uncovered"
    assert Delivery.objects.filter(text__contains="暂时不能上门").count() == 2


def test_an_applicant_hears_what_became_of_it(town) -> None:
    number = town.apply(0, by="patient", channel="self")
    homecare.decline(by=town.actors["head"], now=NOW, application_id=number, reason="住在养老院，由院内护理")
    assert "由院内护理" in Notification.objects.get(account_id=town.accounts["patient"].pk).title


def test_the_family_reads_times_and_records_on_its_page(town, monkeypatch) -> None:
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    first, _ = one_nurse(town)
    visits.arrive(by=town.actors["head"], now=NOW.replace(hour=8), visit_id=first.pk)
    record(town, first, NOW.replace(hour=8, minute=30))
    client = Client()
    client.force_login(town.accounts["patient"], backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/homecare/apply").content.decode()
    assert "家属 签名" in page
    assert "用药指导" in page
    assert page.count('class="next small muted"') == 1  # his own visit, not the neighbour's


# --- delays, without rows -------------------------------------------------------------------------------------------


def tours(*rows: list[tuple[int, float, float]], drive: float = 10.0) -> DayPlan:
    """Tours of (visit, begin, end); every two doors are `drive` minutes apart."""
    known = {v: Visit(v, v, v, Window(0, 1440), 20.0) for row in rows for v, _, _ in row}
    size = max(known) + 1
    minutes = np.full((size, size), drive) - drive * np.eye(size)
    nurses = tuple(Nurse(f"n{k}", 0, 0, Window(0, 1440)) for k in range(len(rows)))
    made = tuple(
        Tour(f"n{k}", tuple(Call(v, v, begin, begin, end) for v, begin, end in row), 0, 0, 0, 0)
        for k, row in enumerate(rows)
    )
    return DayPlan(Day(nurses, tuple(known.values()), minutes), made, 0.0, 0.0)


@pytest.mark.parametrize(
    ("plan", "begun", "begins"),
    [
        (tours([(1, 480, 500), (2, 520, 540)]), (), {1: 480, 2: 520}),  # in time
        (tours([(1, 480, 600), (2, 520, 540), (3, 700, 720)]), (1,), {1: 480, 2: 610, 3: 700}),  # pause swallows it
        (tours([(1, 480, 690), (2, 520, 540), (3, 700, 720)]), (1,), {1: 480, 2: 700, 3: 730}),
        # two nurses at door 2: the late one makes the other wait, who comes late to 4
        (tours([(1, 480, 600), (2, 520, 540)], [(2, 520, 540), (4, 560, 580)]), (1,), {1: 480, 2: 610, 4: 640}),
    ],
)
def test_what_follows_a_late_visit_is_late(plan: DayPlan, begun: tuple, begins: dict) -> None:
    assert expected(plan, frozenset(begun)) == begins


def test_nobody_is_left_out_because_making_the_visit_would_be_dear() -> None:
    """Doors a minute apart: a new face in strange hands (25) is dearer than 20 such drives, and yet she is visited."""
    nurses = tuple(Nurse(k, 0, 0, Window(480, 1020)) for k in ("ill", "well"))
    day = Day(nurses, (Visit("v", "p", 1, Window(500, 900), 30.0),), np.array([[0.0, 0.2], [0.2, 0.0]]))
    plan = plan_day(day, seconds=0.05, known={"p": frozenset({"ill"})})
    done = repair(plan, [NurseOut("ill", 470.0)], now=470.0, seconds=0.05, known={"p": frozenset({"ill"})})
    assert done.plan.nurses_of() == {"v": ("well",)}


# --- the week -------------------------------------------------------------------------------------------------------


def test_a_week_is_planned_as_one_and_keeps_what_was_told(town) -> None:
    head = town.actors["head"]
    for who in range(4):
        town.admit(who, line("vital-signs"))
    visits.generate_visits(by=head, first=TOMORROW, last=TOMORROW)
    visits.plan_day(by=head, now=NOW, day=TOMORROW, seconds=0.1)
    visits.tell_families(by=head, now=NOW, day=TOMORROW)
    promised = dict(HomeVisit.objects.values_list("pk", "promised_from"))
    assert plan_week(by=head, now=NOW, first=TODAY, seconds=1.0) == 0
    made = HomeVisit.objects.filter(day__gt=TODAY)
    assert made.count() == 4 * 6  # today runs already
    for visit in made.filter(day=TOMORROW):
        assert visit.promised_from == promised[visit.pk]
        assert visit.promised_from <= visit.begins <= visit.promised_until
    faces = {
        bed: set(VisitNurse.objects.filter(visit__bed_id=bed).values_list("nurse_id", flat=True))
        for bed in made.values_list("bed_id", flat=True).distinct()
    }
    assert sum(map(len, faces.values())) / len(faces) <= 2  # three nurses could come
    shown = reads.week(head, TODAY)
    assert shown.totals == (0, 4, 4, 4, 4, 4, 4)
    assert sum(n for cells in shown.of.values() for n, _ in cells) == 24
    with pytest.raises(Invalid):
        plan_week(by=head, now=NOW, first=TODAY - dt.timedelta(days=30))


def test_the_week_page_plans_and_shows(town, monkeypatch) -> None:
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    town.admit(0, line("vital-signs"))
    client = Client()
    client.force_login(town.accounts["head"], backend="django.contrib.auth.backends.ModelBackend")
    past = {"day": (TODAY - dt.timedelta(days=30)).isoformat()}
    assert "已经过去" in client.post("/homecare/plan/week", past, follow=True).content.decode()
    plan_week(by=town.actors["head"], now=NOW, first=TOMORROW, seconds=0.3)
    page = client.get(f"/homecare/plan/week?day={TOMORROW}").content.decode()
    assert "这一周 7 次上门都有人去" in page
    assert Client().get("/homecare/plan/week").status_code == 302
    client.force_login(town.accounts["patient"], backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/homecare/plan/week").status_code == 403
