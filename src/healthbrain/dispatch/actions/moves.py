"""Move-ups: a free vehicle waits at another station than its own, until it is sent to a call or home."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch.actions import journal
from healthbrain.dispatch.models import MoveUp, Station, Vehicle
from healthbrain.kernel.errors import Conflict, NotFound


@transaction.atomic
def move_up(*, by: Actor, now: dt.datetime, vehicle_id: int, station_id: int) -> str:
    """The vehicle waits at this station from now on (its own: it is sent home); the station's name.

    Raises Conflict when it is not free any more, NotFound, NotAllowed.
    """
    gate.require(by, "emergency.dispatch")
    vehicle = Vehicle.objects.select_for_update().filter(pk=vehicle_id, fleet=Vehicle.Fleet.EMERGENCY).first()
    station = Station.objects.filter(pk=station_id, active=True).first()
    if vehicle is None or station is None:
        raise NotFound("没有这辆车或这个站点 No such vehicle or station")
    if vehicle.status != Vehicle.Status.IDLE:
        raise Conflict(f"{vehicle.code} 已不在站待命 {vehicle.code} is not waiting any more")
    end(vehicle.pk, now=now)
    if station.pk != vehicle.station_id:
        MoveUp.objects.create(vehicle=vehicle, station=station, at=now, by=by.name)
    audit.record(by=by, action="emergency.move_up", subject=f"vehicle/{vehicle.pk}", detail={"station": station.name})
    journal.tell()
    return station.name


def end(vehicle_id: int, *, now: dt.datetime) -> None:
    """It waits there no longer. In the caller's transaction."""
    MoveUp.objects.filter(vehicle_id=vehicle_id, ended=None).update(ended=now)
