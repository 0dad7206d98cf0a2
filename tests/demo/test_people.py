"""The people of the synthetic county: numbers valid and nobody's, names and ages of the county's shape."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from healthbrain.demo.idnumbers import id_numbers, with_check_digit


def iso7064(body: str) -> str:
    """GB 11643 annex: ISO 7064 MOD 11-2, digit by digit."""
    product = 0
    for digit in body:
        product = (product + int(digit)) * 2 % 11
    return "0123456789X"[(12 - product) % 11]


@pytest.mark.parametrize(
    ("body", "whole"),
    [("11010519491231002", "11010519491231002X"), ("44052418800101001", "440524188001010014")],
)
def test_the_standards_own_examples(body, whole):
    assert with_check_digit(np.array([int(body)])).to_list() == [whole]


def test_numbers_are_valid_unique_and_have_no_living_owner(truth):
    people = truth("people")
    numbers = people["id_number"].to_list()
    assert len(set(numbers)) == len(numbers) == 2_000
    for number, birth, sex in people.select("id_number", "birth_date", "sex").iter_rows():
        assert number[:6] in {"330197", "330199"}
        assert number[6:14] == birth.strftime("%Y%m%d")
        assert int(number[16]) % 2 == sex % 2
        assert iso7064(number[:17]) == number[17]


def test_numbers_stay_unique_when_a_county_has_many_blocks():
    """26 blocks of people all born on one of two days: every block takes its own sequence numbers."""
    birth = np.repeat(np.array([3650, 3651], np.int32), 38)
    sex = np.tile(np.array([1, 2], np.int8), 38)
    ymd = np.where(birth == 3650, 19791230, 19791231)
    made = [id_numbers(["330197", "330199"], block, birth, ymd, sex) for block in range(26)]
    assert pl.concat(made).is_unique().all()


def test_no_phone_can_ring(truth):
    unassigned = {"154", "160", "161", "163", "164", "168", "169", "179"}
    assert set(truth("people")["phone"].str.slice(0, 3)) <= unassigned
    assert truth("people")["phone"].str.len_chars().unique().to_list() == [11]


def test_age_is_completed_years(truth):
    for birth, age in truth("people").select("birth_date", "age").iter_rows():
        turned = (2026 - birth.year) - ((birth.month, birth.day) > (11, 22))
        assert age == turned


def test_children_live_with_a_mother_old_enough(truth):
    people = truth("people")
    children = people.filter(pl.col("mother") >= 0)
    assert children.height > 100
    mothers = children.join(people, left_on="mother", right_on="person", suffix="_mother")
    assert (mothers["sex_mother"] == 2).all()
    assert (mothers["age_mother"] - mothers["age"] >= 18).all()
    assert (mothers["address"] == mothers["address_mother"]).all()
