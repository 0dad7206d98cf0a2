"""Matching: which identities are one person."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from healthbrain.kernel import db
from healthbrain.residents.settle import Facts, Scored, Settled, settle

_LOCK = 0x4D50495F  # "MPI_": one advisory key


def _waiting(identity_ids: Sequence[int]) -> list[int]:
    """Those with a person's data and no link yet."""
    rows = db.select(
        """SELECT i.id FROM residents_identity i LEFT JOIN residents_link l ON l.identity_id = i.id
           WHERE i.id = ANY(%s) AND l.identity_id IS NULL
             AND (i.name <> '' OR i.id_number IS NOT NULL OR i.birth_date IS NOT NULL)""",
        (list(identity_ids),),
    )
    return [row[0] for row in rows]


def _same_number(new: Sequence[int]) -> list[Scored]:
    rows = db.select(
        """SELECT n.id, i.id, l.resident_id FROM residents_identity n
           JOIN residents_identity i ON i.id_number = n.id_number AND i.id <> n.id
            AND (i.birth_date = n.birth_date OR i.pinyin = n.pinyin)
           LEFT JOIN residents_link l ON l.identity_id = i.id
           WHERE n.id = ANY(%s) AND (l.identity_id IS NOT NULL OR i.id = ANY(%s))""",
        (list(new), list(new)),
    )
    return [Scored(n, i, r, 30.0, "id-number", True, {"rule": "身份证号相同"}) for n, i, r in rows]


@transaction.atomic
def match_new(identity_ids: Sequence[int], *, mode: str = "auto") -> Settled:
    """See `actions.match_new`."""
    if mode not in {"auto", "online", "batch"}:
        raise ValueError(f"mode must be auto, online or batch, not {mode}")
    db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    new = _waiting(identity_ids)
    if not new:
        return Settled({}, [], 0)
    return settle(new, _same_number(new), Facts())
