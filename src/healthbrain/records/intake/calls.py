"""One call into the store: a FHIR resource or a transaction over HTTP, a form. Each is one database transaction with
its batch, its ledger rows, its audit event and the matching of the persons it brings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, OperationalError, transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.county import actions as county
from healthbrain.kernel import bus, db
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.kernel.ids import resource_key, stable_id, uuid_array
from healthbrain.records import claims, store
from healthbrain.records.events import EventsRecorded
from healthbrain.records.intake import batches
from healthbrain.records.intake.fhir import Builder, Naming, own_id
from healthbrain.records.models import Batch
from healthbrain.records.rules import exact
from healthbrain.records.rules.r4 import Issue
from healthbrain.residents import actions as residents

Resource = dict[str, Any]
ATTEMPTS = 4


class Unacceptable(Invalid):
    """A message that was not stored; `issues` say where and why."""

    def __init__(self, message: str, issues: Sequence[Issue]) -> None:
        super().__init__(message)
        self.issues = list(issues)


@dataclass(frozen=True, slots=True)
class Put:
    """What one write left: the resource's version, and whether anything changed."""

    type: str
    id: str
    version: int
    changed: bool
    batch_id: int


def write_call(
    builder: Builder,
    batch: Batch,
    *,
    by: Actor,
    action: str,
    organisation_id: int | None = None,
    identity_id: int | None = None,
    resident_id: int | None = None,
    detail: Any = None,
) -> store.Written:
    """Write what the builder holds as `batch`, in the caller's transaction."""
    moment = now()
    prepared = builder.prepared(position=builder.rows)
    prepared.resources = prepared.resources.with_columns(batch_id=batch.pk)
    written = store.write(prepared, now=moment, organisation_id=organisation_id, identity_id=identity_id)
    batches.add_counts(batch, prepared, written.ends.get(batch.pk, {}), done=True, now=moment)
    batch.save()
    if written.new_persons:
        residents.match_new(written.new_persons)
        claims.ask(written.new_persons, builder.by_type)
    audit.record(
        by=by,
        action=action,
        resident_id=resident_id,
        subject=f"batch/{batch.pk}",
        detail=detail or {"types": dict(builder.by_type)},
    )
    return written


def put_resource(resource: Resource, *, source: str, by: Actor, organisation_id: int | None = None) -> Put:
    """See `actions.put_resource`."""
    gate.require(by, "fhir.write")
    kind, identifier = resource.get("resourceType"), resource.get("id")
    if not isinstance(kind, str) or not isinstance(identifier, str):
        raise Invalid("资源须有 resourceType 和 id A resource needs resourceType and id")
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _put(dict(resource), source, by, organisation_id)
        except (IntegrityError, OperationalError):
            if attempt == ATTEMPTS - 1 or transaction.get_connection().in_atomic_block:
                raise
    raise AssertionError("unreachable")


def _put(resource: Resource, source: str, by: Actor, organisation_id: int | None) -> Put:
    kind, identifier = resource["resourceType"], resource["id"]
    batch = _batch(f"{kind}/{identifier}", "fhir", source, by)
    builder = Builder(now().date())
    builder.message([(None, resource)], Naming(source, keep_ids=True))
    _refuse(builder)
    written = write_call(
        builder,
        batch,
        by=by,
        action="fhir.write",
        organisation_id=organisation_id,
        detail={"resource": f"{kind}/{identifier}"},
    )
    version = written.versions.get(resource_key(kind, identifier).bytes)
    if version is None:
        [(version,)] = db.select(
            "SELECT version FROM records_resource WHERE key = %s", (resource_key(kind, identifier),)
        )
        return Put(kind, identifier, version, False, batch.pk)
    return Put(kind, identifier, version, True, batch.pk)


def _batch(name: str, form: str, source: str, by: Actor) -> Batch:
    return batches.of_call(name, form, account_id=by.account_id, source_id=county.source(source).pk)


def _refuse(builder: Builder) -> None:
    """All or nothing: one resource that cannot be read refuses the call."""
    if builder.rejects:
        first = builder.rejects[0]
        issues = [Issue("fatal", "structure", r.field, f"[{r.row}] {r.message}") for r in builder.rejects]
        raise Unacceptable(first.message, issues)


