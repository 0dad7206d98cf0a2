"""Checks an expression and rewrites it: terms and parameters unfold, every call becomes a column, types must fit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlglot import exp

from healthbrain.facts.rules import operators
from healthbrain.facts.rules.calls import ALIASES, CLOCKS, FUNCTIONS, VALUE_FUNCTIONS, Call, Selection, Tree
from healthbrain.facts.rules.catalogue import Catalogue, Fact, together
from healthbrain.facts.rules.duration import Duration, parse_duration
from healthbrain.facts.rules.located import located, where
from healthbrain.facts.rules.operators import SCALARS, same_type, scalar
from healthbrain.facts.rules.types import (
    ATTRIBUTES,
    BOOLEAN,
    DATE,
    INTERVAL,
    NUMBER,
    PAIR,
    TEXT,
    Scope,
    Type,
    Typed,
    date_node,
    duration_of,
    guess,
    interval_node,
    number_node,
    shifted,
    whole,
)
from healthbrain.kernel.errors import DefinitionError

Parse = Callable[[str], exp.Expr]
STARTING = frozenset({"first_at", "first_clock", "first_id", "streak_at"})
COUNTED = {"previous": 2, "previous_at": 2, "previous_id": 2, "streak_at": 1}  # calls with a count, and its lowest


class Checker:
    """One expression's check. `calls` collects what it needs."""

    def __init__(
        self,
        catalogue: Catalogue,
        terms: Mapping[str, tuple[list[str], str]],
        parameters: Mapping[str, Any],
        parse: Parse,
    ) -> None:
        self.catalogue, self.terms, self.parameters, self.parse = catalogue, terms, parameters, parse
        self.calls: set[Call] = set()
        self.unfolding: list[str] = []

    def check(self, node: exp.Expr, scope: Scope) -> Typed:
        rule = RULES.get(type(node))
        given = {key for key, value in node.args.items() if value not in (None, False, [])}
        if rule is None or given - PARTS.get(type(node), {"this", "expression"}):
            raise self.wrong(f"{node.sql('postgres')!r} is not part of the language", scope)
        return rule(self, node, scope)

    def check_as(self, node: exp.Expr, scope: Scope, wanted: Type) -> exp.Expr:
        """The rewritten node, which must be of the wanted type."""
        typed = self.check(node, scope)
        if typed.type.name not in {wanted.name, "null"}:
            raise self.wrong(f"{node.sql('postgres')!r} is a {typed.type.name}, {wanted.name} is needed", scope)
        return typed.node

    @staticmethod
    def wrong(message: str, scope: Scope) -> DefinitionError:
        place = where(scope.text)
        return DefinitionError(f"{place + ': ' if place else ''}{message}, in: {scope.text}")

    # Names ------------------------------------------------------------------------------------------------------

    def _column(self, node: exp.Column, scope: Scope) -> Typed:
        if node.table:  # x.sbp, where x is a term's argument or a pair
            return self._member(self._name(node.table, scope), node.name, scope)
        return self._name(node.name, scope)

    def _dot(self, node: exp.Dot, scope: Scope) -> Typed:
        return self._member(self.check(node.this, scope), node.expression.name, scope)

    def _member(self, typed: Typed, name: str, scope: Scope) -> Typed:
        if typed.member is None:
            raise self.wrong(f".{name} needs a pair before it, not a {typed.type.name}", scope)
        return typed.member(name)

    def _name(self, name: str, scope: Scope) -> Typed:
        if name in scope.arguments:
            typed = self.check(*scope.arguments[name])
            return replace(typed, node=whole(typed.node))
        if name in ATTRIBUTES:
            type_, text = ATTRIBUTES[name]
            return Typed(whole(self.parse(text)), type_)
        if name in self.parameters:
            return self._parameter(name, scope)
        if name in self.terms and not self.terms[name][0]:
            return self._term(name, [], scope)
        if name in self.catalogue and scope.mode == "occurrence":
            return self._fact_value(self.catalogue[name], scope)
        if name in self.catalogue:
            raise self.wrong(f"{name!r} is a fact; say which: latest({name}), ever({name}) …", scope)
        known = [*ATTRIBUTES, *self.parameters, *self.terms, *self.catalogue.facts]
        raise self.wrong(f"unknown name {name!r}{guess(name, known)}", scope)

    def _parameter(self, name: str, scope: Scope) -> Typed:
        given = self.parameters[name]
        entry = given if isinstance(given, Mapping) else {"value": given}
        unit = str(entry.get("unit", ""))
        default = self._constant(entry["value"], unit, name, scope)
        branches = []
        for row in entry.get("by", ()):
            inner = replace(scope, arguments={}, text=row["when"])
            condition = self.check_as(self.parse(row["when"]), inner, BOOLEAN)
            value = self._constant(row["value"], unit, name, scope)
            same_type(self, default, value, scope)
            branches.append(exp.If(this=condition, true=value.node))
        if not branches:
            return default
        return Typed(exp.Case(ifs=branches, default=default.node), default.type)

    def _constant(self, value: Any, unit: str, name: str, scope: Scope) -> Typed:
        if isinstance(value, bool):
            return Typed(exp.Boolean(this=value), BOOLEAN)
        if isinstance(value, int | float):
            return Typed(number_node(value), Type("number", unit))
        if isinstance(value, dt.date):
            return Typed(date_node(value), DATE)
        if isinstance(value, str) and value[:1].isdigit():
            return Typed(interval_node(parse_duration(value)), INTERVAL)
        if isinstance(value, str):
            return Typed(exp.Literal.string(str(value)), TEXT)
        raise self.wrong(f"parameter {name!r} must be a number, duration, date, text or truth value", scope)

    def _term(self, name: str, arguments: list[exp.Expr], scope: Scope) -> Typed:
        names, body = self.terms[name]
        if name in self.unfolding:
            raise self.wrong(f"term {name!r} speaks of itself", scope)
        if len(names) != len(arguments):
            raise self.wrong(f"term {name!r} takes {len(names)} argument(s), not {len(arguments)}", scope)
        bound = {n: (argument, scope) for n, argument in zip(names, arguments, strict=True)}
        self.unfolding.append(name)
        typed = self.check(self.parse(body), replace(scope, arguments=bound, text=body))
        self.unfolding.pop()
        return replace(typed, node=whole(typed.node))

    # Facts ------------------------------------------------------------------------------------------------------

    def _fact_value(self, fact: Fact, scope: Scope) -> Typed:
        """A fact by name inside a condition: the value of the occurrence at hand."""
        if fact.value == "pair":

            def member(name: str) -> Typed:
                return self._fact_value(self._member_of(fact, name, scope), scope)

            return Typed(exp.Null(), PAIR, member)
        if not fact.value:
            raise self.wrong(f"{fact.name!r} has no value to speak of", scope)
        scope.touched[fact.name] = fact
        type_ = Type("text", answers=fact.answers) if fact.value == "text" else Type("number", fact.unit)
        return Typed(exp.column(f"fact:{fact.name}"), type_)

    def _member_of(self, pair: Fact, name: str, scope: Scope) -> Fact:
        for fact in pair.members:
            if fact.name == name:
                return fact
        raise self.wrong(f"{pair.name!r} has no {name!r}; it has {', '.join(m.name for m in pair.members)}", scope)

    def _function(self, node: exp.Anonymous, scope: Scope) -> Typed:
        name = node.name.lower()
        positional = [part for part in node.expressions if not isinstance(part, exp.Kwarg)]
        named = {part.this.name: part.expression for part in node.expressions if isinstance(part, exp.Kwarg)}
        if name in self.terms and not named:
            return self._term(name, positional, scope)
        if name in SCALARS and not named:
            return scalar(self, name, positional, scope)
        known = [*FUNCTIONS, *ALIASES, *SCALARS, "days_since", *self.terms]
        if name not in {*FUNCTIONS, *ALIASES, "days_since"}:
            raise self.wrong(f"unknown function {name!r}{guess(name, known)}", scope)
        if scope.mode != "row":
            raise self.wrong(f"{name}(…) cannot stand inside another call", scope)
        return self._call(name, positional, named, scope)

    def _call(self, name: str, positional: list[exp.Expr], named: dict[str, exp.Expr], scope: Scope) -> Typed:
        function = ALIASES.get(name, name)
        if not positional or len(positional) > (2 if function in COUNTED else 1):
            raise self.wrong(f"{name}(…) takes one fact or one condition over one fact", scope)
        unknown = set(named) - {"within", "since", "after", "until"}
        if unknown:
            raise self.wrong(f"{name}(…) does not know {sorted(unknown)[0]!r}", scope)
        within = self._within(named.pop("within", None), scope) or scope.within
        selected = positional[0]
        fact = (
            self.catalogue.facts.get(selected.name) if isinstance(selected, exp.Column) and not selected.table else None
        )
        if fact is not None and fact.shape == "derived" and selected.name not in scope.arguments:
            return self._derived(fact, function, within, bool(named), scope)
        selection = self._selection(selected, named, scope)
        if function == "streak_at":
            selection = self._streak(selection, scope)
        if function in STARTING and within:  # within a window: of what lies in it
            selection, within = _starting(selection, within), None
        if function == "days_since":
            return self._days_since(Call("latest_at", selection, within=within))
        nth = self._nth(function, positional, scope)
        return self._column_of(Call(function, selection, nth=nth, within=within), scope)

    def _column_of(self, call: Call, scope: Scope) -> Typed:
        fact = call.selection.fact
        if call.function not in VALUE_FUNCTIONS:
            return self._use(call, Type(call.result, "h" if call.function in CLOCKS else ""))
        if not fact.value:
            raise self.wrong(f"{fact.name!r} has no value; ask {call.function}_at or ever", scope)
        if fact.value == "pair":

            def member(name: str) -> Typed:
                part = self._member_of(fact, name, scope)
                return self._use(replace(call, member=name), Type("number", part.unit))

            return Typed(exp.Null(), PAIR, member)
        if call.function in {"min", "max"} and fact.value != "number":
            raise self.wrong(f"{call.function}({fact.name}) needs numbers", scope)
        return self._use(call, Type(call.result, fact.unit, fact.answers))

    def _use(self, call: Call, type_: Type) -> Typed:
        self.calls.add(call)
        return Typed(exp.column(call.column), type_)

    def _days_since(self, call: Call) -> Typed:
        at = self._use(call, DATE)
        return Typed(exp.DateDiff(this=exp.column("as_of"), expression=at.node, unit=exp.var("DAY")), NUMBER)

    def _derived(self, fact: Fact, function: str, within: Duration | None, bounded: bool, scope: Scope) -> Typed:
        text = {"latest": fact.derived, "latest_at": fact.derived_at}.get(function)
        if not text or bounded:
            raise self.wrong(f"{fact.name!r} is derived: only latest and latest_at, with within, can be asked", scope)
        typed = self.check(self.parse(text), Scope(within=within, text=text))
        return Typed(whole(typed.node), Type("number", fact.unit) if function == "latest" else DATE)

    def _selection(self, node: exp.Expr, named: dict[str, exp.Expr], scope: Scope) -> Selection:
        bounds: dict[str, Any] = {}
        for key, bound in named.items():
            inner = replace(scope, mode="resident")
            bounds[key] = Tree.of(self.check_as(bound, inner, DATE))
        if isinstance(node, exp.Anonymous) and node.name.lower() == "together":
            first, second = (self._fact(part, scope) for part in node.expressions)
            return Selection(together(first, second), **bounds)
        if isinstance(node, exp.Column) and not node.table:
            if node.name in scope.arguments:
                argument, outer = scope.arguments[node.name]
                return self._selection(argument, named, outer)
            if node.name in self.catalogue:
                return Selection(self.catalogue[node.name], **bounds)
        return self._conditional(node, scope, bounds)

    def _fact(self, node: exp.Expr, scope: Scope) -> Fact:
        if not isinstance(node, exp.Column) or node.name not in self.catalogue:
            raise self.wrong(f"{node.sql('postgres')!r} is not a fact", scope)
        if self.catalogue[node.name].shape not in {"coded", "pair"}:
            raise self.wrong(f"{node.name!r} cannot be joined by 'with'", scope)
        return self.catalogue[node.name]

    def _conditional(self, node: exp.Expr, scope: Scope, bounds: dict[str, Any]) -> Selection:
        inner = replace(scope, mode="occurrence", touched={})
        condition = self.check_as(node, inner, BOOLEAN)
        names = frozenset(inner.touched)
        if not names:
            raise self.wrong(f"{node.sql('postgres')!r} speaks of no fact", scope)
        fact = self.catalogue[next(iter(names))] if len(names) == 1 else self.catalogue.pair_of(names)
        if fact is None:
            raise self.wrong(
                f"{', '.join(sorted(names))} are not one pair; a condition is about one fact or pair", scope
            )
        columns = {m.name: c for m, c in zip(fact.members, ("value", "value2"), strict=False)}
        columns[fact.name] = "text" if fact.value == "text" else "value"

        def rename(part: exp.Expr) -> exp.Expr:
            if isinstance(part, exp.Column) and part.name.startswith("fact:"):
                return exp.column(columns[part.name.removeprefix("fact:")])
            return part

        return Selection(fact, Tree.of(condition.transform(rename)), **bounds)

    def _streak(self, selection: Selection, scope: Scope) -> Selection:
        if selection.condition is None:
            raise self.wrong("streak_at(condition, n) takes a condition over one fact or pair", scope)
        return replace(selection, streak=True)

    def _within(self, node: exp.Expr | None, scope: Scope) -> Duration | None:
        if node is None:
            return None
        if isinstance(node, exp.Literal) and node.is_string:
            return parse_duration(located(node.name, where(scope.text)))
        fixed = self.check(node, replace(scope, mode="resident")).node
        if not isinstance(fixed, exp.Interval):
            raise self.wrong("within => takes a fixed duration such as '12 months'", scope)
        return duration_of(fixed)

    def _nth(self, function: str, positional: list[exp.Expr], scope: Scope) -> int:
        lowest = COUNTED.get(function, 1)
        if len(positional) == 1:
            return lowest
        given = positional[1]
        parameter = self.parameters.get(given.name) if isinstance(given, exp.Column) else None
        text = str(parameter["value"] if isinstance(parameter, Mapping) else parameter or given.name)
        if isinstance(given, exp.Literal | exp.Column) and text.isdigit() and int(text) >= lowest:
            return int(text)
        raise self.wrong(f"{function}(f, n): n is a number from {lowest} on (README of the facts)", scope)

    def first(self, typed: Typed, node: exp.Expr, scope: Scope) -> exp.Expr:
        """A pair exists only whole, so one member says whether it is there."""
        if typed.member is None:
            return typed.node
        if scope.mode != "row":
            raise self.wrong("inside a condition speak of the members of a pair", scope)
        pair = self._selection(node.expressions[0], {}, scope).fact if isinstance(node, exp.Anonymous) else None
        if pair is None and isinstance(node, exp.Column) and node.name in scope.arguments:
            inner, outer = scope.arguments[node.name]
            return self.first(typed, inner, outer)
        if pair is None:
            raise self.wrong("is null needs a call before it", scope)
        return typed.member(pair.members[0].name).node


