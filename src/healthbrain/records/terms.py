"""What a ledger code is called, in Chinese and English, and how a result is shown: digits, chart, reference interval.

Names of results and vaccines come from `knowledge/codes`, the rest from `knowledge/terms`. An unknown code is shown as
it came: nothing is hidden because we lack its name.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from healthbrain.kernel.knowledge import SHIPPED, load
from healthbrain.records.rules.codes import catalogue

PREFIX_SYSTEMS = {"icd10", "icd9cm3", "atc"}  # a longer code is a kind of the shorter one


@dataclass(frozen=True, slots=True)
class Interval:
    """A reference interval; `sex` "" = both, ages in years, both ends may be open."""

    low: float | None
    high: float | None
    sex: str = ""
    age_from: float = 0
    age_to: float = 200


@dataclass(frozen=True, slots=True)
class Term:
    code: str
    zh: str
    en: str
    unit: str = ""  # UCUM
    intervals: tuple[Interval, ...] = ()
    source: str = ""  # of the intervals
    panel: str = ""  # results of one panel share a chart
    digits: int | None = None

    @property
    def bare(self) -> str:
        """The code without its system."""
        return bare(self.code)

    @property
    def named(self) -> bool:
        """Whether we have a name, so that a caller may look for one in the resource itself."""
        return self.zh != self.bare

    def interval(self, sex: str, age: float | None) -> Interval | None:
        """The interval for this person; None where none is known, or where it depends on an unknown age."""
        for interval in self.intervals:
            whole_life = (interval.age_from, interval.age_to) == (0, 200)
            fits_age = whole_life or (age is not None and interval.age_from <= age < interval.age_to)
            if interval.sex in {"", sex} and fits_age:
                return interval
        return None


def bare(code: str) -> str:
    return code.partition("|")[2] or code


def _interval(row: dict[str, Any]) -> Interval:
    low, high = row.get("ages", (0, 200))
    return Interval(row.get("low"), row.get("high"), str(row.get("sex", "")), low, high)


def _results() -> dict[str, Term]:
    shown = load("terms", "results.yaml")
    found = {}
    for code, item in catalogue().items():
        row = shown["results"].get(code, {})
        intervals = tuple(_interval(entry) for entry in row.get("reference", []))
        source = row.get("source", shown["source"]) if intervals else ""
        panel, digits = row.get("panel", ""), row.get("digits")
        english = re.sub(r" \[[^\]]*\]$", "", item.en)  # LOINC's "[Moles/volume]" says nothing the unit does not
        found[code] = Term(code, item.zh, english, item.unit or "", intervals, source, panel, digits)
    return found


@functools.cache
def terms() -> dict[str, Term]:
    """Every known term by its ledger code."""
    vaccines = load("codes", "vaccines.yaml")["vaccines"]
    found = _results() | {f"vaccine|{code}": Term(f"vaccine|{code}", row["zh"], code) for code, row in vaccines.items()}
    for name in ("diagnoses.yaml", "medications.yaml", "care.yaml"):
        rows = load("terms", name)["terms"]
        found |= {code: Term(code, row["zh"], row["en"]) for code, row in rows.items() if code not in found}
    return found


@functools.lru_cache(maxsize=20_000)
def term(code: str) -> Term:
    """The term of `code`; a longer national code falls back to its category (I10.x00x002 → I10); else the bare code."""
    known = terms()
    if code in known:
        return known[code]
    system, _, rest = code.partition("|")
    if system in PREFIX_SYSTEMS:
        for length in range(len(rest) - 1, 2, -1):
            if parent := known.get(f"{system}|{rest[:length]}"):
                return Term(code, parent.zh, parent.en)
    return Term(code, bare(code), bare(code))


def unit_words(unit: str | None) -> dict[str, str]:
    """A UCUM unit as people write it, {zh, en}; an unknown one as it came."""
    plain = unit or ""
    return load("terms", "results.yaml")["units"].get(plain) or {"zh": plain, "en": plain}


def answer_words(text: str | None, code: str) -> dict[str, str]:
    """A coded answer to the question `code` in words, {zh, en}; free text as it came."""
    plain = text or ""
    said = _form_answers().get((code, plain)) or load("terms", "results.yaml")["answers"].get(plain)
    return said or {"zh": plain, "en": plain}


@functools.cache
def _form_answers() -> dict[tuple[str, str], dict[str, str]]:
    """What the forms call their answers, by the code of the question and the answer kept."""
    files = (load("forms", path.name) for path in sorted((SHIPPED / "forms").glob("*.yaml")))
    fields = (item for form in files for section in form.get("sections", ()) for item in section["fields"])
    return {
        (item["code"], str(option["value"])): {"zh": option["zh"], "en": option["en"]}
        for item in fields if "code" in item for option in item.get("options", ())
    }  # fmt: skip
