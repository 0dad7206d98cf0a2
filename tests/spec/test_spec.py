"""Runs the tables of this folder on all three engines. What the words mean stands in README.md."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from healthbrain.care.rules.occurrence import Place
from healthbrain.facts.rules.reference import EventRow, History, ResidentRow
from healthbrain.kernel.postgres import database_url
from tests.care.engines import Case, duck, postgres, programmes, reference

HERE = Path(__file__).parent
STATION = 11
NUMBERS = {
    "fpg": ("loinc|14771-0", "mmol/L"), "glucose": ("loinc|15074-8", "mmol/L"), "spo2": ("loinc|59408-5", "%"),
    "score": ("hb|copd-sq", "{score}"), "fev1": ("loinc|19926-5", "%"), "bmi": ("loinc|39156-5", "kg/m2"),
    "waist": ("loinc|56086-2", "cm"), "alcohol": ("hb|alcohol-liang-per-day", "{liang}/d"),
    "amount": ("loinc|27396-1", "ug/g"), "temperature": ("loinc|8310-5", "Cel"), "pulse": ("loinc|8867-4", "/min"),
    "weight": ("loinc|29463-7", "kg"), "height": ("loinc|8302-2", "cm"),
}  # fmt: skip
ANSWERS = {
    "fit": "loinc|29771-3",
    "asked": "hb|crc-questionnaire",
    "salt": "hb|salt-taste",
    "diet": "hb|diet-habit",
    "constitution": "hb|tcm-constitution",
    "reaction": "hb|adverse-drug-reaction",
    "complication": "hb|new-complication",
    "symptom": "hb|hypertension-symptom",
    "outcome": "hb|diagnosis-outcome",
    "sputum": "loinc|11477-7",
    "treatment": "hb|tb-treatment",
}
CONTACTS = {
    "visit": ("encounter", "class|AMB"), "home visit": ("encounter", "class|HH"), "phone": ("encounter", "class|PHONE"),
    "stay": ("encounter", "class|IMP"), "emergency": ("encounter", "class|EMER"),
    "discharge": ("encounter", "type|discharge"), "tcm service": ("encounter", "type|tcm-service"),
    "check": ("encounter", "type|health-check"),
    "follow-up visit": ("encounter", "type|follow-up"), "child visit": ("encounter", "type|child-visit"),
    "newborn visit": ("encounter", "type|newborn-visit"), "colonoscopy": ("procedure", "icd9cm3|45.2300"),
    "spirometry": ("procedure", "icd9cm3|89.3700"), "referral": ("referral", "hb|referral"),
    "HepB": ("immunization", "vaccine|HepB"), "DTaP": ("immunization", "vaccine|DTaP"),
    "JE-L": ("immunization", "vaccine|JE-L"), "JE-I": ("immunization", "vaccine|JE-I"),
    "MMR": ("immunization", "vaccine|MMR"), "MenA": ("immunization", "vaccine|MPSV-A"),
    "last period": ("observation", "loinc|8665-2"), "TB drug": ("medication", "atc|J04AM02"),
    "eye check": ("procedure", "icd9cm3|95.0900"),
}  # fmt: skip
DATE = r"(?:\d{4}-)?\d{2}-\d{2}"


@dataclass(frozen=True)
class Row:
    file: str
    line: int
    as_of: dt.date
    resident: str
    history: str
    expect: str


def rows() -> list[Row]:
    """Every row of every table; `as of DATE` holds until the next one."""
    found = []
    for path in sorted(HERE.glob("*.md")):
        as_of = None
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := re.match(r"as of (\d{4}-\d{2}-\d{2})", line):
                as_of = dt.date.fromisoformat(match[1])
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if as_of and line.startswith("|") and len(cells) == 4 and cells[0] != "resident" and "---" not in cells[0]:
                found.append(Row(path.stem, number, as_of, *cells[:3]))
    return found


ROWS = rows()


def date(text: str, as_of: dt.date) -> dt.date:
    return dt.date.fromisoformat(text if len(text) == 10 else f"{as_of.year}-{text}")


def years_before(day: dt.date, years: int) -> dt.date:
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day)


def case(number: int, row: Row) -> Case:
    born = re.search(rf"born ({DATE})", row.resident)
    age = re.search(r"(?:man|woman) (\d+)", row.resident)
    # Half a year past the birthday, so that a few weeks of history do not change the age.
    birth = date(born[1], row.as_of) if born else years_before(row.as_of - dt.timedelta(days=182), int(age[1]))
    left = {why: date(day, row.as_of) for why, day in re.findall(rf"(died|moved) ({DATE})", row.resident)}
    sex = "2" if re.match(r"woman|girl", row.resident) else "1"
    resident = ResidentRow(number, birth, sex, left.get("died"), left.get("moved"), STATION, None)
    events: list[EventRow] = []

    def add(kind: str, code: str, at: dt.datetime, place: int | None = STATION, **values: object) -> None:
        events.append(EventRow(number * 100 + len(events), kind, code, at, organisation_id=place, **values))

    for code, _, since in re.findall(rf"\b([A-Z]\d\d[\w.]*)(@({DATE}))?", row.resident):
        recorded = date(since, row.as_of) if since else row.as_of - dt.timedelta(days=365)
        add("condition", f"icd10|{code}", dt.datetime.combine(recorded, dt.time(8)))
    for told in filter(None, (part.strip() for part in row.history.split(";"))):
        if told != "none":
            tell(told, row.as_of, add)
    return Case(History(resident, tuple(events)), Place(None, STATION, 2, 1))


def tell(told: str, as_of: dt.date, add) -> None:
    when, _, rest = told.partition(" ")
    clock = re.search(r" at (\d\d:\d\d)", rest)
    at = dt.datetime.combine(date(when, as_of), dt.time.fromisoformat(clock[1] if clock else "09:00"))
    place = None if rest.endswith(" at home") else STATION
    what = re.sub(r" at (\d\d:\d\d|home)", "", rest)
    if what.endswith(" by phone"):
        what = what.removesuffix(" by phone")
        add("encounter", "class|PHONE", at)
    if pressure := re.fullmatch(r"(\d+)/(\d+)", what):
        add("observation", "loinc|8480-6", at, place, value=float(pressure[1]), unit="mm[Hg]")
        add("observation", "loinc|8462-4", at, place, value=float(pressure[2]), unit="mm[Hg]")
    elif what in CONTACTS:
        kind, code = CONTACTS[what]
        add(kind, code, at, place, text="active" if kind == "referral" else None)
    elif condition := re.fullmatch(r"([A-Z]\d\d[\w.]*)( resolved)?", what):
        add("condition", f"icd10|{condition[1]}", at, place, text=(condition[2] or " active").strip())
    else:
        name, _, value = what.partition(" ")
        if name in ANSWERS:
            add("observation", ANSWERS[name], at, place, text=value)
        else:
            code, unit = NUMBERS[name]
            add("observation", code, at, place, value=float(value), unit=unit)


def check(row: Row, number: int, engine: tuple[dict, dict]) -> None:
    """Every expectation of a row against one engine's answer."""
    enrolment = engine[0].get((number, row.file))
    tasks: dict[tuple[str, int], list] = {}
    for key, task in engine[1].items():
        programme, resident, name, _, ordinal = key.split(":")
        if (programme, resident) == (row.file, str(number)):
            tasks.setdefault((name, int(ordinal)), []).append(task)
    for wanted in (part.strip() for part in row.expect.split(";")):
        expectation(wanted, row, enrolment, tasks)


