"""The forms of an event's room as data: a title, fields, and what a filled one does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from django.http import QueryDict

from healthbrain.desks.i18n import said, t
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Item:
    """One field. kind: text, area, number, date, moment, choice, choices, file."""

    name: str
    label: str
    kind: str = "text"
    options: Sequence[tuple[str, str]] = ()
    value: Any = ""
    required: bool = False
    hint: str = ""
    unit: str = ""

    @property
    def values(self) -> set[str]:
        return set(self.value) if isinstance(self.value, list | tuple | set) else {str(self.value)}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A form: `submit` is the button's words; `then` takes the answers and says what happened, or raises Invalid."""

    title: str
    items: Sequence[Item]
    submit: str
    then: Callable[[Answers], str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What was posted, read by the fields' kinds."""

    posted: QueryDict
    files: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return str(self.posted.get(name, "")).strip()

    def many(self, name: str) -> list[str]:
        return [str(value) for value in self.posted.getlist(name) if value]

    def number(self, name: str) -> int | None:
        text = self.text(name)
        if not text:
            return None
        if not text.lstrip("-").isdigit():
            raise Invalid(t("“{x}”不是整数", "“{x}” is not a whole number", x=text))
        return int(text)

    def decimal(self, name: str) -> Decimal | None:
        text = self.text(name).replace("，", ".").replace("。", ".")
        if not text:
            return None
        try:
            return Decimal(text)
        except InvalidOperation as error:
            raise Invalid(t("“{x}”不是数字", "“{x}” is not a number", x=text)) from error

    def date(self, name: str) -> dt.date | None:
        text = self.text(name)
        try:
            return dt.date.fromisoformat(text) if text else None
        except ValueError as error:
            raise Invalid(t("日期不对：{x}", "Not a date: {x}", x=text)) from error

    def moment(self, name: str) -> dt.datetime | None:
        """Naive county time from a datetime-local field."""
        text = self.text(name)
        try:
            return dt.datetime.fromisoformat(text).replace(tzinfo=None) if text else None
        except ValueError as error:
            raise Invalid(t("时间不对：{x}", "Not a time: {x}", x=text)) from error

    def instant(self, name: str) -> dt.datetime | None:
        found = self.moment(name)
        return found.replace(tzinfo=COUNTY_ZONE) if found else None


def options(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A bilingual table as the options of a choice."""
    return [
        (key, said(value.get("title", value)) if isinstance(value, Mapping) else said(value))
        for key, value in table.items()
    ]


def local_minute(moment: dt.datetime) -> str:
    """The value of a datetime-local field."""
    return f"{moment:%Y-%m-%dT%H:%M}"
