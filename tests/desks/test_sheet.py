"""The national record sheet, from what was really stored: on the screen and as PDF; and what may not be seen."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from healthbrain.access.queries import actor_of
from healthbrain.county.models import Organisation
from healthbrain.desks import forms
from healthbrain.desks.village_doctor.visit import save_visits
from healthbrain.residents.models import Resident

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "hypertension-follow-up"
AS_OF = dt.date(2026, 4, 1)


@pytest.fixture
def client(station) -> Client:
    made = Client()
    made.force_login(station.doctor)
    return made


def record(station, name: str, **values) -> int:
    whole = {
        "visit_date": "2026-04-01",
        "visit_mode": "HH",
        "sbp": 136.0,
        "dbp": 84.0,
        "adherence": "irregular",
    } | values
    return save_visits(actor_of(station.doctor), forms.load(FORM), {station.people[name].pk: whole}, AS_OF)[0]


def test_the_sheet_shows_the_visit_as_it_was_recorded(station, client):
    drug = {"name": "氨氯地平片", "times": "1", "dose": "5mg"}
    record(station, "李建国", symptoms=["headache-dizziness"], medications=[drug], weight=68.5, height=170.0)
    person = station.people["李建国"].pk
    page = client.get(f"/today/residents/{person}/sheet/{FORM}").content.decode()
    for words in (
        "2026年4月1日",
        "2 家庭",
        "136／84",
        "2 头痛头晕",
        "2 间断",
        "氨氯地平片",
        "23.7",
        "1 控制满意",
        "2026年7月1日",
    ):
        assert words in page
    assert "李建国" not in page  # masked on the screen; the paper bears the name
    pdf = client.get(f"/today/residents/{person}/sheet/{FORM}.pdf")
    assert pdf.content[:5] == b"%PDF-"


def test_the_next_visit_starts_from_this_one(station, client):
    record(station, "李建国", cigarettes=12.0)
    page = client.get(f"/today/residents/{station.people['李建国'].pk}/visit/{FORM}").content.decode()
    assert 'name="cigarettes" value="12"' in page
    assert "上次 136" in page


def test_a_resident_of_another_village_stays_closed(station, client):
    county = Organisation.objects.get(code="C")
    other = Organisation.objects.create(
        code="W", name="西塘村卫生室", kind="village", parent=county, path=f"{county.path}9/"
    )
    stranger = Resident.objects.create(name="外村人", home_organisation=other)
    for path in (f"/today/residents/{stranger.pk}", f"/today/residents/{stranger.pk}/visit/{FORM}"):
        assert client.get(path).status_code in {403, 404}
    posted = {"visit_date": "2026-04-01", "visit_mode": "AMB", "sbp": "136", "dbp": "84", "adherence": "regular",
              "adverse_reaction": "no", "new_complication": "no", "symptoms": "none", "key": "k"}  # fmt: skip
    assert client.post(f"/today/residents/{stranger.pk}/visit/{FORM}", posted).status_code in {403, 404}


def test_the_same_send_twice_saves_once(station, client):
    person = station.people["李建国"].pk
    posted = {"visit_date": "2026-04-01", "visit_mode": "AMB", "sbp": "136", "dbp": "84", "adherence": "regular",
              "adverse_reaction": "no", "new_complication": "no", "symptoms": "none", "key": "k1"}  # fmt: skip
    first = client.post(f"/today/residents/{person}/visit/{FORM}", posted)
    again = client.post(f"/today/residents/{person}/visit/{FORM}", posted)
    assert first.headers["Location"] == again.headers["Location"]


def test_why_tells_values_days_institutions_and_the_document(station, client):
    from healthbrain.care.models import Task

    task = Task.objects.get(resident=station.people["张小明"], programme="hypertension", task="follow-up")
    page = client.get(f"/today/tasks/{task.pk}/why").content.decode()
    for words in ("152", "3月20日", "湖山村卫生室", "国家基本公共卫生服务规范", "首次未达标", "4月3日"):
        assert words in page
