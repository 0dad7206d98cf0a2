"""A FHIR Patient as the person fields the index of residents takes."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import Any

from healthbrain.records.intake.person_bodies import DIVISION, ID_NUMBER, MOVED

ID_SYSTEMS = {
    ID_NUMBER,
    "2.16.156.10011.1.3",
    "urn:oid:2.16.840.1.113883.4.330.156",
    "http://terminology.hl7.org.cn/id-card",
    "urn:healthbrain:id-number",
}
ID_TYPES = {"NI", "NNCHN", "NNxxx", "CN"}
YEAR_OR_MONTH = re.compile(r"^[12]\d{3}(-(0[1-9]|1[0-2]))?$")
RESIDENT_ID = re.compile(r"^\d{17}[\dXx]$|^\d{15}$")
GENDERS = {"male": "1", "female": "2", "other": "9", "unknown": "0"}
Person = tuple[
    str | None,
    str | None,
    dt.date | None,
    str | None,
    str | None,
    str | None,
    str | None,
    dt.date | None,
    dt.date | None,
]  # name, sex, birth_date, id_number, phone, address, division_code, deceased_on, moved_on


def person_of(patient: dict[str, Any], as_of: dt.date | None = None) -> Person:
    """(name, sex, birth_date, id_number, phone, address, division_code, deceased_on, moved_on); None: not said.

    `as_of`: the day it is said, when the Patient does not tell (`meta.lastUpdated`).
    """
    address, division = _address(patient)
    return (
        _name(patient),
        GENDERS.get(str(patient.get("gender"))),
        _date(patient.get("birthDate")),
        _id_number(patient),
        _phone(patient),
        address,
        division,
        _deceased_on(patient, as_of),
        _moved_on(patient),
    )


def _deceased_on(patient: dict[str, Any], as_of: dt.date | None) -> dt.date | None:
    """The day of death. Said without its day, the last day it can have been: a dead person has no tasks."""
    said = _date((patient.get("meta") or {}).get("lastUpdated")) or as_of
    text = str(patient.get("deceasedDateTime") or "")
    if whole := _date(text):
        return whole
    if YEAR_OR_MONTH.match(text):
        year, month = int(text[:4]), int(text[5:7] or 12)
        last = dt.date(year, month, calendar.monthrange(year, month)[1])
        return min(last, said) if said else last
    return said if patient.get("deceasedBoolean") is True else None


def _moved_on(patient: dict[str, Any]) -> dt.date | None:
    """The day he left the county; FHIR has no element for it."""
    said = [e.get("valueDate") for e in _dicts(patient.get("extension")) if e.get("url") == MOVED]
    return _date(said[0]) if said else None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _name(patient: dict[str, Any]) -> str | None:
    names = _dicts(patient.get("name"))
    names.sort(key=lambda n: {"official": 0, "usual": 1, None: 2}.get(n.get("use"), 3))
    for name in names:
        if name.get("text"):
            return str(name["text"])
        given = [str(g) for g in name.get("given") or () if g]
        family = str(name.get("family") or "")
        chinese = not family.isascii() or not all(g.isascii() for g in given)
        joined = family + "".join(given) if chinese else " ".join([*given, family]).strip()
        if joined:
            return joined
    return None


def _id_number(patient: dict[str, Any]) -> str | None:
    """By the identifier's system or type; otherwise a value that looks like a resident's ID number."""
    found = _dicts(patient.get("identifier"))
    for identifier in found:
        types = {c.get("code") for c in _dicts((identifier.get("type") or {}).get("coding"))}
        if identifier.get("value") and (identifier.get("system") in ID_SYSTEMS or types & ID_TYPES):
            return str(identifier["value"])
    for identifier in found:
        if RESIDENT_ID.match(str(identifier.get("value") or "")) and not identifier.get("system"):
            return str(identifier["value"])
    return None


def _phone(patient: dict[str, Any]) -> str | None:
    phones = [t for t in _dicts(patient.get("telecom")) if t.get("system") in {"phone", "sms"} and t.get("value")]
    phones.sort(key=lambda t: t.get("use") != "mobile")
    return str(phones[0]["value"]) if phones else None


def _address(patient: dict[str, Any]) -> tuple[str | None, str | None]:
    for address in _dicts(patient.get("address")):
        if address.get("use") == "old":
            continue
        extensions = {
            e.get("url"): e.get("valueCode") or e.get("valueString") for e in _dicts(address.get("extension"))
        }
        parts = [address.get(k) for k in ("state", "city", "district")] + list(address.get("line") or ())
        text = address.get("text") or "".join(str(p) for p in parts if p)
        division = extensions.get(DIVISION)
        district = str(address.get("district") or "")
        return text or None, division or (district if district.isdigit() else None)
    return None, None


def _date(text: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(text)[:10]) if text else None
    except ValueError:
        return None  # a year or a month alone is no birth date to match by
