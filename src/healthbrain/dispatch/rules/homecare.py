"""Home care without rows: the Barthel index, who is admitted, on which days visits fall, what a record must hold."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from healthbrain.kernel.errors import Invalid

type Said = Mapping[str, str]  # {zh, en}


@dataclass(frozen=True, slots=True)
class Field:
    """A measured value of a visit. A typed value outside low..high is a slip, not a finding."""

    title: Said
    unit: str
    low: float
    high: float
    required: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """Something a home bed is settled by. price: yuan each; None until the county enters one. source: of the price."""

    title: Said
    unit: Said
    price: Decimal | None
    source: str


@dataclass(frozen=True, slots=True)
class Service:
    """What is done at home. needs: skills of each person who comes; teach: what the carer learns."""

    title: Said
    needs: tuple[frozenset[str], ...]
    minutes: int
    record: Mapping[str, Field]
    done: Mapping[str, Said]
    teach: Mapping[str, Said]
    insurance: str

    def persons(self, people: int) -> tuple[frozenset[str], ...]:
        """Skills of each of `people` persons: more than the service asks for lift and hold, like the last one named."""
        return (*self.needs, *(self.needs[-1:] * (people - len(self.needs))))


def barthel(answers: Mapping[str, int], scores: Mapping[str, Sequence[int]]) -> int:
    """The Barthel index 0–100 (Mahoney & Barthel 1965): the sum of ten items. Raises Invalid."""
    for item, allowed in scores.items():
        if item not in answers:
            raise Invalid(f"Barthel 缺一项：{item} The item {item} has no score", hint="十项都要评 score all ten")
        if answers[item] not in allowed:
            raise Invalid(f"{item} 不能评 {answers[item]} 分 {item} cannot score {answers[item]}")
    return sum(answers[item] for item in scores)


def band(total: int, bands: Sequence[Mapping[str, Any]]) -> Said:
    """The band of dependency a sum falls into."""
    return next(row["title"] for row in bands if total <= row["upto"])


def admits(total: int, findings: Collection[str], rule: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Does the rule admit: a low enough index, or a finding that admits by itself? Raises Invalid on unknown ones."""
    for name in findings:
        if name not in known:
            raise Invalid(f"没有这项情况 Unknown finding: {name}")
    return total <= rule["upto"] or any(known[name]["admits"] for name in findings)


def visit_days(
    weekdays: Collection[int], starts: dt.date, ends: dt.date | None, first: dt.date, last: dt.date
) -> Iterator[dt.date]:
    """Days from first to last, both included, on which an item is due. Weekday 0 is Monday."""
    day, last = max(first, starts), min(last, ends or last)
    while day <= last:
        if day.weekday() in weekdays:
            yield day
        day += dt.timedelta(days=1)


def told_window(begin: float, width: float, earliest: float, latest: float) -> tuple[float, float]:
    """The window told to the family: `width` minutes about the planned begin on quarter hours, within their own."""
    opens = max(earliest, (begin - width / 2) // 15 * 15)
    return opens, max(begin, min(latest, opens + width))


def checked(service: Service, given: Mapping[str, float], done: Collection[str]) -> dict[str, Any]:
    """What is kept of a visit: measures by name, done items. Raises Invalid naming what is missing or out of range."""
    for name, field in service.record.items():
        if field.required and name not in given:
            raise Invalid(f"请填{field.title['zh']} Give: {field.title['en']}")
    for name, value in given.items():
        if name not in service.record:
            raise Invalid(f"这项服务不记录 {name} This service does not record {name}")
        field = service.record[name]
        if not field.low <= value <= field.high:
            raise Invalid(
                f"{field.title['zh']} {value:g} 超出 {field.low:g}–{field.high:g} {field.title['en']} is out of range",
                hint="看看是不是输错 check for a slip",
            )
    unknown = set(done) - set(service.done)
    if unknown:
        raise Invalid(f"这项服务没有 {', '.join(sorted(unknown))} Not an item of this service")
    if not done:
        raise Invalid("请勾选做了什么 Tick what was done")
    return {"measures": dict(given), "done": sorted(done)}


def taught(service: Service, given: Mapping[str, str]) -> dict[str, str]:
    """The teach-the-carer list: item → shown or alone (the carer did it alone). Raises Invalid."""
    for item, how in given.items():
        if item not in service.teach or how not in {"shown", "alone"}:
            raise Invalid(f"没有这项指导 Not on the teaching list: {item}")
    return dict(given)


# A signature as drawn: strokes of whole coordinates in a box of 600 × 200, as an SVG path holds them.
SIGNATURE_BOX = (600, 200)
_STROKES = re.compile(r"(?:M\d{1,3} \d{1,3}(?:L\d{1,3} \d{1,3})*)+")
_POINTS = (8, 4000)  # fewer is a slip of the finger, more is no signature


def signature(path: str) -> str:
    """The carer's signature as drawn on the phone, "" when none was drawn. Raises Invalid for what is no drawing."""
    path = path.strip()
    if not path:
        return ""
    points = re.findall(r"(\d+) (\d+)", path) if len(path) < 50_000 and _STROKES.fullmatch(path) else []
    inside = all(int(x) <= SIGNATURE_BOX[0] and int(y) <= SIGNATURE_BOX[1] for x, y in points)
    if not inside or not _POINTS[0] <= len(points) <= _POINTS[1]:
        raise Invalid("签名没有画好，请重签 The signature is not clear: sign again")
    return path


VOUCHER = re.compile(r"[A-Z0-9-]{6,24}")


def voucher(text: str) -> str:
    """A voucher's number in capitals, "" when none was handed over. Raises Invalid."""
    number = text.strip().upper()
    if number and not VOUCHER.fullmatch(number):
        raise Invalid("券号是 6–24 位字母数字 A voucher's number has 6 to 24 letters or figures")
    return number
