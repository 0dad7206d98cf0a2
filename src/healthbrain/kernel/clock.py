"""The clock, for the edge only. Rules and queries take `as_of`; a lint test holds them to it."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

COUNTY_ZONE = ZoneInfo("Asia/Shanghai")  # China keeps one zone; ledger times are naive county time


def now() -> dt.datetime:
    """The present moment, aware, in county time."""
    return dt.datetime.now(COUNTY_ZONE)


def today() -> dt.date:
    """Today's date in the county."""
    return now().date()


def local(value: dt.datetime) -> dt.datetime:
    """An instant as naive county time, the form the ledger keeps. A naive value is taken as county time already."""
    return value if value.tzinfo is None else value.astimezone(COUNTY_ZONE).replace(tzinfo=None)
