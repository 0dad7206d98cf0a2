"""Vital signs and ECG ahead, the handover into the lifelong record, mass events, planning."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest

from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch.actions import mass, mass_plan, missions, patients
from healthbrain.dispatch.models import EcgFile, EventVehicle, Mission, Vitals
from healthbrain.dispatch.queries import crew as reads
from healthbrain.dispatch.queries import mass as mass_reads
from healthbrain.dispatch.queries import planning, recommend
from healthbrain.dispatch.rules import simulate as sim
from healthbrain.dispatch.rules.plans import Site, apply
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from healthbrain.records.models import Event, Resource
from tests.dispatch import emergency_county
from tests.dispatch.emergency_county import NOW
from tests.dispatch.test_emergency_calls import EAST, after, send, waiting_call

PDF = b"%PDF-1.4 made up"
ID_NUMBER = "330197196408120013"  # made up: prefix 330197 was given to no county


@pytest.fixture
def running(centre):
    """A chest pain with 急东1 on its way to the first hospital."""
    mission = send(centre, waiting_call(centre), "east1")
    crew = centre.actors["crew"]
    for number, kind in enumerate(("acknowledged", "rolling", "on-scene", "at-patient")):
        missions.step(by=crew, now=after(60 * (number + 1)), mission_id=mission, kind=kind)
    missions.send_to(by=crew, now=after(260), mission_id=mission, organisation_id=centre.hospitals["first"].pk)
    missions.step(by=crew, now=after(300), mission_id=mission, kind="left-scene")
    return mission


def test_signs_and_ecg_are_on_the_board_of_that_hospital_only(centre, running) -> None:
    crew = centre.actors["crew"]
    values = {"systolic": 86.0, "pulse": 132.0, "oxygen": 97.0}
    patients.send_vitals(by=crew, now=after(310), mission_id=running, values=values)
    patients.send_ecg(by=crew, now=after(320), mission_id=running, name="导联.pdf", content=PDF)
    [row] = reads.arrivals(centre.actors["hospital"], now=after(330))
    assert (row.vehicle, row.suspected, row.alarms) == ("急东1", "chest-pain", ("systolic", "pulse"))
    assert row.minutes is not None
    assert 0 < row.minutes < 30
    file = reads.ecg(centre.actors["hospital"], row.ecgs[0][0])
    assert bytes(file.content) == PDF
    stranger = centre.accounts["hospital"]
    stranger.organisation = centre.hospitals["second"]
    stranger.save()
    from healthbrain.access.queries import actor_of

    assert reads.arrivals(actor_of(stranger), now=after(330)) == []
    with pytest.raises(NotAllowed):
        reads.ecg(actor_of(stranger), file.pk)


def test_the_same_signs_sent_twice_are_one_set(centre, running) -> None:
    key = uuid.uuid4()
    for _ in range(2):
        patients.send_vitals(
            by=centre.actors["crew"], now=after(310), mission_id=running, values={"pulse": 80.0}, client_id=key
        )
    assert Vitals.objects.filter(mission=running).count() == 1


@pytest.mark.parametrize("values", [{}, {"pulse": 900.0}, {"gcs": 2.0}, {"temperature": 12.0}])
def test_impossible_signs_are_refused(centre, running, values) -> None:
    with pytest.raises(Invalid):
        patients.send_vitals(by=centre.actors["crew"], now=after(310), mission_id=running, values=values)
    assert not Vitals.objects.exists()


@pytest.mark.parametrize("content", [b"<html><script>alert(1)</script>", b"MZ\x90", b""])
def test_what_is_no_ecg_is_refused_whatever_its_name(centre, running, content) -> None:
    with pytest.raises(Invalid):
        patients.send_ecg(by=centre.actors["crew"], now=after(310), mission_id=running, name="ecg.pdf", content=content)
    assert not EcgFile.objects.exists()


def test_a_handover_goes_into_the_lifelong_record(centre, running) -> None:
    crew = centre.actors["crew"]
    patients.identify(by=crew, mission_id=running, name="张小明", sex="1", id_number=ID_NUMBER, age=61)
    patients.send_vitals(by=crew, now=after(310), mission_id=running, values={"systolic": 152.0, "pulse": 88.0})
    missions.step(by=crew, now=after(700), mission_id=running, kind="at-hospital")
    assert patients.hand_over(by=crew, now=after(1300), mission_id=running)
    assert patients.hand_over(by=crew, now=after(1301), mission_id=running) is False
    kinds = sorted(Resource.objects.values_list("type", flat=True))
    assert kinds == ["Encounter", "Observation", "Observation", "Patient", "ServiceRequest"]
    visit = json.loads(bytes(Resource.objects.get(type="Encounter").body))
    assert visit["class"]["code"] == "FLD"
    assert dt.datetime.fromisoformat(visit["period"]["start"]) == after(180)
    assert dt.datetime.fromisoformat(visit["period"]["end"]) == after(1300)
    statuses = [one["status"] for one in visit["statusHistory"]]
    assert statuses == ["planned", "planned", "arrived", "in-progress", "in-progress"]
    request = json.loads(bytes(Resource.objects.get(type="ServiceRequest").body))
    assert (request["priority"], dt.datetime.fromisoformat(request["authoredOn"])) == ("stat", after(30))
    pressure = Event.objects.get(code="loinc|8480-6")
    assert (pressure.value, pressure.identity.id_number) == (152, ID_NUMBER)
    assert AuditEvent.objects.filter(action="emergency.handover").exists()


def test_without_identity_the_mission_stays_in_dispatch(centre, running) -> None:
    assert patients.hand_over(by=centre.actors["crew"], now=after(1300), mission_id=running)
    assert Mission.objects.get(pk=running).handed_over
    assert not Resource.objects.exists()


def test_a_wrong_identity_number_is_refused(centre, running) -> None:
    with pytest.raises(Invalid):
        patients.identify(
            by=centre.actors["crew"], mission_id=running, name="张", sex="1",
            id_number=ID_NUMBER[:-1] + ("0" if ID_NUMBER[-1] != "0" else "1"), age=None,
        )  # fmt: skip


def test_no_handover_without_a_hospital(centre) -> None:
    mission = send(centre, waiting_call(centre), "east1")
    with pytest.raises(Conflict):
        patients.hand_over(by=centre.actors["crew"], now=after(900), mission_id=mission)


# --- mass events -----------------------------------------------------------------------------------------------------


def test_a_mass_casualty_calls_the_transport_fleet_in_and_lets_it_go(centre) -> None:
    by, call = centre.actors["dispatcher"], waiting_call(centre, suspected="trauma")
    event = mass.open_event(by=by, now=NOW, kind="mass", name="大巴侧翻", call_id=call)
    transport = centre.vehicles["transport"].pk
    with pytest.raises(Invalid):
        mass.roster(by=by, now=NOW, event_id=event, vehicle_id=transport)
    mass.roster(by=by, now=NOW, event_id=event, vehicle_id=transport, reason="轻伤员 12 人")
    assert AuditEvent.objects.filter(action="emergency.call_in", detail__reason="轻伤员 12 人").exists()
    listed = recommend.recommend(by, call, now=after(30)).vehicles
    assert "转1" in {c.code for c in listed}
    mission = send(centre, call, "transport")
    with pytest.raises(Conflict, match="转1"):
        mass.close_event(by=by, now=after(60), event_id=event)
    missions.cancel_mission(by=by, now=after(70), mission_id=mission, reason="不再需要")
    mass.close_event(by=by, now=after(80), event_id=event)
    assert not EventVehicle.objects.filter(released__isnull=True).exists()
    assert "转1" not in {c.code for c in recommend.recommend(by, call, now=after(90)).vehicles}


def test_the_transport_fleet_is_not_for_a_planned_cover(centre) -> None:
    by = centre.actors["dispatcher"]
    event = mass.open_event(by=by, now=NOW, kind="cover", name="马拉松", expected=8000)
    with pytest.raises(Invalid):
        mass.roster(by=by, now=NOW, event_id=event, vehicle_id=centre.vehicles["transport"].pk, reason="省事")
    mass.roster(by=by, now=NOW, event_id=event, vehicle_id=centre.vehicles["east2"].pk, duty="终点")
    other = mass.open_event(by=by, now=NOW, kind="cover", name="庙会")
    with pytest.raises(Conflict):
        mass.roster(by=by, now=NOW, event_id=other, vehicle_id=centre.vehicles["east2"].pk)


def test_a_plan_has_posts_people_and_counts_and_says_what_is_short(centre) -> None:
    by = centre.actors["dispatcher"]
    event = mass.open_event(by=by, now=NOW, kind="mass", name="大巴侧翻", venue="东浦互通")
    other = mass.open_event(by=by, now=NOW, kind="cover", name="庙会")
    posts = {p.post.name: p.post.pk for p in mass_reads.event(by, event).posts}
    assert len(posts) == 6
    mass_plan.set_post(by=by, event_id=event, name="后送装车", place="收费站北", staff=1, vehicles=1)
    mass.roster(by=by, now=NOW, event_id=event, vehicle_id=centre.vehicles["east2"].pk, post_id=posts["后送装车"])
    nurse = mass_plan.call_in(by=by, now=NOW, event_id=event, name="周护士", unit="第一医院", post_id=posts["后送装车"])
    [loading] = [p for p in mass_reads.event(by, event).posts if p.post.name == "后送装车"]
    assert (loading.post.place, loading.people, loading.vehicles, loading.short) == ("收费站北", 0, 1, True)
    assert mass_plan.move_on(by=by, now=after(600), event_id=event, person_id=nurse) == "arrived"
    [loading] = [p for p in mass_reads.event(by, event).posts if p.post.name == "后送装车"]
    assert (loading.people, loading.short) == (1, False)
    assert mass_plan.report_count(by=by, now=after(60), event_id=event, red=3, yellow=5, green=12, black=1) == 21
    mass_plan.report_count(by=by, now=after(120), event_id=event, red=4, yellow=5, green=11, black=1)
    count = mass_reads.event(by, event).count
    assert count is not None
    assert (count.red, count.at) == (4, after(120))
    assert mass_plan.move_on(by=by, now=after(900), event_id=event, person_id=nurse) == "released"
    with pytest.raises(Conflict):
        mass_plan.move_on(by=by, now=after(901), event_id=event, person_id=nurse)
    with pytest.raises(NotFound):
        mass_plan.call_in(by=by, now=NOW, event_id=other, name="周护士", post_id=posts["后送装车"])
    with pytest.raises(Invalid):
        mass_plan.report_count(by=by, now=NOW, event_id=event, red=-1, yellow=0, green=0, black=0)
    with pytest.raises(NotAllowed):
        mass_plan.set_post(by=centre.actors["crew"], event_id=event, name="x")
    done = AuditEvent.objects.filter(subject=f"event/{event}").values_list("action", flat=True)
    assert sorted(done) == [
        "emergency.call_in_person", "emergency.count", "emergency.count", "emergency.open_event",
        "emergency.person_arrived", "emergency.person_released", "emergency.post", "emergency.roster",
    ]  # fmt: skip


def test_victims_are_numbered_corrected_and_audited(centre) -> None:
    by = centre.actors["dispatcher"]
    event = mass.open_event(by=by, now=NOW, kind="mass", name="坍塌")
    assert [mass.log_victim(by=by, now=NOW, event_id=event, tag="red") for _ in range(2)] == [1, 2]
    mass.log_victim(by=by, now=after(60), event_id=event, tag="black", number=2)
    assert AuditEvent.objects.filter(action="emergency.victim").count() == 3
    with pytest.raises(Invalid):
        mass.log_victim(by=by, now=NOW, event_id=event, tag="purple")


# --- planning --------------------------------------------------------------------------------------------------------

NOW_SITES = [Site(1, "东", 0.0, 0.0, 2), Site(2, "西", 9.0, 0.0, 1)]


def test_a_plan_is_read_from_its_words() -> None:
    after_plan = apply("m1@2;3,a@4.5;-1*2,v2+3", NOW_SITES)
    assert [(s.x, s.y, s.vehicles, s.change) for s in after_plan] == [
        (2.0, 3.0, 2, "moved"), (9.0, 0.0, 4, ""), (4.5, -1.0, 2, "added"),
    ]  # fmt: skip
    assert [s.id for s in apply("c1", NOW_SITES)] == [2]


@pytest.mark.parametrize("plan", ["x1", "c7", "c1,c2", "m1@here;3", "c1,c1", "v1-9,v2-9"])
def test_a_plan_that_makes_no_sense_is_refused(plan: str) -> None:
    with pytest.raises(Invalid):
        apply(plan, NOW_SITES)


def test_closing_a_station_makes_its_township_worse_and_the_other_no_better(centre) -> None:
    for kept in (planning._ground, planning._stream, planning._board, planning._played):
        kept.cache_clear()
    emergency_county.history(centre)
    plan = f"c{centre.stations['west'].pk}"
    found = planning.what_if(centre.actors["bureau"], plan, day=NOW.date(), replications=4)
    towns = {t.code: t for t in found.townships}
    west, east = towns["330197003"], towns[EAST]
    assert west.mean.after.mean > west.mean.before.mean + 3
    assert west.mean.sure
    assert west.mean.change.low > 3
    assert west.km_after == pytest.approx(11, abs=4)  # two town distances of 5.5 km, shaken
    assert west.km_before < 0.5
    assert east.mean.change.mean >= -0.01
    assert found.county.within.change.mean <= 0
    change = found.county.mean.change
    assert change.mean == pytest.approx(found.county.mean.after.mean - found.county.mean.before.mean)
    less = planning.what_if(centre.actors["bureau"], plan, day=NOW.date(), replications=1)
    assert (less.county.mean.change.low, less.county.mean.sure) == (None, False), "one run says nothing of chance"
    same = planning.what_if(centre.actors["bureau"], "", day=NOW.date(), replications=3).county
    assert same.mean.change == sim.Figure(0.0, 0.0, 0.0), "today against today: the same chance in both"
    assert same.mean.after.high > same.mean.after.low
    both = {"day": NOW.date(), "replications": 3, "policies": ("closest", "reassignment+compliance")}
    moving = planning.what_if(centre.actors["bureau"], "", **both)
    assert moving.moves.before == sim.Figure(0.0, 0.0, 0.0), "who goes back to its station never moves up"
    assert moving.moves.after.mean > 0
    back = planning.what_if(centre.actors["bureau"], "", **both | {"policies": both["policies"][::-1]})
    assert back.county.mean.change.mean == pytest.approx(-moving.county.mean.change.mean), "the same calls both ways"
    with pytest.raises(Invalid, match="policy"):
        planning.what_if(centre.actors["bureau"], "", day=NOW.date(), policies=("closest", "best"))
    with pytest.raises(NotAllowed):
        planning.what_if(centre.actors["crew"], "c1", day=NOW.date())
