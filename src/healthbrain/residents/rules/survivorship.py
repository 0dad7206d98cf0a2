"""Which source's word becomes the golden record, field by field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

# What makes one word better than another, best first. `verified`: said together with a valid identity number whose
# birth date agrees. `named`: a name, not a stand-in such as 王芳之子. `approved`: from a source a steward approved.
FIELDS: dict[str, tuple[str, ...]] = {
    "name": ("named", "verified", "approved", "recent"),
    "initials": ("named", "verified", "approved", "recent"),
    "pinyin": ("named", "verified", "approved", "recent"),
    "sex": ("verified", "approved", "recent"),
    "birth_date": ("verified", "approved", "recent"),
    "id_number": ("verified", "approved", "recent"),
    "phone": ("recent", "approved"),
    "address": ("with_division", "recent", "approved"),
    "division_code": ("with_division", "recent", "approved"),
    "deceased_on": ("approved", "recent"),
    "moved_on": ("approved", "recent"),
    "source_organisation": ("recent",),
}
_SQL = {
    "named": "i.unnamed",
    "verified": "i.verified IS NOT TRUE",
    "approved": "NOT i.approved",
    "recent": "i.updated DESC",
    "with_division": "i.division_code IS NULL",
}


def order_by(column: str) -> str:
    """The precedence of a field as the terms of ORDER BY; the latest identity settles a tie."""
    return ", ".join([*(_SQL[term] for term in FIELDS[column]), "i.id DESC"])


@dataclass(frozen=True, slots=True)
class Said:
    """One source's word on one field, with what its weight depends on."""

    identity_id: int
    value: str | None
    updated: dt.datetime
    named: bool = True
    verified: bool = False
    approved: bool = False
    with_division: bool = False


def survivor(column: str, words: Sequence[Said]) -> str | None:
    """The value that stands for `column`: the reference the SQL is tested against."""

    def rank(said: Said) -> tuple[float, ...]:
        terms = {"recent": -said.updated.timestamp()}
        named = ("named", "verified", "approved", "with_division")
        terms |= {term: float(not getattr(said, term)) for term in named}
        return (*(terms[term] for term in FIELDS[column]), -said.identity_id)

    known = sorted((said for said in words if said.value not in (None, "")), key=rank)
    return known[0].value if known else None
