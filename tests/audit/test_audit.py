"""The log cannot be changed unnoticed, and stands or falls with the change it speaks of."""

from __future__ import annotations

import threading

import pytest
from django.db import ProgrammingError, connection, connections, transaction

from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit import actions as audit
from healthbrain.audit.models import AuditEvent
from healthbrain.audit.queries import of_resident, search, verify

DOCTOR = Actor(account_id=7, name="王医生", role="village_doctor", organisation_id=1, path="/1/")


def write(count: int, by: Actor = DOCTOR) -> None:
    for number in range(count):
        with transaction.atomic():
            audit.record(by=by, action="record.open", resident_id=42, purpose="treatment", subject=f"r/{number}")


@pytest.mark.django_db
def test_a_chain_of_events_verifies() -> None:
    write(5)
    write(3, SYSTEM)
    found = verify()
    assert found.ok
    assert found.events == 8


@pytest.mark.django_db(transaction=True)
def test_events_outside_a_transaction_are_refused() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        audit.record(by=DOCTOR, action="record.open")


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_change_leaves_no_event_and_no_gap_in_the_chain() -> None:
    write(1)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit.record(by=DOCTOR, action="record.open")
        raise ZeroDivisionError
    write(1)
    assert AuditEvent.objects.count() == 2
    assert verify().ok


@pytest.mark.django_db
@pytest.mark.parametrize("sql", ["UPDATE audit_auditevent SET actor = 'x'", "DELETE FROM audit_auditevent"])
def test_the_database_refuses_to_change_the_log(sql: str) -> None:
    write(1)
    with pytest.raises(ProgrammingError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_auditevent SET actor = '别人' WHERE subject = 'r/1'",
        "UPDATE audit_auditevent SET resident_id = 43 WHERE subject = 'r/1'",
        "UPDATE audit_auditevent SET detail = '{\"x\": 1}' WHERE subject = 'r/0'",
        "DELETE FROM audit_auditevent WHERE subject = 'r/1'",
        "DELETE FROM audit_auditevent WHERE subject = 'r/2'",
    ],
)
def test_tampering_by_someone_with_the_database_is_found(tampering: str) -> None:
    write(3)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER audit_no_change")
        cursor.execute(tampering)
        cursor.execute("ALTER TABLE audit_auditevent ENABLE TRIGGER audit_no_change")
    assert not verify().ok


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_keep_the_chains_whole() -> None:
    def worker(account: int) -> None:
        write(20, Actor(account_id=account, name=str(account), role="bureau", organisation_id=1, path="/1/"))
        connections.close_all()

    threads = [threading.Thread(target=worker, args=(account,)) for account in (1, 1, 2, 65)]  # 1 and 65 share a lane
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify()
    assert found.ok
    assert found.events == 80


@pytest.mark.django_db
def test_who_looked_at_a_resident() -> None:
    write(2)
    with transaction.atomic():
        audit.record(by=SYSTEM, action="residents.merge", resident_id=99)
    assert [(row.actor, row.action) for row in of_resident(42)] == [("王医生", "record.open")] * 2
    rows, total = search(account_id=7, limit=1)
    assert (len(rows), total) == (1, 2)
