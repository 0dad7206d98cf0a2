"""One identity as the matcher sees it: every field tidied, and what the comparisons derive from it."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Hamming

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
    child: bool = False  # a newborn's stand-in: 王芳之子


def name_parts(text: str) -> NameParts:
    """Derive `NameParts`; all empty for a stand-in such as 王芳之子."""
    name = names.clean(text)
    if names.is_unnamed(name):
        return NameParts("", "", "", "", "", "", (), child=names.is_newborn(name))
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
        own=is_own(number, birth_date) and bool(birth_date or not parts.child),
        phone=phone or "",
        address=place,
        doors=addresses.doors(place),
        division=division_code or "",
    )
