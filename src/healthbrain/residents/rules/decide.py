"""From a compared pair to a decision: link, ask a person, or leave apart. Weights are data (knowledge/matching)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthbrain.residents.rules.compare import ALIKE_NAMES, COMPARISONS, Level, Person

LINK, ASK, APART = "link", "ask", "apart"
ID_NUMBER_BITS = 40.0  # an exact key stands for itself; shown as this weight where weights are ordered


@dataclass(frozen=True, slots=True)
class Model:
    """Trained weights: bits for each (comparison, level); `name_collision` is the chance that two share a pinyin.

    `namesake_bits`: what phone and address weigh beyond their bound where a family is no explanation (`namesakes`).
    """

    bits: Mapping[str, Mapping[str, float]]
    name_collision: float
    namesake_bits: Mapping[str, float]
    link_bits: float
    ask_bits: float


@dataclass(frozen=True, slots=True)
class Population:
    """The crowd a pair is found in: how many identities, and how many of them bear each name (by pinyin)."""

    identities: int
    name_counts: Mapping[str, int]

    def prior_bits(self) -> float:
        """log2 of the odds that a random pair is one person: each has about two partners."""
        return 1 - math.log2(max(self.identities, SMALLEST_POPULATION))


SMALLEST_POPULATION = 20_000  # a small file is judged as a small county: strict from its first row on
FEW_IDENTITIES = 1_000
RAREST = 2  # the pair itself makes two
NAME_BITS_RANGE = (-4.0, 6.0)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found, its weight, and what follows."""

    outcomes: tuple[Level | None, ...]  # in the order of COMPARISONS
    rarity: float
    total: float
    rule: str
    decision: str
    veto: str  # why it may not be linked without a person, Chinese; empty when it may


def rarity_bits(model: Model, population: Population, a: str, b: str) -> float:
    """How much more (or less) than usual it means to share this name: log2(usual chance / this name's share)."""
    if population.identities < FEW_IDENTITIES:
        return 0.0  # too few to know which names are common
    count = max(population.name_counts.get(a, 0), population.name_counts.get(b, 0), RAREST)
    low, high = NAME_BITS_RANGE
    return min(high, max(low, math.log2(model.name_collision * population.identities / count)))


def _key(level: Level | None) -> str:
    return level.key if level else "unknown"


def exact_key(name: str, born: str, sex: str, number: str) -> bool:
    """The same own valid number, and name or birth date not against it."""
    if number != "same" or sex == "else":
        return False
    return name in ALIKE_NAMES or name in {"unknown", "one-off"} or (name == "given" and born == "exact")


def namesakes(name: str, sex: str, phone: str) -> bool:
    """The same full name under one telephone. A family shares telephone and door, but no full name."""
    return name == "exact" and sex == "same" and phone == "same"


def at_home(name: str, sex: str, phone: str, address: str) -> bool:
    """Namesakes at one door: one person whatever a birth date says. The usual reason is a birthday by the moon
    calendar in one of the registers."""
    return namesakes(name, sex, phone) and address in {"same", "doors"}


TWINS = "同日出生、同姓、名不同，可能是双胞胎"


def _same_newborn(born: str, sex: str, phone: str, address: str) -> bool:
    """王芳之子 and the child who got a name: same day, same sex, same family. Its twin is kept off by `clusters`."""
    return born == "exact" and sex == "same" and phone == "same" and address != "else"


def veto(name: str, born: str, sex: str, number: str, phone: str, address: str) -> str:
    """Why these two must not be linked without a person; empty when nothing stands against it."""
    if number == "conflict":
        return "两个有效身份证号不同"
    if sex == "else" and number != "same":
        return "性别不同"
    if number == "same" and name in {"surname", "else", "given"}:
        return "身份证号相同而姓名不同，可能借用他人证件"
    if name in {"one-off", "surname"} and number != "same" and born in {"exact", "placeholder"}:
        return TWINS
    if name == "unknown" and number != "same" and not _same_newborn(born, sex, phone, address):
        return "缺少姓名"
    if name in {"given", "else"}:
        return "姓名不同"
    if born in {"year", "else"} and number != "same" and not at_home(name, sex, phone, address):
        return "出生日期不同"
    return ""


def weight(model: Model, keys: Sequence[str]) -> float:
    """Bits of these levels together (keys in the order of COMPARISONS), without prior and rarity."""
    known = sum(model.bits[c.key][key] for c, key in zip(COMPARISONS, keys, strict=True) if key != "unknown")
    return known + beyond_bounds(model, keys)


def beyond_bounds(model: Model, keys: Sequence[str]) -> float:
    """Bits that the bounds of phone and address held back, given back to namesakes."""
    name, _, sex, _, phone, address = keys
    if not namesakes(name, sex, phone):
        return 0.0
    return model.namesake_bits["phone"] + (model.namesake_bits["address"] if address in {"same", "doors"} else 0.0)


def judge(model: Model, population: Population, a: Person, b: Person) -> Judgement:
    """Compare, weigh and decide. Symmetric in `a` and `b`."""
    outcomes = tuple(comparison.outcome(a, b) for comparison in COMPARISONS)
    alike = outcomes[0] is not None and outcomes[0].key in ALIKE_NAMES
    rarity = rarity_bits(model, population, a.pinyin, b.pinyin) if alike else 0.0
    keys = [_key(level) for level in outcomes]
    total = population.prior_bits() + rarity + weight(model, keys)
    against = veto(*keys)
    if exact_key(*keys[:4]):
        return Judgement(outcomes, rarity, max(total, ID_NUMBER_BITS), "id-number", LINK, "")
    decision = LINK if total >= model.link_bits and not against else ASK if total >= model.ask_bits else APART
    if against and keys[3] == "same":
        decision = ASK
    return Judgement(outcomes, rarity, total, "probabilistic", decision, against)


RADICES = tuple(len(comparison.levels) + 1 for comparison in COMPARISONS)

# The name is compared first, so it is the leading figure: below this number it was unknown.
FIRST_NAMED = math.prod(RADICES[1:])


def code_of(outcomes: Sequence[Level | None]) -> int:
    """All levels of a pair in one number; 0 stands for unknown."""
    code = 0
    for comparison, level, radix in zip(COMPARISONS, outcomes, RADICES, strict=True):
        code = code * radix + (comparison.levels.index(level) + 1 if level else 0)
    return code


def outcomes_of(code: int) -> tuple[Level | None, ...]:
    """The levels in a number."""
    found: list[Level | None] = []
    for comparison, radix in zip(reversed(COMPARISONS), reversed(RADICES), strict=True):
        code, level = divmod(code, radix)
        found.append(comparison.levels[level - 1] if level else None)
    return tuple(reversed(found))


def explain(model: Model, code: int, rarity: float, prior: float) -> dict[str, object]:
    """What a steward reads: each comparison, what was found, its weight in bits."""
    levels: list[tuple[str, str, float]] = []
    outcomes = outcomes_of(code)
    for comparison, level in zip(COMPARISONS, outcomes, strict=True):
        if level is None:
            continue
        bits = model.bits[comparison.key][level.key]
        if comparison.key == "name" and level.key in ALIKE_NAMES:
            bits += rarity
        levels.append((comparison.words, level.words, round(bits, 1)))
    total = prior + rarity + weight(model, keys := [_key(level) for level in outcomes])
    if extra := beyond_bounds(model, keys):
        levels.append(("同名同电话", "一家人共用电话和住址，但不会同名", round(extra, 1)))
    return {"levels": levels, "prior": round(prior, 1), "total": round(total, 1)}
