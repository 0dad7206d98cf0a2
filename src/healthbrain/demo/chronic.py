"""Managed people: follow-up visits of three years; pressure, sugar and breath on a course."""

from __future__ import annotations

import numpy as np

from healthbrain.demo.disease import Health
from healthbrain.demo.geography import County
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.people import People
from healthbrain.demo.story import (
    CLASS,
    DBP,
    FEV1,
    FPG,
    HIS,
    PH,
    PULSE,
    SBP,
    SPO2,
    WEIGHT,
    Story,
    assign,
    repeat,
)
from healthbrain.demo.streams import stream

CONTROLLED, FIRST, TWICE, URGENT = range(4)
REGULAR, LOST, NEW, PHONE_ONLY = range(4)
DRUGS = {"hypertension": (0, 1, 2, 3), "type-2-diabetes": (4, 5, 6), "copd": (7, 8)}


def tell_chronic(
    p: Parameters, county: County, people: People, health: Health, story: Story, seed: int
) -> dict[str, np.ndarray]:
    """Adds the visits; returns the planted state of each person for the truth layer."""
    rng = stream(seed, "chronic", people.block)
    managed = np.any(list(health.managed.values()), axis=0)
    rhythm = assign(rng, p("chronic_visits.rhythm"), managed, people.block)
    states = {"rhythm": rhythm}
    for name in ("hypertension", "type-2-diabetes"):
        states[name] = assign(
            rng, p(f"chronic_visits.{name}"), health.managed[name] & (rhythm == REGULAR), people.block
        )
    _diagnosed(people, health, managed, rhythm, rng)
    _register(p, county, people, health, story, rng)
    person, nth, day = _schedule(p, people, health, rhythm, states, rng)
    station = county.village_station[people.village[person]]
    states["before"] = _before(people, person, nth, day)
    cls = _classes(p, rng, nth, rhythm[person])
    visit = story.visit(person, day, station, channel=PH, type="follow-up", cls=cls, rng=rng)
    states["referred"] = _refer(p, county, people, health, story, rng, states, person[nth == 0], day[nth == 0])
    seen = cls != CLASS["PHONE"]
    person, nth, visit = person[seen], nth[seen], visit[seen]
    keep = nth <= 1
    _pressure(people, health, states["hypertension"], story, rng, person, nth, visit, keep)
    _sugar(health, states["type-2-diabetes"], story, rng, person, nth, visit, keep)
    _breath(p, people, health, story, rng, person, nth, visit)
    weight = people.bmi[person] * (people.height[person] / 100) ** 2 + rng.normal(0, 1.2, len(person))
    story.observe(visit, WEIGHT, weight, decimals=1)
    _prescriptions(health, story, rng, person, nth, visit)
    return states


def _refer(
    p: Parameters,
    county: County,
    people: People,
    health: Health,
    story: Story,
    rng: np.random.Generator,
    states: dict[str, np.ndarray],
    person: np.ndarray,
    day: np.ndarray,
) -> np.ndarray:
    """Some of those who need it were referred after their last visit and seen at the county hospital; others wait."""
    need = np.maximum(states["hypertension"], states["type-2-diabetes"])[person]
    goes = (need >= TWICE) & (rng.random(len(person)) < p("chronic_visits.referred"))
    when = day + rng.integers(1, 7, len(person))
    goes &= when < people.as_of
    person, when, urgent = person[goes], when[goes], need[goes] == URGENT
    hospital = np.full(len(person), county.hospitals[0])
    visit = story.visit(person, when, hospital, channel=HIS, type="outpatient", rng=rng, minutes=30)
    story.refer(visit, urgent)
    hypertensive = health.managed["hypertension"][person]
    codes = np.array(p("disease.hypertension.icd10"), object)[health.code["hypertension"][person]]
    story.diagnose(visit[hypertensive], codes[hypertensive])
    referred = np.full(len(people), -1, np.int8)
    referred[person] = 0
    return referred


def _diagnosed(
    people: People, health: Health, managed: np.ndarray, rhythm: np.ndarray, rng: np.random.Generator
) -> None:
    """New people were diagnosed within weeks; the others long enough ago for their last two visits."""
    recent = people.as_of - rng.integers(3, 26, len(people))
    oldest = people.as_of - np.where(rhythm == LOST, 850, 250)
    for since in health.since.values():
        since[managed] = np.where(rhythm == NEW, recent, np.minimum(since, oldest))[managed]


def _register(
    p: Parameters, county: County, people: People, health: Health, story: Story, rng: np.random.Generator
) -> None:
    """The chronic-disease card: the diagnosis as the township enters it, dated when it was made."""
    for name, managed in health.managed.items():
        who = np.flatnonzero(managed)
        codes = np.array(p(f"disease.{name}.icd10"), object)
        centre = county.village_centre[people.village[who]]
        visit = story.visit(who, health.since[name][who], centre, channel=PH, type="registration", rng=rng, shown=False)
        story.diagnose(visit, codes[health.code[name][who]])


