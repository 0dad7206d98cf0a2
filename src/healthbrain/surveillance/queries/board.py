"""What the board shows beside a signal's row: its small chart, and the event it belongs to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.kernel.db import select
from healthbrain.surveillance.models import Signal


@dataclass(frozen=True, slots=True)
class Beside:
    """Counts by day from `first`, and the event's number with how many cases it has (not excluded)."""

    first: dt.date | None
    counts: tuple[float, ...]
    event_number: str
    event_cases: int


def beside(actor: Actor, signal_ids: Sequence[int]) -> dict[int, Beside]:
    """By signal id; two queries."""
    require(actor, "signals.read")
    found = visible(Signal.objects.filter(pk__in=list(signal_ids)), actor, "public-health").select_related("outbreak")
    signals = list(found.only("id", "detail", "outbreak__number"))
    events = [s.outbreak_id for s in signals if s.outbreak_id]
    cases = dict(
        select(
            "SELECT event_id, count(*) FROM surveillance_caserow WHERE event_id = ANY(%s)"
            " AND classification <> 'excluded' GROUP BY 1",
            [events],
        )
    )
    return {s.pk: _beside(s, cases.get(s.outbreak_id or 0, 0)) for s in signals}


def _beside(signal: Signal, cases: int) -> Beside:
    told = signal.detail.get("series")
    kept = told if isinstance(told, dict) else {}
    first = kept.get("first")
    number = signal.outbreak.number if signal.outbreak else ""
    return Beside(dt.date.fromisoformat(first) if first else None, tuple(kept.get("counts", ())), number, cases)
