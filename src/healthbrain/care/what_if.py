"""A changed programme against the published one, over the whole county: who enters, leaves and moves, and the work."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from healthbrain.care.knowledge import programme
from healthbrain.care.rules.compile import calls_of
from healthbrain.care.rules.loader import load_programme
from healthbrain.care.whole_county import places_of_lake, run_plan
from healthbrain.county.models import Organisation
from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.lake import lake_connection, write_facts


@dataclass(frozen=True, slots=True)
class Diff:
    """What a changed file would do. Nothing of it has been written."""

    programme: str
    version: str
    against: str
    enters: int = 0
    leaves: int = 0
    moves: dict[str, int] = field(default_factory=dict)  # "controlled → uncontrolled": residents
    tasks_more: int = 0
    tasks_less: int = 0
    work: dict[str, int] = field(default_factory=dict)  # "organisation task": open tasks more (+) or less (−)


def compare(path: Path, as_of: dt.date) -> Diff:
    """Both versions over the lake on one day."""
    changed = load_programme(path, catalogue())
    published = programme(changed.id)
    versions = [("new", changed), *([("old", published)] if published else [])]
    with lake_connection() as duck:
        places_of_lake(duck)
        write_facts(duck, calls_of([version for _, version in versions]), as_of)
        for name, version in versions:
            run_plan(duck, [version], as_of)
            duck.execute(f"CREATE TEMP TABLE {name}_enrolments AS SELECT * FROM enrolments WHERE status <> 'ended'")
            duck.execute(
                f"CREATE TEMP TABLE {name}_tasks AS SELECT resident_id, task, anchor, ordinal, organisation_id "
                "FROM tasks WHERE status IN ('due', 'overdue')"
            )
        if published is None:
            duck.execute("CREATE TEMP TABLE old_enrolments AS SELECT * FROM new_enrolments LIMIT 0")
            duck.execute("CREATE TEMP TABLE old_tasks AS SELECT * FROM new_tasks LIMIT 0")
        pair = "FROM old_enrolments o FULL JOIN new_enrolments n ON n.resident_id = o.resident_id"
        enters, leaves = duck.execute(
            "SELECT count(*) FILTER (WHERE o.resident_id IS NULL), "
            f"count(*) FILTER (WHERE n.resident_id IS NULL) {pair}"
        ).fetchall()[0]
        moves = duck.execute(
            f"SELECT o.risk_level || ' → ' || n.risk_level, count(*) {pair} WHERE o.risk_level <> n.risk_level "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
        more, less = (
            duck.execute(
                f"SELECT count(*) FROM {one}_tasks a ANTI JOIN {other}_tasks b "
                "USING (resident_id, task, anchor, ordinal)"
            ).fetchall()[0][0]
            for one, other in (("new", "old"), ("old", "new"))
        )
        work = duck.execute(
            "SELECT organisation_id, task, CAST(sum(n) AS INTEGER) FROM ("
            "SELECT organisation_id, task, 1 AS n FROM new_tasks UNION ALL "
            "SELECT organisation_id, task, -1 FROM old_tasks) w GROUP BY ALL HAVING sum(n) <> 0 "
            "ORDER BY abs(sum(n)) DESC, 1, 2"
        ).fetchall()
    places = Organisation.objects.in_bulk([place for place, _, _ in work if place])
    return Diff(
        changed.id, changed.version, published.version if published else "", enters, leaves, dict(moves), more, less,
        {f"{places[place].name if place else '-'} {task}": more_or_less for place, task, more_or_less in work},
    )  # fmt: skip