def _schedule(
    p: Parameters,
    people: People,
    health: Health,
    rhythm: np.ndarray,
    states: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(person, how many visits ago, day) of every follow-up.

    A person whose last reading was too high was seen days ago, or weeks: both are work, one due and one overdue.
    """
    who = np.flatnonzero((rhythm >= 0) & (rhythm != NEW))
    high = np.max([states["hypertension"], states["type-2-diabetes"]], axis=0)[who] >= FIRST
    back = np.where(high & (rng.random(len(who)) < 0.6), rng.integers(2, 13, len(who)), rng.integers(3, 96, len(who)))
    back = np.where(high & (back > 40), back // 2, back)
    back = np.where(rhythm[who] == LOST, rng.integers(430, 700, len(who)), back)
    row, nth = repeat(np.full(len(who), 4 * int(p("chronic_visits.history_years"))))
    gap = rng.integers(80, 101, len(row)) * (nth > 0)
    steps = np.cumsum(gap.reshape(len(who), -1), axis=1).ravel()
    day = people.as_of - back[row] - steps
    start = np.min(
        [np.where(managed, health.since[name], people.as_of) for name, managed in health.managed.items()], axis=0
    )
    ok = (day > np.maximum(start[who], people.as_of - 365 * p("chronic_visits.history_years"))[row]) | (nth <= 1)
    return who[row[ok]], nth[ok], day[ok]


def _before(people: People, person: np.ndarray, nth: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The day before the last visit but one: readings elsewhere must be older, or the planted state would not hold."""
    out = np.full(len(people), people.as_of, np.int32)
    for step in (0, 1):
        out[person[nth == step]] = day[nth == step] - 1
    return out


def _classes(p: Parameters, rng: np.random.Generator, nth: np.ndarray, rhythm: np.ndarray) -> np.ndarray:
    u = rng.random(len(nth))
    cls = np.where(u < p("chronic_visits.home"), CLASS["HH"], CLASS["AMB"])
    cls = np.where((u > 1 - p("chronic_visits.phone")) & (nth > 1), CLASS["PHONE"], cls)
    return np.where((rhythm == PHONE_ONLY) & (nth <= 1), CLASS["PHONE"], cls)


def _course(state: np.ndarray, nth: np.ndarray, rng: np.random.Generator, control: np.ndarray) -> np.ndarray:
    """Is this reading above the target? The last two follow the planted state, the earlier ones the person's habit."""
    earlier = rng.random(len(nth)) > control
    high = np.where(nth >= 2, earlier, False)
    high |= (nth == 0) & (state >= FIRST)
    high |= (nth == 1) & ((state == TWICE) | ((state == URGENT) & earlier))
    return np.where(state < 0, earlier, high)


def _pressure(
    people: People,
    health: Health,
    state: np.ndarray,
    story: Story,
    rng: np.random.Generator,
    person: np.ndarray,
    nth: np.ndarray,
    visit: np.ndarray,
    keep: np.ndarray,
) -> None:
    """Target 140/90, from 65 years 150/90: "high" here is above, "controlled" below, for either."""
    n = len(person)
    habit = np.clip(0.72 + 0.1 * people.frailty * -1, 0.3, 0.95)[person]
    high = _course(state[person], nth, rng, habit) & health.has["hypertension"][person]
    floor = np.where(people.age[person] >= 65, 151, 141)
    sbp = np.where(high, floor + np.abs(rng.normal(0, 8, n)).clip(0, 27), rng.normal(126, 7, n).clip(98, 138))
    dbp = np.where(high, rng.normal(87, 6, n).clip(70, 106), rng.normal(77, 5, n).clip(56, 88))
    urgent = (state[person] == URGENT) & (nth == 0)
    by_systolic = rng.random(n) < 0.7
    sbp = np.where(urgent & by_systolic, rng.integers(181, 206, n), sbp)
    dbp = np.where(urgent & ~by_systolic, rng.integers(111, 121, n), dbp)
    story.observe(visit, SBP, sbp, keep=keep)
    story.observe(visit, DBP, dbp, keep=keep)
    story.observe(visit, PULSE, rng.normal(75, 8, n).clip(52, 99), keep=keep)


def _sugar(
    health: Health,
    state: np.ndarray,
    story: Story,
    rng: np.random.Generator,
    person: np.ndarray,
    nth: np.ndarray,
    visit: np.ndarray,
    keep: np.ndarray,
) -> None:
    mine = health.managed["type-2-diabetes"][person]
    person, nth, visit, keep = person[mine], nth[mine], visit[mine], keep[mine]
    n = len(person)
    high = _course(state[person], nth, rng, np.full(n, 0.55))
    fpg = np.where(high, 7.1 + rng.exponential(1.4, n).clip(0, 8.5), rng.normal(6.1, 0.45, n).clip(4.4, 6.8))
    urgent = (state[person] == URGENT) & (nth == 0)
    fpg = np.where(urgent, np.where(rng.random(n) < 0.6, rng.uniform(16.8, 22, n), rng.uniform(2.9, 3.8, n)), fpg)
    story.observe(visit, FPG, fpg, decimals=1, keep=keep)


def _breath(
    p: Parameters,
    people: People,
    health: Health,
    story: Story,
    rng: np.random.Generator,
    person: np.ndarray,
    nth: np.ndarray,
    visit: np.ndarray,
) -> None:
    mine = health.managed["copd"][person]
    person, nth, visit = person[mine], nth[mine], visit[mine]
    story.observe(visit, SPO2, rng.normal(95, 1.8, len(person)).clip(84, 99))
    measured = (nth % 4 == 2) & (rng.random(len(people)) < p("chronic_visits.spirometry"))[person]
    story.observe(visit[measured], FEV1, rng.normal(60, 7, int(measured.sum())).clip(33, 69), decimals=1)


def _prescriptions(
    health: Health, story: Story, rng: np.random.Generator, person: np.ndarray, nth: np.ndarray, visit: np.ndarray
) -> None:
    """Drugs at the visits of the last year; the same person stays on the same drug."""
    for name, drugs in DRUGS.items():
        own = np.array(drugs)[rng.integers(0, len(drugs), len(health.managed[name]))]
        now = health.managed[name][person] & (nth < 4) & (rng.random(len(person)) < 0.35)
        story.prescribe(visit[now], own[person[now]], days=84)
