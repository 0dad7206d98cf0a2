"""The index over real PostgreSQL: identities in, links out, and what must never be linked."""

from __future__ import annotations

import datetime as dt
import threading

import numpy as np
import polars as pl
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from healthbrain.county import actions as county
from healthbrain.residents import actions, candidates, match, parts, queries
from healthbrain.residents.actions import PersonRow
from healthbrain.residents.models import Identity, Link, Resident, Review
from healthbrain.residents.rules import id_number
from tests.residents import made_up_crowd

BORN = dt.date(1985, 3, 12)
NUMBER = id_number.make("330197", BORN, 321)
PHONE, ADDRESS, PLACE = "13800001111", "安澜区临江镇东村12号", "330197101201"


@pytest.fixture
def two(db):
    return county.source("his-a").pk, county.source("his-b").pk


def ids_of(*rows: PersonRow) -> list[int]:
    return list(actions.upsert_identities(rows).values())


def row(
    source: int, key: str, name: str, born: dt.date | None = BORN, sex: str = "1", number: str | None = None, **rest
):
    rest = {"phone": PHONE, "address": ADDRESS, "division_code": PLACE} | rest
    return PersonRow(source, key, name, sex, born, number, **rest)


def residents_of(*rows: PersonRow, mode: str = "online") -> int:
    return len(set(actions.match_new(ids_of(*rows), mode=mode).links.values()))


def test_the_golden_record_of_one_number_in_two_sources(two):
    a, b = two
    ids = ids_of(
        PersonRow(a, "1", "张小明", "男", BORN, NUMBER, "138 0000 1111"), PersonRow(b, "x", "张小明", "1", BORN, NUMBER)
    )
    settled = actions.match_new(ids)
    assert len(set(settled.links.values())) == 1
    found = Resident.objects.get()
    assert (found.name, found.sex, found.birth_date, found.id_number, found.phone, found.name_initials) == (
        "张小明", "1", BORN, NUMBER, "13800001111", "zxm",
    )  # fmt: skip
    assert sorted(Link.objects.values_list("rule", flat=True)) == ["id-number", "new"]


def test_a_stub_waits_until_its_person_arrives(two):
    (stub,) = actions.identity_stubs([(two[0], "7")]).values()
    assert actions.match_new([stub]).links == {}
    (same,) = ids_of(row(two[0], "7", "李四"))
    assert same == stub
    assert set(actions.match_new([stub]).links) == {stub}


def test_what_is_unknown_never_erases_what_was_known(two):
    ids_of(row(two[0], "7", "李四", number=NUMBER))
    ids_of(PersonRow(two[0], "7", "李思"))
    identity = Identity.objects.get()
    assert (identity.name, identity.sex, identity.id_number, identity.phone) == ("李思", "1", NUMBER, PHONE)


SAME = [
    ("homophone", "张小明", {"name": "章晓鸣"}),
    ("look-alike", "王未", {"name": "王末"}),
    ("order swapped", "张小明", {"name": "小明张"}),
    ("pinyin only", "张小明", {"name": "Zhang Xiaoming"}),
    ("day and month swapped", "张小明", {"born": dt.date(1985, 12, 3)}),
    ("one digit of the date", "张小明", {"born": dt.date(1985, 3, 13)}),
    ("phone changed", "张小明", {"phone": "13900002222"}),
    ("15-digit number", "张小明", {"number": NUMBER[:6] + NUMBER[8:17]}),
]
APART = [
    ("twins", "张佳怡", {"name": "张佳悦"}),
    ("boy and girl twins", "张佳怡", {"name": "张佳意", "sex": "2"}),
    ("father and son with one phone", "张小明", {"name": "张大强", "born": dt.date(1960, 7, 9)}),
    ("two valid numbers", "张小明", {"number": id_number.make("330197", BORN, 323), "first_number": NUMBER}),
    ("a namesake", "张小明",
     {"born": dt.date(1961, 8, 27), "phone": "13900002222", "address": None, "division_code": None}),
    ("mother's number on a newborn", "王芳",
     {"name": "王小宝", "born": dt.date(2026, 3, 1), "number": NUMBER, "first_number": NUMBER}),
    ("mother's number on an unnamed newborn", "王芳",
     {"name": "王芳之子", "born": dt.date(2026, 3, 1), "number": NUMBER, "first_number": NUMBER}),
]  # fmt: skip


def _pair(two, name, changes):
    changes = dict(changes)
    first = row(two[0], "1", name, number=changes.pop("first_number", NUMBER if changes.get("number") else None))
    return first, row(two[1], "1", changes.pop("name", name), **changes)


