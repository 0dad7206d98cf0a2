"""Whatever a source writes into a person's fields, the row is stored and matched, and so are the rows beside it."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthbrain.county import actions as county
from healthbrain.residents import actions
from healthbrain.residents.rules import addresses, id_number, names
from healthbrain.residents.rules.person import person

# A lone surrogate cannot come: no reader of JSON, CSV, XLSX or HL7 gives one out.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["\x00", "王\x00芳", "王\ufffe", "·", "···", "𠮷野", "ﷺ" * 50, "之子", "½", "((((", "ß", "王" * 5_000,
     "e\u0301" * 100, "\u202e王", "🧑‍🤝‍🧑", "A´",
     "３３０１９７１９９００１０１００１Ｘ", "33019719900101001²", "第组组号号", "省市县号"]
)  # fmt: skip
MAYBE = st.none() | TEXT
ROW = st.fixed_dictionaries(
    dict.fromkeys(("name", "sex", "id_number", "phone", "address", "division_code"), MAYBE)
    | dict.fromkeys(("birth_date", "deceased_on"), st.none() | st.dates())
)


@given(TEXT, st.dates())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_text_has_a_form(text, day):
    id_number.parse(text)
    assert addresses.doors(addresses.key(text)) == addresses.doors(addresses.key(text))
    assert names.clean(names.clean(text)) == names.clean(text)
    person(id=1, name=text, birth_date=f"{day:%Y%m%d}".zfill(8), id_number_raw=text, phone=text, address=text)


@pytest.mark.parametrize("mode", ["online", "batch"])
@given(rows=st.lists(ROW, min_size=1, max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_row_is_stored_and_the_rows_beside_it_are_matched(db, mode, rows):
    source = county.source("his-a").pk
    plain = {"name": "王好", "birth_date": dt.date(1990, 1, 1), "source_key": "plain"}
    odd = [row | {"source_key": str(number)} for number, row in enumerate(rows)]
    with transaction.atomic():
        ids = actions.upsert_identities([row | {"source_id": source} for row in (*odd, plain)])
        links = actions.match_new(ids.values(), mode=mode).links
        assert len(ids) == len(rows) + 1
        assert ids[source, "plain"] in links
        transaction.set_rollback(True)
