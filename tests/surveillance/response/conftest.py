"""A county with a school of three classes, an officer, a teacher, and one signal of vomiting in class 三(2)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest

from healthbrain.access.models import Account
from healthbrain.access.queries import actor_of
from healthbrain.access.rules import Actor
from healthbrain.county.models import Organisation, Place
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.surveillance.models import SchoolClass, Signal

NINE = dt.datetime(2026, 3, 10, 9, 0, tzinfo=COUNTY_ZONE)  # a Tuesday


def later(**span: float) -> dt.datetime:
    return NINE + dt.timedelta(**span)


@dataclass
class World:
    county: Organisation
    centre: Organisation
    school: Organisation
    cdc: Organisation
    accounts: dict[str, Account]
    officer: Actor
    teacher: Actor
    signal: Signal


def organisation(code: str, name: str, kind: str, parent: Organisation | None = None) -> Organisation:
    made = Organisation.objects.create(code=code, name=name, kind=kind, parent=parent, path=f"?{code}")
    made.path = f"{parent.path if parent else '/'}{made.pk}/"
    made.save()
    return made


def make_signal(school: Organisation, key: str = "school|diarrhoea|2026-03-09", **more: object) -> Signal:
    values = {
        "place_kind": "organisation", "organisation": school, "path": school.path, "syndrome": "diarrhoea",
        "source": "morning-check", "method": "threshold", "rule": "class-1-day", "level": "watch",
        "first_day": dt.date(2026, 3, 9), "last_day": dt.date(2026, 3, 10), "observed": 6, "expected": 0.4, "bound": 3,
        "score": 8.0, "opened_at": NINE, "updated_at": NINE, "data_at": later(minutes=-10),
        "sentence_zh": "安澜实验小学三(2)班 3月10日呕吐 6 人，平常不到 1 人",
        "sentence_en": "6 pupils vomiting in class 3(2)",
        "detail": {"series": {"first": "2026-03-08", "syndrome": "diarrhoea", "counts": [0, 2, 6]}},
    }  # fmt: skip
    return Signal.objects.create(key=key, **{**values, **more})


@pytest.fixture
def world(db) -> World:
    county = organisation("C", "安澜区", "county")
    centre = organisation("E", "东浦镇卫生院", "township", county)
    school = organisation("S1", "安澜实验小学", "school", county)
    cdc = organisation("CDC", "安澜区疾控中心", "cdc", county)
    place = Place.objects.create(code="330197", name="安澜区")
    Place.objects.create(code="330197001", name="东浦镇", parent=place, organisation=centre, tile_x=0, tile_y=0)
    for name, pupils in (("(1)班", 45), ("(2)班", 44), ("(3)班", 46)):
        SchoolClass.objects.create(organisation=school, grade="三", name=name, pupils=pupils)
    accounts = {
        role: Account.objects.create(username=role, name=name, role=role, organisation=where)
        for role, name, where in (
            ("disease_control", "疾控 测试", cdc), ("school_nurse", "班主任 测试", school),
            ("bureau", "局 测试", county),
            ("village_doctor", "村医 测试", centre),
        )
    }  # fmt: skip
    return World(
        county, centre, school, cdc, accounts, actor_of(accounts["disease_control"]),
        actor_of(accounts["school_nurse"]), make_signal(school),
    )  # fmt: skip
