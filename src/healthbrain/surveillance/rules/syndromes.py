"""From a code, a complaint, a call type, a drug group or a school's symptom to syndromes and diseases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from healthbrain.kernel.errors import DefinitionError


@dataclass(frozen=True, slots=True)
class Words:
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Disease:
    """A disease of knowledge/surveillance/notifiable.yaml."""

    key: str
    words: Words
    category: str  # A, B, C, other
    report_hours: int
    icd10: tuple[str, ...]
    valid_from: dt.date | None
    valid_to: dt.date | None
    part_of: str
    sensitive: bool
    note: str

    def holds(self, day: dt.date) -> bool:
        """Was it notifiable on that day?"""
        return (self.valid_from or day) <= day <= (self.valid_to or day)


@dataclass(frozen=True)
class Classifier:
    """Everything that tells what speaks of which syndrome. Keys of syndromes and diseases share one name space."""

    icd10: Mapping[str, tuple[str, ...]]  # prefix → keys
    laboratory: Mapping[tuple[str, str], tuple[str, ...]]  # (ledger code, answer) → keys
    complaints: Mapping[str, tuple[str, ...]]
    calls: Mapping[str, tuple[str, ...]]
    drugs: Mapping[str, str]  # drug group → syndrome
    symptoms: Mapping[str, tuple[str, ...]]  # of the morning check
    words: Mapping[str, Words]  # key → title
    diseases: Mapping[str, Disease]
    family: Mapping[str, str]  # key → the syndrome its signals belong to

    def of_diagnosis(self, code: str) -> tuple[str, ...]:
        """Keys of an ICD-10 code: every prefix counts, the longest first."""
        bare = code.removeprefix("icd10|")
        found: dict[str, None] = {}
        for length in range(len(bare), 2, -1):
            found.update(dict.fromkeys(self.icd10.get(bare[:length], ())))
        return tuple(found)

    def of_complaint(self, text: str) -> tuple[str, ...]:
        """Keys whose words stand in a chief complaint."""
        found: dict[str, None] = {}
        for word, keys in self.complaints.items():
            if word in text:
                found.update(dict.fromkeys(keys))
        return tuple(found)

    def title(self, key: str) -> Words:
        return self.words.get(key) or Words(key, key)

    def disease_of_code(self, code: str, day: dt.date) -> Disease | None:
        """The notifiable disease of a diagnosis on a day: the most particular one."""
        keys = [key for key in self.of_diagnosis(code) if key in self.diseases and self.diseases[key].holds(day)]
        return self.diseases[keys[0]] if keys else None


def classifier(
    syndromes: Iterable[Mapping[str, Any]],
    notifiable: Mapping[str, Any],
    absence: Mapping[str, Any],
    drugs: Mapping[str, Any],
) -> Classifier:
    """Built from the knowledge files. Raises DefinitionError for a name that means nothing."""
    rows = list(syndromes)
    diseases = {key: _disease(key, row) for key, row in notifiable["diseases"].items()}
    icd10 = _inverted((prefix, row["id"]) for row in rows for prefix in row["icd10"])
    for disease in diseases.values():
        for prefix in disease.icd10:
            icd10[prefix] = (*icd10.get(prefix, ()), disease.key)
    chips = absence["symptoms"] | absence["diagnosed"]
    words = {row["id"]: Words(row["zh"], row["en"]) for row in rows}
    words |= {key: Words(row["zh"], row["en"]) for key, row in absence["groups"].items()}
    words |= {key: disease.words for key, disease in diseases.items()}
    words |= {key: Words(row["zh"], row["en"]) for key, row in drugs["groups"].items()}
    for name, chip in chips.items():
        if unknown := [key for key in chip["counts_as"] if key not in words]:
            raise DefinitionError(f"absence.yaml: {name} counts as unknown {', '.join(unknown)}")
    return Classifier(
        icd10,
        _inverted(
            ((code, answer), row["id"]) for row in rows for code, all_ in row["laboratory"].items() for answer in all_
        ),
        _inverted((word, row["id"]) for row in rows for word in row["complaints"]),
        _inverted((call, row["id"]) for row in rows for call in row["calls"]),
        {name: row["syndrome"] for name, row in drugs["groups"].items()},
        {name: tuple(chip["counts_as"]) for name, chip in chips.items()},
        words,
        diseases,
        _families(rows, diseases, chips) | {key: row["syndrome"] for key, row in drugs["groups"].items()},
    )  # fmt: skip


def _disease(key: str, row: Mapping[str, Any]) -> Disease:
    return Disease(
        key,
        Words(row["zh"], row["en"]),
        str(row["class"]),
        int(row["hours"]),
        tuple(row["icd10"]),
        row.get("valid_from"),
        row.get("valid_to"),
        row.get("part_of", ""),
        bool(row.get("sensitive")),
        row.get("note", ""),
    )


def _inverted[K](pairs: Iterable[tuple[K, str]]) -> dict[K, tuple[str, ...]]:
    found: dict[K, tuple[str, ...]] = {}
    for name, key in pairs:
        found[name] = (*found.get(name, ()), key)
    return found


def _families(
    rows: list[Mapping[str, Any]], diseases: Mapping[str, Disease], chips: Mapping[str, Any]
) -> dict[str, str]:
    """A syndrome is its own family; a disease is of the syndrome whose symptoms or codes hold it, else its own."""
    names = {row["id"] for row in rows}
    family = {name: name for name in names}
    for chip in chips.values():
        owner = next((key for key in chip["counts_as"] if key in names), None)
        family.update({key: owner or key for key in chip["counts_as"] if key not in names})
    for disease in diseases.values():
        if disease.key in family:
            continue
        owner = next((row["id"] for row in rows if any(_covered(p, row["icd10"]) for p in disease.icd10)), None)
        family[disease.key] = owner or disease.part_of or disease.key
    return family


def _covered(prefix: str, prefixes: Iterable[str]) -> bool:
    return any(prefix.startswith(p) for p in prefixes)
