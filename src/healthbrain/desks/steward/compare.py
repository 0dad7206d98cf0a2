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
WORDS = {  # what was found, and why two are not linked unasked → English
    "都还没有姓名": "neither has a name",
    "完全相同": "the same",
    "同音字": "sounds the same",
    "形近字": "looks alike",
    "前后颠倒": "parts exchanged",
    "近音字": "sounds alike",
    "一个名字含在另一个里": "one inside the other",
    "同姓，名差一字": "one character differs",
    "名同音，姓不同": "other surname",
    "只有姓相同": "only the surname",
    "不同": "differs",
    "相同": "the same",
    "日月颠倒": "day and month exchanged",
    "一方是农历生日": "one by the moon calendar",
    "两位数字颠倒": "two digits exchanged",
    "月日相同，差一年": "one year apart, same day",
    "差一个数字": "one digit differs",
    "同年，一方只填到年": "same year, one has no more",
    "年月相同": "same month",
    "只有年相同": "only the year",
    "差一位，其中一个校验不符": "one digit differs, one is invalid",
    "两个有效号码不同": "two valid numbers differ",
    "不同，其中一个无效": "differs, one is invalid",
    "写法不同，门牌相同": "same door, written differently",
    "同村": "same village",
    "同乡镇": "same township",
    "一家人共用电话和住址，但不会同名": "more than a family",
    "两个有效身份证号不同": "two valid ID numbers differ",
    "身份证号相同而姓名不同，可能借用他人证件": "same ID number, another name: perhaps somebody else's card",
    "性别不同": "sexes differ",
    "同日出生、同姓、名不同，可能是双胞胎": "born on one day, one surname, two names: perhaps twins",
    "缺少姓名": "a name is missing",
    "姓名不同": "names differ",
    "出生日期不同": "birth dates differ",
    "姓名和出生日期都有出入": "both name and birth date differ somewhat",
}


def said(words: str) -> str:
    """The matcher's words in the reader's language."""
    return t(words, WORDS.get(words, words))


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
    """Every comparison the matcher knows, those it could not make included; then what else the sum holds."""
    found = {what: (words, bits) for what, words, bits in review.explanation.get("levels", ())}
    lines = []
    for what, english in ENGLISH.items():
        words, bits = found.get(what, (t("缺一方，未比较", "missing on one side"), None))
        tone = "" if bits is None else "agrees" if bits > 0 else "differs"
        shown = (_value(review.left, what), _value(review.right, what))
        lines.append(Line(t(what, english), *shown, said(words), bits, tone))
    if "同名同户" in found:
        words, bits = found["同名同户"]
        lines.append(Line(t("同名同户", "Namesakes at home"), "", "", said(words), bits, "agrees"))
    if prior := review.explanation.get("prior"):
        start = t("比较之前", "at first")
        lines.append(Line(t("起点", "Start"), "", "", start, prior, ""))
    return lines


RULES = {  # how a link came about
    "new": ("首次出现", "first seen"),
    "id-number": ("身份证号相同", "same ID number"),
    "probabilistic": ("机器匹配", "matched by the machine"),
    "steward": ("数据管理员判断", "decided by a steward"),
    "not-compared": ("未能比对", "could not be compared"),
    "undo": ("撤销后恢复", "restored by an undo"),
}


def link_words(identity: IdentityRow) -> str:
    """Why an identity belongs to its resident."""
    zh, en = RULES.get(identity.rule or "", (identity.rule or "—", identity.rule or "—"))
    score = f" {identity.score:.1%}" if identity.score is not None else ""
    levels = identity.explanation.get("levels", ())[:4]
    found = t("、", ", ").join(
        f"{t(what, ENGLISH.get(what, what))}{t('', ': ')}{said(words)}" for what, words, _ in levels
    )
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
