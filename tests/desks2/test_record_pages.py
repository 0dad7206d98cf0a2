"""Find a resident and read the record: pages with real rows."""

from __future__ import annotations

import pytest

from healthbrain.audit.models import AuditEvent
from healthbrain.desks.hospital_doctor import views
from healthbrain.residents.models import Link, Resident

from .conftest import event, identity, text_of


@pytest.fixture
def doctor(sign_in):
    client = sign_in("hospital_doctor")
    client.post("/find/purpose", {"purpose": "treatment"})
    return client


def test_purpose_is_owed_first_and_kept(county, sign_in):
    client = sign_in("hospital_doctor")
    assert "先选查看目的" in text_of(client.get("/find?q=张小明"))
    opened = client.get(f"/residents/{county.east.pk}")
    assert opened.status_code == 302
    assert opened.url.startswith("/find?next=/residents/")
    after = client.post("/find/purpose", {"purpose": "treatment", "next": f"/residents/{county.east.pk}"})
    assert after.url == f"/residents/{county.east.pk}"
    assert client.post("/find/purpose", {"purpose": "treatment", "next": "https://evil.example/"}).url == "/"
    assert client.post("/find/purpose", {"purpose": "data-quality"}).status_code == 422


@pytest.mark.parametrize("text", ["张小明", "zxm", "0017", "13800001234", "330197196408120017"])
def test_find_by_name_initials_tail_phone(county, doctor, text):
    page = text_of(doctor.get("/find", {"q": text}))
    assert f"/residents/{county.east.pk}" in page
    assert "张*明" in page
    assert "330***********0017" in page
    for secret in ("张小明</a>", "13800001234</td>", "330197196408120017</td>"):
        assert secret not in page


def test_nobody_found_says_what_to_try(doctor):
    page = text_of(doctor.get("/find?q=欧阳不存在"))
    assert "没有找到“欧阳不存在”" in page
    assert "换一种写法再试" in page


def test_summary_names_the_institution_on_every_value(county, doctor):
    page = text_of(doctor.get(f"/residents/{county.east.pk}"))
    for words in (
        "张*明",
        "青霉素",
        "皮疹",
        "152/94",
        "2026年3月20日 · 安澜区第一人民医院",
        "原发性高血压",
        "氨氯地平",
        "东浦一村卫生室",
    ):
        assert words in page, words
    assert "330197196408120017" not in page
    assert "二甲双胍" not in page, "prescribed a year ago, not current"


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("timeline", ["2026 年", "2025 年", "2024 年", "血压 152/94 mmHg", "随访"]),
        ("results", ["空腹血糖", "↑ 高", "90–139", "数值不合理，未采用", "体重"]),
        ("diagnoses", ["原发性高血压", "2024年5月6日", "安澜区第一人民医院"]),
        ("medication", ["氨氯地平", "近 90 天在用", "二甲双胍", "较早"]),
        ("visits", ["入户", "随访", "2025年11月12日"]),
        ("documents", ["心脏超声", "左室舒张功能减退"]),
        ("who", ["打开档案", "测试hospital_doctor", "诊疗"]),
    ],
)
def test_each_tab(county, doctor, view, expected):
    page = text_of(doctor.get(f"/residents/{county.east.pk}?view={view}"))
    for words in expected:
        assert words in page, words


def test_a_superseded_weight_is_nowhere(county, doctor):
    page = text_of(doctor.get(f"/residents/{county.east.pk}?view=results"))
    assert "<b>69.0</b>" in page
    assert "99.0" not in page


def test_filter_by_institution(county, doctor):
    village = county.organisations["E1"].pk
    page = text_of(doctor.get(f"/residents/{county.east.pk}?view=medication&institution={village}"))
    assert "二甲双胍" in page
    assert "氨氯地平" not in page
    assert "青霉素" in page, "an allergy stays whatever the filter"


def test_raw_entry_and_trend_open_in_the_panel(county, doctor):
    from healthbrain.records.models import Resource

    report = Resource.objects.get(type="DiagnosticReport")
    page = text_of(doctor.get(f"/residents/{county.east.pk}/entry/{report.key}", headers={"HX-Request": "true"}))
    assert "&#34;conclusion&#34;: &#34;左室舒张功能减退&#34;" in page
    trend = text_of(doctor.get(f"/residents/{county.east.pk}/results/blood-pressure", headers={"HX-Request": "true"}))
    assert "markArea" in trend
    assert trend.count("东浦一村卫生室") >= 4
    assert doctor.get(f"/residents/{county.west.pk}/entry/{report.key}").status_code == 404


def test_opening_is_audited_once_and_printing_every_time(county, doctor):
    for view in ("summary", "results", "who"):
        doctor.get(f"/residents/{county.east.pk}?view={view}")
    opened = AuditEvent.objects.filter(action="record.open", resident_id=county.east.pk)
    assert list(opened.values_list("purpose", flat=True)) == ["treatment"]
    for _ in range(2):
        assert doctor.get(f"/residents/{county.east.pk}/record.pdf").content.startswith(b"%PDF")
    assert AuditEvent.objects.filter(action="record.print").count() == 2


