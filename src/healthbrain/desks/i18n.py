"""Two languages side by side in the page: `t("记录随访", "Record visit")`. Chinese first, English complete.

A pair in one place cannot drift apart as two catalogues do, and a reader of the template sees both.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import get_language

from healthbrain.facts.rules.duration import full_months
from healthbrain.kernel.clock import local

WEEKDAYS = "一二三四五六日"


def english() -> bool:
    """Is English the active language?"""
    return (get_language() or "zh-hans").startswith("en")


def t(zh: str, en: str, **values: object) -> str:
    """The text in the active language, `{name}` replaced by `values`."""
    text = en if english() else zh
    return text.format(**values) if values else text


def said(value: Any) -> str:
    """A bilingual value of a knowledge file ({zh, en}), or plain text, in the active language."""
    if isinstance(value, Mapping):
        first, second = ("en", "zh") if english() else ("zh", "en")
        return str(value.get(first) or value.get(second) or "")
    return "" if value is None else str(value)


PAIR = (
    r"([^:]*?[\u2e80-\u9fff\uff00-\uffef][^:\s]*(?: [^:\sA-Za-z]+)*)\s+"  # 中文, and what it names
    r"([A-Za-z][^:\u2e80-\u9fff]*\s[^:\u2e80-\u9fff]*[^:\s\u2e80-\u9fff])(?=\s+\S*[\u2e80-\u9fff]|\s*$)"  # English
)


def told(text: str) -> str:
    """The half of an error's "中文 English" in the active language, sentence by sentence; data are never dropped."""
    if not re.fullmatch(rf"(?:\s*{PAIR})+\s*", text):
        return text
    halves = re.findall(PAIR, text)
    return " ".join(en for _, en in halves) if english() else "".join(zh for zh, _ in halves)


def day(value: dt.date | dt.datetime | None, today: dt.date | None = None) -> str:
    """4月3日 周五 · Fri 3 Apr; in another year the year instead of the weekday, which nobody needs then."""
    if value is None:
        return "—"
    value = value.date() if isinstance(value, dt.datetime) else value
    if today is not None and value.year != today.year:
        return date(value)
    if english():
        return f"{value:%a} {value.day} {value:%b}"
    return f"{value.month}月{value.day}日 周{WEEKDAYS[value.weekday()]}"


def date(value: dt.date | dt.datetime | None) -> str:
    """2026年4月3日 · 3 Apr 2026."""
    if value is None:
        return "—"
    return f"{value.day} {value:%b} {value.year}" if english() else f"{value.year}年{value.month}月{value.day}日"


def moment(value: dt.datetime | None) -> str:
    """Date and hour in county time: 4月3日 09:15 · 3 Apr 09:15."""
    if value is None:
        return "—"
    value = local(value)
    return f"{value.day} {value:%b %H:%M}" if english() else f"{value.month}月{value.day}日 {value:%H:%M}"


def until(due: dt.date, today: dt.date) -> str:
    """还剩 2 天 · 今天 · 逾期 3 天 · 逾期 1 年 2 个月."""
    days = (due - today).days
    if days == 0:
        return t("今天", "today")
    if days > 0:
        return t("还剩 {n} 天", "{n} day left" if days == 1 else "{n} days left", n=days)
    if (months := full_months(due, today)) >= 12:  # nobody counts such a time in days
        years, rest = divmod(months, 12)
        if rest == 0:
            return t("逾期 {n} 年", "{n} y overdue", n=years)
        return t("逾期 {n} 年 {m} 个月", "{n} y {m} mo overdue", n=years, m=rest)
    return t("逾期 {n} 天", "{n} day overdue" if days == -1 else "{n} days overdue", n=-days)


def age_of(born: dt.date | None, today: dt.date) -> str:
    """61岁 · 61 y; under three years in months, as health workers say it."""
    months = months_of(born, today)
    if months is None:
        return t("年龄不详", "age unknown")
    if months < 36:
        return t("{n}月龄", "{n} mo", n=max(months, 0))
    return t("{n}岁", "{n} y", n=months // 12)


def months_of(born: dt.date | None, today: dt.date) -> int | None:
    """Age in full months, as the programmes count it."""
    return None if born is None else full_months(born, today)


def sex_of(code: str | None) -> str:
    """GB/T 2261.1 in words."""
    return {"1": t("男", "M"), "2": t("女", "F")}.get(code or "0", t("性别不详", "sex unknown"))


def number(value: float | int | None, digits: int = 0) -> str:
    """1,234.5; a dash for what is not known, never 0."""
    return "—" if value is None else f"{value:,.{digits}f}"
