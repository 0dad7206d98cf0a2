"""How everybody stood at the end of each month, with what came late."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.access.rules import Actor
from healthbrain.care import actions, queries
from tests.care.conftest import organisation

pytestmark = pytest.mark.django_db
MONTHS = queries.last_days(3, dt.date(2026, 4, 1))


def test_the_months_that_are_over() -> None:
    assert [day.isoformat() for day in MONTHS] == ["2026-01-31", "2026-02-28", "2026-03-31"]
    assert queries.last_days(1, dt.date(2024, 3, 31)) == [dt.date(2024, 2, 29)]


def test_each_month_is_a_count_and_late_data_move_it(county) -> None:
    first, second, third = (county.resident("1976-02-01") for _ in range(3))
    for resident in (first, second):
        county.diagnosis(resident, "I10", "2025-01-01")
    county.diagnosis(third, "I10", "2026-02-10")  # enters in February
    county.pressure(first, "2026-01-10", 150, 95)
    county.pressure(first, "2026-02-20", 132, 82)
    county.pressure(second, "2025-12-20", 130, 80)  # last year: no reading of this one
    county.lake()
    bureau = Actor(2, "局", "bureau", county.county.pk, county.county.path)

    def told() -> list[tuple[int, int | None, int | None, int | None]]:
        found = queries.monthly(bureau, "hypertension", MONTHS)
        return [(m.enrolled, m.controlled, m.uncontrolled, m.unknown) for m in found]

    assert told() == [], "nothing is written yet"
    assert actions.write_months(MONTHS) >= 8
    assert told() == [(2, 0, 1, 1), (3, 1, 0, 2), (3, 1, 0, 2)]
    county.pressure(second, "2026-02-27", 128, 78)  # told in April
    county.lake()
    assert told() == [(2, 0, 1, 1), (3, 1, 0, 2), (3, 1, 0, 2)]
    actions.write_months(MONTHS[1:])
    assert told() == [(2, 0, 1, 1), (3, 2, 0, 1), (3, 2, 0, 1)]
    assert queries.monthly(bureau, "hypertension", MONTHS)[1].rate == pytest.approx(2 / 3)
    assert queries.monthly(bureau, "elderly", MONTHS)[0].controlled is None, "no control measure"
    elsewhere = organisation("330199102", "township", county.county)
    other = Actor(3, "别处", "township_doctor", elsewhere.pk, elsewhere.path)
    assert [m.enrolled for m in queries.monthly(other, "hypertension", MONTHS)] == [0, 0, 0]
