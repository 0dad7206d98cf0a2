"""A county of one township, one village, one school of three classes and one kindergarten, made row by row."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from healthbrain.access.models import Account
from healthbrain.access.rules import Actor
from healthbrain.county.models import Organisation, Place, Source
from healthbrain.kernel.bus import publish
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.records.events import EventsRecorded
from healthbrain.records.models import Event
from healthbrain.residents.models import Identity, Link, Resident
from healthbrain.surveillance.models import SchoolClass, Site

TODAY = dt.date(2026, 11, 18)  # a Wednesday in term
NOW = dt.datetime(2026, 11, 18, 8, 30, tzinfo=COUNTY_ZONE)


@dataclass
class SmallCounty:
    organisations: dict[str, Organisation]
    classes: list[SchoolClass]
    source: Source

    def actor(self, role: str, at: str) -> Actor:
        where = self.organisations[at]
        account, _ = Account.objects.get_or_create(
            username=f"{role}-{at}", defaults={"name": role, "role": role, "organisation": where}
        )
        return Actor(account.pk, role, role, where.pk, where.path)

    def resident(self, name: str, birth: dt.date, village: str = "330197001101") -> tuple[Resident, Identity]:
        one = Resident.objects.create(
            name=name, birth_date=birth, division_code=village, home_organisation=self.organisations["V"]
        )
        return one, self.identity(one)

    def identity(self, resident: Resident) -> Identity:
        made = Identity.objects.create(source=self.source, source_key=uuid.uuid4().hex, name=resident.name)
        Link.objects.create(identity=made, resident=resident, rule="new")
        return made

    def diagnose(
        self, identity: Identity, code: str, day: dt.date, at: str = "H", flag: int = 0, hour: int = 10
    ) -> Event:
        """A diagnosis in the ledger, told on the bus as intake does."""
        event = Event.objects.create(
            identity=identity, kind="condition", code=f"icd10|{code}", at=dt.datetime.combine(day, dt.time(hour)),
            organisation=self.organisations[at], resource=uuid.uuid4(), text="active", flag=flag,
            recorded=dt.datetime.combine(day, dt.time(11), COUNTY_ZONE),
        )  # fmt: skip
        publish(EventsRecorded([identity.pk]))
        return event


TREE = [  # code, name, kind, parent
    ("C", "安澜区", "county", ""),
    ("D", "安澜区疾病预防控制中心", "cdc", "C"),
    ("H", "安澜区第一人民医院", "hospital", "C"),
    ("T", "望潮街道社区卫生服务中心", "township", "C"),
    ("V", "东溪村卫生室", "village", "T"),
    ("S", "望潮街道第一小学", "school", "T"),
    ("K", "望潮街道第一幼儿园", "childcare", "T"),
]


def make() -> SmallCounty:
    made: dict[str, Organisation] = {}
    for code, name, kind, parent in TREE:
        upper = made.get(parent)
        one = Organisation.objects.create(code=code, name=name, kind=kind, parent=upper, path=f"?{code}")
        one.path = f"{upper.path if upper else '/'}{one.pk}/"
        one.save()
        made[code] = one
    county = Place.objects.create(code="330197", name="安澜区", organisation=made["C"])
    town = Place.objects.create(
        code="330197001", name="望潮街道", parent=county, organisation=made["T"], tile_x=0, tile_y=0
    )
    Place.objects.create(code="330197001101", name="东溪村", parent=town, organisation=made["V"])
    Place.objects.create(code="330197001102", name="西塘村", parent=town, organisation=made["V"])
    for code, kind, pupils in (("S", "school", 120), ("K", "childcare", 60)):
        Site.objects.create(
            organisation=made[code], kind=kind, township=town, population=pupils, workdays_only=True, due_hour=10
        )
    classes = [
        SchoolClass.objects.create(organisation=made["S"], grade="三年级", name=f"（{n}）班", pupils=40)
        for n in (1, 2, 3)
    ]
    classes += [
        SchoolClass.objects.create(organisation=made["K"], grade="大班", name=name, pupils=30) for name in ("一", "二")
    ]
    return SmallCounty(made, classes, Source.objects.create(code="HIS01", name="医院系统", approved=True))


def at(day: dt.date, hour: int = 9, minute: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute), COUNTY_ZONE)


def rows(model: Any, **filters: Any) -> list[Any]:
    return list(model.objects.filter(**filters).order_by("pk"))
