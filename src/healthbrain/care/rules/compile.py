"""Programmes as SQL for PostgreSQL and DuckDB: facts, events, places and deferrals in; enrolments and tasks out.

The same algebra as `occurrence`, said for many residents at once. Every step is a named relation, in an order in
which each uses only earlier ones: PostgreSQL runs them as one WITH, DuckDB as temporary tables.

Relations expected:
  facts      one row a resident: resident and call columns of `calls_of(programmes)` (facts.rules.compile)
  events     resident_id, id, kind, code, at, value, unit, text, flag, organisation_id
  places     resident_id, team_id, organisation_id, township_id, county_id
  deferrals  resident_id, programme, task ('' = all), kind, from_date, until
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from healthbrain.care.rules import tasks_sql
from healthbrain.care.rules.evidence import facts_of, hits, quoted, set_sql
from healthbrain.care.rules.programme import ALWAYS, EvidenceSet, Programme, span_sql
from healthbrain.facts.rules.calls import Call
from healthbrain.facts.rules.catalogue import Catalogue
from healthbrain.facts.rules.duration import Duration
from healthbrain.facts.rules.language import all_calls

ENROLMENT_COLUMNS = (
    "resident_id", "programme", "version", "status", "risk_level", "since", "state_since", "ended_on", "end_reason",
    "standard", "next_evaluation_at",
)  # fmt: skip
TASK_COLUMNS = (
    "resident_id", "programme", "version", "task", "anchor", "ordinal", "opens", "due", "grace_until", "expires",
    "status", "urgent", "organisation_id", "team_id", "escalated_to", "closed_on", "closed_by_event", "reason",
)  # fmt: skip


_IDS = 2**40  # more events than a county ever has; days from year 1 fit above them in 64 bits
_NOTHING = "SELECT resident_id, 0 AS set_no, day, id AS event_id FROM hits WHERE FALSE"  # no task asks for any


@dataclass(frozen=True)
class Plan:
    """Named relations in order, and the names of the three results."""

    steps: tuple[tuple[str, str], ...]
    enrolments: str = "enrolments"
    tasks: str = "tasks"
    done: str = "done"  # resident_id, programme, task, day, event_id: when each task was last done

    def one_query(self, results: str) -> str:
        """Everything as one WITH; `results` is the SELECT at its end."""
        steps = ", ".join(f"{name} AS MATERIALIZED ({sql})" for name, sql in self.steps)
        return f"WITH {steps} {results}"


def calls_of(programmes: Iterable[Programme]) -> frozenset[Call]:
    """Every call the programmes need, with those that tell when a value leaves its window."""
    calls = all_calls(e for programme in programmes for e in programme.expressions)
    return calls | {edge for call in calls if (edge := window_edge(call)) is not None}


def window_edge(call: Call) -> Call | None:
    """The call for the day whose leaving the window changes `call` first; None for a call without a window."""
    if call.within is None:
        return None
    at = call.evidence.get("at")
    return at or dataclasses.replace(call, function="first_at", member="", nth=1)


def windows_of(programme: Programme) -> list[tuple[Call, Duration]]:
    """Edges of the windows that decide enrolment, state and tasks (what is only shown does not wake anyone)."""
    deciding = [programme.population, programme.enrol, programme.suspect, *(s.when for s in programme.states)]
    deciding += [
        programme.reading,
        programme.standard,
        *(e for t in programme.tasks for e in t.expressions),
        *(e.day for e in programme.exits),
    ]
    calls = all_calls(e for e in deciding if e is not None)
    edges = {(edge, c.within) for c in calls if c.within and (edge := window_edge(c))}
    return sorted(edges, key=lambda pair: pair[0].column)


def compile_programmes(
    programmes: Sequence[Programme], catalogue: Catalogue, dialect: str, *, as_of: str, codes: str = ""
) -> Plan:
    """The plan for all `programmes`. `as_of` is the day as SQL text of the dialect; `codes` a relation of the distinct
    (kind, code) of the events, when there is one cheaper than reading them."""
    sets = evidence_sets(programmes)
    distinct = {name: evidence for evidence, name in sets.values()}
    names = {key: name for key, (_, name) in sets.items()}
    asked = [(p, t) for p in programmes for t in p.tasks if t.kind == "chain" or t.again is not None]
    chains = sorted({names[p.id, t.evidence] for p, t in asked})
    in_turn = sorted({names[p.id, t.evidence] for p in programmes for t in p.tasks if t.kind == "series"})
    seen = codes or "(SELECT DISTINCT kind, code FROM events)"
    steps = hits(facts_of(distinct.values(), catalogue), "events", f"{seen} AS seen", as_of)
    lasts = " UNION ALL ".join(_last(number_of(name), distinct[name]) for name in chains)
    steps.append(("last_evidence", lasts or _NOTHING))
    steps += standings(programmes, dialect)[0]
    days = " UNION ALL ".join(
        f"SELECT DISTINCT resident_id, {number_of(name)} AS set_no, day FROM ({set_sql(distinct[name])}) c"
        for name in in_turn
    )
    steps += [("series_days", days)] if days else []
    steps += tasks_sql.series(programmes, names, as_of)
    steps.append(("task_list", tasks_sql.task_list(programmes, {k: number_of(v) for k, v in names.items()})))
    steps.append(("occurrences", " UNION ALL ".join(tasks_sql.occurrences(programmes, names, as_of))))
    windows = sorted({names[p.id, t.evidence] for p in programmes for t in p.tasks if t.kind != "chain"})
    for name in windows:
        chosen = (
            f"SELECT DISTINCT resident_id FROM occurrences WHERE set_no = {number_of(name)} AND ev_from IS NOT NULL"
        )
        steps.append((f"for_{name}", chosen))
    evidence = " UNION ALL ".join(
        f"SELECT resident_id, {number_of(name)} AS set_no, day, max(id) AS event_id FROM "
        f"({set_sql(distinct[name], f'for_{name}')}) c GROUP BY resident_id, day"
        for name in windows
    )
    steps.append(("evidence", evidence or _NOTHING))
    steps += tasks_sql.placed(programmes, dialect)
    steps.append(("enrolments", " UNION ALL ".join(_enrolments(p, n) for n, p in enumerate(programmes))))
    everything = " UNION ALL ".join(_last(number_of(name), evidence) for name, evidence in distinct.items())
    steps.append(("last_done", everything))
    steps.append(("done", _done(programmes, names)))
    return Plan(tuple(steps))


def standings(programmes: Sequence[Programme], dialect: str) -> tuple[list[tuple[str, str]], str]:
    """Only how everybody stands, without tasks: the steps over `facts`, and the SELECT of resident_id, programme,
    status, risk_level, since, state_since, standard."""
    steps, selects = [], []
    for n, programme in enumerate(programmes):
        steps += [(f"p{n}_base", _base(programme, dialect)), (f"p{n}", _standing(programme, f"p{n}_base"))]
        selects.append(
            f"SELECT resident_id, {quoted(programme.id)} AS programme, status, state AS risk_level, since, "
            f"state_since, standard FROM p{n}"
        )
    return steps, " UNION ALL ".join(selects)


def number_of(name: str) -> int:
    """e7 → 7: sets are compared by number."""
    return int(name[1:])


def evidence_sets(programmes: Sequence[Programme]) -> dict[tuple[str, str], tuple[EvidenceSet, str]]:
    """(programme, set) → the set and the relation's short name; sets that say the same share one."""
    by_content: dict[object, str] = {}
    result = {}
    for programme in programmes:
        for evidence in programme.evidence.values():
            name = by_content.setdefault(evidence.clauses, f"e{len(by_content)}")
            result[programme.id, evidence.name] = (evidence, name)
    return result


