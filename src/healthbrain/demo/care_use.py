"""Visits to centres and hospitals, and what the laboratory measured."""

from __future__ import annotations

import numpy as np

from healthbrain.demo.disease import Health
from healthbrain.demo.geography import County
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.people import People
from healthbrain.demo.story import (
    CENTRE,
    CLASS,
    CREATININE,
    DBP,
    FPG,
    HB,
    HBA1C,
    HIS,
    IPD,
    LIS,
    PULSE,
    SBP,
    TC,
    TYPE,
    Story,
)
from healthbrain.demo.streams import stream

# ICD-10 of ordinary visits with weights: colds, stomach, back, skin, eyes, injuries, teeth.
ACUTE = (
    "J06.900",
    "J20.900",
    "K29.500",
    "M54.500",
    "L30.900",
    "H10.900",
    "K04.700",
    "J00.x00",
    "A09.900",
    "S93.400",
    "N39.000",
    "R51.x00",
)
ACUTE_WEIGHT = (22, 8, 9, 10, 6, 4, 5, 9, 5, 4, 4, 5)
DRUGS = (
    ("C08CA01", "苯磺酸氨氯地平片", "5mg 每日1次"),
    ("C09AA02", "马来酸依那普利片", "10mg 每日1次"),
    ("C09CA03", "缬沙坦胶囊", "80mg 每日1次"),
    ("C03AA03", "氢氯噻嗪片", "12.5mg 每日1次"),
    ("A10BA02", "盐酸二甲双胍片", "0.5g 每日2次"),
    ("A10BB12", "格列美脲片", "2mg 每日1次"),
    ("A10BF01", "阿卡波糖片", "50mg 每日3次"),
    ("R03BB04", "噻托溴铵粉吸入剂", "18μg 每日1次"),
    ("R03AK06", "沙美特罗替卡松吸入粉雾剂", "50/250μg 每日2次"),
    ("C10AA05", "阿托伐他汀钙片", "20mg 每晚1次"),
    ("B01AC06", "阿司匹林肠溶片", "100mg 每日1次"),
    ("J01CA04", "阿莫西林胶囊", "0.5g 每日3次"),
    ("N02BE01", "对乙酰氨基酚片", "0.5g 必要时"),
    ("A02BC01", "奥美拉唑肠溶胶囊", "20mg 每日1次"),
    ("R05CB06", "盐酸氨溴索片", "30mg 每日3次"),
)
ACUTE_DRUGS = np.array((11, 12, 13, 14))
CHRONIC_DRUG = {"hypertension": 0, "type-2-diabetes": 4, "copd": 7, "coronary-heart-disease": 10, "stroke": 10}
YEAR = 365


def tell_use(p: Parameters, county: County, people: People, health: Health, story: Story, seed: int) -> None:
    rng = stream(seed, "use", people.block)
    _centre_visits(p, county, people, health, story, rng)
    _hospital_visits(p, county, people, health, story, rng)
    _laboratory(p, county, people, health, story, rng)


def _draw(p: Parameters, people: People, rng: np.random.Generator, rate: float) -> np.ndarray:
    """Who comes, once for each visit: the frail, the small and the old come more often."""
    need = np.exp(0.5 * people.frailty) * (0.75 + (people.age >= 60) * 0.8 + (people.age < 7) * 0.6)
    return np.repeat(np.arange(len(people)), rng.poisson(rate * need / need.mean()))


def _days(people: People, rng: np.random.Generator, n: int) -> np.ndarray:
    return people.as_of - 1 - rng.integers(0, YEAR, n)


def _centre_visits(
    p: Parameters, county: County, people: People, health: Health, story: Story, rng: np.random.Generator
) -> None:
    who = _draw(p, people, rng, p("use_of_care.centre_visits"))
    centre = county.village_centre[people.village[who]]
    visit = story.visit(who, _days(people, rng, len(who)), centre, channel=CENTRE, type="outpatient", rng=rng)
    _reasons(p, health, story, rng, who, visit, 0.25, 0.35)
    adult = np.flatnonzero((people.age[who] >= 18) & (rng.random(len(who)) < 0.85))
    _pressures(health, story, rng, who[adult], visit[adult])


