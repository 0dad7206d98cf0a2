"""Suspected common exposure from a school's line list."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.rules.linelist import (
    Person,
    Table,
    attack_rate_interval,
    attributes,
    fisher,
    interval,
    suspects,
)


def people(table: Table, name: str) -> list[Person]:
    return (
        [Person(True, {name: True})] * table.exposed_ill
        + [Person(False, {name: True})] * table.exposed_well
        + [Person(True, {name: False})] * table.other_ill
        + [Person(False, {name: False})] * table.other_well
    )


def test_oswego_vanilla_ice_cream():
    """Oswego, New York, 1940 (CDC case study 401-303): 43 of 54 who ate vanilla ice cream fell ill, 3 of 21 others."""
    vanilla = Table(43, 11, 3, 18)
    found = suspects(people(vanilla, "vanilla ice cream"))[0]
    assert (found.table, round(found.risk_ratio, 2)) == (vanilla, 5.57)
    assert found.table.attack_rate == pytest.approx(0.796, abs=0.001)
    assert found.table.other_rate == pytest.approx(0.143, abs=0.001)
    assert found.low < 5.57 < found.high
    assert 1.9 < found.low < 2.6
    assert found.fisher < 1e-6
    assert found.explained == pytest.approx(43 / 46)


def test_fisher_of_the_lady_tasting_tea():
    """Fisher 1935: 3 of 4 cups right has p = 17/70; all right 1/70."""
    assert fisher(Table(3, 1, 1, 3))[0] == pytest.approx(17 / 70)
    assert fisher(Table(4, 0, 0, 4))[0] == pytest.approx(1 / 70)
    assert fisher(Table(4, 0, 0, 4))[1] == pytest.approx(0.5 / 70)


def test_koopman_interval_of_the_paper():
    """Koopman 1984, Biometrics 40:513: 36 of 40 against 16 of 80 gives 2.94 to 7.15."""
    assert interval(Table(36, 4, 16, 64)) == pytest.approx((2.94, 7.15), abs=0.01)


def test_zeros_leave_an_open_end():
    low, high = interval(Table(6, 4, 0, 20))
    assert low > 1
    assert high == math.inf
    assert Table(6, 4, 0, 20).risk_ratio == math.inf
    assert interval(Table(0, 10, 5, 5))[0] == 0.0
    assert all(math.isnan(end) for end in interval(Table(0, 10, 0, 5)))


@given(st.tuples(*[st.integers(0, 40)] * 4))
def test_interval_holds_the_ratio_and_turns_over_with_the_groups(cells):
    a, b, c, d = cells
    table, turned = Table(a, b, c, d), Table(c, d, a, b)
    if math.isnan(table.risk_ratio):
        return
    low, high = interval(table)
    assert low <= table.risk_ratio <= high
    other_low, other_high = interval(turned)
    assert low == pytest.approx(1 / other_high if other_high else math.inf, rel=1e-6)
    assert high == pytest.approx(1 / other_low if other_low else math.inf, rel=1e-6)


def test_the_common_meal_ranks_before_the_class_it_was_served_to():
    rows, ill = [], []
    for i in range(120):
        lunch = "A" if i % 3 == 0 else "B"
        rows.append({"class": f"3-{i // 40 + 1}", "lunch": lunch, "dormitory": f"D{i % 5}"})
        ill.append(lunch == "A" and i % 4 != 0)
    found = suspects(attributes(rows, ill))
    assert found[0].exposure == "lunch=A"
    assert found[0].explained == 1.0
    assert found[0].adjusted < 1e-6
    assert all(s.adjusted > 0.05 for s in found[1:] if not s.exposure.startswith("lunch"))
    assert all(s.adjusted >= s.fisher for s in found)


def test_who_was_not_asked_is_not_counted():
    asked = people(Table(5, 1, 1, 5), "water point 2")
    found = suspects([*asked, Person(True, {}), Person(False, {})])[0]
    assert (found.table.exposed, found.table.others) == (6, 6)


def test_attack_rate_interval_is_mid_p():
    """Vollset 1993 (Stat Med 12:809), 5 of 50, mid-P: 0.0374 to 0.2065."""
    low, high = attack_rate_interval(5, 50)
    assert (low, high) == pytest.approx((0.0374, 0.2065), abs=0.0015)
    assert attack_rate_interval(0, 10)[0] == 0.0
    assert attack_rate_interval(10, 10)[1] == 1.0
    with pytest.raises(Invalid):
        attack_rate_interval(3, 2)
