"""Search values: a date as the interval it means, a quantity with the precision it was written in, a token in parts."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from healthbrain.kernel.clock import local
from healthbrain.records.rules.search import SearchError

PREFIXES = {"eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"}
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?")


@dataclass(frozen=True, slots=True)
class Interval:
    """[low, high): naive county time."""

    low: dt.datetime
    high: dt.datetime

    def wider(self) -> Interval:
        """What `ap` means: the interval with as much again on either side (R4 leaves the measure to the server)."""
        width = self.high - self.low
        return Interval(self.low - width, self.high + width)


def prefixed(value: str) -> tuple[str, str]:
    """(`ge`, `2024-01`); no prefix means eq."""
    return (value[:2], value[2:]) if value[:2] in PREFIXES else ("eq", value)


def interval(text: str) -> Interval:
    """What a date of this precision covers: 2024-03 is the whole month. Raises SearchError."""
    match = _DATE.fullmatch(text.strip().replace(" ", "+"))  # "+" in a URL arrives as a space
    if match is None:
        raise SearchError(f"日期不合法 (not a date): {text}")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        if hour is None:
            return _days(int(year), int(month or 0), int(day or 0))
        micro = int(Decimal(fraction or "0") * 1_000_000)
        low = dt.datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{zone or ''}")
        low = local(low).replace(microsecond=micro)
    except (ValueError, OverflowError) as error:
        raise SearchError(f"日期不存在 (no such date): {text}") from error
    step = dt.timedelta(microseconds=1) if fraction else dt.timedelta(seconds=1 if second else 60)
    return Interval(low, low + step)


def _days(year: int, month: int, day: int) -> Interval:
    low = dt.datetime(year, month or 1, day or 1)  # noqa: DTZ001 (county time is naive)
    if day:
        return Interval(low, low + dt.timedelta(days=1))
    if month:
        return Interval(low, low.replace(year=year + month // 12, month=month % 12 + 1))
    return Interval(low, low.replace(year=year + 1))


def days_of(prefix: str, span: Interval) -> list[tuple[dt.date, dt.date]]:
    """The days that meet a comparison as whole days, each a range [first, end) (R4 search.html#prefix)."""
    low, high = span.low.date(), span.high.date()
    after_low, after_high = _ceiled(span.low), _ceiled(span.high)
    near = span.wider() if prefix == "ap" else span
    first, last = dt.date.min, dt.date.max
    ranges = {
        "eq": [(after_low, high)],
        "ne": [(first, after_low), (high, last)] if after_low < high else [(first, last)],
        "gt": [(high, last)],
        "ge": [(min(high, after_low), last)],
        "lt": [(first, after_low)],
        "le": [(first, max(high, after_low))],
        "sa": [(after_high, last)],
        "eb": [(first, low)],
        "ap": [(near.low.date(), _ceiled(near.high))],
    }
    return [(start, end) for start, end in ranges[prefix] if start < end]


def _ceiled(moment: dt.datetime) -> dt.date:
    day = moment.date()
    return day if moment.time() == dt.time() else day + dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with the half-width its digits imply (5.4 means 5.35 to 5.45), and a unit to match, if any."""

    prefix: str
    value: Decimal
    half: Decimal
    system: str = ""
    code: str = ""

    @property
    def bounds(self) -> tuple[Decimal, Decimal]:
        return self.value - self.half, self.value + self.half


def amount(text: str) -> Amount:
    """`ge5.4`, `5.4|http://unitsofmeasure.org|mmol/L`, `5.4||mmol/L`. Raises SearchError."""
    number, _, unit = text.partition("|")
    system, _, code = unit.partition("|")
    prefix, digits = prefixed(number)
    try:
        value = Decimal(digits)
    except InvalidOperation as error:
        raise SearchError(f"不是数字 (not a number): {text}") from error
    if not value.is_finite() or abs(value.adjusted()) > 60:
        raise SearchError(f"不是数字 (not a number): {text}")
    exponent = value.as_tuple().exponent
    half = abs(value) / 10 if prefix == "ap" else Decimal(5).scaleb(int(exponent) - 1)
    return Amount(prefix, value, half, system, code)


def token(text: str) -> tuple[str | None, str]:
    """(system, code). system None: any; "": the value has no system. code "": any code of the system."""
    system, bar, code = text.partition("|")
    return (system, code) if bar else (None, text)
