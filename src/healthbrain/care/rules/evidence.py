"""Which ledger events close a task: as Python over one history, and as SQL over a relation of events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

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
        if clause.texts and found.text not in clause.texts:
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


def fact_ctes(facts: Iterable[Fact], events: str, as_of: str) -> dict[str, str]:
    """name → SELECT resident_id, day, id, organisation_id, text: one relation a fact."""
    return {f"happened_{fact.name}": _happened_sql(fact, events, as_of) for fact in facts}


def set_sql(evidence: EvidenceSet) -> str:
    """SELECT resident_id, day, event_id of one set, one row a day."""
    clauses = " UNION ALL ".join(_clause_sql(clause) for clause in evidence.clauses)
    return f"SELECT resident_id, day, max(id) AS event_id FROM ({clauses}) c GROUP BY resident_id, day"


def _happened_sql(fact: Fact, events: str, as_of: str) -> str:
    usable = f"flag = {USABLE} AND CAST(e.at AS DATE) <= {as_of}"
    if fact.shape == "pair":
        either = " OR ".join(f"({event_sql(member)})" for member in fact.members)
        both = " AND ".join(f"bool_or({event_sql(member)})" for member in fact.members)
        return (
            f"SELECT resident_id, CAST(e.at AS DATE) AS day, max(id) AS id, organisation_id, "
            "CAST(NULL AS TEXT) AS text "
            f"FROM {events} e WHERE {usable} AND ({either}) GROUP BY resident_id, e.at, organisation_id HAVING {both}"
        )
    return (
        f"SELECT resident_id, CAST(e.at AS DATE) AS day, id, organisation_id, text FROM {events} e "
        f"WHERE {usable} AND {event_sql(fact)}"
    )


def event_sql(fact: Fact) -> str:
    """A condition over one event row: this event is an occurrence of the coded fact."""
    parts = [f"kind = {quoted(fact.kind)}"]
    if fact.codes:
        parts.append("(" + " OR ".join(_code_sql(code) for code in fact.codes) + ")")
    if fact.value == "number":
        parts.append(_plausible_sql(fact))
    if fact.answers or fact.only:
        parts.append(f"text IN ({', '.join(quoted(t) for t in fact.only or fact.answers)})")
    if fact.excluded:
        parts.append(f"(text IS NULL OR text NOT IN ({', '.join(quoted(t) for t in fact.excluded)}))")
    return " AND ".join(parts)


def _plausible_sql(fact: Fact) -> str:
    low, high = fact.plausible or (float("-inf"), float("inf"))
    parts = [f"((unit IS NULL OR unit = {quoted(fact.unit)}) AND value BETWEEN {low!r} AND {high!r})"]
    parts += [
        f"(unit = {quoted(unit)} AND value * {factor!r} BETWEEN {low!r} AND {high!r})" for unit, factor in fact.factors
    ]
    return "(" + " OR ".join(parts) + ")"


def _code_sql(code: Code) -> str:
    return f"starts_with(code, {quoted(code.text)})" if code.prefix else f"code = {quoted(code.text)}"


def _clause_sql(clause: Evidence) -> str:
    where = []
    if clause.at_institution:
        where.append("h.organisation_id IS NOT NULL")
    if clause.texts:
        where.append(f"h.text IN ({', '.join(quoted(text) for text in clause.texts)})")
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
