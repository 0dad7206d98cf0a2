"""What each fact is: its kind, codes, unit and plausible range. Loaded from knowledge/facts/*.yaml.

Four shapes of fact:
- *coded*    ledger events of one kind whose code matches, e.g. sbp, hypertension, face_to_face_visit
- *pair*     two coded observations of the same resident, organisation and moment, e.g. bp = sbp + dbp
- *together* two facts of the same resident, organisation and day, e.g. a visit with a blood pressure
- *apart*    a fact at a known organisation on a day without the other there, e.g. a pressure not told by telephone
- *derived*  an expression over other facts, e.g. bmi; only its latest value and date can be asked for
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from healthbrain.facts.rules.located import load_yaml, where, wrong

KINDS = frozenset(
    {"observation", "condition", "encounter", "procedure", "immunization", "medication", "referral"}
)  # as in records.models.Event.kind
_CATEGORY = re.compile(r"[A-Z]\d\d")
_COMPOSED = ("pair", "together", "apart")
_COMMON = {"title", "source", "note"}
_ALLOWED = {
    "coded": _COMMON | {"kind", "codes", "unit", "units", "plausible", "answers", "only", "except"},
    "pair": _COMMON | {"pair"},
    "together": _COMMON | {"together"},
    "apart": _COMMON | {"apart"},
    "derived": _COMMON | {"derived", "at", "unit"},
}


@dataclass(frozen=True)
class Code:
    """A code as the ledger writes it, "icd10|I10". With `prefix`: everything that begins so, too, because national
    editions extend ICD (I10.x00x002)."""

    text: str
    prefix: bool = False

    def matches(self, code: str) -> bool:
        return code.startswith(self.text) if self.prefix else code == self.text


@dataclass(frozen=True)
class Fact:
    """One entry of the catalogue. `value` is "number", "text", "pair" or "" (it only happened)."""

    name: str
    title: Mapping[str, str] = field(compare=False)
    shape: str = "coded"
    kind: str = ""
    codes: tuple[Code, ...] = ()
    value: str = ""
    unit: str = ""
    factors: tuple[tuple[str, float], ...] = ()  # other accepted units → factor to `unit`
    plausible: tuple[float, float] | None = None  # outside: never used by a rule
    answers: tuple[str, ...] = ()  # the only texts a coded answer may have
    only: tuple[str, ...] = ()  # event.text must be one of these (a referral that is accepted)
    excluded: tuple[str, ...] = ()  # event.text must be none of these (a diagnosis that is refuted)
    members: tuple[Fact, ...] = ()  # of a pair, together or apart
    derived: str = field(default="", compare=False)
    derived_at: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Catalogue:
    facts: Mapping[str, Fact]

    def __contains__(self, name: str) -> bool:
        return name in self.facts

    def __getitem__(self, name: str) -> Fact:
        return self.facts[name]

    def pair_of(self, names: frozenset[str]) -> Fact | None:
        """The one pair that has all `names` as members."""
        pairs = [f for f in self.facts.values() if f.shape == "pair" and names <= {m.name for m in f.members}]
        return pairs[0] if len(pairs) == 1 else None


def load_catalogue(*folders: Path) -> Catalogue:
    """All facts of the folders. A file in a later folder (the county's own) replaces the file of the same name."""
    files = {path.name: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
    entries: dict[str, Any] = {}
    for path in files.values():
        for name, entry in load_yaml(path).items():
            if name in entries:
                raise wrong(f"fact {name!r} is already defined at {where(entries[name][0])}", name)
            entries[name] = (name, entry)
    return catalogue_of(dict(entries.values()))


def catalogue_of(entries: Mapping[str, Any]) -> Catalogue:
    """A catalogue from entries as they stand in YAML."""
    facts: dict[str, Fact] = {}
    composed: list[tuple[str, dict[str, Any], str]] = []
    for name, entry in entries.items():
        if not str(name).isidentifier() or str(name) != str(name).lower():
            raise wrong(f"fact name {name!r} must be lower-case letters, digits and underscores", name)
        shape = _shape(name, entry)
        if shape in _COMPOSED:
            composed.append((name, entry, shape))
        else:
            facts[name] = _coded(name, entry) if shape == "coded" else _derived(name, entry)
    for name, entry, shape in sorted(composed, key=lambda item: item[2] != "pair"):
        facts[name] = _composed(name, entry, shape, facts)
    return Catalogue(facts)


def together(first: Fact, second: Fact) -> Fact:
    """`first with second`: `first` on a day on which `second` happened, both at one known organisation."""
    title = {lang: f"{first.title.get(lang, '')}＋{second.title.get(lang, '')}" for lang in ("zh", "en")}
    return Fact(f"{first.name}_with_{second.name}", title, "together", members=(first, second))


def _shape(name: str, entry: Any) -> str:
    if not isinstance(entry, dict):
        raise wrong(f"fact {name!r} must be a mapping", name)
    shape = next((word for word in (*_COMPOSED, "derived") if word in entry), "coded")
    unknown = set(entry) - _ALLOWED[shape]
    if unknown:
        raise wrong(f"fact {name!r}: unknown key {sorted(unknown)[0]!r}", sorted(unknown)[0])
    if not isinstance(entry.get("title"), dict) or not entry["title"].get("zh"):
        raise wrong(f"fact {name!r} needs a title with zh (and en)", name)
    return shape


def _coded(name: str, entry: dict[str, Any]) -> Fact:
    kind = entry.get("kind")
    if kind not in KINDS:
        raise wrong(f"fact {name!r}: kind {kind!r} is none of {', '.join(sorted(KINDS))}", kind or name)
    value = "text" if "answers" in entry else "number" if "unit" in entry else ""
    if value == "number" and "plausible" not in entry:
        raise wrong(f"fact {name!r} has a unit and needs a plausible range", name)
    if not entry.get("source"):
        raise wrong(f"fact {name!r} needs a source", name)
    return Fact(
        name=str(name),
        title=entry["title"],
        kind=str(kind),
        codes=_codes(entry.get("codes", [])),
        value=value,
        unit=str(entry.get("unit", "")),
        factors=tuple((str(unit), float(factor)) for unit, factor in entry.get("units", {}).items()),
        plausible=_range(name, entry.get("plausible")),
        answers=tuple(map(str, entry.get("answers", ()))),
        only=tuple(map(str, entry.get("only", ()))),
        excluded=tuple(map(str, entry.get("except", ()))),
        source=str(entry["source"]),
        where=where(name),
    )


def _derived(name: str, entry: dict[str, Any]) -> Fact:
    return Fact(
        name=str(name),
        title=entry["title"],
        shape="derived",
        value="number",
        unit=str(entry.get("unit", "")),
        derived=entry["derived"],
        derived_at=entry.get("at", ""),
        source=str(entry.get("source", "")),
        where=where(name),
    )


def _composed(name: str, entry: dict[str, Any], shape: str, facts: Mapping[str, Fact]) -> Fact:
    names = entry[shape]
    if not isinstance(names, list) or len(names) != 2:
        raise wrong(f"fact {name!r}: {shape} takes two facts", name)
    members = []
    for member in names:
        fact = facts.get(member)
        if fact is None or fact.shape not in ({"coded"} if shape == "pair" else {"coded", "pair"}):
            raise wrong(f"fact {name!r}: {member!r} cannot be part of a {shape}", member)
        if shape == "pair" and fact.value != "number":
            raise wrong(f"fact {name!r}: a pair is of numbers, {member!r} is not", member)
        members.append(fact)
    value = "pair" if shape == "pair" else ""
    return Fact(str(name), entry["title"], shape, value=value, members=tuple(members), where=where(name))


def _range(name: str, given: Any) -> tuple[float, float] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 2 or not given[0] < given[1]:
        raise wrong(f"fact {name!r}: plausible must be [lowest, highest]", name)
    return float(given[0]), float(given[1])


def _codes(texts: list[str]) -> tuple[Code, ...]:
    """loinc|8480-6 exactly; icd10|I10 and below; icd10|I10..I13; hb|child-visit-* for a prefix in any other system."""
    codes: list[Code] = []
    for text in texts:
        system, bar, code = str(text).partition("|")
        if not bar or not code:
            raise wrong(f"code {text!r} must be written system|code", text)
        low, dots, high = code.partition("..")
        names = _categories(text, low, high) if dots else [code.removesuffix("*")]
        prefix = system in {"icd10", "icd9cm3"} or code.endswith("*")
        codes += [Code(f"{system}|{name}", prefix) for name in names]
    return tuple(codes)


def _categories(text: str, low: str, high: str) -> list[str]:
    """The ICD-10 categories from I10 to I13."""
    if not all(_CATEGORY.fullmatch(end) for end in (low, high)) or low > high:
        raise wrong(f"code range {text!r} must run between two ICD-10 categories, such as I10..I13", text)
    first, last = (ord(end[0]) * 100 + int(end[1:]) for end in (low, high))
    return [f"{chr(number // 100)}{number % 100:02}" for number in range(first, last + 1)]