def _hospital_visits(
    p: Parameters, county: County, people: People, health: Health, story: Story, rng: np.random.Generator
) -> None:
    """Every second hospital is older, with few patients; half the admissions of the first are in its ward system."""
    who = _draw(p, people, rng, p("use_of_care.hospital_visits"))
    n = len(who)
    share = np.where(np.arange(len(county.hospitals)) % 2 == 0, 1.0, 0.08)
    edges = np.cumsum(share)
    habit = rng.random(len(people))  # most people keep to one hospital
    u = np.where(rng.random(n) < 0.85, habit[who], rng.random(n))
    hospital = county.hospitals[np.searchsorted(edges / edges[-1], u, side="right").clip(0, len(share) - 1)]
    kind, day = rng.random(n), _days(people, rng, n)
    inpatient, emergency = p("use_of_care.inpatient"), p("use_of_care.emergency")
    for low, high, type_, cls, minutes in (
        (0, inpatient, "inpatient", "IMP", 8 * 1440),
        (inpatient, inpatient + emergency, "emergency", "EMER", 240),
        (inpatient + emergency, 2, "outpatient", "AMB", 30),
    ):
        mine = (kind >= low) & (kind < high)
        visit = story.visit(
            who[mine], day[mine], hospital[mine], channel=HIS, type=type_, cls=cls, rng=rng, minutes=minutes
        )
        _reasons(p, health, story, rng, who[mine], visit, 0.5, 0.3)
        _hospital_tests(health, story, rng, who[mine], visit)
        if type_ == "inpatient":
            first = np.flatnonzero(hospital[mine] == county.hospitals[0])[::2]
            rows = np.flatnonzero(mine)[first]
            story.visit(
                who[rows], day[rows], hospital[rows], channel=IPD, type=type_, cls=cls, rng=rng, minutes=minutes
            )


def _reasons(
    p: Parameters,
    health: Health,
    story: Story,
    rng: np.random.Generator,
    who: np.ndarray,
    visit: np.ndarray,
    chronic: float,
    drugs: float,
) -> None:
    """One diagnosis a visit: a known chronic disease, or something ordinary; and a drug for some."""
    n = len(who)
    weight = np.cumsum(ACUTE_WEIGHT)
    code = np.array(ACUTE, object)[np.searchsorted(weight / weight[-1], rng.random(n), side="right")]
    drug = ACUTE_DRUGS[rng.integers(0, len(ACUTE_DRUGS), n)]
    for name, known in health.known.items():
        mine = known[who] & (rng.random(n) < chronic)
        code[mine] = np.array(p(f"disease.{name}.icd10"), object)[health.code[name][who[mine]]]
        drug[mine] = CHRONIC_DRUG.get(name, 9)
    story.diagnose(visit, code)
    some = rng.random(n) < drugs
    story.prescribe(visit[some], drug[some], days=14)


def _hospital_tests(health: Health, story: Story, rng: np.random.Generator, who: np.ndarray, visit: np.ndarray) -> None:
    some = rng.random(len(who)) < 0.4
    _pressures(health, story, rng, who[some], visit[some])
    blood = rng.random(len(who)) < 0.22
    _panel(health, story, rng, who[blood], visit[blood])


def _pressures(health: Health, story: Story, rng: np.random.Generator, who: np.ndarray, visit: np.ndarray) -> None:
    """Managed people have theirs taken at the station: what is planted there stays the last word."""
    free = ~np.any(list(health.managed.values()), axis=0)[who]
    who, visit = who[free], visit[free]
    n = len(who)
    high = health.has["hypertension"][who] & health.known["hypertension"][who] & (rng.random(n) < 0.3)
    story.observe(visit, SBP, np.where(high, rng.normal(151, 9, n).clip(141, 178), rng.normal(123, 8, n).clip(94, 138)))
    story.observe(visit, DBP, np.where(high, rng.normal(88, 7, n).clip(66, 107), rng.normal(75, 5, n).clip(52, 84)))
    story.observe(visit, PULSE, rng.normal(76, 9, n).clip(50, 112))


def _panel(health: Health, story: Story, rng: np.random.Generator, who: np.ndarray, visit: np.ndarray) -> None:
    n, diabetic = len(who), health.has["type-2-diabetes"][who]
    fpg = np.where(diabetic, rng.normal(8, 1.5, n).clip(5.5, 16), rng.normal(5.3, 0.4, n).clip(4, 6.9))
    free = ~health.managed["type-2-diabetes"][who]
    story.observe(visit[free], FPG, fpg[free], decimals=1)
    story.observe(visit, TC, rng.normal(4.9, 0.9, n).clip(2.4, 9), decimals=2)
    story.observe(
        visit,
        CREATININE,
        np.where(
            health.has["chronic-kidney-disease"][who],
            rng.normal(135, 30, n).clip(90, 600),
            rng.normal(70, 12, n).clip(35, 105),
        ),
    )
    story.observe(visit[diabetic], HBA1C, rng.normal(7.4, 1, int(diabetic.sum())).clip(5.5, 13), decimals=1)


def _laboratory(
    p: Parameters, county: County, people: People, health: Health, story: Story, rng: np.random.Generator
) -> None:
    """Orders from outside that only the laboratory's own system knows."""
    who = np.flatnonzero(rng.random(len(people)) < p("use_of_care.laboratory"))
    hospital = county.hospitals[rng.integers(0, len(county.hospitals), len(who))]
    visit = story.visit(
        who, _days(people, rng, len(who)), hospital, channel=LIS, type="laboratory", rng=rng, shown=False
    )
    _panel(health, story, rng, who, visit)
    some = rng.random(len(who)) < 0.5
    story.observe(visit[some], HB, rng.normal(138, 14, int(some.sum())).clip(80, 180))


__all__ = ["ACUTE", "CLASS", "DRUGS", "TYPE", "tell_use"]
