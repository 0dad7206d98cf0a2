"""Different people who look like one: twins, siblings, couples, parents and children, namesakes. Never linked."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from healthbrain.county import actions as county
from healthbrain.residents import actions, persons, train
from healthbrain.residents.linkage import cluster_frame
from healthbrain.residents.models import Link, Review
from healthbrain.residents.rules import id_number
from healthbrain.residents.rules.compare import ALIKE_NAMES, BORN, NAME
from healthbrain.residents.rules.decide import LINK, Population, judge
from healthbrain.residents.rules.person import person
from tests.residents.made_up_crowd import FEMALE, MALE

SIZES = st.sampled_from([500, 20_000, 1_650_000])
DATES = st.dates(dt.date(1930, 1, 1), dt.date(2026, 6, 1)).map(lambda day: f"{day:%Y%m%d}")
GIVEN = st.text(st.sampled_from(MALE + FEMALE), min_size=1, max_size=2)
HOME = {"phone": "15400000011", "address": "清溪镇上塘村8组102号", "division_code": "330197101201"}


def _linked(size: int, a: dict, b: dict) -> bool:
    first, second = person(id=1, **a), person(id=2, **b)
    known = Population(size, {first.pinyin: 2, second.pinyin: 2})
    decisions = {judge(train.model(), known, *pair).decision for pair in ((first, second), (second, first))}
    assert len(decisions) == 1
    return decisions == {LINK}


@given(SIZES, st.sampled_from("王李张欧"), GIVEN, GIVEN, DATES, DATES, st.sampled_from("12"), st.data())
@settings(max_examples=150, deadline=None)
def test_one_household_two_names(size, surname, one, other, born, later, sex, data):
    """Twins (one day), siblings, father and son, husband and wife, whatever they share and whatever is missing."""
    a = HOME | {"name": surname + one, "sex": sex, "birth_date": born}
    born_too = data.draw(st.sampled_from([born, later, born[:4] + "0101", ""]))
    b = HOME | {"name": data.draw(st.sampled_from([surname, "赵"])) + other, "sex": data.draw(st.sampled_from("012")),
                "birth_date": born_too}  # fmt: skip
    for missing in data.draw(st.sets(st.sampled_from(["phone", "address"]))):
        b[missing] = None
    assume(NAME.outcome(person(id=1, name=a["name"]), person(id=2, name=b["name"])).key not in ALIKE_NAMES)
    assert not _linked(size, a, b)


@given(SIZES, st.sampled_from("王李张欧"), GIVEN, DATES, DATES, st.data())
@settings(max_examples=150, deadline=None)
def test_one_village_one_name(size, surname, one, born, other, data):
    """Namesakes of one village, each with a home of his own; on one birthday of a placeholder, too."""
    other = data.draw(st.sampled_from([other, born[:4] + other[4:].replace("0229", "0228"), born[:4] + "0101"]))
    a = HOME | {"name": surname + one, "sex": "2", "birth_date": born}
    b = a | {"birth_date": other} | data.draw(st.sampled_from([
        {"phone": "15400000022", "address": "清溪镇上塘村8组103号"}, {"phone": None, "address": "清溪镇上塘村"},
        {"phone": "15400000022", "address": "清溪镇上塘村8组"}, {"phone": None, "address": None},
    ]))  # fmt: skip
    dates = BORN.outcome(person(id=1, birth_date=born), person(id=2, birth_date=other)).key
    assume(dates in {"month", "year", "else", "placeholder"})
    assert not _linked(size, a, b)


MOTHER = id_number.make("330197", dt.date(1996, 5, 26), 320)
BABY = HOME | {"sex": "2", "birth_date": "20261026"}
CHILDREN = [
    # two rows that came, of two people
    (BABY | {"name": "史妮之大女"}, BABY | {"name": "史妮之小女"}),
    (BABY | {"name": "史妮之女"}, BABY | {"name": "史妮之女"}),  # twins whom the ward did not number
    (BABY | {"name": "史妮之女", "id_number": MOTHER}, BABY | {"name": "史妮之女", "id_number": MOTHER}),
    (BABY | {"name": "史妮之女", "id_number": MOTHER}, BABY | {"name": "史妮之女", "id_number": MOTHER,
                                                              "birth_date": "20241230"}),
    (BABY | {"name": "史妮之女", "id_number": MOTHER, "birth_date": ""},
     HOME | {"name": "史妮", "sex": "2", "birth_date": "19960526", "id_number": MOTHER}),
    (BABY | {"name": "范一涵", "id_number": MOTHER},
     HOME | {"name": "史妮", "sex": "2", "birth_date": "19960526", "id_number": MOTHER}),
    (BABY | {"name": "史妮之女"}, BABY | {"name": "方兰之女", "division_code": "330197101202"}),  # one ward's telephone
    (BABY | {"name": "范一涵"}, BABY | {"name": "范一诺"}),
    (BABY | {"name": "范琳"}, BABY | {"name": "范玲"}),  # said alike in the east
    (BABY | {"name": "范一涵"}, BABY | {"name": "范一晗", "sex": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), CHILDREN)
@pytest.mark.parametrize("size", [500, 50_000, 1_650_000])
def test_newborns_their_twins_and_their_mothers(a, b, size):
    assert not _linked(size, a, b)


@pytest.mark.parametrize("pair", CHILDREN)
def test_the_batch_keeps_them_apart_too(pair):
    frame = pl.DataFrame(pair, infer_schema_length=None).with_row_index("id", offset=1)
    frame = frame.with_columns(pl.col("id").cast(pl.Int64), pl.col("birth_date").str.to_date("%Y%m%d", strict=False))
    roots, _ = cluster_frame(persons.persons(frame), train.load())
    assert roots["root"].n_unique() == 2


TWINS_AT_HOME = {
    "sex": "1",
    "birth_date": dt.date(2026, 3, 5),
    "phone": "13900000001",
    "address": "清溪镇上塘村8组103号",
}


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["online", "batch"])
@pytest.mark.parametrize("known_before", [True, False])
@pytest.mark.parametrize("second", [{}, {"address": None}, {"phone": None, "address": None}])
def test_the_ward_s_stand_in_fits_neither_twin_for_sure(mode, known_before, second):
    """许颖颖之子 with his mother's number, and her two sons: also when they were there first, or one is known less."""
    public, ward = county.source("PH").pk, county.source("HIS").pk
    rows = [
        TWINS_AT_HOME | {"source_id": public, "source_key": "a", "name": "许小明"},
        TWINS_AT_HOME | second | {"source_id": public, "source_key": "b", "name": "许小亮"},
        TWINS_AT_HOME | {"source_id": ward, "source_key": "x", "name": "许颖颖之子", "id_number": "330197199203034024"},
    ]
    found: dict[str, int] = {}
    for together in [rows[:2], rows[2:]] if known_before else [rows]:
        ids = actions.upsert_identities(together)
        actions.match_new(ids.values(), mode=mode)
        found |= {key: identity for (_, key), identity in ids.items()}
    residents = {key: Link.objects.get(pk=identity).resident_id for key, identity in found.items()}
    assert len(set(residents.values())) == 3, residents
    asked = {frozenset(pair) for pair in Review.objects.values_list("left_id", "right_id")}
    assert frozenset((found["a"], found["x"])) in asked


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["online", "batch"])
def test_the_ward_s_stand_in_of_an_only_child_is_he(mode):
    public, clinic, ward = (county.source(code).pk for code in ("PH", "CLINIC", "HIS"))
    ids = actions.upsert_identities(
        [
            TWINS_AT_HOME | {"source_id": public, "source_key": "a", "name": "许小明"},
            TWINS_AT_HOME | {"source_id": clinic, "source_key": "a2", "name": "许小明"},
        ]
    )
    actions.match_new(ids.values(), mode=mode)
    late = TWINS_AT_HOME | {"source_id": ward, "source_key": "x", "name": "许颖颖之子"}
    ids |= actions.upsert_identities([late])
    actions.match_new(ids.values(), mode=mode)
    assert Link.objects.filter(pk__in=ids.values()).values("resident_id").distinct().count() == 1
