"""A hospital that begins to report lifts its township's counts and is no outbreak; one that ceases hides none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from healthbrain.county.models import Organisation
from healthbrain.residents.models import Resident
from healthbrain.surveillance.actions.signals import run_pass
from healthbrain.surveillance.models import CaseRecord, DirtyCount, Signal
from healthbrain.surveillance.rules.reporters import Reporter, began, ended, heard_otherwise
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty, at

DAY = dt.timedelta(days=1)
DAYS = 150
FEVER, DIARRHOEA = "febrile-respiratory", "diarrhoea"


@pytest.fixture
def new_hospital(small: SmallCounty) -> Organisation:
    county = small.organisations["C"]
    one = Organisation.objects.create(code="N", name="安澜区新城医院", kind="hospital", parent=county, path="?N")
    one.path = f"{county.path}{one.pk}/"
    one.save()
    return one


def told(small: SmallCounty, by: Organisation, syndrome: str, counts: Sequence[int]) -> None:
    """Residents of the village with this syndrome, seen here on the last days and reported the same day."""
    days = [TODAY - back * DAY for back, n in enumerate(reversed(counts)) for _ in range(n)]
    people = Resident.objects.bulk_create(
        Resident(
            name=f"{by.code}{syndrome}{n}", birth_date=dt.date(1980, 1, 1), division_code="330197001101",
            home_organisation=small.organisations["V"],
        )
        for n in range(len(days))
    )  # fmt: skip
    CaseRecord.objects.bulk_create(
        CaseRecord(
            resident_id=person.pk, syndrome=syndrome, source="diagnosis", onset_on=day, visit_on=day, report_on=day,
            organisation=by, recorded=NOW,
        )
        for person, day in zip(people, days, strict=True)
    )  # fmt: skip
    DirtyCount.objects.bulk_create(
        DirtyCount(source="ledger", syndrome=syndrome, day=TODAY - back * DAY, since=NOW) for back in range(len(counts))
    )


def poisson(mean: float, days: int, seed: int) -> list[int]:
    return [int(n) for n in np.random.default_rng(seed).poisson(mean, days)]


def own() -> list[Signal]:
    run_pass(now=at(TODAY, 21), everything=True)
    return [one for one in Signal.objects.all() if one.source == "diagnosis" and one.method == "own"]


@pytest.mark.parametrize("since", [1, 3, 10, 40])
def test_a_hospital_that_began_is_no_outbreak_on_any_of_its_first_days(
    small: SmallCounty, new_hospital, since: int
) -> None:
    for n, syndrome in enumerate((FEVER, DIARRHOEA)):
        told(small, small.organisations["H"], syndrome, poisson(4, DAYS, seed=n))
        told(small, new_hospital, syndrome, poisson(9, since, seed=10 + n))
    assert own() == []


def test_the_same_cases_told_by_who_always_reported_are_one(small: SmallCounty) -> None:
    for n, syndrome in enumerate((FEVER, DIARRHOEA)):
        more = [0] * (DAYS - 3) + poisson(9, 3, seed=10 + n)
        usual = poisson(4, DAYS, seed=n)
        told(small, small.organisations["H"], syndrome, [a + b for a, b in zip(usual, more, strict=True)])
    assert {one.syndrome for one in own()} == {FEVER, DIARRHOEA}


def test_a_station_that_tells_of_one_syndrome_only_is_an_outbreak_and_no_new_hospital(
    small: SmallCounty, new_hospital
) -> None:
    for n, syndrome in enumerate((FEVER, DIARRHOEA)):
        told(small, small.organisations["H"], syndrome, poisson(4, DAYS, seed=n))
    told(small, new_hospital, DIARRHOEA, [9, 10, 11])
    assert [one.syndrome for one in own()] == [DIARRHOEA]


def test_after_a_hospital_closed_the_rest_is_judged_by_the_rest(small: SmallCounty, new_hospital) -> None:
    """Of 4 + 12 a day the 12 are heard no more; 13 in each of three days are many for those who are left."""
    for n, syndrome in enumerate((FEVER, DIARRHOEA)):
        usual = poisson(4, DAYS, seed=n)
        told(small, small.organisations["H"], syndrome, [*usual[:-3], 13, 13, 13] if syndrome == FEVER else usual)
        told(small, new_hospital, syndrome, [*poisson(12, DAYS - 30, seed=10 + n), *[0] * 30])
    assert [one.syndrome for one in own()] == [FEVER]


SINCE = dt.date(2026, 1, 1)


@pytest.mark.parametrize(
    ("first", "last", "cases", "largest", "expected"),
    [
        (100, 130, 60, 40, (True, False)),
        (0, 130, 60, 40, (False, False)),  # from the first day on
        (100, 130, 60, 58, (False, False)),  # one syndrome
        (128, 130, 9, 5, (True, False)),  # three days old
        (128, 130, 5, 3, (False, False)),  # too few to lift anything
        (30, 130, 9, 5, (False, False)),  # one in eleven days: a month's silence is chance
        (0, 90, 80, 50, (False, True)),
        (0, 125, 80, 50, (False, False)),  # five quiet days are chance
        (60, 80, 80, 50, (True, False)),  # three weeks: a campaign, no hospital that closed
    ],
)
def test_who_began_and_who_ceased(first: int, last: int, cases: int, largest: int, expected: tuple[bool, bool]) -> None:
    one = Reporter(1, SINCE + first * DAY, SINCE + last * DAY, cases, largest)
    today = SINCE + 130 * DAY
    assert (began(one, SINCE, today), ended(one, today)) == expected


def test_patients_who_only_changed_their_hospital_lift_nothing() -> None:
    moved = np.r_[np.zeros(60), np.full(40, 6.0)]
    whole = np.full(100, 10.0)
    assert heard_otherwise(moved, whole, 60, begins=True) == pytest.approx(1.0, abs=0.15)
    added = np.r_[np.full(60, 4.0), np.full(40, 10.0)]
    assert heard_otherwise(moved, added, 60, begins=True) == pytest.approx(0.4)
    closed = np.r_[np.full(60, 6.0), np.zeros(40)]
    assert heard_otherwise(closed, closed + 4, 60, begins=False) == pytest.approx(0.4)
    assert heard_otherwise(closed, whole, 60, begins=False) == pytest.approx(1.0, abs=0.15)
