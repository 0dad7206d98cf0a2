"""The slow engine, PostgreSQL and DuckDB say the same of random people, on any day, past days included."""

from __future__ import annotations

import datetime as dt
import random

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from healthbrain.care.rules.occurrence import Deferred, Place
from healthbrain.facts.rules.reference import EventRow, History, ResidentRow
from healthbrain.kernel.postgres import database_url
from tests.care.engines import Case, duck, postgres, programmes, reference

CONDITIONS = [
    "I10",
    "I10.x00x002",
    "I15",
    "E11.900",
    "E14",
    "E10",
    "J44.100",
    "J44.900",
    "C18.900",
    "D12.600",
    "Z82.4",
    "Z34",
    "O80",
    "O03",
    "A15.000",
]
NUMBERS = {  # code: (unit, values around every threshold)
    "loinc|8480-6": ("mm[Hg]", [118, 129, 130, 139, 140, 149, 150, 160, 179, 180, 20]),
    "loinc|8462-4": ("mm[Hg]", [70, 84, 85, 89, 90, 109, 110]),
    "loinc|14771-0": ("mmol/L", [3.9, 4.0, 6.9, 7.0, 11.2, 16.6, 16.7]),
    "loinc|59408-5": ("%", [85, 89, 90, 97]),
    "loinc|19926-5": ("%", [55, 69.9, 70, 80]),
    "loinc|29463-7": ("kg", [50, 65, 70, 90]),
    "loinc|8302-2": ("cm", [150, 165, 170]),
    "loinc|56086-2": ("cm", [80, 85, 90]),
    "hb|copd-sq": ("{score}", [10, 15, 16, 30]),
    "loinc|8310-5": ("Cel", [36.5, 39, 39.1]),
    "loinc|8867-4": ("/min", [70, 100, 101]),
}
ANSWERS = {
    "loinc|29771-3": ["positive", "negative"],
    "hb|crc-questionnaire": ["positive", "negative"],
    "hb|salt-taste": ["light", "heavy"],
    "hb|diet-habit": ["mixed", "salty"],
    "hb|tcm-constitution": ["balanced", "qi-deficiency"],
    "hb|adverse-drug-reaction": ["yes", "no"],
    "hb|new-complication": ["yes", "no"],
    "hb|hypertension-symptom": ["none", "dyspnoea"],
    "hb|tb-treatment": ["ended"],
    "hb|diagnosis-outcome": ["hypertension-excluded", "diabetes-excluded", "copd-excluded"],
}
VISITS = [
    "class|AMB",
    "class|HH",
    "class|PHONE",
    "class|IMP",
    "type|follow-up",
    "type|health-check",
    "type|child-visit",
]
OTHERS = [("immunization", f"vaccine|{v}") for v in ("HepB", "HepB", "DTaP", "DT", "JE-L", "JE-I", "MPSV-A", "MMR")]
OTHERS += [("observation", "loinc|8665-2"), ("medication", "atc|J04AM02"), ("procedure", "icd9cm3|95.0900")]
VISITS += ["type|newborn-visit", "type|discharge", "type|tcm-service", "class|IMP", "class|EMER"]
BIRTHS = [0, 0.1, 0.5, 1, 2.5, 4, 6.9, 7, 20, 34.9, 35, 36, 40, 49.9, 50, 54.9, 55, 64.9, 65, 66, 74, 75, 80]


