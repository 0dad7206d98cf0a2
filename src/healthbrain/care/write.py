"""What an evaluation found, against what stands in the tables: one staging area, one merge for all engines."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass

from healthbrain.care.rules.compile import ENROLMENT_COLUMNS, TASK_COLUMNS
from healthbrain.kernel import db

OPEN = "'upcoming', 'due', 'overdue', 'deferred', 'refused'"
DONE_COLUMNS = ("resident_id", "programme", "task", "day", "event_id", "chain", "wait")
_STAGES = {
    "stage_scope": "resident_id bigint",
    "stage_enrolment": "resident_id bigint, programme text, version text, status text, risk_level text, since date, "
    "state_since date, ended_on date, end_reason text, standard boolean, next_evaluation_at date",
    "stage_task": "resident_id bigint, programme text, version text, task text, anchor date, ordinal int, opens date, "
    "due date, grace_until date, expires date, status text, urgent boolean, organisation_id bigint, team_id bigint, "
    "escalated_to text, closed_on date, closed_by_event bigint, reason text",
    "stage_done": "resident_id bigint, programme text, task text, day date, event_id bigint, chain boolean, wait int",
}
_KEY = (
    "s.programme || ':' || s.resident_id || ':' || s.task || ':' || to_char(s.anchor, 'YYYY-MM-DD') || ':' || s.ordinal"
)
_TASK_VALUES = [c for c in TASK_COLUMNS if c not in {"anchor", "ordinal", "resident_id", "programme", "task"}]
NOTIFY_BYTES = 7000
PILED_UP = 1 << 20  # bytes of staging, dead rows included


@dataclass(frozen=True, slots=True)
class Changes:
    """What a merge did."""

    enrolled: int = 0
    opened: int = 0
    closed: int = 0
    changed: int = 0
    organisations: frozenset[int] = frozenset()
    residents: frozenset[int] = frozenset()

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            self.enrolled + other.enrolled,
            self.opened + other.opened,
            self.closed + other.closed,
            self.changed + other.changed,
            self.organisations | other.organisations,
            self.residents | other.residents,
        )


def stage() -> None:
    """The staging tables of this connection, empty.

    Emptied by DELETE, because TRUNCATE would throw away the prepared plan that fills them, which costs more than the
    plan's run; truncated after all when dead rows have piled up.
    """
    found, size = db.select(
        "SELECT count(to_regclass('pg_temp.' || name)), "
        "COALESCE(sum(pg_relation_size(to_regclass('pg_temp.' || name))), 0) FROM unnest(%s::text[]) AS name",
        [list(_STAGES)],
    )[0]
    if found < len(_STAGES):
        for name, columns in _STAGES.items():
            db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns})")
    if size > PILED_UP:
        db.execute("TRUNCATE " + ", ".join(_STAGES))
    else:
        db.execute("; ".join(f"DELETE FROM {name}" for name in _STAGES))


def merge(as_of: dt.date, *, everyone: bool = False) -> Changes:
    """Bring enrolments and tasks to what is staged. `everyone`: residents not staged have nothing at all."""
    scope = "TRUE" if everyone else "{}.resident_id IN (SELECT resident_id FROM stage_scope)"
    if everyone:
        for name in ("stage_enrolment", "stage_task"):
            db.execute(f"ANALYZE {name}")
    enrolled = _merge_enrolments(as_of, scope)
    touched = _merge_tasks(as_of, scope)
    counts = {kind: sum(n for k, _, _, n in touched if k == kind) for kind in ("opened", "closed", "changed")}
    organisations = frozenset(o for _, o, _, _ in touched if o is not None)
    residents = frozenset(r for _, _, r, _ in touched if r is not None)
    return Changes(enrolled, counts["opened"], counts["closed"], counts["changed"], organisations, residents)


def _merge_enrolments(as_of: dt.date, scope: str) -> int:
    columns = ", ".join(ENROLMENT_COLUMNS)
    values = ENROLMENT_COLUMNS[2:]
    old = ", ".join(f"e.{c}" for c in values)
    new = ", ".join(f"EXCLUDED.{c}" for c in values)
    db.execute(
        f"INSERT INTO care_enrolment AS e ({columns}, evaluated_on) SELECT {columns}, %(as_of)s FROM stage_enrolment "
        f"ON CONFLICT (resident_id, programme) DO UPDATE SET ({', '.join(values)}, evaluated_on) = ({new}, %(as_of)s) "
        f"WHERE ({old}) IS DISTINCT FROM ({new})",
        {"as_of": as_of},
    )
    gone = (
        f"{scope.format('e')} AND NOT EXISTS (SELECT 1 FROM stage_enrolment s "
        "WHERE s.resident_id = e.resident_id AND s.programme = e.programme)"
    )
    # An earlier day judged anew: what had not begun then is not ended, it is not there.
    db.execute(
        f"WITH unbegun AS (DELETE FROM care_enrolment e WHERE e.since > %(as_of)s AND {gone}) "
        "UPDATE care_enrolment e SET status = 'ended', ended_on = %(as_of)s, end_reason = 'no-longer-eligible', "
        "next_evaluation_at = NULL, evaluated_on = %(as_of)s "
        f"WHERE e.status <> 'ended' AND e.since <= %(as_of)s AND {gone}",
        {"as_of": as_of},
    )
    return int(db.select("SELECT count(*) FROM stage_enrolment WHERE status = 'active'")[0][0])


def _merge_tasks(as_of: dt.date, scope: str) -> list[tuple[str, int | None, int | None, int]]:
    """(opened | closed | changed, organisation, resident, count) of what changed."""
    names = ", ".join(_TASK_VALUES)
    picked = ", ".join("s.reason::jsonb" if c == "reason" else f"s.{c}" for c in _TASK_VALUES)
    new = ", ".join(f"EXCLUDED.{c}" for c in _TASK_VALUES)
    old = ", ".join(f"t.{c}" for c in _TASK_VALUES)
    # `organisation_id` and the rest keep their order on both sides; the row comparison decides whether to write at all.
    upsert = (
        f"INSERT INTO care_task AS t (key, resident_id, programme, task, {names}, created, updated) "
        f"SELECT {_KEY}, s.resident_id, s.programme, s.task, {picked}, now(), now() FROM stage_task s "
        f"ON CONFLICT (key) DO UPDATE SET ({names}, updated) = ({new}, now()) WHERE ({old}) IS DISTINCT FROM ({new}) "
        "RETURNING t.resident_id, t.organisation_id, t.status, (xmax = 0) AS fresh"
    )
    # Its reason has gone: done if it was done since, else past, else no longer needed.
    proven = (
        "CASE WHEN d.chain THEN d.day > split_part(t.key, ':', 4)::date "
        "ELSE d.day BETWEEN t.opens + d.wait AND t.expires END"
    )
    gone = (
        f"UPDATE care_task t SET status = CASE WHEN {proven} THEN 'done' WHEN %(as_of)s > t.expires THEN 'expired' "
        f"ELSE 'cancelled' END, closed_on = CASE WHEN {proven} THEN d.day ELSE %(as_of)s END, "
        f"closed_by_event = CASE WHEN {proven} THEN d.event_id END, updated = now() "
        "FROM care_task o LEFT JOIN stage_done d ON d.resident_id = o.resident_id AND d.programme = o.programme "
        f"AND d.task = o.task WHERE o.id = t.id AND t.status IN ({OPEN}) AND {scope.format('t')} "
        f"AND NOT EXISTS (SELECT 1 FROM stage_task s WHERE s.resident_id = t.resident_id AND {_KEY} = t.key) "
        "RETURNING t.resident_id, t.organisation_id, t.status, FALSE AS fresh"
    )
    return db.select(
        f"WITH gone AS ({gone}), kept AS ({upsert}), both_of_them AS (SELECT * FROM gone UNION ALL SELECT * FROM kept) "
        "SELECT CASE WHEN fresh AND status IN ('upcoming', 'due', 'overdue') THEN 'opened' "
        "WHEN NOT fresh AND status IN ('done', 'expired', 'cancelled') THEN 'closed' ELSE 'changed' END, "
        "organisation_id, CASE WHEN (SELECT count(*) FROM both_of_them) <= 2000 THEN resident_id END, count(*) "
        "FROM both_of_them GROUP BY 1, 2, 3",
        {"as_of": as_of},
    )


def announce(changes: Changes) -> None:
    """NOTIFY who is concerned, when anything changed. A long list is cut: the page then asks for its own state."""
    if not (changes.organisations or changes.residents):
        return
    organisations, residents = sorted(changes.organisations), sorted(changes.residents)
    payload = json.dumps({"organisations": organisations, "residents": residents}, separators=(",", ":"))
    while len(payload) > NOTIFY_BYTES:
        organisations, residents = _cut(organisations, 300), _cut(residents, len(residents) // 2)
        payload = json.dumps(
            {"organisations": organisations, "residents": residents, "more": True}, separators=(",", ":")
        )
    db.notify("tasks", payload)


def _cut(ids: Iterable[int], keep: int) -> list[int]:
    return list(ids)[:keep]
