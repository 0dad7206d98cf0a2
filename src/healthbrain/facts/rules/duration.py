"""Calendar durations: months and days are different things (3 months is not 90 days)."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from healthbrain.facts.rules.located import wrong

_UNITS = {"day": (0, 1), "week": (0, 7), "month": (1, 0), "year": (12, 0)}
_PATTERN = re.compile(r"(\d+)\s*(day|week|month|year)s?", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Duration:
    months: int = 0
    days: int = 0

    def __str__(self) -> str:
        return f"{self.months} months" if self.months else f"{self.days} days"

    def after(self, date: dt.date) -> dt.date:
        """`date` + this. A month end stays a month end: 31 January + 1 month = 28 or 29 February."""
        return _add_months(date, self.months) + dt.timedelta(days=self.days)

    def before(self, date: dt.date) -> dt.date:
        """`date` - this, by the same rule: 31 March - 1 month = 28 or 29 February."""
        return _add_months(date, -self.months) - dt.timedelta(days=self.days)


def _add_months(date: dt.date, months: int) -> dt.date:
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(date.day, last))


def full_months(start: dt.date, end: dt.date) -> int:
    """The greatest n with `start` + n months <= `end`."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return months if _add_months(start, months) <= end else months - 1


def parse_duration(text: str) -> Duration:
    """'12 months', '2 weeks', '90 days', '1 year'. Raises DefinitionError for anything else."""
    if text.strip().lower() == "same day":
        return Duration()
    match = _PATTERN.fullmatch(text.strip())
    if not match:
        raise wrong(f"{text!r} is not a duration; write a number and days, weeks, months or years", text)
    months, days = _UNITS[match[2].lower()]
    return Duration(int(match[1]) * months, int(match[1]) * days)
