"""From scored pairs to persons: best link first, and never through a contradiction.

Plain connected components chain: A like B, B like C, and A and C hold two different valid numbers. Here a union is
made only when the united person would hold no contradiction; what is refused goes to a steward.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Node = int  # an identity id; a resident that exists already is the negative of its id


@dataclass(frozen=True, slots=True)
class Edge:
    """Two nodes the scorer would link, and how sure it is."""

    left: Node
    right: Node
    weight: float
    nameless: bool = False  # one side has a stand-in name: it fits a twin as well


@dataclass(slots=True)
class _Group:
    members: list[Node]
    numbers: frozenset[str]
    births: frozenset[str]
    foes: frozenset[Node] = frozenset()
    rivals: frozenset[Node] = frozenset()


@dataclass(slots=True)
class Clusters:
    """`root_of` each node; `joined` edges that made unions or lie inside one; `refused` edges that would contradict."""

    root_of: dict[Node, Node] = field(default_factory=dict)
    joined: list[Edge] = field(default_factory=list)
    refused: list[Edge] = field(default_factory=list)


MAX_BIRTH_DATES = 3  # one right date and two different typing errors; more is a chain of strangers


def _may_unite(a: _Group, b: _Group, *, nameless: bool) -> bool:
    if len(a.numbers | b.numbers) > 1 or len(a.births | b.births) > MAX_BIRTH_DATES:
        return False
    if sum(node < 0 for node in (a.members[0], b.members[0])) == 2:
        return False  # two residents that exist: only a steward merges them
    if nameless and a.rivals and not a.rivals.isdisjoint(b.members):
        return False
    return not (a.foes and not a.foes.isdisjoint(b.members))


def cluster(
    edges: Iterable[Edge],
    *,
    numbers: Mapping[Node, str],
    births: Mapping[Node, str],
    foes: Mapping[Node, frozenset[Node]],
    rivals: Mapping[Node, frozenset[Node]] | None = None,
) -> Clusters:
    """Unite along `edges`, the surest first. `numbers` and `births` are each node's own valid number and birth date,
    `foes` who must never be with it (both ways round), `rivals` its likely twins: no nameless edge unites them.

    The result does not depend on the order of `edges`.
    """
    result = Clusters()
    root_of = result.root_of
    groups: dict[Node, _Group] = {}

    def group(node: Node) -> _Group:
        root = root_of.setdefault(node, node)
        if root not in groups:
            number, birth = numbers.get(node), births.get(node)
            groups[root] = _Group(
                [node],
                frozenset((number,)) if number else frozenset(),
                frozenset((birth,)) if birth else frozenset(),
                foes.get(node, frozenset()),
                (rivals or {}).get(node, frozenset()),
            )
        return groups[root]

    for edge in sorted(edges, key=lambda e: (-e.weight, e.left, e.right)):
        a, b = group(edge.left), group(edge.right)
        if a is b:
            result.joined.append(edge)
            continue
        if not _may_unite(a, b, nameless=edge.nameless):
            result.refused.append(edge)
            continue
        # The one with a resident keeps its root; else the larger, so that relabelling stays cheap.
        keep, gone = (a, b) if (a.members[0] < 0 or (b.members[0] > 0 and len(a.members) >= len(b.members))) else (b, a)
        root = root_of[keep.members[0]]
        del groups[root_of[gone.members[0]]]
        for node in gone.members:
            root_of[node] = root
        keep.members.extend(gone.members)
        keep.numbers |= gone.numbers
        keep.births |= gone.births
        keep.foes |= gone.foes
        keep.rivals |= gone.rivals
        result.joined.append(edge)
    return result
