"""Comparison of two persons: named levels, each with one meaning in Python and in SQL.

The online match asks Python, the batch asks DuckDB, Splink trains on the SQL; `tests/residents` holds them together.
SQL names the two sides `column_l` and `column_r`, as Splink does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein, Hamming

from healthbrain.residents.rules import moon, names
from healthbrain.residents.rules.person import Person, swapped, transposed

Test = Callable[[Person, Person], bool]


@dataclass(frozen=True, slots=True)
class Level:
    """One outcome of a comparison. The first level that holds is the outcome."""

    key: str
    words: str  # for the steward, Chinese
    sql: str
    holds: Test


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing compared. `unknown` comes first: nothing known on one side says nothing."""

    key: str
    words: str
    unknown: Level
    levels: tuple[Level, ...]

    def outcome(self, a: Person, b: Person) -> Level | None:
        """The level that holds, or None when nothing can be said."""
        if self.unknown.holds(a, b):
            return None
        for level in self.levels:
            if level.holds(a, b):
                return level
        return None


def _else(words: str) -> Level:
    return Level("else", words, "ELSE", lambda a, b: True)


def _unknown(sql: str, holds: Test) -> Level:
    return Level("unknown", "缺", sql, holds)


# The differing characters of two names, as one text of two; table `alike_pair` holds `characters.alike`.
_DIFFERING = " || ".join(
    f"CASE WHEN substr(a, {i}, 1) <> substr(b, {i}, 1) THEN substr(a, {i}, 1) || substr(b, {i}, 1) ELSE '' END"
    for i in range(1, names.LONGEST + 1)
)
LOOKS_LIKE_MACRO = (
    f"CREATE OR REPLACE TEMP MACRO looks_like(a, b) AS length(a) = length(b) AND length(a) <= {names.LONGEST} "
    f"AND ({_DIFFERING}) IN (SELECT pair FROM alike_pair)"
)
NAME_WITHIN_MACRO = f"""CREATE OR REPLACE TEMP MACRO name_within(a, b) AS
    least(length(a), length(b)) >= {names.WHOLE} AND length(a) <> length(b) AND (starts_with(a, b) OR starts_with(b, a)
    OR (abs(length(a) - length(b)) = 1 AND (ends_with(a, b) OR ends_with(b, a))))"""
MOON_MACRO = """CREATE OR REPLACE TEMP MACRO moon_of(moon, born, other) AS substr(moon, 5, 4) = substr(other, 5, 4)
    AND moon <> '' AND substr(other, 1, 4) IN (substr(moon, 1, 4), substr(born, 1, 4))"""

REORDERED_MACRO = """CREATE OR REPLACE TEMP MACRO reordered(a, syllables_a, b, syllables_b) AS
    syllables_a = syllables_b OR regexp_full_match(a, '[ -~]+') OR regexp_full_match(b, '[ -~]+')"""
MACROS = (LOOKS_LIKE_MACRO, NAME_WITHIN_MACRO, MOON_MACRO, REORDERED_MACRO)  # SQL functions the levels are written with


def _reordered(a: Person, b: Person) -> bool:
    """The same syllables in another order; where one is in Latin letters, the same letters. 朱开方 and 章福凯 share
    all letters of their pinyin and nothing else."""
    if a.letters != b.letters:
        return False
    return a.name.isascii() or b.name.isascii() or names.sorted_syllables(a.name) == names.sorted_syllables(b.name)


