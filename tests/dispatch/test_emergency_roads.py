"""Roads as they are now: closed and slow stretches, siren speeds from the county's own drives; who waits elsewhere."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch import network
from healthbrain.dispatch.actions import moves, roads
from healthbrain.dispatch.models import Call, Mission, RoadChange, TimelineEvent
from healthbrain.dispatch.queries import crew as crew_reads
from healthbrain.dispatch.queries import fleet, recommend
from healthbrain.dispatch.queries import roads as reads
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.dispatch import emergency_county
from tests.dispatch.test_emergency_calls import WEST, after, send, waiting_call

EAST, MIDDLE = "330197001", "330197002"


@pytest.fixture
def close(centre, django_capture_on_commit_callbacks):
    def closed(start=EAST, end=MIDDLE, share=0.0, name="积水", hours=None, by="dispatcher"):
        ends = [centre.towns[e] if isinstance(e, str) else e for e in (start, end)]
        with django_capture_on_commit_callbacks(execute=True):
            return roads.change_road(
                by=centre.actors[by], now=clock.now(), name=name, start=ends[0], end=ends[1], share=share, hours=hours
            )

    return closed


def test_a_closed_road_is_driven_round_until_it_is_lifted(centre, close, django_capture_on_commit_callbacks) -> None:
    by, call = centre.actors["dispatcher"], waiting_call(centre, MIDDLE)

    def seconds() -> dict[str, float]:
        found = recommend.recommend(by, call, now=emergency_county.NOW)
        return {one.code: one.option.drive_s for one in found.vehicles}

    usual = seconds()
    assert close() == pytest.approx(reads.between(centre.towns[EAST], centre.towns[MIDDLE])[0], abs=0.05)
    [row] = reads.road_changes(by, now=clock.now())
    shut = seconds()
    assert shut["急东1"] > usual["急东1"]
    assert shut["急西1"] == usual["急西1"]  # it does not come that way
    on_it = waiting_call(centre, EAST, phone="15400000008")
    found = recommend.recommend(by, on_it, now=emergency_county.NOW).vehicles
    assert not any(one.option.estimated for one in found if one.code != "急东1"), "reached where the road is open"
    assert network.times().arc_ms.max() < 10**8, "planning goes on with the roads as they usually are"
    with django_capture_on_commit_callbacks(execute=True):
        roads.lift(by=by, now=clock.now(), change_id=row.id)
    assert seconds() == usual
    with pytest.raises(NotFound):
        roads.lift(by=by, now=clock.now(), change_id=row.id)
    assert AuditEvent.objects.filter(action__startswith="emergency.road_").count() == 2


def test_a_slow_road_takes_its_share_longer_and_time_ends_it(centre, close) -> None:
    start, end = (int(n) for n in network.times().snap([centre.towns[EAST], centre.towns[MIDDLE]]).node)
    way = network.times().path(start, end)
    close(share=0.9, hours=2)
    assert network.live().time(start, end) == sum(round(int(network.times().arc_ms[a]) / 0.9) for a in way.arcs)
    RoadChange.objects.update(until=clock.now() - dt.timedelta(minutes=1))
    network.noticed()
    assert network.live().time(start, end) == way.ms
    assert reads.road_changes(centre.actors["dispatcher"], now=clock.now()) == []


def test_a_closure_that_makes_no_sense_is_refused(centre, close) -> None:
    for wrong in ({"end": EAST}, {"name": " "}, {"share": 1.0}, {"share": -0.1}, {"hours": 0.0},
                  {"end": (float("nan"), 0.0)}):  # fmt: skip
        with pytest.raises(Invalid):
            close(**wrong)
    with pytest.raises(NotAllowed):
        close(by="crew")
    assert not RoadChange.objects.exists()


def test_siren_speeds_come_from_the_countys_own_drives(centre) -> None:
    assert {(one.factor, one.learned) for one in network.siren_factors()} == {(1.42, False)}
    network_before, (x, y) = network.times(), centre.towns[MIDDLE]
    normal = network.times("normal")
    start, end = (int(n) for n in normal.snap([centre.towns[EAST], (x, y)]).node)
    took = dt.timedelta(milliseconds=normal.time(start, end) / 1.2)  # 1.2 times the normal speed, on main roads
    for number in range(200):
        sent = clock.now() - dt.timedelta(days=3, hours=2 * number)
        call = Call.objects.create(ring_at=sent, x=x, y=y, priority=1, state="closed")
        mission = Mission.objects.create(
            call=call, vehicle=centre.vehicles["east1"], assigned_at=sent, ended_at=sent + dt.timedelta(minutes=40)
        )
        for kind, at in (("rolling", sent), ("on-scene", sent + took)):
            TimelineEvent.objects.create(
                call=call, mission=mission, kind=kind, at=at, received=at, source="button", doubtful=number < 20
            )
    network.forget()
    taught = {one.road_class: one for one in network.siren_factors() if one.learned}
    assert [one.drives for one in taught.values()] == [180] * len(taught), "clocks in doubt teach nothing"
    assert 1.19 < taught["primary"].factor < 1.27  # 180 drives against a prior worth 50 at 1.42
    assert network.times().time(start, end) > network_before.time(start, end)


def test_a_vehicle_that_moved_up_waits_there_until_it_is_sent_and_its_moves_are_counted(centre) -> None:
    by, (east, west) = centre.actors["dispatcher"], (centre.stations["east"], centre.stations["west"])
    one = centre.vehicles["east2"]

    def row(now):
        return next(r for r in fleet.fleet(by, now=now) if r.code == "急东2")

    for number, station in enumerate((west, east, west)):
        moves.move_up(by=by, now=after(60 * number), vehicle_id=one.pk, station_id=station.pk)
    moved = row(after(200))
    assert (moved.station_id, moved.home_id, moved.moves) == (west.pk, east.pk, 2)
    assert row(after(13 * 3600)).moves == 0  # another shift
    assert crew_reads.crew_view(centre.actors["crew"]).standby == ""
    call = waiting_call(centre, WEST, priority=1, suspected="other")
    best = recommend.recommend(by, call, now=after(210)).vehicles
    assert {c.station for c in best if c.code in {"急东2", "急西1"}} == {west.name}
    send(centre, call, "east2", now=after(220))
    assert row(after(230)).station_id == east.pk, "it goes home after the call"
    with pytest.raises(Conflict):
        moves.move_up(by=by, now=after(240), vehicle_id=one.pk, station_id=west.pk)
    with pytest.raises(NotAllowed):
        moves.move_up(by=centre.actors["crew"], now=after(240), vehicle_id=one.pk, station_id=west.pk)
