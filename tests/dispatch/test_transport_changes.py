"""A planned transport day changes: cancelled, undone, a vehicle gone, the stairs, the drive. Real rows, real solver."""

from __future__ import annotations

from decimal import Decimal

import pytest

from healthbrain.dispatch.actions import mass, transport, transport_drive, transport_fleet
from healthbrain.dispatch.models import Booking, DayPlan, Ride
from healthbrain.dispatch.queries import transport as reads
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed
from tests.dispatch.transport_county import NOW, TODAY, TOMORROW, at, told


def test_cancel_and_undo(day) -> None:
    out, back = day.book(1, 600, purpose="outpatient", back=True)
    other = day.book(2, 620)[0]
    before = told(out), told(back), told(other)
    transport.cancel(by=day.actors["planner"], now=NOW, booking_id=out.booking_id, reason="好转")
    assert set(Ride.objects.filter(booking=out.booking).values_list("status", flat=True)) == {"cancelled"}
    transport.restore(by=day.actors["planner"], now=NOW, booking_id=out.booking_id)
    for ride in (out, back, other):
        ride.refresh_from_db()
        assert ride.status == "planned"
    assert (told(out), told(back), told(other)) == before
    with pytest.raises(Conflict):
        transport.restore(by=day.actors["planner"], now=NOW, booking_id=out.booking_id)


def test_the_way_back_alone_is_cancelled(day) -> None:
    out, back = day.book(1, 600, purpose="outpatient", back=True)
    transport.cancel(by=day.actors["planner"], now=NOW, booking_id=out.booking_id, reason="家人接", leg="back")
    out.refresh_from_db()
    back.refresh_from_db()
    assert (out.status, back.status) == ("planned", "cancelled")


def test_two_planners_do_not_overwrite(day) -> None:
    day.book(0)
    seen = DayPlan.objects.get(day=TOMORROW).version
    transport_drive.plan_day(by=day.actors["planner"], now=NOW, day=TOMORROW, version=seen, seconds=0.2)
    with pytest.raises(Conflict, match="陈转运"):
        transport_drive.plan_day(by=day.actors["second_planner"], now=NOW, day=TOMORROW, version=seen, seconds=0.2)


def test_a_vehicle_out_of_service_and_back(day) -> None:
    """Both stretcher riders need 转1; without it they are shown, not lost, and come back with the same words."""
    rides = [day.book(0, 540, posture="stretcher")[0], day.book(1, 720, posture="stretcher")[0], day.book(2, 600)[0]]
    planner, first = day.actors["planner"], day.vehicles["first"].pk
    with pytest.raises(Invalid, match="原因"):
        transport_fleet.set_working(by=planner, now=NOW, vehicle_id=first, working=False, reason=" ")
    assert transport_fleet.set_working(by=planner, now=NOW, vehicle_id=first, working=False, reason="爆胎").later >= 2
    board = reads.day_board(planner, day=TOMORROW, now=NOW)
    stranded = {r.id for r in board.uncovered}
    assert {rides[0].pk, rides[1].pk} <= stranded
    planned = transport_drive.plan_day(by=planner, now=NOW, day=TOMORROW, version=board.version, seconds=0.3)
    assert planned.broken == 2
    assert Ride.objects.get(pk=rides[2].pk).vehicle_id == day.vehicles["second"].pk
    lost = Ride.objects.get(pk=rides[0].pk)
    assert (lost.status, told(lost)) == ("unserved", told(rides[0]))
    transport_fleet.set_working(by=planner, now=NOW, vehicle_id=first, working=True, reason="")
    version = DayPlan.objects.get(day=TOMORROW).version
    again = transport_drive.plan_day(by=planner, now=NOW, day=TOMORROW, version=version, seconds=0.3)
    assert again.broken == 0
    assert Ride.objects.get(pk=rides[0].pk).status == "planned"


def test_a_mass_casualty_takes_a_vehicle_today(day) -> None:
    ride = day.book(0, 12 * 60, day=TODAY, posture="stretcher")[0]
    dispatcher = day.actors["dispatcher"]
    event = mass.open_event(by=dispatcher, now=NOW, kind="mass", name="客车侧翻")
    mass.roster(by=dispatcher, now=NOW, event_id=event, vehicle_id=day.vehicles["first"].pk, reason="轻伤员多")
    board = reads.day_board(day.actors["planner"], day=TODAY, now=NOW)
    assert [r.id for r in board.uncovered] == [ride.pk]
    assert {v.code: v.away for v in board.vehicles} == {"转1": "mass", "转2": ""}
    transport_drive.plan_day(by=day.actors["planner"], now=NOW, day=TODAY, version=board.version, seconds=0.2)
    assert Ride.objects.get(pk=ride.pk).status == "unserved"
    mass.release(by=dispatcher, now=NOW, event_id=event, vehicle_id=day.vehicles["first"].pk)
    version = DayPlan.objects.get(day=TODAY).version
    transport_drive.plan_day(by=day.actors["planner"], now=NOW, day=TODAY, version=version, seconds=0.2)
    assert Ride.objects.get(pk=ride.pk).status == "planned"


