"""The writes of the longitudinal record: files in, resources, forms, corrections, the lake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit import actions as audit
from healthbrain.county import actions as county
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Conflict, Invalid
from healthbrain.records import desk, lake, withdraw, workbooks
from healthbrain.records.desk import FormResult
from healthbrain.records.intake import calls, mappings, run
from healthbrain.records.intake.calls import Put, Unacceptable
from healthbrain.records.intake.report import Progress, Report
from healthbrain.records.lake import Refreshed
from healthbrain.records.models import Batch
from healthbrain.records.rules.templates import TEMPLATES

__all__ = [
    "FormResult",
    "Progress",
    "Put",
    "Refreshed",
    "Report",
    "Unacceptable",
    "cancel_batch",
    "delete_resource",
    "error_sheet",
    "ingest",
    "put_resource",
    "record_form",
    "record_visit",
    "refresh_lake",
    "remember_mapping",
    "rollback_batch",
    "store_bundle",
    "template",
]

Resource = dict[str, Any]


def ingest(
    paths: Iterable[Path | str],
    *,
    by: Actor = SYSTEM,
    source: str | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
    as_of: dt.date | None = None,
) -> Report:
    """Read files and folders into the record; the report adds up: rows_in = stored + duplicates + rejected + waiting.

    `source` names the sender where the data does not. A file another run left unfinished is continued. `as_of` is the
    day dates are held against (default: the day of arrival). Raises NotFound, NotAllowed, Conflict.
    """
    return run.ingest(paths, by=by, source=source, progress=progress, dry_run=dry_run, as_of=as_of)


def cancel_batch(*, by: Actor, batch_id: int) -> None:
    """Stop a running batch after its current chunk. What is stored stays; reading the file again goes on there."""
    gate.require(by, "steward.work")
    with transaction.atomic():
        open_one = Batch.objects.filter(pk=batch_id, status=Batch.Status.RUNNING)
        if not open_one.update(status=Batch.Status.CANCELLED):
            raise Conflict(f"批次 {batch_id} 没有在读取 Not running")
        audit.record(by=by, action="intake.cancel", subject=f"batch/{batch_id}")


def rollback_batch(*, by: Actor, batch_id: int) -> int:
    """Take back what a batch stored: its resources go or return to what they were; how many. One's own, or a steward's.

    People it described are again as the other messages say; whom none describes waits without a name, as before it.
    The history keeps both. Raises NotFound, NotAllowed, Conflict (running, or taken back already).
    """
    return withdraw.rollback_batch(by=by, batch_id=batch_id)


def put_resource(resource: Resource, *, source: str, by: Actor, organisation_id: int | None = None) -> Put:
    """Create or update one FHIR resource under its own id: resource, ledger, audit and events in one transaction.

    The same content again changes nothing. Raises Unacceptable (not readable R4), NotAllowed.
    """
    return calls.put_resource(resource, source=source, by=by, organisation_id=organisation_id)


def delete_resource(resource_type: str, resource_id: str, *, by: Actor) -> int:
    """Delete a resource; the version that says so. Its events no longer hold. Raises NotFound, NotAllowed."""
    return calls.delete_resource(resource_type, resource_id, by=by)


def store_bundle(bundle: Resource, *, source: str, by: Actor) -> Resource:
    """A FHIR transaction of creates and updates by id, all or nothing; the response Bundle.

    References by fullUrl are resolved. A POST gets an id that follows from (source, type, its own id, identifier or
    content): sent again it is the same resource. Raises Unacceptable with where and why, Invalid, NotAllowed.
    """
    return calls.store_bundle(bundle, source=source, by=by)


def record_form(
    *,
    by: Actor,
    resident_id: int,
    form: str,
    values: Mapping[str, Any],
    at: dt.datetime,
    organisation_id: int | None = None,
) -> FormResult:
    """Record a filled-in form of `knowledge/forms`: encounter, observations, medication, referral, and the form itself.

    `organisation_id`: where it was filled in, by default the actor's. Raises NotFound, NotAllowed, Invalid.
    """
    return desk.record_form(
        by=by, resident_id=resident_id, form=form, values=values, at=at, organisation_id=organisation_id
    )


def record_visit(
    *,
    by: Actor,
    resident_id: int,
    encounter_class: str,
    encounter_type: str,
    at: dt.datetime,
    observations: Sequence[tuple[str, float, str | None]] = (),
    texts: Mapping[str, str] | None = None,
    organisation_id: int | None = None,
) -> FormResult:
    """Record a contact without a form: (ledger code, value, unit) and coded answers by ledger code."""
    return desk.record_visit(
        by=by,
        resident_id=resident_id,
        encounter_class=encounter_class,
        encounter_type=encounter_type,
        at=at,
        observations=observations,
        texts=texts,
        organisation_id=organisation_id,
    )


def refresh_lake(as_of: dt.date | None = None) -> Refreshed:
    """Bring the lake up to what is committed. `as_of` decides which contract is running (default: today)."""
    return lake.refresh_lake(as_of or clock.today())


def remember_mapping(*, source: str, template: str, header: Sequence[str], mapping: Mapping[int, str]) -> None:
    """Keep how this source's sheets with this header map to a template. Raises Invalid for an unknown column."""
    known = {column.name for column in TEMPLATES[template].columns} if template in TEMPLATES else set()
    if unknown := sorted(set(mapping.values()) - known):
        raise Invalid(f"模板 {template} 没有这些列 No such columns: {', '.join(unknown)}")
    mappings.remember(county.source(source).pk, template, header, dict(mapping))


def template(name: str, form: str = "xlsx") -> bytes:
    """An empty sheet to fill in. Raises NotFound, Invalid."""
    return workbooks.template(name, form)


def error_sheet(*, by: Actor, batch_id: int) -> tuple[str, bytes]:
    """(file name, workbook): the sender's sheet with one more column saying what is wrong. Raises NotFound."""
    return workbooks.error_sheet(by=by, batch_id=batch_id)


def kept_sealed(batch_ids: Iterable[int], *, shelf: str, name: str) -> None:
    """The file of these batches lies in the vault from now on: the sheet that goes back is made from it."""
    workbooks.kept_sealed(batch_ids, shelf=shelf, name=name)
