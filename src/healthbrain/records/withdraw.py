"""Take back what one batch stored: its resources go, or return to what they were before; so do the people it described.
The history keeps both."""

from __future__ import annotations

import datetime as dt

import orjson
import polars as pl
from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import Conflict, NotAllowed, NotFound
from healthbrain.kernel.ids import stable_id, uuid_array
from healthbrain.records import store
from healthbrain.records.intake import calls
from healthbrain.records.intake.fhir import Builder, Naming
from healthbrain.records.intake.patients import person_of
from healthbrain.records.intake.prepared import PERSONS
from healthbrain.records.models import Batch
from healthbrain.records.rules import exact
from healthbrain.residents import actions as residents

BEFORE = """
SELECT uuid_send(r.key), s.code, before.body, before.deleted
FROM records_resource r
JOIN county_source s ON s.id = r.source_id
LEFT JOIN LATERAL (
    SELECT v.body, v.deleted FROM records_resourceversion v
    WHERE v.key = r.key AND v.batch_id IS DISTINCT FROM %(batch)s ORDER BY v.version DESC LIMIT 1
) before ON true
WHERE r.batch_id = %(batch)s AND NOT r.deleted
"""

# Whom the batch described, and every Patient that describes them: (Patient's key and id, identity). A Patient speaks of
# his own identity, and of the stub events had made under his id before he came; the two are linked since.
DESCRIBED = """
WITH told AS (
    SELECT DISTINCT r.identity_id FROM records_resource r
    WHERE r.type = 'Patient' AND r.identity_id IS NOT NULL AND (r.batch_id = %(batch)s OR r.key IN (
        SELECT v.key FROM records_resourceversion v WHERE v.batch_id = %(batch)s))
)
SELECT uuid_send(r.key), r.id, s.code, i.id, i.source_id, i.source_key, i.id = told.identity_id
FROM told JOIN records_resource r ON r.identity_id = told.identity_id AND r.type = 'Patient'
JOIN residents_identity own ON own.id = told.identity_id JOIN county_source s ON s.id = own.source_id
LEFT JOIN residents_link l ON l.identity_id = own.id
LEFT JOIN residents_link beside ON beside.resident_id = l.resident_id
JOIN residents_identity i ON i.source_id = own.source_id AND (i.id = own.id OR i.id = beside.identity_id)
"""
WORDS = """
SELECT uuid_send(said.key), said.body
FROM (
    SELECT key, version, updated, deleted, batch_id, body FROM records_resource
    UNION ALL SELECT key, version, updated, deleted, batch_id, body FROM records_resourceversion
) said LEFT JOIN records_batch b ON b.id = said.batch_id
WHERE said.key = ANY(%s::uuid[]) AND NOT said.deleted AND b.status IS DISTINCT FROM 'rolled-back'
ORDER BY said.updated, said.version
"""
IDENTITY = {"source_id": pl.Int64, "source_key": pl.Utf8}
SAID = {name: kind for name, kind in PERSONS.items() if name not in {"key", "hash", "source", "source_key", "alias"}}


@transaction.atomic
def rollback_batch(*, by: Actor, batch_id: int) -> int:
    """See `actions.rollback_batch`."""
    batch = Batch.objects.select_for_update().filter(pk=batch_id).first()
    if batch is None:
        raise NotFound(f"没有批次 {batch_id} No such batch")
    _may(by, batch)
    if batch.status == Batch.Status.ROLLED_BACK:
        raise Conflict(f"批次 {batch_id} 已经撤销 Already rolled back")
    if batch.status == Batch.Status.RUNNING:
        raise Conflict(f"批次 {batch_id} 还在读取 Still running", hint="先取消它 cancel it first")
    moment = now()
    rows = db.select(BEFORE, {"batch": batch_id})
    gone = [bytes(key) for key, _, body, deleted in rows if body is None or deleted]
    if gone:
        calls.withdraw(gone, moment=moment)
    back = [(code, bytes(body)) for _, code, body, deleted in rows if body is not None and not deleted]
    if back:
        _restore(back, moment)
    batch.status, batch.finished = Batch.Status.ROLLED_BACK, moment
    batch.save(update_fields=["status", "finished"])
    people, nobody = _restate(batch)
    detail = {"withdrawn": len(gone), "restored": len(back), "people": people, "unnamed": nobody, "name": batch.name}
    audit.record(by=by, action="intake.rollback", subject=f"batch/{batch_id}", detail=detail)
    return len(rows)


def _may(by: Actor, batch: Batch) -> None:
    """A steward takes back any batch; who made one may take back his own."""
    if by.account_id is not None and by.account_id == batch.account_id:
        return
    if by.account_id is None and by.role == "system":
        return
    try:
        gate.require(by, "steward.work")
    except NotAllowed as refused:
        raise NotAllowed("只有数据管理员能撤销别人的批次 Only a steward takes back somebody else's batch") from refused


def _restore(bodies: list[tuple[str, bytes]], moment: dt.datetime) -> None:
    """The version before the batch becomes current again, as a new version with its own ledger rows."""
    builder = Builder(moment.date())
    for source, body in bodies:
        resource = exact.loads(body)
        builder.message([(None, resource)], Naming(source, keep_ids=True), first_row=builder.rows + 1)
    store.write(builder.prepared(), now=moment)


def _restate(batch: Batch) -> tuple[int, int]:
    """People the batch described are again what the other messages say of them: how many, and how many nobody names."""
    called = [
        (bytes(key), identity, source_id, source_key)
        for key, id_, source, identity, source_id, source_key, own in db.select(DESCRIBED, {"batch": batch.pk})
        if own or id_ in {source_key, stable_id(source, "Patient", source_key)}
    ]
    if not called:
        return 0, 0
    who = pl.DataFrame(called, schema={"key": pl.Binary, "identity": pl.Int64, **IDENTITY}, orient="row").unique()
    said = [
        (bytes(key), *person_of(orjson.loads(bytes(body))))
        for key, body in db.select(WORDS, (uuid_array(who["key"].unique()),))
    ]
    words = pl.DataFrame(said, schema={"key": pl.Binary, **SAID}, orient="row")
    words = words.join(who, on="key", maintain_order="left").drop("key", "identity")
    ids = who["identity"].unique().to_list()
    return len(ids), residents.restate_identities(words, identity_ids=ids, since=batch.started)
