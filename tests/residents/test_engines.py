"""The batch in DuckDB and the online match in Python must say the same of every pair; and how good both are."""

from __future__ import annotations

import functools

import polars as pl
import pytest

from healthbrain.residents import pairs, persons, train
from healthbrain.residents.linkage import linkage_report, load_people
from healthbrain.residents.rules import id_number
from healthbrain.residents.rules.decide import TWINS, Population, code_of, judge
from healthbrain.residents.rules.person import Person, person
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


LI = {
    "name": "李雨桐",
    "sex": "2",
    "phone": "15400000011",
    "address": "东风村8组102号",
    "division_code": "330197101001",
}
SAME_PERSON = [
    # what differs in the second record                                decision, why a person is asked
    ({"birth_date": "19860828"}, "link", ""),  # a birthday by the moon calendar, everything else agrees
    ({"birth_date": "19760828"}, "link", ""),
    ({"birth_date": "19860828", "address": "石桥村1组2号"}, "link", ""),  # namesakes under one telephone
    ({"birth_date": "19860828", "phone": "15400000022"}, "link", ""),  # namesakes behind one door
    ({"birth_date": "19861128", "phone": "15400000022"}, "ask", "出生日期不同"),  # a dormitory has one door too
    ({"birth_date": "19761128", "address": "石桥村1组2号"}, "ask", "出生日期不同"),
    ({"birth_date": "19861128", "address": "石桥村1组2号", "phone": "15400000022"}, "ask", "出生日期不同"),
    ({"birth_date": "19860629", "phone": "15400000022", "address": None}, "link", ""),  # the same day by the moon
    ({"birth_date": "19850804", "phone": None}, "link", ""),  # a year more by the old way of counting
    ({"birth_date": "19860101", "phone": None}, "link", ""),  # only the year was known
    ({"birth_date": "19860101", "phone": None, "address": None}, "ask", "出生日期不同"),
    # sisters share phone and door, and sound alike
    ({"birth_date": "19860828", "name": "李雨彤"}, "ask", "出生日期不同"),
    ({"name": "李雨彤"}, "link", ""),
    ({"name": "李雨菲"}, "ask", TWINS),
    ({"name": "李桂桐"}, "ask", TWINS),
    ({"name": "李雨童", "sex": "1"}, "ask", "性别不同"),  # a brother and a sister of one day
    ({"sex": "1"}, "link", ""),  # nobody's brother bears her very name
    ({"sex": "1", "phone": None, "address": None}, "ask", "性别不同"),
]


@pytest.mark.parametrize(("changed", "decision", "why"), SAME_PERSON)
def test_what_follows_from_a_pair(changed, decision, why):
    first = person(id=1, **LI, birth_date="19860804")
    second = person(id=2, **(LI | {"birth_date": "19860804"} | changed))
    seen = judge(train.model(), Population(50_000, {}), first, second)
    assert (seen.decision, seen.veto) == (decision, why)


def test_a_number_with_the_birth_date_mistyped_and_the_name_turned_round_is_still_the_number():
    number = "330197200912019167"
    first = person(id=1, name="邱立斌", sex="2", birth_date="20091201", id_number=number)
    second = person(id=2, name="邱斌立", sex="2", birth_date="20101201", id_number=number)
    assert judge(train.model(), Population(50_000, {}), first, second).rule == "id-number"
