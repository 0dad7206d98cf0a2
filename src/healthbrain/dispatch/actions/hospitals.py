"""What a hospital can take: beds, diversion, closed; and who is on the way to it then."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch.actions import journal
from healthbrain.dispatch.models import HospitalState, Mission
from healthbrain.kernel.errors import Invalid, NotAllowed, NotFound


@transaction.atomic
def report(
    *,
    by: Actor,
    now: dt.datetime,
    organisation_id: int,
    emergency_beds: int | None,
    icu_beds: int | None,
    diverting: bool,
    closed: bool,
    note: str = "",
) -> int:
    """The hospital's own report, or a dispatcher's on its behalf; how many vehicles on the way lose their destination.

    Those missions are marked: their desk page shows new destinations at once. Raises NotFound, NotAllowed, Invalid.
    """
    gate.require(by, "emergency.arrivals")
    if not by.county_wide and by.organisation_id != organisation_id:
        raise NotAllowed("只能报告本院的接诊能力 You report for your own hospital only")
    if any(n is not None and not 0 <= n <= 999 for n in (emergency_beds, icu_beds)):
        raise Invalid("床位数应在 0–999 之间 Beds must be 0–999")
    state = HospitalState.objects.select_for_update().filter(pk=organisation_id).first()
    if state is None:
        raise NotFound("这家机构没有登记为接诊医院 Not registered as a receiving hospital")
    state.emergency_beds, state.icu_beds, state.diverting, state.closed = emergency_beds, icu_beds, diverting, closed
    state.note, state.changed, state.changed_by = note, now, by.name
    state.save()
    on_the_way = Mission.objects.filter(
        destination_id=organisation_id, ended_at__isnull=True, step__in=_NOT_THERE_YET
    ).update(destination_closed=closed)
    detail = {"closed": closed, "diverting": diverting, "beds": emergency_beds, "on_the_way": on_the_way}
    audit.record(by=by, action="emergency.hospital", subject=f"organisation/{organisation_id}", detail=detail)
    journal.tell()
    return on_the_way if closed else 0


_NOT_THERE_YET = ["assigned", "acknowledged", "rolling", "on-scene", "at-patient", "left-scene"]
