"""Who truly has what, who of them knows it, and who of those is managed."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from healthbrain.demo.parameters import Parameters
from healthbrain.demo.people import People
from healthbrain.demo.streams import stream

MANAGED_FROM = {"hypertension": 35, "type-2-diabetes": 35, "copd": 35}
FORCED = 2  # a small county still has this many of everything, or tests on rare things would pass on nothing


@dataclass(frozen=True)
class Health:
    """Boolean columns by disease; `since` is the day of diagnosis, meaningful where `known`."""

    has: dict[str, np.ndarray]
    known: dict[str, np.ndarray]
    managed: dict[str, np.ndarray]
    since: dict[str, np.ndarray]
    code: dict[str, np.ndarray]  # index into the disease's list of ICD-10 codes


def make_health(p: Parameters, people: People, seed: int) -> Health:
    rng, n = stream(seed, "disease", people.block), len(people)
    airway = _airway(people, rng)
    health = Health({}, {}, {}, {}, {})
    alive = people.died > people.as_of
    for name, spec in p.tree["disease"].items():
        weights = spec["loading"]["value"]
        latent = weights[0] * people.frailty + weights[1] * people.metabolic + weights[2] * airway
        latent += np.sqrt(1 - np.square(weights).sum()) * rng.standard_normal(n)
        adult = people.age >= spec["prevalence"]["from_age"]
        has = _force(people, latent > _threshold(p, name)[people.sex - 1, people.age], latent, adult & alive)
        known = _force(people, has & (rng.random(n) < p(f"disease.{name}.aware")), latent, has & alive)
        floor = MANAGED_FROM.get(name)
        if floor is not None:
            eligible = known & (people.age >= floor) & alive
            health.managed[name] = _force(
                people, eligible & (rng.random(n) < p(f"disease.{name}.managed")), latent, eligible
            )
        youngest = people.birth + 365 * np.minimum(people.age, spec["prevalence"]["from_age"])
        health.has[name], health.known[name] = has, known
        health.since[name] = np.maximum(
            people.as_of - (rng.random(n) ** 1.3 * 15 * 365).astype(np.int32) - 20, youngest
        )
        shares = np.cumsum(spec["icd10"]["weights"])
        health.code[name] = np.searchsorted(shares / shares[-1], rng.random(n), side="right")
    return health


def _airway(people: People, rng: np.random.Generator) -> np.ndarray:
    """Smoke and chance, mean 0 and variance 1 within each sex, so that the prevalence of each sex is kept."""
    out = 0.7 * rng.standard_normal(len(people)) + 1.4 * people.smoker
    for sex in (1, 2):
        adult = (people.sex == sex) & (people.age >= 18)
        if adult.sum() > 1:
            out[adult] = (out[adult] - out[adult].mean()) / out[adult].std()
    return out


def _threshold(p: Parameters, name: str) -> np.ndarray:
    """Cut on the latent normal for [sex, age]: keeps the prevalence of each age, whatever the loadings are."""
    share, ratio = p.steps(f"disease.{name}.ages") / 100, float(p(f"disease.{name}.male_ratio"))
    female = share * 2 / (1 + ratio)
    normal = NormalDist()
    cut = [[normal.inv_cdf(1 - min(x, 0.97)) if x > 0 else 99.0 for x in row] for row in (female * ratio, female)]
    return np.array(cut)


def _force(people: People, chosen: np.ndarray, score: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """At least FORCED eligible people in block 0: the ones nearest to the cut join."""
    missing = FORCED - int((chosen & eligible).sum())
    if people.block != 0 or missing <= 0:
        return chosen
    chosen = chosen.copy()
    waiting = np.flatnonzero(eligible & ~chosen)
    chosen[waiting[np.argsort(-score[waiting], kind="stable")[:missing]]] = True
    return chosen
