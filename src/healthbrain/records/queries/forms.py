"""Forms filled in at a desk, read back for the next visit and for the printed sheet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson

from healthbrain.access.rules import Actor
from healthbrain.kernel.clock import local
from healthbrain.kernel.db import select
from healthbrain.records.queries.ledger import pass_gate_all
from healthbrain.records.rules.forms import QUESTIONNAIRE, definition, parts_of, values_of
from healthbrain.records.rules.ledger import ORGANISATION

__all__ = ["definition", "forms", "forms_of", "parts_of"]

FORMS = """
SELECT l.resident_id, r.body, r.batch_id, r.at
FROM residents_link l CROSS JOIN LATERAL (
    SELECT body, batch_id, at, key FROM records_resource
    WHERE identity_id = l.identity_id AND type = 'QuestionnaireResponse' AND NOT deleted
    ORDER BY at DESC NULLS LAST, key LIMIT 200
) r
WHERE l.resident_id = ANY(%s)
ORDER BY l.resident_id, r.at DESC NULLS LAST, r.key
"""


def _organisation(body: dict[str, Any]) -> str:
    named = (one for one in body.get("extension", ()) if one.get("url") == ORGANISATION)
    return next((str(one.get("valueReference", {}).get("display", "")) for one in named), "")


def forms(actor: Actor, resident_id: int, form: str, purpose: str, limit: int = 4) -> list[dict[str, Any]]:
    """The resident's last filled-in forms of one kind, newest first: at, values, by, organisation, batch_id."""
    return forms_of(actor, [resident_id], form, purpose, limit)[resident_id]


def forms_of(
    actor: Actor, resident_ids: Sequence[int], form: str, purpose: str, limit: int = 1
) -> dict[int, list[dict[str, Any]]]:
    """`forms` of several residents at once, by resident, in one query."""
    pass_gate_all(actor, resident_ids, purpose)
    found: dict[int, list[dict[str, Any]]] = {one: [] for one in resident_ids}
    for resident_id, raw, batch_id, at in select(FORMS, (list(resident_ids),)):
        if len(found[resident_id]) == limit:
            continue
        body = orjson.loads(bytes(raw))
        if str(body.get("questionnaire", "")).partition("|")[0] != f"{QUESTIONNAIRE}{form}":
            continue
        when = at or local(dt.datetime.fromisoformat(body["authored"]))
        author = str(body.get("author", {}).get("display", ""))
        found[resident_id].append({
            "at": when, "values": values_of(body), "by": author, "organisation": _organisation(body),
            "batch_id": batch_id,
        })  # fmt: skip
    return found
