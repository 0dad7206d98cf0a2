"""A township with three visiting nurses, six residents and their doctor, on the synthetic roads of the 120 tests."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from healthbrain.access.models import Account
from healthbrain.access.queries import actor_of
from healthbrain.access.rules import Actor
from healthbrain.county.models import Organisation
from healthbrain.dispatch.actions import homecare
from healthbrain.dispatch.actions.homecare import Assessment, Line
from healthbrain.dispatch.models import CareNurse
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.residents.models import Resident
from tests.dispatch import emergency_county

NOW = dt.datetime(2026, 4, 1, 7, 0, tzinfo=COUNTY_ZONE)  # a Wednesday
TODAY = NOW.date()
TOMORROW = TODAY + dt.timedelta(days=1)
DEPENDENT = {
    "feeding": 5, "bathing": 0, "grooming": 0, "dressing": 5, "bowels": 5, "bladder": 0, "toilet": 0, "transfer": 5,
    "mobility": 5, "stairs": 0,
}  # fmt: skip
ABLE = {
    "feeding": 10, "bathing": 5, "grooming": 5, "dressing": 10, "bowels": 10, "bladder": 10, "toilet": 10,
    "transfer": 15, "mobility": 15, "stairs": 5,
}  # fmt: skip
ALL = ["nursing", "wound", "catheter", "rehabilitation", "injection"]


def line(service: str = "catheter", **changes) -> Line:
    given = {
        "goal": "四周内无感染", "weekdays": tuple(range(7)), "window_from": dt.time(8), "window_until": dt.time(16),
    }  # fmt: skip
    return Line(service, **(given | changes))


@dataclass
class Town:
    """What the tests ask for by name."""

    centre: emergency_county.Centre
    accounts: dict[str, Account]
    actors: dict[str, Actor]
    residents: list[Resident]

    def apply(self, who: int = 0, *, by: str = "doctor", channel: str = "doctor", key: uuid.UUID | None = None) -> int:
        return homecare.apply(
            by=self.actors[by], now=NOW, resident_id=self.residents[who].pk, channel=channel,
            need="长期卧床，留置导尿", key=key or uuid.uuid4(),
        )  # fmt: skip

    def found(self, who: int = 0, **changes) -> Assessment:
        x, y = self.centre.towns["330197002"]
        given = {"scores": DEPENDENT, "findings": ("tube",), "address": f"一村 {who} 号", "x": x + 0.1 * who, "y": y}
        return Assessment(**(given | changes))

    def admit(self, who: int = 0, *lines: Line) -> int:
        number = self.apply(who)
        return homecare.assess(
            by=self.actors["head"], now=NOW, application_id=number, assessment=self.found(who), plan=lines or (line(),)
        )


def build() -> Town:
    centre = emergency_county.build()
    county = Organisation.objects.get(code="C")
    towns = {}
    for code, name in (("T", "中渡镇卫生院"), ("U", "西塘镇卫生院")):
        towns[code] = Organisation.objects.create(code=code, name=name, kind="township", parent=county, path=f"?{code}")
        towns[code].path = f"{county.path}{towns[code].pk}/"
        towns[code].save()
    residents = [
        Resident.objects.create(
            name=f"试卧{n}", sex="2", birth_date=dt.date(1940, 1, 1 + n), phone=f"1540000{n:04}",
            id_number=f"33019719400101{n:03}X", division_code="330197002101",
            home_organisation=towns["T"] if n < 6 else towns["U"],
        )
        for n in range(7)
    ]  # fmt: skip
    rows = {
        "head": ("home_nurse", "甲护士", "T", None), "second": ("home_nurse", "乙护士", "T", None),
        "third": ("home_nurse", "丙护士", "T", None), "elsewhere": ("home_nurse", "丁护士", "U", None),
        "doctor": ("village_doctor", "村医", "T", None), "patient": ("resident", "试卧0", "T", residents[0].pk),
    }  # fmt: skip
    accounts = {
        key: Account.objects.create(username=key, name=name, role=role, organisation=towns[place], resident_id=who)
        for key, (role, name, place, who) in rows.items()
    }
    x, y = centre.towns["330197002"]
    for key in ("head", "second", "third", "elsewhere"):
        CareNurse.objects.create(
            account=accounts[key], organisation=accounts[key].organisation, x=x, y=y, shift_from=dt.time(7, 30),
            shift_until=dt.time(17), skills=["nursing"] if key == "third" else ALL,
        )  # fmt: skip
    return Town(centre, accounts, {k: actor_of(a) for k, a in (accounts | centre.accounts).items()}, residents)