def _last(number: int, evidence: EvidenceSet) -> str:
    """The newest day of a set and the newest event of that day, one row a resident: packed into one number, because
    one maximum over numbers is what both engines do fastest."""
    packed = f"max(CAST(c.day - DATE '0001-01-01' AS BIGINT) * {_IDS} + c.id)"
    days = f"CAST((newest - newest % {_IDS}) / {_IDS} AS INTEGER)"
    return (
        f"SELECT resident_id, {number} AS set_no, CAST(DATE '0001-01-01' + {days} AS DATE) AS day, "
        f"newest % {_IDS} AS event_id FROM (SELECT c.resident_id, {packed} AS newest FROM "
        f"({set_sql(evidence)}) c GROUP BY c.resident_id) n"
    )


def _base(programme: Programme, dialect: str) -> str:
    """Residents the programme may be about, with the values of its expressions."""

    def sql(expression: object) -> str:
        return f"({expression.sql(dialect)})" if expression is not None else "NULL"  # type: ignore[attr-defined]

    state = " ".join(
        f"WHEN {sql(s.when)} THEN {quoted(s.id)}" if s.when is not None else f"ELSE {quoted(s.id)}"
        for s in programme.states
    )
    columns = [
        f"{sql(programme.enrol)} AS enrolled",
        f"CAST({sql(programme.since)} AS DATE) AS condition_since",
        f"CAST({sql(programme.suspect)} AS BOOLEAN) AS suspect",
        f"CAST({sql(programme.suspect_since)} AS DATE) AS suspect_since",
        f"CAST({sql(programme.reading)} AS DATE) AS reading",
        f"CASE {state} END AS state" if programme.states else "'' AS state",
        f"CAST({sql(programme.standard)} AS BOOLEAN) AS standard",
        f"{_window_wake(programme)} AS window_wake",
        f"{because(programme, dialect)} AS because",
    ]
    columns += [f"{sql(t.when)} AS {name_of('when', t.id)}" for t in programme.tasks if t.when is not None]
    columns += [f"CAST({sql(t.anchor)} AS DATE) AS {name_of('anchor', t.id)}" for t in programme.tasks if t.anchor]
    columns += [f"CAST({sql(t.again)} AS DATE) AS {name_of('again', t.id)}" for t in programme.tasks if t.again]
    columns += [
        f"CAST({sql(t.counts_from)} AS DATE) AS {name_of('zero', t.id)}" for t in programme.tasks if t.counts_from
    ]
    columns += [
        f"CAST({sql(t.not_before)} AS DATE) AS {name_of('wait', t.id)}" for t in programme.tasks if t.not_before
    ]
    columns += [f"CAST({sql(one.day)} AS DATE) AS {name_of('exit', one.id)}" for one in programme.exits]
    entry = sql(programme.enrol)
    if programme.suspect is not None:
        entry = f"({entry} IS TRUE OR {sql(programme.suspect)} IS TRUE)"
    own = "resident_id, as_of, birth_date, deceased_on, moved_on"
    return f"SELECT {own}, {', '.join(columns)} FROM facts WHERE {sql(programme.population)} IS TRUE AND {entry}"


