"""Public-health services beside chronic care: elderly and adult examinations, children, vaccines, screening."""

from __future__ import annotations

import numpy as np

from healthbrain.demo.disease import Health
from healthbrain.demo.geography import County
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.people import People
from healthbrain.demo.story import (
    BMI,
    DBP,
    FPG,
    HB,
    HBA1C,
    HEIGHT,
    PH,
    PULSE,
    SBP,
    TC,
    WAIST,
    WEIGHT,
    Story,
    assign,
    repeat,
)
from healthbrain.demo.streams import stream

# Boys' length (cm) and weight (kg) at the ages of the schedule, near the median of WS/T 423-2022; girls are 2 % less.
GROWTH_MONTHS = (0, 1, 3, 6, 8, 12, 18, 24, 30, 36, 48, 60, 72)
GROWTH_CM = (50.4, 54.8, 62.0, 68.4, 71.3, 76.5, 82.7, 88.5, 93.3, 97.5, 104.6, 111.8, 118.2)
GROWTH_KG = (3.3, 4.5, 6.7, 8.4, 9.1, 10.1, 11.3, 12.5, 13.6, 14.7, 16.9, 19.3, 22.0)
YEAR = 365


def tell_examinations(
    p: Parameters,
    county: County,
    people: People,
    health: Health,
    story: Story,
    seed: int,
    states: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    rng = stream(seed, "examinations", people.block)
    year_start = _year_start(people.as_of)
    tcm = stream(seed, "tcm", people.block)
    passed = (people.as_of - year_start) / YEAR
    this_year = p("elderly.attendance") * passed
    shares = {
        "examined": this_year,
        "not-yet": max(1 - this_year - p("elderly.never"), 0.02),
        "never": p("elderly.never"),
    }
    elderly = assign(rng, shares, (people.age >= 65) & (people.died > people.as_of), people.block)
    for back in range(int(p("chronic_visits.history_years"))):
        start = year_start - back * 365 - (back > 2)
        goes = (elderly >= 0) & (rng.random(len(people)) < p("elderly.attendance")) & (elderly != 2)
        who = np.flatnonzero(elderly == 0) if back == 0 else np.flatnonzero(goes & (people.age - back >= 65))
        span = max(people.as_of - start, 1) if back == 0 else YEAR
        day = np.minimum(start + rng.integers(0, span, len(who)), states["before"][who])
        if back == 0:
            elderly[who[day < year_start]] = 1
            also = (tcm.random(len(who)) < p("elderly.tcm")) & (day >= year_start)
            _chinese_medicine(county, people, story, tcm, who[also], day[also])
        _examine(p, county, people, health, story, rng, who, day, full=True)
    _adult_readings(p, county, people, health, story, rng, states)
    return {"elderly": elderly}


def _year_start(as_of: int) -> int:
    return int(np.datetime64(int(as_of), "D").astype("datetime64[Y]").astype("datetime64[D]").astype(int))


def _examine(
    p: Parameters,
    county: County,
    people: People,
    health: Health,
    story: Story,
    rng: np.random.Generator,
    who: np.ndarray,
    day: np.ndarray,
    *,
    full: bool,
) -> None:
    """A yearly examination at the centre; readings agree with what the person truly has."""
    n = len(who)
    visit = story.visit(who, day, county.village_centre[people.village[who]], channel=PH, type="health-check", rng=rng)
    high = health.has["hypertension"][who] & (rng.random(n) < 0.45)
    sbp = np.where(high, rng.normal(152, 9, n).clip(141, 178), rng.normal(126, 9, n).clip(96, 139))
    story.observe(visit, SBP, sbp)
    story.observe(visit, DBP, np.where(high, rng.normal(86, 7, n).clip(66, 106), rng.normal(76, 6, n).clip(54, 89)))
    height = people.height[who]
    weight = people.bmi[who] * (height / 100) ** 2 + rng.normal(0, 1, n)
    story.observe(visit, HEIGHT, height)
    story.observe(visit, WEIGHT, weight, decimals=1)
    story.observe(visit, WAIST, 2.6 * people.bmi[who] + np.where(people.sex[who] == 1, 24, 19) + rng.normal(0, 3, n))
    if not full:
        return
    diabetic = health.has["type-2-diabetes"][who]
    story.observe(visit, PULSE, rng.normal(74, 8, n).clip(50, 110))
    story.observe(visit, BMI, weight / (height / 100) ** 2, decimals=1)
    story.observe(
        visit,
        FPG,
        np.where(diabetic, rng.normal(7.6, 1.3, n).clip(5.2, 16), rng.normal(5.3, 0.45, n).clip(4, 6.9)),
        decimals=1,
    )
    story.observe(visit, TC, rng.normal(4.9, 0.9, n).clip(2.5, 9), decimals=2)
    some = rng.random(n) < 0.3
    story.observe(
        visit[some],
        HBA1C,
        np.where(diabetic[some], rng.normal(7.2, 0.9, some.sum()), rng.normal(5.5, 0.3, some.sum())),
        decimals=1,
    )


def _adult_readings(
    p: Parameters,
    county: County,
    people: People,
    health: Health,
    story: Story,
    rng: np.random.Generator,
    states: dict[str, np.ndarray],
) -> None:
    """Managed people's yearly examination; pressures of the unmanaged; three high days without a diagnosis."""
    alive = people.died > people.as_of
    managed = (states["rhythm"] == 0) & (people.age < 65)
    who = np.flatnonzero(managed & (rng.random(len(people)) < p("adults.managed_examination")))
    day = np.minimum(people.as_of - rng.integers(10, 360, len(who)), states["before"][who])
    _examine(p, county, people, health, story, rng, who, day, full=False)
    free = (people.age >= 35) & (people.age < 65) & (states["rhythm"] < 0) & alive
    suspect = free & ~health.known["hypertension"] & (rng.random(len(people)) < p("adults.suspect"))
    if people.block == 0 and suspect.sum() < 2:
        suspect[np.flatnonzero(free & ~health.known["hypertension"])[:2]] = True
    states["suspect"] = np.where(suspect, 0, -1).astype(np.int8)
    _pressure_of_unmanaged(p, county, people, health, story, rng, np.flatnonzero(free & ~suspect))
    three, nth = repeat(np.full(int(suspect.sum()), 3))
    person = np.flatnonzero(suspect)[three]
    station = county.village_station[people.village[person]]
    visit = story.visit(
        person,
        people.as_of - 4 - nth * 9 - rng.integers(0, 5, len(nth)),
        station,
        channel=PH,
        type="outpatient",
        rng=rng,
    )
    story.observe(visit, SBP, rng.normal(154, 8, len(nth)).clip(142, 176), keep=True)
    story.observe(visit, DBP, rng.normal(93, 5, len(nth)).clip(78, 107), keep=True)


def _pressure_of_unmanaged(
    p: Parameters,
    county: County,
    people: People,
    health: Health,
    story: Story,
    rng: np.random.Generator,
    pool: np.ndarray,
) -> None:
    who = np.tile(pool, 3)
    year = np.repeat(np.arange(3), len(pool))
    go = rng.random(len(who)) < p("adults.yearly_pressure")
    who, year = who[go], year[go]
    n = len(who)
    station = county.village_station[people.village[who]]
    day = people.as_of - year * YEAR - rng.integers(3, 355, n)
    visit = story.visit(who, day, station, channel=PH, type="outpatient", rng=rng)
    u = rng.random(n)
    high = health.has["hypertension"][who] & (u < 0.5)
    border = ~high & (u > 1 - p("adults.high_normal"))
    sbp = np.where(
        high,
        rng.normal(148, 7, n).clip(141, 176),
        np.where(border, rng.integers(130, 139, n), rng.normal(118, 7, n).clip(92, 129)),
    )
    story.observe(visit, SBP, sbp)
    story.observe(visit, DBP, np.where(high, rng.normal(90, 7, n).clip(68, 106), rng.normal(75, 5, n).clip(54, 84)))
    story.observe(visit, PULSE, rng.normal(74, 8, n).clip(50, 108))
    some = rng.random(n) < 0.5
    story.observe(visit[some], WEIGHT, (people.bmi * (people.height / 100) ** 2)[who[some]], decimals=1)
    story.observe(visit[some], HEIGHT, people.height[who[some]])


def tell_children(p: Parameters, county: County, people: People, story: Story, seed: int) -> dict[str, np.ndarray]:
    rng = stream(seed, "children", people.block)
    child = (people.age <= 6) & (people.died > people.as_of)
    pattern = assign(rng, p("children.pattern"), child, people.block)
    months = np.array(p("children.schedule_months"))
    who = np.flatnonzero(child)
    row, nth = repeat(np.full(len(who), len(months)))
    person = who[row]
    window = people.birth[person] + (months[nth] * 30.4375).astype(int)
    newborn = nth == 0
    day = window + np.where(newborn, rng.integers(3, 9, len(row)), np.where(nth == 1, 0, rng.integers(1, 27, len(row))))
    past = day < people.as_of
    last = np.maximum.reduceat(np.where(past, nth, -1), np.arange(0, len(row), len(months))) if len(who) else nth
    kind = pattern[person]
    comes = past & (rng.random(len(row)) < 0.95) & (kind != 3)
    comes &= ~((kind == 1) & (nth >= last[row] - 0))
    comes &= ~((kind == 2) & (nth < last[row]))
    comes &= day > people.as_of - 3 * YEAR
    _child_visits(county, people, story, rng, person[comes], nth[comes], day[comes])
    tcm = stream(seed, "child-tcm", people.block)
    also = comes & np.isin(months[nth], p("children.tcm_months")) & (tcm.random(len(row)) < p("children.tcm"))
    _chinese_medicine(county, people, story, tcm, person[also], day[also])
    _born(p, county, people, story, tcm, who)
    _vaccinate(p, county, people, story, rng, who[pattern[who] != 3])
    return {"children": pattern}


def _child_visits(
    county: County,
    people: People,
    story: Story,
    rng: np.random.Generator,
    person: np.ndarray,
    nth: np.ndarray,
    day: np.ndarray,
) -> None:
    centre = county.village_centre[people.village[person]]
    for newborn in (True, False):
        mine = (nth == 0) == newborn
        who, step = person[mine], nth[mine]
        kind, cls = ("newborn-visit", "HH") if newborn else ("child-visit", "AMB")
        visit = story.visit(who, day[mine], centre[mine], channel=PH, type=kind, cls=cls, rng=rng)
        girl = np.where(people.sex[who] == 2, 0.982, 1.0)
        own = 1 + 0.035 * people.metabolic[who]
        story.observe(visit, HEIGHT, np.array(GROWTH_CM)[step] * girl * (1 + 0.02 * people.metabolic[who]), decimals=1)
        story.observe(visit, WEIGHT, np.array(GROWTH_KG)[step] * girl * own * rng.normal(1, 0.04, len(who)), decimals=2)
        blood = np.isin(step, (3, 6, 8, 10, 11, 12))
        story.observe(visit[blood], HB, rng.normal(121, 9, int(blood.sum())).clip(82, 150))


def _chinese_medicine(
    county: County, people: People, story: Story, rng: np.random.Generator, who: np.ndarray, day: np.ndarray
) -> None:
    centre = county.village_centre[people.village[who]]
    story.visit(who, day, centre, channel=PH, type="tcm-service", rng=rng)


def _born(
    p: Parameters, county: County, people: People, story: Story, rng: np.random.Generator, who: np.ndarray
) -> None:
    """The stay of the last two years' children at birth: three days, told by the maternal and child system."""
    known = rng.random(len(who)) < p("children.birth_stay")
    who = who[known & (people.birth[who] > people.as_of - 2 * YEAR) & (people.birth[who] + 4 <= people.as_of)]
    story.visit(
        who, people.birth[who], county.hospitals[0], channel=PH, type="inpatient", cls="IMP", rng=rng, minutes=3 * 1440
    )


def _vaccinate(
    p: Parameters, county: County, people: People, story: Story, rng: np.random.Generator, who: np.ndarray
) -> None:
    plan = p("children.vaccines")
    vaccine = np.array([v for v, _ in plan], object)
    dose = np.array([sum(1 for v, _ in plan[: i + 1] if v == plan[i][0]) for i in range(len(plan))])
    month = np.array([m for _, m in plan])
    row, nth = repeat(np.full(len(who), len(plan)))
    day = people.birth[who[row]] + (month[nth] * 30.4375).astype(int) + rng.integers(0, 22, len(row))
    given = (day < people.as_of) & (day > people.as_of - 3 * YEAR) & (rng.random(len(row)) < p("children.vaccinated"))
    person, nth = who[row[given]], nth[given]
    centre = county.village_centre[people.village[person]]
    visit = story.visit(person, day[given], centre, channel=PH, type="vaccination", rng=rng, shown=False)
    story.immunize(visit, vaccine[nth], dose[nth])
    old = np.flatnonzero((people.age >= 70) & (rng.random(len(people)) < p("influenza.elderly")))
    centre = county.village_centre[people.village[old]]
    visit = story.visit(
        old, people.as_of - rng.integers(5, 300, len(old)), centre, channel=PH, type="vaccination", rng=rng, shown=False
    )
    story.immunize(visit, np.full(len(old), "Influenza", object), np.ones(len(old), np.int16))
