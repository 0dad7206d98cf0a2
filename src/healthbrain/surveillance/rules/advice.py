"""Class suspension: what documents advise for one class. Advice with its source; the school and the bureau decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from healthbrain.surveillance.rules.grading import densest


@dataclass(frozen=True, slots=True)
class Advice:
    """Suspend this class for so many days: by which entry, on which numbers."""

    group: str
    length_days: int
    source: str
    seen: int
    share: float | None
    entry: Mapping[str, Any]


def suspension(
    entries: Sequence[Mapping[str, Any]],
    disease: str,
    onsets: Mapping[str, Sequence[dt.date]],
    sizes: Mapping[str, int],
    as_of: dt.date,
    still_ill_days: int = 7,
) -> list[Advice]:
    """Classes for which an entry of the file holds on a day, the longest suspension first; one advice a class.

    `onsets`: class → days of onset of cases not excluded. Share counts onsets of the last `still_ill_days` days over
    the class. Only windows that reach into the last week speak: an old cluster is over.
    """
    found: dict[str, Advice] = {}
    for entry in entries:
        if disease not in entry["diseases"]:
            continue
        for group, days in onsets.items():
            recent = [day for day in days if 0 <= (as_of - day).days < still_ill_days]
            seen, share = len(recent), None
            if "share" in entry:
                size = sizes.get(group)
                share = seen / size if size else None
                holds = share is not None and share >= entry["share"]
            else:
                window = [day for day in days if 0 <= (as_of - day).days < still_ill_days + entry["days"] - 1]
                seen = densest(window, entry["days"])[0]
                holds = seen >= entry["cases"]
            if holds and (group not in found or entry["length_days"] > found[group].length_days):
                found[group] = Advice(group, entry["length_days"], entry["source"], seen, share, entry)
    return sorted(found.values(), key=lambda a: (-a.length_days, a.group))
