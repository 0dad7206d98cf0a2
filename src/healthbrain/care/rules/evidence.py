"""Which ledger events close a task: as Python over one history, and as SQL over a relation of events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from healthbrain.care.rules.occurrence import Proof
from healthbrain.care.rules.programme import Evidence, EvidenceSet
from healthbrain.facts.rules.catalogue import Catalogue, Code, Fact
from healthbrain.facts.rules.reference import History, Occurrence, occurrences

USABLE = 0  # Event.flag: implausible and withdrawn values never count

# Python ---------------------------------------------------------------------------------------------------------


def proofs(evidence: EvidenceSet, history: History, catalogue: Catalogue, as_of: dt.date) -> list[Proof]:
    """Days on which any clause held, oldest first, each with its newest event."""
    newest: dict[dt.date, int] = {}
    for clause in evidence.clauses:
        for found in _clause(clause, history, catalogue):
            if found.day <= as_of:
                newest[found.day] = max(found.id, newest.get(found.day, 0))
    return [Proof(day, newest[day]) for day in sorted(newest)]


def _clause(clause: Evidence, history: History, catalogue: Catalogue) -> Iterable[Occurrence]:
    joined = _places(history, catalogue[clause.with_fact]) if clause.with_fact else set()
    remote = _places(history, catalogue[clause.not_remote]) if clause.not_remote else set()
    for found in _happened(history, catalogue[clause.fact]):
        place = (found.day, found.organisation_id)
        if clause.at_institution and found.organisation_id is None:
            continue
        if (not clause.with_fact or place in joined) and place not in remote:
            yield found


def _places(history: History, fact: Fact) -> set[tuple[dt.date, int | None]]:
    return {(o.day, o.organisation_id) for o in _happened(history, fact) if o.organisation_id is not None}


def _happened(history: History, fact: Fact) -> Iterable[Occurrence]:
    found = occurrences(fact, history)
    if fact.shape == "pair":
        return [o for o in found if o.value is not None and o.value2 is not None]
    return found


# SQL ------------------------------------------------------------------------------------------------------------


def facts_of(sets: Iterable[EvidenceSet], catalogue: Catalogue) -> list[Fact]:
    """The facts the sets speak of, once each."""
    names = {n for s in sets for c in s.clauses for n in (c.fact, c.with_fact, c.not_remote) if n}
    return [catalogue[name] for name in sorted(names)]


def hits(facts: Sequence[Fact], events: str, codes: str, as_of: str) -> list[tuple[str, str]]:
    """`meant` (which facts a code means), `hits` (usable events once a fact), and one `happened_…` a fact."""
    members = {m.name: m for fact in facts for m in (fact.members if fact.shape == "pair" else (fact,))}
    numbers = {name: n for n, name in enumerate(sorted(members), 1)}
    meant = " UNION ALL ".join(
        f"SELECT DISTINCT kind, code, {n} AS fact FROM {codes} WHERE {code_sql(members[name])}"
        for name, n in numbers.items()
    )
    tests = " ".join(f"WHEN {n} THEN {test}" for name, n in numbers.items() if (test := value_sql(members[name])))
    usable = (
        "SELECT e.resident_id, e.at, CAST(e.at AS DATE) AS day, e.id, e.organisation_id, m.fact "
        f"FROM {events} e JOIN meant m ON m.kind = e.kind AND m.code = e.code "
        f"WHERE e.flag = {USABLE} AND CAST(e.at AS DATE) <= {as_of}"
        + (f" AND CASE m.fact {tests} ELSE TRUE END" if tests else "")
    )
    steps = [("meant", meant), ("hits", usable)]
    return steps + [(f"happened_{fact.name}", _happened_sql(fact, numbers)) for fact in facts]


def set_sql(evidence: EvidenceSet, only: str = "") -> str:
    """SELECT resident_id, day, id of one set; several rows a day are possible. `only`: a relation of residents."""
    return " UNION ALL ".join(_clause_sql(clause, only) for clause in evidence.clauses)


def _happened_sql(fact: Fact, numbers: Mapping[str, int]) -> str:
    if fact.shape == "pair":
        first, second = (numbers[member.name] for member in fact.members)
        return (
            "SELECT h.resident_id, CAST(h.at AS DATE) AS day, max(h.id) AS id, h.organisation_id FROM hits h "
            f"WHERE h.fact IN ({first}, {second}) GROUP BY h.resident_id, h.at, h.organisation_id "
            "HAVING min(h.fact) < max(h.fact)"
        )
    return f"SELECT resident_id, day, id, organisation_id FROM hits WHERE fact = {numbers[fact.name]}"


def code_sql(fact: Fact) -> str:
    """A condition over kind and code: this code may mean the fact."""
    parts = [f"kind = {quoted(fact.kind)}"]
    if fact.codes:
        parts.append("(" + " OR ".join(_code_sql(code) for code in fact.codes) + ")")
    return " AND ".join(parts)


def value_sql(fact: Fact) -> str:
    """A condition over value, unit and text of an event `e`: it is usable as this fact. Empty: nothing to test."""
    parts = []
    if fact.value == "number":
        parts.append(_plausible_sql(fact))
    parts += [f"e.text IN ({', '.join(map(quoted, texts))})" for texts in (fact.answers, fact.only) if texts]
    if fact.excluded:
        parts.append(f"(e.text IS NULL OR e.text NOT IN ({', '.join(map(quoted, fact.excluded))}))")
    return " AND ".join(parts)


def _plausible_sql(fact: Fact) -> str:
    low, high = fact.plausible or (float("-inf"), float("inf"))
    parts = [f"((e.unit IS NULL OR e.unit IN ('', {quoted(fact.unit)})) AND e.value BETWEEN {low!r} AND {high!r})"]
    parts += [
        f"(e.unit = {quoted(unit)} AND e.value * {factor!r} BETWEEN {low!r} AND {high!r})"
        for unit, factor in fact.factors
    ]
    return "(" + " OR ".join(parts) + ")"


def _code_sql(code: Code) -> str:
    return f"starts_with(code, {quoted(code.text)})" if code.prefix else f"code = {quoted(code.text)}"


def _clause_sql(clause: Evidence, only: str) -> str:
    where = [f"h.resident_id IN (SELECT resident_id FROM {only})"] if only else []
    if clause.at_institution:
        where.append("h.organisation_id IS NOT NULL")
    if clause.with_fact:
        where.append(f"EXISTS ({_same_place(clause.with_fact)})")
    if clause.not_remote:
        where.append(f"NOT EXISTS ({_same_place(clause.not_remote)})")
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return f"SELECT h.resident_id, h.day, h.id FROM happened_{clause.fact} h{condition}"


def _same_place(fact: str) -> str:
    return (
        f"SELECT 1 FROM happened_{fact} o WHERE o.resident_id = h.resident_id AND o.day = h.day "
        "AND o.organisation_id = h.organisation_id"
    )


def quoted(text: str) -> str:
    """A string as an SQL literal. Only text of checked knowledge files comes here."""
    return "'" + text.replace("'", "''") + "'"
