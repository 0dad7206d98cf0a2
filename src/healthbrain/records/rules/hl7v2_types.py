"""HL7 v2 data types as FHIR R4 elements: times, names, addresses, codes, quantities, ranges."""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import Any

from healthbrain.records.rules import codes, exact
from healthbrain.records.rules.hl7v2_wire import Message

type Element = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
ID_NUMBER = "urn:oid:2.16.156.10011.1.3"  # resident identity card number (居民身份证号)
IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
ID_TYPES = {"NI", "NNCHN", "SS", "NN", "IDCARD", "身份证", "身份证号", "01"}
FORMER_TYPES = {"A", "B", "M", "N", "S"}  # alias, birth, maiden, nickname, pseudonym
COUNTY_OFFSET = "+08:00"  # China keeps one zone; senders leave it out

_TIME = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_COMPARED = re.compile(rf"\s*(<=|>=|<|>|≤|≥|＜|＞)?\s*({_NUMBER.pattern})\s*")
_RANGE = re.compile(rf"\s*({_NUMBER.pattern})\s*(?:--|[-~～—–至])\s*({_NUMBER.pattern})\s*")
_WIDE = {"≤": "<=", "≥": ">=", "＜": "<", "＞": ">"}
_CHINESE = re.compile(r"[㐀-鿿]")
_CARD = re.compile(r"\d{17}[\dXx]|\d{15}")


def at(segment: list[str], number: int) -> str:
    """Field `number`, raw; empty where the segment is shorter."""
    return segment[number] if len(segment) > number else ""


def part(message: Message, segment: list[str], number: int, component: int = 1) -> str:
    """Component of the first repetition of a field, escapes resolved, trimmed."""
    raw = segment[number] if len(segment) > number else ""
    if raw.isalnum():  # no delimiter is alphanumeric: nothing to take apart
        return raw if component == 1 else ""
    if not raw or raw == '""':
        return ""
    if message.repetition and message.repetition in raw:
        raw = raw.split(message.repetition, 1)[0]
    pieces = raw.split(message.component) if message.component in raw else [raw]
    return message.text(pieces[component - 1]).strip() if len(pieces) >= component else ""


