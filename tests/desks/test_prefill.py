"""What a visit starts with: habits are carried over with their date, measured values never are."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace as Row

from healthbrain.desks import forms
from healthbrain.desks.village_doctor.prefill import build

TODAY = dt.date(2026, 4, 1)


def reading(code: str, value: float, day: int, flag: int = 0) -> Row:
    at = dt.datetime.combine(dt.date(2026, 3, day), dt.time(9))
    return Row(kind="observation", code=code, at=at, value=value, text=None, flag=flag, organisation="湖山站")


def start(visits=(), events=()):
    return build(forms.load("hypertension-follow-up"), list(visits), list(events), TODAY)


def test_first_visit_has_todays_date_and_the_usual_answers_only():
    begun = start()
    assert begun.values["visit_date"] == "2026-04-01"
    assert begun.values["symptoms"] == ["none"]
    assert "adherence" not in begun.values
    assert "sbp" not in begun.values


def test_habits_of_the_last_visit_are_carried_with_their_date():
    before = {
        "at": dt.datetime.combine(dt.date(2026, 1, 5), dt.time(9)),
        "batch_id": 7,
        "values": {"adherence": "irregular", "cigarettes": 10.0, "sbp": 152.0},
    }
    begun = start([before])
    assert begun.values["adherence"] == "irregular"
    assert begun.values["cigarettes"] == 10.0
    assert begun.origins["adherence"] == "1月5日 周一随访"
    assert "sbp" not in begun.values


def test_last_measured_value_is_shown_beside_the_empty_field():
    begun = start(events=[reading("loinc|8480-6", 152.0, 20), reading("loinc|8480-6", 139.0, 2)])
    assert begun.origins["sbp"] == "上次 152（3月20日 周五 湖山站）"
    assert begun.last["sbp"] == 152.0
    assert "sbp" not in begun.values


def test_an_implausible_value_is_not_shown():
    begun = start(events=[reading("loinc|8480-6", 299.0, 20, flag=1), reading("loinc|8480-6", 139.0, 2)])
    assert begun.last["sbp"] == 139.0
