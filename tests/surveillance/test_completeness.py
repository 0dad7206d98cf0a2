"""Partial counts are compared with as much of the usual count as should be here by now, and nobody with his silence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from healthbrain.county.models import Organisation
from healthbrain.residents.models import Resident
from healthbrain.surveillance.actions.signals import run_pass
from healthbrain.surveillance.models import CaseRecord, DailyCount, DirtyCount, Signal, Site
from healthbrain.surveillance.rules.completeness import Limits, Voice, arrived, heard
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty, at

DAY = dt.timedelta(days=1)
LIMITS = Limits(longest_delay=3, memory=28, least_cases=30, least_report_days=10, level=0.9)
FIRST = dt.date(2026, 3, 1)


def voice(began: int, usual: float, *, regular: bool = True, lately: Sequence[int] = range(100)) -> Voice:
    """Of the series "s"; days counted from FIRST."""
    return Voice("s", FIRST + began * DAY, usual, regular, frozenset(FIRST + n * DAY for n in lately))


@pytest.mark.parametrize(
    ("voices", "share"),
    [
        ([voice(-9, 10.0), voice(-9, 30.0)], [1, 1, 1, 1, 1, 1]),
        ([voice(-9, 10.0), voice(2, 30.0)], [0.25, 0.25, 1, 1, 1, 1]),  # the larger shop joins on the third day
        ([voice(3, 7.0)], [0, 0, 0, 1, 1, 1]),
        ([voice(-9, 10.0), voice(-9, 30.0, lately=(4,))], [1, 1, 1, 0.25, 1, 0.25]),  # daily, and late
        ([voice(-9, 10.0), voice(-9, 30.0, regular=False, lately=())], [1, 1, 1, 1, 1, 1]),  # no row is no case
        ([voice(-9, 10.0), voice(-9, 30.0, lately=range(5))], [1, 1, 1, 1, 1, 0.25]),
    ],
)
def test_the_share_heard_is_that_of_those_who_had_begun_and_are_not_late(voices: list[Voice], share: list[float]):
    found = heard(["s", "other"], voices, FIRST, 6, 3)
    assert found[0] == pytest.approx(share, abs=1e-3)
    assert (found[1] == 1).all()


def delays(a_day: int, shares: Sequence[float], days: int = 40, place: str = "A"):
    """What of `a_day` cases a day is known on the last day, when the part shares[d] is reported d days later."""
    today = FIRST + (days - 1) * DAY
    return [
        (place, today - age * DAY, delay, round(a_day * share))
        for age in range(days) for delay, share in enumerate(shares) if delay <= age
    ]  # fmt: skip


def test_the_share_arrived_is_learnt_from_the_delays_and_never_taken_too_small():
    today = FIRST + 39 * DAY
    known = (0.4, 0.3, 0.2, 0.1)
    many = arrived(delays(1000, known), ["A"], today, LIMITS)[0]
    assert many == pytest.approx([1, 0.9, 0.7, 0.4], rel=0.02)
    few = arrived(delays(10, known), ["A"], today, LIMITS)[0]
    assert (few >= many - 1e-3).all()
    assert few[-1] > many[-1] * 1.02  # the less is known of the delays, the less is corrected


def test_a_place_with_few_cases_has_the_delays_of_the_county():
    rows = [*delays(100, (0.5, 0.5)), *delays(1, (1.0,), days=5, place="B")]
    own, borrowed, unknown = arrived(rows, ["A", "B", "C"], FIRST + 39 * DAY, LIMITS)
    assert own[-1] == pytest.approx(0.5, rel=0.05)
    assert borrowed == pytest.approx(unknown)
    assert borrowed[-1] == pytest.approx(own[-1], rel=0.01)


def test_what_came_in_one_load_teaches_no_delays():
    load = [("A", FIRST + n * DAY, 3 - n, 100) for n in range(4)]
    assert (arrived(load, ["A"], FIRST + 3 * DAY, LIMITS) == 1).all()


# In a pass ----------------------------------------------------------------------------------------------------------


def diagnosed(small: SmallCounty, a_day: Sequence[int], shares: Sequence[float]) -> None:
    """Residents of the village with fever and cough on the last days, of whom a share is reported each day after."""
    told = []
    for back, n in enumerate(reversed(a_day)):
        late = np.repeat(np.arange(len(shares)), np.diff(np.round(np.cumsum([0, *shares]) * n)).astype(int))
        told += [(TODAY - back * DAY, int(delay)) for delay in late if delay <= back]
    people = Resident.objects.bulk_create(
        Resident(
            name=f"人{n}", birth_date=dt.date(1980, 1, 1), division_code="330197001101",
            home_organisation=small.organisations["V"],
        )
        for n in range(len(told))
    )  # fmt: skip
    CaseRecord.objects.bulk_create(
        CaseRecord(
            resident_id=person.pk, syndrome="febrile-respiratory", source="diagnosis", onset_on=day, visit_on=day,
            report_on=day + delay * DAY, organisation=small.organisations["H"], recorded=NOW,
        )
        for person, (day, delay) in zip(people, told, strict=True)
    )  # fmt: skip
    DirtyCount.objects.bulk_create(
        DirtyCount(source="ledger", syndrome="febrile-respiratory", day=TODAY - back * DAY, since=NOW)
        for back in range(len(a_day))
    )


def usual(mean: float, days: int, seed: int = 5) -> list[int]:
    return [int(n) for n in np.random.default_rng(seed).poisson(mean, days)]


def test_a_rise_of_three_days_is_seen_although_a_part_of_it_is_on_its_way(small: SmallCounty) -> None:
    """Of 24 a day instead of 12, reported are 10, 17 and 22: 49, when 36 is usual; by now 24 would be here."""
    diagnosed(small, [*usual(12, 87), 24, 24, 24], (0.4, 0.3, 0.2, 0.1))
    run_pass(now=at(TODAY, 20), everything=True)
    signal = Signal.objects.get()
    assert (signal.method, signal.source) == ("own", "diagnosis")
    assert signal.observed < 50
    finding = signal.detail["findings"][0]
    assert finding["expected"] < 30
    assert finding["heard"] < 0.8
    assert f"平常到此时约 {finding['expected']:.1f} 例（估计已报来" in signal.sentence_zh
    assert "usual by now about" in signal.sentence_en


def test_the_usual_number_arriving_late_is_no_rise(small: SmallCounty) -> None:
    diagnosed(small, usual(12, 90), (0.4, 0.3, 0.2, 0.1))
    run_pass(now=at(TODAY, 20), everything=True)
    assert not Signal.objects.exists()


def places(small: SmallCounty, kind: str, count: int) -> list[Organisation]:
    made = []
    for n in range(count):
        one = Organisation.objects.create(
            code=f"{kind}{n}", name=f"{kind}{n}", kind=kind, parent=small.organisations["T"], path=f"?{kind}{n}"
        )
        one.path = f"{small.organisations['T'].path}{one.pk}/"
        one.save()
        Site.objects.create(organisation=one, kind=kind, township_id="330197001")
        made.append(one)
    return made


def told(place: Organisation, source: str, item: str, counts: Sequence[int], last: dt.date = TODAY) -> None:
    DailyCount.objects.bulk_create(
        DailyCount(
            organisation=place, source=source, syndrome=item, basis="report", count=n, arrived=NOW,
            day=last - back * DAY,
        )
        for back, n in enumerate(reversed(counts))
    )  # fmt: skip


def test_a_home_that_joins_an_old_source_is_not_judged_by_its_silence_but_later_by_its_own_past(
    small: SmallCounty,
) -> None:
    old, new = places(small, "nursing-home", 2)
    told(old, "nursing-home", "febrile-respiratory", usual(0.3, 300))
    joined = usual(3, 90, seed=8)
    told(new, "nursing-home", "febrile-respiratory", joined[:20])
    run_pass(now=at(TODAY, 20), everything=True)
    assert not Signal.objects.exists()
    later = TODAY + 70 * DAY
    told(old, "nursing-home", "febrile-respiratory", [0] * 70, later)
    told(new, "nursing-home", "febrile-respiratory", [*joined[20:88], 10, 12], later)
    run_pass(now=at(later, 20), everything=True)
    signal = Signal.objects.get()
    assert signal.organisation_id == new.pk
    assert 2 < signal.expected < 12


def test_a_shop_that_sells_more_is_heard_before_the_others_have_sent_their_figures(small: SmallCounty) -> None:
    first, *others = places(small, "pharmacy", 3)
    told(first, "pharmacy", "antidiarrhoeal", [*usual(10, 119), 32])
    for n, shop in enumerate(others):
        told(shop, "pharmacy", "antidiarrhoeal", usual(10, 119, seed=20 + n), TODAY - DAY)
    run_pass(now=at(TODAY, 20), everything=True)
    signal = Signal.objects.get()
    assert (signal.source, signal.place_code, signal.observed) == ("pharmacy", "330197001", 32)
    assert 8 < signal.expected < 13


def test_an_outbreak_under_way_does_not_teach_the_budget_that_it_is_usual(small: SmallCounty) -> None:
    """A village's dysentery begins among series that are quiet: 2, 4, 5 cases where one came a month."""
    for n, shop in enumerate(places(small, "pharmacy", 1)):
        for m, item in enumerate(("antidiarrhoeal", "antipyretic", "cold-cough", "antipruritic", "oral-rehydration")):
            told(shop, "pharmacy", item, usual(8, 120, seed=10 * n + m))
    for n, home in enumerate(places(small, "nursing-home", 4)):
        for item in ("febrile-respiratory", "diarrhoea", "febrile-rash"):
            told(home, "nursing-home", item, usual(0.3, 120, seed=50 + n))
    told(Organisation.objects.get(code="nursing-home3"), "hotel", "diarrhoea", [0] * 117 + [2, 4, 5])
    run_pass(now=at(TODAY - DAY, 20), everything=True)
    assert [s.source for s in Signal.objects.all()] == ["hotel"]
