"""What the longitudinal record tells the other rooms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventsRecorded:
    """The ledger has new, corrected or withdrawn events of these identities. Published inside the transaction.

    `codes` of the events, when all of them are new; None when others were corrected or withdrawn. Of the many rows of a
    bulk intake few concern any one room: it looks at the codes before it looks at people.
    """

    identity_ids: list[int]
    codes: frozenset[str] | None = None
