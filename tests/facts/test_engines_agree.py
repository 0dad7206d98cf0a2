"""PostgreSQL, DuckDB and the reference engine give the same answer to any expression about any history."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any

import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.rules.compile import facts_sql
from healthbrain.facts.rules.language import Expression, all_calls, parse
from healthbrain.facts.rules.reference import evaluate

from . import generate
from .engines import in_duckdb, in_postgres

pytestmark = pytest.mark.django_db


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_any_expression_about_any_history(random: Random) -> None:
    cases = generate.cases(random, random.randrange(1, 6), most_events=5)
    agree(cases, [read(generate.boolean(random, depth=2)) for _ in range(random.randrange(1, 4))])


@pytest.mark.parametrize("seed", range(8))
def test_many_residents_and_expressions_at_once(seed: int) -> None:
    random = Random(seed)
    cases = generate.cases(random, 250, most_events=14)
    agree(cases, [read(generate.boolean(random)) for _ in range(20)])


@pytest.mark.parametrize("seed", range(3))
def test_spark_text_can_be_read_by_spark_grammar(seed: int) -> None:
    random = Random(seed)
    expressions = [read(generate.boolean(random)) for _ in range(20)]
    text = facts_sql(all_calls(expressions), "spark", residents="residents", events="events", as_of="DATE '2026-04-01'")
    tree = sqlglot.parse_one(text, read="spark")
    assert {column.alias_or_name for column in tree.selects} >= {call.column for call in all_calls(expressions)}
    for expression in expressions:
        sqlglot.parse_one(expression.sql("spark"), read="spark")


def read(text: str) -> Expression:
    return parse(text, catalogue(), terms=generate.TERMS, parameters=generate.PARAMETERS)


def agree(cases: list[generate.Case], expressions: list[Expression]) -> None:
    postgres, duck = in_postgres(cases, expressions), in_duckdb(cases, expressions)
    for case in cases:
        number = case.history.resident.resident_id
        for n, expression in enumerate(expressions):
            expected = evaluate(expression, case.current, case.as_of)
            got = {"postgres": postgres[number][n], "duckdb": duck[number][n]}
            assert all(same(value, expected.value) for value in got.values()), explain(expression, case, expected, got)


def same(left: Any, right: Any) -> bool:
    return left == right and (left is None) == (right is None)


def explain(expression: Expression, case: generate.Case, expected: Any, got: dict[str, Any]) -> str:
    events = "\n".join(f"  {event}" for event in sorted(case.current.events, key=lambda e: (e.at, e.id)))
    readings = "\n".join(f"  {r.call.column} = {r.value}" for clause in expected.trace for r in clause.readings)
    return (
        f"{expression.text}\n= {expression.meaning}\nreference {expected.value}, {got}\nas of {case.as_of}\n"
        f"{case.current.resident}\n{events}\n{readings}"
    )


def test_a_resident_without_any_event_has_a_row() -> None:
    nobody = generate.Case(generate.History(generate.ResidentRow(1)), frozenset(), dt.date(2026, 4, 1))
    expressions = [read(text) for text in ("ever(sbp)", "count_days(sbp) = 0", "latest(sbp) >= 140", "age >= 35")]
    assert in_postgres([nobody], expressions) == in_duckdb([nobody], expressions) == {1: (False, True, None, None)}