def test_queries_of_one_page_do_not_grow_with_the_record(county, doctor, django_assert_max_num_queries):
    from .conftest import event, identity

    doctor.get(f"/residents/{county.east.pk}")
    owner = identity(county.sources["ph-w"], county.east, "X-9")
    for day in range(1, 28):
        event(
            owner,
            "observation",
            "loinc|8480-6",
            f"2026-02-{day:02}",
            county.organisations["W1"],
            value=130,
            unit="mm[Hg]",
        )
    with django_assert_max_num_queries(15):
        assert doctor.get(f"/residents/{county.east.pk}").status_code == 200
    with django_assert_max_num_queries(15):
        doctor.get(f"/residents/{county.east.pk}?view=who")


def test_outside_the_scope_only_with_a_reason(county, sign_in):
    client = sign_in("village_doctor")
    west = county.west.pk
    refused = client.get(f"/residents/{west}")
    assert refused.status_code == 403
    assert "不在您的服务范围内" in text_of(refused)
    assert "李" not in text_of(refused)
    assert client.post(f"/residents/{west}/break-glass", {"reason": "急"}).status_code == 422
    assert client.post(f"/residents/{west}/break-glass", {"reason": "昏迷，需了解用药"}).status_code == 302
    page = text_of(client.get(f"/residents/{west}"))
    assert "紧急查看中" in page
    seen = list(AuditEvent.objects.filter(resident_id=west).order_by("id").values_list("action", "purpose"))
    assert seen == [("record.break_glass", "emergency"), ("record.open", "emergency")]
    assert "昏迷，需了解用药" in text_of(client.get(f"/residents/{west}?view=who"))


def test_whole_id_number_in_hand_reveals_only_that_somebody_is_elsewhere(county, sign_in):
    page = text_of(sign_in("village_doctor").get("/find?q=330197195001020025"))
    assert "李" not in page


def test_a_merged_resident_leads_to_the_living_one(county, doctor):
    Link.objects.filter(resident=county.west).update(resident=county.east)
    Resident.objects.filter(pk=county.west.pk).update(merged_into=county.east.pk)
    moved = doctor.get(f"/residents/{county.west.pk}?view=results")
    assert (moved.status_code, moved.url) == (302, f"/residents/{county.east.pk}?view=results")


def test_an_empty_record_says_what_will_fill_it(county, doctor):
    page = text_of(doctor.get(f"/residents/{county.west.pk}"))
    assert "还没有任何机构的记录" in page
    assert "没有机构记录过过敏史" in page


def test_english(county, doctor):
    doctor.cookies["django_language"] = "en"
    page = text_of(doctor.get(f"/residents/{county.east.pk}"))
    for words in ("Key values", "Essential hypertension", "20 Mar 2026", "Amlodipine", "Blood pressure"):
        assert words in page, words


def test_a_whole_value_costs_a_reason_and_is_logged(county, doctor, sign_in):
    here = f"/residents/{county.east.pk}/reveal"
    assert doctor.post(f"{here}/phone", {"reason": ""}).status_code == 422
    assert doctor.post(f"{here}/birth_date", {"reason": "核对身份"}).status_code == 404
    assert doctor.post(f"{here}/phone", {"reason": "核对身份"}).json() == {"value": "13800001234"}
    logged = AuditEvent.objects.get(action="record.reveal")
    assert (logged.resident_id, logged.detail) == (county.east.pk, {"field": "phone", "reason": "核对身份"})
    elsewhere = sign_in("village_doctor").post(f"/residents/{county.west.pk}/reveal/phone", {"reason": "核对身份"})
    assert elsewhere.status_code == 403


def test_a_very_long_record_draws_the_years_one_opens(county, doctor, monkeypatch):
    """The two newest years are open; an older one is a line to follow, and is then drawn."""
    owner = identity(county.sources["ph-w"], county.east, "LONG-1")
    for year in range(1966, 2024):
        event(owner, "observation", "loinc|29463-7", f"{year}-05-06", county.organisations["W1"], value=60.5, unit="kg")
    here = f"/residents/{county.east.pk}?view=timeline"
    assert text_of(doctor.get(here)).count("60.5") == 58, "of usual length: every year is on the page, folded"
    monkeypatch.setattr(views, "LONG", 20)
    page = text_of(doctor.get(here))
    assert page.count("60.5") == 0, "the two newest years are later ones"
    assert f'href="/residents/{county.east.pk}?view=timeline&amp;year=1987#y1987"' in page
    opened = text_of(doctor.get(f"{here}&year=1987"))
    assert opened.count("60.5") == 1
    assert '<details class="year" id="y1987" open>' in opened
