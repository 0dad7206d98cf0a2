"""Calls: a function over the occurrences of one fact, e.g. latest(sbp, within => '12 months'). One call, one column."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from hashlib import blake2b

from sqlglot import exp

from healthbrain.facts.rules.catalogue import Fact
from healthbrain.facts.rules.duration import Duration

NAME_LIMIT = 60  # PostgreSQL cuts names at 63 bytes
CLOCKS = frozenset({"first_clock", "latest_clock"})  # a moment in hours, for windows shorter than days
ALIASES = {"last": "latest_at", "since": "first_at"}
VALUE_FUNCTIONS = frozenset({"latest", "previous", "min", "max"})  # of a fact that has a value
FUNCTIONS = {  # what each one gives when nothing has happened is said in knowledge/facts/README.md
    "latest": "value",
    "latest_at": "date",
    "latest_clock": "number",
    "latest_id": "number",
    "latest_organisation": "number",
    "previous": "value",
    "previous_at": "date",
    "previous_id": "number",
    "first_at": "date",
    "first_clock": "number",
    "first_id": "number",
    "streak_at": "date",
    "count": "number",
    "count_days": "number",
    "ever": "boolean",
    "min": "value",
    "max": "value",
}


@dataclass(frozen=True)
class Tree:
    """A checked piece of an expression, equal to another when its text is."""

    text: str
    node: exp.Expr = field(compare=False, repr=False)

    @staticmethod
    def of(node: exp.Expr) -> Tree:
        return Tree(node.sql("postgres"), node)


@dataclass(frozen=True)
class Selection:
    """Which occurrences: all of a fact, or those for which `condition` holds and whose day lies within the bounds.

    `condition` speaks of one occurrence through the columns value, value2 (second member of a pair) and text;
    bounds and condition may use the resident's own columns. Only a condition that is true selects; unknown does not.
    """

    fact: Fact
    condition: Tree | None = None
    since: Tree | None = None  # first day, included
    after: Tree | None = None  # the day before the first
    until: Tree | None = None  # last day, included
    streak: bool = False  # also those for which the condition does not hold: they end an unbroken run

    @property
    def name(self) -> str:
        """A name that is the same wherever the same occurrences are meant."""
        parts = [f"{key}={part.text}" for key in _PARTS if (part := getattr(self, key)) is not None]
        parts += ["streak"] if self.streak else []
        if not parts:
            return self.fact.name
        return f"{self.fact.name}_{blake2b('|'.join(parts).encode(), digest_size=4).hexdigest()}"


_PARTS = ("condition", "since", "after", "until")


@dataclass(frozen=True)
class Call:
    """`function` over `selection`. `member` picks one number of a pair; `nth` counts days from the newest, and those
    of streak_at from the start of the present unbroken run."""

    function: str
    selection: Selection
    member: str = ""
    nth: int = 1
    within: Duration | None = None

    @property
    def column(self) -> str:
        """Name of the call's column, the same in every engine and every run."""
        parts = [self.function, self.selection.name, self.member]
        parts += [str(self.nth)] if self.nth > 2 or self.function == "streak_at" else []
        parts += [f"in {self.within}"] if self.within else []
        name = re.sub(r"\W+", "_", " ".join(part for part in parts if part))
        if len(name) <= NAME_LIMIT:
            return name
        return f"{name[: NAME_LIMIT - 9]}_{blake2b(name.encode(), digest_size=4).hexdigest()}"

    @property
    def result(self) -> str:
        """boolean, number, date or text."""
        kind = FUNCTIONS[self.function]
        if kind != "value":
            return kind
        return "text" if self.selection.fact.value == "text" else "number"

    @property
    def evidence(self) -> dict[str, Call]:
        """The calls that say when, by which event and where the value of this call came about; empty for counts."""
        stem = (
            self.function.removesuffix("_at").removesuffix("_id").removesuffix("_organisation").removesuffix("_clock")
        )
        if stem not in {"latest", "previous", "first"}:
            return {}
        names = {"at": f"{stem}_at", "id": f"{stem}_id"} | (
            {"organisation": "latest_organisation"} if stem == "latest" else {}
        )
        return {key: dataclasses.replace(self, function=name, member="") for key, name in names.items()}