def person(number: int, chance: random.Random, as_of: dt.date) -> Case:
    born = as_of - dt.timedelta(days=round(chance.choice(BIRTHS) * 365.25) + chance.choice([-1, 0, 0, 1, 40]))
    left = [None] * 9 + [as_of - dt.timedelta(days=chance.randint(-20, 200))]
    resident = ResidentRow(
        number,
        None if chance.random() < 0.04 else born,
        chance.choice("0129"),
        chance.choice(left),
        chance.choice(left),
        chance.choice([None, 11]),
        chance.choice([None, 3]),
    )
    events: list[EventRow] = []
    days = [chance.randint(-30, 500) for _ in range(chance.randint(0, 9))]

    def add(kind: str, code: str, at: dt.datetime, organisation: int | None, **values: object) -> None:
        flag = 1 if chance.random() < 0.03 else 0
        events.append(
            EventRow(number * 1000 + len(events), kind, code, at, flag=flag, organisation_id=organisation, **values)
        )

    for back in days:
        at = dt.datetime.combine(as_of - dt.timedelta(days=back), dt.time(chance.choice([8, 8, 15])))
        organisation = chance.choice([None, 11, 11, 12])
        for _ in range(chance.randint(1, 5)):
            what = chance.random()
            if what < 0.35:
                add(
                    "observation",
                    "loinc|8480-6",
                    at,
                    organisation,
                    value=float(chance.choice(NUMBERS["loinc|8480-6"][1])),
                    unit="mm[Hg]",
                )
                add(
                    "observation",
                    "loinc|8462-4",
                    at,
                    organisation,
                    value=float(chance.choice(NUMBERS["loinc|8462-4"][1])),
                    unit="mm[Hg]",
                )
            elif what < 0.55:
                code = chance.choice(list(NUMBERS))
                unit, values = NUMBERS[code]
                add("observation", code, at, organisation, value=float(chance.choice(values)), unit=unit)
            elif what < 0.63:
                code = chance.choice(list(ANSWERS))
                add("observation", code, at, organisation, text=chance.choice(ANSWERS[code]))
            elif what < 0.78:
                add("encounter", chance.choice(VISITS), at, organisation)
            elif what < 0.88:
                status = chance.choice(["active", "active", "active", "resolved"])
                add("condition", f"icd10|{chance.choice(CONDITIONS)}", at, organisation, text=status)
            elif what < 0.92:
                add(*chance.choice(OTHERS), at, organisation)
            elif what < 0.95:
                add("procedure", chance.choice(["icd9cm3|45.2300", "icd9cm3|89.37"]), at, organisation)
            else:
                add("referral", "hb|referral", at, organisation, text=chance.choice(["active", "draft"]))
    deferred = {}
    for programme in programmes():
        if chance.random() < 0.1:
            begins = as_of - dt.timedelta(days=chance.randint(-5, 60))
            task = chance.choice(["", *(t.id for t in programme.tasks)])
            kind = chance.choice(["deferred", "refused", "contraindicated"])
            deferred[programme.id] = (Deferred(task, kind, begins, begins + dt.timedelta(days=chance.randint(0, 90))),)
    place = chance.choice([Place(None, 11, 2, 1), Place(3, 11, 2, 1), Place(None, 2, 2, 1), Place()])
    return Case(History(resident, tuple(events)), place, deferred)


@pytest.fixture(scope="module")
def server():
    with psycopg.connect(database_url(), autocommit=True) as connection:
        yield connection


def agree(server, seed: int, offset: int, people: int) -> None:
    chance = random.Random(seed)
    today = dt.date(2028, 3, 1) - dt.timedelta(days=offset)
    cases = [person(n, chance, today) for n in range(1, people + 1)]
    for as_of in (today, today - dt.timedelta(days=chance.randint(1, 400))):
        slow = reference(cases, as_of)
        for engine in (duck(cases, as_of), postgres(server, cases, as_of)):
            for told, expected in zip(engine, slow, strict=True):
                assert told == expected


QUICK = settings(max_examples=3, deadline=None, phases=(Phase.explicit, Phase.generate))  # shrinking costs minutes
LONG = settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate))


@QUICK
@given(seed=st.integers(0, 2**32), offset=st.integers(0, 800))
def test_three_engines_agree(server, seed: int, offset: int) -> None:
    agree(server, seed, offset, 25)


@pytest.mark.slow
@LONG
@given(seed=st.integers(0, 2**32), offset=st.integers(0, 800))
def test_three_engines_agree_long(server, seed: int, offset: int) -> None:
    agree(server, seed, offset, 40)
