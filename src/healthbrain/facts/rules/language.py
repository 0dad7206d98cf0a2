"""The expression language: SQL boolean expressions over calls, parsed, checked and ready for every engine.

parse("latest(sbp) >= 180 or latest(dbp) >= 110", catalogue).sql("duckdb")
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.parsers.postgres import PostgresParser

from healthbrain.facts.rules.calls import Call
from healthbrain.facts.rules.catalogue import Catalogue
from healthbrain.facts.rules.checker import Checker
from healthbrain.facts.rules.located import located, where, wrong
from healthbrain.facts.rules.types import Scope, Type
from healthbrain.kernel.errors import DefinitionError

ENGINES = ("postgres", "duckdb", "spark")
_WITH = re.compile(r"\b([a-z_]\w*)\s+with\s+([a-z_]\w*)\b", re.IGNORECASE)
_STRING = re.compile(r"('(?:[^']|'')*')")
_TERM = re.compile(r"([a-z_]\w*)\s*(?:\(\s*([\w\s,]*)\))?")


class Language(Postgres):
    """PostgreSQL's grammar without its functions: only ours are known, and the checker decides what they mean."""

    class Parser(PostgresParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}


@dataclass(frozen=True)
class Expression:
    """A checked expression. Equal to another when it means the same over the same calls."""

    text: str = field(compare=False)  # as the author wrote it
    meaning: str  # as SQL over call columns, terms and parameters unfolded
    type: Type
    calls: frozenset[Call]
    node: exp.Expr = field(compare=False, repr=False)

    def sql(self, dialect: str) -> str:
        """The expression over ONE row: call columns, resident columns and `as_of`."""
        return self.node.sql(dialect)

    @property
    def where(self) -> str:
        return where(self.text)


def parse(
    text: str,
    catalogue: Catalogue,
    *,
    terms: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    expects: Type | None = None,
) -> Expression:
    """`text` checked. Raises DefinitionError, with file and line when `text` came from a file.

    terms: {"uncontrolled(x)": "x.sbp >= target_sbp or x.dbp >= target_dbp"} as they stand in YAML.
    parameters: {"target_sbp": {"value": 140, "unit": "mm[Hg]", "by": [{"when": "age >= 65", "value": 150}]}}, or just
    {"target_sbp": 140}; a text like "14 days" is a duration.
    """
    signatures = dict(_signature(name, body) for name, body in (terms or {}).items())
    _distinct(catalogue, signatures, parameters or {})
    checker = Checker(catalogue, signatures, parameters or {}, parse_tree)
    scope = Scope(text=text)
    if expects is not None:
        node, type_ = checker.check_as(parse_tree(text), scope, expects), expects
    else:
        typed = checker.check(parse_tree(text), scope)
        node, type_ = typed.node, typed.type
    if type_.name == "pair":
        raise wrong(f"a pair is not a value; name one of its members, in: {text}", text)
    return Expression(text, node.sql("postgres"), type_, frozenset(checker.calls), node)


def parse_tree(text: str) -> exp.Expr:
    """`text` as a syntax tree, not yet checked. `a with b` is read as together(a, b)."""
    pieces = _STRING.split(text)
    plain = "".join(piece if i % 2 else _WITH.sub(r"together(\1, \2)", piece) for i, piece in enumerate(pieces))
    try:
        tree = sqlglot.parse_one(plain, read=Language)
    except sqlglot.errors.SqlglotError as error:
        details = getattr(error, "errors", None)
        reason = details[0].get("description", "") if details else str(error)
        raise wrong(f"cannot be read ({reason}), in: {text}", text) from error
    if any(node.comments for node in tree.walk()):
        raise wrong(f"a comment belongs into the file, not into the expression, in: {text}", text)
    return tree.transform(_plain_negation)


def _plain_negation(node: exp.Expr) -> exp.Expr:
    """`is not null` as not (is null): one way to say no."""
    if isinstance(node, exp.Is) and node.args.get("negate"):
        return exp.Paren(this=exp.Not(this=exp.Is(this=node.this, expression=node.expression)))
    return node


def all_calls(expressions: Iterable[Expression]) -> frozenset[Call]:
    """Every distinct call of several expressions: the columns of one pass."""
    return frozenset().union(*(expression.calls for expression in expressions))


def _signature(name: str, body: str) -> tuple[str, tuple[list[str], str]]:
    match = _TERM.fullmatch(name.strip())
    if not match:
        raise wrong(f"{name!r} is no term name; write name or name(x)", name)
    return match[1], (
        [part.strip() for part in match[2].split(",")] if match[2] else [],
        located(body, where(body, where(name))),
    )


def _distinct(catalogue: Catalogue, terms: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    for name in terms:
        if name in catalogue or name in parameters:
            raise DefinitionError(f"term {name!r} has the name of a fact or parameter")
    for name in parameters:
        if name in catalogue:
            raise wrong(f"parameter {name!r} has the name of a fact", name)
