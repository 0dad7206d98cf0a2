"""A family's job from end to end in a browser: authorised, applies, hears, reads; books, loses its vehicle, is phoned.

The nurse and the planner do their parts on their own pages in between.
"""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.test import Client
from PIL import Image

from healthbrain.access.models import Account, Proxy
from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch.actions import transport_drive
from healthbrain.dispatch.models import Booking, HomeBed, HomeVisit, Ride, ServiceCharge
from healthbrain.dispatch.rules.darp import warm_up
from healthbrain.kernel import clock
from healthbrain.residents.models import Resident
from tests.dispatch import homecare_county, transport_county
from tests.dispatch.homecare_county import DEPENDENT, NOW, TODAY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NUMBER = "330197196001010015"  # its check digit by GB 11643-1999


@pytest.fixture(autouse=True)
def the_morning(monkeypatch, tmp_path):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    monkeypatch.setenv("HEALTHBRAIN_HOME", str(tmp_path))


@pytest.fixture
def opened(open_as):
    """A page of an account."""

    def enter(account: Account, width: int = 1366, height: int = 768):
        client = Client()
        client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
        return open_as(client, width, height)

    return enter


def go(page, address: str) -> None:
    page.goto(page.base + address)
    page.wait_for_load_state()


def press(page, name: str, then: str) -> None:
    """Click, and wait until the page it leads to shows `then` and has loaded."""
    page.get_by_role("button", name=name).first.click()
    page.get_by_text(then).first.wait_for()
    page.wait_for_load_state()


def relative(county, resident: Resident) -> Account:
    """She has an account of her own; her name and number are what an authorisation asks for."""
    Resident.objects.filter(pk=resident.pk).update(name="试女", sex="2", id_number=NUMBER, birth_date="1960-01-01")
    return Account.objects.create(
        username="daughter", name="试女", role="resident", organisation=county.accounts["patient"].organisation,
        resident_id=resident.pk,
    )  # fmt: skip


def authorise(page) -> None:
    """The patient lets her do everything for a year."""
    go(page, "/me/family")
    page.fill("#name", "试女")
    page.fill("#number", NUMBER)
    page.select_option("#relation", "child")
    press(page, "授权代办", "已授权")