def because(programme: Programme, dialect: str) -> str:
    """The values a person is shown, as JSON text."""
    parts = [f"'{name}', ({expression.sql(dialect)})" for name, expression in programme.because.items()]
    parts += [
        "'reading', CAST(" + (f"({programme.reading.sql(dialect)})" if programme.reading else "NULL") + " AS TEXT)"
    ]
    function = "json_object" if dialect == "duckdb" else "json_build_object"
    return f"CAST({function}({', '.join(parts)}) AS TEXT)"


def name_of(kind: str, task_id: str) -> str:
    """Column name of a task's condition or anchor."""
    return f"{kind}_{task_id.replace('-', '_')}"


def _standing(programme: Programme, base: str) -> str:
    """Status and dates of the enrolment, one row a resident."""
    by_age = (
        f"CAST(birth_date + {span_sql(programme.age_from)} AS DATE)" if programme.age_from is not None else "NULL::DATE"
    )
    since = (
        "CASE WHEN enrolled IS TRUE THEN "
        f"COALESCE(GREATEST(COALESCE(condition_since, {by_age}), COALESCE({by_age}, condition_since)), as_of) "
        "ELSE COALESCE(suspect_since, as_of) END"
    )
    ways = {"died": "deceased_on", "moved": "moved_on"} | {
        one.id: f"CASE WHEN entry = 'active' AND {name_of('exit', one.id)} >= since THEN {name_of('exit', one.id)} END"
        for one in programme.exits
    }
    left = f"LEAST({', '.join(f'COALESCE({day}, {tasks_sql.NEVER})' for day in ways.values())})"
    named = " ".join(f"WHEN {day} = ended_on THEN {quoted(way)}" for way, day in ways.items())
    reason = f"CASE {named} END"
    entry = "CASE WHEN enrolled IS TRUE THEN 'active' ELSE 'suspected' END AS entry"
    entered = f"SELECT *, {entry}, {since} AS since FROM {base}"
    inner = f"SELECT *, CASE WHEN {left} <= as_of THEN {left} END AS ended_on FROM ({entered}) e"
    begun = "since" if programme.begins == ALWAYS else f"GREATEST(since, DATE '{programme.begins.isoformat()}')"
    ages = "".join(f", {_future(f'CAST(birth_date + {span_sql(age)} AS DATE)')}" for age in programme.ages)
    ages += "".join(f", {_future(name_of('exit', one.id))}" for one in programme.exits)
    ages += "".join(f", {_future(f"DATE '{day.isoformat()}'")}" for day in programme.changes)
    new_year = ", make_date(CAST(EXTRACT(YEAR FROM as_of) AS INTEGER) + 1, 1, 1)" if programme.yearly else ""
    return (
        f"SELECT *, {begun} AS begun, CASE WHEN ended_on IS NULL THEN entry ELSE 'ended' END AS status, "
        f"COALESCE(reading, since) AS state_since, CASE WHEN ended_on IS NOT NULL THEN {reason} END AS end_reason, "
        f"LEAST(window_wake, {_future('deceased_on')}, {_future('moved_on')}{ages}{new_year}) AS wake FROM ({inner}) i "
        "WHERE ended_on IS NULL OR (entry = 'active' AND since <= ended_on)"
    )