NAME = Comparison(
    "name",
    "姓名",
    _unknown("(name_l = '') <> (name_r = '')", lambda a, b: bool(a.name) != bool(b.name)),
    (
        Level("unnamed", "都还没有姓名", "name_l = '' AND name_r = ''", lambda a, b: not a.name and not b.name),
        Level("exact", "完全相同", "name_l = name_r", lambda a, b: a.name == b.name),
        Level("homophone", "同音字", "pinyin_l = pinyin_r", lambda a, b: a.pinyin == b.pinyin),
        Level(
            "look-alike",
            "形近字",
            "looks_like(name_l, name_r)",
            lambda a, b: names.looks_like(a.name, b.name),
        ),
        Level(
            "order",
            "前后颠倒",
            "letters_l = letters_r AND reordered(name_l, syllables_l, name_r, syllables_r)",
            _reordered,
        ),
        Level("sound", "近音字", "sound_l = sound_r", lambda a, b: a.sound == b.sound),
        Level(
            "within", "一个名字含在另一个里", "name_within(name_l, name_r)", lambda a, b: names.within(a.name, b.name)
        ),
        Level(
            "one-off",
            "同姓，名差一字",
            "surname_l = surname_r AND list_has_any(cuts_l, cuts_r)",
            lambda a, b: a.surname == b.surname and not set(a.cuts).isdisjoint(b.cuts),
        ),
        Level("given", "名同音，姓不同", "given_l <> '' AND given_l = given_r", lambda a, b: a.given == b.given != ""),
        Level("surname", "只有姓相同", "surname_l = surname_r", lambda a, b: a.surname == b.surname),
        _else("不同"),
    ),
)
_SWAPPED = (
    "substr(born_l, 1, 4) = substr(born_r, 1, 4) AND substr(born_l, 5, 2) = substr(born_r, 7, 2) "
    "AND substr(born_l, 7, 2) = substr(born_r, 5, 2)"
)
BORN = Comparison(
    "born",
    "出生日期",
    _unknown("born_l = '' OR born_r = ''", lambda a, b: not a.born or not b.born),
    (
        Level(
            "exact",
            "相同",
            "born_l = born_r AND substr(born_l, 5, 4) <> '0101'",
            lambda a, b: a.born == b.born and a.born[4:] != "0101",
        ),
        Level(
            "swapped",
            "日月颠倒",
            f"born_l <> born_r AND {_SWAPPED}",
            lambda a, b: a.born != b.born and swapped(a.born, b.born),
        ),
        Level(
            "moon",
            "一方是农历生日",
            "born_l <> born_r AND (moon_of(moon_l, born_l, born_r) OR moon_of(moon_r, born_r, born_l))",
            lambda a, b: a.born != b.born and (moon.says(a.born, b.born) or moon.says(b.born, a.born)),
        ),
        Level(
            "transposed",
            "两位数字颠倒",
            "born_l <> born_r AND digits_l = digits_r AND hamming(born_l, born_r) = 2",
            lambda a, b: a.born != b.born and transposed(a.born, b.born),
        ),
        Level(
            "next-year",
            "月日相同，差一年",
            "substr(born_l, 5, 4) = substr(born_r, 5, 4) "
            "AND abs(substr(born_l, 1, 4)::INTEGER - substr(born_r, 1, 4)::INTEGER) = 1",
            lambda a, b: a.born[4:] == b.born[4:] and abs(int(a.born[:4]) - int(b.born[:4])) == 1,
        ),
        Level(
            "digit",
            "差一个数字",
            "born_l <> born_r AND hamming(born_l, born_r) = 1",
            lambda a, b: Hamming.distance(a.born, b.born) == 1,
        ),
        Level(
            "placeholder",
            "同年，一方只填到年",
            "substr(born_l, 1, 4) = substr(born_r, 1, 4) "
            "AND (substr(born_l, 5, 4) = '0101' OR substr(born_r, 5, 4) = '0101')",
            lambda a, b: a.born[:4] == b.born[:4] and "0101" in {a.born[4:], b.born[4:]},
        ),
        Level(
            "month",
            "年月相同",
            "substr(born_l, 1, 6) = substr(born_r, 1, 6)",
            lambda a, b: a.born[:6] == b.born[:6],
        ),
        Level(
            "year", "只有年相同", "substr(born_l, 1, 4) = substr(born_r, 1, 4)", lambda a, b: a.born[:4] == b.born[:4]
        ),
        _else("不同"),
    ),
)
SEX = Comparison(
    "sex",
    "性别",
    _unknown("sex_l NOT IN ('1', '2') OR sex_r NOT IN ('1', '2')", lambda a, b: not {a.sex, b.sex} <= {"1", "2"}),
    (Level("same", "相同", "sex_l = sex_r", lambda a, b: a.sex == b.sex), _else("不同")),
)


def _number_unknown(a: Person, b: Person) -> bool:
    if not a.number_text or not b.number_text:
        return True
    borrowed = (a.number and not a.own) or (b.number and not b.own)  # a newborn's mother's number says nothing
    return bool(borrowed) and not (a.number == b.number and a.letters == b.letters != "")


