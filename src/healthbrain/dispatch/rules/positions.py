"""Vehicle positions: which report to believe, and how stale the last one is."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

FUTURE = "future"
ANCIENT = "ancient"
NOWHERE = "nowhere"
SECOND = "second"  # from the crew's phone while the vehicle's terminal reports: history only


@dataclass(frozen=True, slots=True)
class Report:
    """One position as a device sent it: x, y in the plane of the county's map (km), `at` by the device's clock."""

    vehicle_id: int
    x: float
    y: float
    at: dt.datetime | None = None


def judge(report: Report, received: dt.datetime, *, ahead: float, oldest: float) -> str:
    """ "" when the report's own time may be believed, else why not.

    "future": the clock is more than `ahead` seconds fast, the place still counts, at the time of arrival;
    "ancient": sent more than `oldest` seconds after it was taken, history only; "nowhere": no numbers, refused.
    """
    if not (math.isfinite(report.x) and math.isfinite(report.y)):
        return NOWHERE
    if report.at is None:
        return ""
    late = (received - report.at).total_seconds()
    if late < -ahead:
        return FUTURE
    return ANCIENT if late > oldest else ""


def silence(age: float | None, *, silent_after: float, lost_after: float) -> str:
    """ "" while reports come; "silent", then "lost", by the age in seconds of the last one (None: never any)."""
    if age is None or age > lost_after:
        return "lost"
    return "silent" if age > silent_after else ""
