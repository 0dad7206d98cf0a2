"""One resident's record: current events and the resources that are read whole, a fixed number of indexed queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from healthbrain.access.gate import broke_glass, visible
from healthbrain.access.rules import Actor
from healthbrain.audit import queries as audit
from healthbrain.audit.queries import AuditRow
from healthbrain.kernel.db import select
from healthbrain.kernel.errors import NotAllowed, NotFound
from healthbrain.residents.models import Resident

LIMIT = 20_000  # newest first; a page says so when a record holds more (sixty years of a busy record: 6,000)
READ_WHOLE = ("AllergyIntolerance", "DiagnosticReport", "DocumentReference")


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """A current event of one resident, with the institution and the source that said it."""

    id: int
    kind: str
    code: str
    at: dt.datetime
    value: float | None
    unit: str | None
    text: str | None
    flag: int
    organisation_id: int | None
    organisation: str
    source: str
    resource: UUID
    identity_id: int


@dataclass(frozen=True, slots=True)
class StoredResource:
    """A FHIR resource of one resident, parsed."""

    key: UUID
    type: str
    id: str
    version: int
    at: dt.datetime | None
    updated: dt.datetime
    source: str
    organisation: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """Everything the longitudinal page shows of the record itself."""

    resident_id: int
    events: tuple[LedgerEvent, ...]
    resources: tuple[StoredResource, ...]
    truncated: bool


EVENTS = """
SELECT e.id, e.kind, e.code, e.at, e.value, e.unit, e.text, e.flag, e.organisation_id,
       coalesce(o.name, s.name, ''), coalesce(s.code, ''), e.resource, e.identity_id
FROM residents_link l
JOIN residents_identity i ON i.id = l.identity_id
JOIN county_source s ON s.id = i.source_id
JOIN records_event e ON e.identity_id = l.identity_id
LEFT JOIN records_superseded x ON x.event_id = e.id
LEFT JOIN county_organisation o ON o.id = e.organisation_id
WHERE l.resident_id = %s AND x.event_id IS NULL AND e.flag < 2
ORDER BY e.at DESC, e.id DESC
LIMIT %s
"""

LATEST = """
SELECT DISTINCT ON (l.resident_id, e.code) l.resident_id,
       e.id, e.kind, e.code, e.at, e.value, e.unit, e.text, e.flag, e.organisation_id,
       coalesce(o.name, s.name, ''), coalesce(s.code, ''), e.resource, e.identity_id
FROM residents_link l
JOIN residents_identity i ON i.id = l.identity_id
JOIN county_source s ON s.id = i.source_id
JOIN records_event e ON e.identity_id = l.identity_id AND e.kind = 'observation'
LEFT JOIN records_superseded x ON x.event_id = e.id
LEFT JOIN county_organisation o ON o.id = e.organisation_id
WHERE l.resident_id = ANY(%s) AND e.code = ANY(%s) AND x.event_id IS NULL AND e.flag = 0
ORDER BY l.resident_id, e.code, e.at DESC, e.id DESC
"""

RESOURCES = """
SELECT r.key, r.type, r.id, r.version, r.at, r.updated, s.code, coalesce(o.name, s.name), r.body
FROM residents_link l
JOIN records_resource r ON r.identity_id = l.identity_id
JOIN county_source s ON s.id = r.source_id
LEFT JOIN county_organisation o ON o.id = s.organisation_id
WHERE l.resident_id = %s AND NOT r.deleted AND {condition}
ORDER BY r.at DESC NULLS LAST, r.key
LIMIT 500
"""


def pass_gate(actor: Actor, resident_id: int, purpose: str) -> None:
    """Raise NotFound for nobody, NotAllowed for somebody outside the actor's scope who broke no glass."""
    rows = Resident.objects.filter(pk=resident_id)
    if visible(rows, actor, purpose).exists() or broke_glass(actor, resident_id):
        return
    if not rows.exists():
        raise NotFound("没有这位居民，可能已与另一份档案合并。 No such resident; the record may have been merged.")
    raise NotAllowed("这位居民不在您的服务范围内。 This resident is outside your scope.")


def pass_gate_all(actor: Actor, resident_ids: Sequence[int], purpose: str) -> None:
    """`pass_gate` of several residents; those in scope cost one query together."""
    inside = set(visible(Resident.objects.filter(pk__in=resident_ids), actor, purpose).values_list("pk", flat=True))
    for resident_id in resident_ids:
        if resident_id not in inside:
            pass_gate(actor, resident_id, purpose)


def _resource(row: tuple[Any, ...]) -> StoredResource:
    key, kind, id_, version, at, updated, source, organisation, body = row
    return StoredResource(key, kind, id_, version, at, updated, source, organisation, orjson.loads(bytes(body)))


def history(actor: Actor, resident_id: int, purpose: str, *, limit: int = LIMIT) -> History:
    """The resident's current events, newest first, and the resources read whole. Three indexed queries."""
    pass_gate(actor, resident_id, purpose)
    rows = select(EVENTS, (resident_id, limit + 1))
    events = tuple(LedgerEvent(*row) for row in rows[:limit])
    resources = select(RESOURCES.format(condition="r.type = ANY(%s)"), (resident_id, list(READ_WHOLE)))
    return History(resident_id, events, tuple(map(_resource, resources)), len(rows) > limit)


def latest(
    actor: Actor, resident_ids: Sequence[int], codes: Sequence[str], purpose: str
) -> dict[int, dict[str, LedgerEvent]]:
    """The newest plausible observation of each code, by resident and code, in one query."""
    pass_gate_all(actor, resident_ids, purpose)
    found: dict[int, dict[str, LedgerEvent]] = {one: {} for one in resident_ids}
    for resident_id, *row in select(LATEST, (list(resident_ids), list(codes))):
        event = LedgerEvent(*row)
        found[resident_id][event.code] = event
    return found


def resource(actor: Actor, resident_id: int, key: UUID, purpose: str) -> StoredResource:
    """One resource of this resident as it is stored. Raises NotFound when it is somebody else's."""
    pass_gate(actor, resident_id, purpose)
    rows = select(RESOURCES.format(condition="r.key = %s"), (resident_id, key))
    if not rows:
        raise NotFound("这条记录已撤回或不属于这位居民。 Withdrawn, or not this resident's.")
    return _resource(rows[0])


def who_looked(actor: Actor, resident_id: int, purpose: str, *, limit: int = 200) -> list[AuditRow]:
    """Who saw or changed this record, newest first."""
    pass_gate(actor, resident_id, purpose)
    return audit.of_resident(resident_id, limit=limit)
