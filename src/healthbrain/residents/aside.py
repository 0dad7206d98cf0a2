"""One person's data that break the comparison set him aside, alone; everybody who came with him is matched."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from django.db import DatabaseError, transaction

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.errors import NotFound
from healthbrain.residents import match
from healthbrain.residents.settle import Facts, Settled, settle

NOT_COMPARED = "not-compared"  # the rule of such a link: a resident of his own, whoever he may be
log = logging.getLogger(__name__)


def match_all(identity_ids: Sequence[int]) -> Settled:
    """`match_new`, come what may: halved until who breaks it stands alone.

    Cost: that of `match_new`, and for each who breaks it again a logarithm of how many there are. Trouble of the
    database itself is nobody's data, and is raised.
    """
    try:
        with transaction.atomic():
            return match.match_new(identity_ids)
    except DatabaseError:
        raise
    except Exception as error:
        if len(identity_ids) == 1:
            log.exception("identity %s could not be compared", identity_ids[0])
            return _set_aside(identity_ids[0], error)
        half = len(identity_ids) // 2
        first, second = match_all(identity_ids[:half]), match_all(identity_ids[half:])
    return Settled(first.links | second.links, sorted([*first.new, *second.new]), first.reviews + second.reviews)


@transaction.atomic
def _set_aside(identity_id: int, error: Exception) -> Settled:
    """A resident of his own for him, when he has none yet; the link says why."""
    new, _ = match.waiting([identity_id])
    settled = settle(new, [], Facts()) if new else Settled({}, [], 0)
    why = json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}, ensure_ascii=False)
    db.execute(
        """UPDATE residents_link SET rule = %s, explanation = %s::jsonb, linked_at = clock_timestamp()
           WHERE identity_id = %s""",
        (NOT_COMPARED, why, identity_id),
    )
    return settled


@transaction.atomic
def compare_again(*, by: Actor, identity_id: int) -> bool:
    """Compare somebody who was set aside; whether it went well. Found again, he moves or a steward is asked.

    Raises NotFound when he is not set aside.
    """
    require(by, "steward.work")
    rows = db.select(
        "SELECT resident_id FROM residents_link WHERE identity_id = %s AND rule = %s FOR UPDATE",
        (identity_id, NOT_COMPARED),
    )
    if not rows:
        raise NotFound("这条身份没有被搁置 This identity is not set aside")
    db.execute("UPDATE residents_link SET rule = 'new', explanation = '{}' WHERE identity_id = %s", (identity_id,))
    db.execute("UPDATE residents_identity SET updated = clock_timestamp() WHERE id = %s", (identity_id,))
    match_all([identity_id])
    aside = db.select("SELECT 1 FROM residents_link WHERE identity_id = %s AND rule = %s", (identity_id, NOT_COMPARED))
    audit.record(
        by=by,
        action="residents.compare",
        resident_id=rows[0][0],
        subject=f"identity/{identity_id}",
        detail={"compared": not aside},
    )
    return not aside