def _future(date: str) -> str:
    return f"CASE WHEN {date} > as_of THEN {date} END"


def _window_wake(programme: Programme) -> str:
    """First day on which a value may leave its window. Month ends: up to three days late, so looked at daily."""
    days = []
    for call, within in windows_of(programme):
        edge = f"CAST({call.column} + {span_sql(within)} AS DATE)"
        days.append(f"CASE WHEN {edge} + 3 > as_of THEN GREATEST({edge}, as_of + 1) END")
    return f"CAST(LEAST({', '.join([*days, 'NULL', 'NULL'])}) AS DATE)" if days else "CAST(NULL AS DATE)"


def _enrolments(programme: Programme, number: int) -> str:
    return (
        f"SELECT p.resident_id, {quoted(programme.id)} AS programme, {quoted(programme.version)} AS version, p.status, "
        "p.state AS risk_level, p.since, p.state_since, p.ended_on, p.end_reason, p.standard, "
        "CASE WHEN p.status <> 'ended' THEN LEAST(p.wake, w.wake) END AS next_evaluation_at "
        f"FROM p{number} p LEFT JOIN task_wakes w ON w.resident_id = p.resident_id AND w.p_no = {number}"
    )


def _done(programmes: Sequence[Programme], names: dict[tuple[str, str], str]) -> str:
    """When each task was last done: closes a task whose reason has gone. `wait`: days after its opening that count."""
    rows = ", ".join(
        f"({number_of(names[p.id, t.evidence])}, {quoted(p.id)}, {quoted(t.id)}, "
        f"{'TRUE' if t.kind == 'chain' else 'FALSE'}, {t.evidence_after})"
        for p in programmes
        for t in p.tasks
    )
    return (
        "SELECT l.resident_id, v.programme, v.task, l.day, l.event_id, v.chain, v.wait FROM last_done l "
        f"JOIN (VALUES {rows}) v(set_no, programme, task, chain, wait) ON v.set_no = l.set_no"
    )
