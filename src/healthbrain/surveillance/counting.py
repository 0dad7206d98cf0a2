"""Counts made anew where something changed: set by set, from the cases and the direct reports."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from healthbrain.kernel import db
from healthbrain.surveillance.knowledge import chips

EPISODE_DAYS = 14  # the same person with the same syndrome within these days is one case (CDC line-list practice)


@dataclass
class Dirt:
    """What waits: days by syndrome of the ledger, days by school, and counts that were written already."""

    ledger: set[tuple[str, dt.date]] = field(default_factory=set)
    schools: set[tuple[int, dt.date]] = field(default_factory=set)
    counts: set[tuple[int | None, str, dt.date]] = field(default_factory=set)
    since: dt.datetime | None = None  # when the newest of it reached us

    def __bool__(self) -> bool:
        return bool(self.ledger or self.schools or self.counts)


def take(limit: int = 200_000) -> Dirt:
    """The marks that stand; they are gone when the transaction commits."""
    rows = db.select(
        """DELETE FROM surveillance_dirtycount WHERE id IN (
               SELECT id FROM surveillance_dirtycount ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
           RETURNING source, syndrome, organisation_id, day, since""",
        [limit],
    )
    dirt = Dirt()
    for source, syndrome, organisation, day, since in rows:
        if source == "ledger":
            dirt.ledger.add((syndrome, day))
        elif source == "school":
            dirt.schools.add((organisation, day))
        else:
            dirt.counts.add((organisation, syndrome, day))
        dirt.since = max(dirt.since or since, since)
    return dirt


def recount(dirt: Dirt) -> None:
    if dirt.ledger:
        recount_ledger(dirt.ledger)
    if dirt.schools:
        recount_schools(dirt.schools)


_LEDGER = """
    WITH dirty AS (
        SELECT DISTINCT d.syndrome, (d.day + n)::date AS day
        FROM unnest(%(syndromes)s::text[], %(days)s::date[]) AS d (syndrome, day), generate_series(0, %(episode)s) AS n
    ), needed AS (
        SELECT DISTINCT syndrome, (day - n)::date AS day FROM dirty, generate_series(0, %(episode)s) AS n
    ), said AS (
        SELECT c.syndrome, c.visit_on, COALESCE(l.resident_id, c.resident_id, -c.identity_id) AS who,
               c.source = 'laboratory' AS laboratory, c.organisation_id, c.recorded
        FROM surveillance_caserecord c JOIN needed ON needed.syndrome = c.syndrome AND needed.day = c.visit_on
        LEFT JOIN residents_link l ON l.identity_id = c.identity_id
    ), person_days AS (
        SELECT syndrome, visit_on, who, bool_or(laboratory) AS laboratory, min(organisation_id) AS organisation_id,
               max(recorded) AS recorded
        FROM said GROUP BY syndrome, visit_on, who
    ), episodes AS (
        SELECT *, visit_on - lag(visit_on) OVER (PARTITION BY syndrome, who ORDER BY visit_on) AS since_last
        FROM person_days
    ), cases AS (
        SELECT e.syndrome, e.visit_on AS day, e.organisation_id, e.recorded, e.laboratory,
               COALESCE(r.division_code, '') AS place_code,
               CASE WHEN r.birth_date IS NULL THEN '' ELSE (ARRAY['0-5', '6-17', '18-64', '65+'])[
                   width_bucket(extract(year FROM age(e.visit_on, r.birth_date)), ARRAY[0, 6, 18, 65]::numeric[])]
               END AS age_group
        FROM episodes e JOIN dirty ON dirty.syndrome = e.syndrome AND dirty.day = e.visit_on
        LEFT JOIN residents_resident r ON r.id = e.who
        WHERE e.since_last IS NULL OR e.since_last > %(episode)s
    ), gone AS (
        DELETE FROM surveillance_dailycount c USING dirty
        WHERE c.syndrome = dirty.syndrome AND c.day = dirty.day AND c.source IN ('diagnosis', 'laboratory')
    ), counted AS (
        SELECT organisation_id, '' AS place_code, syndrome, age_group, day, count(*) AS n,
               count(*) FILTER (WHERE laboratory) AS positive, max(recorded) AS arrived
        FROM cases WHERE organisation_id IS NOT NULL GROUP BY organisation_id, syndrome, age_group, day
        UNION ALL
        SELECT NULL, place_code, syndrome, age_group, day, count(*), count(*) FILTER (WHERE laboratory), max(recorded)
        FROM cases WHERE place_code <> '' GROUP BY place_code, syndrome, age_group, day
    )
    SELECT organisation_id, place_code, syndrome, COALESCE(age_group, ''), day, n, positive, arrived FROM counted
"""
COLUMNS = ("organisation_id", "place_code", "source", "syndrome", "age_group", "day", "basis", "count", "arrived")


def recount_ledger(marks: Iterable[tuple[str, dt.date]]) -> None:
    """Persons by day, once an episode whoever tells of them. A change of a day touches the days after it."""
    wanted = sorted(marks)
    rows = db.select(
        _LEDGER,
        {"syndromes": [m[0] for m in wanted], "days": [m[1] for m in wanted], "episode": EPISODE_DAYS},
    )
    counts = []
    for organisation, place, syndrome, age, day, n, positive, arrived in rows:
        counts.append((organisation, place, "diagnosis", syndrome, age, day, "visit", n, arrived))
        if positive:
            counts.append((organisation, place, "laboratory", syndrome, age, day, "visit", positive, arrived))
    db.copy_rows("surveillance_dailycount", COLUMNS, counts)


_SCHOOL = """
    WITH dirty AS (SELECT * FROM unnest(%(organisations)s::bigint[], %(days)s::date[]) AS d (organisation_id, day)),
    gone AS (
        DELETE FROM surveillance_dailycount c USING dirty
        WHERE c.organisation_id = dirty.organisation_id AND c.day = dirty.day AND c.source = 'absence'
    ), lines AS (
        SELECT r.organisation_id, line.day, line.pupils, line.absent_ill, line.fresh, r.reported_at
        FROM dirty JOIN surveillance_directreport r ON r.organisation_id = dirty.organisation_id AND r.day = dirty.day
        JOIN surveillance_reportline line ON line.report_id = r.id AND line.current
    ), whole AS (
        SELECT organisation_id, day, sum(pupils) AS pupils, sum(absent_ill) AS ill, max(reported_at) AS arrived
        FROM lines GROUP BY organisation_id, day
    ), told AS (
        SELECT l.organisation_id, l.day, c.syndrome, sum(f.value::int) AS n
        FROM lines l, jsonb_each_text(l.fresh) AS f (key, value)
        JOIN unnest(%(chips)s::text[], %(syndromes)s::text[]) AS c (chip, syndrome) ON c.chip = f.key
        GROUP BY l.organisation_id, l.day, c.syndrome
    )
    SELECT t.organisation_id, t.syndrome, t.day, t.n, w.pupils, w.arrived
    FROM told t JOIN whole w USING (organisation_id, day) WHERE t.n > 0
    UNION ALL SELECT organisation_id, 'absence', day, ill, pupils, arrived FROM whole
"""


def recount_schools(marks: Iterable[tuple[int, dt.date]]) -> None:
    """New cases of a school by syndrome and day; "absence" is all who are away ill, with the pupils as denominator."""
    wanted = sorted(marks)
    pairs = [(chip, key) for chip, row in chips().items() for key in row["counts_as"]]
    rows = db.select(
        _SCHOOL,
        {
            "organisations": [m[0] for m in wanted],
            "days": [m[1] for m in wanted],
            "chips": [chip for chip, _ in pairs],
            "syndromes": [key for _, key in pairs],
        },
    )
    db.copy_rows(
        "surveillance_dailycount",
        (*COLUMNS, "denominator"),
        [(o, "", "absence", syndrome, "", day, "report", n, arrived, pupils)
         for o, syndrome, day, n, pupils, arrived in rows],
    )  # fmt: skip
