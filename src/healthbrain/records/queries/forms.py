"""Forms filled in at a desk, read back for the next visit and for the printed sheet."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson

from healthbrain.access.rules import Actor
from healthbrain.kernel.clock import local
from healthbrain.kernel.db import select
from healthbrain.records.queries.ledger import pass_gate
from healthbrain.records.rules.forms import QUESTIONNAIRE, values_of
from healthbrain.records.rules.ledger import ORGANISATION

FORMS = """
SELECT r.body, r.batch_id, r.at
FROM residents_link l JOIN records_resource r ON r.identity_id = l.identity_id
WHERE l.resident_id = %s AND r.type = 'QuestionnaireResponse' AND NOT r.deleted
ORDER BY r.at DESC NULLS LAST, r.key
LIMIT 200
"""


def _organisation(body: dict[str, Any]) -> str:
    named = (one for one in body.get("extension", ()) if one.get("url") == ORGANISATION)
    return next((str(one.get("valueReference", {}).get("display", "")) for one in named), "")


def forms(actor: Actor, resident_id: int, form: str, purpose: str, limit: int = 4) -> list[dict[str, Any]]:
    """The resident's last filled-in forms of one kind, newest first: at, values, by, organisation, batch_id."""
    pass_gate(actor, resident_id, purpose)
    found = []
    for raw, batch_id, at in select(FORMS, (resident_id,)):
        body = orjson.loads(bytes(raw))
        if str(body.get("questionnaire", "")).partition("|")[0] != f"{QUESTIONNAIRE}{form}":
            continue
        when = at or local(dt.datetime.fromisoformat(body["authored"]))
        author = str(body.get("author", {}).get("display", ""))
        found.append({
            "at": when, "values": values_of(body), "by": author, "organisation": _organisation(body),
            "batch_id": batch_id,
        })  # fmt: skip
        if len(found) == limit:
            break
    return found
