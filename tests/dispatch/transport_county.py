"""The small county of the emergency tests with two transport vehicles, a planner, a driver, and people to drive."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field

from healthbrain.access.models import Account
from healthbrain.access.queries import actor_of
from healthbrain.access.rules import Actor
from healthbrain.county.models import Organisation
from healthbrain.dispatch import knowledge_transport
from healthbrain.dispatch.actions import transport
from healthbrain.dispatch.models import Ride, TransportVehicle, Vehicle
from healthbrain.dispatch.rules.transport import Asked, Spot, Wish
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.residents.models import Resident
from tests.dispatch import emergency_county

NOW = dt.datetime(2026, 4, 1, 9, 0, tzinfo=COUNTY_ZONE)
TODAY = NOW.date()
TOMORROW = TODAY + dt.timedelta(days=1)


@dataclass
class Transport:
    """What the tests ask for by name."""

    centre: emergency_county.Centre
    vehicles: dict[str, Vehicle]
    accounts: dict[str, Account]
    residents: list[Resident]
    actors: dict[str, Actor] = field(default_factory=dict)
    hospital: Spot = field(default_factory=lambda: Spot("", 0, 0))

    def ask(self, who: int = 0, at: float = 10 * 60, **changes) -> Asked:
        """A ride of resident `who` from his village to the hospital, there at `at` tomorrow, unless changed."""
        x, y = self.centre.towns[("330197002", "330197003", "330197001")[who % 3]]
        given = {
            "resident_id": self.residents[who].pk, "day": TOMORROW, "wish": Wish(at, "arrive"), "purpose": "admission",
            "posture": "seat", "origin": Spot(f"村 {who}", x + 0.2 + who * 0.01, y), "target": self.hospital,
            "answers": dict.fromkeys(knowledge_transport.questions(), False), "contact_phone": "15400000001",
        }  # fmt: skip
        return Asked(**(given | changes))

    def book(
        self, who: int = 0, at: float = 10 * 60, *, by: str = "planner", now: dt.datetime = NOW, **changes
    ) -> list[Ride]:
        keep = changes.pop("keep_uncovered", False)
        number = transport.book(
            by=self.actors[by], now=now, asked=self.ask(who, at, **changes), key=uuid.uuid4(), keep_uncovered=keep
        )
        return list(Ride.objects.filter(booking_id=number).order_by("pk"))


def build() -> Transport:
    centre = emergency_county.build()
    county, ems = Organisation.objects.get(code="C"), Organisation.objects.get(code="E")
    town = Organisation.objects.create(code="T", name="中渡镇卫生院", kind="township", parent=county, path="?")
    town.path = f"{county.path}{town.pk}/"
    town.save()
    residents = [
        Resident.objects.create(
            name=f"试客{n}", sex="1", birth_date=dt.date(1950, 1, 1 + n), phone=f"1540000{n:04}",
            id_number=f"33019719500101{n:03}X", division_code="330197002101",
            home_organisation=town if n < 9 else county,
        )
        for n in range(10)
    ]  # fmt: skip
    rows = {
        "planner": ("transport_planner", "陈转运", county, None),
        "second_planner": ("transport_planner", "周转运", county, None),
        "driver": ("transport_driver", "转1车组", ems, None),
        "other_driver": ("transport_driver", "转2车组", ems, None),
        "doctor": ("township_doctor", "中渡医生", town, None),
        "patient": ("resident", "试客0", county, residents[0].pk),
        "village": ("village_doctor", "村医", town, None),
    }
    accounts = {
        key: Account.objects.create(username=key, name=name, role=role, organisation=place, resident_id=resident)
        for key, (role, name, place, resident) in rows.items()
    }
    first = centre.vehicles["transport"]
    second = Vehicle.objects.create(
        code="转2", kind="transport", capabilities=["transport"], fleet="transport", station=centre.stations["east"]
    )
    vehicles = {"first": first, "second": second}
    layouts = {"first": [[4, 1, 0], [1, 0, 1]], "second": [[3, 0, 0]]}
    for key, driver in (("first", "driver"), ("second", "other_driver")):
        Vehicle.objects.filter(pk=vehicles[key].pk).update(crew=accounts[driver])
        TransportVehicle.objects.create(
            vehicle=vehicles[key], layouts=layouts[key], equipment=["oxygen"] if key == "first" else [],
            shift_from=dt.time(6), shift_until=dt.time(20), rest_minutes=30,
        )  # fmt: skip
    x, y = centre.towns["330197001"]
    made = Transport(centre, vehicles, accounts | centre.accounts, residents, hospital=Spot("第一人民医院", x, y + 0.3))
    made.actors = {name: actor_of(account) for name, account in made.accounts.items()}
    return made


def at(hour: float, on: dt.date = TODAY) -> dt.datetime:
    return dt.datetime.combine(on, dt.time(), NOW.tzinfo) + dt.timedelta(hours=hour)


def told(ride: Ride) -> tuple[float, float]:
    return ride.promised_from, ride.promised_until