def test_home_care_from_the_authorisation_to_the_record(opened) -> None:
    town = homecare_county.build()
    daughter = relative(town, town.residents[1])
    town.accounts["third"].home_care.active = town.accounts["second"].home_care.active = False
    for name in ("second", "third"):
        town.accounts[name].home_care.save()
    patient, family = opened(town.accounts["patient"]), opened(daughter, 390, 844)
    nurse, phone = opened(town.accounts["head"]), opened(town.accounts["head"], 390, 844)
    authorise(patient)

    go(family, "/me/family")
    press(family, "代 试卧0 办理", "正在代 试卧0 办理")
    go(family, "/homecare/apply")
    family.fill("#need", "卧床，尿管要换")
    press(family, "提交申请", "申请已提交")

    go(nurse, "/homecare/plan")
    nurse.get_by_role("link", name="试*0").first.click()
    nurse.get_by_text("Barthel").first.wait_for()
    nurse.wait_for_load_state()
    for item, score in DEPENDENT.items():
        nurse.locator(f"input[name={item}][value='{score}']").check()
    nurse.fill("input[name=address]", "一村 1 号")
    nurse.select_option("select[name=service0]", "catheter")
    nurse.fill("input[name=goal0]", "四周内无感染")
    for day in range(7):
        nurse.locator(f"input[name=days0][value='{day}']").check()
    nurse.fill("input[name=from0]", "08:00")
    nurse.fill("input[name=until0]", "16:00")
    press(nurse, "收治", "已建床")
    press(nurse, "生成并排好这天", "已排好")
    press(nurse, "告知 1 家上门时段", "已告知 1 家")
    assert HomeBed.objects.get().resident_id == town.residents[0].pk

    go(family, "/homecare/apply")
    assert family.get_by_text("上门安排和记录").count() == 1
    visit = HomeVisit.objects.get(day=TODAY)
    assert family.get_by_text(f"{int(visit.promised_from) // 60}:{int(visit.promised_from) % 60:02d}").count() >= 1
    go(family, "/inbox")
    assert family.get_by_text("上门").count() >= 1

    go(phone, "/homecare")
    phone.get_by_role("link", name="试卧0").click()
    phone.get_by_role("button", name="记录到达").wait_for()
    phone.wait_for_load_state()
    press(phone, "记录到达", "做了什么")
    picture = io.BytesIO()
    Image.linear_gradient("L").resize((800, 600)).convert("RGB").save(picture, "JPEG")
    file = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture.getvalue()}
    phone.locator("input[name=photos]").set_input_files(file)
    phone.locator(".care-photos img").wait_for()
    broken = {"name": "b.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}
    phone.locator("input[name=photos]").set_input_files(broken)
    phone.get_by_text("b.jpg").wait_for()
    phone.locator("input[name=urine]").fill("300")
    phone.get_by_label("会阴清洁").check()
    box = phone.locator("[data-sign] canvas")
    box.scroll_into_view_if_needed()
    at = box.bounding_box()
    phone.mouse.move(at["x"] + 20, at["y"] + 20)
    phone.mouse.down()
    for n in range(1, 15):
        phone.mouse.move(at["x"] + 20 + 12 * n, at["y"] + 20 + 3 * n)
    phone.mouse.up()
    phone.get_by_label("照护者姓名").fill("试女")
    phone.get_by_label("照护者已看过").check()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    press(phone, "保存并完成上门", "今天的上门都完成了")
    visit.refresh_from_db()
    assert (visit.status, visit.signed_by, visit.photos.count()) == ("done", "试女", 1)
    assert bytes(visit.signature).startswith(b"M")
    assert set(ServiceCharge.objects.values_list("item", flat=True)) == {"admission", "catheter"}

    go(family, "/homecare/apply")
    assert family.get_by_text("试女 签名").count() == 1
    assert family.locator(".care-photos img").count() == 1
    assert family.evaluate("document.documentElement.scrollWidth") <= 390
    go(patient, "/me/who")
    assert patient.get_by_text("受委托代办").count() >= 1
    used = AuditEvent.objects.filter(detail__proxy=Proxy.objects.get().pk, actor="试女")
    assert set(used.values_list("resident_id", flat=True)) == {town.residents[0].pk}
    go(patient, "/me/family")
    press(patient, "撤回授权", "已撤回，立即生效")
    family.goto(family.base + "/homecare/apply")
    family.get_by_text("授权已结束或被撤回").wait_for()


def test_transport_from_the_booking_over_a_breakdown_to_the_rating(opened, monkeypatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: transport_county.NOW)
    warm_up()  # a page must not wait for the compiler
    county = transport_county.build()
    daughter = relative(county, county.residents[1])
    patient, family = opened(county.accounts["patient"]), opened(daughter, 390, 844)
    planner = opened(county.accounts["planner"])
    authorise(patient)
    go(family, "/me/family")
    press(family, "代 试客0 办理", "正在代 试客0 办理")
    go(family, "/transport/book")
    for one in family.locator(".questions input[value=no]").all():
        one.check()
    family.fill("#day", TODAY.isoformat())
    family.fill("#at", "16:00")
    family.locator("input[name=posture][value=stretcher]").check()
    family.fill("#from", "中渡镇中渡一村")
    family.fill("#to", "东浦镇东浦一村")
    family.locator("input[name=back][value=no]").check()
    family.locator("button[value=ask]").click()
    family.locator(".yes", has_text="能排").wait_for()
    family.wait_for_load_state()
    family.locator("button[value=book]").click()
    family.get_by_text("已预约").first.wait_for()
    family.wait_for_load_state()
    booking = Booking.objects.get()
    assert (booking.channel, booking.resident_id) == ("family", county.residents[0].pk)

    go(planner, "/transport/vehicles")
    number = county.vehicles["first"].pk
    planner.locator(f"#vehicle-{number} input[name=reason]").fill("爆胎")
    planner.locator(f"#vehicle-{number} button[value=no]").click()
    planner.get_by_role("heading", name="1 家要打电话").wait_for()
    planner.wait_for_load_state()
    press(planner, "已打电话", "已电话告知")
    go(family, "/inbox")
    assert family.get_by_text("不能按时").count() == 1

    go(planner, "/transport/vehicles")
    planner.locator(f"#vehicle-{number} button[value=yes]").click()
    planner.get_by_text("车辆已恢复").first.wait_for()
    planner.wait_for_load_state()
    press(planner, "重排当天", "全部有车")
    ride = Ride.objects.get()
    assert (ride.status, ride.vehicle_id) == ("planned", number)
    by, at = county.actors["planner"], transport_county.NOW.replace(hour=15)
    transport_drive.pick_up(by=by, now=at, ride_id=ride.pk)
    transport_drive.deliver(by=by, now=at + dt.timedelta(minutes=30), ride_id=ride.pk)

    go(family, "/transport/book")
    assert family.get_by_text(f"{booking.fee}").count() >= 1
    go(family, f"/transport/bookings/{booking.pk}")
    family.locator("button[name=score][value='5']").click()
    family.get_by_text("您的评价 5 / 5").wait_for()
