"""The clinical story: what the feeds say agrees with the planted state, judged here from the sheets alone."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tests.demo.small_county import AS_OF


@pytest.fixture(scope="module")
def readings(sheet, truth):
    """Pressure pairs of every person over all sheets: person, day, systolic, diastolic, newest first."""
    owner = truth("identities").select("source", "source_id", "person")
    rows = (
        sheet("observations")
        .filter(pl.col("code").is_in(["8480-6", "8462-4"]), pl.col("effective").str.starts_with("202"))
        .with_columns(pl.col("value").cast(pl.Float64, strict=False), pl.col("effective").str.slice(0, 16))
        .filter(pl.col("value").is_between(30, 260), pl.col("effective") != "20260230")
        .unique(["source_id", "code", "effective"])
        .join(owner, on=["source", "source_id"])
        .pivot("code", index=["person", "effective"], values="value", aggregate_function="first")
        .drop_nulls()
    )
    return rows.sort("effective", descending=True)


def states(truth, programme: str) -> dict[str, list[int]]:
    rows = truth("scenarios").filter(pl.col("programme") == programme)
    return {key[0]: part["person"].to_list() for key, part in rows.partition_by("scenario", as_dict=True).items()}


def above(row: dict, age: int) -> bool:
    """Target of the national specification: below 140/90, from 65 years below 150/90."""
    return row["8480-6"] >= (150 if age >= 65 else 140) or row["8462-4"] >= 90


def test_hypertension_states_can_be_read_from_the_pressures(readings, truth):
    ages = dict(truth("people").select("person", "age").iter_rows())
    expected = {
        "controlled": lambda one, two: not one,
        "first-uncontrolled": lambda one, two: one and not two,
        "twice-uncontrolled": lambda one, two: one and two,
    }
    seen = 0
    for state, holds in expected.items():
        for person in states(truth, "hypertension")[state]:
            last = readings.filter(pl.col("person") == person).head(2).to_dicts()
            if len(last) == 2:
                one, two = (above(row, ages[person]) for row in last)
                assert holds(one, two), (state, person, last)
                seen += 1
    assert seen > 60


def test_urgent_pressures_reach_180_or_110(readings, truth):
    people = states(truth, "hypertension")["urgent"]
    assert len(people) >= 2
    for person in people:
        last = readings.filter(pl.col("person") == person).row(0, named=True)
        assert last["8480-6"] >= 180 or last["8462-4"] >= 110


def test_lost_people_have_had_no_follow_up_for_fourteen_months(sheet, truth):
    owner = truth("identities").select("source", "source_id", "person")
    visits = sheet("encounters", "PH").filter(pl.col("type") == "follow-up").join(owner, on=["source", "source_id"])
    lost = states(truth, "rhythm")["lost"]
    assert len(lost) >= 2
    limit = (AS_OF - timedelta(days=425)).isoformat()
    assert visits.filter(pl.col("person").is_in(lost))["start"].max() < limit


def test_a_suspect_has_three_high_days_and_no_diagnosis(readings, truth):
    sick = set(truth("diseases").filter(pl.col("disease") == "hypertension", "known")["person"])
    people = states(truth, "suspect")["suspect"]
    assert len(people) >= 2
    since = (AS_OF - timedelta(days=90)).isoformat()
    for person in people:
        mine = readings.filter(pl.col("person") == person, pl.col("effective") >= since)
        high = mine.filter((pl.col("8480-6") >= 140) | (pl.col("8462-4") >= 90))
        assert high["effective"].str.slice(0, 10).n_unique() >= 3
        assert person not in sick


def test_positive_stools_with_and_without_colonoscopy(truth):
    rows = truth("scenarios")
    fit = rows.filter(pl.col("programme") == "fit", pl.col("scenario") == "positive")["person"]
    outcome = rows.filter(pl.col("programme") == "colorectal", pl.col("person").is_in(fit.implode()))["scenario"]
    assert outcome.is_in(["scoped", "cancer"]).sum() >= 2
    assert (outcome == "waiting").sum() >= 2


def test_copd_questionnaires_with_and_without_spirometry(sheet, truth):
    owner = truth("identities").select("source", "source_id", "person")
    rows = sheet("observations", "PH").join(owner, on=["source", "source_id"])
    positive = set(
        rows.filter(pl.col("code") == "hb|copd-sq", pl.col("value").cast(pl.Int64, strict=False) >= 16)["person"]
    )
    measured = set(rows.filter(pl.col("code") == "19926-5")["person"])
    assert len(positive & measured) >= 2
    assert len(positive - measured) >= 2


def test_nothing_rare_is_missing(truth):
    """At least two people for every disease, known and managed, and for every planted state."""
    diseases = truth("diseases").group_by("disease").agg(pl.len(), pl.col("known").sum(), pl.col("managed").sum())
    assert diseases.height == 9
    assert diseases["len"].min() >= 2
    assert diseases["known"].min() >= 2
    managed = diseases.filter(pl.col("disease").is_in(["hypertension", "type-2-diabetes", "copd"]))
    assert managed["managed"].min() >= 2
    counted = truth("scenarios").group_by("programme", "scenario").len()
    few = counted.filter(pl.col("len") < 2)
    assert few.is_empty(), few


def test_no_event_after_death_or_before_birth(sheet, truth):
    owner = truth("identities").select("source", "source_id", "person")
    people = truth("people").select("person", "birth_date", "died")
    rows = sheet("encounters").join(owner, on=["source", "source_id"]).join(people, on="person")
    day = rows["start"].str.slice(0, 10).str.to_date()
    assert (day >= rows["birth_date"]).all()
    assert (day <= rows["died"].fill_null(date(2999, 1, 1))).all()
    assert day.max() <= AS_OF


def test_a_pressure_is_a_pair_at_one_moment(sheet):
    rows = sheet("observations", "PH").filter(
        pl.col("code").is_in(["8480-6", "8462-4"]),
        ~pl.col("file").str.contains("late"),
        pl.col("source_id").is_not_null(),
    )
    pairs = rows.group_by("source_id", "effective").agg(pl.col("code").n_unique())
    assert (pairs["code"] == 2).mean() > 0.98
