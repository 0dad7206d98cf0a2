"""The question tree of the call taker (问询分诊): answers in, priority, suspected type and instructions out.

Pure: the tree is a value read from `knowledge/dispatch/questions.yaml` by `dispatch.knowledge`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthbrain.kernel.errors import DefinitionError, Invalid

Words = Mapping[str, str]  # {"zh": …, "en": …}
LOWEST = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """One numbered answer. Empty `type`, None `priority`: this answer does not change it. Empty `next`: the end."""

    say: Words
    type: str = ""
    priority: int | None = None
    instructions: tuple[str, ...] = ()
    next: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; the digit of an answer is its place in the list, from 1."""

    id: str
    ask: Words
    source: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """The whole tree; `first` is where every call begins."""

    first: str
    questions: Mapping[str, Question]


@dataclass(frozen=True, slots=True)
class Given:
    """One answered question."""

    question: str
    digit: int


@dataclass(frozen=True, slots=True)
class Triage:
    """Where a call stands. `asking` is None when the tree is at its end; priority None: nothing decided yet."""

    asking: Question | None
    type: str
    priority: int | None
    instructions: tuple[str, ...]


def triage(tree: Tree, given: Sequence[Given]) -> Triage:
    """Walk the tree. The last type named holds; the priority is the last one named, but once an answer said that the
    patient cannot be woken (priority 1 before the complaint) nothing later makes the call less urgent.

    Raises Invalid for a question out of turn or a digit that has no answer.
    """
    asking: Question | None = tree.questions[tree.first]
    kind, priority, floor = "", None, LOWEST
    instructions: dict[str, None] = {}
    for position, one in enumerate(given):
        if asking is None or one.question != asking.id:
            raise Invalid(f"现在不是问这一题 Not the question now: {one.question}")
        answer = answer_of(asking, one.digit)
        kind = answer.type or kind
        if answer.priority is not None:
            priority = min(answer.priority, floor)
            floor = answer.priority if position == 0 else floor
        instructions |= dict.fromkeys(answer.instructions)
        asking = tree.questions[answer.next] if answer.next else None
    return Triage(asking, kind, priority, tuple(instructions))


def answer_of(question: Question, digit: int) -> Answer:
    """The answer of a digit. Raises Invalid."""
    if not 1 <= digit <= len(question.answers):
        raise Invalid(f"没有这个选项 No such answer: {digit}", hint=f"1–{len(question.answers)}")
    return question.answers[digit - 1]


def check(tree: Tree, types: Sequence[str], instructions: Sequence[str]) -> None:
    """Refuse a tree that could fail while somebody is dying: unknown names, circles, an end without a decision.

    Raises DefinitionError naming the question.
    """
    if tree.first not in tree.questions:
        raise DefinitionError(f"questions.yaml: first = {tree.first} does not exist")
    _check_below(tree, tree.first, (), False, frozenset(types), frozenset(instructions))


def _check_below(
    tree: Tree,
    name: str,
    above: tuple[str, ...],
    decided: bool,
    types: frozenset[str],
    instructions: frozenset[str],
) -> None:
    question = tree.questions[name]
    if not 1 <= len(question.answers) <= 9:
        raise DefinitionError(f"questions.yaml: {name} must have 1 to 9 answers, one digit each")
    for digit, answer in enumerate(question.answers, 1):
        where = f"questions.yaml: {name} answer {digit}"
        if answer.type and answer.type not in types:
            raise DefinitionError(f"{where}: unknown type {answer.type}")
        if unknown := set(answer.instructions) - instructions:
            raise DefinitionError(f"{where}: unknown instructions {', '.join(sorted(unknown))}")
        if answer.next and (answer.next in (*above, name) or answer.next not in tree.questions):
            raise DefinitionError(f"{where}: next = {answer.next} is unknown or leads in a circle")
        settled = decided or answer.priority is not None
        if answer.next:
            _check_below(tree, answer.next, (*above, name), settled, types, instructions)
        elif not settled:
            raise DefinitionError(f"{where}: the tree ends here without a priority")
