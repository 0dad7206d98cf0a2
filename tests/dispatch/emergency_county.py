"""A small county with a 120 centre, made row by row: three townships in a line, two stations, two hospitals."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from healthbrain.access.models import Account
from healthbrain.access.queries import actor_of
from healthbrain.access.rules import Actor
from healthbrain.county.models import Organisation, Place
from healthbrain.dispatch import network
from healthbrain.dispatch.actions import calls
from healthbrain.dispatch.models import HospitalState, LandMark, Station, Vehicle
from healthbrain.dispatch.queries import recommend
from healthbrain.kernel.clock import COUNTY_ZONE

NOW = dt.datetime(2026, 4, 1, 9, 0, tzinfo=COUNTY_ZONE)


@dataclass
class Centre:
    """What the tests ask for by name."""

    towns: dict[str, tuple[float, float]]
    stations: dict[str, Station]
    vehicles: dict[str, Vehicle]
    hospitals: dict[str, Organisation]
    accounts: dict[str, Account]
    actors: dict[str, Actor] = field(default_factory=dict)


def _organisation(code: str, name: str, kind: str, parent: Organisation | None) -> Organisation:
    one = Organisation.objects.create(code=code, name=name, kind=kind, parent=parent, path=f"?{code}")
    one.path = f"{parent.path if parent else '/'}{one.pk}/"
    one.save()
    return one


def build() -> Centre:
    """East, middle and west town on a road of some 11 km; a station in the east and in the west."""
    network.forget()
    recommend._coverage.cache_clear()
    county = _organisation("C", "安澜区", "county", None)
    ems = _organisation("E", "安澜区急救中心", "ems", county)
    hospitals = {
        "first": _organisation("H1", "安澜区第一人民医院", "hospital", county),
        "second": _organisation("H2", "安澜区第二人民医院", "hospital", county),
    }
    root = Place.objects.create(code="330197", name="安澜区")
    towns = {"330197001": ("东浦镇", 0), "330197002": ("中渡镇", 1), "330197003": ("西塘镇", 2)}
    for code, (name, x) in towns.items():
        Place.objects.create(code=code, name=name, parent=root, tile_x=x, tile_y=0)
    at = network.places()
    for code, (name, _) in towns.items():
        x, y = at[code]
        LandMark.objects.create(name=name, kind="township", code=code, x=x, y=y, township=code)
        LandMark.objects.create(
            name=f"{name[:2]}一村", kind="village", code=f"{code}101", x=x + 0.2, y=y, township=code
        )
    stations = {
        name: Station.objects.create(code=name, name=zh, kind="station", x=at[code][0], y=at[code][1], township=code)
        for name, zh, code in (("east", "东浦急救站", "330197001"), ("west", "西塘急救站", "330197003"))
    }
    accounts = _accounts(county, ems, hospitals["first"])
    vehicles = _vehicles(stations, accounts)
    for name, code, centres in (
        ("first", "330197001", ["chest-pain", "stroke", "trauma"]),
        ("second", "330197003", ["maternal", "newborn"]),
    ):
        x, y = at[code]
        HospitalState.objects.create(
            organisation=hospitals[name], x=x, y=y + 0.3, capabilities=centres, emergency_beds=4, changed=NOW
        )
    made = Centre({k: at[k] for k in towns}, stations, vehicles, hospitals, accounts)
    made.actors = {name: actor_of(account) for name, account in accounts.items()}
    return made


def _accounts(county: Organisation, ems: Organisation, hospital: Organisation) -> dict[str, Account]:
    wanted = {
        "dispatcher": ("dispatcher", "王调度", county),
        "second_dispatcher": ("dispatcher", "李调度", county),
        "crew": ("crew", "急东1车组", ems),
        "other_crew": ("crew", "急西1车组", ems),
        "hospital": ("hospital_doctor", "急诊医生", hospital),
        "bureau": ("bureau", "卫健局", county),
    }
    return {
        key: Account.objects.create(username=key, name=name, role=role, organisation=place)
        for key, (role, name, place) in wanted.items()
    }


def _vehicles(stations: dict[str, Station], accounts: dict[str, Account]) -> dict[str, Vehicle]:
    rows = [
        ("east1", "急东1", "monitoring", ["als", "monitor"], "emergency", "east", "crew"),
        ("east2", "急东2", "ordinary", ["bls"], "emergency", "east", None),
        ("west1", "急西1", "monitoring", ["als", "monitor"], "emergency", "west", "other_crew"),
        ("transport", "转1", "transport", ["transport"], "transport", "east", None),
    ]
    return {
        key: Vehicle.objects.create(
            code=code, kind=kind, capabilities=can, fleet=fleet, station=stations[station],
            crew=accounts[crew] if crew else None,
        )
        for key, code, kind, can, fleet, station, crew in rows
    }  # fmt: skip


def history(centre: Centre, now: dt.datetime = NOW) -> None:
    """Thirty calls of the last three weeks, half in the east, half in the west, one every six hours."""
    by = centre.actors["dispatcher"]
    for number in range(30):
        x, y = centre.towns["330197001" if number % 2 else "330197003"]
        moment = now - dt.timedelta(days=20) + dt.timedelta(hours=6 * number)
        call = calls.take_call(by=by, now=moment, phone=str(number))
        calls.locate(by=by, now=moment, call_id=call, place="", x=x, y=y, how="map")
        calls.set_priority(by=by, now=moment, call_id=call, priority=2, suspected="other")
