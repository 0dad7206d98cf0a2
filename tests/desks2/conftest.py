"""A county of two townships with one well-recorded resident, made row by row: no code under test makes it."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from healthbrain.access.models import Account
from healthbrain.county.models import Organisation, Place, Source
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.records.models import Batch, Event, Resource, Superseded
from healthbrain.residents.models import Identity, Link, Resident

AS_OF = dt.date(2026, 4, 1)
ROLES = (
    "village_doctor",
    "township_doctor",
    "hospital_doctor",
    "bureau",
    "steward",
    "administrator",
    "auditor",
    "resident",
)
TREE = [  # code, name, kind, parent
    ("C", "安澜区", "county", ""),
    ("B", "安澜区卫生健康局", "bureau", "C"),
    ("H", "安澜区第一人民医院", "hospital", "C"),
    ("E", "东浦镇卫生院", "township", "C"),
    ("E1", "东浦一村卫生室", "village", "E"),
    ("W", "西塘镇卫生院", "township", "C"),
    ("W1", "西塘一村卫生室", "village", "W"),
]
WORKS_AT = {
    "village_doctor": "E1", "township_doctor": "E", "hospital_doctor": "H", "bureau": "B", "steward": "B",
    "administrator": "B", "auditor": "B", "resident": "E1",
}  # fmt: skip


@dataclass
class County:
    organisations: dict[str, Organisation]
    sources: dict[str, Source]
    east: Resident
    west: Resident
    accounts: dict[str, Account]


def _organisations() -> dict[str, Organisation]:
    made: dict[str, Organisation] = {}
    for code, name, kind, parent in TREE:
        upper = made.get(parent)
        one = Organisation.objects.create(code=code, name=name, kind=kind, parent=upper, path=f"?{code}")
        one.path = f"{upper.path if upper else '/'}{one.pk}/"
        one.save()
        made[code] = one
    Organisation.objects.create(code="N", name="南湾镇卫生院", kind="township", path="?N/", connected=False)
    county = Place.objects.create(code="330197", name="安澜区")
    for code, name, organisation, x in (("330197001", "东浦镇", "E", 0), ("330197002", "西塘镇", "W", 1)):
        Place.objects.create(code=code, name=name, parent=county, organisation=made[organisation], tile_x=x, tile_y=0)
    return made


def person(name: str, initials: str, pinyin: str, organisation: Organisation, **more: Any) -> Resident:
    return Resident.objects.create(
        name=name, name_initials=initials, name_pinyin=pinyin, home_organisation=organisation, **more
    )


def text_of(response) -> str:
    return response.content.decode()


def identity(source: Source, resident: Resident, key: str) -> Identity:
    one = Identity.objects.create(
        source=source, source_key=key, name=resident.name, pinyin=resident.name_pinyin, sex=resident.sex,
        birth_date=resident.birth_date, id_number=resident.id_number, phone=resident.phone, address=resident.address,
    )  # fmt: skip
    Link.objects.create(identity=one, resident=resident, rule="new")
    return one


def naive(text: str) -> dt.datetime:
    """A ledger time: county time without a zone."""
    return dt.datetime.fromisoformat(text)


def resource(owner: Identity, body: dict[str, Any], at: dt.datetime) -> Resource:
    return Resource.objects.create(
        key=uuid.uuid4(), type=body["resourceType"], id=str(uuid.uuid4()),
        updated=dt.datetime(2026, 3, 21, tzinfo=COUNTY_ZONE), source=owner.source, identity_id=owner.pk, at=at,
        content_hash=b"x", tokens=[], body=json.dumps(body).encode(),
    )  # fmt: skip


def event(owner: Identity, kind: str, code: str, day: str, organisation: Organisation, **more: Any) -> Event:
    at = dt.datetime.fromisoformat(day)
    key = more.pop("resource", None) or resource(owner, {"resourceType": kind.title(), "note": day}, at).key
    recorded = at.replace(tzinfo=COUNTY_ZONE) + dt.timedelta(hours=6)
    return Event.objects.create(
        identity=owner, kind=kind, code=code, at=at, organisation=organisation, resource=key, recorded=recorded, **more
    )


def reading(owner: Identity, day: str, organisation: Organisation, systolic: float, diastolic: float) -> None:
    for code, value in (("loinc|8480-6", systolic), ("loinc|8462-4", diastolic)):
        event(owner, "observation", code, day, organisation, value=value, unit="mm[Hg]")


def _history(hospital: Identity, centre: Identity, made: dict[str, Organisation]) -> None:
    """张小明, 61: hypertension at two institutions, two years of readings, a correction, an impossible height."""
    h, e = made["H"], made["E1"]
    reading(centre, "2025-02-10T09:00", e, 148, 92)
    reading(centre, "2025-11-12T09:00", e, 136, 84)
    reading(hospital, "2026-03-20T10:30", h, 152, 94)
    event(hospital, "condition", "icd10|I10.x00x002", "2024-05-06", h, text="active")
    event(centre, "condition", "icd10|I10", "2025-02-10", e, text="active")
    event(hospital, "observation", "loinc|14771-0", "2026-03-20T08:00", h, value=6.4, unit="mmol/L")
    event(hospital, "observation", "loinc|8302-2", "2026-03-20T08:00", h, value=1720, unit="cm", flag=1)
    wrong = event(centre, "observation", "loinc|29463-7", "2026-03-01", e, value=99, unit="kg")
    right = event(centre, "observation", "loinc|29463-7", "2026-03-01", e, value=69, unit="kg")
    Superseded.objects.create(event=wrong, by_event_id=right.pk, recorded=right.recorded)
    event(hospital, "medication", "atc|C08CA01", "2026-03-20", h)
    event(centre, "medication", "atc|A10BA02", "2025-02-10", e)
    visit = resource(centre, {"resourceType": "Encounter"}, naive("2025-11-12T09:00"))
    event(centre, "encounter", "class|HH", "2025-11-12T09:00", e, resource=visit.key)
    event(centre, "encounter", "type|follow-up", "2025-11-12T09:00", e, resource=visit.key)
    resource(hospital, {
        "resourceType": "AllergyIntolerance", "code": {"text": "青霉素"}, "recordedDate": "2024-05-06",
        "reaction": [{"manifestation": [{"text": "皮疹"}]}],
    }, naive("2024-05-06"))  # fmt: skip
    resource(hospital, {
        "resourceType": "DiagnosticReport", "code": {"text": "心脏超声"}, "conclusion": "左室舒张功能减退",
    }, naive("2026-03-20"))  # fmt: skip


@pytest.fixture
def county(db: Any) -> County:
    """Two townships, four sources, two residents, one account a role."""
    made = _organisations()
    sources = {
        code: Source.objects.create(
            code=code, name=name, organisation=made[organisation], approved=True, expected_every_hours=every
        )
        for code, name, organisation, every in (
            ("his-h", "第一人民医院 HIS", "H", 24), ("ph-e", "东浦公卫系统", "E", 24),
            ("ph-w", "西塘公卫系统", "W", 24),
        )
    }  # fmt: skip
    east = person("张小明", "zxm", "zhangxiaoming", made["E1"], sex="1", birth_date=dt.date(1964, 8, 12),
                  id_number="330197196408120017", phone="13800001234", address="东浦一村12号",
                  division_code="330197001001")  # fmt: skip
    west = person("李桂芳", "lgf", "liguifang", made["W1"], sex="2", birth_date=dt.date(1950, 1, 2),
                  id_number="330197195001020025", phone="13900004321")  # fmt: skip
    hospital, centre = identity(sources["his-h"], east, "P001"), identity(sources["ph-e"], east, "A-17")
    identity(sources["ph-w"], west, "B-3")
    _history(hospital, centre, made)
    accounts = {
        role: Account.objects.create(
            username=role, name=f"测试{role}", role=role, organisation=made[WORKS_AT[role]],
            resident_id=east.pk if role == "resident" else None,
        )
        for role in ROLES
    }  # fmt: skip
    return County(made, sources, east, west, accounts)


@pytest.fixture
def sign_in(county: County):
    """A browserless client signed in as a role."""

    def enter(role: str) -> Client:
        client = Client()
        client.force_login(county.accounts[role], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return enter


@pytest.fixture(autouse=True)
def the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", AS_OF.isoformat())


@pytest.fixture
def batch(county: County) -> Batch:
    """A finished batch of ten rows: 6 stored, 1 duplicate, 2 rejected, 1 waiting."""
    from healthbrain.records.models import RejectedRow

    made = Batch.objects.create(
        source=county.sources["ph-e"], name="observations.csv", format="csv", status="done", rows_in=10, stored=6,
        duplicates=1, rejected=2, waiting=1, by_type={"Observation": 10},
        finished=dt.datetime(2026, 4, 1, 9, tzinfo=COUNTY_ZONE),
    )  # fmt: skip
    for row, field, reason, words in (
        (3, "effective", "date-invalid", "日期不存在或格式不认识：20260230"),
        (7, "value", "number-invalid", "不是数字：约140"),
    ):
        RejectedRow.objects.create(
            batch=made, row=row, field=field, reason=reason, message=words, raw="ph-e,A-17,8480-6,20260230,140,mmHg,E1"
        )
    return made
