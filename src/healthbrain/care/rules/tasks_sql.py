"""The task algebra of `occurrence` as SQL: occurrences of each programme, then closing, status, place and wake-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from healthbrain.care.rules.evidence import quoted
from healthbrain.care.rules.occurrence import GRACELESS
from healthbrain.care.rules.programme import ALWAYS, Due, Programme, Task, span_sql
from healthbrain.care.rules.programme import NEVER as LAST
from healthbrain.facts.rules.duration import Duration

NEVER = f"DATE '{LAST.isoformat()}'"


def numbered(programmes: Sequence[Programme]) -> list[tuple[int, int, Programme, Task]]:
    """(task number, programme number, programme, task): the joins compare numbers, not names."""
    pairs = [(n, p, t) for n, p in enumerate(programmes) for t in p.tasks]
    return [(number, n, p, t) for number, (n, p, t) in enumerate(pairs, 1)]


def task_list(programmes: Sequence[Programme], sets: Mapping[tuple[str, str], int]) -> str:
    """One row a task: what is the same for all its occurrences."""
    rows = []
    for number, n, programme, task in numbered(programmes):
        levels = dict(task.escalate)
        rows.append(
            f"({number}, {n}, {quoted(programme.id)}, {quoted(programme.version)}, {quoted(task.id)}, "
            f"{'TRUE' if task.urgent else 'FALSE'}, CAST({levels.get('township', 'NULL')} AS INTEGER), "
            f"CAST({levels.get('county', 'NULL')} AS INTEGER))"
        )
    columns = "task_no, p_no, programme, version, task, urgent, to_township, to_county"
    return f"SELECT * FROM (VALUES {', '.join(rows)}) v({columns})"


def occurrences(programmes: Sequence[Programme], names: Mapping[tuple[str, str], str], as_of: str) -> list[str]:
    """One SELECT a task, all of the same columns. `as_of`: the day as SQL text, so that what depends on it alone is
    reckoned once and not for every row."""
    return [
        _task(number, n, programme, task, int(names[programme.id, task.evidence][1:]), as_of)
        for number, n, programme, task in numbered(programmes)
    ]


def _task(number: int, n: int, programme: Programme, task: Task, set_no: int, as_of: str) -> str:
    if task.kind == "chain":
        dated = _chain(task, f"p{n}", set_no)
    elif task.kind == "once":
        dated = _once(task, f"p{n}", set_no)
    elif task.kind == "calendar":
        dated = _calendar(task, f"p{n}", as_of)
    else:
        dated = _ages(task, f"p{n}", as_of) if task.kind == "ages" else _series(number, task, f"p{n}", as_of)
    grace = "due" if task.kind in GRACELESS else after("due", task.grace)
    return (
        f"SELECT resident_id, {number} AS task_no, {n} AS p_no, {set_no} AS set_no, anchor, ordinal, opens, due, "
        f"{grace} AS grace_until, expires, ev_from, ev_to, as_of, {before(as_of, programme.behind)} AS behind, "
        f"{before('opens', programme.ahead)} AS appears, opens <= {after(as_of, programme.ahead)} AS near "
        f"FROM ({dated}) d WHERE expires >= {before(as_of, programme.behind)}"
    )


def _chosen(task: Task) -> str:
    """Residents the task is for, at this moment."""
    parts = [f"p.status = {quoted('suspected' if task.suspected else 'active')}"]
    if task.states:
        parts.append(f"p.state IN ({', '.join(quoted(s) for s in task.states)})")
    if task.when is not None:
        parts.append(f"p.when_{task.id.replace('-', '_')} IS TRUE")
    return " AND ".join(parts)


def _chain(task: Task, relation: str, set_no: int) -> str:
    inner = (
        f"SELECT p.*, l.day AS last_day, COALESCE(l.day, p.begun) AS anchor FROM {relation} p "
        f"LEFT JOIN last_evidence l ON l.resident_id = p.resident_id AND l.set_no = {set_no} WHERE {_chosen(task)}"
    )
    due = _by_state(task, lambda rule: _chain_due(task, rule))
    if task.quota:
        capped = after("last_day", Duration(months=12 // task.quota))
        due = f"CASE WHEN last_day IS NOT NULL THEN LEAST({due}, {capped}) ELSE {due} END"
    due = f"GREATEST({due}, begun)"
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


def _once(task: Task, relation: str, set_no: int) -> str:
    anchor = f"p.anchor_{task.id.replace('-', '_')}"
    armed, last = anchor, ""
    if task.again is not None:
        again = f"p.again_{task.id.replace('-', '_')}"
        answered = f"l.day >= {anchor} + {task.evidence_after} AND {again} > l.day"
        armed = f"CASE WHEN {answered} THEN {again} ELSE {anchor} END"
        last = f"LEFT JOIN last_evidence l ON l.resident_id = p.resident_id AND l.set_no = {set_no} "
    inner = f"SELECT p.*, {armed} AS anchor FROM {relation} p {last}WHERE {_chosen(task)} AND {anchor} IS NOT NULL"
    due = _by_state(task, _due)
    return (
        f"SELECT *, 1 AS ordinal, anchor AS opens, {_expires(task)} AS expires, "
        f"CAST(anchor + {task.evidence_after} AS DATE) AS ev_from, {_expires(task)} AS ev_to "
        f"FROM (SELECT *, {due} AS due FROM ({inner}) c) c2"
    )


def _calendar(task: Task, relation: str, as_of: str) -> str:
    year = f"CAST(EXTRACT(YEAR FROM {as_of}) AS INTEGER) - b.back"
    years = f"SELECT make_date({year}, 1, 1) AS first, make_date({year}, 12, 31) AS last FROM (VALUES (0), (1)) b(back)"
    return (
        "SELECT p.*, y.first AS anchor, 1 AS ordinal, GREATEST(y.first, p.begun) AS opens, y.last AS due, "
        f"y.last AS expires, y.first AS ev_from, y.last AS ev_to FROM {relation} p "
        f"CROSS JOIN ({years}) y WHERE {_chosen(task)} AND p.begun <= y.last"
    )


def _zero(task: Task) -> str:
    """The day a timetable counts from."""
    return "p.birth_date" if task.counts_from is None else f"p.{_column('zero', task)}"


def _column(kind: str, task: Task) -> str:
    return f"{kind}_{task.id.replace('-', '_')}"


def _rows(task: Task) -> str:
    """The timetable as a relation v: ordinal, opens, due, until (null: none), after, in force from, to."""
    rows = ", ".join(
        f"({row.ordinal}, {span_sql(row.opens)}, {span_sql(row.due)}, "
        f"{'CAST(NULL AS INTERVAL)' if row.until is None else span_sql(row.until)}, {span_sql(row.after)}, "
        f"DATE '{row.first_day.isoformat()}', DATE '{row.last_day.isoformat()}')"
        for row in task.ages
    )
    return f"(VALUES {rows}) v(ordinal, o, d, u, a, in_force, out_of_force)"


def _in_force(task: Task, as_of: str) -> str:
    dated = any(row.first_day > ALWAYS or row.last_day < LAST for row in task.ages)
    return f" AND {as_of} BETWEEN v.in_force AND v.out_of_force" if dated else ""


def _ages(task: Task, relation: str, as_of: str) -> str:
    zero = _zero(task)
    start = zero if task.anchor is None else f"COALESCE(p.{_column('anchor', task)}, {zero})"
    first, until = (f"CAST({zero} + v.{part} AS DATE)" for part in ("o", "u"))
    due = f"CAST({start} + v.d AS DATE)"
    expires = f"GREATEST({until} - 1, {due})"
    return (
        f"SELECT p.*, {zero} AS anchor, v.ordinal AS ordinal, GREATEST({first}, {start}) AS opens, {due} AS due, "
        f"{expires} AS expires, {first} AS ev_from, {expires} AS ev_to FROM {relation} p "
        f"CROSS JOIN {_rows(task)} WHERE {_chosen(task)} AND {zero} IS NOT NULL{_in_force(task, as_of)}"
    )


def series(programmes: Sequence[Programme], names: Mapping[tuple[str, str], str], as_of: str) -> list[tuple[str, str]]:
    """For each task of kind series, who was given which of its rows on which day: the first on the first day of
    evidence, each next on the first day at least `after` the one before it."""
    return [
        step
        for number, n, programme, task in numbered(programmes)
        if task.kind == "series"
        for step in _turns(number, task, f"p{n}", int(names[programme.id, task.evidence][1:]), as_of)
    ]


def _turns(number: int, task: Task, relation: str, set_no: int, as_of: str) -> list[tuple[str, str]]:
    steps = []
    before = f"SELECT p.resident_id, {_zero(task)} AS soonest FROM {relation} p WHERE {_chosen(task)}"
    places = sorted({row.ordinal for row in task.ages})
    for place in places:
        name = f"s{number}_{place}"
        steps.append((name, (
            f"SELECT b.resident_id, {place} AS ordinal, min(d.day) AS day FROM ({before}) b JOIN series_days d ON "
            f"d.resident_id = b.resident_id AND d.set_no = {set_no} AND d.day >= b.soonest GROUP BY b.resident_id"
        )))  # fmt: skip
        before = (
            f"SELECT g.resident_id, CAST(g.day + v.a AS DATE) AS soonest FROM {name} g CROSS JOIN {_rows(task)} "
            f"WHERE v.ordinal = {place + 1}{_in_force(task, as_of)}"
        )
    given = " UNION ALL ".join(f"SELECT * FROM s{number}_{place}" for place in places)
    return [*steps, (f"s{number}", given)]


def _series(number: int, task: Task, relation: str, as_of: str) -> str:
    zero = _zero(task)
    wait = f"CASE WHEN own.day IS NULL THEN p.{_column('wait', task)} END" if task.not_before is not None else "NULL"
    soonest = f"COALESCE(CAST(past.day + v.a AS DATE), {zero})"
    inner = (
        f"SELECT p.*, {zero} AS anchor, v.ordinal AS ordinal, own.day AS given_on, "
        f"GREATEST(CAST({zero} + v.o AS DATE), {soonest}, {wait}) AS opens, CAST({zero} + v.d AS DATE) AS wanted, "
        f"COALESCE(CAST({zero} + v.u AS DATE) - 1, {NEVER}) AS row_ends FROM {relation} p CROSS JOIN {_rows(task)} "
        f"LEFT JOIN s{number} past ON past.resident_id = p.resident_id AND past.ordinal = v.ordinal - 1 "
        f"LEFT JOIN s{number} own ON own.resident_id = p.resident_id AND own.ordinal = v.ordinal "
        f"WHERE {_chosen(task)} AND {zero} IS NOT NULL AND (v.ordinal = 1 OR past.day IS NOT NULL)"
        f"{_in_force(task, as_of)}"
    )
    return (
        "SELECT *, GREATEST(wanted, opens) AS due, GREATEST(row_ends, given_on) AS expires, given_on AS ev_from, "
        f"given_on AS ev_to FROM ({inner}) c WHERE given_on IS NOT NULL OR opens <= row_ends"
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
    start = {"reading": "COALESCE(reading, anchor)", "enrolment": "begun"}.get(rule.start, "anchor")
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
        f"SELECT o.resident_id, o.task_no, o.anchor, o.ordinal, min(e.day) AS closed_on, {first} AS closed_by_event "
        "FROM occurrences o JOIN evidence e ON e.resident_id = o.resident_id AND e.set_no = o.set_no "
        "AND e.day BETWEEN o.ev_from AND o.ev_to WHERE o.ev_from IS NOT NULL GROUP BY 1, 2, 3, 4"
    )
    held = (
        "SELECT d.resident_id, t.task_no, bool_or(d.kind <> 'deferred') AS refused FROM deferrals d "
        "JOIN task_list t ON t.programme = d.programme AND (d.task = '' OR d.task = t.task) "
        "WHERE d.from_date <= d.as_of AND d.until >= d.as_of GROUP BY 1, 2"
    )
    joined = (
        "SELECT o.*, c.closed_on, c.closed_by_event, h.refused FROM occurrences o "
        "LEFT JOIN closings c ON c.resident_id = o.resident_id AND c.task_no = o.task_no "
        "AND c.anchor = o.anchor AND c.ordinal = o.ordinal "
        "LEFT JOIN held h ON h.resident_id = o.resident_id AND h.task_no = o.task_no"
    )
    return [
        ("closings", closings),
        ("held", held),
        ("stated", f"SELECT *, {_STATUS} AS status FROM ({joined}) j"),
        ("reasons", _reasons(programmes)),
        ("tasks", _tasks()),
        ("task_wakes", _wakes()),
    ]


_STATUS = (
    "CASE WHEN closed_on IS NOT NULL THEN 'done' WHEN as_of > expires THEN 'expired' "
    "WHEN refused THEN 'refused' WHEN refused IS FALSE THEN 'deferred' WHEN as_of < opens THEN 'upcoming' "
    "WHEN as_of <= grace_until THEN 'due' ELSE 'overdue' END"
)


def _reasons(programmes: Sequence[Programme]) -> str:
    return " UNION ALL ".join(
        f"SELECT resident_id, {n} AS p_no, '{{\"state\": \"' || state || '\", \"because\": ' || because || '}}' "
        f"AS reason FROM p{n} WHERE status <> 'ended'"
        for n, _ in enumerate(programmes)
    )


def _tasks() -> str:
    level = (
        "CASE WHEN s.status <> 'overdue' THEN '' WHEN s.as_of - s.grace_until >= v.to_county THEN 'county' "
        "WHEN s.as_of - s.grace_until >= v.to_township THEN 'township' ELSE '' END"
    )
    organisation = (
        "COALESCE(CASE t.escalated_to WHEN 'county' THEN l.county_id WHEN 'township' THEN l.township_id END, "
        "l.organisation_id)"
    )
    return (
        "SELECT t.resident_id, t.programme, t.version, t.task, t.anchor, t.ordinal, t.opens, t.due, t.grace_until, "
        f"t.expires, t.status, t.urgent, {organisation} AS organisation_id, l.team_id, t.escalated_to, t.closed_on, "
        "t.closed_by_event, r.reason "
        f"FROM (SELECT s.*, v.programme, v.version, v.task, v.urgent, {level} AS escalated_to FROM stated s JOIN "
        "task_list v ON v.task_no = s.task_no WHERE s.near AND COALESCE(s.closed_on, s.expires) >= s.behind) t "
        "JOIN reasons r ON r.resident_id = t.resident_id AND r.p_no = t.p_no "
        "LEFT JOIN places l ON l.resident_id = t.resident_id"
    )


def _wakes() -> str:
    days = ["appears", "opens", "grace_until + 1", "grace_until + v.to_township", "grace_until + v.to_county"]
    parts = [f"CASE WHEN {day} > as_of THEN {day} END" for day in days]
    parts.append(f"CASE WHEN expires < {NEVER} THEN expires + 1 END")
    deferred = (
        "SELECT d.resident_id, v.p_no, min(d.until + 1) AS wake FROM deferrals d JOIN task_list v "
        "ON v.programme = d.programme WHERE d.until >= d.as_of GROUP BY 1, 2"
    )
    return (
        "SELECT resident_id, p_no, min(wake) AS wake FROM ("
        f"SELECT s.resident_id, s.p_no, CAST(LEAST({', '.join(parts)}) AS DATE) AS wake FROM stated s JOIN task_list v "
        f"ON v.task_no = s.task_no WHERE closed_on IS NULL AND as_of <= expires UNION ALL {deferred}) w "
        "WHERE wake IS NOT NULL GROUP BY 1, 2"
    )
