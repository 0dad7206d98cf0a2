"""Codes: short system names, the observation catalogue, encounter classes and types, coded answers, vaccines."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from healthbrain.kernel.knowledge import load

LOINC = re.compile(r"^\d{1,7}-\d$")
ICD10 = re.compile(r"^[A-Za-z]\d{2}")
ATC = re.compile(r"^[A-Z]\d{2}[A-Z]{2}\d{2}$")
ICD9CM3 = re.compile(r"^\d{2}\.\d")


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the observation catalogue."""

    code: str  # as the ledger writes it, "loinc|8480-6"
    zh: str
    en: str
    unit: str | None  # canonical, UCUM; None: answers are coded
    low: float | None  # outside low..high a value is kept, flagged, and never used by a rule
    high: float | None
    source: str


def _observations() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = load("codes", "observations.yaml")["observations"]
    return table


@functools.cache
def catalogue() -> MappingProxyType[str, Item]:
    """Every observation we know, by ledger code."""
    found = {}
    for code, row in _observations().items():
        low, high = row.get("plausible", (None, None))
        found[code] = Item(code, row["zh"], row["en"], row.get("unit"), low, high, row["source"])
    return MappingProxyType(found)


@functools.cache
def _systems() -> tuple[dict[str, str], dict[str, str]]:
    """Any name of a system → its short name; short name → URL."""
    short_by_name: dict[str, str] = {}
    url_by_short: dict[str, str] = {}
    for short, row in load("codes", "systems.yaml")["systems"].items():
        url_by_short[short] = row["url"]
        short_by_name |= {str(name).lower().rstrip("/"): short for name in (short, row["url"], *row["also"])}
    return short_by_name, url_by_short


@functools.cache
def short(system: str | None) -> str:
    """The ledger's name of a code system: a URL, an OID or an HL7 table name. Unknown ones stay as they are."""
    if not system:
        return "local"
    known = _systems()[0].get(system.lower().rstrip("/"))
    if known:
        return known
    return system.removeprefix("urn:healthbrain:")


def url(short_name: str) -> str:
    """The URL FHIR resources carry for a short system name."""
    return _systems()[1].get(short_name) or (short_name if ":" in short_name else f"urn:healthbrain:{short_name}")


def ledger_code(system: str | None, code: str) -> str:
    """ "system|code" as the ledger writes it."""
    name = short(system)
    if name == "icd10":  # i10.x00x002: only the first letter, an edition's own x is small
        code = code[:1].upper() + code[1:]
    return vaccine(code, cvx=True) or f"cvx|{code}" if name == "cvx" else f"{name}|{code}"


def split(code: str) -> tuple[str, str]:
    """Short system and code of a ledger code."""
    system, _, bare = code.partition("|")
    return system, bare


def guess(code: str, kind: str) -> str:
    """The ledger code of what a sheet's cell says: "loinc|8480-6" as it is, else by the shape of such codes."""
    code = code.strip()
    if "|" in code:
        system, _, bare = code.rpartition("|")
        return ledger_code(system, bare)
    if kind == "observation":
        return f"loinc|{code}" if LOINC.match(code) else _by_name().get(code, f"local|{code}")
    if kind == "condition":
        return ledger_code("icd10", code) if ICD10.match(code) else _diagnoses().get(code, f"local|{code}")
    if kind == "medication":
        return f"atc|{code}" if ATC.match(code) else drug(code) or f"local|{code}"
    if kind == "immunization":
        return vaccine(code) or f"local|{code}"
    if kind == "procedure":
        return f"icd9cm3|{code}" if ICD9CM3.match(code) else f"local|{code}"
    return f"local|{code}"


@functools.cache
def _by_name() -> dict[str, str]:
    """Chinese item name → code: a sheet may say 收缩压 or 高压 for 8480-6; and our own codes without their system."""
    names = {name: code for code, row in _observations().items() for name in (row["zh"], *row.get("also", ()))}
    return names | {split(code)[1]: code for code in catalogue() if code.startswith("hb|")}


@functools.cache
def _diagnoses() -> dict[str, str]:
    """National title of a diagnosis → code, where a sheet gives the title for the code."""
    return {row["zh"]: code for code, row in load("terms", "diagnoses.yaml")["terms"].items()}


@functools.cache
def _drugs() -> list[tuple[str, str]]:
    """(Chinese generic name, ATC code) of single drugs, longest name first."""
    terms = load("terms", "medications.yaml")["terms"]
    found = [(row["zh"], code) for code, row in terms.items() if ATC.match(split(code)[1])]
    return sorted(found, key=lambda item: -len(item[0]))


@functools.lru_cache(maxsize=8192)
def drug(text: str) -> str | None:
    """ "atc|C08CA01" for a text with one generic name in it (苯磺酸氨氯地平片 5mg), else None."""
    found = [code for name, code in _drugs() if name in text]
    return found[0] if len(found) == 1 else None


@functools.cache
def _vaccines() -> tuple[dict[str, str], dict[str, str]]:
    names: dict[str, str] = {}
    numbers: dict[str, str] = {}
    for code, row in load("codes", "vaccines.yaml")["vaccines"].items():
        names |= {str(name).lower(): code for name in (code, row["zh"], *row["also"])}
        numbers |= {number.lstrip("0"): code for number in row["cvx"]}
    return names, numbers


def vaccine(name: str, *, cvx: bool = False) -> str | None:
    """ "vaccine|HepB" for a vaccine's code or Chinese name, or its CVX number; None when unknown."""
    names, numbers = _vaccines()
    found = numbers.get(name.lstrip("0")) if cvx else names.get(name.strip().lower())
    return f"vaccine|{found}" if found else None


@functools.cache
def _words(file: str, key: str) -> dict[str, str]:
    table: dict[str, Any] = load("codes", file)[key]
    return {str(word).lower(): code for code, words in table.items() for word in (code, *words)}


def encounter_class(word: str) -> str:
    """AMB, HH, IMP, EMER, VR, PHONE …; an unknown word stays as it is."""
    return _words("encounters.yaml", "classes").get(word.strip().lower(), word.strip())


def encounter_type(word: str) -> str:
    """follow-up, examination …; an unknown word stays as it is."""
    return _words("encounters.yaml", "types").get(word.strip().lower(), word.strip())


def answer(word: str) -> str:
    """A coded answer as the ledger keeps it: positive, negative …; an unknown word stays as it is."""
    return _words("answers.yaml", "answers").get(word.strip().lower(), word.strip())


@functools.cache
def answers() -> frozenset[str]:
    """The coded answers we know, as the ledger writes them."""
    return frozenset(load("codes", "answers.yaml")["answers"])
