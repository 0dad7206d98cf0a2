"""The transport pages: who may open them, bad input at the door, and the jobs in a real browser."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from pathlib import Path

import pytest
import python_calamine
from django.test import Client

from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch import knowledge_transport as knowledge
from healthbrain.dispatch.actions import transport_drive
from healthbrain.dispatch.models import Booking, DayPlan, Ride
from healthbrain.kernel import clock
from tests.dispatch import transport_county
from tests.dispatch.transport_county import NOW, TODAY, TOMORROW

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
PAGES = {
    "/transport": {"planner"},
    "/transport/log": {"planner"},
    "/transport/book": {"planner", "doctor", "patient"},
    "/transport/drive": {"driver"},
}


@pytest.fixture
def day(db, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return transport_county.build()


@pytest.fixture
def enter(day):
    def sign_in(name: str) -> Client:
        client = Client()
        client.force_login(day.accounts[name], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


def form(county, who: int = 0, **changes) -> dict[str, str]:
    """What the page sends: ready to ask, everything answered with no."""
    given = {
        "resident": county.residents[who].pk, "key": uuid.uuid4(), "do": "ask", "day": str(TOMORROW), "at": "10:00",
        "meaning": "arrive", "purpose": "outpatient", "from": "中渡镇中渡一村", "to": "西塘镇西塘一村",
        "posture": "seat",
        "back": "no", "companions": "0", "oxygen": "", "infection": "", "contact_phone": "",
    }  # fmt: skip
    return given | {f"unfit_{name}": "no" for name in knowledge.questions()} | changes


@pytest.mark.parametrize("address", PAGES)
def test_each_page_opens_to_its_roles_only(enter, address: str) -> None:
    for role in ("planner", "doctor", "patient", "driver", "village", "crew"):
        answer = enter(role).get(address)
        allowed = role in PAGES[address] or (role == "planner" and address == "/transport/drive")
        assert (answer.status_code in (200, 404)) if allowed else answer.status_code == 403, role


def test_ask_confirm_and_see_it_on_the_board(enter, day) -> None:
    client = enter("planner")
    asked = form(day)
    page = client.post("/transport/book", asked).content.decode()
    assert "能排" in page
    told = page.split('name="told_out" value="')[1].split('"')[0]
    answer = client.post("/transport/book", asked | {"do": "book", "told_out": told})
    assert answer.status_code == 302
    ride = Ride.objects.get()
    assert f"{ride.promised_from}-{ride.promised_until}" == told
    client.post("/transport/book", asked | {"do": "book", "told_out": told})
    assert Booking.objects.count() == 1
    board = client.get(f"/transport?day={TOMORROW}").content.decode()
    assert "1 个行程全部有车" in board
    assert "试客" not in board, "names are masked"
    file = io.BytesIO(client.get(f"/transport/day.xlsx?day={TOMORROW}").content)
    rows = python_calamine.CalamineWorkbook.from_filelike(file).get_sheet_by_index(0).to_python()
    assert rows[1][5] == "试*0"
    assert AuditEvent.objects.filter(action="transport.export").count() == 1
    client.get(f"/transport/bookings/{ride.booking_id}")
    assert AuditEvent.objects.filter(action="transport.open", resident_id=day.residents[0].pk).count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"at": "25:99"}, "14:10"), ({"at": ""}, "请填时间"), ({"day": "tomorrow"}, "请选日期"),
        ({"from": "月球"}, "月球"), ({"companions": "many"}, "整数"), ({"key": "x"}, "刷新"),
        ({"purpose": "long", "far": "", "km": "300"}, "目的地"), ({"purpose": "party"}, "用车目的"),
        ({"to": "中渡镇中渡一村"}, "相同"),
    ],
)  # fmt: skip
def test_bad_input_is_said_and_nothing_is_kept(enter, day, changes, words) -> None:
    answer = enter("planner").post("/transport/book", form(day, **changes))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert Booking.objects.count() == 0


def test_unfit_says_120(enter, day) -> None:
    page = enter("patient").post("/transport/book", form(day, unfit_breathing="yes")).content.decode()
    assert "120" in page
    assert "呼吸困难" in page


def test_a_resident_sees_and_books_only_himself(enter, day) -> None:
    other = day.book(1)[0]
    client = enter("patient")
    asked = form(day, who=1, do="book")
    assert client.post("/transport/book", asked).status_code == 409  # a form about somebody else is not sent
    client.post("/transport/book", asked | {"resident": day.residents[0].pk})
    assert set(Booking.objects.values_list("resident_id", flat=True)) == {day.residents[1].pk, day.residents[0].pk}
    assert client.get(f"/transport/bookings/{other.booking_id}").status_code == 404
    client.post(f"/transport/bookings/{other.booking_id}/cancel", {"reason": "x"})
    other.refresh_from_db()
    assert other.status == "planned"


def test_a_planner_who_comes_second_is_told(enter, day) -> None:
    day.book(0)
    first, second = enter("planner"), enter("second_planner")
    seen = {"day": TOMORROW.isoformat(), "version": "1"}
    first.post("/transport/plan", seen)
    answer = second.post("/transport/plan", seen, follow=True)
    assert "陈转运" in answer.content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
class TestInTheBrowser:
    @pytest.fixture
    def day(self, transactional_db, monkeypatch):
        monkeypatch.setattr(clock, "now", lambda: NOW)
        return transport_county.build()

    def fill(self, page, on: dt.date, at: str) -> None:
        for one in page.locator(".questions input[value=no]").all():
            one.check()
        page.fill("#day", on.isoformat())
        page.fill("#at", at)
        page.fill("#from", "中渡镇中渡一村")
        page.fill("#to", "东浦镇东浦一村")
        page.locator("input[name=back][value=no]").check()
        page.locator("button[value=ask]").click()
        page.locator(".yes", has_text="能排").wait_for()

    def test_a_planner_books_by_phone_and_the_driver_drives_it(self, open_as, day) -> None:
        desk = open_as("planner")
        desk.goto(desk.base + "/transport")
        desk.get_by_role("link", name="接听预约").click()
        desk.fill("#who", "15400000000")
        desk.keyboard.press("Enter")
        desk.locator("th a[data-main]").first.click()
        self.fill(desk, TODAY, "12:00")
        desk.locator("button[value=book]").click()
        desk.locator("h1", has_text="1 个行程全部有车").wait_for()
        desk.get_by_role("button", name="发布给司机").click()
        desk.get_by_text("司机现在看到").wait_for()
        ride = Ride.objects.get()
        who = "driver" if ride.vehicle_id == day.vehicles["first"].pk else "other_driver"
        phone = open_as(who, 390, 844)
        phone.goto(phone.base + "/transport/drive")
        for press in ("出发去接", "已上车", "已送达"):
            phone.locator(".go .button.primary", has_text=press).click()
        phone.get_by_text("今天的行程都完成了").wait_for()
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
        ride.refresh_from_db()
        assert (ride.status, ride.booking.status) == ("done", "done")
        assert desk.problems == phone.problems == []

    def test_a_patient_cancels_on_the_stairs_and_the_phone_runs_an_hour_ahead(self, open_as, day) -> None:
        times = ((0, 11 * 60), (1, 15 * 60))  # one vehicle has a stretcher
        out, other = (day.book(who, at, day=TODAY, posture="stretcher")[0] for who, at in times)
        transport_drive.release_day(by=day.actors["planner"], now=NOW, day=TODAY)
        phone = open_as("driver", 390, 844)
        phone.clock.set_system_time(NOW + dt.timedelta(hours=1))
        phone.goto(phone.base + "/transport/drive")
        phone.wait_for_load_state()
        phone.locator(".go .button.primary", has_text="出发去接").click()
        phone.locator(".go .button.primary", has_text="已上车").wait_for()
        family = open_as("patient", 390, 844)
        family.goto(f"{family.base}/transport/bookings/{out.booking_id}")
        family.locator("input[name=reason]").fill("不去了")
        family.get_by_role("button", name="取消预约").click()
        family.locator("tr", has_text="已取消").wait_for()
        phone.locator(".go .button.primary", has_text="已上车").click()  # his page may not know yet
        phone.get_by_text("乘客已取消").first.wait_for()
        phone.locator(".go .button.primary", has_text="出发去接").wait_for()  # renewed, and the words still stand
        assert phone.locator("[data-refused]").is_visible()
        phone.goto(phone.base + "/transport/drive")
        phone.wait_for_load_state()
        phone.locator(".urgent", has_text="不去了").wait_for()
        phone.locator(".go .button.primary", has_text="出发去接").wait_for()  # the next one
        out.refresh_from_db()
        other.refresh_from_db()
        assert (out.status, other.status) == ("cancelled", "planned")
        assert abs(out.set_off - NOW) < dt.timedelta(minutes=3)  # the server's hour, not the phone's
        desk = open_as("planner")
        desk.goto(desk.base + "/transport")
        desk.locator("tr", has_text="已取消").wait_for()
        desk.evaluate(AXE.read_text())
        found = desk.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
        desk.get_by_role("link", name="行程记录").click()
        desk.locator("tr", has_text="已取消").wait_for()
        assert desk.problems == phone.problems == family.problems == []

    def test_a_resident_books_for_himself_and_cancels(self, open_as, day) -> None:
        page = open_as("patient", 390, 844)
        page.goto(page.base + "/transport/book")
        self.fill(page, TOMORROW, "10:00")
        page.locator("button[value=book]").click()
        page.locator("tr", has_text="已预约").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert Booking.objects.get().channel == "self"
        page.locator("tr a[data-main]").click()
        page.locator("input[name=reason]").fill("家人送")
        page.get_by_role("button", name="取消预约").click()
        page.locator("tr", has_text="已取消").wait_for()
        assert DayPlan.objects.get().version == 2
        assert page.problems == []
