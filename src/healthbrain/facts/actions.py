"""The dirty set: who must be thought about again. Marked in the transaction of the change, drained by the worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from healthbrain.facts.models import Dirty
from healthbrain.kernel import db
from healthbrain.records.events import EventsRecorded
from healthbrain.residents.events import ResidentsChanged
from healthbrain.residents.models import Link

CHANNEL = "dirty"
# The number of the marking transaction is the mark: it never comes twice, so a mark set while the worker was busy is
# always another one than the worker took, even if the row was cleared and made anew in between.
_MARK = f"""WITH marked AS (
        INSERT INTO {Dirty._meta.db_table} (resident_id, mark, since)
        SELECT DISTINCT resident_id, pg_current_xact_id()::text::bigint, now() FROM {{found}} ORDER BY resident_id
        ON CONFLICT (resident_id) DO UPDATE SET mark = EXCLUDED.mark RETURNING 1
    ), counted AS (SELECT count(*) AS residents FROM marked)
    SELECT residents, CASE WHEN residents > 0 THEN pg_notify('{CHANNEL}', '') END FROM counted"""


def mark_dirty(resident_ids: Iterable[int]) -> int:
    """These residents will be re-thought. One statement for any number of them; returns how many were marked."""
    return _mark("unnest(%s::bigint[]) AS found (resident_id)", list(resident_ids))


def take_dirty(limit: int) -> list[tuple[int, int]]:
    """The longest waiting (resident_id, mark). In a transaction the rows stay ours; other workers pass over them."""
    found = db.select(
        f"SELECT resident_id, mark FROM {Dirty._meta.db_table} ORDER BY since, resident_id LIMIT %s"
        " FOR UPDATE SKIP LOCKED",
        [limit],
    )
    return [(resident_id, mark) for resident_id, mark in found]


def clear_dirty(pairs: Sequence[tuple[int, int]]) -> int:
    """These were thought about. One that changed in the meantime has a new mark and stays; returns how many went."""
    return db.execute(
        f"DELETE FROM {Dirty._meta.db_table} USING unnest(%s::bigint[], %s::bigint[]) AS done (resident_id, mark)"
        f" WHERE {Dirty._meta.db_table}.resident_id = done.resident_id AND {Dirty._meta.db_table}.mark = done.mark",
        [[resident_id for resident_id, _ in pairs], [mark for _, mark in pairs]],
    )


def on_events_recorded(event: EventsRecorded) -> None:
    """New ledger events: the residents these identities belong to now. An identity without a link waits for one."""
    link = Link._meta.db_table
    _mark(f"(SELECT resident_id FROM {link} WHERE identity_id = ANY(%s::bigint[])) AS found", event.identity_ids)


def on_residents_changed(event: ResidentsChanged) -> None:
    """Links or golden records changed: a new birth date or another merged history may change every fact."""
    mark_dirty(event.resident_ids)


def _mark(found: str, ids: list[int]) -> int:
    if not ids:
        return 0
    [(count, _)] = db.prepared(_MARK.format(found=found), [ids])
    return int(count)