@functools.lru_cache(4096)
def timestamp(text: str) -> str | None:
    """DTM as a FHIR dateTime of the same precision; None when it is no moment (20260230)."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, _, zone = match.groups()
    try:
        dt.datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0))  # noqa: DTZ001
    except ValueError:
        return None
    date = "-".join(piece for piece in (year, month, day) if piece)
    if hour is None:
        return date
    offset = f"{zone[:3]}:{zone[3:]}" if zone else COUNTY_OFFSET
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}{offset}"


def date(text: str) -> str | None:
    """The date part of a DTM."""
    moment = timestamp(text)
    return moment[:10] if moment else None


def human_name(message: Message, raw: str) -> Element | None:
    """XPN. Chinese names are written without a space; many senders put the whole name into the family part."""
    family, given, middle, suffix, prefix, _, kind = (*message.parts(raw), *[""] * 7)[:7]
    family = family.split(message.subcomponent)[0].strip() if message.subcomponent else family.strip()
    given_names = [name.strip() for name in (given, middle) if name.strip()]
    if not family and not given_names:
        return None
    chinese = _CHINESE.search(family + given)
    whole = family + "".join(given_names) if chinese else " ".join([*given_names, family]).strip()
    name: Element = {"use": "old" if kind.strip() in FORMER_TYPES else "official", "text": whole}
    return name | _filled(family=family, given=given_names, prefix=[prefix] if prefix else [], suffix=_one(suffix))


def _one(text: str) -> list[str]:
    return [text] if text else []


def _filled(**elements: Any) -> Element:
    return {key: value for key, value in elements.items() if value}


def address(message: Message, raw: str) -> Element | None:
    """XAD. The street part may carry subcomponents (street, name, number)."""
    street, other, city, state, postal, country = (*message.parts(raw), *[""] * 6)[:6]
    if message.subcomponent:
        street = " ".join(piece for piece in street.split(message.subcomponent) if piece)
    lines = [line.strip() for line in (street, other) if line.strip()]
    found = _filled(line=lines, city=city.strip(), state=state.strip(), postalCode=postal, country=country)
    if not found:
        return None
    return {"text": "".join([state.strip(), city.strip(), *lines])} | found


def telecom(message: Message, raw: str) -> Element | None:
    """XTN: number in the first component (old style), in 12, or in parts 6 and 7."""
    pieces = [*message.parts(raw), *[""] * 12][:12]
    if "@" in pieces[3]:
        return {"system": "email", "value": pieces[3].strip()}
    number = pieces[0].strip() or pieces[11].strip() or (pieces[5] + pieces[6]).strip()
    return {"system": "phone", "value": number} if number else None


def identifier(message: Message, raw: str, source: str) -> Element | None:
    """CX. A resident identity number gets its national OID; any other the assigner's name, else the source's."""
    value, _, _, assigner, kind = (piece.strip() for piece in (*message.parts(raw), *[""] * 5)[:5])
    if not value:
        return None
    if kind.upper() in ID_TYPES or (not kind and _CARD.fullmatch(value) and len(value) == 18):
        return {"type": {"coding": [{"system": IDENTIFIER_TYPES, "code": "NI"}]}, "system": ID_NUMBER, "value": value}
    name = assigner.split(message.subcomponent)[0] if message.subcomponent else assigner
    system = f"urn:healthbrain:source:{source}" + (f":{name}" if name else "")
    return {
        "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": kind or "MR"}]},
        "system": "".join(system.split()),
        "value": value,
    }


@functools.lru_cache(4096)
def _coding(code: str, text: str, system: str, kind: str) -> Element | None:
    if not code:
        return None
    if system:
        found: Element = {"system": "".join(codes.url(codes.short(system)).split()), "code": code}
    else:
        short, bare = codes.split(codes.guess(code, kind))
        found = {"code": code} if short == "local" or bare != code else {"system": codes.url(short), "code": bare}
    return found | {"display": text} if text else found


def concept(message: Message, raw: str, kind: str = "") -> Element | None:
    """CE/CWE with its alternate coding. A code without a system is recognised by shape where `kind` says of what.

    Remembered, since a laboratory sends the same few hundred codes all day: the result is a value, not to be changed.
    """
    if not raw:
        return None
    if message.escape and message.escape in raw:
        return _concept(tuple(message.text(piece) for piece in raw.split(message.component)), kind)
    return _plain_concept(raw, message.component, kind)


@functools.lru_cache(8192)
def _plain_concept(raw: str, component: str, kind: str) -> Element | None:
    return _concept(tuple(raw.split(component)), kind)


def _concept(pieces: tuple[str, ...], kind: str) -> Element | None:
    texts = ["" if piece == '""' else piece.strip() for piece in (*pieces, *[""] * 6)]
    codings = [_coding(*texts[i : i + 3], kind) for i in (0, 3)]
    found = [coding for coding in codings if coding]
    text = texts[1] or texts[4] or (texts[8] if len(pieces) > 8 else "")
    if not found:
        return {"text": text} if text else None
    return {"coding": found, "text": text} if text else {"coding": found}


def number(text: str) -> int | float | None:
    """A JSON number, None when it is none (also for infinity)."""
    if _NUMBER.fullmatch(text) is None:
        return None
    try:
        return exact.number(text)
    except ValueError:  # HL7 may write +7.2, .5, 007
        value = float(text)
    if abs(value) == float("inf"):
        return None
    return int(value) if text.lstrip("+-").isdecimal() and len(text) < 16 else value


def unit(message: Message, raw: str) -> Element:
    """OBX-6 as the unit part of a Quantity. Remembered, like `concept`."""
    return _unit(raw, message.component) if raw and message.escape not in raw else _unit_of(message.parts(raw))


@functools.lru_cache(2048)
def _unit(raw: str, component: str) -> Element:
    return _unit_of(raw.split(component))


def _unit_of(pieces: list[str]) -> Element:
    code, text, system = (piece.strip() for piece in [*pieces, "", "", ""][:3])
    if not code and not text:
        return {}
    found: Element = {"unit": text or code}
    return found | {"system": UCUM, "code": "".join(code.split())} if system.upper() == "UCUM" and code else found


def quantity(text: str, units: Element) -> Element | None:
    """`5.6`, `<0.1`, `≥100` with units; None for anything else."""
    match = _COMPARED.fullmatch(text)
    if match is None:
        return None
    value = number(match[2])
    if value is None:
        return None
    sign = match[1]
    return {"value": value} | ({"comparator": _WIDE.get(sign, sign)} if sign else {}) | units


@functools.lru_cache(1024)
def _limits(text: str) -> tuple[int | float | None, int | float | None]:
    both = _RANGE.fullmatch(text)
    if both:
        return number(both[1]), number(both[2])
    one = _COMPARED.fullmatch(text)
    if one and one[1]:
        value = number(one[2])
        return (None, value) if one[1] in "<=≤＜" else (value, None)
    return None, None


def reference_range(text: str, units: Element) -> Element:
    """OBX-7: `3.9-6.1`, `<5.2`, `>=1`, else words. The words always stay."""
    low, high = _limits(text)
    found: Element = {}
    if low is not None:
        found["low"] = {"value": low} | units
    if high is not None:
        found["high"] = {"value": high} | units
    return found | {"text": text}
