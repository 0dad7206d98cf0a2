"""From a compared pair to a decision: link, ask a person, or leave apart. Weights are data (knowledge/matching)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthbrain.residents.rules.compare import ALIKE_NAMES, COMPARISONS, Level
from healthbrain.residents.rules.person import Person

LINK, ASK, APART = "link", "ask", "apart"
ID_NUMBER_BITS = 40.0  # an exact key stands for itself; shown as this weight where weights are ordered


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Trained weights: bits for each (comparison, level); `name_collision` is the chance that two share a pinyin.
    A model is itself only: what follows from one is remembered by it.

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
    return name in ALIKE_NAMES or name in {"unknown", "unnamed", "one-off"} or (name == "given" and born == "exact")


HOME = frozenset({"same", "doors"})  # one door


def namesakes(name: str, sex: str) -> bool:
    """The same full name, written alike, and the same sex."""
    return name == "exact" and sex == "same"


TWINS = "同日出生、同姓、名不同，可能是双胞胎"


def _same_newborn(born: str, sex: str, phone: str, address: str) -> bool:
    """王芳之子 and the child who got a name: same day, same sex, same family. Its twin is kept off by `clusters`."""
    return born == "exact" and sex == "same" and phone == "same" and address != "else"


def _dates_apart(born: str, alike: bool, phone: str, address: str) -> bool:
    """Whether two dates say two people. `alike`: namesakes. A family shares telephone and door but no full name, so
    namesakes at one door or telephone are one person with a wrong date: the usual reason is a birthday by the moon
    calendar in one of the registers. The further apart the dates, the more must be the same."""
    home = address in HOME
    if born == "else":
        return not (alike and home and phone == "same")
    if born == "year":
        return not (alike and phone == "same")
    if born == "month":
        return not (alike and (home or phone == "same"))
    return born == "placeholder" and not (home or phone == "same")  # in a village of one surname namesakes are many


def _two_slips(name: str, born: str, phone: str, address: str) -> bool:
    """A slip in the name and another in the date, and nothing beside them that is the same."""
    return (
        name not in {"exact", "unknown"}
        and born not in {"exact", "unknown"}
        and phone != "same"
        and address not in HOME
    )


def _sexes_apart(name: str, born: str, phone: str, address: str) -> bool:
    """Whether two sexes say two people: not where everything else is the same. A boy and a girl born to one family on
    one day bear two names."""
    return not (name == "exact" and born == "exact" and (phone == "same" or address in HOME))


def veto(name: str, born: str, sex: str, number: str, phone: str, address: str) -> str:
    """Why these two must not be linked without a person; empty when nothing stands against it."""
    if number == "conflict":
        return "两个有效身份证号不同"
    if number == "same":
        return "身份证号相同而姓名不同，可能借用他人证件" if name in {"surname", "else", "given"} else ""
    if sex == "else" and _sexes_apart(name, born, phone, address):
        return "性别不同"
    if name in {"one-off", "surname", "sound"} and born in {"exact", "placeholder"}:
        return TWINS
    if name == "unnamed" or (name == "unknown" and not _same_newborn(born, sex, phone, address)):
        return "缺少姓名"
    if name not in ALIKE_NAMES | {"unknown"}:
        return "姓名不同"
    if _dates_apart(born, namesakes(name, sex), phone, address):
        return "出生日期不同"
    return "姓名和出生日期都有出入" if _two_slips(name, born, phone, address) else ""


def weight(model: Model, keys: Sequence[str]) -> float:
    """Bits of these levels together (keys in the order of COMPARISONS), without prior and rarity."""
    known = sum(model.bits[c.key][key] for c, key in zip(COMPARISONS, keys, strict=True) if key != "unknown")
    return known + beyond_bounds(model, keys)


def beyond_bounds(model: Model, keys: Sequence[str]) -> float:
    """Bits that the bounds of phone and address held back, given back to namesakes."""
    name, _, sex, _, phone, address = keys
    if not namesakes(name, sex):
        return 0.0
    held = model.namesake_bits
    return (held["phone"] if phone == "same" else 0.0) + (held["address"] if address in HOME else 0.0)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What follows from levels alone, whoever the two are."""

    bits: float
    alike: bool  # the name's rarity counts
    exact_key: bool
    same_number: bool
    veto: str


@functools.lru_cache(maxsize=65536)
def ruling(model: Model, keys: tuple[str, ...]) -> Ruling:
    """The ruling on these levels (keys in the order of COMPARISONS)."""
    return Ruling(weight(model, keys), keys[0] in ALIKE_NAMES, exact_key(*keys[:4]), keys[3] == "same", veto(*keys))


def judge(model: Model, population: Population, a: Person, b: Person) -> Judgement:
    """Compare, weigh and decide. Symmetric in `a` and `b`."""
    outcomes = tuple([comparison.outcome(a, b) for comparison in COMPARISONS])
    found = ruling(model, tuple([_key(level) for level in outcomes]))
    rarity = rarity_bits(model, population, a.pinyin, b.pinyin) if found.alike else 0.0
    total = population.prior_bits() + rarity + found.bits
    if found.exact_key:
        return Judgement(outcomes, rarity, max(total, ID_NUMBER_BITS), "id-number", LINK, "")
    against = found.veto
    decision = LINK if total >= model.link_bits and not against else ASK if total >= model.ask_bits else APART
    if against and found.same_number:
        decision = ASK
    return Judgement(outcomes, rarity, total, "probabilistic", decision, against)


RADICES = tuple(len(comparison.levels) + 1 for comparison in COMPARISONS)

# The name is compared first, so it is the leading figure: below this number it was unknown on one side or on both.
FIRST_NAMED = 2 * math.prod(RADICES[1:])


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
        levels.append(("同名同户", "一家人共用电话和住址，但不会同名", round(extra, 1)))
    return {"levels": levels, "prior": round(prior, 1), "total": round(total, 1)}
