"""Random small histories and random expressions, made to hit the edges: ties, month ends, missing, flagged, future.

One generator serves Hypothesis (its Random shrinks) and the seeded sweep.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from random import Random

from healthbrain.facts.rules.reference import EventRow, History, ResidentRow

DAYS = [dt.date(2024, 2, 29), dt.date(2023, 2, 28), dt.date(2024, 3, 31), dt.date(2025, 12, 31), dt.date(2026, 1, 1)]
OFFSETS = [-3653, -731, -400, -366, -365, -364, -92, -91, -90, -61, -31, -30, -29, -28, -14, -2, -1, 0, 0, 0, 1, 2]
CLOCK = [dt.time(0), dt.time(8), dt.time(8), dt.time(8, 0, 0, 1), dt.time(23, 59, 59)]
PLACES = [None, 1, 1, 2]
EVENTS = [  # kind, codes, values, units, texts; with codes next to the ones we know, and values around thresholds
    ("observation", ["loinc|8480-6"], [139.0, 140.0, 150.0, 180.0, 39.0, 301.0, None], ["mm[Hg]", None, "kPa"], [None]),
    ("observation", ["loinc|8462-4"], [89.0, 90.0, 110.0, 19.0], ["mm[Hg]", None], [None]),
    (
        "observation",
        ["loinc|14771-0", "loinc|1558-6", "loinc|1558-66"],
        [6.9, 7.0, 126.0, 0.1],
        ["mmol/L", "mg/dL"],
        [None],
    ),
    ("observation", ["loinc|29771-3"], [None], [None], ["positive", "negative", "weak-positive", "POSITIVE", None]),
    ("observation", ["loinc|29463-7", "loinc|3141-9"], [60.0, 70.5, 61000.0], ["kg", "g"], [None]),
    ("observation", ["loinc|8302-2"], [170.0, 1.65], ["cm", "m", None], [None]),
    ("observation", ["loinc|39156-5"], [23.9, 24.0, 28.0], ["kg/m2"], [None]),
    (
        "condition",
        ["icd10|I10", "icd10|I10.x00x002", "icd10|I1", "icd10|I14", "icd10|I15.9"],
        [None],
        [None],
        ["active"],
    ),
    ("observation", ["icd10|I10"], [1.0], [None], [None]),
    ("encounter", ["class|AMB", "class|HH", "class|PHONE", "class|AMBX"], [None], [None], [None]),
    ("procedure", ["icd9cm3|45.2300", "icd9cm3|45.2", "icd9cm3|45.42"], [None], [None], [None, "positive"]),
    ("referral", ["hb|referral", "hb|urgent-referral"], [None], [None], ["active", "completed", "on-hold", None]),
    ("medication", ["atc|C08CA01", "atc|C01", "atc|C10AA05"], [30.0], ["d"], ["active", "stopped", None]),
]


@dataclass(frozen=True)
class Case:
    """One resident, one day, what happened, and which of it no longer holds."""

    history: History  # every event, the superseded ones too
    superseded: frozenset[int]
    as_of: dt.date

    @property
    def current(self) -> History:
        kept = tuple(event for event in self.history.events if event.id not in self.superseded)
        return History(self.history.resident, kept)


def cases(random: Random, count: int, most_events: int = 9) -> list[Case]:
    numbers = list(range(1, count * most_events + 1))  # ids say nothing about time: feeds come late
    random.shuffle(numbers)
    return [case(random, number, numbers, most_events) for number in range(1, count + 1)]


def case(random: Random, resident_id: int, numbers: list[int], most_events: int) -> Case:
    as_of = random.choice(DAYS)
    events = [event(random, numbers.pop(), as_of) for _ in range(random.randrange(most_events + 1))]
    superseded = frozenset(e.id for e in events if random.random() < 0.1)
    return Case(History(resident(random, resident_id, as_of), tuple(events)), superseded, as_of)


def resident(random: Random, resident_id: int, as_of: dt.date) -> ResidentRow:
    born = [None, dt.date(1960, 2, 29), dt.date(1959, 1, 1), dt.date(1988, 12, 31), as_of, as_of + dt.timedelta(1)]
    born += [as_of - dt.timedelta(days) for days in (27, 28, 29, 30, 31, 90, 91, 365, 366)]
    return ResidentRow(
        resident_id=resident_id,
        birth_date=random.choice(born),
        sex=random.choice("0129"),
        deceased_on=random.choice([None, None, as_of, as_of + dt.timedelta(1)]),
        moved_on=random.choice([None, None, as_of - dt.timedelta(1)]),
        home_organisation_id=random.choice([None, 1]),
        contract_team_id=random.choice([None, 7]),
    )


def event(random: Random, number: int, as_of: dt.date) -> EventRow:
    kind, codes, values, units, texts = random.choice(EVENTS)
    at = dt.datetime.combine(as_of + dt.timedelta(random.choice(OFFSETS)), random.choice(CLOCK))
    return EventRow(
        id=number,
        kind=kind,
        code=random.choice(codes),
        at=at,
        value=random.choice(values),
        unit=random.choice(units),
        text=random.choice(texts),
        flag=random.choice([0, 0, 0, 0, 0, 1, 2]),
        organisation_id=random.choice(PLACES),
    )


# Expressions ---------------------------------------------------------------------------------------------------------

TERMS = {
    "uncontrolled(x)": "x.sbp >= target_sbp or x.dbp >= 90",
    "old": "age >= 65",
    "dated(x)": "latest_at(x) >= start",
}
PARAMETERS = {
    "target_sbp": {
        "value": 140,
        "unit": "mm[Hg]",
        "by": [{"when": "age >= 65", "value": 150}, {"when": "female", "value": 139.5}],
    },
    "recheck": {"value": "1 month", "by": [{"when": "male", "value": "14 days"}]},
    "window": "30 days",
    "start": dt.date(2024, 2, 28),
}
NUMBERS = ["sbp", "dbp", "fpg", "bmi", "weight"]
HAPPENED = [
    "hypertension",
    "face_to_face_visit",
    "bp_in_person",
    "colonoscopy",
    "referral_accepted",
    "bp",
    "sbp",
    "fit",
    "antihypertensive",
    "fpg",
    "sbp >= 140",
    "sbp >= 140 or dbp >= 90",
    "sbp >= 150 and not dbp < 90",
    "uncontrolled(bp)",
    "fit = 'positive'",
    "sbp >= target_sbp",
    "face_to_face_visit with bp",
    "colonoscopy with referral_accepted",
    "face_to_face_visit with fpg",
    "dbp is null or sbp > 140",
]
CONDITIONS = [
    "sbp >= 140 or dbp >= 90",
    "sbp >= 140",
    "uncontrolled(bp)",
    "fit = 'positive'",
    "dbp is null or sbp > 140",
]
COUNTS = ["", ", 1", ", 2", ", 3"]
WITHIN = ["12 months", "1 year", "1 month", "3 months", "30 days", "2 weeks", "90 days", "same day"]


def boolean(random: Random, depth: int = 3) -> str:
    if depth > 0 and random.random() < 0.6:
        left, right = boolean(random, depth - 1), boolean(random, depth - 1)
        return random.choice(
            [
                f"({left}) and ({right})",
                f"({left}) or ({right})",
                f"not ({left})",
                f"({left}) is true",
                f"({left}) is not false",
                f"case when {left} then {right} end",
                f"(case when {left} then 1 else 2 end) = 1",
                f"coalesce({left}, {right})",
            ]
        )
    return random.choice([_comparison, _test, _dates])(random)


def _comparison(random: Random) -> str:
    fact, operator = random.choice(NUMBERS), random.choice(["<", "<=", ">", ">=", "=", "<>"])
    limit = {"sbp": "140", "dbp": "90", "fpg": "7.0", "bmi": "24", "weight": "61"}[fact]
    value = number(random, fact)
    return random.choice(
        [
            f"{value} {operator} {limit}",
            f"{value} between {limit} and {limit} + 10",
            f"{value} in ({limit}, 150)",
            f"{value} {operator} {number(random, fact)}",
            f"({value} + {number(random, fact)}) / 2 {operator} {limit}",
            f"abs({value} - {limit}) < 1.5",
            f"greatest({value}, {number(random, fact)}) > {limit}",
            f"{value} not in ({limit}, 150)",
            f"{counted(random)} {operator} {random.randrange(3)}",
            f"{counted(random)} / 2 >= 0.5",
            f"{value} is null",
            f"{counted(random)} / {counted(random)} > 1",
            f"age {operator} 65",
            f"age_months {operator} 3",
            f"-{value} < -{limit}",
        ]
    )


def number(random: Random, fact: str) -> str:
    if fact == "bmi":
        return f"latest(bmi{within(random)})"
    bounds = within(random) + bound(random)
    if fact in {"sbp", "dbp"} and random.random() < 0.6:
        return random.choice(
            [
                f"latest(bp{bounds}).{fact}",
                f"previous(bp).{fact}",
                f"previous(bp, 3{within(random)}).{fact}",
                f"max(bp{bounds}).{fact}",
                f"min(sbp >= 140 or dbp >= 90{bounds}).{fact}",
                f"latest(sbp >= 140 or dbp >= 90).{fact}",
            ]
        )
    return random.choice(
        [
            f"latest({fact}{bounds})",
            f"previous({fact}{bounds})",
            f"previous({fact}, 3)",
            f"min({fact}{bounds})",
            f"max({fact}{bounds})",
        ]
    )


def counted(random: Random) -> str:
    function = random.choice(["count", "count_days", "days_since"])
    return f"{function}({random.choice(HAPPENED)}{within(random)}{bound(random)})"


def _test(random: Random) -> str:
    happened = f"{random.choice(HAPPENED)}{within(random)}{bound(random)}"
    return random.choice(
        [
            f"ever({happened})",
            "male",
            "not female",
            "sex = '1'",
            "died",
            "moved",
            "contract",
            "old",
            "latest(bp) is not null",
            "previous(bp) is null",
            "uncontrolled(latest(bp))",
            f"uncontrolled(previous(bp{within(random)}))",
            "dated(sbp)",
            "latest(fit) = 'positive'",
            "latest(fit) <> 'negative'",
            "previous(fit) in ('positive', 'negative')",
            "true",
            f"latest_organisation({happened}) = 1",
            f"latest_id({happened}) > 20",
            f"first_id({happened}) > 20",
            f"latest_clock({happened}) - first_clock({random.choice(HAPPENED)}) {random.choice(['<=', '>'])} 16",
            f"previous_id({happened}) > 9",
        ]
    )


def _dates(random: Random) -> str:
    operator = random.choice(["<", "<=", "=", ">"])
    return random.choice(
        [
            f"{date(random)} {operator} {date(random)}",
            f"{date(random)} + recheck {operator} as_of",
            f"as_of - {date(random)} > 28",
            f"{date(random)} - interval '1 month' {operator} {date(random)}",
            f"start_of_year({date(random)}) = date '2024-01-01'",
            f"least({date(random)}, {date(random)}) {operator} as_of",
            f"{date(random)} is null",
        ]
    )


def date(random: Random) -> str:
    happened = f"{random.choice(HAPPENED)}{within(random)}{bound(random)}"
    return random.choice(
        [
            f"latest_at({happened})",
            f"last({happened})",
            f"since({happened})",
            f"first_at({happened})",
            f"previous_at({happened})",
            f"streak_at({random.choice(CONDITIONS)}{random.choice(COUNTS)}{within(random)}{bound(random)})",
            "birth_date",
            "(birth_date + interval '3 months')",
            "as_of",
            "latest_at(bmi)",
            "(birth_date + interval '2 years' + window)",
        ]
    )


def within(random: Random) -> str:
    return random.choice(["", "", f", within => '{random.choice(WITHIN)}'", ", within => window"])


def bound(random: Random) -> str:
    if random.random() < 0.7:
        return ""
    limit = random.choice(
        [
            "birth_date + interval '3 months'",
            "as_of - interval '1 month'",
            "start_of_year(as_of)",
            "start",
            "as_of - recheck",
            "birth_date + interval '1 year' + interval '29 days'",
            "case when age >= 65 then as_of - window else birth_date end",
        ]
    )
    return f", {random.choice(['since', 'after', 'until'])} => {limit}"
