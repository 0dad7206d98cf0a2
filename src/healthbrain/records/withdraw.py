"""Take back what one batch stored: its resources go, or return to what they were before; the history keeps both."""

from __future__ import annotations

import datetime as dt

import orjson
from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import Conflict, NotAllowed, NotFound
from healthbrain.records import store
from healthbrain.records.intake import calls
from healthbrain.records.intake.fhir import Builder, Naming
from healthbrain.records.models import Batch

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
    detail = {"withdrawn": len(gone), "restored": len(back), "name": batch.name}
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
        resource = orjson.loads(body)
        builder.message([(None, resource)], Naming(source, keep_ids=True), first_row=builder.rows + 1)
    store.write(builder.prepared(), now=moment)
