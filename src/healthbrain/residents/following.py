"""What hangs on a resident rather than on an identity follows when he is merged, and comes back when he is not.

An account, a grant, a contract, a booking names the resident. Each such column is said once, by the room that has it,
when it starts; what care works out from the record itself (enrolments, tasks) is thought anew instead.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import IntegrityError, transaction

from healthbrain.kernel import db

_PLACES = [
    ("access_account", "resident_id"), ("access_breakglass", "resident_id"), ("access_proxy", "principal_id"),
    ("access_proxy", "agent_id"), ("residents_contract", "resident_id"),
]  # fmt: skip


def follows(*places: tuple[str, str]) -> None:
    """These (table, column) name a resident and follow him. For a room's start-up."""
    _PLACES.extend(place for place in places if place not in _PLACES)


def moved(resident_ids: Collection[int]) -> None:
    """After links moved: what names a tombstone names its survivor; whoever lives again has back what was his.

    A row the survivor may not have twice (the same contract, a grant between the two) stays with the tombstone.
    """
    rows = db.select(
        """SELECT r.id, r.merged_into FROM residents_resident r WHERE r.id = ANY(%s::bigint[])
           AND (r.merged_into <> 0 OR (r.merged_into IS NULL
                                       AND EXISTS (SELECT FROM residents_followed f WHERE f.from_id = r.id)))
           ORDER BY r.id""",
        (list(resident_ids),),
    )
    for resident, into in rows:
        if into is None:
            _give_back(resident)
        else:
            _follow(resident, into)


def _follow(gone: int, into: int) -> None:
    for table, column in _PLACES:
        for (row,) in db.select(f"SELECT id FROM {table} WHERE {column} = %s ORDER BY id", (gone,)):
            if _point(table, column, row, into):
                db.execute(
                    """INSERT INTO residents_followed (place, row_id, from_id, to_id) VALUES (%s, %s, %s, %s)""",
                    (f"{table}.{column}", row, gone, into),
                )


def _give_back(resident: int) -> None:
    places = {f"{table}.{column}": (table, column) for table, column in _PLACES}
    rows = db.select(
        "DELETE FROM residents_followed WHERE from_id = %s RETURNING place, row_id, to_id, id", (resident,)
    )
    for place, row, into, _ in sorted(rows, key=lambda found: found[3]):
        table, column = places[place]
        if db.select(f"SELECT 1 FROM {table} WHERE id = %s AND {column} = %s", (row, into)):
            _point(table, column, row, resident)


def _point(table: str, column: str, row: int, resident: int) -> bool:
    try:
        with transaction.atomic():
            db.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", (resident, row))
    except IntegrityError:
        return False
    return True
