"""The village doctor at work, in a real browser: keys and steps are counted, nothing is reloaded by hand."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from healthbrain.records.models import Event

from .conftest import event

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AS_OF = dt.date(2026, 4, 1)
AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
SECONDS_A_KEY = 1.0  # two fingers, looking at the keys: slower than any office typist
SECONDS_A_FIELD = 1.5  # a look at each field, also at those that only need Enter


class Hands:
    """The doctor's hands: keyboard only, every key counted."""

    def __init__(self, page) -> None:
        self.page, self.keys, self.fields = page, 0, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.keys += 1
            self.page.keyboard.press(key)

    def answer(self, text: str = "") -> None:
        """Type an answer, if any, and go on."""
        self.fields += 1
        self.press(*text, "Enter")

    @property
    def seconds(self) -> float:
        return self.keys * SECONDS_A_KEY + self.fields * SECONDS_A_FIELD


LIST = "/today?programme=hypertension"


def follow_ups(page) -> list[str]:
    """Who is due for a hypertension follow-up, in the order of the list."""
    rows = page.locator(".task").filter(has=page.locator("b", has_text="高血压随访"))
    return rows.locator(".who a").all_inner_texts()


def line_of(page, task: str, name: str) -> str:
    """The text of one line of the list."""
    rows = page.locator(".task").filter(has=page.locator("b", has_text=task))
    return rows.filter(has_text=name).first.inner_text()


