"""The batch in DuckDB and the online match in Python must say the same of every pair; and how good both are."""

from __future__ import annotations

import functools

import polars as pl
import pytest

from healthbrain.residents import pairs, persons, train
from healthbrain.residents.linkage import linkage_report, load_people
from healthbrain.residents.rules import id_number
from healthbrain.residents.rules.compare import Person
from healthbrain.residents.rules.decide import Population, code_of, judge
from tests.residents import made_up_crowd


@functools.cache
def crowd() -> pl.DataFrame:
    frame = made_up_crowd.identities(1_500, 3, errors=0.5)
    parsed = [id_number.parse(text) for text in frame["id_number"]]
    raw = [None if n else text for n, text in zip(parsed, frame["id_number"], strict=True)]
    numbers = pl.Series("id_number", [n.number if n else None for n in parsed], dtype=pl.Utf8)
    made = persons.persons(frame.with_columns(numbers, pl.Series("id_number_raw", raw, dtype=pl.Utf8)))
    counts = made["pinyin"].value_counts().rename({"count": "bearers"})
    return made.join(counts, on="pinyin", how="left")


def test_levels_weights_and_decisions_agree_on_every_candidate_pair():
    frame, model = crowd(), train.load()
    connection = persons.connect()
    load_people(connection, frame)
    counts = dict(frame.select("pinyin", "bearers").unique().iter_rows())
    population = Population(frame.height, counts)
    scored = pairs.score(connection, model, population, keep_all=True)
    columns = list(Person.__dataclass_fields__)
    who = {}
    for row in frame.select(columns).iter_rows(named=True):
        who[row["id"]] = Person(**row | {"cuts": tuple(row["cuts"])})
    assert scored.height > 5_000
    for a, b, code, total, veto, decision in scored.select("a", "b", "code", "total", "veto", "decision").iter_rows():
        seen, turned = judge(model, population, who[a], who[b]), judge(model, population, who[b], who[a])
        assert (code_of(seen.outcomes), seen.decision) == (code, decision), (who[a], who[b])
        assert seen.total == pytest.approx(total)
        assert seen == turned
        if seen.rule != "id-number":
            assert seen.veto == veto


def test_no_candidate_of_one_person_is_lost_by_blocking():
    """Every pair of one person's identities that Python would link is among the candidates."""
    frame, model = crowd(), train.load()
    connection = persons.connect()
    load_people(connection, frame)
    found = set(pairs.score(connection, model, Population(0, {}), keep_all=True).select("a", "b").iter_rows())
    columns = list(Person.__dataclass_fields__)
    lost = total = 0
    for _, group in frame.group_by("person"):
        rows = [Person(**r | {"cuts": tuple(r["cuts"])}) for r in group.select(columns).iter_rows(named=True)]
        for i, a in enumerate(rows):
            for b in rows[i + 1 :]:
                if judge(model, Population(0, {}), a, b).decision == "link":
                    total += 1
                    lost += (min(a.id, b.id), max(a.id, b.id)) not in found
    assert total > 1_000
    assert lost <= total * 0.002  # two errors at once, in the name and in the date


@pytest.mark.parametrize("without_id_number", [True, False])
def test_planted_duplicates_are_found_and_strangers_are_not_linked(without_id_number):
    report = linkage_report(made_up_crowd.identities(8_000, 42), without_id_number=without_id_number)
    assert report["planted"] > 1_000
    assert report["planted_recall"] >= 0.95
    assert report["precision"] >= 0.999
    assert report["recall"] >= 0.98
