"""A made-up 120 centre for the synthetic county: sites, vehicles, hospitals, AEDs, first-aiders, months of past calls.

Sizes follow the district's plan (1 centre, 4 stations, 7 points, 69 vehicles, 67,000 calls a year at 1.65 million),
scaled by population. Everything is synthetic.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np
from django.db import transaction

from healthbrain.county.models import Organisation, Place
from healthbrain.demo.emergency_history import write_history
from healthbrain.demo.emergency_traffic import begin
from healthbrain.demo.parameters import parameters
from healthbrain.demo.streams import stream
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.models import Aed, FirstAider, HospitalState, LandMark, Station, Vehicle

SITES, FLEET, TRANSPORT, FULL = 12, 69, 6, 1_650_000
STATIONS = 4  # of the sites, after the centre; the others are points
KINDS = ("negative-pressure", "monitoring", "negative-pressure", "ordinary", "negative-pressure", "monitoring",
         "ordinary", "negative-pressure", "monitoring", "newborn")  # fmt: skip
CENTRES = (  # capabilities of the hospitals in the order of the register; a county with one hospital has all in it
    ("chest-pain", "stroke", "trauma"), ("stroke",), ("chest-pain", "trauma"), ("maternal", "newborn"),
    ("trauma",), (), (),
)  # fmt: skip
ALL = ("chest-pain", "stroke", "trauma", "maternal", "newborn")


@dataclass(frozen=True, slots=True)
class Zones:
    """Villages of the county: code, name, x, y, share of residents."""

    codes: list[str]
    names: list[str]
    xy: np.ndarray
    share: np.ndarray


@transaction.atomic
def build(*, residents: int, seed: int, now: dt.datetime) -> dict[str, int]:
    """The whole centre; counts of what was made. Cost: under a second at 2,000 residents."""
    rng = stream(seed, "emergency", 0)
    network.forget()
    places = network.places()
    towns = {code: at for code, at in places.items() if len(code) == 9}
    zones = _landmarks(places, residents)
    sites = _stations(towns, zones)
    vehicles = _vehicles(sites, residents)
    _hospitals(towns, now, rng)
    helpers = _helpers(zones, residents, rng, now.date())
    calls = write_history(zones, residents=residents, now=now, rng=rng)
    begin(now, seed)
    return {"stations": len(sites), "vehicles": vehicles, "helpers": helpers, "past_calls": calls}


def _landmarks(places: dict[str, tuple[float, float]], residents: int) -> Zones:
    rows = list(Place.objects.filter(code__in=list(places)).select_related("organisation").order_by("code"))
    marks = []
    for place in rows:
        x, y = places[place.code]
        town = place.code[:9]
        kind = "township" if len(place.code) == 9 else "village"
        marks.append(LandMark(name=place.name, kind=kind, code=place.code, x=x, y=y, township=town))
        if place.organisation and place.organisation.kind in {"township", "village"}:
            name = place.organisation.name
            marks.append(LandMark(name=name, kind="organisation", code=place.code, x=x + 0.05, y=y, township=town))
    LandMark.objects.bulk_create(marks)
    villages = [p for p in rows if len(p.code) == 12]
    weight = _residents_by_village()
    share = np.array([1.0 + weight.get(p.code, 0) for p in villages])
    xy = np.array([places[p.code] for p in villages])
    return Zones([p.code for p in villages], [p.name for p in villages], xy, share / share.sum())


def _residents_by_village() -> dict[str, int]:
    from healthbrain.kernel.db import select

    sql = "SELECT left(division_code, 12), count(*) FROM residents_resident WHERE division_code <> '' GROUP BY 1"
    return dict(select(sql))


def _stations(towns: dict[str, tuple[float, float]], zones: Zones) -> list[Station]:
    """The centre in the middle, then each site as far as possible from those that stand: even cover from the start."""
    codes, xy = sorted(towns), np.array([towns[c] for c in sorted(towns)])
    names = dict(Place.objects.filter(code__in=codes).values_list("code", "name"))
    count = min(SITES, len(codes), max(2, math.ceil(0.6 * len(codes))))
    chosen = [int(np.argmin(((xy - zones.xy.mean(0)) ** 2).sum(1)))]
    while len(chosen) < count:
        away = np.min(((xy[:, None] - xy[chosen][None]) ** 2).sum(-1), axis=1)
        chosen.append(int(np.argmax(away)))
    made = []
    for number, k in enumerate(chosen):
        kind, word = ("centre", "急救中心") if number == 0 else ("station", "急救站")
        if number > STATIONS:
            kind, word = "point", "急救点"
        name = names[codes[k]].removesuffix("街道").removesuffix("镇")
        x, y = xy[k] + 0.25
        made.append(Station(code=f"S{number:02}", name=f"{name}{word}", kind=kind, x=x, y=y, township=codes[k]))
    return Station.objects.bulk_create(made)


def _vehicles(sites: list[Station], residents: int) -> int:
    kinds = knowledge.vehicle_kinds()
    count = max(2 * len(sites), round(FLEET * residents / FULL))
    rows = [(KINDS[n % len(KINDS)], "emergency", f"急{n + 1:02}", sites[n % len(sites)]) for n in range(count)]
    borrowed = max(2, round(TRANSPORT * residents / FULL))
    rows += [("transport", "transport", f"转{n + 1:02}", sites[0]) for n in range(borrowed)]
    made = [
        Vehicle(code=code, kind=kind, fleet=fleet, station=site, capabilities=kinds[kind]["capabilities"])
        for kind, fleet, code, site in rows
    ]
    Vehicle.objects.bulk_create(made)
    return count


def _hospitals(towns: dict[str, tuple[float, float]], now: dt.datetime, rng: np.random.Generator) -> None:
    """Hospitals stand in the towns nearest to the middle, one each."""
    hospitals = list(Organisation.objects.filter(kind=Organisation.Kind.HOSPITAL).order_by("id"))
    xy = np.array([towns[c] for c in sorted(towns)])
    order = np.argsort(((xy - xy.mean(0)) ** 2).sum(1))
    rows, marks = [], []
    for number, hospital in enumerate(hospitals):
        x, y = xy[order[number % len(order)]] + rng.uniform(0.3, 0.7, 2)
        able: tuple[str, ...] = ALL if len(hospitals) == 1 else CENTRES[number]
        if len(hospitals) == 2:
            able = (ALL[:3], ALL[1:])[number]
        rows.append(
            HospitalState(
                organisation=hospital, x=x, y=y, capabilities=list(able), changed=now, changed_by="演示 demo",
                emergency_beds=int(rng.integers(2, 12)), icu_beds=int(rng.integers(0, 5)),
            )
        )  # fmt: skip
        marks.append(LandMark(name=hospital.name, kind="organisation", x=x, y=y, code=hospital.code))
    HospitalState.objects.bulk_create(rows)
    LandMark.objects.bulk_create(marks)


def _helpers(zones: Zones, residents: int, rng: np.random.Generator, today: dt.date) -> int:
    """One AED for about 5,500 residents and one first-aider for 1,000, at least one an inhabited place of each."""
    surnames, given = "王李张刘陈杨黄赵吴周", "伟芳娜敏静强磊军洋勇艳杰"
    prefixes = parameters()("county.mobile_prefixes")
    aeds, people = max(8, round(residents / 5500)), max(10, residents // 1000)
    where = rng.choice(len(zones.codes), aeds + people, p=zones.share)
    xy = zones.xy[where] + rng.normal(0, 0.25, (aeds + people, 2))
    Aed.objects.bulk_create(
        Aed(
            place=f"{zones.names[where[k]]}{('文化礼堂', '便民服务中心', '卫生室门口')[k % 3]}", x=xy[k, 0], y=xy[k, 1],
            hours="全天" if k % 3 else "8:00–20:00", working=bool(rng.random() > 0.05),
            checked_on=today - dt.timedelta(days=int(rng.integers(0, 60))),
        )
        for k in range(aeds)
    )  # fmt: skip
    FirstAider.objects.bulk_create(
        FirstAider(
            name=surnames[int(rng.integers(10))] + given[int(rng.integers(12))] + given[int(rng.integers(12))],
            phone=f"{prefixes[int(rng.integers(len(prefixes)))]}{int(rng.integers(10**8)):08}",
            x=xy[aeds + k, 0], y=xy[aeds + k, 1],
            certified_until=today + dt.timedelta(days=int(rng.integers(-90, 700))),
        )
        for k in range(people)
    )  # fmt: skip
    return aeds + people


def bind_crew(account_id: int) -> None:
    """Put the demo crew's phone on the first ambulance that has none, once."""
    if not Vehicle.objects.filter(crew_id=account_id).exists():
        free = Vehicle.objects.filter(crew=None, fleet=Vehicle.Fleet.EMERGENCY).order_by("id").first()
        if free is not None:
            Vehicle.objects.filter(pk=free.pk).update(crew_id=account_id)
