"""Done when: a school's norovirus outbreak from the class teacher's report to its closing, in a real browser."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from django.test import Client

from healthbrain.kernel import clock
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import fieldwork, notify, signals
from healthbrain.surveillance.actions.signals import Line, Pupil
from healthbrain.surveillance.models import EventStep, PublicHealthEvent, SchoolClass, Signal, Site
from healthbrain.surveillance.rules import clocks

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE = Path(__file__).parents[2] / "vendor" / "axe.min.js"
NAMES = ("钱小安", "孙小北", "李小川", "周小东", "吴小帆", "郑小刚")


@pytest.fixture
def school(world):
    """The school as a key place, before anything is reported."""
    Signal.objects.all().delete()
    Site.objects.create(organisation=world.school, kind="school", township_id="330197001", population=135)
    return SchoolClass.objects.get(organisation=world.school, name="(2)班")


@pytest.fixture
def enter(world):
    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(world.accounts[role], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


@pytest.fixture
def page(open_as):
    return open_as("disease_control", csp=False)


def reported(world, school) -> None:
    """What a school sends with names: six pupils of a class vomit today."""
    today = clock.today()
    pupils = tuple(Pupil(name=name, sex="1", symptoms=("vomiting",), onset_on=today, canteen=True) for name in NAMES)
    line = Line(school.pk, {"vomiting": len(NAMES)}, pupils=pupils)
    signals.report_absence(by=world.teacher, organisation_id=world.school.pk, day=today, lines=[line], now=clock.now())


def fill(page, name: str, text: str) -> None:
    page.locator(f"#panel [name='{name}']").fill(text)


def send(page, words: str) -> None:
    page.locator("#panel").get_by_role("button", name=words).click()
    page.locator("#panel").wait_for(state="hidden")


def open_form(page, words: str, section: str = "main") -> None:
    page.locator(section).get_by_role("link", name=words, exact=True).first.click()
    page.locator("#panel form").wait_for()


SHEET = "姓名,性别,班级或部门,发病时间,症状\n" + "".join(f"{name},男,三(2)班,{clock.today()},呕吐\n" for name in NAMES)


def test_from_the_teachers_phone_to_the_closing(world, school, open_as):
    phone, page = open_as("school_nurse", 390, 844, csp=False), open_as("disease_control", csp=False)
    phone.goto(phone.base + "/absence")
    phone.get_by_role("link", name="三(2)班").click()
    phone.locator("#n-vomiting").fill(str(len(NAMES)))
    phone.get_by_role("button", name="保存：病 6 人").click()
    phone.wait_for_url("**/absence")
    assert phone.problems == []

    signals.run_pass(now=clock.now())  # what the worker does every few seconds

    page.goto(page.base + "/signals")
    row = page.locator(".signal").first
    assert "安澜实验小学" in row.inner_text()
    page.keyboard.press("j")
    page.keyboard.press("v")
    page.wait_for_url("**/outbreaks/*")
    event = PublicHealthEvent.objects.get()
    assert not event.cases.exists()  # the teacher told how many, not who
    open_form(page, "导入名单", "#cases")
    page.set_input_files(
        "#panel [name='file']", {"name": "病例.csv", "mimeType": "text/csv", "buffer": SHEET.encode("gb18030")}
    )
    send(page, "导入名单")
    page.locator("#toasts").get_by_text("共 6 行：入库 6").wait_for()
    assert event.cases.count() == len(NAMES)
    listed = page.locator("#cases").inner_text()
    assert "钱*安" in listed
    assert "钱小安" not in listed
    assert "三(2)班" in listed

    open_form(page, "核实事件")
    page.locator("#panel [name='disease']").select_option("norovirus")
    fill(page, "reason", "现场核实：同班六人呕吐，同在食堂就餐")
    send(page, "保存核实结论")
    page.locator(".event-head").get_by_text("已确认").wait_for()
    page.locator("#reports").get_by_text("时限").wait_for()
    assert "6 例，需 24 小时内报告" in page.locator("#reports").inner_text()

    page.locator("#cases select[name='classification']").first.select_option("probable")
    page.get_by_text("已改为临床诊断").wait_for()
    open_form(page, "传染源", "#cases tbody tr:nth-child(2)")
    page.locator("#panel [name='infector']").select_option(index=1)
    send(page, "保存传播关系")
    page.locator("#chain svg circle").first.wait_for()

    open_form(page, "部署措施", "#measures")
    send(page, "部署这项措施")
    open_form(page, "登记", "#contacts")
    fill(page, "people", "冯小华 15400003333\n陈小军")
    send(page, "登记并开始随访")
    page.locator("#contacts").get_by_text("随访中 2 人，今天还差 2 人").wait_for()

    open_form(page, "结案")
    fill(page, "summary", "末例后没有新发病例")
    page.locator("#panel").get_by_role("button", name="结案").click()
    page.get_by_text("1 项措施未完成").first.wait_for()  # refused, with what is still owed
    page.goto(f"{page.base}/outbreaks/{event.pk}")

    open_form(page, "完成", "#measures")
    fill(page, "evidence", "消毒记录，现场照片 3 张")
    send(page, "标为完成")
    open_form(page, "标记已填报", "#reports")
    fill(page, "number", "SX-001")
    send(page, "标记已填报")
    page.locator("#reports").get_by_text("已由本人在国家系统填报").first.wait_for()
    for contact in event.contacts.all():
        lost(page, event, contact)
    page.goto(f"{page.base}/outbreaks/{event.pk}")
    open_form(page, "结案")
    fill(page, "summary", "末例后没有新发病例，原因为食堂带入")
    send(page, "结案")
    page.locator(".event-head").get_by_text("已结案").wait_for()
    assert page.problems == []

    event.refresh_from_db()
    states = {
        r.clock.key: r.state for r in clocks.read_clocks(handbook.clocks(), notify.moments_of(event), clock.now())
    }
    assert states == dict.fromkeys(("data-to-signal", "signal-to-handling", "detect", "notify", "respond"), "met")
    kinds = list(EventStep.objects.filter(event=event).order_by("id").values_list("kind", flat=True))
    assert kinds[0] == "opened"
    assert kinds[-1] == "closed"
    assert {"cases", "confirmed", "report-drafted", "classified", "linked", "measure", "contacts", "reported",
            "measure-done"} <= set(kinds)  # fmt: skip


def lost(page, event, contact) -> None:
    """On the phone page: not to be reached any more."""
    page.goto(f"{page.base}/outbreaks/{event.pk}/contacts")
    page.locator(f"#contact-{contact.pk}").get_by_role("button", name="失访").click()
    page.get_by_text("已标为失访").wait_for()


def test_follow_up_on_a_phone(world, school, page):
    reported(world, school)
    signals.run_pass(now=clock.now())
    event = PublicHealthEvent.objects.get(pk=signals.answer_signal(
        by=world.officer, signal_id=Signal.objects.get().pk, answer="verify", reason="", now=clock.now()))  # fmt: skip
    yesterday = clock.today() - dt.timedelta(days=1)
    rows = [fieldwork.ContactInput(name, yesterday) for name in ("冯小华", "陈小军")]
    fieldwork.add_contacts(by=world.officer, event_id=event.pk, rows=rows, at=clock.now(), days=3)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{page.base}/outbreaks/{event.pk}/contacts")
    page.get_by_role("heading", name="今天还差 2 人").wait_for()
    first, second = event.contacts.order_by("id")
    page.fill(f"#t-{first.pk}", "36.5")
    page.locator(f"#contact-{first.pk}").get_by_role("button", name="记录今天").click()
    page.get_by_role("heading", name="今天还差 1 人").wait_for()
    page.locator(f"#contact-{second.pk}").get_by_text("呕吐").click()
    page.locator(f"#contact-{second.pk}").get_by_role("button", name="记录今天").click()
    page.get_by_text("已记录：异常，今天安排就诊或采样").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(f"#contact-{second.pk} summary").click()
    page.locator(f"#contact-{second.pk}").get_by_role("button", name="发病，转病例").click()
    page.get_by_text("已转入病例名单").wait_for()
    assert event.cases.get(name="陈小军").symptoms == ["vomiting"]


@pytest.mark.parametrize("width", [1366, 390])
def test_pages_fit_and_are_accessible(world, school, page, width):
    reported(world, school)
    signals.run_pass(now=clock.now())
    signal = Signal.objects.get()
    page.set_viewport_size({"width": width, "height": 800})
    found = {}
    addresses = ["/signals", f"/signals/{signal.pk}", "/outbreaks", "/surge", "/guidance", "/channels", "/inbox"]
    for address in addresses:
        found[address] = wrong(page, address, width)
    event = signals.answer_signal(by=world.officer, signal_id=signal.pk, answer="verify", reason="", now=clock.now())
    for address in (f"/outbreaks/{event}", f"/outbreaks/{event}/do/verify", f"/outbreaks/{event}/do/case"):
        found[address] = wrong(page, address, width)
    assert {address: said for address, said in found.items() if said} == {}


def wrong(page, address: str, width: int) -> list[str]:
    """What axe says is wrong with a page, and whether it is wider than the window."""
    page.goto(page.base + address)
    page.add_script_tag(path=str(AXE))
    seen = page.evaluate(
        """axe.run(document, {runOnly: ['wcag2a', 'wcag2aa']}).then(r => r.violations.map(
        v => v.id + ' ' + v.nodes.slice(0, 2).map(n => n.html.slice(0, 100)).join(' | ')))"""
    )
    wide = page.evaluate("document.documentElement.scrollWidth")
    return [*seen, *([f"{wide} wide"] if wide > width else [])]
