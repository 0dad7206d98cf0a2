"""The dirty set: what changed is marked once, and a change during a run is never lost."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from healthbrain.facts.actions import clear_dirty, mark_dirty, take_dirty
from healthbrain.facts.models import Dirty
from healthbrain.kernel import bus, db
from healthbrain.records.events import EventsRecorded
from healthbrain.residents.events import ResidentsChanged
from healthbrain.residents.models import Link


def marked() -> set[int]:
    return set(Dirty.objects.values_list("resident_id", flat=True))


@pytest.mark.django_db(transaction=True)
def test_what_changes_during_a_run_stays() -> None:
    mark_dirty([1, 2, 2])
    taken = take_dirty(10)
    assert [resident for resident, _ in taken] == [1, 2]
    mark_dirty([2])  # a reading of resident 2 arrives while the worker thinks
    assert clear_dirty(taken) == 1
    assert marked() == {2}


@pytest.mark.django_db(transaction=True)
def test_a_mark_cleared_and_set_again_is_another_mark() -> None:
    mark_dirty([1])
    slow = take_dirty(1)
    assert clear_dirty(take_dirty(1)) == 1
    mark_dirty([1])
    assert clear_dirty(slow) == 0
    assert marked() == {1}


@pytest.mark.django_db(transaction=True)
def test_two_workers_take_different_residents() -> None:
    mark_dirty([1, 2])
    other: list[tuple[int, int]] = []

    def work() -> None:
        other.extend(take_dirty(10))
        connection.close()

    with transaction.atomic():
        mine = take_dirty(1)
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
    assert {resident for resident, _ in mine}.isdisjoint(resident for resident, _ in other)
    assert len(mine) == len(other) == 1


@pytest.mark.django_db
def test_news_of_other_rooms_marks_the_right_residents() -> None:
    db.execute("SET session_replication_role = replica")  # links without their identities and residents
    Link.objects.bulk_create(Link(identity_id=i, resident_id=r, rule="new") for i, r in [(10, 1), (11, 1), (20, 2)])
    db.execute("SET session_replication_role = origin")
    bus.publish(EventsRecorded([10, 11, 99]))  # identity 99 has no link yet: its person has not arrived
    assert marked() == {1}
    bus.publish(ResidentsChanged([3]))
    assert marked() == {1, 3}
    Link.objects.all().delete()


@pytest.mark.django_db
def test_a_thousand_marks_are_one_statement(django_assert_num_queries) -> None:
    with django_assert_num_queries(1):  # the upsert with its NOTIFY
        mark_dirty(range(1, 1001))
    assert Dirty.objects.count() == 1000
