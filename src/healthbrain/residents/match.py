"""Matching: which identities are one person. Few are scored one by one in Python, many together in DuckDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import duckdb
import polars as pl
from django.db import transaction

from healthbrain.kernel import db
from healthbrain.residents import candidates, pairs, parts, persons, recheck, train
from healthbrain.residents.linkage import load_people
from healthbrain.residents.rules.decide import APART, LINK, Population, code_of, judge
from healthbrain.residents.rules.person import Person
from healthbrain.residents.settle import Facts, Scored, Settled, settle

ONLINE_AT_MOST = 400  # above it one DuckDB run is quicker than scoring one by one
_SLICE = 1_000_000  # identities derived at a time: what bounds memory beside DuckDB
_LOCK_CLASS = 0x4D50  # advisory locks of the index
_FIELDS = "i.id, i.name, i.sex, i.birth_date, i.id_number, i.id_number_raw, i.phone, i.address, i.division_code"


def _lock(people: Sequence[Person] | None) -> None:
    """Two processes must not make two residents of one person: wait for whoever matches the same keys.

    Few identities lock their number, birth date and name, in order; many lock the index. Held until commit.
    """
    if people is None:
        db.execute("SELECT pg_advisory_xact_lock(%s, 0)", (_LOCK_CLASS,))
        return
    keys = {key for p in people for key in (p.number, p.born, p.pinyin) if key}
    db.prepared(
        """WITH shared AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%s, 0))
           SELECT pg_advisory_xact_lock(k) FROM shared, (
               SELECT DISTINCT hashtextextended(key, 1) AS k FROM unnest(%s::text[]) AS key ORDER BY 1) AS keys""",
        (_LOCK_CLASS, sorted(keys)),
    )


def waiting(identity_ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """(with a person's data and no link yet, linked but changed since it was last looked at)."""
    rows = db.prepared(
        """SELECT i.id, l.identity_id IS NULL FROM residents_identity i
           LEFT JOIN residents_link l ON l.identity_id = i.id
           WHERE i.id = ANY(%s::bigint[]) AND (l.identity_id IS NULL OR i.updated > l.linked_at)
             AND (i.name <> '' OR i.id_number IS NOT NULL OR i.birth_date IS NOT NULL)""",
        (list(identity_ids),),
    )
    return sorted(i for i, new in rows if new), sorted(i for i, new in rows if not new)


def unmatched() -> list[int]:
    """See `actions.unmatched`."""
    rows = db.select(
        """SELECT i.id FROM residents_identity i
           WHERE NOT EXISTS (SELECT 1 FROM residents_link l WHERE l.identity_id = i.id)
             AND (i.name <> '' OR i.id_number IS NOT NULL OR i.birth_date IS NOT NULL)"""
    )
    return [row[0] for row in rows]


@transaction.atomic(savepoint=False)
def match_new(identity_ids: Sequence[int], *, mode: str = "auto") -> Settled:
    """See `actions.match_new`."""
    if mode not in {"auto", "online", "batch"}:
        raise ValueError(f"mode must be auto, online or batch, not {mode}")
    new, changed = waiting(identity_ids)
    batch = bool(new) and (mode == "batch" or (mode == "auto" and len(new) > ONLINE_AT_MOST))
    if not new and not changed:
        return Settled({}, [], 0)
    people = [] if batch else candidates.load(new + changed)
    _lock(None if batch else people)
    if batch:
        settled = _joined([settle(*part) for part in _batch(new)])
        people = candidates.load(changed)
    else:
        settled = _settled(new, people)
    if changed:
        with db.by_index():
            found, facts = online(_only(people, changed))
        recheck.recheck(changed, found, facts)
    return settled


def _only(people: Sequence[Person], ids: Sequence[int]) -> list[Person]:
    wanted = set(ids)
    return [p for p in people if p.id in wanted]


def _settled(new: Sequence[int], people: Sequence[Person]) -> Settled:
    """Links of the few among `people` that are new. About ten statements, however many there are."""
    if not new:
        return Settled({}, [], 0)
    with db.by_index():
        found, facts = online(_only(people, new))
        return settle(new, found, facts)


def online(people: Sequence[Person]) -> tuple[list[Scored], Facts]:
    """Pairs of these people with stored identities, scored in Python. Call in `db.by_index`."""
    found, model = candidates.find(people), train.model()
    mine = {p.id for p in people}
    facts, scored = Facts(prior=found.population.prior_bits()), []
    for p in people:
        facts.numbers |= {p.id: p.number} if p.own else {}
        facts.births |= {p.id: p.born} if p.born else {}
        facts.unnamed |= {one.id for one in (p, *(other.person for other in found.of[p.id])) if not one.name}
        side = replace(p, phone="") if p.id in found.crowded else p
        for other in found.of[p.id]:
            if other.resident_id is None and other.person.id not in mine:
                continue  # another process holds it, not yet linked
            if other.resident_id is None and other.person.id < p.id:
                continue  # a pair of two new ones is seen from the other side too
            seen = judge(model, found.population, side, other.person)
            if seen.decision == APART:
                continue
            if other.resident_id is not None:
                _know(facts, other.resident_id, other.resident_number, other.resident_birth)
            code = code_of(seen.outcomes)
            scored.append(
                Scored(p.id, other.person.id, other.resident_id, seen.total, seen.rule, seen.decision == LINK, code,
                       seen.rarity, seen.veto)
            )  # fmt: skip
    facts.foes = foes(scored)
    return scored, facts


def _know(facts: Facts, resident: int, number: str, birth: str) -> None:
    if number:
        facts.numbers[-resident] = number
    if birth:
        facts.births[-resident] = birth


def foes(scored: Iterable[Scored]) -> dict[int, frozenset[int]]:
    """Nodes a steward has called different, in both directions."""
    node = {}
    for pair in scored:
        node[pair.left] = pair.left
        node[pair.right] = -pair.right_resident if pair.right_resident else pair.right
    if not node:
        return {}
    rows = db.prepared(
        """SELECT r.left_id, r.right_id, ll.resident_id, rl.resident_id FROM residents_review r
           LEFT JOIN residents_link ll ON ll.identity_id = r.left_id
           LEFT JOIN residents_link rl ON rl.identity_id = r.right_id
           WHERE r.status = 'different' AND (r.left_id = ANY(%s::bigint[]) OR r.right_id = ANY(%s::bigint[]))""",
        (list(node), list(node)),
    )
    found: dict[int, set[int]] = defaultdict(set)
    for left, right, left_resident, right_resident in rows:
        a = -left_resident if left_resident and left not in node else node.get(left, left)
        b = -right_resident if right_resident and right not in node else node.get(right, right)
        found[a].add(b)
        found[b].add(a)
    return {key: frozenset(value) for key, value in found.items()}


def _existing(new: Sequence[int]) -> pl.DataFrame:
    """Linked identities that may be partners of `new`: those sharing a key, or all when that is no fewer."""
    columns = f"{_FIELDS}, l.resident_id, r.id_number AS resident_number, r.birth_date AS resident_birth"
    joined = """residents_identity i JOIN residents_link l ON l.identity_id = i.id
                JOIN residents_resident r ON r.id = l.resident_id"""
    (linked,) = db.select("SELECT count(*) FROM residents_link")[0]
    if linked <= 10 * len(new):
        return candidates.frame(f"SELECT {columns} FROM {joined}")
    near: set[int] = set()
    for start in range(0, len(new), 5_000):
        people = candidates.load(new[start : start + 5_000])
        with db.by_index():
            found = candidates.find(people)
        for stored in found.of.values():
            near.update(s.person.id for s in stored if s.resident_id is not None)
    return candidates.frame(f"SELECT {columns} FROM {joined} WHERE i.id = ANY(%s)", (list(near),))


def _crowded_phones() -> frozenset[str]:
    rows = db.select(
        "SELECT phone FROM residents_identity WHERE phone IS NOT NULL GROUP BY phone HAVING count(*) > %s",
        (persons.CROWDED,),
    )
    return frozenset(row[0] for row in rows)


def _joined(settled: Sequence[Settled]) -> Settled:
    links = {identity: resident for part in settled for identity, resident in part.links.items()}
    return Settled(links, sorted(r for part in settled for r in part.new), sum(part.reviews for part in settled))


def _batch(new: Sequence[int]) -> Iterator[tuple[list[int], list[Scored], Facts]]:
    """The same for many: every pair among `new` and with what is stored, in DuckDB; in parts that settle on their own.

    Memory: DuckDB's limit, or about 500 bytes an identity where that is more.
    """
    stored = _existing(new)
    crowd = candidates.count_names()
    connection = persons.connect(memory="3GB")
    slim, unnamed = _load(connection, new, stored, crowd)
    found = pairs.score(connection, train.model(), Population(crowd.identities, {}))
    connection.close()
    for ids, part in parts.parts(sorted(new), found, dict(stored.select("id", "resident_id").iter_rows())):
        scored, facts = _as_scored(ids, part, stored, slim, crowd)
        facts.unnamed = unnamed
        yield ids, scored, facts


def _load(
    connection: duckdb.DuckDBPyConnection, new: Sequence[int], stored: pl.DataFrame, crowd: Population
) -> tuple[pl.DataFrame, set[int]]:
    """Table `person` of everybody concerned; what clustering needs of the new ones comes back, and who has no name."""
    mine = candidates.frame(f"SELECT {_FIELDS} FROM residents_identity i WHERE i.id = ANY(%s)", (list(new),))
    both = pl.concat(
        [mine.with_columns(is_new=pl.lit(True)), stored.with_columns(is_new=pl.lit(False))], how="diagonal_relaxed"
    )
    names = pl.DataFrame(
        {"pinyin": list(crowd.name_counts), "bearers": list(crowd.name_counts.values())},
        schema={"pinyin": pl.Utf8, "bearers": pl.Int64},
    )
    crowded, slim, unnamed = _crowded_phones(), [], set[int]()
    for start in range(0, both.height, _SLICE):
        people = persons.persons(both.slice(start, _SLICE), crowded_phones=crowded)
        load_people(connection, people.join(names, on="pinyin", how="left"), append=start > 0)
        slim.append(people.filter("is_new").select("id", "number", "own", "born"))
        unnamed |= set(people.filter(pl.col("name") == "")["id"])
    return pl.concat(slim).sort("id"), unnamed


def _as_scored(
    ids: Sequence[int], found: pl.DataFrame, stored: pl.DataFrame, slim: pl.DataFrame, crowd: Population
) -> tuple[list[Scored], Facts]:
    facts = Facts(prior=crowd.prior_bits())
    fresh = slim.filter(pl.col("id").is_in(pl.Series(ids).implode()))
    facts.numbers = dict(fresh.filter("own").select("id", "number").iter_rows())
    facts.births = dict(fresh.filter(pl.col("born") != "").select("id", "born").iter_rows())
    met = stored.filter(pl.col("id").is_in(pl.concat([found["a"], found["b"]]).implode()))
    residents = dict(met.select("id", "resident_id").iter_rows())
    known = met.unique("resident_id").with_columns(pl.col("resident_birth").dt.strftime("%Y%m%d"))
    for resident, number, birth in known.select("resident_id", "resident_number", "resident_birth").iter_rows():
        _know(facts, resident, number or "", birth or "")
    scored = []
    columns = ("a", "b", "total", "exact_key", "decision", "code", "rarity", "veto")
    for a, b, total, exact, decision, code, rarity, veto in found.select(columns).iter_rows():
        left, right = (b, a) if a in residents else (a, b)
        rule = "id-number" if exact else "probabilistic"
        scored.append(Scored(left, right, residents.get(right), total, rule, decision == LINK, code, rarity, veto))
    facts.foes = foes(scored)
    return scored, facts
