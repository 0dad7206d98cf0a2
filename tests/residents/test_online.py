"""One arriving person: few statements, planned once, and the same judgement as when all are compared together."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from healthbrain.county import actions as county
from healthbrain.kernel import db as sql
from healthbrain.residents import actions, candidates, match
from healthbrain.residents.actions import PersonRow
from healthbrain.residents.models import Link
from tests.residents import made_up_crowd

SWITCHBOARD = "057187654321"


def stored(frame: pl.DataFrame) -> list[int]:
    sources = county.sources(frame["source"].unique().to_list())
    frame = frame.with_columns(
        source_key=pl.col("source_id"), source_id=pl.col("source").replace_strict(sources, return_dtype=pl.Int64)
    )
    ids = sorted(actions.upsert_identities(frame).values())
    actions.count_names()
    return ids


def found_by(pairs) -> dict[tuple[int, int], tuple[bool, int, float, float]]:
    return {
        (min(p.left, p.right), max(p.left, p.right)): (p.link, p.code, round(p.weight, 6), round(p.rarity, 6))
        for p in pairs
    }


def test_a_pair_is_judged_alike_alone_and_among_all(db):
    """With an institution's phone on both sides, common and rare names: what the batch blanks and counts, the online
    match blanks and counts."""
    frame = made_up_crowd.identities(700, 5, errors=0.5).with_row_index("nth")
    frame = frame.with_columns(phone=pl.when(pl.col("nth") % 9 == 0).then(pl.lit(SWITCHBOARD)).otherwise("phone"))
    ids = stored(frame.drop("nth"))
    with transaction.atomic(), sql.by_index():
        alone = found_by(match.online(candidates.load(ids))[0])
    together = found_by(pair for _, scored, _ in match._batch(ids) for pair in scored)
    both = alone.keys() & together.keys()
    assert len(both) > 500
    assert {pair: alone[pair] for pair in both} == {pair: together[pair] for pair in both}
    linked = [{pair for pair, (link, *_) in found.items() if link} for found in (alone, together)]
    assert len(linked[0] ^ linked[1]) <= 0.002 * len(linked[1])  # the two block in different ways


def statements_of_one(person: PersonRow) -> int:
    (identity,) = actions.upsert_identities([person]).values()
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert actions.match_new([identity], mode="online").links
    return len(seen)


def test_one_person_takes_few_statements_however_many_are_like_him(db):
    a, b = county.source("his-a").pk, county.source("his-b").pk
    born = dt.date(1980, 5, 6)
    stored(made_up_crowd.identities(200, 2))
    strange = statements_of_one(PersonRow(a, "nobody", "欧阳若水", "2", dt.date(1931, 2, 3)))
    alike = [PersonRow(a, f"{n}", f"王{made_up_crowd.MALE[n]}", "1", born, phone=f"138000{n:05}") for n in range(40)]
    actions.match_new(actions.upsert_identities(alike).values())
    known = statements_of_one(PersonRow(b, "1", alike[2].name, "1", born, phone=alike[2].phone))
    assert strange <= 13
    assert known <= 13


def test_a_common_key_is_cut_off_and_the_person_is_found_by_a_narrower_one(db):
    """400 people named 王 registered with the placeholder birthday: more than one block may bring."""
    a, b = county.source("his-a").pk, county.source("his-b").pk
    day = dt.date(1960, 1, 1)
    given = [x + y for x in made_up_crowd.MALE[:20] for y in made_up_crowd.FEMALE[:20]]
    rows = [PersonRow(a, f"{n}", f"王{name}", "2", day, address=f"东村{n}号") for n, name in enumerate(given)]
    actions.match_new(actions.upsert_identities(rows).values(), mode="batch")
    (mine,) = actions.upsert_identities([PersonRow(b, "x", f"王{given[-1]}", "2", day, address="东村399号")]).values()
    with transaction.atomic(), sql.by_index():
        found = candidates.find(candidates.load([mine])).of[mine]
    assert len(found) < 300
    assert f"王{given[-1]}" in {one.person.name for one in found}


def test_a_statement_is_planned_once_a_connection(db):
    text = "SELECT count(*) FROM residents_link WHERE identity_id = ANY(%s::bigint[])"

    def plans() -> list[tuple[int, int]]:
        found = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE %s"
        return sql.select(found, ("SELECT count(*) FROM residents_link WHERE%",))

    assert Link.objects.count() == 0
    for ids in ([1], [2, 3], list(range(sql.FEW))):
        assert sql.prepared(text, (ids,)) == [(0,)]
    assert plans() == [(3, 0)]
    assert sql.prepared(text, (list(range(sql.FEW + 1)),)) == [(0,)]
    assert plans() == [(3, 0)]


def test_by_index_leaves_nothing_behind(db):
    def settings() -> list[str]:
        return [sql.select(f"SHOW {name}")[0][0] for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")]

    with transaction.atomic():
        with sql.by_index():
            assert settings() == ["off", "off", "off"]
        assert settings() == ["on", "on", "on"]
    with pytest.raises(ZeroDivisionError), transaction.atomic(), sql.by_index():
        1 / 0  # noqa: B018
    assert settings() == ["on", "on", "on"]
