"""The elder view on a phone: read aloud, large targets, nothing beyond the edge."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# The browser's own voice, which a machine without a sound card has not: it writes down what it is told to say.
VOICE = """
window.spoken = [];
window.cancelled = 0;
class Utterance { constructor(text) { this.text = text; } }
Object.defineProperty(window, 'SpeechSynthesisUtterance', { value: Utterance });
Object.defineProperty(window, 'speechSynthesis', { value: {
    speak: (said) => { window.spoken.push([said.text, said.lang]); if (window.spoken.length === 1) said.onstart(); },
    cancel: () => { window.cancelled += 1; },
} });
"""
NO_VOICE = "Object.defineProperty(window, 'speechSynthesis', { value: undefined });"


@pytest.fixture
def elder(desk):
    desk.set_viewport_size({"width": 390, "height": 844})
    desk.context.add_cookies([{"name": "hb_view", "value": "elder", "url": desk.base}])
    return desk


def test_the_page_is_read_aloud_and_stops(elder, station):
    elder.add_init_script(VOICE)
    elder.goto(elder.base + "/today")
    elder.get_by_role("button", name="朗读", exact=True).click()
    said = elder.evaluate("window.spoken")
    text = "。".join(piece for piece, _ in said)
    assert "今天 3 件" in text
    assert "逾期，1" in text
    assert "李*国" in text
    assert "逾期 17 天" in text
    assert "记录随访" not in text, "what a button says is not news"
    assert {language for _, language in said} == {"zh-CN"}
    assert max(len(piece) for piece, _ in said) <= 300
    assert elder.locator(".reading").count() == 1
    elder.get_by_role("button", name="停止朗读").click()
    assert elder.evaluate("window.cancelled") == 1
    assert elder.locator(".reading").count() == 0


def test_the_open_panel_is_read_before_the_page(elder, station):
    elder.add_init_script(VOICE)
    elder.goto(elder.base + "/today")
    elder.wait_for_load_state()
    elder.locator(".task .why").first.click()
    elder.locator("#panel .clause").first.wait_for()
    elder.get_by_role("button", name="朗读", exact=True).evaluate("(button) => button.click()")
    text = "。".join(piece for piece, _ in elder.evaluate("window.spoken"))
    assert "怎样判断的" in text
    assert "今天 3 件" not in text


def test_without_a_voice_there_is_no_button(elder, station):
    elder.add_init_script(NO_VOICE)
    elder.goto(elder.base + "/today")
    elder.wait_for_load_state()
    assert elder.locator("[data-aloud]").is_hidden()
    elder.context.add_cookies([{"name": "hb_view", "value": "standard", "url": elder.base}])
    elder.goto(elder.base + "/today")
    assert elder.locator("[data-aloud]").count() == 0, "it belongs to the elder view"


def test_targets_are_large_and_nothing_leaves_the_screen(elder, station):
    person = station.people["李建国"].pk
    for path in ("/today", f"/today/residents/{person}", f"/today/residents/{person}/visit/hypertension-follow-up"):
        elder.goto(elder.base + path)
        elder.wait_for_load_state()
        heights = elder.evaluate("""() => [...document.querySelectorAll('main .button, main .options label, .bottom a')]
            .filter((n) => n.offsetParent).map((n) => [n.textContent.trim(), n.getBoundingClientRect().height])""")
        assert heights
        assert [one for one in heights if one[1] < 60] == [], path
        assert elder.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
