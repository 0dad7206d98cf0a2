"""A county in the small: a centre, two stations, a team; residents with ledger events; a lake made of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pytest

from healthbrain.county.models import Organisation, Source, Team
from healthbrain.kernel import db
from healthbrain.kernel.home import folder
from healthbrain.residents.models import Contract, Identity, Link, Resident


def organisation(code: str, kind: str, parent: Organisation | None = None) -> Organisation:
    made = Organisation.objects.create(code=code, name=f"{code}（演示）", kind=kind, parent=parent, path=f"?{code}")
    made.path = f"{parent.path if parent else '/'}{made.pk}/"
    made.save(update_fields=["path"])
    return made


@dataclass
class County:
    """Handles of the made-up county and short ways to tell what happened."""

    county: Organisation
    centre: Organisation
    station: Organisation
    other: Organisation
    source: Source
    people: dict[int, int] = field(default_factory=dict)  # resident → identity
    events: int = 0

    def resident(self, born: str, sex: str = "1", name: str = "张三", **values: Any) -> int:
        home = values.pop("home", self.station)
        made = Resident.objects.create(
            name=name, sex=sex, birth_date=dt.date.fromisoformat(born), home_organisation=home, **values
        )
        identity = Identity.objects.create(source=self.source, source_key=str(made.pk), name=name)
        Link.objects.create(identity=identity, resident=made, rule="new")
        self.people[made.pk] = identity.pk
        return made.pk

    def event(self, resident: int, kind: str, code: str, at: str, value: float | None = None, **more: Any) -> int:
        moment = at if " " in at else f"{at} 09:00"
        organisation = more.get("organisation", self.station)
        row = (
            self.people[resident], kind, code, moment, value, more.get("unit"), more.get("text"), more.get("flag", 0),
            organisation.pk if organisation else None,
        )  # fmt: skip
        return db.select(
            "INSERT INTO records_event (identity_id, kind, code, at, value, unit, text, flag, organisation_id, "
            "resource, recorded) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, gen_random_uuid(), now()) RETURNING id",
            row,
        )[0][0]

    def pressure(self, resident: int, at: str, sbp: float, dbp: float, **more: Any) -> None:
        self.event(resident, "observation", "loinc|8480-6", at, sbp, unit="mm[Hg]", **more)
        self.event(resident, "observation", "loinc|8462-4", at, dbp, unit="mm[Hg]", **more)

    def diagnosis(self, resident: int, code: str, at: str, **more: Any) -> int:
        return self.event(resident, "condition", f"icd10|{code}", at, **more)

    def team(self, resident: int, organisation: Organisation, starts: str = "2026-01-01") -> Team:
        made, _ = Team.objects.get_or_create(
            code=f"T{organisation.code}", defaults={"name": "家庭医生团队", "organisation": organisation}
        )
        begins = dt.date.fromisoformat(starts)
        Contract.objects.create(
            resident_id=resident, team=made, starts=begins, ends=begins.replace(year=begins.year + 1)
        )
        return made

    def lake(self) -> None:
        """The tables as Parquet, as records.actions.refresh_lake leaves them."""
        lake = folder("lake")
        for part in ("event", "superseded"):
            for old in folder("lake", part).glob("*.parquet"):
                old.unlink()
        duck = duckdb.connect()
        for target, columns, sql in LAKE:
            duck.execute(f"CREATE TABLE t ({columns})")
            rows = db.select(sql)
            if rows:
                duck.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
            duck.execute(f"COPY t TO '{lake / target}' (FORMAT parquet)")
            duck.execute("DROP TABLE t")


LAKE = (
    (
        "event/0.parquet",
        'id BIGINT, identity_id BIGINT, kind TEXT, code TEXT, "at" TIMESTAMP, value DOUBLE, unit TEXT, text TEXT, '
        "flag SMALLINT, organisation_id BIGINT",
        "SELECT id, identity_id, kind, code, at, value, unit, text, flag, organisation_id FROM records_event",
    ),
    (
        "superseded/0.parquet",
        "event_id BIGINT, by_event_id BIGINT",
        "SELECT event_id, by_event_id FROM records_superseded",
    ),
    ("link.parquet", "identity_id BIGINT, resident_id BIGINT", "SELECT identity_id, resident_id FROM residents_link"),
    (
        "resident.parquet",
        "resident_id BIGINT, birth_date DATE, sex TEXT, deceased_on DATE, moved_on DATE, home_organisation_id BIGINT, "
        "contract_team_id BIGINT",
        "SELECT r.id, birth_date, sex, deceased_on, moved_on, home_organisation_id, (SELECT max(team_id) FROM "
        "residents_contract c WHERE c.resident_id = r.id) FROM residents_resident r",
    ),
)


@pytest.fixture
def county(db: None) -> County:
    top = organisation("330199", "county")
    centre = organisation("330199101", "township", top)
    station = organisation("330199101001", "village", centre)
    other = organisation("330199101002", "village", centre)
    return County(top, centre, station, other, Source.objects.create(code="test", name="test"))