@pytest.mark.parametrize("mode", ["online", "batch"])
@pytest.mark.parametrize(("case", "name", "changes"), SAME, ids=[c[0] for c in SAME])
def test_one_person_written_in_two_ways(two, case, name, changes, mode):
    assert residents_of(*_pair(two, name, changes), mode=mode) == 1


@pytest.mark.parametrize("mode", ["online", "batch"])
@pytest.mark.parametrize(("case", "name", "changes"), APART, ids=[c[0] for c in APART])
def test_two_persons_are_never_linked_by_the_matcher(two, case, name, changes, mode):
    assert residents_of(*_pair(two, name, changes), mode=mode) == 2


def test_arriving_one_after_the_other_is_the_same_as_together(two):
    first, second = _pair(two, "张小明", {"name": "张晓明"})
    assert residents_of(first) == 1
    actions.match_new(ids_of(second))
    assert Resident.objects.count() == 1
    link = Link.objects.get(rule="probabilistic")
    assert link.score > 0.99
    assert ["姓名", "同音字"] in [level[:2] for level in link.explanation["levels"]]


def test_twins_with_one_number_are_asked_about(two):
    assert residents_of(row(two[0], "1", "张佳怡", number=NUMBER), row(two[1], "1", "张子悦", number=NUMBER)) == 2
    assert Review.objects.get().explanation["veto"] == "身份证号相同而姓名不同，可能借用他人证件"


def test_a_correction_moves_a_link_only_on_an_exact_key(two):
    right = residents_of(row(two[0], "1", "张小明", number=NUMBER))
    actions.match_new(ids_of(PersonRow(two[1], "9", "李四", "1", dt.date(1950, 5, 5))))
    assert (right, Resident.objects.count()) == (1, 2)
    connection.cursor().execute("UPDATE residents_link SET linked_at = linked_at - interval '1 hour'")
    ids = ids_of(row(two[1], "9", "张小明", number=NUMBER))
    actions.match_new(ids)
    assert len(set(Link.objects.values_list("resident_id", flat=True))) == 1
    assert Resident.objects.filter(merged_into__isnull=False).count() == 1


def test_online_and_batch_make_the_same_residents(db, monkeypatch):
    frame = made_up_crowd.identities(400, 11)
    sources = county.sources(frame["source"].unique().to_list())
    frame = frame.with_columns(
        source_key=pl.col("source_id"), source_id=pl.col("source").replace_strict(sources, return_dtype=pl.Int64)
    )
    ids = sorted(actions.upsert_identities(frame).values())
    candidates.count_names()

    def groups(mode: str) -> set[frozenset[int]]:
        Review.objects.all().delete()
        Link.objects.all().delete()
        links = actions.match_new(ids, mode=mode).links
        return {frozenset(i for i in links if links[i] == r) for r in set(links.values())}

    together = groups("batch")
    assert groups("online") == together
    monkeypatch.setattr(parts, "PART", 50)
    monkeypatch.setattr(match, "_SLICE", 300)
    assert groups("batch") == together


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=25))
def test_components_are_what_walking_the_edges_finds(edges):
    def reached(node: int) -> set[int]:
        seen, todo = {node}, [node]
        while todo:
            here = todo.pop()
            near = {b for a, b in edges if a == here} | {a for a, b in edges if b == here}
            todo += near - seen
            seen |= near
        return seen

    left, right = np.array([a for a, _ in edges], int), np.array([b for _, b in edges], int)
    assert parts.components(left, right, 20).tolist() == [min(reached(node)) for node in range(20)]


def test_exports_tell_links_and_residents(two):
    residents_of(*_pair(two, "张小明", {"name": "张晓明"}))
    links = list(queries.export_links())
    assert [(source, key) for source, key, *_ in links] == [("his-a", "1"), ("his-b", "1")]
    assert {r for _, _, r, _, _ in links} == {Resident.objects.get().pk}
    assert [row[-1] for row in queries.export_residents()] == [2]


def test_match_asks_without_storing(two):
    residents_of(row(two[0], "1", "张小明", number=NUMBER))
    found = queries.match_candidates(name="张晓明", sex="1", birth_date=BORN, phone=PHONE)
    assert [(c.resident_id, c.grade) for c in found] == [(Resident.objects.get().pk, "certain")]
    assert Identity.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_processes_at_once_make_one_resident():
    a, b = county.source("his-a").pk, county.source("his-b").pk
    start, failed = threading.Barrier(2), []

    def arrive(source: int) -> None:
        from django.db import transaction

        try:
            start.wait()
            with transaction.atomic():
                actions.match_new(ids_of(row(source, "1", "张小明", number=NUMBER)))
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=arrive, args=(source,)) for source in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert Resident.objects.count() == 1
    assert Link.objects.count() == 2
