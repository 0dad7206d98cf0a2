"""The class teacher's phone: a class told in under a minute, everything else in one tap, a mistake taken back."""

from __future__ import annotations

import io
import time

import pytest
from django.test import Client
from python_calamine import CalamineWorkbook

from healthbrain.access.models import Account
from healthbrain.surveillance.actions.signals import run_pass
from healthbrain.surveillance.models import DirectReport, ReportLine, Signal
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty


@pytest.fixture
def nurse(small: SmallCounty, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    client = Client()
    client.force_login(Account.objects.get(pk=small.actor("school_nurse", "S").account_id))
    return client


def test_a_class_is_told_and_taken_back(nurse: Client, small: SmallCounty) -> None:
    page = nurse.get("/absence").content.decode()
    assert "还有 3 个班没报" in page
    answer = nurse.post(f"/absence/classes/{small.classes[0].pk}", {"n-vomiting": "3", "other": "1"})
    assert answer.status_code == 302
    line = ReportLine.objects.get()
    assert (line.symptoms, line.fresh, line.absent_ill, line.absent_other) == ({"vomiting": 3}, {"vomiting": 3}, 3, 1)
    assert "呕吐 3" in nurse.get("/absence").content.decode()
    nurse.post("/absence/rest")
    assert ReportLine.objects.filter(current=True).count() == 3
    first, second = DirectReport.objects.order_by("pk")
    nurse.post(f"/absence/reports/{second.pk}/undo")
    assert [row.school_class_id for row in ReportLine.objects.filter(current=True)] == [small.classes[0].pk]
    assert "已撤销" in nurse.get("/absence/history").content.decode()
    assert first.withdrawn_at is None


def test_impossible_figures_come_back_with_a_reason(nurse: Client, small: SmallCounty) -> None:
    answer = nurse.post(f"/absence/classes/{small.classes[0].pk}", {"n-vomiting": "41"})
    assert answer.status_code == 422
    assert "全班 40 人" in answer.content.decode()
    assert not ReportLine.objects.exists()
    assert nurse.get(f"/absence/classes/{small.classes[3].pk}").status_code == 404  # the kindergarten's


def test_the_sheet_goes_down_filled_and_comes_up_as_one_report(nurse: Client, small: SmallCounty) -> None:
    nurse.post(f"/absence/classes/{small.classes[0].pk}", {"n-ili": "2"})
    data = nurse.get("/absence/sheet.xlsx").content
    table = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    assert [row[1] for row in table[2:]] == ["三年级（1）班", "三年级（2）班", "三年级（3）班"]
    assert table[2][table[0].index("ili")] == 2
    upload = io.BytesIO(data)
    upload.name = "absence.xlsx"
    assert nurse.post("/absence/sheet", {"file": upload}).status_code == 302
    assert ReportLine.objects.filter(current=True).count() == 3
    assert ReportLine.objects.get(current=True, school_class=small.classes[0]).symptoms == {"ili": 2}
    wrong = io.BytesIO(b"not a workbook")
    wrong.name = "x.xlsx"
    assert nurse.post("/absence/sheet", {"file": wrong}).status_code == 422


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_on_a_phone_in_under_a_minute(open_as, nurse: Client, small: SmallCounty) -> None:
    page = open_as(nurse, 390, 844, touch=True)
    page.goto(f"{page.base}/absence")
    begun, taps = time.monotonic(), 0
    page.get_by_role("link", name="三年级（2）班").tap()
    taps += 1
    for _ in range(3):
        page.get_by_role("button", name="增加 呕吐").tap()
        taps += 1
    save = page.locator("[data-save]")
    assert save.inner_text() == "保存：病 3 人"
    save.tap()
    page.wait_for_url("**/absence")
    page.get_by_role("button", name="其余 2 个班全勤").tap()
    page.get_by_text("今天都报完了").wait_for()
    taps += 2
    assert taps <= 6
    assert time.monotonic() - begun < 60
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.problems == []
    assert run_pass(now=NOW).signals == (Signal.objects.get().pk,)
    assert Signal.objects.get().level == "watch"
