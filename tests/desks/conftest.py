"""A village station with people whose next step can be worked out on paper; made row by row, judged by care itself."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field

import pytest
from django.test import Client

from healthbrain.access.models import Account
from healthbrain.county.models import Organisation, Source
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.records.models import Event
from healthbrain.residents.models import Identity, Link, Resident

AS_OF = dt.date(2026, 4, 1)
LONG_AGO = dt.datetime(2024, 5, 6, 9)  # noqa: DTZ001 - ledger times are naive county time


@dataclass
class Station:
    organisation: Organisation
    doctor: Account
    people: dict[str, Resident] = field(default_factory=dict)

    def client(self) -> Client:
        client = Client()
        client.force_login(self.doctor, backend="django.contrib.auth.backends.ModelBackend")
        return client


def event(identity: Identity, organisation: Organisation, kind: str, code: str, at: dt.datetime, value=None, unit=None):
    return Event(
        identity=identity, kind=kind, code=code, at=at, value=value, unit=unit, organisation=organisation,
        resource=uuid.uuid4(), recorded=dt.datetime(2026, 3, 28, tzinfo=COUNTY_ZONE),
    )  # fmt: skip


def add_person(station: Station, source: Source, name: str, sex: str, born: dt.date, readings: list[tuple]) -> Resident:
    """A resident with hypertension and blood pressures taken at clinic visits: (date, systolic, diastolic)."""
    person = Resident.objects.create(
        name=name, sex=sex, birth_date=born, home_organisation=station.organisation, phone="13800000000",
        id_number="330197196501010011",
    )  # fmt: skip
    identity = Identity.objects.create(source=source, source_key=str(person.pk), name=name, sex=sex, birth_date=born)
    Link.objects.create(identity=identity, resident=person, rule="new")
    where = station.organisation
    rows = [event(identity, where, "condition", "icd10|I10", LONG_AGO)]
    for day, systolic, diastolic in readings:
        at = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(9))
        rows += [
            event(identity, where, "encounter", "class|AMB", at),
            event(identity, where, "observation", "loinc|8480-6", at, systolic, "mm[Hg]"),
            event(identity, where, "observation", "loinc|8462-4", at, diastolic, "mm[Hg]"),
        ]
    Event.objects.bulk_create(rows)
    station.people[name] = person
    return person


@pytest.fixture
def station(transactional_db, monkeypatch) -> Station:
    """Three people who are due, each for another reason, judged as of 1 April 2026."""
    from healthbrain.care import actions as care

    monkeypatch.setenv("HEALTHBRAIN_AS_OF", AS_OF.isoformat())
    county = Organisation.objects.create(code="C", name="安澜区", kind="county", path="?C")
    county.path = f"/{county.pk}/"
    county.save()
    village = Organisation.objects.create(code="V", name="湖山村卫生室", kind="village", parent=county, path="?V")
    village.path = f"{county.path}{village.pk}/"
    village.save()
    source = Source.objects.create(code="v1", name="湖山村卫生室", organisation=village)
    doctor = Account.objects.create(username="cun", name="王秀兰", role="village_doctor", organisation=village)
    made = Station(village, doctor)
    # 152/94 on 20 March, first time above 140/90: again within 14 days, that is by 3 April.
    add_person(made, source, "张小明", "1", dt.date(1965, 3, 3), [("2025-12-20", 132, 84), ("2026-03-20", 152, 94)])
    # 132/84 on 15 December, controlled: again within 3 months, that is by 15 March; it is overdue by 17 days.
    add_person(made, source, "李建国", "1", dt.date(1971, 7, 9), [("2025-12-15", 132, 84)])
    # 146/86 on 5 January at 70 years (target 150/90), controlled: by 5 April.
    add_person(made, source, "王秀英", "2", dt.date(1955, 8, 1), [("2026-01-05", 146, 86)])
    care.publish_programmes()
    care.evaluate([p.pk for p in made.people.values()], as_of=AS_OF)
    return made


@pytest.fixture
def crowd(station) -> list[Resident]:
    """Thirty more people for a follow-up day, all controlled on 15 December and overdue."""
    from healthbrain.care import actions as care

    source = Source.objects.get(code="v1")
    names = [f"{family}{given}" for family in "赵钱孙周吴郑" for given in ("明华", "秀芳", "建军", "桂英", "志强")]
    born = dt.date(1960, 2, 2)
    made = [add_person(station, source, name, "2", born, [("2025-12-15", 130, 80)]) for name in names]
    care.evaluate([p.pk for p in made], as_of=AS_OF)
    return made


@pytest.fixture
def desk(open_as, station):
    """A browser page of the village doctor, signed in, in Chinese, at the size of an office PC."""
    return open_as(station.client())


@pytest.fixture
def stream(transactional_db, monkeypatch):
    """The live stream as its own process, as `healthbrain serve` runs it; its address in HEALTHBRAIN_LIVE_URL."""
    from django.conf import settings
    from django.db import connection

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    known = connection.settings_dict
    address = f"postgresql://{known['USER']}:{known['PASSWORD']}@/{known['NAME']}?host={known['HOST']}"
    arguments = ["--interface", "asgi", "--no-ws", "--log-level", "error", "--port", str(port)]
    command = [sys.executable, "-m", "granian", *arguments, "healthbrain.desks.live:application"]
    ours = {"DATABASE_URL": address, "HEALTHBRAIN_SECRET_KEY": settings.SECRET_KEY}  # it checks what we signed
    process = subprocess.Popen(command, env=os.environ | ours)
    monkeypatch.setenv("HEALTHBRAIN_LIVE_URL", f"http://127.0.0.1:{port}/")
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield
    process.terminate()
    process.wait(10)
