"""Which detector the history of a feed allows: a new feed is watched from its first week, and better each year.

Steps of the RKI / United4Surveillance SignalDetectionTool 0.9.0 (2025), `get_possible_methods`: fewer than 7 weeks only
a CUSUM; from 7 on EARS; from 26 on a mean of the history; from 2 years on comparable periods; from 4 years on all. The
first two periods have nothing to be compared with.
Each step here names the method of `methods` that comes into use, and names it only once its own history is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.surveillance.rules.series import Frequency


@dataclass(frozen=True)
class Rung:
    """From `years` years and `periods` periods of history on, `method` (a name of `methods`) with these settings."""

    years: int
    periods: int
    method: str
    settings: tuple[tuple[str, str], ...] = ()


SHORT = (
    Rung(0, 3, "cusum_reset"),
    Rung(0, 9, "ears_c2", (("min_sigma", "0.5"),)),
)
RUNGS = (
    *SHORT,
    Rung(2, 4, "bayes3"),
    Rung(4, 3, "flex_noufaily", (("b", "4"), ("calendar", "no"))),
    Rung(5, 3, "flex_noufaily", (("calendar", "no"),)),
)
LEAST = SHORT[0].periods
DAILY_RUNGS = (*SHORT, Rung(0, 30, "essence"))


def rung(history: int, frequency: Frequency) -> Rung:
    """The highest step that `history` periods (LEAST or more) allow."""
    rungs = DAILY_RUNGS if frequency is Frequency.DAILY else RUNGS
    return next(step for step in reversed(rungs) if history >= step.years * int(frequency) + step.periods)