def test_cancelled_on_the_stairs_the_vehicle_goes_on(day) -> None:
    first = day.book(0, 11 * 60, day=TODAY)[0]
    second = day.book(1, 13 * 60, day=TODAY)[0]
    planner, driver = day.actors["planner"], day.actors["driver"]
    driver = driver if first.vehicle_id == day.vehicles["first"].pk else day.actors["other_driver"]
    transport_drive.release_day(by=planner, now=NOW, day=TODAY)
    transport_drive.set_off(by=driver, now=at(10), ride_id=first.pk)
    transport.cancel(by=planner, now=at(10.25), booking_id=first.booking_id, reason="人在楼梯上说不去了")
    first.refresh_from_db()
    assert (first.status, first.turned_away) == ("cancelled", at(10.25))
    with pytest.raises(Conflict, match="取消"):
        transport_drive.pick_up(by=driver, now=at(10.3), ride_id=first.pk)
    page = reads.vehicle_route(driver, None, day=TODAY, now=at(10.3))
    assert first.pk in {r.id for r in page.over}
    second.refresh_from_db()
    assert second.status == "planned"
    assert second.promised_from <= second.pickup_at <= second.promised_until


def test_the_driver_logs_the_trip_and_the_fee_is_settled(day) -> None:
    out, back = day.book(0, 12 * 60, day=TODAY, purpose="outpatient", back=True)
    driver = day.actors["driver" if out.vehicle_id == day.vehicles["first"].pk else "other_driver"]
    stranger = day.actors["other_driver" if driver is day.actors["driver"] else "driver"]
    with pytest.raises(NotAllowed):
        transport_drive.pick_up(by=stranger, now=at(11), ride_id=out.pk)
    with pytest.raises(Conflict):
        transport_drive.deliver(by=driver, now=at(11), ride_id=out.pk)
    planner = day.actors["planner"]
    with pytest.raises(Conflict):
        transport.settle_fee(by=planner, now=at(11), booking_id=out.booking_id)
    assert transport_drive.pick_up(by=driver, now=at(11.5), ride_id=out.pk)
    assert not transport_drive.pick_up(by=driver, now=at(11.6), ride_id=out.pk)
    transport_drive.deliver(by=driver, now=at(11.9), ride_id=out.pk)
    assert transport_drive.no_show(by=driver, now=at(14.5), ride_id=back.pk)
    booking = Booking.objects.get(pk=out.booking_id)
    assert booking.status == "done"
    paid = transport.settle_fee(by=planner, now=at(15), booking_id=booking.pk, waiting_minutes=20)
    ways = [Decimal(yuan) for leg, _, yuan in booking.fee_lines if leg == "out"]
    assert paid == sum(ways) + 10
    assert transport.settle_fee(by=planner, now=at(16), booking_id=booking.pk, waiting_minutes=99) == paid
    patient = day.actors["patient"]
    transport.rate(by=patient, booking_id=booking.pk, score=5, remark="很准时")
    with pytest.raises(Invalid):
        transport.rate(by=patient, booking_id=booking.pk, score=6)
    found = reads.indicators(planner, since=TODAY, until=TODAY)
    assert (found.served, found.picked_up, found.satisfaction, found.paid) == (1, 1, 5.0, paid)


def test_who_sits_in_the_vehicle_cannot_cancel(day) -> None:
    ride = day.book(0, 12 * 60, day=TODAY)[0]
    transport_drive.pick_up(by=day.actors["planner"], now=at(11.5), ride_id=ride.pk)
    with pytest.raises(Conflict, match="上车"):
        transport.cancel(by=day.actors["planner"], now=at(11.6), booking_id=ride.booking_id, reason="不去了")


def test_nobody_at_the_door_and_the_way_back_falls_away(day) -> None:
    out, back = day.book(0, 12 * 60, day=TODAY, purpose="outpatient", back=True)
    planner = day.actors["planner"]
    transport_drive.no_show(by=planner, now=at(11.5), ride_id=out.pk)
    back.refresh_from_db()
    assert back.status == "cancelled"
    assert Booking.objects.get().status == "cancelled"


def test_the_day_is_planned_on_while_somebody_sits_in_the_vehicle(day) -> None:
    one = day.book(0, 11 * 60, day=TODAY, posture="wheelchair")[0]
    transport_drive.pick_up(by=day.actors["planner"], now=at(10.2), ride_id=one.pk)
    later = day.book(1, 15 * 60, day=TODAY, now=at(10.3), posture="wheelchair")[0]
    assert later.status == "planned"
    assert later.pickup_at > 10.3 * 60
    one.refresh_from_db()
    assert one.status == "on-board"
    assert one.deliver_at > 10.3 * 60


def test_late_is_shown_and_still_driven(day) -> None:
    ride = day.book(0, 11 * 60, day=TODAY)[0]
    late = at(ride.promised_until / 60 + 0.25)
    board = reads.day_board(day.actors["planner"], day=TODAY, now=late)
    assert [r.id for r in board.late] == [ride.pk]
    planned = transport_drive.plan_day(
        by=day.actors["planner"], now=late, day=TODAY, version=board.version, seconds=0.2
    )
    assert planned.broken == 0
    ride.refresh_from_db()
    assert ride.pickup_at >= ride.promised_until
