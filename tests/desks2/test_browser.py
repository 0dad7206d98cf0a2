"""The desks in a real browser: keyboard first, every change undone, nothing wider than the window."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.access.models import Account
from healthbrain.desks.steward import jobs, uploads
from healthbrain.records.models import Event
from healthbrain.residents.models import Identity, Link, Review
from tests.sweep.walk import PC, PHONE, ZOOMED, Eye, Look, our_words

from .conftest import identity, person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_find_read_print_with_the_keyboard(open_as, sign_in, county):
    page = open_as(sign_in("hospital_doctor"))
    page.goto(page.base + "/find")
    page.get_by_role("button", name="诊疗").click()
    page.locator("#who:focus").wait_for()  # the box has the cursor by itself
    page.keyboard.type("zxm")
    page.keyboard.press("Enter")
    page.wait_for_url("**/find?q=zxm")  # and its scripts: this waits for "load"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/residents/{county.east.pk}")
    assert "青霉素" in page.locator(".allergies").inner_text()

    page.get_by_role("link", name="血压", exact=True).click()
    page.locator("#panel .plot svg text", has_text="收缩压").wait_for()  # words, not pixels: selected, printed sharp
    assert "152" in page.locator("#panel .chart table").text_content()
    assert f"#panel=/residents/{county.east.pk}/results/blood-pressure" in page.url
    page.keyboard.press("Escape")
    page.locator("#panel").wait_for(state="hidden")

    page.get_by_role("link", name="时间线").click()
    page.locator(".timeline").first.wait_for()
    page.get_by_role("link", name="血压 152/94 mmHg").click()
    page.locator("#panel pre.raw").wait_for()

    printed = page.request.get(f"{page.base}/residents/{county.east.pk}/record.pdf")
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.body().startswith(b"%PDF-")
    assert page.problems == []


def test_a_masked_value_is_shown_for_a_reason(open_as, sign_in, county):
    page = open_as(sign_in("hospital_doctor"))
    page.goto(page.base + "/find")
    page.get_by_role("button", name="诊疗").click()
    page.locator("#who:focus").wait_for()
    page.goto(f"{page.base}/residents/{county.east.pk}")
    page.locator(".ids .link").first.click()
    page.fill("#reveal-reason", "核对身份")
    page.get_by_role("button", name="显示并记录").click()
    page.get_by_text("330197196408120017").wait_for()


@pytest.fixture
def pair(county):
    twin = person(
        "张小明", "zxm", "zhangxiaoming", county.organisations["W1"], sex="1", birth_date=dt.date(1964, 12, 8)
    )
    left, right = Identity.objects.get(source__code="ph-e"), identity(county.sources["ph-w"], twin, "B-77")
    levels = [["姓名", "完全相同", 9.2], ["出生日期", "月日对调", 4.1]]
    return Review.objects.create(
        left=left, right=right, score=0.9, explanation={"levels": levels, "total": 3.3, "veto": ""}
    )


def test_review_by_one_key_and_undo(open_as, sign_in, county, pair):
    before = dict(Link.objects.values_list("identity_id", "resident_id"))
    page = open_as(sign_in("steward"))
    page.goto(page.base + "/steward/reviews")
    page.get_by_role("link", name="从第一对开始复核").click()
    page.get_by_text("月日对调").wait_for()
    page.wait_for_load_state()  # the words stand before the scripts that hear the key
    page.keyboard.press("1")
    page.get_by_text("没有拿不准的身份").wait_for()
    assert Link.objects.get(pk=pair.left_id).resident_id == Link.objects.get(pk=pair.right_id).resident_id
    page.get_by_role("button", name="撤销").click()
    page.get_by_text("已撤销，恢复到之前的归属").wait_for()
    assert dict(Link.objects.values_list("identity_id", "resident_id")) == before
    assert page.problems == []


SHEET = """来源,人员编号,项目代码,时间,结果,单位,机构
ph-e,A-17,8480-6,2026-03-30 09:00,148,mmHg,E1
ph-e,A-17,8480-6,20260230,150,mmHg,E1
"""


def test_upload_dry_run_import_roll_back(open_as, sign_in, county):
    page = open_as(sign_in("steward"))
    page.goto(page.base + "/steward/upload")
    page.set_input_files("#file", {"name": "observations.csv", "mimeType": "text/csv", "buffer": SHEET.encode()})
    page.get_by_role("button", name="上传文件").click()
    page.wait_for_url("**/steward/upload/*")
    upload_id = page.url.rsplit("/", 1)[1]
    page.get_by_role("button", name="试跑这个文件").click()
    page.get_by_role("heading", name="正在试跑").wait_for()
    before = Event.objects.count()
    jobs.run(upload_id, dry_run=True)  # what the worker does; the page finds out by itself
    page.get_by_role("button", name="正式导入 1 行").wait_for()
    assert Event.objects.count() == before
    assert "20260230" in page.locator("#upload").inner_text()
    page.get_by_role("button", name="正式导入 1 行").click()
    page.get_by_role("heading", name="正在导入").wait_for()
    jobs.run(upload_id, dry_run=False)
    page.get_by_role("link", name="打开批次").click()
    page.get_by_role("button", name="撤销这个批次").click()
    page.get_by_text("已撤销").first.wait_for()
    assert Event.objects.filter(batch_id=uploads.load(upload_id).batch_ids[0], superseded=None).count() == 0
    assert page.problems == []


PAGES = {
    "hospital_doctor": [
        "/find?q=zxm",
        "/residents/{id}",
        "/residents/{id}?view=timeline",
        "/residents/{id}?view=results",
    ],
    "bureau": ["/county"],
    "steward": [f"/steward{page}" for page in ("", "/upload", "/reviews/pair", "/residents/{id}", "/quarantine")],
    "administrator": ["/administrator", "/administrator/accounts/new", "/administrator/roles"],
    "auditor": ["/administrator/audit"],
}
LOOKS = (
    Look("en", "standard", (PHONE,)),
    Look("zh-hans", "elder", (PHONE,)),
    Look("zh-hans", "standard", (PC, ZOOMED), axe=True, paper=True),
)


@pytest.mark.parametrize("role", PAGES)
def test_pages_hold_in_both_languages_on_phone_pc_and_paper(open_as, sign_in, county, batch, pair, role):
    """Nothing beyond the edge, cut off, over one another or too small to hit; axe has no complaint."""
    Account.objects.filter(role=role).update(name="欧阳建国")
    found = []
    for look in LOOKS:
        client = sign_in(role)
        client.post("/find/purpose", {"purpose": "treatment"})
        eye = Eye(open_as(client, language=look.language, view=look.view), look, our_words(), None)
        for address in PAGES[role]:
            eye.open(eye.page.base, address.format(id=county.east.pk), "")
        found += [one for one in eye.found if "ERR_CONNECTION_REFUSED" not in one[3]]  # no live stream runs here
    assert found == []
