"""The index over real PostgreSQL: identities in, links out."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.county import actions as county
from healthbrain.residents import actions
from healthbrain.residents.actions import PersonRow
from healthbrain.residents.models import Identity, Link, Resident
from healthbrain.residents.rules import id_number

pytestmark = pytest.mark.django_db
BORN = dt.date(1985, 3, 12)
NUMBER = id_number.make("330197", BORN, 321)


def ids_of(*rows: PersonRow) -> list[int]:
    return list(actions.upsert_identities(rows).values())


def test_the_same_number_in_two_sources_is_one_resident():
    a, b = county.source("his-a").pk, county.source("his-b").pk
    ids = ids_of(
        PersonRow(a, "1", "张小明", "男", BORN, NUMBER, "138 0000 1111"), PersonRow(b, "x", "张小明", "1", BORN, NUMBER)
    )
    settled = actions.match_new(ids)
    assert len(set(settled.links.values())) == 1
    resident = Resident.objects.get()
    assert (resident.name, resident.sex, resident.birth_date, resident.id_number, resident.phone, resident.name_initials) == (
        "张小明", "1", BORN, NUMBER, "13800001111", "zxm",
    )  # fmt: skip
    assert sorted(Link.objects.values_list("rule", flat=True)) == ["id-number", "new"]


def test_a_stub_waits_until_its_person_arrives():
    a = county.source("his-a").pk
    (stub,) = actions.identity_stubs([(a, "7")]).values()
    assert actions.match_new([stub]).links == {}
    (same,) = ids_of(PersonRow(a, "7", "李四", "1", BORN))
    assert same == stub
    assert set(actions.match_new([stub]).links) == {stub}


def test_what_is_unknown_never_erases_what_was_known():
    a = county.source("his-a").pk
    ids_of(PersonRow(a, "7", "李四", "1", BORN, NUMBER, "13800001111"))
    ids_of(PersonRow(a, "7", "李思", None, None, None, None))
    identity = Identity.objects.get()
    assert (identity.name, identity.sex, identity.id_number, identity.phone) == ("李思", "1", NUMBER, "13800001111")
