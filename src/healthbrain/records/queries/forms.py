"""The forms filled in for one resident, as they were filled in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import orjson

from healthbrain.access.rules import Actor
from healthbrain.kernel.db import select
from healthbrain.records.queries.ledger import pass_gate
from healthbrain.records.rules.forms import QUESTIONNAIRE, values_of

SQL = """
SELECT r.at, r.body FROM residents_link l
JOIN records_resource r ON r.identity_id = l.identity_id AND r.type = 'QuestionnaireResponse'
WHERE l.resident_id = %s AND NOT r.deleted AND position(%s::bytea in r.body) > 0
ORDER BY r.at DESC, r.updated DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class FilledForm:
    """One filled-in form: when, by whom, where, and what was answered."""

    at: dt.datetime
    values: dict[str, Any]
    by: str
    organisation: str


def forms(actor: Actor, resident_id: int, form_id: str, purpose: str, *, limit: int = 4) -> list[FilledForm]:
    """The resident's forms of one kind, newest first. Raises NotFound, NotAllowed."""
    pass_gate(actor, resident_id, purpose)
    mark = f'"questionnaire":"{QUESTIONNAIRE}{form_id}|'.encode()
    return [_filled(at, orjson.loads(bytes(body))) for at, body in select(SQL, (resident_id, mark, limit))]


def _filled(at: dt.datetime, response: dict[str, Any]) -> FilledForm:
    where = next((e["valueReference"].get("display", "") for e in response.get("extension", ())), "")
    return FilledForm(at, values_of(response), response.get("author", {}).get("display", ""), where)
