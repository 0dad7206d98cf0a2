"""A vehicle lost, who drives, families phoned; told windows on the five-minute grid; fees and rating for the family."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from healthbrain.access.models import Account, Proxy
from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch.actions import transport, transport_drive, transport_fleet
from healthbrain.dispatch.models import Booking, DayPlan, Ride, TransportVehicle, Vehicle
from healthbrain.dispatch.queries import fleet
from healthbrain.dispatch.queries import transport as reads
from healthbrain.dispatch.rules.darp.booking import _told
from healthbrain.dispatch.rules.darp.model import Window
from healthbrain.dispatch.rules.transport import Spot
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed
from healthbrain.notices.models import Delivery, Notification
from tests.dispatch.transport_county import NOW, TODAY, TOMORROW, told


def lose(day, name: str = "first", **more) -> transport_fleet.Lost:
    given = {"working": False, "reason": "爆胎", "now": NOW} | more
    return transport_fleet.set_working(by=day.actors["planner"], vehicle_id=day.vehicles[name].pk, **given)


# --- a vehicle is lost ----------------------------------------------------------------------------------------------


def test_the_rest_of_its_day_goes_to_the_others_and_told_times_stay(day) -> None:
    seated = [day.book(n, at, day=TODAY)[0] for n, at in ((0, 11 * 60), (1, 14 * 60))]
    lying = day.book(2, 16 * 60, day=TODAY, posture="stretcher")[0]  # only the first vehicle has a stretcher
    tomorrow = day.book(3, 10 * 60, posture="stretcher")[0]
    before = {ride.pk: told(Ride.objects.get(pk=ride.pk)) for ride in (*seated, lying)}
    mine = Ride.objects.filter(vehicle=day.vehicles["first"], day=TODAY).count()
    lost = lose(day)
    assert lost == transport_fleet.Lost(moved=mine - 1, broken=(lying.pk,), later=1)
    for ride in Ride.objects.filter(pk__in=[r.pk for r in seated]):
        assert (ride.vehicle_id, ride.status) == (day.vehicles["second"].pk, "planned")
        assert told(ride) == before[ride.pk]
        assert ride.promised_from <= ride.pickup_at <= ride.promised_until
    broken = Ride.objects.get(pk=lying.pk)
    assert (broken.status, told(broken), broken.vehicle) == ("unserved", before[lying.pk], None)
    assert Ride.objects.get(pk=tomorrow.pk).status == "planned"  # the vehicle may be back


def test_until_it_is_back_its_days_are_planned_without_it_and_from_then_on_with_it(day) -> None:
    after = TOMORROW + dt.timedelta(days=1)
    lying = [day.book(n, 10 * 60, day=when, posture="stretcher")[0] for n, when in ((0, TOMORROW), (1, after))]
    seated = day.book(2, 15 * 60)[0]  # tomorrow; either vehicle will do
    lost = lose(day, back_on=after)
    assert (lost.broken, lost.later) == ((lying[0].pk,), 1)
    assert [Ride.objects.get(pk=r.pk).status for r in lying] == ["unserved", "planned"]
    assert Ride.objects.get(pk=seated.pk).vehicle_id == day.vehicles["second"].pk
    assert Notification.objects.filter(title__contains="不能按时").count() == 1
    with pytest.raises(Conflict):
        day.book(3, 16 * 60, posture="stretcher")  # tomorrow nobody carries a stretcher
    assert day.book(3, 16 * 60, day=after, posture="stretcher")[0].vehicle_id == day.vehicles["first"].pk
    away = {when: reads.day_board(day.actors["planner"], day=when, now=NOW).vehicles[0].away for when in (TODAY, after)}
    assert away == {TODAY: "off", after: ""}
    with pytest.raises(Invalid, match="今天以后"):
        lose(day, back_on=TODAY)


def test_on_its_day_it_is_in_service_again_by_itself_for_the_emergency_desk_too(day) -> None:
    lose(day, back_on=TOMORROW)
    lose(day, "second")  # nobody knows how long: nobody brings it back
    assert transport_fleet.bring_back(now=NOW.replace(hour=23, minute=59)) == []
    morning = NOW.replace(hour=0, minute=0) + dt.timedelta(days=1)
    code = day.vehicles["first"].code
    assert transport_fleet.bring_back(now=morning) == [code]
    rows = {row.code: row.status for row in fleet.fleet(day.centre.actors["dispatcher"], now=morning)}
    assert (rows[code], rows[day.vehicles["second"].code]) == ("idle", "off")
    assert transport_fleet.bring_back(now=morning) == []
    said = AuditEvent.objects.filter(action="transport.vehicle", role="system").get()
    assert said.subject == f"vehicle/{code}"


def test_who_cannot_be_kept_has_a_message_and_stands_to_be_phoned(day) -> None:
    lying = day.book(0, 16 * 60, day=TODAY, posture="stretcher")[0]
    lose(day)
    assert "不能按时" in Notification.objects.get(account_id=day.accounts["patient"].pk).title
    assert Delivery.objects.get(phone="15400000001").key.startswith(f"ride:{lying.pk}:broken")
    planner = day.actors["planner"]
    board = reads.day_board(planner, day=TODAY, now=NOW)
    assert [r.id for r in board.to_phone] == [lying.pk]
    transport_fleet.phoned(by=planner, now=NOW, ride_id=lying.pk)
    assert reads.day_board(planner, day=TODAY, now=NOW).to_phone == []
    with pytest.raises(NotAllowed):
        transport_fleet.phoned(by=day.actors["driver"], now=NOW, ride_id=lying.pk)
    lose(day, working=True, reason="")
    transport.change_time(by=planner, now=NOW, ride_id=lying.pk, at=17 * 60)
    again = Ride.objects.get(pk=lying.pk)
    assert (again.status, again.phoned_at) == ("planned", None)
    assert Notification.objects.filter(account_id=day.accounts["patient"].pk, title__contains="改为").count() == 1


def test_a_vehicle_on_its_way_to_the_door_is_replaced_too(day) -> None:
    ride = day.book(0, 12 * 60, day=TODAY)[0]
    carrier = next(n for n in ("first", "second") if day.vehicles[n].pk == Ride.objects.get(pk=ride.pk).vehicle_id)
    transport_drive.set_off(by=day.actors["planner"], now=NOW, ride_id=ride.pk)
    assert lose(day, carrier).moved == 1
    after = Ride.objects.get(pk=ride.pk)
    assert after.vehicle_id not in (None, day.vehicles[carrier].pk)
    assert (after.status, after.set_off) == ("planned", None)


def test_a_passenger_on_board_changes_over_where_it_stands(day) -> None:
    ride = day.book(0, 11 * 60, day=TODAY)[0]
    carrier = next(n for n in ("first", "second") if day.vehicles[n].pk == Ride.objects.get(pk=ride.pk).vehicle_id)
    at = NOW.replace(hour=10, minute=20)
    transport_drive.pick_up(by=day.actors["planner"], now=at, ride_id=ride.pk)
    at += dt.timedelta(minutes=5)
    with pytest.raises(Conflict, match="on board"):
        lose(day, carrier, now=at)
    assert Vehicle.objects.get(pk=day.vehicles[carrier].pk).status != "off"  # nothing half done
    x, y = day.centre.towns["330197001"]
    lost = lose(day, carrier, now=at, stands_at=Spot("东浦镇路口", x + 0.5, y))
    assert lost.broken == ()
    after = Ride.objects.get(pk=ride.pk)
    assert after.from_text == "东浦镇路口"
    assert after.vehicle_id not in (None, day.vehicles[carrier].pk)
    assert after.pickup_at >= 10 * 60 + 25
    assert after.deliver_at > after.pickup_at
    assert "另一辆车" in Notification.objects.get(account_id=day.accounts["patient"].pk).title
    transport_drive.pick_up(by=day.actors["planner"], now=at + dt.timedelta(minutes=20), ride_id=ride.pk)
    transport_drive.deliver(by=day.actors["planner"], now=at + dt.timedelta(minutes=40), ride_id=ride.pk)
    assert Booking.objects.get(pk=ride.booking_id).status == "done"


def test_with_the_last_vehicle_gone_everybody_is_to_be_phoned(day) -> None:
    ride = day.book(0, 12 * 60, day=TODAY)[0]
    lose(day, "second")
    assert lose(day, "first").broken == (ride.pk,)
    assert [r.id for r in reads.day_board(day.actors["planner"], day=TODAY, now=NOW).to_phone] == [ride.pk]


# --- crew and shift -------------------------------------------------------------------------------------------------


def crew(day, name: str = "second", who: str | None = "driver", hours: tuple[int, int] = (6, 20)) -> tuple[int, ...]:
    return transport_fleet.assign_crew(
        by=day.actors["planner"], now=NOW, vehicle_id=day.vehicles[name].pk,
        account_id=day.accounts[who].pk if who else None, shift_from=dt.time(hours[0]), shift_until=dt.time(hours[1]),
    )  # fmt: skip


def test_a_driver_has_one_vehicle_and_sees_its_trips(day) -> None:
    assert crew(day) == ()
    assert list(Vehicle.objects.filter(crew=day.accounts["driver"]).values_list("code", flat=True)) == ["转2"]
    assert reads.vehicle_route(day.actors["driver"], None, day=TODAY, now=NOW).code == "转2"
    crew(day, who=None)
    assert not Vehicle.objects.filter(crew=day.accounts["driver"]).exists()


def test_a_shorter_shift_moves_what_it_cannot_keep(day) -> None:
    crew(day, "second", None, (6, 20))
    lose(day, "second")
    morning, evening = day.book(0, 10 * 60)[0], day.book(1, 18 * 60)[0]
    version = DayPlan.objects.get(day=TOMORROW).version
    broken = crew(day, "first", "driver", (6, 14))
    assert broken == (evening.pk,)
    assert Ride.objects.get(pk=morning.pk).status == "planned"
    assert DayPlan.objects.get(day=TOMORROW).version > version
    assert TransportVehicle.objects.get(pk=day.vehicles["first"].pk).shift_until == dt.time(14)


def test_bad_crews_are_refused(day) -> None:
    with pytest.raises(Invalid):
        crew(day, who="doctor")
    with pytest.raises(Invalid):
        crew(day, hours=(20, 6))
    with pytest.raises(NotAllowed):
        transport_fleet.assign_crew(
            by=day.actors["driver"], now=NOW, vehicle_id=day.vehicles["first"].pk, account_id=None,
            shift_from=dt.time(6), shift_until=dt.time(20),
        )  # fmt: skip


def test_the_page_binds_and_takes_out(day, monkeypatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    client = Client()
    client.force_login(day.accounts["planner"], backend="django.contrib.auth.backends.ModelBackend")
    number = day.vehicles["second"].pk
    sent = {"crew": day.accounts["driver"].pk, "from": "07:30", "until": "18:00"}
    page = client.post(f"/transport/vehicles/{number}/crew", sent, follow=True).content.decode()
    assert 'value="07:30"' in page
    assert "1 辆车还没有车组" in page
    client.post(f"/transport/vehicles/{number}/crew", sent | {"from": "x"})
    assert TransportVehicle.objects.get(pk=number).shift_from == dt.time(7, 30)
    lying = day.book(0, 16 * 60, day=TODAY, posture="stretcher")[0]
    out = {"working": "no", "reason": "爆胎"}
    board = client.post(f"/transport/vehicles/{day.vehicles['first'].pk}/working", out, follow=True).content.decode()
    assert "1 家要打电话" in board
    assert 'href="tel:15400000001"' in board
    client.post(f"/transport/rides/{lying.pk}/phoned", {"day": TODAY.isoformat()})
    assert "已电话告知" in client.get(f"/transport?day={TODAY}").content.decode()
    client.force_login(day.accounts["driver"], backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/transport/vehicles").status_code == 403


# --- what people are told -------------------------------------------------------------------------------------------


HUNDREDTHS = st.integers(0, 9_000).map(lambda n: n / 100.0)


@given(st.integers(0, 138_000).map(lambda n: n / 100.0), HUNDREDTHS, HUNDREDTHS)
def test_told_windows_are_full_five_minutes_and_can_be_kept(begin: float, before: float, after: float) -> None:
    span = Window(max(begin - before, 0.0), begin + after)
    first, last = _told(begin, span)
    assert first % 5 == last % 5 == 0
    assert first <= begin <= last
    assert last - first <= 30
    if math.ceil(span.earliest / 5) * 5 <= begin:
        assert first >= span.earliest
    if math.floor(span.latest / 5) * 5 >= begin:
        assert last <= span.latest


def test_booked_and_moved_rides_are_told_in_full_five_minutes(day) -> None:
    rides = [*day.book(0, 10 * 60 + 3), *day.book(1, 11 * 60 + 7, purpose="dialysis", back=True, back_at=16 * 60 + 2)]
    transport.change_time(by=day.actors["planner"], now=NOW, ride_id=rides[0].pk, at=12 * 60 + 13)
    for ride in Ride.objects.all():
        assert ride.promised_from % 5 == ride.promised_until % 5 == 0
        assert ride.promised_from <= ride.pickup_at <= ride.promised_until


def test_the_family_sees_the_fee_and_rates_the_ride(day, monkeypatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    son = Account.objects.create(
        username="son", name="试客1", role="resident", organisation=day.accounts["doctor"].organisation,
        resident_id=day.residents[1].pk,
    )  # fmt: skip
    grant = Proxy.objects.create(
        principal_id=day.residents[0].pk, principal_name="试客0", agent_id=day.residents[1].pk, agent_name="试客1",
        basis="consent", relation="child", scopes=["transport"], starts=clock.today(),
        ends=clock.today() + dt.timedelta(days=9), granted_by=0, granted_at=NOW,
    )  # fmt: skip
    ride = day.book(0, 12 * 60, day=TODAY)[0]
    client = Client()
    client.force_login(son, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(f"/transport/bookings/{ride.booking_id}").status_code == 404
    client.post(f"/me/family/{grant.pk}/act")
    fee = Booking.objects.get(pk=ride.booking_id).fee
    assert f"{fee}" in client.get("/transport/book").content.decode()
    for step in (transport_drive.pick_up, transport_drive.deliver):
        step(by=day.actors["planner"], now=NOW, ride_id=ride.pk)
    assert f"{fee}" in client.get(f"/transport/bookings/{ride.booking_id}").content.decode()
    client.post(f"/transport/bookings/{ride.booking_id}/rate", {"score": "5", "remark": "师傅很好"})
    page = client.get("/transport/book").content.decode()
    assert "5 / 5" in page
    assert Booking.objects.get(pk=ride.booking_id).remark == "师傅很好"


def test_the_planner_settles_the_fee_where_she_saw_it(day, monkeypatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    ride = day.book(0, 12 * 60, day=TODAY)[0]
    for step in (transport_drive.pick_up, transport_drive.deliver):
        step(by=day.actors["planner"], now=NOW, ride_id=ride.pk)
    client, here = Client(), f"/transport/bookings/{ride.booking_id}"
    client.force_login(day.accounts["planner"], backend="django.contrib.auth.backends.ModelBackend")
    wrong = client.post(f"{here}/settle", {"waiting": "一会儿"}, follow=True)
    assert wrong.redirect_chain == [(here, 302)]
    assert "等候分钟数要填整数" in wrong.content.decode()
    assert "结算费用" in wrong.content.decode()
    fee = Booking.objects.get(pk=ride.booking_id).fee
    right = client.post(f"{here}/settle", {"waiting": "20"}, follow=True)
    assert Booking.objects.get(pk=ride.booking_id).paid == fee + 10  # 15 minutes are free, 10 yuan each 15 begun
    assert f"已结 {fee + 10} 元" in right.content.decode()
