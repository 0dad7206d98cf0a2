"""Scored pairs become links, residents and reviews: one transaction, set-based for one identity or a million."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection

from healthbrain.kernel import bus, db
from healthbrain.residents import golden, train
from healthbrain.residents.events import ResidentsChanged
from healthbrain.residents.rules.clusters import Clusters, Edge, cluster
from healthbrain.residents.rules.decide import FIRST_NAMED, TWINS, explain


@dataclass(frozen=True, slots=True)
class Scored:
    """A pair the scorer found worth linking or asking about. `left` is new; `right` is new or linked already."""

    left: int
    right: int
    right_resident: int | None
    weight: float  # log2 of the odds
    rule: str  # id-number, probabilistic
    link: bool  # False: ask a person
    code: int  # the levels found, as `rules.decide.code_of` numbers them
    rarity: float  # bits the name's rarity adds
    veto: str

    @property
    def nameless(self) -> bool:
        """Whether one side had no usable name."""
        return self.code < FIRST_NAMED

    @property
    def probability(self) -> float:
        """The match probability the weight stands for."""
        return 1.0 if self.weight > 50 else 2**self.weight / (1 + 2**self.weight)


@dataclass(slots=True)
class Facts:
    """What clustering must know of the nodes: own valid numbers, birth dates, pairs a steward called different; and
    which identities bear a stand-in name."""

    numbers: dict[int, str] = field(default_factory=dict)
    births: dict[int, str] = field(default_factory=dict)
    foes: dict[int, frozenset[int]] = field(default_factory=dict)
    unnamed: set[int] = field(default_factory=set)
    prior: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """`links`: identity → resident. `new`: residents made. `reviews`: pairs put before a person."""

    links: dict[int, int]
    new: list[int]
    reviews: int


def copy_csv(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows by CSV text: several times faster than typed rows. None is NULL; an empty text stays a text."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_NOTNULL).writerows(rows)
    command = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)"
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        copy.write(buffer.getvalue().encode())


def explanation_of(pair: Scored, facts: Facts) -> dict[str, Any]:
    """The link's reason in a steward's words: each comparison, what was found, its weight in bits."""
    said = explain(train.model(), pair.code, pair.rarity, facts.prior)
    return said | {"with": pair.right, "veto": pair.veto}


@functools.lru_cache(maxsize=16384)
def _said(code: int, rarity: float, prior: float) -> str:
    return json.dumps(explain(train.model(), code, rarity, prior), ensure_ascii=False)[:-1]


def _why(pair: Scored, facts: Facts) -> str:
    """`explanation_of` as JSON text; its common part is made once for all pairs with the same levels."""
    said = _said(pair.code, round(pair.rarity, 1), facts.prior)
    return f'{said}, "with": {pair.right}, "veto": {json.dumps(pair.veto, ensure_ascii=False)}}}'


def _node(pair: Scored) -> int:
    return -pair.right_resident if pair.right_resident else pair.right


def _resident_ids(count: int) -> list[int]:
    if not count:
        return []
    rows = db.select(
        "SELECT nextval(pg_get_serial_sequence('residents_resident', 'id')) FROM generate_series(1, %s)", (count,)
    )
    return [row[0] for row in rows]


def _assign(new: Sequence[int], clusters: Clusters) -> tuple[dict[int, int], dict[int, int]]:
    """Identity → resident, and new resident → the identity it began with."""
    roots = {identity: clusters.root_of.get(identity, identity) for identity in new}
    first: dict[int, int] = {}
    for identity in sorted(new):
        if roots[identity] > 0:
            first.setdefault(roots[identity], identity)
    made = dict(zip(first, _resident_ids(len(first)), strict=True))
    links = {identity: made[root] if root > 0 else -root for identity, root in roots.items()}
    return links, {made[root]: identity for root, identity in first.items()}


def _best_pairs(pairs: Iterable[Scored], links: Mapping[int, int]) -> dict[int, Scored]:
    """For each new identity the surest pair that lies inside its resident: the link's reason."""
    best: dict[int, Scored] = {}
    for pair in pairs:
        if not pair.link:
            continue
        resident = pair.right_resident or links.get(pair.right)
        if resident != links.get(pair.left):
            continue
        for identity in (pair.left, pair.right):
            if identity in links and (identity not in best or best[identity].weight < pair.weight):
                best[identity] = pair
    return best


def rivals(pairs: Iterable[Scored]) -> dict[int, frozenset[int]]:
    """Likely twins, both ways round."""
    found: dict[int, set[int]] = defaultdict(set)
    for pair in pairs:
        if pair.veto == TWINS:
            found[pair.left].add(_node(pair))
            found[_node(pair)].add(pair.left)
    return {node: frozenset(others) for node, others in found.items()}


