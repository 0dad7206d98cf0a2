"""Threshold rules at their boundaries, classification, calendar, the life of a signal: pure functions on tables."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthbrain.surveillance import knowledge
from healthbrain.surveillance.rules.life import Finding, Place, Standing, ended, follow, group
from healthbrain.surveillance.rules.thresholds import Unit, evaluate

FIRST = dt.date(2026, 10, 1)
SCHOOL = Unit("unit:1", "unit", "school")
GARDEN = Unit("unit:2", "unit", "childcare")
CLASS = Unit("class:1:a", "class", "school")
VILLAGE = Unit("village:330197001101", "village")
TOWNSHIP = Unit("township:330197001", "township")
COUNTY = Unit("county:330197", "county")
HOME = Unit("unit:3", "unit", "nursing-home")


def met(unit: Unit, syndrome: str, days: dict[int, int], length: int = 21) -> set[str]:
    """Rules met when these days (from the first) have so many new cases."""
    counts = np.zeros((1, length), np.int64)
    for day, n in days.items():
        counts[0, day] = n
    return {hit.rule.id for hit in evaluate(knowledge.rules(), [unit], [syndrome], counts, FIRST, FIRST)}


# unit, syndrome, counts by day, the rule asked about, is it met
TABLE = [
    # school norm 2006: 3 in a day in a class; more than 5 in three days
    (CLASS, "diarrhoea", {3: 2}, "class-1-day", False),
    (CLASS, "diarrhoea", {3: 3}, "class-1-day", True),
    (CLASS, "diarrhoea", {3: 2, 4: 1}, "class-1-day", False),
    (CLASS, "febrile-rash", {3: 2, 4: 2, 5: 1}, "class-3-days", False),
    (CLASS, "febrile-rash", {3: 2, 4: 2, 5: 2}, "class-3-days", True),
    (CLASS, "febrile-rash", {3: 2, 4: 2, 6: 2}, "class-3-days", False),
    (SCHOOL, "diarrhoea", {3: 3}, "class-1-day", False),
    # influenza-like: 10 and 30 in seven days of one school
    (SCHOOL, "influenza-like", {3: 5, 9: 4}, "ili-school-7-days", False),
    (SCHOOL, "influenza-like", {3: 5, 9: 5}, "ili-school-7-days", True),
    (SCHOOL, "influenza-like", {3: 5, 10: 5}, "ili-school-7-days", False),
    (SCHOOL, "influenza-like", {3: 29}, "ili-event-7-days", False),
    (SCHOOL, "influenza-like", {3: 15, 8: 15}, "ili-event-7-days", True),
    (HOME, "influenza-like", {3: 30}, "ili-event-7-days", False),
    # HFMD: 2 in a class, 5 in a kindergarten, 3 in a village; outbreak 10 and 5
    (CLASS, "hfmd", {3: 1, 9: 1}, "hfmd-class", True),
    (CLASS, "hfmd", {3: 1, 10: 1}, "hfmd-class", False),
    (GARDEN, "hfmd", {3: 4}, "hfmd-school", False),
    (GARDEN, "hfmd", {3: 4, 4: 1}, "hfmd-school", True),
    (GARDEN, "hfmd", {3: 9}, "hfmd-school-outbreak", False),
    (GARDEN, "hfmd", {3: 10}, "hfmd-school-outbreak", True),
    (VILLAGE, "hfmd", {3: 2}, "hfmd-village", False),
    (VILLAGE, "hfmd", {3: 2, 9: 1}, "hfmd-village", True),
    (VILLAGE, "hfmd", {3: 5}, "hfmd-village-outbreak", True),
    # norovirus: 5 in three days, 10 in seven (Huzhou), 20 in seven
    (SCHOOL, "diarrhoea", {3: 2, 5: 2}, "norovirus-cluster", False),
    (SCHOOL, "diarrhoea", {3: 2, 5: 3}, "norovirus-cluster", True),
    (SCHOOL, "diarrhoea", {3: 2, 6: 3}, "norovirus-cluster", False),
    (SCHOOL, "diarrhoea", {3: 4, 6: 3, 9: 2}, "norovirus-huzhou", False),
    (SCHOOL, "diarrhoea", {3: 4, 6: 3, 9: 3}, "norovirus-huzhou", True),
    (SCHOOL, "diarrhoea", {3: 10, 9: 9}, "norovirus-outbreak", False),
    (SCHOOL, "diarrhoea", {3: 10, 9: 10}, "norovirus-outbreak", True),
    (HOME, "diarrhoea", {3: 20}, "diarrhoea-unit", True),
    (SCHOOL, "diarrhoea", {3: 20}, "diarrhoea-unit", False),
    # event report and local clusters
    (SCHOOL, "varicella", {3: 4}, "exanthem-cluster", False),
    (SCHOOL, "varicella", {3: 5}, "exanthem-cluster", True),
    (SCHOOL, "scarlet-fever", {3: 9}, "exanthem-event", False),
    (SCHOOL, "scarlet-fever", {3: 10}, "exanthem-event", True),
    (SCHOOL, "conjunctivitis", {3: 3}, "conjunctivitis-cluster", True),
    (TOWNSHIP, "measles", {3: 1, 12: 1}, "measles-cluster-township", True),
    (TOWNSHIP, "measles", {3: 1, 13: 1}, "measles-cluster-township", False),
    (VILLAGE, "dysentery", {3: 5, 5: 4}, "dysentery-cluster-village", False),
    (VILLAGE, "dysentery", {3: 5, 5: 5}, "dysentery-cluster-village", True),
    (VILLAGE, "dengue", {3: 1, 9: 1, 16: 1}, "dengue-cluster-village", True),
    (VILLAGE, "dengue", {3: 1, 9: 1, 17: 1}, "dengue-cluster-village", False),
    # one case is enough
    (COUNTY, "cholera", {3: 1}, "single-case", True),
    (COUNTY, "influenza", {3: 1}, "single-case", False),
]


@pytest.mark.parametrize(("unit", "syndrome", "days", "rule", "expected"), TABLE)
def test_a_rule_at_its_number_and_its_window(
    unit: Unit, syndrome: str, days: dict[int, int], rule: str, expected: bool
) -> None:
    assert (rule in met(unit, syndrome, days)) == expected


def test_every_rule_has_its_document_and_what_is_not_binding_is_at_most_a_cluster() -> None:
    for rule in knowledge.rules().rules:
        assert rule.source.document
        assert rule.source.clause
        assert rule.binding or rule.level in {"watch", "cluster"}


def test_a_rule_speaks_only_while_it_is_valid() -> None:
    counts = np.array([[5]])
    before = dt.date(2015, 10, 31)  # a day before the guide
    hits = evaluate(knowledge.rules(), [SCHOOL], ["diarrhoea"], counts, before, before)
    assert "norovirus-cluster" not in {hit.rule.id for hit in hits}


@given(st.lists(st.integers(0, 4), min_size=1, max_size=25), st.integers(0, 10))
def test_rolling_windows_agree_with_counting_by_hand(counts: list[int], start: int) -> None:
    matrix = np.array([counts], np.int64)
    test_from = FIRST + dt.timedelta(days=start)
    hits = evaluate(knowledge.rules(), [SCHOOL], ["diarrhoea"], matrix, FIRST, test_from)
    for rule in knowledge.rules().rules:
        if rule.at == "school" and "diarrhoea" in rule.syndromes:
            by_hand = any(
                sum(counts[max(0, day - rule.days + 1) : day + 1]) >= rule.cases for day in range(start, len(counts))
            )
            assert any(hit.rule.id == rule.id for hit in hits) == by_hand


@pytest.mark.parametrize(
    ("code", "keys"),
    [
        ("A08.100", {"diarrhoea", "norovirus", "infectious-diarrhoea"}),
        ("B08.401", {"febrile-rash", "hfmd"}),
        ("U07.100", {"febrile-respiratory", "covid-19"}),
        ("A03.900", {"diarrhoea", "dysentery"}),
        ("I10", set()),
        ("K52.900", {"diarrhoea"}),
        ("K52.100", set()),
    ],
)
def test_what_a_diagnosis_speaks_of(code: str, keys: set[str]) -> None:
    assert set(knowledge.classifier().of_diagnosis(code)) == keys


def test_the_law_of_2025_counts_forty_diseases() -> None:
    """2 of class A, 27 of B, 11 of C; parts of a disease and those watched besides are not counted."""
    rows = [d for d in knowledge.classifier().diseases.values() if not d.part_of]
    assert [sum(d.category == c for d in rows) for c in "ABC"] == [2, 27, 11]
    assert all(d.report_hours == 2 for d in rows if d.category == "A")


@pytest.mark.parametrize(
    ("day", "school_day"),
    [
        (dt.date(2026, 11, 18), True),
        (dt.date(2026, 11, 21), False),  # Saturday
        (dt.date(2026, 10, 1), False),  # National Day
        (dt.date(2026, 10, 10), True),  # a Saturday worked instead
        (dt.date(2026, 7, 15), False),  # summer holidays
    ],
)
def test_school_days(day: dt.date, school_day: bool) -> None:
    assert knowledge.calendar().is_school_day(day) == school_day


# --- the life of a signal --------------------------------------------------------------------------------------------

HERE = Place("organisation", 1)


def finding(first: int, last: int, observed: float = 5, source: str = "absence", level: str = "cluster") -> Finding:
    day = FIRST + dt.timedelta(days=first), FIRST + dt.timedelta(days=last)
    return Finding(HERE, "diarrhoea", "diarrhoea", source, "threshold", "r", level, *day, observed, bound=5.0)


def test_findings_that_touch_are_one_event_and_sources_are_never_added_up() -> None:
    (one,) = group([finding(0, 2, 6), finding(3, 4, 7), finding(1, 1, 40, "pharmacy", "statistical")])
    assert (one.first_day, one.last_day, one.observed) == (FIRST, FIRST + dt.timedelta(days=4), 7)
    assert len(group([finding(0, 2), finding(8, 9)])) == 1
    assert len(group([finding(0, 2), finding(9, 9)])) == 2


@pytest.mark.parametrize(
    ("observed", "level", "quiet", "life", "speaks"),
    [
        (8, "cluster", None, "unchanged", False),
        (9, "cluster", None, "grown", True),
        (9, "cluster", 5, "grown", False),  # answered, still quiet
        (12, "cluster", 5, "grown", True),  # half as many again
        (8, "outbreak", 5, "grown", True),  # a higher level
        (9, "cluster", -1, "grown", True),  # the quiet days are over
    ],
)
def test_new_grown_unchanged_quiet(observed: float, level: str, quiet: int | None, life: str, speaks: bool) -> None:
    today = FIRST + dt.timedelta(days=3)
    until = None if quiet is None else today + dt.timedelta(days=quiet)
    known = Standing(1, HERE, "diarrhoea", FIRST, today, 8, "cluster", "new", "watch", until, 8)
    (change,) = follow(group([finding(0, 3, observed, level=level)]), [known], today=today, grows_by=1.5)
    assert (change.life, change.speaks) == (life, speaks)


def test_a_signal_ends_after_a_generation_without_cases() -> None:
    known = Standing(1, HERE, "febrile-rash", FIRST, FIRST, 8, "cluster", "new")
    assert [ended(known, today=FIRST + dt.timedelta(days=n), spreads_days=14) for n in (14, 15)] == [False, True]
    assert [ended(known, today=FIRST + dt.timedelta(days=n), spreads_days=3) for n in (7, 8)] == [False, True]
