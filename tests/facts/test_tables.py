"""Tables a doctor can read: a history, a question, the expected answer. No code under test computes an answer here."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.rules.language import parse
from healthbrain.facts.rules.reference import EventRow, History, ResidentRow, evaluate

from . import generate
from .engines import in_duckdb, in_postgres

pytestmark = pytest.mark.django_db
CODES = {
    "bp": None,
    "fpg": "loinc|14771-0",
    "weight": "loinc|29463-7",
    "height": "loinc|8302-2",
    "bmi": "loinc|39156-5",
    "FIT": "loinc|29771-3",
    "clinic": "class|AMB",
    "home": "class|HH",
    "telephone": "class|PHONE",
}
KINDS = {"class": "encounter", "icd10": "condition", "icd9cm3": "procedure", "loinc": "observation"}
UNITS = {"fpg": "mmol/L", "weight": "kg", "height": "cm", "bmi": "kg/m2"}


def table() -> list[tuple[str, str, str, str, str]]:
    """Rows of meaning.md: as of, resident, history, question, answer."""
    rows = []
    for line in (Path(__file__).parent / "meaning.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| 20"):
            rows.append(tuple(cell.replace("¦", "|") for cell in cells))
    return rows


def events_of(history: str) -> list[EventRow]:
    """2026-03-20 bp 150/95 at 1; 2026-01-01 E11.900"""
    events: list[EventRow] = []
    for entry in filter(None, (part.strip() for part in history.split(";"))):
        words, place = [*entry.split(" at "), ""][:2]
        day, what, *rest = words.split()
        flag = 1 if rest[-1:] == ["implausible"] else 0
        at, organisation = dt.datetime.fromisoformat(day), int(place) if place else None
        pairs = [(CODES.get(what) or what, rest[0] if rest else None, UNITS.get(what))]
        if what == "bp":
            sbp, dbp = rest[0].split("/")
            pairs = [("loinc|8480-6", sbp, "mm[Hg]"), ("loinc|8462-4", dbp, "mm[Hg]")]
            pairs = [pair for pair in pairs if pair[1] != "?"]
        for code, value, unit in pairs:
            code = code if "|" in code else f"icd10|{code}"
            number = float(value) if unit and value else None
            text = value if value and not unit else None
            kind = KINDS[code.split("|")[0]]
            events.append(EventRow(len(events) + 1, kind, code, at, number, unit, text, flag, organisation))
    return events


def resident_of(text: str) -> ResidentRow:
    sex, born = text.split(" born ")
    return ResidentRow(1, dt.date.fromisoformat(born), {"man": "1", "woman": "2"}[sex])


@pytest.mark.parametrize(("as_of", "resident", "history", "question", "answer"), table())
def test_meaning(as_of: str, resident: str, history: str, question: str, answer: str) -> None:
    case = generate.Case(
        History(resident_of(resident), tuple(events_of(history))), frozenset(), dt.date.fromisoformat(as_of)
    )
    expression = parse(question, catalogue())
    reference = evaluate(expression, case.current, case.as_of).value
    for value in (reference, in_postgres([case], [expression])[1][0], in_duckdb([case], [expression])[1][0]):
        assert said(value) == answer


def said(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
