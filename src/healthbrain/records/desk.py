"""What a desk records about a resident: a visit or a filled-in form, through the same store as every feed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.county import actions as county
from healthbrain.county.models import Organisation
from healthbrain.kernel import db
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.records.intake import batches, calls
from healthbrain.records.intake.fhir import Builder, Naming
from healthbrain.records.rules import forms

SOURCE = "desk"


@dataclass(frozen=True, slots=True)
class FormResult:
    """What a saved form left in the record."""

    batch_id: int
    resource_keys: tuple[str, ...]
    event_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Person:
    identity_id: int
    subject: dict[str, Any]


def record_form(
    *,
    by: Actor,
    resident_id: int,
    form: str,
    values: Mapping[str, Any],
    at: dt.datetime,
    organisation_id: int | None = None,
) -> FormResult:
    """See `actions.record_form`."""
    person, where = _person(by, resident_id), _organisation(by, organisation_id)
    try:
        visit = forms.visit_of(form, values, **_known(by, person, where, at))
    except FileNotFoundError as error:
        raise NotFound(f"没有这个表单 No such form: {form}") from error
    resources = [*forms.resources_of(visit), *forms.responses_of(visit, form, values)]
    return _store(by, resident_id, person, where, form, resources)


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
    """See `actions.record_visit`."""
    person, where = _person(by, resident_id), _organisation(by, organisation_id)
    visit = forms.Visit(
        encounter_class=encounter_class,
        encounter_type=encounter_type,
        observations=observations,
        texts=list((texts or {}).items()),
        **_known(by, person, where, at),
    )
    return _store(by, resident_id, person, where, encounter_type, forms.resources_of(visit))


def _known(by: Actor, person: _Person, where: Organisation | None, at: dt.datetime) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "subject": person.subject,
        "at": at,
        "organisation": where.code if where else None,
        "organisation_name": where.name if where else "",
        "author": by.name,
    }


def _person(by: Actor, resident_id: int) -> _Person:
    """The identity the visit is written to: the resident's first, which stays his when others come and go."""
    gate.require(by, "care.work")
    rows = db.select(
        """SELECT l.identity_id, (SELECT r.id FROM records_resource r
                                  WHERE r.identity_id = l.identity_id AND r.type = 'Patient' AND NOT r.deleted LIMIT 1)
           FROM residents_link l WHERE l.resident_id = %s ORDER BY 2 IS NULL, l.identity_id LIMIT 1""",
        (resident_id,),
    )
    if not rows:
        raise NotFound("没有这位居民，可能已与另一份档案合并 No such resident; the record may have been merged")
    identity, patient = rows[0]
    subject = {"reference": f"Patient/{patient}"} if patient else {"display": f"identity {identity}"}
    return _Person(identity, subject)


def _organisation(by: Actor, organisation_id: int | None) -> Organisation | None:
    chosen = organisation_id or by.organisation_id
    return Organisation.objects.filter(pk=chosen).first() if chosen else None


@transaction.atomic
def _store(
    by: Actor, resident_id: int, person: _Person, where: Organisation | None, name: str, resources: list[dict[str, Any]]
) -> FormResult:
    batch = batches.of_call(name, "form", account_id=by.account_id, source_id=county.source(SOURCE).pk)
    builder = Builder(now().date())
    naming = Naming(SOURCE, keep_ids=True, whose=str(person.identity_id))
    builder.message([(None, resource) for resource in resources], naming)
    if builder.rejects:
        raise Invalid(f"表单内容不合规范 The form does not make valid resources: {builder.rejects[0].message}")
    written = calls.write_call(
        builder,
        batch,
        by=by,
        action="records.record_form",
        identity_id=person.identity_id,
        resident_id=resident_id,
        organisation_id=where.pk if where else None,
        detail={"form": name},
    )
    keys = [key.hex() for key in written.versions]
    events = db.select(
        "SELECT id FROM records_event WHERE identity_id = %s AND resource = ANY(%s::uuid[]) ORDER BY id",
        (person.identity_id, keys),
    )
    return FormResult(batch.pk, tuple(keys), tuple(row[0] for row in events))
