"""Write one audit event, in the transaction of the change it speaks of."""

from __future__ import annotations

import json
from typing import Any, Protocol

from django.db import connection

from healthbrain.audit.rules import GENESIS, Entry, lane_of
from healthbrain.kernel.clock import now
from healthbrain.kernel.db import select


class By(Protocol):
    """Whoever acts. `access.Actor` is one; audit stands below access and knows only this shape."""

    @property
    def account_id(self) -> int | None: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def proxy_id(self) -> int | None: ...


def record(
    *,
    by: By | None,
    action: str,
    resident_id: int | None = None,
    subject: str = "",
    purpose: str = "",
    detail: dict[str, Any] | None = None,
) -> int:
    """Append an event to its lane's chain; returns its id. Must run inside a transaction, or raises RuntimeError.

    Who acts on behalf of a resident leaves the grant he does it by in the detail, as `proxy`.
    Cost: two indexed statements; writers of the same lane wait for each other until commit.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("audit.record must run in the transaction of the change it records")
    account_id = by.account_id if by else None
    entry = Entry(
        at=now(),
        lane=lane_of(account_id, subject),
        account_id=account_id,
        actor=by.name if by else "系统 system",
        role=by.role if by else "system",
        action=action,
        purpose=purpose,
        resident_id=resident_id,
        subject=subject,
        detail=(detail or {}) | ({"proxy": by.proxy_id} if by and by.proxy_id else {}),
    )
    previous = _lock_head(entry.lane)
    hashed = entry.chained(previous)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH head AS (UPDATE audit_lanehead SET hash = %(hash)s WHERE lane = %(lane)s)
            INSERT INTO audit_auditevent (at, lane, account_id, actor, role, action, purpose, resident_id, subject,
                                          detail, previous_hash, hash)
            VALUES (%(at)s, %(lane)s, %(account)s, %(actor)s, %(role)s, %(action)s, %(purpose)s, %(resident)s,
                    %(subject)s, %(detail)s, %(previous)s, %(hash)s)
            RETURNING id
            """,
            {
                "at": entry.at,
                "lane": entry.lane,
                "account": entry.account_id,
                "actor": entry.actor,
                "role": entry.role,
                "action": action,
                "purpose": purpose,
                "resident": resident_id,
                "subject": subject,
                "detail": json.dumps(entry.detail, ensure_ascii=False),
                "previous": previous,
                "hash": hashed,
            },
        )
        return int(cursor.fetchone()[0])


def _lock_head(lane: int) -> bytes:
    """The lane's last hash, locked until commit."""
    rows = select("SELECT hash FROM audit_lanehead WHERE lane = %s FOR UPDATE", (lane,))
    if not rows:
        select(
            "INSERT INTO audit_lanehead (lane, hash) VALUES (%s, %s) ON CONFLICT (lane) DO NOTHING RETURNING 1",
            (lane, GENESIS),
        )
        rows = select("SELECT hash FROM audit_lanehead WHERE lane = %s FOR UPDATE", (lane,))
    return bytes(rows[0][0])
