"""What the lifelong record knows of a patient, for those who are with him now: the desk, his crew, his hospital."""

from __future__ import annotations

from healthbrain.access import gate
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.dispatch.models import Call, Mission
from healthbrain.kernel.errors import NotAllowed, NotFound
from healthbrain.records.queries.ledger import History, history
from healthbrain.residents.queries import ResidentRow, resident

PURPOSE = "emergency"


def resident_of(actor: Actor, call: Call) -> ResidentRow | None:
    """The resident a call names, for the desk. Raises NotAllowed."""
    gate.require(actor, "emergency.dispatch")
    return resident(actor, call.resident_id, PURPOSE) if call.resident_id else None


def known(actor: Actor, call_id: int) -> tuple[ResidentRow, History]:
    """The linked resident and the record. The running call is what permits it, not the place the patient lives in.

    For dispatchers; for the crew whose vehicle is on the call; for the hospital it drives to. The caller audits the
    look. Raises NotFound when nobody is linked, NotAllowed.
    """
    call = Call.objects.filter(pk=call_id).first()
    if call is None or call.resident_id is None:
        raise NotFound("还没有关联居民 No resident is linked to this call")
    if not actor.may("emergency.dispatch"):
        running = Mission.objects.filter(call=call, ended_at__isnull=True).select_related("vehicle", "destination")
        if not any(_concerns(actor, mission) for mission in running):
            raise NotAllowed("这位病人不在本车或送往本院的途中 This patient is not yours at the moment")
    person = resident(SYSTEM, call.resident_id, PURPOSE)
    return person, history(SYSTEM, person.id, PURPOSE)


def _concerns(actor: Actor, mission: Mission) -> bool:
    if actor.may("emergency.crew") and mission.vehicle.crew_id == actor.account_id:
        return True
    to = mission.destination
    return actor.may("emergency.arrivals") and to is not None and (actor.county_wide or to.path.startswith(actor.path))
