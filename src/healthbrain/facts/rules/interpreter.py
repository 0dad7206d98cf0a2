"""The value of a checked syntax tree over one row of names, in SQL's three-valued logic. None is unknown."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from healthbrain.facts.rules.duration import Duration
from healthbrain.facts.rules.types import duration_of

_COMPARISONS = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}


def value_of(node: exp.Expr, row: Mapping[str, Any]) -> Any:
    """Raises TypeError for a node the checker would not have let through."""
    match node:
        case exp.Paren():
            return value_of(node.this, row)
        case exp.Column():
            return row[node.name]
        case exp.Literal():
            return node.name if node.is_string else _number(node.name)
        case exp.Null():
            return None
        case exp.Boolean():
            return node.this
        case exp.Interval():
            return duration_of(node)
        case exp.And() | exp.Or() | exp.Not():
            return _logic(node, row)
        case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
            return _known(_COMPARISONS[type(node)], value_of(node.this, row), value_of(node.expression, row))
        case exp.Is():
            return value_of(node.this, row) is value_of(node.expression, row)
        case exp.Between():
            return _between(*(value_of(node.args[part], row) for part in ("this", "low", "high")))
        case exp.In():
            return _in(value_of(node.this, row), [value_of(part, row) for part in node.expressions])
        case exp.Case():
            return _case(node, row)
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            return _first_or_extreme(node, row)
    return _calculation(node, row)


def _calculation(node: exp.Expr, row: Mapping[str, Any]) -> Any:
    match node:
        case exp.Cast():
            return _cast(node, value_of(node.this, row))
        case exp.Neg():
            return _known(operator.neg, value_of(node.this, row))
        case exp.Abs():
            return _known(abs, value_of(node.this, row))
        case exp.Add():
            return _known(_plus, value_of(node.this, row), value_of(node.expression, row))
        case exp.Sub():
            return _known(_minus, value_of(node.this, row), value_of(node.expression, row))
        case exp.Mul():
            return _known(operator.mul, value_of(node.this, row), value_of(node.expression, row))
        case exp.Div():
            return _known(operator.truediv, value_of(node.this, row), value_of(node.expression, row))
        case exp.Nullif():
            value = value_of(node.this, row)
            return None if value == value_of(node.expression, row) else value
        case exp.DateDiff():
            return _known(lambda a, b: (a - b).days, value_of(node.this, row), value_of(node.expression, row))
        case exp.DateTrunc():
            return _known(lambda date: date.replace(month=1, day=1), value_of(node.this, row))
    raise TypeError(f"{type(node).__name__} is not part of the language")


def _known(function: Any, *values: Any) -> Any:
    """`function` of values all of which are known."""
    return None if any(value is None for value in values) else function(*values)


def _logic(node: exp.Expr, row: Mapping[str, Any]) -> bool | None:
    if isinstance(node, exp.Not):
        return _known(operator.not_, value_of(node.this, row))
    sides = [value_of(node.this, row), value_of(node.expression, row)]
    decisive = isinstance(node, exp.Or)  # one true decides an "or", one false an "and"; unknown decides nothing
    if decisive in sides:
        return decisive
    return None if None in sides else not decisive


def _between(value: Any, low: Any, high: Any) -> bool | None:
    above, below = _known(operator.ge, value, low), _known(operator.le, value, high)
    if False in (above, below):
        return False
    return None if None in (above, below) else True


def _in(value: Any, choices: list[Any]) -> bool | None:
    if value is None:
        return None
    if value in [choice for choice in choices if choice is not None]:
        return True
    return None if None in choices else False


def _case(node: exp.Case, row: Mapping[str, Any]) -> Any:
    for branch in node.args["ifs"]:
        if value_of(branch.this, row) is True:
            return value_of(branch.args["true"], row)
    default = node.args.get("default")
    return None if default is None else value_of(default, row)


def _first_or_extreme(node: exp.Expr, row: Mapping[str, Any]) -> Any:
    """coalesce, greatest and least all pass over what is unknown."""
    values = [value_of(part, row) for part in (node.this, *node.expressions)]
    known = [value for value in values if value is not None]
    if not known:
        return None
    if isinstance(node, exp.Coalesce):
        return known[0]
    return max(known) if isinstance(node, exp.Greatest) else min(known)


def _cast(node: exp.Cast, value: Any) -> Any:
    if value is None:
        return None
    if node.is_type("date"):
        return dt.date.fromisoformat(value) if isinstance(value, str) else value
    return float(value)


def _plus(left: Any, right: Any) -> Any:
    return _duration(right).after(left) if isinstance(left, dt.date) else left + right


def _minus(left: Any, right: Any) -> Any:
    return _duration(right).before(left) if isinstance(left, dt.date) else left - right


def _duration(value: Any) -> Duration:
    return value if isinstance(value, Duration) else Duration(days=value)


def _number(text: str) -> float | int:
    return int(text) if text.isdigit() else float(text)
