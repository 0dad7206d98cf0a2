"""Planned transport: who may ride, what it costs, what is told and kept. Real rows, real solver."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from decimal import Decimal

import pytest

from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch import knowledge_transport as knowledge
from healthbrain.dispatch.actions import transport, transport_drive
from healthbrain.dispatch.models import Booking, DayPlan, Ride, Vehicle
from healthbrain.dispatch.queries import transport as reads
from healthbrain.dispatch.rules import transport as rules
from healthbrain.dispatch.rules.darp.model import Window
from healthbrain.dispatch.rules.transport import Wish
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.dispatch.transport_county import NOW, TODAY, TOMORROW, told

# --- rules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("km", "posture", "companions", "oxygen", "yuan"),
    [  # 30 to 3 km, 3 a begun km more; wheelchair 20, stretcher 80; first companion free, then 5 each; oxygen 20
        (2.0, "seat", 0, False, "30"),
        (3.0, "seat", 1, False, "30"),
        (3.1, "seat", 1, False, "33"),
        (10.0, "wheelchair", 2, False, "76"),
        (12.4, "stretcher", 1, True, "160"),
    ],
)
def test_fare(km, posture, companions, oxygen, yuan) -> None:
    lines = rules.fare(knowledge.fares(), km=km, posture=posture, companions=companions, oxygen=oxygen)
    assert sum(amount for _, amount in lines) == Decimal(yuan)


@pytest.mark.parametrize(("minutes", "yuan"), [(0, 0), (15, 0), (15.5, 10), (30, 10), (31, 20)])
def test_waiting_costs_by_begun_quarter_beyond_the_free_one(minutes, yuan) -> None:
    assert rules.waiting_fee(knowledge.fares(), minutes) == yuan


def test_a_yes_and_a_skipped_question_both_call_for_120() -> None:
    no = dict.fromkeys(knowledge.questions(), False)
    assert rules.unfit(no, knowledge.questions()) == []
    assert rules.unfit(no | {"breathing": True}, knowledge.questions()) == ["breathing"]
    skipped = {k: v for k, v in no.items() if k != "labour"}
    assert rules.unfit(skipped, knowledge.questions()) == ["labour"]


def test_windows_follow_from_the_appointment() -> None:
    pickup, delivery = rules.windows(Wish(600, "arrive"), early=40, span=60)
    assert (pickup.earliest, delivery) == (0.0, Window(560, 600))
    assert rules.windows(Wish(600, "pickup"), early=40, span=60)[0] == Window(600, 660)
    assert rules.return_window(Wish(480, "arrive"), treatment=240, ride=60, wait=60) == Window(720, 780)


def test_every_figure_has_a_source_and_unverified_ones_say_so() -> None:
    for table in ("figures", "postures", "purposes", "eligibility", "fees"):
        assert knowledge.verified(table) is False


# --- booking ---------------------------------------------------------------------------------------------------------


def test_an_offer_holds_nothing_and_the_booking_keeps_what_was_told(day) -> None:
    by = day.actors["planner"]
    offer = transport.ask_for_offer(by=by, now=NOW, asked=day.ask(at=600))
    assert offer.accepted
    window = offer.told["out"]
    assert window.latest - window.earliest == 30
    assert Ride.objects.count() == 0
    key = uuid.uuid4()
    first = transport.book(by=by, now=NOW, asked=day.ask(at=600), key=key, told=offer.told)
    assert transport.book(by=by, now=NOW, asked=day.ask(at=600), key=key, told=offer.told) == first
    ride = Ride.objects.get()
    assert told(ride) == tuple(window)
    assert window.earliest <= ride.pickup_at <= window.latest
    assert 560 <= ride.deliver_at <= 600
    booking = Booking.objects.get()
    assert booking.fee == offer.fee == sum(Decimal(yuan) for *_, yuan in booking.fee_lines)
    seen = AuditEvent.objects.filter(action="transport.book", resident_id=day.residents[0].pk)
    assert seen.count() == 1


def test_told_windows_hold_while_the_day_fills(day) -> None:
    rides: list[Ride] = []
    answers = []
    for who in range(10):
        began = time.perf_counter()
        rides += day.book(who, 500 + 37 * who, posture=("seat", "wheelchair")[who % 4 == 3], keep_uncovered=True)
        answers.append(time.perf_counter() - began)
    before = {r.pk: told(r) for r in rides if r.status == "planned"}
    assert len(before) >= 8
    plan = DayPlan.objects.get(day=TOMORROW)
    transport_drive.plan_day(by=day.actors["planner"], now=NOW, day=TOMORROW, version=plan.version, seconds=0.5)
    for ride in Ride.objects.filter(pk__in=before):
        assert told(ride) == before[ride.pk]
        assert ride.promised_from - 1e-6 <= ride.pickup_at <= ride.promised_until + 1e-6
        assert ride.deliver_at - ride.pickup_at <= 60 + 15  # on board and boarding


def test_dialysis_there_and_back(day) -> None:
    out, back = day.book(1, 8 * 60, purpose="dialysis", back=True, posture="wheelchair", companions=1)
    assert out.deliver_at <= 480
    assert 720 <= back.pickup_at <= 780
    assert back.pickup_at >= out.deliver_at + 8 + 240  # alighting by wheelchair, then the treatment
    assert {line[0] for line in out.booking.fee_lines} == {"out", "back"}


def test_outpatient_waits_with_the_same_crew(day) -> None:
    for who, at_minute in ((0, 600), (1, 640), (3, 560)):
        day.book(who, at_minute)
    offer = transport.ask_for_offer(
        by=day.actors["planner"], now=NOW, asked=day.ask(2, 600, purpose="outpatient", back=True)
    )
    assert offer.vehicle["out"] == offer.vehicle["back"]
    out, back = day.book(2, 10 * 60, purpose="outpatient", back=True)
    assert out.vehicle_id == back.vehicle_id


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"day": TODAY - dt.timedelta(days=1)}, "只能预约"),
        ({"day": TODAY + dt.timedelta(days=30)}, "只能预约"),
        ({"day": TODAY, "wish": Wish(8 * 60, "arrive")}, "已经过去"),
        ({"wish": Wish(1500, "arrive")}, "0:00–23:59"),
        ({"wish": Wish(float("nan"), "arrive")}, "0:00–23:59"),
        ({"posture": "standing"}, "体位"),
        ({"companions": 4}, "陪同"),
        ({"infection": "plague"}, "选项"),
        ({"purpose": "long"}, "公里"),
        ({"trip_km": 500.0}, "公里"),
        ({"purpose": "long", "trip_km": 20.0}, "里程"),
    ],
)
def test_what_cannot_be_asked_is_said(day, changes, error) -> None:
    with pytest.raises(Invalid, match=error):
        transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=day.ask(**changes))


def test_unfit_is_told_to_call_120_and_kept_as_refused(day) -> None:
    asked = day.ask(answers=dict.fromkeys(knowledge.questions(), False) | {"chest_pain": True})
    key = uuid.uuid4()
    for _ in range(2):
        answer = transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=asked, key=key)
        assert answer.unfit == ("chest_pain",)
    assert Booking.objects.get().refusal == "chest_pain"
    with pytest.raises(Invalid, match="120"):
        transport.book(by=day.actors["planner"], now=NOW, asked=asked, key=key)
    found = reads.indicators(day.actors["planner"], since=dt.date(2020, 1, 1), until=dt.date(2100, 1, 1))
    assert found.refused == (("chest_pain", 1),)


def test_who_may_book_for_whom(day) -> None:
    mine = transport.ask_for_offer(by=day.actors["patient"], now=NOW, asked=day.ask(0))
    assert mine.accepted
    with pytest.raises(NotAllowed):
        transport.ask_for_offer(by=day.actors["patient"], now=NOW, asked=day.ask(1))
    assert transport.ask_for_offer(by=day.actors["doctor"], now=NOW, asked=day.ask(1)).accepted
    with pytest.raises(NotAllowed):  # lives elsewhere
        transport.ask_for_offer(by=day.actors["doctor"], now=NOW, asked=day.ask(9))
    with pytest.raises(NotAllowed):  # no right to book
        transport.ask_for_offer(by=day.actors["village"], now=NOW, asked=day.ask(1))
    ride = day.book(3)[0]
    with pytest.raises(NotFound):
        transport.cancel(by=day.actors["patient"], now=NOW, booking_id=ride.booking_id, reason="不是我的")


def test_a_full_day_gives_other_times_and_keeps_who_insists(day) -> None:
    Vehicle.objects.filter(pk=day.vehicles["second"].pk).update(status="off")
    day.book(0, 10 * 60, posture="stretcher")
    asked = day.ask(1, 10 * 60, posture="stretcher")
    answer = transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=asked)
    assert not answer.accepted
    assert answer.alternatives
    assert answer.seconds < 5
    for window in answer.alternatives[:1]:
        again = day.ask(1, posture="stretcher", wish=Wish(window.earliest, "pickup"))
        assert transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=again).accepted
    with pytest.raises(Conflict):
        transport.book(by=day.actors["planner"], now=NOW, asked=asked, key=uuid.uuid4())
    kept = day.book(1, 10 * 60, posture="stretcher", keep_uncovered=True)
    board = reads.day_board(day.actors["planner"], day=TOMORROW, now=NOW)
    assert [r.id for r in board.uncovered] == [kept[0].pk]
    assert board.rides[0].id == kept[0].pk
    moved = transport.change_time(
        by=day.actors["planner"], now=NOW, ride_id=kept[0].pk, at=answer.alternatives[0].earliest
    )
    assert Ride.objects.get(pk=kept[0].pk).promised_from == moved.earliest
    assert not reads.day_board(day.actors["planner"], day=TOMORROW, now=NOW).uncovered


def test_a_ride_longer_than_its_limit_is_told_and_kept(day) -> None:
    far = day.ask(1, origin=rules.Spot("很远", 1000.0, 1000.0))
    answer = transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=far)
    assert not answer.accepted
    assert "最长乘车 60 分钟" in answer.reason[0]
    number = transport.book(by=day.actors["planner"], now=NOW, asked=far, key=uuid.uuid4(), keep_uncovered=True)
    ride = Ride.objects.get(booking_id=number)
    assert ride.status == "unserved"
    assert "60 分钟" in ride.note


def test_infected_riders_do_not_share(day) -> None:
    Vehicle.objects.filter(pk=day.vehicles["second"].pk).update(status="off")
    one = day.book(1, 600, infection="respiratory")[0]
    two = day.book(4, 600, keep_uncovered=True)[0]
    one.refresh_from_db()
    apart = two.status == "planned" and (one.deliver_at <= two.pickup_at or two.deliver_at <= one.pickup_at)
    assert apart or two.status == "unserved"


def test_a_long_trip_takes_the_vehicle_for_the_day(day) -> None:
    long = {"purpose": "long", "trip_km": 400.0, "wish": Wish(480, "pickup"), "target": rules.Spot("合肥", 0, 0)}
    first, second = day.book(0, **long)[0], day.book(1, **long)[0]
    assert {first.vehicle_id, second.vehicle_id} == {v.pk for v in day.vehicles.values()}
    answer = transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=day.ask(2))
    assert not answer.accepted
    assert first.booking.fee == 30 + 397 * 3
    transport.cancel(by=day.actors["planner"], now=NOW, booking_id=first.booking_id, reason="改期")
    assert transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=day.ask(2)).accepted
    day.book(2)
    with pytest.raises(Conflict, match="另有安排"):  # given to somebody else meanwhile
        transport.restore(by=day.actors["planner"], now=NOW, booking_id=first.booking_id)


@pytest.mark.parametrize(("km", "days"), [(60.0, 1), (280.0, 1), (281.0, 2), (900.0, 4), (5000.0, 18)])
def test_a_long_trip_takes_as_many_days_as_the_driving_needs(km: float, days: int) -> None:
    assert rules.long_days(km, kmh=70, hours=8) == days  # there and back


def test_a_vehicle_far_away_is_not_planned_and_its_driver_finishes_the_trip_days_later(day) -> None:
    away = {"purpose": "long", "trip_km": 400.0, "wish": Wish(480, "pickup"), "target": rules.Spot("合肥", 0, 0)}
    trip = day.book(0, **away, posture="stretcher")[0]  # only the first vehicle has a stretcher
    after = TOMORROW + dt.timedelta(days=1)
    lying = day.ask(1, day=after, posture="stretcher")
    refused = transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=lying)
    assert (refused.accepted, refused.failed) == (False, "out")
    with pytest.raises(Conflict, match="连续 2 天"):
        day.book(2, **away | {"day": after}, posture="stretcher")
    assert day.book(1, day=after + dt.timedelta(days=1), posture="stretcher")[0].vehicle_id == trip.vehicle_id
    on_time = day.ask(3, **away | {"wish": Wish(12 * 60, "arrive"), "trip_km": 350.0})  # five hours on the road
    assert transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=on_time).told["out"].earliest == 7 * 60
    too_early = day.ask(3, **away | {"wish": Wish(4 * 60, "arrive")})
    assert "前一天" in transport.ask_for_offer(by=day.actors["planner"], now=NOW, asked=too_early).reason[0]
    driver, then = day.actors["driver"], NOW + dt.timedelta(days=2)
    transport_drive.pick_up(by=driver, now=NOW + dt.timedelta(days=1), ride_id=trip.pk)
    seen = reads.vehicle_route(driver, None, day=after, now=then)
    assert ([r.id for r in seen.todo], seen.released) == ([trip.pk], True)
    transport_drive.deliver(by=driver, now=then, ride_id=trip.pk)
    log = reads.trips(day.actors["planner"], since=TODAY, until=after, now=then)
    assert [(one.id, one.delivered, one.fee) for one in log] == [(trip.pk, 24 * 60 + 540.0, Decimal(1301))]