def until(holds, seconds: float = 5) -> None:
    """Wait for something to come true; the content policy forbids Playwright's own way, which evaluates strings."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def focused(page) -> str:
    return page.evaluate("document.activeElement.name || document.activeElement.id || document.activeElement.tagName")


def open_form(page, station, name: str) -> None:
    page.goto(f"{page.base}/today/residents/{station.people[name].pk}/visit/hypertension-follow-up")
    page.wait_for_selector("#sbp:focus")


def test_today_answers_first_and_says_why(desk, station):
    desk.goto(desk.base + LIST)
    assert desk.inner_text("h1").startswith("今天")
    assert follow_ups(desk) == ["李*国", "张*明", "王*英"]  # overdue first, then by date
    assert "逾期 17 天" in line_of(desk, "高血压随访", "李*国")
    abnormal = line_of(desk, "高血压随访", "张*明")
    assert "还剩 2 天" in abnormal
    assert "152/94" in abnormal
    assert "3月20日" in abnormal


def test_a_hypertension_visit_takes_less_than_two_minutes(desk, station):
    """From the list to the next person, every field of the sheet passed, nothing but the keyboard."""
    hands = Hands(desk)
    desk.goto(desk.base + LIST)
    hands.press("j", "Enter")  # the first row, its main action
    desk.wait_for_selector("#sbp:focus")
    hands.answer("136")
    hands.answer("84")
    hands.answer("72")
    hands.answer("68.5")
    while focused(desk) != "adherence":
        hands.answer()
    hands.answer("1")
    while not desk.evaluate("document.activeElement.matches('[data-save]')"):
        hands.answer()
    hands.press("Enter")
    desk.wait_for_url("**/today/visits/*")
    text = desk.inner_text("main")
    assert "已入库" in text
    assert "136/84" in text
    assert "1 控制满意" in text
    assert "7月1日 周三" in text  # three months on, by the programme
    assert hands.seconds < 120, f"{hands.keys} keys, {hands.fields} fields: {hands.seconds:.0f} s"
    hands.press("Enter")  # 下一位
    desk.wait_for_url("**/visit/hypertension-follow-up*")
    assert "张*明" in desk.inner_text("h1")
    desk.goto(desk.base + LIST)
    assert follow_ups(desk) == ["张*明", "王*英"]


def through(desk, hands: Hands, answers: dict[str, str]) -> int:
    """Pass every field of the open form with the keyboard, type what was measured, save; how many keys it took."""
    before = hands.keys
    desk.wait_for_selector("#sbp:focus")
    while not desk.evaluate("document.activeElement.matches('[data-save]')"):
        hands.answer(answers.get(focused(desk), ""))
    hands.press("Enter")
    desk.wait_for_url("**/today/visits/*")
    desk.wait_for_load_state()
    return hands.keys - before


# What only the diabetes sheet asks: glucose, foot pulse, symptoms and others, hypoglycaemia, insulin, staple food and
# its target, HbA1c and its date.
ONLY_DIABETES = 10


def test_two_conditions_are_one_visit_and_one_form(desk, station):
    from healthbrain.care import actions as care

    person, hands = station.people["李建国"], Hands(desk)
    identity, at = person.link_set.get().identity, dt.datetime(2025, 12, 15, 9)  # noqa: DTZ001
    Event.objects.bulk_create([
        event(identity, station.organisation, "condition", "icd10|E11.900", dt.datetime(2024, 5, 6, 9)),  # noqa: DTZ001
        event(identity, station.organisation, "observation", "loinc|14771-0", at, 6.2, "mmol/L"),
    ])  # fmt: skip
    care.evaluate([person.pk], as_of=AS_OF)
    open_form(desk, station, "王秀英")
    alone = through(desk, hands, {"sbp": "136", "dbp": "84", "adherence": "1"})
    desk.goto(desk.base + "/today?q=李")
    both = desk.locator(".task").filter(has=desk.locator("b", has_text="随访")).locator(".do a")
    assert [text.strip() for text in both.all_inner_texts()] == ["记录高血压和糖尿病随访"] * 2
    both.first.click()
    together = through(desk, hands, {"sbp": "136", "dbp": "84", "adherence": "1", "glucose": "6.4"})
    assert together <= alone + ONLY_DIABETES + len("6.4")
    text = desk.inner_text("main")
    assert text.count("1 控制满意") == 2
    assert "7月1日 周三" in text
    desk.goto(desk.base + "/today?q=李")
    desk.wait_for_load_state()
    assert desk.locator(".task", has_text="随访").count() == 0
    for sheet, value in (("hypertension-follow-up", "136／84"), ("type-2-diabetes-follow-up", "6.4 mmol/L")):
        desk.goto(f"{desk.base}/today/residents/{person.pk}/sheet/{sheet}")
        assert value in desk.inner_text(".paper-sheet")
    today = Event.objects.filter(identity=identity, at__date=AS_OF)
    assert today.filter(code="loinc|8480-6").count() == 1, "measured once, recorded once"


def test_the_short_way_is_readings_and_one_key(desk, station):
    hands = Hands(desk)
    open_form(desk, station, "王秀英")
    desk.click("[name=adherence][value=regular]")
    desk.focus("#sbp")
    hands.answer("142")
    hands.press(*"88", "Control+Enter")
    desk.wait_for_url("**/today/visits/*")
    assert hands.keys <= 8
    assert "1 控制满意" in desk.inner_text("main")  # 70 years old: below 150/90


def test_180_over_110_raises_an_urgent_referral_at_once(desk, station):
    open_form(desk, station, "张小明")
    desk.fill("#sbp", "186")
    desk.fill("#dbp", "112")
    assert desk.is_visible("#urgent-notice")  # before saving
    desk.click("[name=adherence][value=irregular]")
    desk.keyboard.press("Control+Enter")
    desk.wait_for_url("**/today/visits/*")
    assert "立即紧急转诊" in desk.inner_text("main")
    desk.goto(desk.base + LIST)
    first = desk.locator(".task").first.inner_text()
    assert "张*明" in first
    assert "紧急" in first


def test_undo_takes_the_visit_back(desk, station):
    open_form(desk, station, "李建国")
    desk.fill("#sbp", "136")
    desk.fill("#dbp", "84")
    desk.click("[name=adherence][value=regular]")
    desk.keyboard.press("Control+Enter")
    desk.wait_for_url("**/today/visits/*")
    desk.click("button:has-text('撤销')")
    desk.wait_for_url("**/today")
    assert "李*国" in follow_ups(desk)
    identity = station.people["李建国"].link_set.get().identity_id
    held = Event.objects.filter(identity_id=identity, at__date__gte=AS_OF, superseded__isnull=True)
    assert not held.exists()


def test_a_hard_limit_refuses_and_a_soft_one_asks(desk, station):
    open_form(desk, station, "张小明")
    desk.fill("#sbp", "1520")
    desk.press("#sbp", "Enter")
    assert focused(desk) == "sbp"
    assert "不可能" in desk.inner_text("#sbp-note")
    desk.fill("#sbp", "230")
    desk.press("#sbp", "Enter")
    assert focused(desk) == "sbp"
    assert "没有输错吗" in desk.inner_text("#sbp-note")
    desk.press("#sbp", "Enter")
    assert focused(desk) == "dbp"


def test_a_refused_form_names_the_fields_and_keeps_what_was_typed(desk, station):
    open_form(desk, station, "张小明")
    desk.fill("#sbp", "136")
    desk.keyboard.press("Control+Enter")
    summary = desk.locator("#errors")
    summary.wait_for()
    assert "舒张压" in summary.inner_text()
    assert desk.input_value("#sbp") == "136"


def test_without_network_the_visit_waits_here_and_goes_by_itself(desk, station):
    open_form(desk, station, "李建国")
    desk.fill("#sbp", "136")
    desk.fill("#dbp", "84")
    desk.click("[name=adherence][value=regular]")
    desk.wait_for_selector("[data-draft-state][data-is=local]")
    assert desk.inner_text("[data-draft-state]").startswith("本机已存")
    desk.context.set_offline(True)
    desk.keyboard.press("Control+Enter")
    desk.wait_for_selector("[data-draft-state][data-is=waiting]")
    assert desk.inner_text("[data-draft-state]").startswith("待上传")
    desk.context.set_offline(False)
    desk.wait_for_url("**/today/visits/*")
    assert "已入库" in desk.inner_text("main")


def test_a_draft_survives_closing_the_page(desk, station):
    open_form(desk, station, "李建国")
    desk.fill("#sbp", "136")
    desk.wait_for_selector("[data-draft-state][data-is=local]")
    desk.goto(desk.base + "/today")
    open_form(desk, station, "李建国")
    assert desk.input_value("#sbp") == "136"


def test_a_change_elsewhere_appears_without_reload(station, stream, desk):
    """Somebody else records the visit: the line leaves the open page by itself."""
    from healthbrain.access.queries import actor_of
    from healthbrain.desks import forms
    from healthbrain.desks.village_doctor.visit import save_visits

    desk.goto(desk.base + LIST)
    assert "李*国" in follow_ups(desk)
    until(lambda: desk.evaluate("window.healthbrain.polling") is False)  # the stream is open, no polling
    desk.evaluate("window.untouched = true")
    values = {"visit_date": AS_OF.isoformat(), "visit_mode": "AMB", "sbp": 136.0, "dbp": 84.0, "adherence": "regular"}
    form = forms.load("hypertension-follow-up")
    save_visits(actor_of(station.doctor), form, {station.people["李建国"].pk: values}, AS_OF)
    until(lambda: "李*国" not in follow_ups(desk))
    assert desk.evaluate("window.untouched") is True
    assert follow_ups(desk) == ["张*明", "王*英"]


def test_thirty_people_in_one_sheet(desk, station, crowd):
    """Typed down the column as on paper: systolic, diastolic, saved in one go."""
    desk.goto(desk.base + "/today/group")
    assert "30 人" in desk.inner_text("h1")
    cells = desk.locator("tbody tr:first-child td input")
    cells.first.focus()
    for column, reading in ((0, "134"), (1, "82")):
        desk.locator("tbody tr:first-child td input").nth(column).focus()
        for _ in range(30):
            desk.keyboard.type(reading)
            desk.keyboard.press("Enter")
    for select in desk.locator("select[name$=adherence]").all():
        select.select_option("regular")
    assert desk.inner_text("[data-filled]") == "已填 30 人"
    desk.click("button:has-text('保存已填的随访')")
    desk.wait_for_url("**/today")
    assert "已入库 30 人的随访" in desk.inner_text("#toasts")
    desk.goto(desk.base + LIST)
    assert len(follow_ups(desk)) == 3  # of 33


def test_a_block_pasted_from_excel_and_an_error_at_its_cell(desk, station, crowd):
    desk.goto(desk.base + "/today/group")
    desk.evaluate("""() => {
        const cell = document.querySelector('tbody td input'); cell.focus();
        const data = new DataTransfer(); data.setData('text/plain', '134\\t82\\n1340\\t80\\n');
        cell.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
    }""")
    for select in desk.locator("select[name$=adherence]").all()[:2]:
        select.select_option("regular")
    desk.click("button:has-text('保存已填的随访')")
    desk.locator("#errors").wait_for()
    assert desk.locator("td.bad").count() == 1
    assert "1340 不可能" in desk.inner_text("td.bad .cell-note")
    assert desk.locator("tbody tr").nth(0).locator("input[inputmode]").first.input_value() == "134"


PAGES = ("/today", "/today/group", "/today/residents/{id}", "/today/residents/{id}/visit/hypertension-follow-up",
         "/today/residents/{id}/sheet/hypertension-follow-up", "/account", "/sign-in")  # fmt: skip
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"


@pytest.mark.parametrize("view", ["standard", "elder", "contrast", "dark"])
def test_axe_finds_nothing(open_as, station, view):
    page, found = open_as(station.client(), view=view, csp=False), []
    for path in PAGES:
        page.goto(page.base + path.format(id=station.people["张小明"].pk))
        page.wait_for_load_state("networkidle") if path == "/sign-in" else page.wait_for_timeout(200)
        page.evaluate(AXE.read_text() + ";0")
        result = page.evaluate(f"axe.run(document, {RULES})")
        found += [f"{path}: {v['id']} {v['nodes'][0]['html'][:120]}" for v in result["violations"]]
    assert not found


@pytest.mark.parametrize("view", ["standard", "elder"])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_phone_shows_everything_within_its_width_and_with_room_for_a_finger(open_as, station, view, language):
    page = open_as(station.client(), 390, 844, view=view, language=language)
    least = 60 if view == "elder" else 48
    for path in PAGES:
        page.goto(page.base + path.format(id=station.people["张小明"].pk))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        small = page.evaluate(
            "(least) => [...document.querySelectorAll('main .button, .bottom a, main .chip, main .options label')]"
            ".filter((n) => n.offsetParent && n.getBoundingClientRect().height < least - 0.5)"
            ".map((n) => n.className + ' ' + n.textContent.trim())",
            least,
        )
        assert not small, (path, small)


def test_pages_do_not_break_the_content_policy(desk, station):
    said: list[str] = []
    desk.on("console", lambda message: said.append(message.text))
    for path in PAGES:
        desk.goto(desk.base + path.format(id=station.people["张小明"].pk))
        desk.wait_for_timeout(150)
    assert not [text for text in said if "Content Security Policy" in text]