def _between_several(pairs: Sequence[Scored], unnamed: Collection[int]) -> set[int]:
    """Nodes with a stand-in name that may be more than one child: twins who are there already, or one of them known
    less well. Entries that are one child's by name are one."""
    may: dict[int, set[int]] = defaultdict(set)
    for pair in pairs:
        if pair.nameless and not pair.veto and (pair.left in unnamed) != (pair.right in unnamed):
            here, there = (pair.left, _node(pair)) if pair.left in unnamed else (_node(pair), pair.left)
            may[here].add(there)
    several = {node: others for node, others in may.items() if len(others) > 1}
    children = set().union(*several.values())
    named = [p for p in pairs if p.link and not p.nameless and p.left in children and _node(p) in children]
    edges = [Edge(p.left, _node(p), p.weight) for p in named]
    child = cluster(edges, numbers={}, births={}, foes={}).root_of
    return {node for node, others in several.items() if len({child.get(other, other) for other in others}) > 1}


def _with_a_twin(pairs: Sequence[Scored]) -> set[int]:
    """Nodes of residents whom a stand-in name fits, and who were found to have a likely twin before."""
    stored = {pair.right_resident for pair in pairs if pair.link and pair.nameless and pair.right_resident}
    if not stored:
        return set()
    rows = db.prepared(
        """SELECT l.resident_id FROM residents_link l JOIN residents_review r ON r.left_id = l.identity_id
           WHERE l.resident_id = ANY(%(stored)s::bigint[]) AND r.explanation ->> 'veto' = %(twins)s::text
           UNION SELECT l.resident_id FROM residents_link l JOIN residents_review r ON r.right_id = l.identity_id
           WHERE l.resident_id = ANY(%(stored)s::bigint[]) AND r.explanation ->> 'veto' = %(twins)s::text""",
        {"stored": list(stored), "twins": TWINS},
    )
    return {-row[0] for row in rows}


def ask_about_twins(
    pairs: Sequence[Scored], unnamed: Collection[int], twinned: Collection[int] = frozenset()
) -> list[Scored]:
    """A stand-in name (王芳之子) that fits two children, or one with a twin, fits nobody for sure: asked, not linked.

    `twinned`: nodes known to have a likely twin who is not among `pairs`.
    """
    fits: dict[int, set[int]] = defaultdict(set)
    for pair in pairs:
        if pair.link and pair.nameless:
            fits[pair.left].add(_node(pair))
            fits[_node(pair)].add(pair.left)
    if not fits:
        return list(pairs)
    twins = rivals(pairs)
    unsure = {n for n, others in fits.items() if any(o in twins or o in twinned for o in others)}
    unsure |= _between_several(pairs, unnamed)
    return [
        replace(p, link=False) if p.link and p.nameless and (p.left in unsure or _node(p) in unsure) else p
        for p in pairs
    ]


def settle(new: Sequence[int], pairs: Sequence[Scored], facts: Facts) -> Settled:
    """Write links, residents, history and reviews for `new` identities. Runs in the caller's transaction."""
    pairs = ask_about_twins(pairs, facts.unnamed, _with_a_twin(pairs))
    edges = [Edge(p.left, _node(p), p.weight, p.nameless) for p in pairs if p.link]
    clusters = cluster(edges, numbers=facts.numbers, births=facts.births, foes=facts.foes, rivals=rivals(pairs))
    links, first_of = _assign(new, clusters)
    _write_links(links, first_of, _best_pairs(pairs, links), facts)
    reviews = write_reviews(pairs, links, facts)
    golden.refresh(set(links.values()))
    bus.publish(ResidentsChanged(sorted(set(links.values()))))
    return Settled(links, sorted(first_of), reviews)


def _write_links(
    links: Mapping[int, int], first_of: Mapping[int, int], best: Mapping[int, Scored], facts: Facts
) -> None:
    # A first link needs no history: it is its own, and `history.move` keeps its reason when it changes.
    rows: list[tuple[Any, ...]] = []
    at = db.select("SELECT now()")[0][0]
    for identity, resident in links.items():
        pair = None if first_of.get(resident) == identity else best.get(identity)
        if pair is None:
            rows.append((identity, resident, None, "new", "{}", at))
            continue
        why = _why(pair, facts)
        rows.append((identity, resident, round(pair.probability, 6), pair.rule, why, at))
    copy_csv("residents_link", ("identity_id", "resident_id", "score", "rule", "explanation", "linked_at"), rows)


def write_reviews(pairs: Iterable[Scored], links: Mapping[int, int], facts: Facts) -> int:
    """Pairs that ended with different residents although the scorer was not sure they differ."""
    rows: dict[tuple[int, int], Scored] = {}
    seen: dict[tuple[int, int], Scored] = {}
    for pair in sorted(pairs, key=lambda p: (-p.weight, p.left, p.right)):
        a, b = links[pair.left], pair.right_resident or links[pair.right]
        if a == b or _node(pair) in facts.foes.get(pair.left, ()):
            continue
        if seen.setdefault((min(a, b), max(a, b)), pair) is pair:  # one question per two residents is enough
            rows[min(pair.left, pair.right), max(pair.left, pair.right)] = pair
    if rows:
        db.execute(
            """INSERT INTO residents_review (left_id, right_id, score, explanation, status, created)
               SELECT l, r, s, e::jsonb, 'open', now()
               FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::text[]) AS p(l, r, s, e)
               ON CONFLICT (left_id, right_id) DO NOTHING""",
            (
                [left for left, _ in rows],
                [right for _, right in rows],
                [round(pair.probability, 6) for pair in rows.values()],
                [_why(pair, facts) for pair in rows.values()],
            ),
        )
    return len(rows)
