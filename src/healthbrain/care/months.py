"""Person × month × programme: how everybody stood at the end of each month, so that an indicator is a count.

Written from the lake by the definitions themselves, with the month's last day as `as_of`. What came late is in a month
as soon as it is written again; nothing is added up on the way, so nothing has to be corrected. One Parquet file a
month, `lake/months/2026-03.parquet`: resident_id, home_organisation_id, programme, status, risk_level, since,
state_since, standard.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from healthbrain.access.gate import require, scope_sql
from healthbrain.access.rules import Actor
from healthbrain.care.knowledge import programmes
from healthbrain.care.rules.compile import calls_of, standings
from healthbrain.care.whole_county import buckets
from healthbrain.facts.lake import lake_connection, write_facts
from healthbrain.facts.rules.duration import Duration
from healthbrain.kernel.db import select
from healthbrain.kernel.home import folder

DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Month:
    """One programme at the end of one month. The last three are None where it has no control measure."""

    ends: dt.date
    enrolled: int
    controlled: int | None
    uncontrolled: int | None
    unknown: int | None  # no reading in that year

    @property
    def rate(self) -> float | None:
        """The official control rate: those without a reading stay in the denominator."""
        return self.controlled / self.enrolled if self.enrolled and self.controlled is not None else None


def last_days(count: int, today: dt.date) -> list[dt.date]:
    """The last days of the `count` months that are over, the oldest first."""
    first = today.replace(day=1)
    return [Duration(months=back).before(first) - DAY for back in range(count - 1, -1, -1)]


def write_months(ends: Iterable[dt.date]) -> int:
    """The state of everybody on these days, each file whole or not at all; how many rows."""
    written = 0
    with lake_connection() as duck:
        for day in ends:
            write_facts(duck, calls_of(programmes()), day, buckets=buckets(duck))
            steps, everybody = standings(programmes(), "duckdb")
            for name, sql in steps:
                duck.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")
            path = _file(day)
            fresh = path.with_suffix(".fresh")
            homes = "SELECT resident_id, home_organisation_id FROM residents"
            duck.execute(
                f"COPY (SELECT s.*, h.home_organisation_id FROM ({everybody}) s JOIN ({homes}) h USING (resident_id)) "
                f"TO '{fresh}' (FORMAT parquet)"
            )
            fresh.replace(path)
            written += int(duck.execute(f"SELECT count(*) FROM '{path}'").fetchall()[0][0])
    return written


def monthly(actor: Actor, programme: str, ends: Iterable[dt.date]) -> list[Month]:
    """The programme at the end of each month that is written, within the actor's scope."""
    require(actor, "indicators.read")
    scope, values = scope_sql(actor, "quality", "path")
    mine = [row[0] for row in select(f"SELECT id FROM county_organisation WHERE {scope}", values)]
    found = next((p for p in programmes() if p.id == programme), None)
    measure = next(iter(found.measures.values()), {}) if found else {}
    counted = [list(measure.get(kind, ())) for kind in ("controlled", "uncontrolled")]
    with duckdb.connect() as duck:
        return [_month(duck, day, programme, mine, counted) for day in ends if _file(day).exists()]


def _month(
    duck: duckdb.DuckDBPyConnection, day: dt.date, programme: str, mine: list[int], counted: list[list[str]]
) -> Month:
    this_year = "state_since >= date_trunc('year', $day)"
    rows = duck.execute(
        f"SELECT count(*), count(*) FILTER (risk_level IN $controlled AND {this_year}), "
        f"count(*) FILTER (risk_level IN $uncontrolled AND {this_year}) FROM '{_file(day)}' "
        "WHERE programme = $programme AND status = 'active' AND home_organisation_id IN $mine",
        {"day": day, "programme": programme, "mine": mine, "controlled": counted[0], "uncontrolled": counted[1]},
    ).fetchall()
    enrolled, controlled, uncontrolled = rows[0]
    if not any(counted):
        return Month(day, enrolled, None, None, None)
    return Month(day, enrolled, controlled, uncontrolled, enrolled - controlled - uncontrolled)


def _file(day: dt.date) -> Path:
    return folder("lake", "months") / f"{day:%Y-%m}.parquet"
