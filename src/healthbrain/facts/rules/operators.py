"""Operators and literals of the language: which types they take, and what they give."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from sqlglot import exp

from healthbrain.facts.rules.duration import parse_duration
from healthbrain.facts.rules.located import located, where
from healthbrain.facts.rules.types import (
    BOOLEAN,
    DATE,
    INTERVAL,
    NULL,
    NUMBER,
    TEXT,
    Checks,
    Scope,
    Type,
    Typed,
    date_node,
    interval_node,
    shifted,
    whole,
)

SCALARS = {
    "coalesce": exp.Coalesce,
    "greatest": exp.Greatest,
    "least": exp.Least,
    "abs": exp.Abs,
    "start_of_year": exp.DateTrunc,
}


def logic(checker: Checks, node: exp.Expr, scope: Scope) -> Typed:
    parts = {
        key: checker.check_as(node.args[key], scope, BOOLEAN) for key in ("this", "expression") if key in node.args
    }
    return Typed(type(node)(**parts), BOOLEAN)


def paren(checker: Checks, node: exp.Paren, scope: Scope) -> Typed:
    typed = checker.check(node.this, scope)
    return replace(typed, node=whole(typed.node))


def comparison(checker: Checks, node: exp.Expr, scope: Scope) -> Typed:
    left, right = checker.check(node.this, scope), checker.check(node.expression, scope)
    same_type(checker, left, right, scope)
    if left.type.name in {"text", "boolean"} and not isinstance(node, exp.EQ | exp.NEQ):
        raise checker.wrong(f"{node.sql('postgres')!r}: a {left.type.name} has no order", scope)
    return Typed(type(node)(this=left.node, expression=right.node), BOOLEAN)


def between(checker: Checks, node: exp.Between, scope: Scope) -> Typed:
    parts = [checker.check(node.args[key], scope) for key in ("this", "low", "high")]
    for part in parts[1:]:
        same_type(checker, parts[0], part, scope)
    if parts[0].type.name not in {"number", "date"}:
        raise checker.wrong(f"{node.sql('postgres')!r}: between needs numbers or dates", scope)
    return Typed(exp.Between(this=parts[0].node, low=parts[1].node, high=parts[2].node), BOOLEAN)


def in_(checker: Checks, node: exp.In, scope: Scope) -> Typed:
    this, parts = checker.check(node.this, scope), [checker.check(part, scope) for part in node.expressions]
    for part in parts:
        same_type(checker, this, part, scope)
    return Typed(exp.In(this=this.node, expressions=[part.node for part in parts]), BOOLEAN)


def is_(checker: Checks, node: exp.Is, scope: Scope) -> Typed:
    typed = checker.check(node.this, scope)
    truth = isinstance(node.expression, exp.Boolean) and typed.type == BOOLEAN
    if not truth and not isinstance(node.expression, exp.Null):
        raise checker.wrong("is takes null, true or false", scope)
    this = typed.node if truth else checker.first(typed, node.this, scope)
    return Typed(exp.Is(this=whole(this), expression=node.expression.copy()), BOOLEAN)


def arithmetic(checker: Checks, node: exp.Expr, scope: Scope) -> Typed:
    left, right = checker.check(node.this, scope), checker.check(node.expression, scope)
    names = (left.type.name, right.type.name)
    if names == ("interval", "date") and isinstance(node, exp.Add):
        left, right, names = right, left, ("date", "interval")
    if names == ("date", "interval") and isinstance(node, exp.Add | exp.Sub):
        return Typed(shifted(left.node, right.node, type(node)), DATE)
    if names == ("date", "date") and isinstance(node, exp.Sub):
        return Typed(exp.DateDiff(this=left.node, expression=right.node, unit=exp.var("DAY")), NUMBER)
    if names != ("number", "number"):
        raise checker.wrong(
            f"{node.sql('postgres')!r}: {names[0]} and {names[1]} cannot be calculated with each other", scope
        )
    unit = same_type(checker, left, right, scope).unit if isinstance(node, exp.Add | exp.Sub) else ""
    first, second = (exp.cast(part.node, "double") for part in (left, right))  # the same arithmetic everywhere
    divisor = exp.Nullif(this=second, expression=exp.Literal.number(0)) if isinstance(node, exp.Div) else second
    return Typed(whole(type(node)(this=first, expression=divisor)), Type("number", unit))


def negative(checker: Checks, node: exp.Neg, scope: Scope) -> Typed:
    typed = checker.check(node.this, scope)
    if typed.type.name != "number":
        raise checker.wrong(f"{node.sql('postgres')!r}: minus needs a number", scope)
    return replace(typed, node=whole(exp.Neg(this=typed.node)))


def case(checker: Checks, node: exp.Case, scope: Scope) -> Typed:
    conditions = [checker.check_as(branch.this, scope, BOOLEAN) for branch in node.args["ifs"]]
    values = [checker.check(branch.args["true"], scope) for branch in node.args["ifs"]]
    default = node.args.get("default")
    values += [checker.check(default, scope)] if default is not None else []
    shared = shared_type(checker, values, scope)
    branches = [exp.If(this=c, true=v.node) for c, v in zip(conditions, values, strict=False)]
    return Typed(exp.Case(ifs=branches, default=values[-1].node if default is not None else None), shared)


def scalar(checker: Checks, name: str, positional: list[exp.Expr], scope: Scope) -> Typed:
    parts = [checker.check(part, scope) for part in positional]
    if name == "start_of_year":
        if len(parts) != 1 or parts[0].type.name != "date":
            raise checker.wrong("start_of_year(…) takes one date", scope)
        return Typed(exp.cast(exp.DateTrunc(this=parts[0].node, unit=exp.var("YEAR")), "date"), DATE)
    if name == "abs":
        if len(parts) != 1 or parts[0].type.name != "number":
            raise checker.wrong("abs(…) takes one number", scope)
        return Typed(exp.Abs(this=parts[0].node), parts[0].type)
    if len(parts) < 2:
        raise checker.wrong(f"{name}(…) takes two values or more", scope)
    shared = shared_type(checker, parts, scope)
    if name != "coalesce" and shared.name not in {"number", "date"}:
        raise checker.wrong(f"{name}(…) needs numbers or dates", scope)
    nodes = [part.node for part in parts]
    ignore = {} if name == "coalesce" else {"ignore_nulls": True}  # engines differ unless told
    return Typed(SCALARS[name](this=nodes[0], expressions=nodes[1:], **ignore), shared)


def shared_type(checker: Checks, values: list[Typed], scope: Scope) -> Type:
    known = [value for value in values if value.type != NULL]
    if not known:
        raise checker.wrong("at least one value must be something other than null", scope)
    for value in known[1:]:
        same_type(checker, known[0], value, scope)
    return next((value.type for value in known if value.type.unit or value.type.answers), known[0].type)


def same_type(checker: Checks, left: Typed, right: Typed, scope: Scope) -> Type:
    if left.type.name != right.type.name or left.type.name in {"pair", "interval", "null"}:
        if left.type == right.type == INTERVAL:
            return INTERVAL
        raise checker.wrong(f"{left.type.name} and {right.type.name} do not go together", scope)
    if left.type.unit and right.type.unit and left.type.unit != right.type.unit:
        raise checker.wrong(f"units differ: {left.type.unit} and {right.type.unit}", scope)
    for one, other in ((left, right), (right, left)):
        if one.type.answers and isinstance(other.node, exp.Literal) and other.node.name not in one.type.answers:
            allowed = ", ".join(one.type.answers)
            raise checker.wrong(f"{other.node.name!r} is no possible answer; there are {allowed}", scope)
    return left.type if left.type.unit else right.type


# Literals ---------------------------------------------------------------------------------------------------


def literal(checker: Checks, node: exp.Literal, scope: Scope) -> Typed:
    return Typed(node.copy(), TEXT if node.is_string else NUMBER)


def interval_literal(checker: Checks, node: exp.Interval, scope: Scope) -> Typed:
    unit = node.args.get("unit")
    text = f"{node.this.name} {unit.name if unit else ''}" if node.this is not None else ""
    return Typed(interval_node(parse_duration(located(text.strip(), where(scope.text)))), INTERVAL)


def date_literal(checker: Checks, node: exp.Cast, scope: Scope) -> Typed:
    if not node.is_type("date") or not isinstance(node.this, exp.Literal) or not node.this.is_string:
        raise checker.wrong(f"{node.sql('postgres')!r}: conversion is not part of the language", scope)
    try:
        return Typed(date_node(dt.date.fromisoformat(node.this.name)), DATE)
    except ValueError as error:
        raise checker.wrong(f"{node.this.name!r} is not a date", scope) from error


def boolean(checker: Checks, node: exp.Boolean, scope: Scope) -> Typed:
    return Typed(node.copy(), BOOLEAN)


def null(checker: Checks, node: exp.Null, scope: Scope) -> Typed:
    return Typed(exp.Null(), NULL)
