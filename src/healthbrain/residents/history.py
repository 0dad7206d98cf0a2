"""Links that move, with their history: what merge, un-merge, undo and re-matching share."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from healthbrain.kernel import db


def lock(identity_ids: Collection[int]) -> dict[int, int]:
    """Identity → resident as it stands now, the rows locked until commit."""
    rows = db.select(
        """SELECT identity_id, resident_id FROM residents_link WHERE identity_id = ANY(%s)
           ORDER BY identity_id FOR UPDATE""",
        (sorted(identity_ids),),
    )
    return dict(rows)


def move(
    targets: Mapping[int, int],
    *,
    rule: str,
    explanation: Mapping[str, Any],
    account_id: int | None = None,
    group: uuid.UUID | None = None,
) -> uuid.UUID:
    """Point identities at other residents and write the history; the group of the change."""
    group = group or uuid.uuid4()
    db.execute(
        """WITH t AS (SELECT * FROM unnest(%(identities)s::bigint[], %(residents)s::bigint[])
                     AS t(identity_id, resident_id)),
           logged AS (
               INSERT INTO residents_linkchange
                   (identity_id, from_resident_id, to_resident_id, rule, explanation, account_id, "group", at)
               SELECT t.identity_id, l.resident_id, t.resident_id, %(rule)s,
                      %(why)s::jsonb || jsonb_build_object('before', jsonb_build_object(
                          'rule', l.rule, 'score', l.score, 'explanation', l.explanation)),
                      %(account)s, %(group)s, now()
               FROM t JOIN residents_link l USING (identity_id))
           UPDATE residents_link l SET resident_id = t.resident_id, rule = %(rule)s, explanation = %(why)s::jsonb,
               score = CASE WHEN %(rule)s IN ('id-number', 'probabilistic') THEN l.score END,
               linked_at = clock_timestamp()
           FROM t WHERE l.identity_id = t.identity_id""",
        {
            "identities": list(targets),
            "residents": list(targets.values()),
            "rule": rule,
            "why": json.dumps(dict(explanation), ensure_ascii=False),
            "account": account_id,
            "group": group,
        },
    )
    return group


def bury(resident_ids: Collection[int], into: int | None = None) -> list[int]:
    """Residents without links become tombstones that say where their last identity went; their ids."""
    rows = db.select(
        """UPDATE residents_resident r SET updated = now(), merged_into = coalesce(%s, (
               SELECT c.to_resident_id FROM residents_linkchange c WHERE c.from_resident_id = r.id
               ORDER BY c.id DESC LIMIT 1), 0)
           WHERE r.id = ANY(%s) AND NOT EXISTS (SELECT FROM residents_link l WHERE l.resident_id = r.id)
           RETURNING r.id""",
        (into, list(resident_ids)),
    )
    return [row[0] for row in rows]


def merged_away(identity_ids: Collection[int], into: int) -> int | None:
    """The tombstone whose identities these are, all that were moved from it into `into` and no others; else None."""
    rows = db.select(
        """WITH last AS (
               SELECT DISTINCT ON (c.identity_id) c.identity_id, c.from_resident_id FROM residents_linkchange c
               JOIN residents_link l ON l.identity_id = c.identity_id AND l.resident_id = %s
               WHERE c.to_resident_id = %s ORDER BY c.identity_id, c.id DESC)
           SELECT r.id FROM last JOIN residents_resident r ON r.id = last.from_resident_id AND r.merged_into IS NOT NULL
           GROUP BY r.id HAVING array_agg(last.identity_id ORDER BY last.identity_id) = %s::bigint[]""",
        (into, into, sorted(identity_ids)),
    )
    return int(rows[0][0]) if rows else None


def new_resident() -> int:
    """An empty resident, to be filled by its golden record."""
    return int(
        db.select(
            """INSERT INTO residents_resident (name, name_initials, name_pinyin, sex, created, updated)
               VALUES ('', '', '', '0', now(), now()) RETURNING id"""
        )[0][0]
    )