def _starting(selection: Selection, within: Duration) -> Selection:
    """`selection` from the start of the window on. An `after` that is unknown still selects nothing."""
    start = shifted(exp.column("as_of"), interval_node(within), exp.Sub)
    if selection.after:
        other = selection.after.node.copy()
        later = exp.If(this=exp.GT(this=whole(other), expression=start), true=other)
        known = exp.If(this=exp.Not(this=exp.Is(this=whole(other), expression=exp.Null())), true=start)
        start = exp.Case(ifs=[later, known])
    return replace(selection, after=Tree.of(start))


RULES: dict[type[exp.Expr], Callable[[Checker, Any, Scope], Typed]] = {
    exp.Column: Checker._column,
    exp.Dot: Checker._dot,
    exp.Anonymous: Checker._function,
    exp.And: operators.logic,
    exp.Or: operators.logic,
    exp.Not: operators.logic,
    exp.Paren: operators.paren,
    exp.EQ: operators.comparison,
    exp.NEQ: operators.comparison,
    exp.GT: operators.comparison,
    exp.GTE: operators.comparison,
    exp.LT: operators.comparison,
    exp.LTE: operators.comparison,
    exp.Between: operators.between,
    exp.In: operators.in_,
    exp.Is: operators.is_,
    exp.Add: operators.arithmetic,
    exp.Sub: operators.arithmetic,
    exp.Mul: operators.arithmetic,
    exp.Div: operators.arithmetic,
    exp.Neg: operators.negative,
    exp.Case: operators.case,
    exp.Literal: operators.literal,
    exp.Interval: operators.interval_literal,
    exp.Cast: operators.date_literal,
    exp.Boolean: operators.boolean,
    exp.Null: operators.null,
}
PARTS: dict[type[exp.Expr], set[str]] = {  # what a node may carry; anything more is a corner of SQL we do not speak
    exp.Column: {"this", "table"},
    exp.Anonymous: {"this", "expressions"},
    exp.Between: {"this", "low", "high"},
    exp.In: {"this", "expressions"},
    exp.Case: {"ifs", "default"},
    exp.Literal: {"this", "is_string"},
    exp.Interval: {"this", "unit"},
    exp.Cast: {"this", "to"},
    exp.Div: {"this", "expression", "typed", "safe"},
}
