"""One resident over all institutions, read from real rows; expected values are written out by hand."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.test.utils import CaptureQueriesContext

from healthbrain.access.actions import break_glass
from healthbrain.access.queries import actor_of
from healthbrain.kernel.errors import NotAllowed, NotFound
from healthbrain.records import queries
from healthbrain.records.terms import term
from healthbrain.residents.models import Link

from .conftest import AS_OF, event, identity, person


@pytest.fixture
def doctor(county):
    return actor_of(county.accounts["hospital_doctor"])


def panels(county, doctor):
    history = queries.history(doctor, county.east.pk, "treatment")
    return {p.key: p for p in queries.results(history.events, sex="1", birth=county.east.birth_date)}


def test_three_queries_whatever_the_record_holds(county, doctor, django_assert_num_queries):
    owner = identity(county.sources["ph-w"], county.east, "X-1")
    for day in range(1, 29):
        event(
            owner,
            "observation",
            "loinc|8480-6",
            f"2026-02-{day:02}",
            county.organisations["W1"],
            value=130 + day,
            unit="mm[Hg]",
        )
    with django_assert_num_queries(3):
        history = queries.history(doctor, county.east.pk, "treatment")
    assert len(history.events) == 15 + 28


def test_superseded_is_gone_and_implausible_is_kept_but_not_believed(county, doctor):
    found = panels(county, doctor)
    weight = found["loinc|29463-7"].series[0]
    assert [p.value for p in weight.points] == [69]
    height = found["loinc|8302-2"].series[0]
    assert height.points[0].implausible
    assert height.points[0].outside == ""


def test_blood_pressure_is_one_panel_newest_first_with_institution(county, doctor):
    systolic, diastolic = panels(county, doctor)["blood-pressure"].series
    assert [(p.at.date().isoformat(), p.value, p.outside, p.organisation) for p in systolic.points] == [
        ("2026-03-20", 152.0, "high", "安澜区第一人民医院"),
        ("2025-11-12", 136.0, "", "东浦一村卫生室"),
        ("2025-02-10", 148.0, "high", "东浦一村卫生室"),
    ]
    assert [p.value for p in diastolic.points] == [94.0, 84.0, 92.0]
    assert (systolic.interval.low, systolic.interval.high) == (90, 139)


def test_current_medication_is_what_was_prescribed_in_ninety_days(county, doctor):
    events = queries.history(doctor, county.east.pk, "treatment").events
    assert [(d.term.zh, d.current) for d in queries.medication(events, as_of=AS_OF)] == [
        ("氨氯地平", True),
        ("二甲双胍", False),
    ]
    last_day = dt.date(2026, 3, 20) + dt.timedelta(days=90)
    assert queries.medication(events, as_of=last_day)[0].current
    assert not queries.medication(events, as_of=last_day + dt.timedelta(days=1))[0].current


def test_a_visit_is_its_class_and_its_type(county, doctor):
    (visit,) = queries.visits(queries.history(doctor, county.east.pk, "treatment").events)
    assert (visit.visit_class.zh, [one.zh for one in visit.types], visit.organisation) == (
        "入户",
        ["随访"],
        "东浦一村卫生室",
    )


def test_timeline_groups_by_year_day_and_institution(county, doctor):
    years = queries.timeline(queries.history(doctor, county.east.pk, "treatment").events)
    assert [year.year for year in years] == [2026, 2025, 2024]
    assert [(e.day.isoformat(), e.organisation) for e in years[0].entries] == [
        ("2026-03-20", "安澜区第一人民医院"),
        ("2026-03-01", "东浦一村卫生室"),
    ]


def test_an_unmerged_identity_takes_its_events_along(county, doctor):
    before = len(queries.history(doctor, county.east.pk, "treatment").events)
    other = person("张晓明", "zxm", "zhangxiaoming", county.organisations["E1"])
    moved = Link.objects.filter(resident=county.east).order_by("identity_id").first()
    Link.objects.filter(pk=moved.pk).update(resident=other)
    after = len(queries.history(doctor, county.east.pk, "treatment").events)
    there = len(queries.history(doctor, other.pk, "treatment").events)
    assert there > 0
    assert after + there == before


def test_scope_and_broken_glass(county):
    village = actor_of(county.accounts["village_doctor"])
    with pytest.raises(NotAllowed):
        queries.history(village, county.west.pk, "public-health")
    with pytest.raises(NotFound):
        queries.history(village, 10**9, "public-health")
    break_glass(by=village, resident_id=county.west.pk, reason="昏迷，需了解用药")
    assert queries.history(village, county.west.pk, "emergency").events == ()


def test_another_residents_resource_is_not_shown(county, doctor):
    mine = queries.history(doctor, county.east.pk, "treatment").resources[0]
    assert queries.resource(doctor, county.east.pk, mine.key, "treatment").id == mine.id
    with pytest.raises(NotFound):
        queries.resource(doctor, county.west.pk, mine.key, "treatment")
    with pytest.raises(NotFound):
        queries.resource(doctor, county.east.pk, uuid.uuid4(), "treatment")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("icd10|I10", "原发性高血压"),
        ("icd10|I10.x00x002", "原发性高血压"),
        ("icd10|E11.900", "2型糖尿病"),
        ("loinc|4548-4", "糖化血红蛋白"),
        ("vaccine|HepB", "乙肝疫苗"),
        ("class|HH", "入户"),
        ("local|某自定义", "某自定义"),
    ],
)
def test_codes_have_names_and_unknown_ones_stay_as_they_came(code, name):
    assert term(code).zh == name


@pytest.mark.parametrize(
    ("sex", "age", "expected"),
    [
        ("1", 45, (57, 97)),
        ("1", 65, (57, 111)),
        ("2", 45, (41, 73)),
        ("2", 65, (41, 81)),
        ("1", 15, None),
        ("0", 45, None),
        ("1", None, None),
    ],
)
def test_creatinine_interval_by_sex_and_age(sex, age, expected):
    """WS/T 404.5-2015, enzymatic method."""
    found = term("loinc|14682-9").interval(sex, age)
    assert (None if found is None else (found.low, found.high)) == expected


def test_reading_plan_uses_the_indexes(county, doctor):
    from django.db import connection

    with CaptureQueriesContext(connection) as caught:
        queries.history(doctor, county.east.pk, "treatment")
    assert all("records_event" not in q["sql"] or "residents_link" in q["sql"] for q in caught)
