"""Types of the expression language, what is known of the resident, and where a name is looked up."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from healthbrain.facts.rules.catalogue import Fact
from healthbrain.facts.rules.duration import Duration
from healthbrain.kernel.errors import DefinitionError


@dataclass(frozen=True)
class Type:
    """boolean, number, date, text, interval, pair or null; numbers have a unit, coded texts their possible answers."""

    name: str
    unit: str = ""
    answers: tuple[str, ...] = ()


BOOLEAN, NUMBER, DATE, TEXT, INTERVAL, PAIR, NULL = map(
    Type, ("boolean", "number", "date", "text", "interval", "pair", "null")
)
SEX = Type("text", answers=("0", "1", "2", "9"))  # GB/T 2261.1
ATTRIBUTES: dict[str, tuple[Type, str]] = {  # name → its type, and what it stands for over the resident's columns
    "age": (Type("number", "a"), "age"),
    "age_months": (Type("number", "mo"), "age_months"),
    "sex": (SEX, "sex"),
    "male": (BOOLEAN, "CASE WHEN sex = '1' THEN TRUE WHEN sex = '2' THEN FALSE END"),
    "female": (BOOLEAN, "CASE WHEN sex = '2' THEN TRUE WHEN sex = '1' THEN FALSE END"),
    "birth_date": (DATE, "birth_date"),
    "deceased_on": (DATE, "deceased_on"),
    "moved_on": (DATE, "moved_on"),
    "died": (BOOLEAN, "deceased_on IS NOT NULL AND deceased_on <= as_of"),
    "moved": (BOOLEAN, "moved_on IS NOT NULL AND moved_on <= as_of"),
    "contract": (BOOLEAN, "contract_team_id IS NOT NULL"),
    "home_organisation_id": (NUMBER, "home_organisation_id"),
    "contract_team_id": (NUMBER, "contract_team_id"),
    "resident_id": (NUMBER, "resident_id"),
    "as_of": (DATE, "as_of"),
}


@dataclass(frozen=True)
class Typed:
    """A rewritten node and its type. A pair has no node of its own: `member` gives one of its numbers."""

    node: exp.Expr
    type: Type
    member: Callable[[str], Typed] | None = None


@dataclass(frozen=True)
class Scope:
    """Where a name is looked up. mode: "row" (calls allowed), "occurrence" (facts by name), "resident" (neither)."""

    mode: str = "row"
    arguments: Mapping[str, tuple[exp.Expr, Scope]] = field(default_factory=dict)
    touched: dict[str, Fact] = field(default_factory=dict)  # the facts a condition speaks of
    within: Duration | None = None  # what a derived fact hands down to its calls
    text: str = ""  # for the error message


class Checks(Protocol):
    """What an operator's rule asks of the checker."""

    def check(self, node: exp.Expr, scope: Scope) -> Typed: ...

    def check_as(self, node: exp.Expr, scope: Scope, wanted: Type) -> exp.Expr: ...

    def first(self, typed: Typed, node: exp.Expr, scope: Scope) -> exp.Expr: ...

    def wrong(self, message: str, scope: Scope) -> DefinitionError: ...


def number_node(value: float) -> exp.Expr:
    node = exp.Literal.number(repr(abs(value)))
    return exp.Paren(this=exp.Neg(this=node)) if value < 0 else node


def date_node(value: dt.date) -> exp.Expr:
    return exp.cast(exp.Literal.string(value.isoformat()), "date")


def interval_node(value: Duration) -> exp.Expr:
    number, unit = (value.months, "MONTHS") if value.months else (value.days, "DAYS")
    return exp.Interval(this=exp.Literal.string(str(number)), unit=exp.var(unit))


def duration_of(node: exp.Expr) -> Duration:
    number = int(node.this.name)
    return Duration(months=number) if node.args["unit"].name == "MONTHS" else Duration(days=number)


def shifted(date: exp.Expr, by: exp.Expr, step: type[exp.Add] | type[exp.Sub]) -> exp.Expr:
    """`date` plus or minus a duration. Days are counted as whole numbers and never as INTERVAL '90 days': DuckDB takes
    that to be equal to INTERVAL '3 months' and then computes only one of the two."""
    if isinstance(by, exp.Paren):
        return shifted(date, by.this, step)
    if isinstance(by, exp.Case):
        branches = [exp.If(this=i.this.copy(), true=shifted(date, i.args["true"], step)) for i in by.args["ifs"]]
        default = by.args.get("default")
        return exp.Case(ifs=branches, default=None if default is None else shifted(date, default, step))
    if isinstance(by, exp.Null):
        return exp.Null()
    duration = duration_of(by)
    if duration.months:
        return exp.cast(step(this=whole(date.copy()), expression=interval_node(duration)), "date")
    return exp.Paren(this=step(this=whole(date.copy()), expression=exp.Literal.number(duration.days)))


def whole(node: exp.Expr) -> exp.Expr:
    """`node` in parentheses unless it is one word already."""
    return node if isinstance(node, exp.Column | exp.Literal | exp.Paren | exp.Case) else exp.Paren(this=node)


def guess(name: str, known: Iterable[str]) -> str:
    """', did you mean …?' when a known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
