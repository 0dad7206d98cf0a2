"""`selfcheck`: what the written county is like, against what its parameters asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import polars as pl

from healthbrain.demo.parameters import Parameters, parameters


@dataclass(frozen=True)
class Check:
    """One number. `tolerance` is the parameter's own plus three standard errors of a sample of `cases`."""

    name: str
    target: float
    obtained: float
    tolerance: float
    cases: int
    source: str

    @property
    def passed(self) -> bool:
        return abs(self.obtained - self.target) <= self.tolerance


@dataclass(frozen=True)
class _Truth:
    """Truth tables of a generated folder, read once each."""

    folder: Path
    parameters: Parameters

    def read(self, table: str) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "truth" / table / "*.parquet")

    def share(self, leaf: str, hits: Any, cases: Any, *, target: float | None = None, name: str = "") -> Check:
        """A share of `cases`. Two forced cases of everything in a small county are part of the tolerance."""
        spec = self.parameters.leaf(leaf)
        wanted = float(spec["value"]) if target is None else target
        n = max(cases, 1)
        spread = 3 * sqrt(max(wanted * (1 - wanted), 1e-6) / n) + 2 / n
        return Check(name or leaf, wanted, hits / n, float(spec["check"]) + spread, cases, str(spec["source"]))

    def rate(self, leaf: str, total: Any, cases: Any) -> Check:
        """A mean count a person; visits cluster in the frail, so its variance is taken as three times the mean."""
        spec = self.parameters.leaf(leaf)
        wanted, n = float(spec["value"]), max(cases, 1)
        return Check(
            leaf, wanted, total / n, float(spec["check"]) + 3 * sqrt(3 * wanted / n), cases, str(spec["source"])
        )


def selfcheck(folder: Path) -> list[Check]:
    """Every parameter with a tolerance, checked on the truth and the feeds of `folder`."""
    truth = _Truth(folder, parameters())
    people = truth.read("people")
    checks = [*_population(truth, people), *_diseases(truth, people), *_scenarios(truth, people)]
    return [*checks, *_use(truth, people), *_dirt(truth, people)]


def _population(truth: _Truth, people: pl.DataFrame) -> Iterator[Check]:
    n, age = people.height, people["age"]
    yield truth.share("population.share_0_14", (age <= 14).sum(), n)
    yield truth.share("population.share_60", (age >= 60).sum(), n)
    yield truth.share("population.share_65", (age >= 65).sum(), n)
    yield truth.share("population.male", (people["sex"] == 1).sum(), n)
    yield truth.share("population.deaths_per_year", people["died"].is_not_null().sum(), n)
    names = people["surname"].value_counts(sort=True)["count"] / n
    yield truth.share("population.top_100_surnames", float(names[:100].sum()) * n, n)
    yield truth.share("population.surname_concentration", float((names**2).sum()) * n, n)
    for sex, name in ((1, "male"), (2, "female")):
        adults = people.filter((pl.col("sex") == sex) & (pl.col("age") >= 18))
        yield truth.share(f"smoking.{name}", adults["smoker"].sum(), adults.height)


def _diseases(truth: _Truth, people: pl.DataFrame) -> Iterator[Check]:
    sick = truth.read("diseases").join(people.select("person", "age", "died"), on="person")
    for name, spec in truth.parameters.tree["disease"].items():
        mine = sick.filter(pl.col("disease") == name)
        start = spec["prevalence"]["from_age"]
        pool = (people["age"] >= start).sum()
        yield truth.share(f"disease.{name}.prevalence", (mine["age"] >= start).sum(), pool)
        yield truth.share(f"disease.{name}.aware", mine["known"].sum(), mine.height)
        if "managed" in spec:
            eligible = mine.filter(pl.col("known") & (pl.col("age") >= 35) & pl.col("died").is_null())
            yield truth.share(f"disease.{name}.managed", mine["managed"].sum(), eligible.height)


def _scenarios(truth: _Truth, people: pl.DataFrame) -> Iterator[Check]:
    states = truth.read("scenarios")
    for programme, leaf in (
        ("rhythm", "chronic_visits.rhythm"),
        ("hypertension", "chronic_visits.hypertension"),
        ("type-2-diabetes", "chronic_visits.type-2-diabetes"),
        ("children", "children.pattern"),
    ):
        mine = states.filter(pl.col("programme") == programme)["scenario"]
        for state, share in truth.parameters(leaf).items():
            yield truth.share(leaf, (mine == state).sum(), len(mine), target=share, name=f"{leaf}.{state}")
    yield from _screening(truth, people, states)


def _screening(truth: _Truth, people: pl.DataFrame, states: pl.DataFrame) -> Iterator[Check]:
    def of(programme: str) -> pl.Series:
        return states.filter(pl.col("programme") == programme)["scenario"]

    low, high = truth.parameters("colorectal.ages")
    alive = people.filter(pl.col("died").is_null())
    colorectal, fit, asked = of("colorectal"), of("fit"), of("questionnaire")
    yield truth.share("colorectal.screened", len(colorectal), alive["age"].is_between(low, high).sum())
    yield truth.share("colorectal.fit_positive", (fit == "positive").sum(), len(fit))
    yield truth.share("colorectal.questionnaire_positive", (asked == "positive").sum(), len(asked))
    risky = (colorectal != "negative").sum()
    yield truth.share("colorectal.high_risk", risky, len(colorectal))
    yield truth.share("colorectal.colonoscopy", colorectal.is_in(["scoped", "cancer"]).sum(), risky)
    copd = of("copd-screening")
    yield truth.share("copd_screening.screened", len(copd), (alive["age"] >= 40).sum())
    yield truth.share("copd_screening.spirometry", (copd == "measured").sum(), (copd != "low").sum())
    elderly = of("elderly")
    yield truth.share("elderly.never", (elderly == "never").sum(), len(elderly))


def _use(truth: _Truth, people: pl.DataFrame) -> Iterator[Check]:
    n = people.height
    rows = dict(truth.read("use").group_by("what").agg(pl.col("rows").sum()).iter_rows())
    yield truth.rate("use_of_care.centre_visits", rows["visits-centre"], n)
    scopes = (
        truth.read("scenarios")
        .filter((pl.col("programme") == "colorectal") & pl.col("scenario").is_in(["scoped", "cancer"]))
        .height
    )
    yield truth.rate("use_of_care.hospital_visits", rows["visits-HIS"] - scopes, n)
    signed = pl.read_csv(truth.folder / "register" / "contracts.csv")
    yield truth.share("use_of_care.contracts", signed.height, n)


def _dirt(truth: _Truth, people: pl.DataFrame) -> Iterator[Check]:
    identities, values = truth.read("identities"), truth.read("dirty_values")
    yield truth.share("identities.duplicates", identities["duplicate"].sum(), identities.height)
    yield truth.rate("identities.per_resident", identities.height, people.height)
    sent = truth.read("sent")
    seen = sent.filter(pl.col("table") == "observations")["rows"].sum()
    yield truth.share("dirt.implausible", (values["dirt"] == "implausible").sum(), seen)
    yield truth.share("dirt.mixed_unit", values["dirt"].str.starts_with("mixed").sum(), seen)
    every = sent["rows"].sum()
    yield truth.share("dirt.late", truth.read("late").height, every)
    yield truth.share("dirt.repeated", truth.read("repeated").height, every)
