"""Colorectal and COPD screening: positives with and without the examination they need."""

from __future__ import annotations

import numpy as np

from healthbrain.demo.disease import Health
from healthbrain.demo.geography import County
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.people import People
from healthbrain.demo.story import COPD_SQ, CRC_Q, FEV1, FIT, HIS, PH, Story
from healthbrain.demo.streams import stream

CRC_STATES = ("negative", "scoped", "waiting", "cancer")
SQ_STATES = ("low", "measured", "waiting")
COLONOSCOPY, SPIROMETRY = "45.2300", "89.3700"


def at_least(block: int, chosen: np.ndarray, eligible: np.ndarray, least: int = 2) -> np.ndarray:
    """`chosen`, with the first eligible people added in block 0 until there are `least`."""
    chosen = chosen.copy()
    missing = least - int(chosen.sum())
    if block == 0 and missing > 0:
        chosen[np.flatnonzero(eligible & ~chosen)[:missing]] = True
    return chosen


def tell_colorectal(
    p: Parameters, county: County, people: People, health: Health, story: Story, seed: int
) -> dict[str, np.ndarray]:
    """Questionnaire and one or two FITs a week apart; high-risk people have a colonoscopy, or wait for one."""
    rng, n = stream(seed, "colorectal", people.block), len(people)
    low, high = p("colorectal.ages")
    target = (
        (people.age >= low) & (people.age <= high) & (people.died > people.as_of) & ~health.known["colorectal-cancer"]
    )
    screened = target & (rng.random(n) < p("colorectal.screened"))
    fit = screened & (rng.random(n) < p("colorectal.fit_positive"))
    asked = screened & (rng.random(n) < p("colorectal.questionnaire_positive"))
    fit = at_least(people.block, fit, screened, 6)
    risky = fit | asked
    goes = risky & (rng.random(n) < p("colorectal.colonoscopy"))
    goes = at_least(people.block, goes & fit, fit, 3) | goes
    stay = np.flatnonzero(fit & goes)
    if people.block == 0 and (fit & ~goes).sum() < 2:
        goes[stay[:2]] = False
    cancer = at_least(people.block, goes & (rng.random(n) < p("colorectal.cancer") / p("colorectal.colonoscopy")), goes)
    who = np.flatnonzero(screened)
    day = people.as_of - rng.integers(5, 350, len(who))
    centre = county.village_centre[people.village[who]]
    visit = story.visit(who, day, centre, channel=PH, type="screening", rng=rng)
    story.answer(visit, CRC_Q, asked[who])
    second = rng.random(len(who)) < 0.7
    story.answer(visit, FIT, fit[who] & (~second | (rng.random(len(who)) < 0.8)))
    again = story.visit(who[second], day[second] + 7, centre[second], channel=PH, type="screening", rng=rng)
    story.answer(again, FIT, fit[who[second]])
    _colonoscopies(p, county, people, story, rng, who, day, goes, cancer)
    state = np.full(n, -1, np.int8)
    state[screened] = 0
    state[risky], state[goes], state[cancer] = 2, 1, 3
    return {
        "colorectal": state,
        "fit": np.where(screened, fit, -1).astype(np.int8),
        "questionnaire": np.where(screened, asked, -1).astype(np.int8),
    }


def _colonoscopies(
    p: Parameters,
    county: County,
    people: People,
    story: Story,
    rng: np.random.Generator,
    who: np.ndarray,
    day: np.ndarray,
    goes: np.ndarray,
    cancer: np.ndarray,
) -> None:
    """At the county hospital two to eight weeks after the screening; those whose date lies ahead have not been yet."""
    mine = goes[who]
    who, day = who[mine], day[mine] + rng.integers(14, 56, int(mine.sum()))
    day = np.minimum(day, people.as_of - 1)
    hospital = county.hospitals[0]
    visit = story.visit(who, day, np.full(len(who), hospital), channel=HIS, type="colonoscopy", rng=rng, minutes=60)
    story.do(visit, COLONOSCOPY)
    ill = cancer[who]
    story.diagnose(visit[ill], np.full(int(ill.sum()), "C18.900", object))
    adenoma = ~ill & (rng.random(len(who)) < p("colorectal.adenoma"))
    story.diagnose(visit[adenoma], np.full(int(adenoma.sum()), "D12.600", object))


def copd_score(people: People, rng: np.random.Generator) -> np.ndarray:
    """COPD-SQ, 0–38: age, pack-years, BMI, cough, breathlessness, biomass, family history."""
    age = np.select([people.age < 50, people.age < 60, people.age < 70], [0, 4, 8], 11)
    packs = np.select([~people.smoker, rng.random(len(people)) < 0.3, rng.random(len(people)) < 0.5], [0, 2, 4], 5)
    bmi = np.select([people.bmi < 18.5, people.bmi < 24, people.bmi < 28], [7, 4, 1], 0)
    weak = np.clip(0.15 + 0.08 * people.frailty + 0.1 * people.smoker, 0.02, 0.9)
    cough = 5 * (rng.random(len(people)) < weak)
    breath = 3 * (rng.random(len(people)) < weak) + 3 * (rng.random(len(people)) < weak / 2)
    biomass, family = rng.random(len(people)) < 0.12, rng.random(len(people)) < 0.08
    return np.asarray(age + packs + bmi + cough + breath + biomass + 3 * family)


def tell_copd_screening(
    p: Parameters, county: County, people: People, health: Health, story: Story, seed: int
) -> dict[str, np.ndarray]:
    rng, n = stream(seed, "copd-screening", people.block), len(people)
    score = copd_score(people, rng)
    target = (people.age >= 40) & (people.died > people.as_of) & ~health.known["copd"]
    screened = target & (rng.random(n) < p("copd_screening.screened"))
    screened = at_least(people.block, screened & (score >= 16), target & (score >= 16), 6) | screened
    positive = screened & (score >= 16)
    measured = at_least(people.block, positive & (rng.random(n) < p("copd_screening.spirometry")), positive)
    if people.block == 0 and (positive & ~measured).sum() < 2:
        measured[np.flatnonzero(measured)[2:4]] = False
    who = np.flatnonzero(screened)
    day = people.as_of - rng.integers(5, 350, len(who))
    visit = story.visit(who, day, county.village_centre[people.village[who]], channel=PH, type="screening", rng=rng)
    story.observe(visit, COPD_SQ, score[who], keep=True)
    mine = measured[who]
    who, day = who[mine], np.minimum(day[mine] + rng.integers(3, 30, int(mine.sum())), people.as_of - 1)
    visit = story.visit(who, day, county.village_centre[people.village[who]], channel=PH, type="spirometry", rng=rng)
    story.do(visit, SPIROMETRY)
    ratio = np.where(
        health.has["copd"][who], rng.normal(60, 6, len(who)).clip(35, 69), rng.normal(79, 4, len(who)).clip(70, 92)
    )
    story.observe(visit, FEV1, ratio, decimals=1, keep=True)
    state = np.full(n, -1, np.int8)
    state[screened] = 0
    state[positive], state[measured] = 2, 1
    return {"copd-screening": state}
