"""A resident sees his own record, what is due, who looked; and nobody else's."""

import datetime as dt

import pytest

from healthbrain.care.models import Enrolment, Task

from .conftest import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def due(county):
    Enrolment.objects.create(
        resident=county.east, programme="hypertension", version="1", status="active", risk_level="uncontrolled",
        since=dt.date(2025, 1, 1), state_since=dt.date(2026, 1, 1), evaluated_on=dt.date(2026, 3, 1),
    )  # fmt: skip
    return Task.objects.create(
        key=f"hypertension:{county.east.pk}:follow-up:2026-01-01:1", resident=county.east, programme="hypertension",
        version="1", task="follow-up", status="due", organisation=county.organisations["E1"],
        opens=dt.date(2026, 1, 1), due=dt.date(2026, 3, 1), grace_until=dt.date(2026, 3, 15),
        expires=dt.date(9999, 12, 31),
        reason={"state": "uncontrolled", "because": {"sbp": 152, "dbp": 94, "reading": "2026-01-01"}},
    )  # fmt: skip


def test_what_is_due_for_me_with_its_reason_and_place(county, sign_in, due):
    page = text_of(sign_in("resident").get("/me"))
    assert county.east.name in page
    assert "高血压随访" in page
    assert "152/94" in page
    assert county.organisations["E1"].name in page


def test_nothing_due_says_so(county, sign_in):
    assert "目前没有要做的事" in text_of(sign_in("resident").get("/me"))


def test_my_record_names_the_institutions_and_who_looked_lists_the_doctor(county, sign_in):
    doctor = sign_in("hospital_doctor")
    doctor.post("/find/purpose", {"purpose": "treatment", "next": "/find"})
    doctor.get(f"/residents/{county.east.pk}")
    mine = sign_in("resident")
    page = text_of(mine.get("/me/record"))
    assert "检查检验" in page
    looked = text_of(mine.get("/me/who"))
    assert "打开档案" in looked
    assert "医院医生" in looked


def test_a_resident_opens_nobody_elses_record(county, sign_in):
    mine = sign_in("resident")
    assert mine.get(f"/residents/{county.east.pk}").status_code == 403
    assert mine.get("/county").status_code == 403
    assert mine.get("/find").status_code == 403
    assert sign_in("village_doctor").get("/me").status_code == 403
