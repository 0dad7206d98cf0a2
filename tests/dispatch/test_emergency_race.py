"""Two dispatchers and one vehicle, with real threads and a real PostgreSQL: one wins, the other is told who."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection

from healthbrain.dispatch.actions import calls, missions
from healthbrain.dispatch.models import Call, Mission, TimelineEvent
from healthbrain.kernel.errors import Conflict, HealthBrainError
from tests.dispatch import emergency_county
from tests.dispatch.emergency_county import NOW

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def centre(transactional_db):
    return emergency_county.build()


def together(works) -> list:
    """Run each work in its own thread and connection, started at one moment; what each returned or raised."""
    start, found = threading.Barrier(len(works)), [None] * len(works)

    def run(number: int, work) -> None:
        try:
            start.wait(10)
            found[number] = work()
        except HealthBrainError as error:
            found[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n, work)) for n, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def waiting(centre, phone: str, priority: int = 1) -> int:
    by, (x, y) = centre.actors["dispatcher"], centre.towns["330197001"]
    call = calls.take_call(by=by, now=NOW, phone=phone)
    calls.locate(by=by, now=NOW, call_id=call, place=f"地点{phone}", x=x, y=y, how="map")
    calls.set_priority(by=by, now=NOW, call_id=call, priority=priority, suspected="trauma")
    return call


def test_of_eight_who_take_the_same_vehicle_one_wins_and_seven_are_told(centre) -> None:
    wanted = [waiting(centre, str(n)) for n in range(8)]
    vehicle = centre.vehicles["east1"].pk
    by = [centre.actors["dispatcher"], centre.actors["second_dispatcher"]]
    found = together(
        [
            lambda call=call, n=n: missions.assign(by=by[n % 2], now=NOW, call_id=call, vehicle_id=vehicle)
            for n, call in enumerate(wanted)
        ]
    )
    winners = [n for n, one in enumerate(found) if isinstance(one, int)]
    assert len(winners) == 1
    assert Mission.objects.filter(vehicle_id=vehicle, ended_at=None).count() == 1
    winner = by[winners[0] % 2].name
    for n, one in enumerate(found):
        if n not in winners:
            assert isinstance(one, Conflict)
            assert winner in str(one), "the loser is told who has it"
            assert Call.objects.get(pk=wanted[n]).state == "waiting"


def test_two_urgent_calls_take_one_rolling_vehicle_and_one_gets_it(centre) -> None:
    low = waiting(centre, "9", priority=3)
    vehicle = centre.vehicles["east1"].pk
    held = missions.assign(by=centre.actors["dispatcher"], now=NOW, call_id=low, vehicle_id=vehicle)
    urgent = [waiting(centre, str(n)) for n in range(2)]
    by = [centre.actors["dispatcher"], centre.actors["second_dispatcher"]]
    found = together(
        [
            lambda call=call, n=n: missions.assign(
                by=by[n], now=NOW + dt.timedelta(seconds=5), call_id=call, vehicle_id=vehicle, from_mission=held
            )
            for n, call in enumerate(urgent)
        ]
    )
    assert sorted(isinstance(one, int) for one in found) == [False, True]
    assert Mission.objects.filter(vehicle_id=vehicle, ended_at=None).count() == 1
    assert Call.objects.get(pk=low).state == "waiting"
    assert TimelineEvent.objects.filter(mission_id=held, kind="reassigned").count() == 1


def test_a_ringing_call_is_never_answered_twice(centre) -> None:
    rung = [calls.ring(phone=str(n), now=NOW) for n in range(6)]
    by = [centre.actors["dispatcher"], centre.actors["second_dispatcher"]]
    found = together([lambda n=n: calls.take_call(by=by[n % 2], now=NOW) for n in range(6)])
    taken = [one for one in found if isinstance(one, int)]
    assert len(taken) == 6
    assert len(set(taken)) == 6, "no two dispatchers have the same call"
    for call in rung:
        assert TimelineEvent.objects.filter(call_id=call, kind="answered").count() <= 1
