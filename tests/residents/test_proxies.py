"""May this authority be given, and until when: a table of cases against the rules of knowledge/proxies."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.access.roles import SCOPES
from healthbrain.kernel.errors import Invalid
from healthbrain.residents.proxies import knowledge
from healthbrain.residents.rules.proxies import Wanted, comes_of_age, last_day

TODAY = dt.date(2026, 4, 1)
YEAR = dt.date(2027, 3, 31)
BOOK = {"evidence": "household-register", "evidence_text": "330197-0012 安澜区公安分局"}
COURT = {"evidence": "court", "evidence_text": "（2026）浙0197民特3号"}
FORM = {"evidence": "signed-form", "evidence_text": "2026-04-01 本人签字"}


def ask(basis: str = "consent", ends: dt.date = YEAR, birth: dt.date | None = dt.date(1950, 5, 6), **more) -> dt.date:
    wanted = Wanted(basis, more.pop("relation", "child"), more.pop("scopes", ("transport",)), ends, **more)
    return last_day(wanted, birth=birth, today=TODAY, known=knowledge(), scopes=SCOPES)


@pytest.mark.parametrize(
    ("given", "until"),
    [
        ({}, YEAR),
        ({"ends": TODAY}, TODAY),
        ({"basis": "paper", **FORM}, YEAR),
        ({"basis": "incapable", "ends": dt.date(2046, 1, 1), **COURT}, dt.date(2046, 1, 1)),
        ({"basis": "minor", "birth": dt.date(2015, 6, 1), **BOOK}, YEAR),
        # the eve of the eighteenth birthday, whatever was asked
        ({"basis": "minor", "birth": dt.date(2008, 6, 1), **BOOK}, dt.date(2026, 5, 31)),
        ({"basis": "minor", "birth": dt.date(2012, 2, 29), "ends": dt.date(2040, 1, 1), **BOOK}, dt.date(2030, 2, 28)),
    ],
)
def test_what_is_granted_ends_when_it_must(given: dict, until: dt.date) -> None:
    assert ask(**given) == until


@pytest.mark.parametrize(
    "given",
    [
        {"relation": "friend"},
        {"scopes": ()},
        {"scopes": ("record", "everything")},
        {"ends": TODAY - dt.timedelta(days=1)},
        {"ends": dt.date(2031, 1, 1)},
        {"basis": "paper"},
        {"basis": "paper", **COURT},
        {"basis": "minor", "birth": dt.date(2015, 6, 1)},
        {"basis": "minor", "birth": dt.date(2015, 6, 1), **(BOOK | {"evidence_text": " 1 "})},
        {"basis": "minor", "birth": dt.date(2008, 4, 1), **BOOK},  # eighteen today
        {"basis": "minor", "birth": None, **BOOK},
        {"basis": "incapable", **BOOK},  # a household register proves no incapacity
    ],
)
def test_what_may_not_be_granted_is_refused(given: dict) -> None:
    with pytest.raises(Invalid):
        ask(**given)


def test_who_is_born_on_a_leap_day_comes_of_age_on_the_first_of_march_of_a_common_year() -> None:
    assert comes_of_age(dt.date(2008, 2, 29), 18) == dt.date(2026, 3, 1)
    assert comes_of_age(dt.date(2008, 2, 29), 20) == dt.date(2028, 2, 29)
