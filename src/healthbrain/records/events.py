"""What the longitudinal record tells the other rooms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventsRecorded:
    """The ledger has new, corrected or withdrawn events of these identities. Published inside the transaction."""

    identity_ids: list[int]
