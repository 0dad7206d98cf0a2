"""Made-up planned transport for the demo: six vehicles at full size, rides of today and tomorrow.

Every ride goes through the real actions: what the pages show was promised by the solver.
"""

from __future__ import annotations

import datetime as dt
import uuid

from healthbrain.access.rules import SYSTEM
from healthbrain.dispatch import knowledge_transport
from healthbrain.dispatch.actions import transport, transport_drive
from healthbrain.dispatch.models import Booking, Ride, TransportVehicle, Vehicle
from healthbrain.dispatch.queries import transport as reads
from healthbrain.dispatch.rules.darp import warm_up
from healthbrain.dispatch.rules.transport import Asked, Spot, Wish
from healthbrain.kernel import db
from healthbrain.kernel.errors import HealthBrainError

LAYOUTS = ([[4, 1, 0], [1, 0, 1]], [[5, 0, 0], [2, 2, 0]], [[2, 0, 1], [4, 0, 0]])
RIDES = 4  # of each day; few, so that the demo stands quickly
FOUND = """
SELECT r.id, r.division_code, coalesce(r.phone, '') FROM residents_resident r
WHERE r.merged_into IS NULL AND r.deceased_on IS NULL AND r.birth_date < %s AND r.home_organisation_id IS NOT NULL
  AND EXISTS (SELECT 1 FROM dispatch_landmark m WHERE m.code = left(r.division_code, 12) AND m.kind = 'village')
ORDER BY r.id LIMIT %s
"""


def build(*, now: dt.datetime) -> int:
    """Vehicles and rides; how many rides stand. Cost: a few tens of milliseconds a ride."""
    vehicles = list(Vehicle.objects.filter(fleet=Vehicle.Fleet.TRANSPORT).order_by("code"))
    TransportVehicle.objects.bulk_create(
        TransportVehicle(
            vehicle=vehicle, layouts=LAYOUTS[n % len(LAYOUTS)], equipment=["oxygen"], shift_from=dt.time(6),
            shift_until=dt.time(20),
        )
        for n, vehicle in enumerate(vehicles)
    )  # fmt: skip
    people = db.select(FOUND, (now.date().replace(year=now.year - 62, day=1), 2 * RIDES))
    hospital = next((d.spot for d in reads.doors() if d.kind == "hospital"), None)
    if not vehicles or hospital is None:
        return 0
    warm_up()
    booked = 0
    for n, (resident, division, phone) in enumerate(people):
        day = now.date() + dt.timedelta(days=n // RIDES)
        home = reads.door_of(division)
        if home is not None:
            booked += _book(_asked(n, resident, day, home.spot, hospital, phone), n, now=now)
    transport_drive.release_day(by=SYSTEM, now=now, day=now.date())
    _drive_until(now)
    return booked


def _drive_until(now: dt.datetime) -> None:
    """The rides of this morning have been driven as planned, paid and rated."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    minute = (now - midnight).total_seconds() / 60.0
    for ride in Ride.objects.filter(day=now.date(), deliver_at__lt=minute).order_by("pickup_at"):
        transport_drive.pick_up(by=SYSTEM, now=midnight + dt.timedelta(minutes=ride.pickup_at or 0), ride_id=ride.pk)
        transport_drive.deliver(by=SYSTEM, now=midnight + dt.timedelta(minutes=ride.deliver_at or 0), ride_id=ride.pk)
    for booking in Booking.objects.filter(status=Booking.Status.DONE):
        transport.settle_fee(by=SYSTEM, now=now, booking_id=booking.pk)
        transport.rate(by=SYSTEM, booking_id=booking.pk, score=5 - booking.pk % 2)


def _asked(n: int, resident: int, day: dt.date, home: Spot, hospital: Spot, phone: str) -> Asked:
    dialysis = n % 3 != 2
    return Asked(
        resident_id=resident, day=day, wish=Wish(480.0 + 75.0 * (n % RIDES), "arrive"),
        purpose="dialysis" if dialysis else "outpatient", posture=("seat", "wheelchair", "seat")[n % 3], origin=home,
        target=hospital, companions=n % 2, back=dialysis, contact_phone=phone,
        answers=dict.fromkeys(knowledge_transport.questions(), False),
    )  # fmt: skip


def _book(asked: Asked, n: int, *, now: dt.datetime) -> int:
    """Ask as early in the morning as if it had been booked the day before; who does not fit is kept uncovered."""
    dawn = now.replace(hour=5, minute=0, second=0, microsecond=0)
    try:
        transport.book(by=SYSTEM, now=dawn, asked=asked, key=uuid.UUID(int=n + 1), keep_uncovered=True)
    except HealthBrainError:
        return 0
    return 1


def bind_driver(account_id: int) -> None:
    """Put the demo driver's phone on the first transport vehicle that has none, once."""
    if not Vehicle.objects.filter(crew_id=account_id).exists():
        free = Vehicle.objects.filter(crew=None, fleet=Vehicle.Fleet.TRANSPORT).order_by("id").first()
        if free is not None:
            Vehicle.objects.filter(pk=free.pk).update(crew_id=account_id)
