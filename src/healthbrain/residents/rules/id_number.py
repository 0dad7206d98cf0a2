"""Resident identity numbers: GB 11643-1999, check digit by ISO 7064 MOD 11-2."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999, table of weighting factors
_CHECK = "10X98765432"
_SHAPE_18 = re.compile(r"[1-9]\d{16}[\dX]")
_SHAPE_15 = re.compile(r"[1-9]\d{14}")
_DASHES = str.maketrans("", "", " \t\u3000-–—_'\"`")
_EARLIEST = dt.date(1850, 1, 1)


@dataclass(frozen=True, slots=True)
class IdNumber:
    """A number whose form, date and check digit hold. `number` has 18 characters."""

    number: str
    birth_date: dt.date
    sex: str  # GB/T 2261.1: 1 male, 2 female


def clean(text: str | None) -> str:
    """Half-width, upper case, without blanks and dashes; an apostrophe put before it by a spreadsheet is dropped."""
    if not text:
        return ""
    return unicodedata.normalize("NFKC", text).translate(_DASHES).upper()


def check_digit(first_17: str) -> str:
    """The 18th character for 17 digits."""
    return _CHECK[sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True)) % 11]


def to_18(number_15: str) -> str:
    """A first-generation number in its 18-character form.

    First-generation cards were issued to people born in 1900–1999; the sequence numbers 996–999 were kept for people
    who were over a hundred then, born in the 1800s (GB 11643-1999, annex).
    """
    century = "18" if number_15[12:15] in {"996", "997", "998", "999"} else "19"
    first_17 = number_15[:6] + century + number_15[6:]
    return first_17 + check_digit(first_17)


def parse(text: str | None) -> IdNumber | None:
    """The number in `text`, or None when its form, date or check digit does not hold."""
    value = clean(text)
    if _SHAPE_15.fullmatch(value):
        value = to_18(value)
    if not _SHAPE_18.fullmatch(value) or check_digit(value[:17]) != value[17]:
        return None
    try:
        born = dt.date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return None
    if born < _EARLIEST:
        return None
    return IdNumber(value, born, "1" if int(value[16]) % 2 else "2")


def make(division: str, birth_date: dt.date, sequence: int) -> str:
    """The number of the `sequence`-th registration (0–999) on that day in that division; odd is male."""
    first_17 = f"{division}{birth_date:%Y%m%d}{sequence:03d}"
    return first_17 + check_digit(first_17)