NUMBER = Comparison(
    "number",
    "身份证号",
    _unknown(
        "number_text_l = '' OR number_text_r = '' "
        "OR (((number_l <> '' AND NOT own_l) OR (number_r <> '' AND NOT own_r)) "
        "AND NOT (number_l = number_r AND letters_l = letters_r AND letters_l <> ''))",
        _number_unknown,
    ),
    (
        Level("same", "相同", "number_l = number_r AND number_l <> ''", lambda a, b: a.number == b.number != ""),
        Level(
            "typo",
            "差一位，其中一个校验不符",
            "(number_l = '' OR number_r = '') AND damerau_levenshtein(number_text_l, number_text_r) <= 1",
            lambda a, b: (
                not (a.number and b.number)
                and DamerauLevenshtein.distance(a.number_text, b.number_text, score_cutoff=1) <= 1
            ),
        ),
        Level("conflict", "两个有效号码不同", "own_l AND own_r", lambda a, b: a.own and b.own),
        _else("不同，其中一个无效"),
    ),
)
PHONE = Comparison(
    "phone",
    "电话",
    _unknown("phone_l = '' OR phone_r = ''", lambda a, b: not a.phone or not b.phone),
    (Level("same", "相同", "phone_l = phone_r", lambda a, b: a.phone == b.phone), _else("不同")),
)


def _no_place(a: Person, b: Person) -> bool:
    return not (a.address and b.address) and not (a.division and b.division)


def _elsewhere(a: Person, b: Person) -> bool:
    """Two townships: the same street and number there is another house."""
    return min(len(a.division), len(b.division)) >= 9 and a.division[:9] != b.division[:9]


def _same_doors(a: Person, b: Person) -> bool:
    if a.doors != b.doors or not a.doors or _elsewhere(a, b):
        return False
    return len(a.doors) >= 5 or min(len(a.division), len(b.division)) >= 9


def _inside(a: Person, b: Person) -> bool:
    short, long = sorted((a.address, b.address), key=len)
    return len(short) >= 5 and long.endswith(short) and a.doors != "" != b.doors and not _elsewhere(a, b)


def _same_village(a: Person, b: Person) -> bool:
    if len(a.division) >= 12 and a.division == b.division:
        return True
    return a.address == b.address != "" and not _elsewhere(a, b)


_ELSEWHERE = (
    "(least(length(division_l), length(division_r)) >= 9 AND substr(division_l, 1, 9) <> substr(division_r, 1, 9))"
)
ADDRESS = Comparison(
    "address",
    "住址",
    _unknown("(address_l = '' OR address_r = '') AND (division_l = '' OR division_r = '')", _no_place),
    (
        Level(
            "same",
            "相同",
            f"address_l = address_r AND doors_l <> '' AND NOT {_ELSEWHERE}",
            lambda a, b: a.address == b.address and a.doors != "" and not _elsewhere(a, b),
        ),
        Level(
            "doors",
            "写法不同，门牌相同",
            f"doors_l <> '' AND doors_r <> '' AND NOT {_ELSEWHERE} AND ((doors_l = doors_r "
            "AND (length(doors_l) >= 5 OR least(length(division_l), length(division_r)) >= 9)) "
            "OR (least(length(address_l), length(address_r)) >= 5 "
            "AND (ends_with(address_l, address_r) OR ends_with(address_r, address_l))))",
            lambda a, b: _same_doors(a, b) or _inside(a, b),
        ),
        Level(
            "village",
            "同村",
            "(length(division_l) >= 12 AND division_l = division_r) "
            f"OR (address_l = address_r AND address_l <> '' AND NOT {_ELSEWHERE})",
            _same_village,
        ),
        Level(
            "township",
            "同乡镇",
            "length(division_l) >= 9 AND substr(division_l, 1, 9) = substr(division_r, 1, 9)",
            lambda a, b: len(a.division) >= 9 and a.division[:9] == b.division[:9],
        ),
        _else("不同"),
    ),
)
COMPARISONS = (NAME, BORN, SEX, NUMBER, PHONE, ADDRESS)
ALIKE_NAMES = frozenset(
    {"exact", "homophone", "look-alike", "order", "sound", "within"}
)  # the same name, written wrongly at most
