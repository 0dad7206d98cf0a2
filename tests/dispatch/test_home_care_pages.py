"""The pages of home care: who may open them, the jobs of planner and family over HTTP, a visit in a browser."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path

import pytest
from django.test import Client

from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch.actions import homecare_visits as visits
from healthbrain.dispatch.models import Application, HomeBed, HomeVisit, NurseAbsence, VisitNurse
from healthbrain.kernel import clock
from tests.dispatch import homecare_county
from tests.dispatch.homecare_county import DEPENDENT, line

AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
PAGES = {
    "/homecare": {"head"},
    "/homecare/plan": {"head"},
    "/homecare/apply": {"head", "doctor", "patient"},
}


@pytest.fixture
def town(db):
    return homecare_county.build()


def enter(town, name: str) -> Client:
    client = Client()
    client.force_login(town.accounts[name], backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("address", PAGES)
def test_each_page_opens_to_its_roles_only(town, address: str) -> None:
    town.accounts |= town.centre.accounts
    for role in ("head", "doctor", "patient", "dispatcher"):
        assert enter(town, role).get(address).status_code == (200 if role in PAGES[address] else 403), role


def test_a_resident_applies_and_a_nurse_admits_plans_and_repairs(town) -> None:
    patient, head = enter(town, "patient"), enter(town, "head")
    asked = {"channel": "self", "need": "卧床", "key": str(uuid.uuid4()), "resident": town.residents[5].pk}
    assert patient.post("/homecare/apply", asked).status_code == 409  # a form about somebody else is not sent
    assert patient.post("/homecare/apply", asked | {"resident": town.residents[0].pk}).status_code == 302
    application = Application.objects.get()
    assert application.resident_id == town.residents[0].pk
    address = f"/homecare/plan/applications/{application.pk}"
    form = {key: str(score) for key, score in DEPENDENT.items()} | {
        "do": "admit", "address": "一村 1 号", "service0": "vital-signs", "goal0": "血压稳定",
        "days0": [str(d) for d in range(7)], "from0": "08:00", "until0": "17:00",
    }  # fmt: skip
    refused = head.post(address, form | {"stairs": ""})
    assert (refused.status_code, HomeBed.objects.count()) == (422, 0)
    assert "一村 1 号" in refused.content.decode()  # what was typed is not lost
    assert head.post(address, form).status_code == 302
    tomorrow = (clock.today() + dt.timedelta(days=1)).isoformat()
    assert head.post("/homecare/plan/act/make", {"day": tomorrow}).status_code == 302
    visit = HomeVisit.objects.get(day=tomorrow)
    nurse = VisitNurse.objects.get(visit=visit).nurse_id
    assert HomeVisit.objects.count() == 14
    last = (clock.today() + dt.timedelta(days=3)).isoformat()
    changed = head.post("/homecare/plan/act/out", {"day": tomorrow, "nurse": nurse, "until": last})
    assert 'id="changes"' in changed.content.decode()
    assert VisitNurse.objects.get(visit=visit).nurse_id != nurse
    out = NurseAbsence.objects.filter(nurse_id=nurse).order_by("day").values_list("day", flat=True)
    assert [str(day) for day in out][::2] == [tomorrow, last]
    head.post("/homecare/plan/act/back", {"day": last, "nurse": nurse})
    assert str(out.last()) < last
    bed = HomeBed.objects.get()
    urgent = {"day": tomorrow, "bed": bed.pk, "service": "injection", "from": "14:00", "until": "15:30"}
    assert head.post("/homecare/plan/act/urgent", urgent).status_code == 200
    assert HomeVisit.objects.filter(urgent=True, status="planned").count() == 1
    assert head.post(f"/homecare/plan/beds/{bed.pk}", {"do": "review"}).status_code == 422
    assert head.post(f"/homecare/plan/beds/{bed.pk}", {"do": "discharge", "outcome": "goals"}).status_code == 302
    assert HomeBed.objects.get().discharged_on == clock.today()


def test_a_village_doctor_applies_as_the_communitys_health_worker(town) -> None:
    doctor = town.accounts["doctor"]
    doctor.role = "village_doctor"
    doctor.save(update_fields=["role"])
    client, person = enter(town, "doctor"), town.residents[1].pk
    assert "社区健康工作者代办" in client.get(f"/homecare/apply?resident={person}").content.decode()
    asked = {"channel": "worker", "need": "独居", "key": str(uuid.uuid4()), "resident": person}
    assert client.post("/homecare/apply", asked).status_code == 302
    assert Application.objects.get().channel == "worker"


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("urgent", {"bed": "x", "service": "injection", "from": "9", "until": "10:00"}),
        ("urgent", {"bed": "99999999", "service": "injection", "from": "09:00", "until": "10:00"}),
        ("out", {"nurse": "99999999"}),
        ("make", {"day": "2020-01-01"}),
    ],
)
def test_bad_input_is_said_and_changes_nothing(town, action: str, given: dict) -> None:
    answer = enter(town, "head").post(f"/homecare/plan/act/{action}", given, follow=True)
    assert answer.status_code == 200
    assert "toast" in answer.content.decode()
    assert HomeVisit.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_nurses_visit_on_a_phone(open_as, monkeypatch) -> None:
    town = homecare_county.build()
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", "2026-04-01")
    town.admit(0, line("pressure-sore", window_from=dt.time(8), window_until=dt.time(16)))
    day, head = homecare_county.TODAY, town.actors["head"]
    visits.generate_visits(by=head, first=day, last=day)
    visits.plan_day(by=head, now=homecare_county.NOW, day=day, seconds=0.3)
    visit = HomeVisit.objects.get()
    nurse = next(n for n in ("head", "second") if visit.nurses.filter(nurse_id=town.accounts[n].pk).exists())
    page = open_as(enter(town, nurse), 390, 844)
    page.goto(f"{page.base}/homecare")
    page.get_by_role("link", name="试卧0").click()
    page.get_by_role("button", name="记录到达").click()
    for name, value in (("wound_length", "42"), ("wound_width", "30"), ("wound_depth", "5"), ("pulse", "76")):
        page.locator(f"input[name={name}]").fill(value)
    page.get_by_label("清创换药").check()
    page.get_by_label("两小时翻身一次并记录").select_option("alone")
    page.get_by_label("照护者姓名").fill("试卧家属")
    page.get_by_label("照护者已看过").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    page.get_by_role("button", name="保存并完成上门").click()
    page.get_by_text("今天的上门都完成了").wait_for()
    visit.refresh_from_db()
    assert (visit.status, visit.signed_by, visit.taught) == ("done", "试卧家属", {"turning": "alone"})
    assert visit.record["measures"] == {"wound_length": 42, "wound_width": 30, "wound_depth": 5, "pulse": 76}
    assert AuditEvent.objects.filter(action="homecare.open", resident_id=town.residents[0].pk).exists()
