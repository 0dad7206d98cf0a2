"""Two identities line by line: what each says, how alike it was judged, and what that weighs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from healthbrain.access.models import Account
from healthbrain.desks.i18n import date, sex_of, t
from healthbrain.residents.queries import IdentityRow, ReviewRow

# Words of the matcher's comparison → English; the Chinese word itself is the key.
ENGLISH = {
    "姓名": "Name",
    "出生日期": "Born",
    "性别": "Sex",
    "身份证号": "ID number",
    "电话": "Phone",
    "住址": "Address",
}


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    left: str
    right: str
    found: str
    bits: float | None  # log2 weight; None: not compared
    tone: str  # agrees, differs, ""


def _value(identity: IdentityRow, what: str) -> str:
    shown = {
        "姓名": identity.name,
        "出生日期": date(identity.birth_date),
        "性别": sex_of(identity.sex),
        "身份证号": identity.id_number,
        "电话": identity.phone,
        "住址": identity.address,
    }
    return str(shown[what] or "—")


def side_by_side(review: ReviewRow) -> list[Line]:
    """Every comparison the matcher knows, those it could not make included."""
    found = {what: (words, bits) for what, words, bits in review.explanation.get("levels", ())}
    lines = []
    for what, english in ENGLISH.items():
        words, bits = found.get(what, (t("缺一方，未比较", "missing on one side"), None))
        tone = "" if bits is None else "agrees" if bits > 0 else "differs"
        lines.append(Line(t(what, english), _value(review.left, what), _value(review.right, what), words, bits, tone))
    return lines


RULES = {  # how a link came about
    "new": ("首次出现", "first seen"),
    "id-number": ("身份证号相同", "same ID number"),
    "probabilistic": ("机器匹配", "matched by the machine"),
    "steward": ("数据管理员判断", "decided by a steward"),
    "undo": ("撤销后恢复", "restored by an undo"),
}


def link_words(identity: IdentityRow) -> str:
    """Why an identity belongs to its resident."""
    zh, en = RULES.get(identity.rule or "", (identity.rule or "—", identity.rule or "—"))
    score = f" {identity.score:.1%}" if identity.score is not None else ""
    found = "、".join(f"{what}{words}" for what, words, _ in identity.explanation.get("levels", ())[:4])
    reason = str(identity.explanation.get("reason", ""))
    return " · ".join(filter(None, (t(zh, en) + score, reason, found)))


@dataclass(frozen=True, slots=True)
class Change:
    """One decision in a resident's history of links; several identities may have moved in it."""

    group: str
    at: Any
    words: str
    by: str
    identities: int
    can_undo: bool


def changes(rows: list[dict[str, Any]]) -> list[Change]:
    """History by decision, newest first. Only a person's decision can be undone, and an undo is not undone."""
    accounts = dict(Account.objects.filter(pk__in={row["account_id"] for row in rows}).values_list("pk", "name"))
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["group"], []).append(row)
    found = []
    for group, moved in grouped.items():
        first = moved[0]
        zh, en = RULES.get(first["rule"], (first["rule"], first["rule"]))
        words = " · ".join(filter(None, (t(zh, en), first["reason"] or "")))
        by = accounts.get(first["account_id"], t("系统", "the system"))
        undoable = first["account_id"] is not None and first["rule"] != "undo" and first["from_resident_id"] is not None
        found.append(Change(group, first["at"], words, by, len(moved), undoable))
    return found