def delete_resource(resource_type: str, resource_id: str, *, by: Actor) -> int:
    """See `actions.delete_resource`."""
    gate.require(by, "fhir.write")
    with transaction.atomic():
        key = resource_key(resource_type, resource_id)
        rows = db.select("SELECT version, deleted FROM records_resource WHERE key = %s FOR UPDATE", (key,))
        if not rows:
            raise NotFound(f"没有这个资源 No such resource: {resource_type}/{resource_id}")
        version, gone = rows[0]
        if gone:
            return int(version)
        withdraw([key.bytes], moment=now())
        audit.record(
            by=by, action="fhir.delete", subject=f"{resource_type}/{resource_id}", detail={"version": version + 1}
        )
        return int(version) + 1


def withdraw(keys: Sequence[bytes], *, moment: dt.datetime) -> int:
    """Delete these resources: a new version says so, the old one stays in the history, their events no longer hold."""
    store.keep_versions(keys)
    events = store.standing(keys)
    rows = db.select(
        """UPDATE records_resource SET version = version + 1, updated = %s, deleted = true, tokens = '{}'
           WHERE key = ANY(%s::uuid[]) AND NOT deleted RETURNING identity_id""",
        (moment, uuid_array(keys)),
    )
    store.supersede(events, now=moment)
    touched = sorted({row[0] for row in rows if row[0] is not None})
    if touched:
        bus.publish(EventsRecorded(touched))
    return len(rows)


# --- transactions ----------------------------------------------------------------------------------------------------


def store_bundle(bundle: Resource, *, source: str, by: Actor) -> Resource:
    """See `actions.store_bundle`."""
    gate.require(by, "fhir.write")
    sent = exact.dumps(bundle.get("entry") or [])
    for attempt in range(ATTEMPTS):
        naming, named = _named(exact.loads(sent), source)  # a copy: references are rewritten in place
        builder = Builder(now().date())
        try:
            with transaction.atomic():
                batch = _batch(str(bundle.get("id") or "transaction"), "fhir-bundle", source, by)
                builder.message(named, naming)
                _refuse(builder)
                written = write_call(builder, batch, by=by, action="fhir.transaction")
                return _response(named, written)
        except (IntegrityError, OperationalError):
            if attempt == ATTEMPTS - 1 or transaction.get_connection().in_atomic_block:
                raise
    raise AssertionError("unreachable")


def _named(entries: Sequence[Any], source: str) -> tuple[Naming, list[tuple[str | None, Any]]]:
    """Each entry's resource with the id it will have: a PUT keeps its own, a POST gets one that is the same again
    when the same thing is sent again."""
    naming = Naming(source, keep_ids=True)
    named: list[tuple[str | None, Any]] = []
    for entry in entries:
        request = entry.get("request") if isinstance(entry, dict) else None
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(request, dict) or not isinstance(resource, dict):
            named.append((None, None))
            continue
        method, url = request.get("method"), str(request.get("url") or "")
        if method not in {"POST", "PUT"} or "?" in url:
            raise Invalid(
                "事务中只接受按 id 的新增和修改 Only creates and updates by id here", hint=f"{method} {url[:80]}"
            )
        kind = str(resource.get("resourceType"))
        own = url.partition("/")[2] if method == "PUT" else stable_id(source, kind, own_id(resource))
        named.append((entry.get("fullUrl"), resource | {"id": own}))
    return naming, named


def _response(named: list[tuple[str | None, Any]], written: store.Written) -> Resource:
    found = [resource for _, resource in named]
    keys = [resource_key(r["resourceType"], r["id"]) for r in found]
    at = written.at.astimezone(dt.UTC)
    versions = written.versions
    known = {key: (versions[key.bytes], at) for key in keys if key.bytes in versions}
    if said_before := [key for key in keys if key not in known]:
        rows = db.select("SELECT key, version, updated FROM records_resource WHERE key = ANY(%s)", (said_before,))
        known |= {row[0]: row[1:] for row in rows}
    entries = []
    for resource, key in zip(found, keys, strict=True):
        version, updated = known[key]
        is_new = version == 1 and key.bytes in versions
        entries.append(
            {
                "response": {
                    "status": "201 Created" if is_new else "200 OK",
                    "location": f"{resource['resourceType']}/{resource['id']}/_history/{version}",
                    "etag": f'W/"{version}"',
                    "lastModified": updated.isoformat(),
                }
            }
        )
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
