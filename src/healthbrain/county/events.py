"""What rooms that do not know each other tell each other about places."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallTriaged:
    """A 120 call was given a suspected type. No person in it. Published inside the transaction, once a call.

    `township`: division code of 9 digits, "" where the place is not known. `suspected`: knowledge/dispatch types.
    """

    day: dt.date
    township: str
    suspected: str