def expectation(wanted: str, row: Row, enrolment: tuple | None, tasks: dict[tuple[str, int], list]) -> None:
    if wanted == "not enrolled":
        assert enrolment is None
        return
    if match := re.fullmatch(r"no ([\w-]+)", wanted):
        assert match[1] not in {name for name, _ in tasks}
        return
    assert enrolment is not None, "not enrolled"
    status, level, since, _, _, reason, standard, _ = enrolment
    if match := re.fullmatch(r"state ([\w-]+)", wanted):
        assert (status, level) == ("active", match[1])
    elif wanted in {"standard", "not standard"}:
        assert standard is (wanted == "standard")
    elif wanted == "suspected":
        assert status == "suspected"
    elif match := re.fullmatch(r"ended ([\w-]+)", wanted):
        assert (status, reason) == ("ended", match[1])
    elif match := re.fullmatch(rf"since ({DATE})", wanted):
        assert since == date(match[1], row.as_of)
    elif match := re.fullmatch(rf"([\w-]+)(?: (\d+))? (due|overdue since|done|expired|upcoming) ({DATE})", wanted):
        name, ordinal, word, day = match[1], int(match[2] or 1), match[3], date(match[4], row.as_of)
        index = {"done": 9, "expired": 3}.get(word, 1)  # closed_on, expires, due
        assert (word.split()[0], day) in [(task[4], task[index]) for task in tasks.get((name, ordinal), [])]
    else:
        pytest.fail(f"cannot read the expectation {wanted!r}")


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[int, tuple[dict, dict]]]:
    """Each engine's answer for every row, computed together: one run per engine and day."""
    told: dict[str, dict[int, tuple[dict, dict]]] = {"reference": {}, "postgres": {}, "duckdb": {}}
    with psycopg.connect(database_url(), autocommit=True) as connection:
        for name in sorted({row.file for row in ROWS}):
            wanted = [p for p in programmes() if p.id == name]
            for as_of in sorted({row.as_of for row in ROWS if row.file == name}):
                numbered = {n: r for n, r in enumerate(ROWS, 1) if (r.file, r.as_of) == (name, as_of)}
                cases = [case(n, r) for n, r in numbered.items()]
                engines = {
                    "reference": reference(cases, as_of, wanted),
                    "postgres": postgres(connection, cases, as_of, wanted),
                    "duckdb": duck(cases, as_of, wanted),
                }
                for engine, answer in engines.items():
                    told[engine] |= dict.fromkeys(numbered, answer)
    return told


@pytest.mark.parametrize("engine", ["reference", "postgres", "duckdb"])
@pytest.mark.parametrize("number", range(1, len(ROWS) + 1), ids=[f"{r.file}:{r.line}" for r in ROWS])
def test_table(number: int, engine: str, answers) -> None:
    check(ROWS[number - 1], number, answers[engine][number])


def test_every_programme_has_a_table() -> None:
    counted = {p.id: sum(row.file == p.id for row in ROWS) for p in programmes()}
    assert all(count >= 8 for count in counted.values()), counted
