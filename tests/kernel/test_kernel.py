"""Masking, ids, clock, crypto, database address."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthbrain.kernel.clock import local
from healthbrain.kernel.crypto import digest
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.kernel.ids import resource_key, stable_id
from healthbrain.kernel.masking import mask_id_number, mask_name, mask_phone
from healthbrain.kernel.postgres import django_database


@pytest.mark.parametrize(
    ("name", "masked"),
    [("张三", "张*"), ("张小明", "张*明"), ("欧阳建国", "欧**国"), ("王", "王"), ("", "—"), (None, "—")],
)
def test_names_are_masked(name: str | None, masked: str) -> None:
    assert mask_name(name) == masked


def test_numbers_are_masked() -> None:
    assert mask_id_number("330197198001011234") == "330***********1234"
    assert mask_phone("13812345678") == "138****5678"
    assert mask_phone(None) == "—"


@given(st.text(min_size=8, max_size=30))
def test_a_masked_number_never_shows_its_middle(number: str) -> None:
    assert mask_id_number(number)[3:-4] == "*" * (len(number) - 7)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_the_same_parts_give_the_same_id(parts: list[str]) -> None:
    assert stable_id(*parts) == stable_id(*parts)


def test_parts_do_not_run_into_each_other() -> None:
    assert stable_id("ab", "c") != stable_id("a", "bc")
    assert resource_key("Patient", "1") != resource_key("Observation", "1")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-20T08:30:00+08:00", "2026-03-20T08:30:00"),
        ("2026-03-20T23:30:00Z", "2026-03-21T07:30:00"),  # the county's day, not Greenwich's
        ("2026-03-20T08:30:00", "2026-03-20T08:30:00"),
    ],
)
def test_ledger_time_is_county_time(moment: str, expected: str) -> None:
    assert local(dt.datetime.fromisoformat(moment)) == dt.datetime.fromisoformat(expected)


def test_sm3_is_there_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert digest(b"abc") == hashlib.sha256(b"abc").digest()
    monkeypatch.setenv("HEALTHBRAIN_CRYPTO", "sm")
    # GB/T 32905-2016 appendix A, example 1
    assert digest(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_database_addresses() -> None:
    found = django_database("postgresql://hb:p%40ss@db.example:5433/county")
    assert (found["HOST"], found["PORT"], found["NAME"], found["PASSWORD"]) == ("db.example", "5433", "county", "p@ss")
    assert django_database("postgresql://postgres:@/postgres?host=/tmp/pg")["HOST"] == "/tmp/pg"
    with pytest.raises(HealthBrainError, match="PostgreSQL"):
        django_database("sqlite:///x.db")
