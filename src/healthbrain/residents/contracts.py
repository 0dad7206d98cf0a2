"""Family-doctor contracts (签约): who has signed with which team."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from healthbrain.audit import actions as audit
from healthbrain.kernel import bus, db
from healthbrain.residents.events import ResidentsChanged


@dataclass(frozen=True, slots=True)
class ContractRow:
    """A contract as a source reports it: its person by the source's key, the team by its code."""

    source_id: int
    source_key: str
    team: str
    starts: dt.date
    ends: dt.date


@transaction.atomic
def load_contracts(rows: Iterable[ContractRow], *, by: audit.By | None = None) -> int:
    """Store contracts of persons already linked; the number stored. Sending again updates the end date.

    Rows whose person or team is unknown, or that end before they start, are skipped: the difference says how many.
    """
    found = list(rows)
    stored = db.select(
        """INSERT INTO residents_contract (resident_id, team_id, starts, ends)
           SELECT l.resident_id, t.id, c.starts, max(c.ends)
           FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::date[], %s::date[])
             AS c(source_id, source_key, team, starts, ends)
           JOIN residents_identity i USING (source_id, source_key) JOIN residents_link l ON l.identity_id = i.id
           JOIN county_team t ON t.code = c.team
           WHERE c.ends >= c.starts
           GROUP BY l.resident_id, t.id, c.starts
           ON CONFLICT (resident_id, team_id, starts) DO UPDATE SET ends = excluded.ends
           RETURNING resident_id""",
        tuple([getattr(row, column) for row in found] for column in ContractRow.__dataclass_fields__),
    )
    residents = sorted({row[0] for row in stored})
    audit.record(
        by=by,
        action="residents.load_contracts",
        subject="contracts",
        detail={"rows": len(found), "stored": len(stored)},
    )
    if residents:
        bus.publish(ResidentsChanged(residents))
    return len(stored)
