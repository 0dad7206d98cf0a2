"""The task algebra of `occurrence` as SQL: occurrences of each programme, then closing, status, place and wake-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from healthbrain.care.rules.evidence import quoted
from healthbrain.care.rules.programme import Due, Programme, Task, span_sql
from healthbrain.facts.rules.duration import Duration

NEVER = "DATE '9999-12-31'"


def occurrences(programme: Programme, relation: str, sets: Mapping[str, str]) -> list[str]:
    """One SELECT a task, all of the same columns."""
    return [_task(programme, task, relation, sets[task.id]) for task in programme.tasks]


def _task(programme: Programme, task: Task, relation: str, name: str) -> str:
    dated = {"chain": _chain, "once": _once, "calendar": _calendar, "ages": _ages}[task.kind](task, relation, name)
    levels = dict(task.escalate)
    grace = "due" if task.kind in {"calendar", "ages"} else after("due", task.grace)
    return (
        f"SELECT resident_id, {quoted(programme.id)} AS programme, {quoted(programme.version)} AS version, "
        f"{quoted(task.id)} AS task, {quoted(name)} AS set_name, anchor, ordinal, opens, due, {grace} AS grace_until, "
        f"expires, ev_from, ev_to, {'TRUE' if task.urgent else 'FALSE'} AS urgent, as_of, state, because, "
        f"CAST({levels.get('township', 'NULL')} AS INTEGER) AS to_township, "
        f"CAST({levels.get('county', 'NULL')} AS INTEGER) AS to_county, "
        f"{before('as_of', programme.behind)} AS behind, {before('opens', programme.ahead)} AS appears, "
        f"opens <= {after('as_of', programme.ahead)} AS near FROM ({dated}) d"
    )


def _chosen(task: Task) -> str:
    """Residents the task is for, at this moment."""
    parts = [f"p.status = {quoted('suspected' if task.suspected else 'active')}"]
    if task.states:
        parts.append(f"p.state IN ({', '.join(quoted(s) for s in task.states)})")
    if task.when is not None:
        parts.append(f"p.when_{task.id.replace('-', '_')} IS TRUE")
    return " AND ".join(parts)


def _chain(task: Task, relation: str, name: str) -> str:
    last = f"p.{name}_day"
    inner = (
        f"SELECT p.*, {last} AS last_day, COALESCE({last}, p.since) AS anchor FROM {relation} p WHERE {_chosen(task)}"
    )
    due = _by_state(task, lambda rule: _chain_due(task, rule))
    if task.quota:
        capped = after("last_day", Duration(months=12 // task.quota))
        due = f"CASE WHEN last_day IS NOT NULL THEN LEAST({due}, {capped}) ELSE {due} END"
    opens = _by_state(task, lambda rule: _chain_opens(task, rule))
    return (
        f"SELECT *, 1 AS ordinal, {opens} AS opens, {_expires(task)} AS expires, CAST(NULL AS DATE) AS ev_from, "
        f"CAST(NULL AS DATE) AS ev_to FROM (SELECT *, {due} AS due FROM ({inner}) c) c2"
    )


def _chain_due(task: Task, rule: Due) -> str:
    return _unless_done(task, rule, _due)


def _chain_opens(task: Task, rule: Due) -> str:
    def opens(one: Due) -> str:
        if one.start == "year-end":
            return "GREATEST(anchor, make_date(CAST(EXTRACT(YEAR FROM due) AS INTEGER), 1, 1))"
        return "anchor" if task.opens_before is None else f"GREATEST(anchor, {before('due', task.opens_before)})"

    return _unless_done(task, rule, opens)


def _unless_done(task: Task, rule: Due, make: Callable[[Due], str]) -> str:
    """By the rule of the state, or by `never_done` while there is no evidence and no reading to count from."""
    if task.never_done is None:
        return make(rule)
    never = "last_day IS NULL AND reading IS NULL" if rule.start == "reading" else "last_day IS NULL"
    return f"CASE WHEN {never} THEN {make(task.never_done)} ELSE {make(rule)} END"


def _once(task: Task, relation: str, name: str) -> str:
    anchor = f"p.anchor_{task.id.replace('-', '_')}"
    inner = f"SELECT p.*, {anchor} AS anchor FROM {relation} p WHERE {_chosen(task)} AND {anchor} IS NOT NULL"
    due = _by_state(task, _due)
    return (
        f"SELECT *, 1 AS ordinal, anchor AS opens, {_expires(task)} AS expires, "
        f"CAST(anchor + {task.evidence_after} AS DATE) AS ev_from, {_expires(task)} AS ev_to "
        f"FROM (SELECT *, {due} AS due FROM ({inner}) c) c2"
    )


def _calendar(task: Task, relation: str, name: str) -> str:
    year = "CAST(EXTRACT(YEAR FROM p.as_of) AS INTEGER) - y.back"
    first, last = f"make_date({year}, 1, 1)", f"make_date({year}, 12, 31)"
    return (
        f"SELECT p.*, {first} AS anchor, 1 AS ordinal, GREATEST({first}, p.since) AS opens, {last} AS due, "
        f"{last} AS expires, {first} AS ev_from, {last} AS ev_to FROM {relation} p "
        f"CROSS JOIN (VALUES (0), (1)) y(back) WHERE {_chosen(task)} AND p.since <= {last}"
    )


def _ages(task: Task, relation: str, name: str) -> str:
    rows = ", ".join(
        f"({age.ordinal}, {span_sql(age.opens)}, {span_sql(age.due)}, {span_sql(age.until)})" for age in task.ages
    )
    opens, due, until = (f"CAST(p.birth_date + v.{part} AS DATE)" for part in ("o", "d", "u"))
    expires = f"{until} - 1"
    return (
        f"SELECT p.*, p.birth_date AS anchor, v.ordinal AS ordinal, {opens} AS opens, {due} AS due, "
        f"{expires} AS expires, {opens} AS ev_from, {expires} AS ev_to FROM {relation} p "
        f"CROSS JOIN (VALUES {rows}) v(ordinal, o, d, u) WHERE {_chosen(task)} AND p.birth_date IS NOT NULL"
    )


def _by_state(task: Task, make: Callable[[Due], str]) -> str:
    """CASE over the state; the `*` row is the rest."""
    rows = [(s, make(rule)) for s, rule in task.due.items() if s != "*"]
    rest = make(task.due["*"])
    if not rows:
        return str(rest)
    return "CASE state " + " ".join(f"WHEN {quoted(s)} THEN {sql}" for s, sql in rows) + f" ELSE {rest} END"


def _due(rule: Due) -> str:
    if rule.start == "year-end":
        wanted = f"GREATEST(COALESCE({after('last_day', rule.span)}, as_of), as_of)"
        return f"make_date(CAST(EXTRACT(YEAR FROM {wanted}) AS INTEGER), 12, 31)"
    start = {"reading": "COALESCE(reading, anchor)", "enrolment": "since"}.get(rule.start, "anchor")
    return after(start, rule.span)


def _expires(task: Task) -> str:
    return NEVER if task.expires is None else after("due", task.expires)


def after(date: str, duration: Duration) -> str:
    return f"CAST({date} + {span_sql(duration)} AS DATE)"


def before(date: str, duration: Duration) -> str:
    return f"CAST({date} - {span_sql(duration)} AS DATE)"


# After the union: the same for every programme -------------------------------------------------------------------


def placed(programmes: Sequence[Programme], dialect: str) -> list[tuple[str, str]]:
    """Closing by evidence, deferrals, status, organisation, wake-up."""
    first = "arg_min(e.event_id, e.day)" if dialect == "duckdb" else "(array_agg(e.event_id ORDER BY e.day))[1]"
    closings = (
        f"SELECT o.resident_id, o.programme, o.task, o.anchor, o.ordinal, min(e.day) AS closed_on, {first} AS "
        "closed_by_event FROM occurrences o JOIN evidence e ON e.resident_id = o.resident_id "
        "AND e.set_name = o.set_name "
        "AND e.day BETWEEN o.ev_from AND o.ev_to WHERE o.ev_from IS NOT NULL GROUP BY 1, 2, 3, 4, 5"
    )
    ids = ", ".join(f"({quoted(p.id)}, {quoted(t.id)})" for p in programmes for t in p.tasks)
    held = (
        "SELECT d.resident_id, d.programme, t.task, bool_or(d.kind <> 'deferred') AS refused FROM deferrals d "
        f"JOIN (VALUES {ids}) t(programme, task) ON t.programme = d.programme AND (d.task = '' OR d.task = t.task) "
        "WHERE d.from_date <= d.as_of AND d.until >= d.as_of GROUP BY 1, 2, 3"
    )
    joined = (
        "SELECT o.*, c.closed_on, c.closed_by_event, h.refused FROM occurrences o "
        "LEFT JOIN closings c ON c.resident_id = o.resident_id AND c.programme = o.programme AND c.task = o.task "
        "AND c.anchor = o.anchor AND c.ordinal = o.ordinal "
        "LEFT JOIN held h ON h.resident_id = o.resident_id AND h.programme = o.programme AND h.task = o.task"
    )
    status = (
        "CASE WHEN closed_on IS NOT NULL THEN 'done' WHEN as_of > expires THEN 'expired' "
        "WHEN refused THEN 'refused' WHEN refused IS FALSE THEN 'deferred' WHEN as_of < opens THEN 'upcoming' "
        "WHEN as_of <= due THEN 'due' ELSE 'overdue' END"
    )
    level = (
        "CASE WHEN status <> 'overdue' THEN '' WHEN as_of - due >= to_county THEN 'county' "
        "WHEN as_of - due >= to_township THEN 'township' ELSE '' END"
    )
    organisation = (
        "COALESCE(CASE t.escalated_to WHEN 'county' THEN l.county_id WHEN 'township' THEN l.township_id END, "
        "l.organisation_id)"
    )
    tasks = (
        "SELECT t.resident_id, t.programme, t.version, t.task, t.anchor, t.ordinal, t.opens, t.due, t.grace_until, "
        f"t.expires, t.status, t.urgent, {organisation} AS organisation_id, l.team_id, t.escalated_to, t.closed_on, "
        "t.closed_by_event, '{\"state\": \"' || t.state || '\", \"because\": ' || t.because || '}' AS reason "
        f"FROM (SELECT *, {level} AS escalated_to FROM stated) t LEFT JOIN places l ON l.resident_id = t.resident_id "
        "WHERE t.near AND COALESCE(t.closed_on, t.expires) >= t.behind"
    )
    return [
        ("closings", closings),
        ("held", held),
        ("stated", f"SELECT *, {status} AS status FROM ({joined}) j"),
        ("tasks", tasks),
        ("task_wakes", _wakes()),
    ]


def _wakes() -> str:
    days = ["appears", "opens", "due + 1", "due + to_township", "due + to_county"]
    parts = [f"CASE WHEN {day} > as_of THEN {day} END" for day in days]
    parts.append(f"CASE WHEN expires < {NEVER} THEN expires + 1 END")
    deferred = "SELECT resident_id, programme, min(until + 1) AS wake FROM deferrals WHERE until >= as_of GROUP BY 1, 2"
    return (
        "SELECT resident_id, programme, min(wake) AS wake FROM ("
        f"SELECT resident_id, programme, CAST(LEAST({', '.join(parts)}) AS DATE) AS wake FROM stated "
        f"WHERE closed_on IS NULL AND as_of <= expires UNION ALL SELECT * FROM ({deferred}) f) w "
        "WHERE wake IS NOT NULL GROUP BY 1, 2"
    )
