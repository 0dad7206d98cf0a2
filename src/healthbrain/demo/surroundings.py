"""Schools, kindergartens, pharmacies and nursing homes of the synthetic county, and a year of what they report.

Twelve outbreaks and some decoys are planted in it (knowledge/demo/surveillance.yaml): `truth/outbreaks.json` says
which. The last one, a norovirus outbreak in a school, is unfolding on the demo's day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import yaml

from healthbrain.demo.parameters import parameters
from healthbrain.demo.streams import stream

Row = dict[str, Any]
DAYS = 400
GRADES = ("一年级", "二年级", "三年级", "四年级", "五年级", "六年级")
GROUPS = ("小班", "中班", "大班")
NUMBERS = "一二三四五六七八九十"


@cache
def settings() -> dict[str, Any]:
    text = files("healthbrain.knowledge").joinpath("demo/surveillance.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@dataclass
class Places:
    """Organisations as register rows, classes, and the township of each organisation."""

    rows: list[Row] = field(default_factory=list)
    classes: list[Row] = field(default_factory=list)
    township: dict[str, str] = field(default_factory=dict)
    population: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> list[str]:
        return [row["code"] for row in self.rows if row["kind"] == kind]


@dataclass
class Year:
    """What is written: new cases by class row, day and chip; counts of other places; cases of residents; the truth."""

    days: list[dt.date]
    chips: list[str]
    fresh: np.ndarray  # (classes, days, chips)
    counts: list[pl.DataFrame]
    truth: list[Row]
    errors: list[Row]  # wrong figures that were corrected later: what stood there until when
    named: list[int] = field(default_factory=list)  # class rows whose pupils of the last days are named


def write(folder: Path, *, residents: int, seed: int, as_of: dt.date, is_school_day: Callable[[dt.date], bool]) -> None:
    """`surveillance/` beside the register and feeds of `generate`, cases of residents in those feeds, and the truth."""
    rng = stream(seed, "surroundings", 0)
    places = _places(folder, residents)
    days = [as_of - dt.timedelta(days=n) for n in range(DAYS)][::-1]
    teaching = np.array([is_school_day(day) for day in days])
    fresh, chips = _absence(rng, places, days, teaching)
    year = Year(days, chips, fresh, [_counts(rng, places, folder, days)], [], [])
    for plan in settings()["outbreaks"]:
        _plant(rng, plan, places, year, teaching, folder, seed)
    _decoys(places, year)
    out = folder / "surveillance"
    out.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(places.rows).write_csv(out / "organisations.csv")
    pl.DataFrame(places.classes).write_csv(out / "classes.csv")
    _lines(rng, year, places, teaching).write_parquet(out / "lines.parquet")
    pl.concat(year.counts).write_parquet(out / "counts.parquet")
    (folder / "truth").mkdir(exist_ok=True)
    truth = {"outbreaks": year.truth, "decoys": settings()["decoys"], "errors": year.errors, "named": year.named}
    (folder / "truth" / "outbreaks.json").write_bytes(orjson.dumps(truth, option=orjson.OPT_INDENT_2))


# --- places ---------------------------------------------------------------------------------------------------------


def _places(folder: Path, residents: int) -> Places:
    """As many of each kind as the residents need, spread over the townships in turn."""
    p = settings()["places"]
    people = pl.read_parquet(folder / "truth" / "people" / "*.parquet", columns=["age"])
    prefix = parameters()("county.organisation_prefix")
    register = pl.read_csv(folder / "register" / "places.csv", infer_schema=False)
    towns = register.filter(pl.col("code").str.len_chars() == 9).select("code", "name", "organisation_code").rows()
    pupils = people.filter(pl.col("age").is_between(*p["school_age_share"]["value"])).height
    children = people.filter(pl.col("age").is_between(*p["childcare_ages"]["value"])).height
    found = Places()

    def add(kind: str, base: int, words: str, count: int, heads: int) -> None:
        for n in range(count):
            code, name, centre = towns[n % len(towns)]
            number = NUMBERS[n // len(towns) % 10]
            organisation = f"{prefix}{base + n:05}"
            found.rows.append(
                {"code": organisation, "name": f"{name}第{number}{words}", "kind": kind, "parent_code": centre}
            )
            found.township[organisation], found.population[organisation] = code, heads

    schools = max(1, round(pupils / p["pupils_a_school"]["value"]))
    gardens = max(1, round(children / p["children_a_kindergarten"]["value"]))
    add("school", 30001, "小学", max(schools, 4 if residents >= 10_000 else 1), 0)
    add("childcare", 31001, "幼儿园", gardens, 0)
    add("pharmacy", 32001, "药店", max(2, residents // p["residents_a_pharmacy"]["value"]), 0)
    homes = max(1, residents // p["residents_a_nursing_home"]["value"])
    add("nursing-home", 33001, "敬老院", homes, p["beds_a_nursing_home"]["value"])
    _classes(found, "school", pupils, p["pupils_a_class"]["value"], GRADES, "（{n}）班")
    _classes(found, "childcare", children, p["children_a_group"]["value"], GROUPS, "{n}")
    return found


def _classes(places: Places, kind: str, heads: int, size: int, grades: Sequence[str], words: str) -> None:
    own = places.of(kind)
    each = max(len(grades), -(-heads // (size * len(own))))
    for code in own:
        for n in range(each):
            number = str(n // len(grades) + 1) if kind == "school" else NUMBERS[n // len(grades) % 10]
            pupils = max(12, min(size, heads // (each * len(own))))
            row = {
                "organisation": code,
                "grade": grades[n % len(grades)],
                "name": words.format(n=number),
                "pupils": pupils,
            }
            places.classes.append(row)
            places.population[code] += pupils


# --- a quiet year ---------------------------------------------------------------------------------------------------


def _season(family: str, days: Sequence[dt.date]) -> np.ndarray:
    months = settings()["season"].get(family)
    return np.array([months[day.month - 1] for day in days]) if months else np.ones(len(days))


FAMILY_OF = {
    "ili": "febrile-respiratory", "influenza": "febrile-respiratory", "vomiting": "diarrhoea", "diarrhoea": "diarrhoea",
    "norovirus": "diarrhoea", "rash": "febrile-rash", "hfmd": "febrile-rash", "varicella": "febrile-rash",
    "scarlet-fever": "febrile-rash", "antipyretic": "febrile-respiratory", "cold-cough": "febrile-respiratory",
    "antidiarrhoeal": "diarrhoea", "oral-rehydration": "diarrhoea", "antipruritic": "febrile-rash",
}  # fmt: skip


def _absence(
    rng: np.random.Generator, places: Places, days: Sequence[dt.date], teaching: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """New cases of each class, day and chip when nothing particular happens."""
    rates = settings()["absence"]
    chips = sorted({*rates["school"], *rates["childcare"], "norovirus", "hfmd", "scarlet-fever"})
    kinds = {row["code"]: row["kind"] for row in places.rows}
    schools = sorted({c["organisation"] for c in places.classes})
    of_school = np.array([schools.index(c["organisation"]) for c in places.classes])
    pupils = np.array([c["pupils"] for c in places.classes], float)
    weeks = np.arange(len(days)) // 7
    mondays = np.array([1.25 if day.weekday() == 0 else 1.0 for day in days]) * teaching
    shape = rates["clumping"]["value"]
    fresh = np.zeros((len(pupils), len(days), len(chips)), np.int16)
    for k, chip in enumerate(chips):
        rate = np.array([rates[kinds[c["organisation"]]].get(chip, 0.0) for c in places.classes])
        lot = rng.gamma(shape, 1 / shape, (len(schools), weeks[-1] + 1))[of_school][:, weeks]
        fresh[:, :, k] = rng.poisson(
            (rate * pupils)[:, None] * lot * (_season(FAMILY_OF.get(chip, ""), days) * mondays)
        )
    return fresh, chips


def _counts(rng: np.random.Generator, places: Places, folder: Path, days: Sequence[dt.date]) -> pl.DataFrame:
    """Daily counts of pharmacies, nursing homes, fever clinics and ambulance calls."""
    rates = settings()["counts"]
    register = pl.read_csv(folder / "register" / "organisations.csv", infer_schema=False)
    where = {
        "pharmacy": places.of("pharmacy"),
        "nursing-home": places.of("nursing-home"),
        "fever-clinic": register.filter(pl.col("kind") == "hospital")["code"].to_list(),
        "ems": register.filter(pl.col("kind") == "ems")["code"].to_list(),
    }
    weekday = np.array([0.9 if day.weekday() >= 5 else 1.04 for day in days])
    spread = rates["dispersion"]["value"]
    parts = []
    for source, own in where.items():
        for item, mean in rates[source].items():
            mu = mean * _season(FAMILY_OF.get(item, item), days) * weekday
            n = rng.negative_binomial(mu / (spread - 1), 1 / spread, (len(own), len(days)))
            parts.append(_frame(source, own, item, days, n))
    return pl.concat(parts)


def _frame(source: str, own: Sequence[str], item: str, days: Sequence[dt.date], n: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "organisation": np.repeat(np.array(own), len(days)),
            "source": pl.repeat(source, n.size, eager=True),
            "item": pl.repeat(item, n.size, eager=True),
            "day": list(days) * len(own),
            "count": n.ravel().astype(np.int64),
        }
    )


# --- what is planted ------------------------------------------------------------------------------------------------


def _plant(
    rng: np.random.Generator, plan: Row, places: Places, year: Year, teaching: np.ndarray, folder: Path, seed: int
) -> None:
    start = len(year.days) - 1 - plan["days_ago"]
    if plan["at"] in {"school", "childcare"}:
        where, at, made = _in_school(rng, plan, places, year, teaching, start)
    elif plan["at"] == "nursing-home":
        where, at, made = _in_home(plan, places, year, start)
    else:
        where, at, made = _in_village(plan, year, folder, start, seed)
    if made:
        year.truth.append(
            {
                "id": plan["id"], "at": plan["at"], "place": where, "family": plan["family"],
                "first": year.days[at[0]].isoformat(), "last": year.days[at[-1]].isoformat(), "cases": made,
                "unfolding": bool(plan.get("unfolding")),
            }
        )  # fmt: skip


def _school_days(teaching: np.ndarray, start: int, count: int, unfolding: bool) -> list[int]:
    """The days of an outbreak: from `start` on, or up to it when it is still unfolding. Schools count school days."""
    taught = np.flatnonzero(teaching)
    if unfolding:
        return [int(d) for d in taught[taught <= start][-count:]]
    return [int(d) for d in taught[taught >= start][:count]]


def _in_school(
    rng: np.random.Generator, plan: Row, places: Places, year: Year, teaching: np.ndarray, start: int
) -> tuple[str, list[int], int]:
    own = places.of(plan["at"])
    code = own[plan["place"] % len(own)]
    classes = [i for i, c in enumerate(places.classes) if c["organisation"] == code]
    touched = classes[2 : 2 + plan["units"]] or classes[: plan["units"]]
    at = _school_days(teaching, start, len(plan["cases"]), bool(plan.get("unfolding")))
    share = np.array([0.55, 0.25, 0.12, 0.05, 0.02, 0.01][: len(touched)])
    chips, weights = list(plan["chips"]), np.array(list(plan["chips"].values()))
    total = 0
    for day, cases in zip(at, plan["cases"][-len(at) :], strict=True):
        who = rng.multinomial(cases, share / share.sum())
        for row, n in zip(touched, who.tolist(), strict=True):
            for chip, k in zip(chips, rng.multinomial(n, weights).tolist(), strict=True):
                year.fresh[row, day, year.chips.index(chip)] += k
        total += cases
    if plan.get("pupils"):
        year.named += touched
    return code, at, total


def _in_home(plan: Row, places: Places, year: Year, start: int) -> tuple[str, list[int], int]:
    own = places.of("nursing-home")
    code = own[plan["place"] % len(own)]
    days = [year.days[start + n] for n in range(len(plan["cases"]))]
    extra = pl.DataFrame(
        {"organisation": code, "source": "nursing-home", "item": plan["family"], "day": days, "more": plan["cases"]}
    )
    year.counts = [
        pl.concat(year.counts)
        .join(extra, on=["organisation", "source", "item", "day"], how="left")
        .with_columns(pl.col("count") + pl.col("more").fill_null(0))
        .drop("more")
    ]
    return code, [start + n for n in range(len(days))], sum(plan["cases"])


def _in_village(plan: Row, year: Year, folder: Path, start: int, seed: int) -> tuple[str, list[int], int]:
    """Cases among the residents of one village, as their centre or hospital writes them down."""
    truth = folder / "truth"
    people = pl.read_parquet(truth / "people" / "*.parquet", columns=["person", "age", "division_code", "died"])
    known = pl.read_parquet(truth / "identities" / "*.parquet", columns=["source", "source_id", "person", "duplicate"])
    sources = pl.read_csv(folder / "register" / "sources.csv", infer_schema=False).select(
        pl.col("code").alias("source"), "organisation_code"
    )
    low, high = plan.get("ages", (2, 75))
    alive = people.filter(pl.col("died").is_null() & pl.col("age").is_between(low, high))
    here = alive.join(known.filter(pl.col("source").str.starts_with("CHC") & ~pl.col("duplicate")), on="person")
    sizes = here.group_by("division_code").len().sort("len", "division_code", descending=[True, False])
    if sizes.height <= plan["place"]:
        return "", [], 0
    village = sizes["division_code"][plan["place"]]
    pool = here.filter(pl.col("division_code") == village).unique("person").sort("person").join(sources, on="source")
    pool = pool.sample(min(pool.height, sum(plan["cases"])), seed=seed, shuffle=True)
    when = np.repeat(np.arange(len(plan["cases"])), plan["cases"])[: pool.height]
    rows = pool.select("source", "source_id").with_columns(
        record_id=pl.Series([f"{plan['id']}-{n}" for n in range(pool.height)]),
        code=pl.lit(plan["icd10"]),
        onset=pl.Series([f"{year.days[start + int(n)]}T10:30:00" for n in when]),
        status=pl.lit("active"),
        organisation=pool["organisation_code"],
    )
    for (source, organisation), part in rows.partition_by("source", "organisation", as_dict=True).items():
        target = folder / "feeds" / str(organisation) / str(source)
        target.mkdir(parents=True, exist_ok=True)
        part.write_csv(target / f"conditions-{plan['id']}.csv")
    seen = sorted({start + int(n) for n in when})
    return str(village), seen, pool.height


def _decoys(places: Places, year: Year) -> None:
    """A figure typed ten times too high and corrected; a heat wave that sells rehydration salts."""
    frame, pharmacy = pl.concat(year.counts), places.of("pharmacy")[0]
    for decoy in settings()["decoys"]:
        if decoy["id"] == "reporting-error":
            day = year.days[-1 - decoy["days_ago"]]
            hit = (pl.col("organisation") == pharmacy) & (pl.col("item") == decoy["drug"]) & (pl.col("day") == day)
            true = int(frame.filter(hit)["count"][0])
            year.errors.append(
                {"organisation": pharmacy, "source": "pharmacy", "item": decoy["drug"], "day": day.isoformat(),
                 "wrong": 10 * max(true, 5), "right": true}
            )  # fmt: skip
        if decoy["id"] == "heat-wave":
            days = year.days[-1 - decoy["days_ago"] :][: decoy["days"]]
            hot = (pl.col("item") == decoy["drug"]) & pl.col("day").is_in(days)
            frame = frame.with_columns(
                pl.when(hot)
                .then((pl.col("count") * decoy["times"]).round().cast(pl.Int64))
                .otherwise("count")
                .alias("count")
            )
    year.counts = [frame]


# --- what a class tells ----------------------------------------------------------------------------------------------


def _lines(rng: np.random.Generator, year: Year, places: Places, teaching: np.ndarray) -> pl.DataFrame:
    """One row a class and school day: who is new, who is still away, who is on leave."""
    stay = settings()["absence"]["days_ill"]["value"]
    taught = np.flatnonzero(teaching)
    fresh = year.fresh[:, taught, :].astype(np.int64)
    second = rng.binomial(fresh, stay[0])
    third = rng.binomial(second, stay[1])
    total = fresh.copy()
    total[:, 1:] += second[:, :-1]
    total[:, 2:] += third[:, :-2]
    pupils = np.array([c["pupils"] for c in places.classes])
    leave = rng.binomial(pupils[:, None], settings()["absence"]["other_leave"]["value"], total.shape[:2])
    ill = np.minimum(total.sum(axis=2), pupils[:, None])
    classes, days = np.indices(ill.shape)
    texts = {}
    for name, values in (("symptoms", total), ("fresh", fresh)):
        texts[name] = _json(values.reshape(-1, values.shape[2]), year.chips)
    minutes = rng.integers(0, 70, ill.shape)
    return pl.DataFrame(
        {
            "class": classes.ravel(),
            "day": [year.days[taught[d]] for d in days.ravel()],
            "minutes": minutes.ravel(),
            "absent_ill": ill.ravel(),
            "absent_other": np.minimum(leave, pupils[:, None] - ill).ravel(),
            "symptoms": texts["symptoms"],
            "fresh": texts["fresh"],
        }
    )


def _json(values: np.ndarray, chips: Sequence[str]) -> list[str]:
    """{"ili": 2, …} of the non-zero chips of each row; most rows have none, one or two."""
    out: list[dict[str, int]] = [{} for _ in range(len(values))]
    rows, columns = np.nonzero(values)
    for row, column, n in zip(rows.tolist(), columns.tolist(), values[rows, columns].tolist(), strict=True):
        out[row][chips[column]] = n
    return [orjson.dumps(row).decode() for row in out]
