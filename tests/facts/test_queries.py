"""Facts of some residents from the ledger, and of everyone from the lake: what holds now, and of whom."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path

import duckdb
import pytest

from healthbrain.facts import queries
from healthbrain.facts.rules.language import all_calls, parse
from healthbrain.facts.rules.reference import evaluate
from healthbrain.kernel import db
from healthbrain.kernel.errors import NotFound
from healthbrain.records.models import Event, Superseded
from healthbrain.residents.models import Link, Resident

AS_OF = dt.date(2026, 4, 1)


@pytest.fixture
def county(db_without_references: None) -> list[Resident]:
    """Two residents. The first is known to two sources; one of his readings was corrected."""
    residents = [
        Resident.objects.create(name="甲", sex="1", birth_date=dt.date(1970, 1, 1)),
        Resident.objects.create(name="乙"),
    ]
    for identity, resident in ((1, residents[0]), (2, residents[0]), (3, residents[1])):
        Link.objects.create(identity_id=identity, resident=resident, rule="new")
    reading(1, "2026-01-01 08:00", 132)
    wrong = reading(2, "2026-03-01 08:00", 230)
    right = reading(2, "2026-03-01 08:00", 130)
    Superseded.objects.create(event=wrong, by_event_id=right.pk, recorded="2026-03-02T00:00:00Z")
    reading(9, "2026-03-05 08:00", 199)  # a person we have not seen yet
    return residents


@pytest.fixture
def db_without_references(db: None):
    from healthbrain.kernel.db import execute

    execute("SET session_replication_role = replica")
    yield
    Link.objects.all().delete()
    execute("SET session_replication_role = origin")


def reading(identity: int, at: str, sbp: float) -> Event:
    return Event.objects.create(
        identity_id=identity,
        kind="observation",
        code="loinc|8480-6",
        at=dt.datetime.fromisoformat(at),
        value=sbp,
        unit="mm[Hg]",
        resource=uuid.uuid4(),
        recorded="2026-03-02T00:00:00Z",
    )


EXPRESSIONS = [parse(text, queries.catalogue()) for text in ("latest(sbp)", "previous(sbp)", "count(sbp)", "max(sbp)")]


def test_rows_read_all_identities_and_only_what_holds(county: list[Resident]) -> None:
    found = {row["resident_id"]: row for row in queries.rows([r.pk for r in county], all_calls(EXPRESSIONS), AS_OF)}
    first, second = (found[r.pk] for r in county)
    assert (first["latest_sbp"], first["previous_sbp"], first["count_sbp"], first["max_sbp"]) == (130, 132, 2, 132)
    assert (first["age"], first["as_of"]) == (56, AS_OF)
    assert (second["latest_sbp"], second["count_sbp"], second["age"]) == (None, 0, None)


def test_the_day_asked_for_decides(county: list[Resident]) -> None:
    (row,) = queries.rows([county[0].pk], all_calls(EXPRESSIONS), dt.date(2026, 2, 1))
    assert (row["latest_sbp"], row["previous_sbp"], row["count_sbp"]) == (132, None, 1)


def test_a_merge_moves_the_facts_without_touching_the_ledger(county: list[Resident]) -> None:
    Link.objects.filter(identity_id=2).update(resident=county[1])
    found = {
        row["resident_id"]: row["latest_sbp"]
        for row in queries.rows([r.pk for r in county], all_calls(EXPRESSIONS), AS_OF)
    }
    assert found == {county[0].pk: 132, county[1].pk: 130}


def test_history_explains_with_value_and_day(county: list[Resident]) -> None:
    history = queries.history(county[0].pk, AS_OF)
    outcome = evaluate(parse("latest(sbp) >= 140 or previous(sbp) >= 130", queries.catalogue()), history, AS_OF)
    assert outcome.value is True
    assert [(clause.holds, clause.readings[0].value, clause.readings[0].source.day) for clause in outcome.trace] == [
        (False, 130, dt.date(2026, 3, 1)),
        (True, 132, dt.date(2026, 1, 1)),
    ]
    with pytest.raises(NotFound):
        queries.history(10**9, AS_OF)


def test_the_lake_says_the_same_in_any_number_of_buckets(county: list[Resident], tmp_path: Path) -> None:
    write_lake(tmp_path)
    expected = {
        row["resident_id"]: row["latest_sbp"]
        for row in queries.rows([r.pk for r in county], all_calls(EXPRESSIONS), AS_OF)
    }
    for buckets in (1, 3):
        lake = queries.lake_connection(tmp_path)
        assert queries.write_facts(lake, all_calls(EXPRESSIONS), AS_OF, buckets=buckets) == 2
        assert dict(lake.execute("SELECT resident_id, latest_sbp FROM facts").fetchall()) == expected
        lake.close()


def write_lake(folder: Path) -> None:
    """The lake's files as records.refresh_lake lays them out."""
    writer = duckdb.connect()
    tables = {
        "event/1": ("records_event", 'id, identity_id, kind, code, "at", value, unit, text, flag, organisation_id'),
        "superseded/1": ("records_superseded", "event_id"),
        "link": ("residents_link", "identity_id, resident_id"),
        "resident": ("residents_resident", "id, birth_date, sex, deceased_on, moved_on, home_organisation_id"),
    }
    types = {
        "id": "BIGINT",
        "kind": "TEXT",
        "code": "TEXT",
        '"at"': "TIMESTAMP",
        "value": "DOUBLE",
        "unit": "TEXT",
        "text": "TEXT",
        "flag": "SMALLINT",
        "birth_date": "DATE",
        "sex": "TEXT",
        "deceased_on": "DATE",
        "moved_on": "DATE",
    }
    for name, (table, columns) in tables.items():
        (folder / name).parent.mkdir(exist_ok=True)
        names = columns.split(", ")
        writer.execute(f"CREATE OR REPLACE TABLE t ({', '.join(f'{n} {types.get(n, "BIGINT")}' for n in names)})")
        writer.executemany(
            f"INSERT INTO t VALUES ({', '.join('?' * len(names))})", db.select(f"SELECT {columns} FROM {table}")
        )
        writer.execute(f"COPY t TO '{folder / name}.parquet' (FORMAT parquet)")
    writer.close()
