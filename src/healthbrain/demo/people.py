"""Who lives in the county: the truth layer's people, one block at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from healthbrain.demo import names
from healthbrain.demo.geography import County
from healthbrain.demo.idnumbers import id_numbers
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.streams import stream

NEVER = np.int32(10**6)  # a day number far beyond any calendar


@dataclass(frozen=True)
class People:
    """Columns of one block; `person` is the resident's number in the county, positions are local to the block."""

    block: int
    as_of: int  # day number since 1970-01-01
    person: np.ndarray
    sex: np.ndarray  # 1 male, 2 female
    birth: np.ndarray  # day number
    ymd: np.ndarray  # birth as yyyymmdd
    age: np.ndarray  # completed years at as_of
    village: np.ndarray
    mother: np.ndarray  # position in the block, -1 unknown
    died: np.ndarray  # day number, NEVER when alive
    smoker: np.ndarray
    height: np.ndarray  # adult height, cm
    bmi: np.ndarray
    frailty: np.ndarray
    metabolic: np.ndarray
    surname: pl.Series
    given: pl.Series
    id_number: pl.Series
    phone: pl.Series
    address: pl.Series

    def __len__(self) -> int:
        return len(self.person)

    @property
    def name(self) -> pl.Series:
        return self.surname + self.given


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def ymd_of(days: np.ndarray) -> np.ndarray:
    """Day numbers → yyyymmdd integers."""
    d = days.astype("datetime64[D]")
    months = d.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    return np.asarray(year * 10_000 + month * 100 + (d - months).astype(np.int64) + 1)


def completed_years(ymd: np.ndarray, as_of: int) -> np.ndarray:
    return (int(ymd_of(np.array([as_of]))[0]) - ymd) // 10_000


def make_people(p: Parameters, county: County, seed: int, as_of: date, block: int, first: int, n: int) -> People:
    rng, today = stream(seed, "people", block), day_number(as_of)
    birth = _births(p, rng, today, n)
    ymd = ymd_of(birth)
    age = completed_years(ymd, today)
    sex = np.where(rng.random(n) < p.steps("population.male_by_age")[age], 1, 2).astype(np.int8)
    village = np.searchsorted(np.cumsum(county.village_share), rng.random(n)).clip(0, len(county.village_codes) - 1)
    mother, father = _parents(rng, sex, age, village)
    surname = names.draw_surnames(rng, n)
    surname = np.where(father >= 0, surname[father], surname)
    first_char, second_char = names.draw_given(rng, sex, ymd // 10_000)
    house = np.arange(n)
    house = np.where(mother >= 0, house[mother], house)
    phone_owner = np.where((mother >= 0) & (age < 14), mother, np.arange(n))
    smoker = rng.random(n) < np.where(sex == 1, p("smoking.male"), p("smoking.female")) * (age >= 18)
    metabolic = rng.standard_normal(n)
    return People(
        block,
        today,
        np.arange(first, first + n),
        sex,
        birth,
        ymd,
        age,
        village,
        mother,
        _deaths(p, rng, age, today),
        smoker,
        np.where(sex == 1, rng.normal(169.5, 6.2, n), rng.normal(157.5, 5.6, n)) - np.clip(age - 55, 0, 40) * 0.12,
        np.clip(23.6 + 1.5 * metabolic + rng.normal(0, 2.6, n), 15.5, 40.0),
        rng.standard_normal(n),
        metabolic,
        names.surnames(surname),
        names.given(first_char) + names.given(second_char),
        id_numbers(p("county.id_prefixes"), block, birth, ymd, sex),
        _phones(p, rng, n).gather(phone_owner),
        _addresses(p, county, village, house),
    )


def _births(p: Parameters, rng: np.random.Generator, today: int, n: int) -> np.ndarray:
    start = np.array(p("population.age_from"))
    width = np.diff(np.append(start, 100))
    edges = np.cumsum(p("population.age_share"))
    group = np.searchsorted(edges / edges[-1], rng.random(n), side="right").clip(0, len(start) - 1)
    within = rng.random(n)
    within[group == len(start) - 1] **= 2.5  # the oldest group thins out with age
    return np.asarray(today - (start[group] + within * width[group]) * 365.2425, np.int32)


def _parents(
    rng: np.random.Generator, sex: np.ndarray, age: np.ndarray, village: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For people under 18: a woman of the same village 21–36 years older, and a man near her age."""
    none = np.full(len(sex), -1)
    child = np.flatnonzero(age < 18)
    wanted = age[child] + rng.integers(21, 37, len(child))
    mother = _nearest(
        village * 256 + age, np.flatnonzero((sex == 2) & (age >= 20) & (age < 56)), village[child] * 256 + wanted, rng
    )
    father = _nearest(
        village * 256 + age,
        np.flatnonzero((sex == 1) & (age >= 20) & (age < 62)),
        village[child] * 256 + wanted + 2,
        rng,
    )
    mothers, fathers = none.copy(), none.copy()
    ok = (mother >= 0) & (village[mother] == village[child]) & (age[mother] - age[child] >= 18)
    mothers[child[ok]] = mother[ok]
    ok = (father >= 0) & (village[father] == village[child]) & (age[father] - age[child] >= 18)
    fathers[child[ok]] = father[ok]
    return mothers, fathers


def _nearest(keys: np.ndarray, pool: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if not len(pool):
        return np.full(len(wanted), -1)
    order = pool[np.argsort(keys[pool], kind="stable")]
    sorted_keys = keys[order]
    low, high = np.searchsorted(sorted_keys, wanted, "left"), np.searchsorted(sorted_keys, wanted, "right")
    pick = low + (rng.random(len(wanted)) * np.maximum(high - low, 1)).astype(int)
    return np.asarray(order[pick.clip(0, len(order) - 1)])


def _deaths(p: Parameters, rng: np.random.Generator, age: np.ndarray, today: int) -> np.ndarray:
    """Deaths of the last year; the risk doubles about every eight years of age (Gompertz)."""
    risk = np.exp((age - 60) * 0.0866)
    risk *= p("population.deaths_per_year") / risk.mean()
    return np.where(rng.random(len(age)) < risk, today - rng.integers(1, 365, len(age)), NEVER).astype(np.int32)


def _phones(p: Parameters, rng: np.random.Generator, n: int) -> pl.Series:
    prefix = np.array([int(x) for x in p("county.mobile_prefixes")])
    return pl.Series(prefix[rng.integers(0, len(prefix), n)] * 10**8 + rng.integers(0, 10**8, n)).cast(pl.String)


def _addresses(p: Parameters, county: County, village: np.ndarray, house: np.ndarray) -> pl.Series:
    places = [
        p("county.name") + county.township_names[t] + v
        for t, v in zip(county.village_township.tolist(), county.village_names, strict=True)
    ]
    number = pl.Series(house % 997 + 1).cast(pl.String)
    return pl.Series(places).gather(village) + number + "号"
