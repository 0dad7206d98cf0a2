"""Calls, missions and their timeline on a real database."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.db import Error, connection, transaction

from healthbrain.audit.models import AuditEvent
from healthbrain.county.events import CallTriaged
from healthbrain.dispatch.actions import calls, hospitals, missions, positions
from healthbrain.dispatch.models import Call, Mission, Position, PositionLog, TimelineEvent, Vehicle
from healthbrain.dispatch.queries import calls as reads
from healthbrain.dispatch.queries import recommend
from healthbrain.dispatch.rules.positions import Report
from healthbrain.kernel import bus
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed
from tests.dispatch.emergency_county import NOW

EAST, WEST = "330197001", "330197003"


def after(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def waiting_call(centre, town: str = EAST, *, priority: int = 1, suspected: str = "chest-pain", phone: str = "") -> int:
    by, (x, y) = centre.actors["dispatcher"], centre.towns[town]
    call = calls.take_call(by=by, now=NOW, phone=phone or "15400000001")
    calls.locate(by=by, now=after(5), call_id=call, place="某村", x=x + 0.1, y=y, how="map")
    calls.set_priority(by=by, now=after(20), call_id=call, priority=priority, suspected=suspected)
    return call


def send(centre, call: int, vehicle: str, **more) -> int:
    by = more.pop("by", centre.actors["dispatcher"])
    return missions.assign(
        by=by, now=more.pop("now", after(30)), call_id=call, vehicle_id=centre.vehicles[vehicle].pk, **more
    )


def test_a_call_is_answered_placed_triaged_and_told_once(centre, monkeypatch) -> None:
    told: list[CallTriaged] = []
    monkeypatch.setitem(bus._handlers, CallTriaged, [told.append])
    by = centre.actors["dispatcher"]
    call = calls.ring(phone="154 0000 0001", now=NOW)
    assert calls.take_call(by=by, now=after(4)) == call
    x, y = centre.towns[WEST]
    found = calls.locate(by=by, now=after(10), call_id=call, place="西塘一村", x=x, y=y, how="address")
    assert (found.township, found.off_map) == (WEST, False)
    for question, digit in (("breathing", 4), ("complaint", 2), ("stroke", 1)):
        stands = calls.answer(by=by, now=after(25), call_id=call, question=question, digit=digit)
    assert stands.asking is None
    stored = Call.objects.get(pk=call)
    assert (stored.state, stored.priority, stored.suspected) == ("waiting", 1, "stroke")
    calls.set_priority(by=by, now=after(40), call_id=call, priority=2)
    assert told == [CallTriaged(dt.date(2026, 4, 1), WEST, "stroke")]
    kinds = [t.kind for t in reads.timeline(call)]
    assert kinds == ["ring", "answered", "located", "triaged", "upgraded"]
    [row] = reads.queue(by, now=after(64))
    assert (row.clock.name, row.clock.seconds, row.clock.over) == ("decide", 60, False)


def test_the_last_answer_can_be_taken_back(centre) -> None:
    by = centre.actors["dispatcher"]
    call = calls.take_call(by=by, now=NOW, phone="1")
    calls.answer(by=by, now=NOW, call_id=call, question="breathing", digit=1)
    stands = calls.unanswer(by=by, now=NOW, call_id=call)
    assert (stands.priority, stands.asking.id) == (None, "breathing")


def test_a_named_ringing_call_is_answered_once(centre) -> None:
    call = calls.ring(phone="15400000002", now=NOW)
    calls.take_call(by=centre.actors["dispatcher"], now=after(1), call_id=call)
    with pytest.raises(Conflict):
        calls.take_call(by=centre.actors["second_dispatcher"], now=after(2), call_id=call)


def test_priority_one_goes_strictly_by_arrival_and_capability(centre) -> None:
    call = waiting_call(centre, EAST)
    found = recommend.recommend(centre.actors["dispatcher"], call, now=after(30))
    assert found.vehicles[0].code == "急东1"  # the only advanced one in the east
    assert found.vehicles[0].option.recommended
    assert {c.code for c in found.vehicles} == {"急东1", "急西1", "急东2"}  # never the transport fleet
    assert found.vehicles[-1].option.missing == ("als",)
    assert [h.name for h in found.hospitals] == ["安澜区第一人民医院", "安澜区第二人民医院"]


def test_the_second_of_two_is_told_who_has_it(centre) -> None:
    first, second = waiting_call(centre, EAST), waiting_call(centre, WEST, phone="15400000009")
    send(centre, first, "east1")
    with pytest.raises(Conflict, match="王调度"):
        send(centre, second, "east1", by=centre.actors["second_dispatcher"])
    assert Mission.objects.filter(ended_at=None).count() == 1
    assert Call.objects.get(pk=second).state == "waiting"


def test_another_than_the_first_needs_a_reason_which_is_kept_and_audited(centre) -> None:
    call, best = waiting_call(centre), centre.vehicles["east1"].pk
    with pytest.raises(Invalid):
        send(centre, call, "west1", recommended_id=best)
    with pytest.raises(Invalid):
        send(centre, call, "west1", recommended_id=best, override="other")
    mission = send(centre, call, "west1", recommended_id=best, override="road-blocked", rank=2)
    kept = Mission.objects.get(pk=mission)
    assert (kept.override, kept.recommended_id, kept.rank) == ("road-blocked", best, 2)
    assert AuditEvent.objects.filter(action="emergency.assign", detail__override="road-blocked").exists()


def test_a_more_urgent_call_takes_a_rolling_vehicle_and_the_other_waits_again(centre) -> None:
    low = waiting_call(centre, EAST, priority=3, suspected="other")
    held = send(centre, low, "east1")
    missions.step(by=centre.actors["crew"], now=after(60), mission_id=held, kind="rolling")
    high = waiting_call(centre, EAST, priority=1, phone="15400000003")
    option = next(
        c for c in recommend.recommend(centre.actors["dispatcher"], high, now=after(70)).vehicles if c.code == "急东1"
    )
    assert option.from_mission == held
    send(centre, high, "east1", from_mission=option.from_mission, now=after(80))
    assert Mission.objects.get(pk=held).outcome == "reassigned"
    assert Call.objects.get(pk=low).state == "waiting"
    with pytest.raises(Conflict):  # not the other way round
        send(centre, low, "east1", from_mission=Mission.objects.get(call=high).pk)


def test_the_whole_mission_and_what_closes_it(centre) -> None:
    call = waiting_call(centre)
    mission, crew = send(centre, call, "east1"), centre.actors["crew"]
    steps = ["acknowledged", "rolling", "on-scene", "at-patient", "left-scene", "at-hospital"]
    for number, kind in enumerate(steps):
        assert missions.step(by=crew, now=after(60 * (number + 1)), mission_id=mission, kind=kind)
    missions.send_to(by=crew, now=after(400), mission_id=mission, organisation_id=centre.hospitals["first"].pk)
    missions.step(by=crew, now=after(900), mission_id=mission, kind="available")  # "handover" was never pressed
    assert Call.objects.get(pk=call).state == "closed"
    assert Vehicle.objects.get(pk=centre.vehicles["east1"].pk).status == "returning"
    with pytest.raises(NotAllowed):
        missions.step(by=centre.actors["other_crew"], now=after(901), mission_id=mission, kind="handover")


def test_a_vehicle_that_hands_over_is_named_and_can_be_sent_once_the_patient_is_with_the_hospital(centre) -> None:
    first, by = waiting_call(centre), centre.actors["dispatcher"]
    mission, crew = send(centre, first, "east1"), centre.actors["crew"]
    missions.step(by=crew, now=after(600), mission_id=mission, kind="at-hospital")
    second = waiting_call(centre, EAST, priority=1, phone="15400000004")
    own, other = (recommend.recommend(by, call, now=after(650)) for call in (first, second))
    assert "急东1" not in {c.code for c in (*own.vehicles, *own.busy)}  # it is on this call already
    assert ([c.code for c in other.busy], "急东1" in {c.code for c in other.vehicles}) == (["急东1"], False)
    with pytest.raises(Conflict):
        send(centre, second, "east1", now=after(660))
    missions.step(by=crew, now=after(900), mission_id=mission, kind="handover")
    choice = next(c for c in recommend.recommend(by, second, now=after(910)).vehicles if c.code == "急东1")
    sent = send(centre, second, "east1", from_mission=choice.from_mission, now=after(920))
    assert Mission.objects.get(ended_at=None).pk == sent
    assert (Call.objects.get(pk=first).state, Vehicle.objects.get(code="急东1").status) == ("closed", "assigned")
    assert not missions.step(by=crew, now=after(930), mission_id=mission, kind="available")  # pressed too late: known


def test_a_press_sent_twice_is_one_event_and_a_late_one_is_kept(centre) -> None:
    call = waiting_call(centre)
    mission, crew, key = send(centre, call, "east1"), centre.actors["crew"], uuid.uuid4()
    for _ in range(2):
        missions.step(by=crew, now=after(60), mission_id=mission, kind="acknowledged", client_id=key)
    assert TimelineEvent.objects.filter(client_id=key).count() == 1
    missions.cancel_mission(by=centre.actors["dispatcher"], now=after(100), mission_id=mission, reason="楼梯上取消")
    pressed, sent = after(80), after(160)  # pressed in a dead zone before the cancel, sent after it
    missions.step(by=crew, now=after(160), mission_id=mission, kind="rolling", pressed=pressed, sent=sent)
    late = TimelineEvent.objects.get(mission=mission, kind="rolling")
    assert late.at == after(80)
    assert Mission.objects.get(pk=mission).outcome == "cancelled"
    assert Call.objects.get(pk=call).state == "waiting"


def test_a_clock_an_hour_off_is_shown_not_trusted(centre) -> None:
    mission = send(centre, waiting_call(centre), "east1")
    hour = dt.timedelta(hours=1)
    missions.step(
        by=centre.actors["crew"], now=after(90), mission_id=mission, kind="rolling",
        pressed=after(90) + hour, sent=after(90) + hour,
    )  # fmt: skip
    event = TimelineEvent.objects.get(mission=mission, kind="rolling")
    assert (event.at, event.skew, event.doubtful) == (after(90), 3600, True)
    assert event.device_at == after(90) + hour


def test_no_step_back_and_no_unknown_step(centre) -> None:
    mission, crew = send(centre, waiting_call(centre), "east1"), centre.actors["crew"]
    missions.step(by=crew, now=after(60), mission_id=mission, kind="on-scene")
    with pytest.raises(Conflict):
        missions.step(by=crew, now=after(61), mission_id=mission, kind="rolling")
    with pytest.raises(Invalid):
        missions.step(by=crew, now=after(61), mission_id=mission, kind="teleported")


def test_the_patient_cancels_on_the_stairs(centre) -> None:
    call = waiting_call(centre)
    mission, by = send(centre, call, "east1"), centre.actors["dispatcher"]
    with pytest.raises(Invalid):
        calls.cancel_call(by=by, now=after(100), call_id=call, reason=" ")
    calls.cancel_call(by=by, now=after(100), call_id=call, reason="家属已自行送医")
    assert Call.objects.get(pk=call).state == "cancelled"
    assert Mission.objects.get(pk=mission).ended_at == after(100)
    with pytest.raises(Conflict):
        calls.locate(by=by, now=after(110), call_id=call, place="", x=0, y=0, how="map")


def test_a_patient_on_board_is_not_cancelled_away(centre) -> None:
    call = waiting_call(centre)
    mission = send(centre, call, "east1")
    missions.step(by=centre.actors["crew"], now=after(60), mission_id=mission, kind="left-scene")
    with pytest.raises(Conflict):
        calls.cancel_call(by=centre.actors["dispatcher"], now=after(100), call_id=call, reason="误报")


def test_duplicates_are_offered_and_merged_with_their_vehicle(centre) -> None:
    first, second = waiting_call(centre), waiting_call(centre, phone="15400000007")
    far = waiting_call(centre, WEST, phone="15400000008")
    offered = reads.duplicates(Call.objects.get(pk=second))
    assert [d.id for d in offered] == [first]
    mission = send(centre, second, "east1")
    calls.merge(by=centre.actors["dispatcher"], now=after(50), call_id=second, into_id=first)
    assert Call.objects.get(pk=second).duplicate_of_id == first
    assert (Mission.objects.get(pk=mission).call_id, Call.objects.get(pk=first).state) == (first, "running")
    assert {r.id for r in reads.queue(centre.actors["dispatcher"], now=after(60))} == {first, far}


def test_a_hospital_closes_while_a_vehicle_is_on_its_way(centre) -> None:
    call = waiting_call(centre)
    mission, crew = send(centre, call, "east1"), centre.actors["crew"]
    first, second = centre.hospitals["first"].pk, centre.hospitals["second"].pk
    with pytest.raises(Invalid):
        missions.send_to(by=crew, now=after(50), mission_id=mission, organisation_id=second, recommended_id=first)
    wish = {"organisation_id": second, "recommended_id": first, "reason": "家属要求"}
    missions.send_to(by=crew, now=after(55), mission_id=mission, **wish)
    assert Mission.objects.get(pk=mission).destination_reason == "家属要求"
    missions.send_to(by=crew, now=after(60), mission_id=mission, organisation_id=first)
    lost = hospitals.report(
        by=centre.actors["hospital"], now=after(70), organisation_id=first, emergency_beds=0, icu_beds=0,
        diverting=True, closed=True, note="停电",
    )  # fmt: skip
    assert lost == 1
    [row] = reads.queue(centre.actors["dispatcher"], now=after(71))
    assert row.alarm == "destination-closed"
    best, closed = recommend.recommend(centre.actors["dispatcher"], call, now=after(71)).hospitals
    assert (best.hospital, closed.hospital) == (str(second), str(first))
    assert "已停收：停电" in [reason.zh for reason in closed.reasons]
    with pytest.raises(Conflict):
        missions.send_to(by=crew, now=after(72), mission_id=mission, organisation_id=first)
    missions.send_to(by=crew, now=after(73), mission_id=mission, organisation_id=second)
    assert Mission.objects.get(pk=mission).destination_closed is False
    assert TimelineEvent.objects.filter(mission=mission, kind="diverted").count() == 2  # back, and away again
    with pytest.raises(NotAllowed):
        hospitals.report(
            by=centre.actors["hospital"], now=after(80), organisation_id=second, emergency_beds=1, icu_beds=1,
            diverting=False, closed=False,
        )  # fmt: skip


def test_a_call_outside_the_map_is_kept_and_its_times_are_marked(centre) -> None:
    by, (x, y) = centre.actors["dispatcher"], centre.towns[EAST]
    call = calls.take_call(by=by, now=NOW, phone="2")
    found = calls.locate(by=by, now=NOW, call_id=call, place="海上", x=x, y=y - 60, how="typed")
    assert found.off_map
    calls.set_priority(by=by, now=NOW, call_id=call, priority=1, suspected="trauma")
    listed = recommend.recommend(by, call, now=after(5))
    assert listed.off_map
    assert len(listed.vehicles) == 3
    assert all(one.option.estimated for one in listed.vehicles)
    assert all(one.estimated for one in listed.hospitals)
    with pytest.raises(Invalid):
        calls.locate(by=by, now=NOW, call_id=call, place="", x=float("nan"), y=0, how="typed")


# --- positions -------------------------------------------------------------------------------------------------------


def test_positions_are_believed_kept_or_refused_and_add_up(centre) -> None:
    ids = {name: v.pk for name, v in centre.vehicles.items()}
    hour = dt.timedelta(hours=1)
    written = positions.record_positions(
        [
            Report(ids["east1"], 1.0, 1.0, NOW - dt.timedelta(seconds=9)),
            Report(ids["east1"], 1.1, 1.0, NOW - dt.timedelta(seconds=4)),
            Report(ids["east2"], 2.0, 1.0, NOW + hour),  # clock ahead: place counts, time of arrival
            Report(ids["west1"], 3.0, 1.0, NOW - hour),  # ancient: history only
            Report(ids["west1"], float("nan"), 1.0, NOW),
            Report(999_999, 1.0, 1.0, NOW),
        ],
        now=NOW,
    )
    assert (written.moved, written.kept_only, written.refused) == (2, 2, 2)
    assert Position.objects.get(vehicle_id=ids["east1"]).x == 1.1
    ahead = Position.objects.get(vehicle_id=ids["east2"])
    assert (ahead.at, ahead.doubt) == (NOW, "future")
    assert not Position.objects.filter(vehicle_id=ids["west1"]).exists()
    assert PositionLog.objects.count() == 4


def test_an_older_report_never_moves_a_vehicle_back(centre) -> None:
    one = centre.vehicles["east1"].pk
    positions.record_positions([Report(one, 1.0, 1.0, NOW)], now=NOW)
    positions.record_positions([Report(one, 9.0, 9.0, NOW - dt.timedelta(seconds=20))], now=NOW)
    assert Position.objects.get(vehicle_id=one).x == 1.0


def test_the_fence_presses_the_button_nobody_pressed(centre) -> None:
    call = waiting_call(centre, WEST)
    mission, one = send(centre, call, "east1"), centre.vehicles["east1"].pk
    missions.step(by=centre.actors["crew"], now=after(60), mission_id=mission, kind="rolling")
    stored = Call.objects.get(pk=call)
    positions.record_positions([Report(one, stored.x + 0.5, stored.y, after(300))], now=after(300))
    assert Mission.objects.get(pk=mission).step == "rolling"
    positions.record_positions([Report(one, stored.x + 0.05, stored.y, after(320))], now=after(320))
    event = TimelineEvent.objects.get(mission=mission, kind="on-scene")
    assert (event.source, event.at) == ("fence", after(320))
    calls_before = Mission.objects.get(pk=mission).step
    assert calls_before == "on-scene"


def test_a_vehicle_is_home_inside_the_fence_of_its_station(centre) -> None:
    mission = send(centre, waiting_call(centre), "east1")
    missions.cancel_mission(by=centre.actors["dispatcher"], now=after(60), mission_id=mission, reason="误报")
    station, one = centre.stations["east"], centre.vehicles["east1"].pk
    positions.record_positions([Report(one, station.x, station.y, after(200))], now=after(200))
    assert Vehicle.objects.get(pk=one).status == "idle"
    assert TimelineEvent.objects.filter(mission=mission, kind="at-station").count() == 1


def test_a_crew_reports_for_its_own_vehicle_only(centre) -> None:
    with pytest.raises(NotAllowed):
        positions.record_positions([Report(centre.vehicles["west1"].pk, 1, 1, NOW)], now=NOW, by=centre.actors["crew"])


def test_a_phone_moves_its_vehicle_only_while_the_terminal_is_silent(centre) -> None:
    one, crew = centre.vehicles["east1"].pk, centre.actors["crew"]

    def told(seconds: int, x: float, **more) -> tuple:
        given = positions.record_positions([Report(one, x, 1.0, after(seconds))], now=after(seconds), **more)
        return given.moved, given.terminal, Position.objects.get(vehicle=one).x

    assert told(0, 1.0, by=crew) == (1, False, 1.0)  # no terminal was ever heard
    assert told(5, 2.0) == (1, False, 2.0)  # the terminal's word
    assert told(10, 3.0, by=crew) == (0, True, 2.0)
    assert told(64, 4.0, by=crew) == (0, True, 2.0)
    assert told(66, 5.0, by=crew) == (1, False, 5.0)  # silent for more than 60 s
    assert told(70, 6.0) == (1, False, 6.0)
    assert told(75, 7.0, by=crew) == (0, True, 6.0)
    assert PositionLog.objects.filter(doubt="second").count() == 3  # all are kept


def test_silence_and_loss_are_written_once(centre) -> None:
    mission = send(centre, waiting_call(centre), "east1", now=NOW)
    by = centre.actors["dispatcher"]
    for seconds in (30, 90, 100, 400, 410):
        missions.watch(by=by, now=after(seconds))
    kinds = list(Mission.objects.get(pk=mission).timeline.order_by("id").values_list("kind", flat=True))
    assert kinds == ["assigned", "silent", "lost"]
    call = Mission.objects.get(pk=mission).call_id
    shown = [reads.call(by, call, now=after(s)).missions[0] for s in (30, 90, 400)]
    assert [(m.alarm, m.unheard) for m in shown] == [("", 30), ("silent", 90), ("lost", 400)]


def test_an_ancient_position_is_marked_in_the_list(centre) -> None:
    one = centre.vehicles["east1"].pk
    Vehicle.objects.filter(pk=one).update(status="returning")
    positions.record_positions([Report(one, *centre.towns[EAST], NOW)], now=NOW)
    call = waiting_call(centre)
    found = recommend.recommend(centre.actors["dispatcher"], call, now=after(3600)).vehicles
    assert next(c for c in found if c.code == "急东1").option.doubt == "ancient"


# --- the database holds what it promises -----------------------------------------------------------------------------


def test_the_timeline_cannot_be_changed_or_deleted(centre) -> None:
    waiting_call(centre)
    for sql in ("UPDATE dispatch_timelineevent SET note = 'x'", "DELETE FROM dispatch_timelineevent"):
        with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_a_transport_vehicle_goes_only_when_a_mass_event_called_it_in(centre) -> None:
    call = waiting_call(centre)
    with pytest.raises(Invalid):
        send(centre, call, "transport")


def test_other_roles_may_not_dispatch(centre) -> None:
    call = waiting_call(centre)
    for role in ("crew", "hospital", "bureau"):
        with pytest.raises(NotAllowed):
            send(centre, call, "east1", by=centre.actors[role])
        with pytest.raises(NotAllowed):
            reads.queue(centre.actors[role], now=NOW)
