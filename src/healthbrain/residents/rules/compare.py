"""Comparison of two persons: named levels, each with one meaning in Python and in SQL.

The online match asks Python, the batch asks DuckDB, Splink trains on the SQL; `tests/residents` holds them together.
SQL names the two sides `column_l` and `column_r`, as Splink does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein, Hamming

from healthbrain.residents.rules import addresses, names


@dataclass(frozen=True, slots=True)
class Person:
    """One identity with everything the levels look at. Empty text means unknown."""

    id: int
    name: str  # cleaned; empty for a stand-in
    pinyin: str
    surname: str
    given: str
    sound: str
    letters: str
    cuts: tuple[str, ...]
    sex: str
    born: str  # YYYYMMDD
    digits: str  # of the birth date, sorted
    number: str  # 18 characters, valid
    number_text: str  # `number`, or what came instead of it
    own: bool  # the number's birth date is the person's, or nearly
    phone: str
    address: str
    doors: str
    division: str


def cuts(name: str) -> tuple[str, ...]:
    """The name, and it with each one character left out: two names one slip apart share one of these."""
    if len(name) < 3:
        return (name,) if name else ()
    return tuple(dict.fromkeys([name, *(name[:i] + name[i + 1 :] for i in range(len(name)))]))


def transposed(a: str, b: str) -> bool:
    """Whether two digits of a date (YYYYMMDD) changed places."""
    return Hamming.distance(a, b) == 2 and sorted(a) == sorted(b)


def near_dates(a: str, b: str) -> bool:
    """Whether two dates differ by one digit, or by two that changed places."""
    return Hamming.distance(a, b) == 1 or transposed(a, b)


def swapped(a: str, b: str) -> bool:
    """Whether day and month changed places."""
    return a[:4] == b[:4] and a[4:6] == b[6:8] and a[6:8] == b[4:6]


def is_own(number: str, born: str) -> bool:
    """Whether a number's birth date can be the person's. A newborn under its mother's number: it cannot."""
    embedded = number[6:14]
    return bool(number) and (not born or embedded == born or swapped(embedded, born) or near_dates(embedded, born))


@dataclass(frozen=True, slots=True)
class NameParts:
    """What the levels need of a name; the same for everyone who bears it."""

    name: str
    pinyin: str
    surname: str
    given: str
    sound: str
    letters: str
    cuts: tuple[str, ...]


def name_parts(text: str) -> NameParts:
    """Derive `NameParts`; all empty for a stand-in such as 王芳之子."""
    name = names.clean(text)
    if names.is_unnamed(name):
        return NameParts("", "", "", "", "", "", ())
    form = names.form(name)
    return NameParts(
        name=name,
        pinyin=form.pinyin,
        surname=form.surname,
        given=form.given,
        sound=names.near_sound(form.pinyin),
        letters=names.letters(form.pinyin),
        cuts=cuts(name),
    )


def person(
    *,
    id: int,
    name: str = "",
    sex: str = "0",
    birth_date: str = "",
    id_number: str | None = None,
    id_number_raw: str | None = None,
    phone: str | None = None,
    address: str | None = None,
    division_code: str | None = None,
) -> Person:
    """A `Person` from the fields of an identity; `birth_date` is YYYYMMDD or empty."""
    parts, number = name_parts(name), id_number or ""
    place = addresses.key(address)
    return Person(
        id=id,
        name=parts.name,
        pinyin=parts.pinyin,
        surname=parts.surname,
        given=parts.given,
        sound=parts.sound,
        letters=parts.letters,
        cuts=parts.cuts,
        sex=sex,
        born=birth_date,
        digits="".join(sorted(birth_date)),
        number=number,
        number_text=number or id_number_raw or "",
        own=is_own(number, birth_date),
        phone=phone or "",
        address=place,
        doors=addresses.doors(place),
        division=division_code or "",
    )


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
        return next(level for level in self.levels if level.holds(a, b))


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


NAME = Comparison(
    "name",
    "姓名",
    _unknown("name_l = '' OR name_r = ''", lambda a, b: not a.name or not b.name),
    (
        Level("exact", "完全相同", "name_l = name_r", lambda a, b: a.name == b.name),
        Level("homophone", "同音字", "pinyin_l = pinyin_r", lambda a, b: a.pinyin == b.pinyin),
        Level(
            "look-alike",
            "形近字",
            "looks_like(name_l, name_r)",
            lambda a, b: names.looks_like(a.name, b.name),
        ),
        Level("order", "前后颠倒", "letters_l = letters_r", lambda a, b: a.letters == b.letters),
        Level("sound", "近音字", "sound_l = sound_r", lambda a, b: a.sound == b.sound),
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
            "transposed",
            "两位数字颠倒",
            "born_l <> born_r AND digits_l = digits_r AND hamming(born_l, born_r) = 2",
            lambda a, b: a.born != b.born and transposed(a.born, b.born),
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
    return bool(borrowed) and not (a.number == b.number and a.letters == b.letters)


NUMBER = Comparison(
    "number",
    "身份证号",
    _unknown(
        "number_text_l = '' OR number_text_r = '' "
        "OR (((number_l <> '' AND NOT own_l) OR (number_r <> '' AND NOT own_r)) "
        "AND NOT (number_l = number_r AND letters_l = letters_r))",
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


def _no_place(p: Person) -> bool:
    return not p.address and not p.division


def _same_doors(a: Person, b: Person) -> bool:
    near = len(a.doors) >= 5 or (len(a.division) >= 9 and a.division[:9] == b.division[:9])
    return a.doors == b.doors != "" and near


def _inside(a: Person, b: Person) -> bool:
    short, long = sorted((a.address, b.address), key=len)
    return len(short) >= 5 and long.endswith(short)


ADDRESS = Comparison(
    "address",
    "住址",
    _unknown(
        "(address_l = '' AND division_l = '') OR (address_r = '' AND division_r = '')",
        lambda a, b: _no_place(a) or _no_place(b),
    ),
    (
        Level("same", "相同", "address_l = address_r AND address_l <> ''", lambda a, b: a.address == b.address != ""),
        Level(
            "doors",
            "写法不同，门牌相同",
            "(doors_l = doors_r AND doors_l <> '' AND (length(doors_l) >= 5 OR (length(division_l) >= 9 "
            "AND substr(division_l, 1, 9) = substr(division_r, 1, 9)))) "
            "OR (least(length(address_l), length(address_r)) >= 5 "
            "AND (ends_with(address_l, address_r) OR ends_with(address_r, address_l)))",
            lambda a, b: _same_doors(a, b) or _inside(a, b),
        ),
        Level(
            "village",
            "同村",
            "length(division_l) >= 12 AND division_l = division_r",
            lambda a, b: len(a.division) >= 12 and a.division == b.division,
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
    {"exact", "homophone", "look-alike", "order", "sound"}
)  # the same name, written wrongly at most
