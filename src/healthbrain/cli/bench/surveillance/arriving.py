"""What happened in the planted year reaches the county as late as such records do: hours, days, or the same morning.

Delays by source: knowledge/demo/surveillance.yaml. What is on its way stands in a table of the bench's own database.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl

from healthbrain.demo.streams import choose, stream
from healthbrain.demo.surroundings import settings
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.db import execute, select

OPENS = 8  # hour from which visits are made, over nine hours
EVENING = 0.5  # hours between the figures' hour (20:00) and the evening pass
_HOLD = """
    CREATE TABLE bench_on_its_way AS SELECT c.*, NULL::timestamptz AS came FROM surveillance_caserecord c
    WHERE c.visit_on > %s
"""
_COME = """
    WITH come AS (DELETE FROM bench_on_its_way WHERE came <= %(now)s RETURNING *), stored AS (
        INSERT INTO surveillance_caserecord (event_id, identity_id, resident_id, card_id, syndrome, source, onset_on,
                                             visit_on, report_on, organisation_id, recorded)
        SELECT event_id, identity_id, resident_id, card_id, syndrome, source, onset_on, visit_on,
               (came AT TIME ZONE 'Asia/Shanghai')::date, organisation_id, came FROM come
    )
    INSERT INTO surveillance_dirtycount (source, syndrome, day, since)
    SELECT 'ledger', syndrome, visit_on, max(came) FROM come GROUP BY 2, 3
"""


def hours(source: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """n delays in hours."""
    parts: list[dict[str, Any]] = settings()["delays"][source]
    kind = choose(rng, {str(k): part["share"] for k, part in enumerate(parts)}, n)
    middle = np.array([part["hours"] for part in parts])[kind]
    spread = np.array([part["spread"] for part in parts])[kind]
    return np.asarray(middle * np.exp(spread * rng.standard_normal(n)), np.float64)


def hold_back(start: dt.date, seed: int) -> int:
    """Take the diagnoses after `start` out again, each with the moment it will come; how many.

    All records of a visit come together.
    """
    rng = stream(seed, "delays", 0)
    execute(_HOLD, [start])
    visits = select("SELECT DISTINCT identity_id, visit_on FROM bench_on_its_way ORDER BY 2, 1")
    late = hours("diagnosis", len(visits), rng) + rng.uniform(OPENS, OPENS + 9, len(visits))
    came = [
        dt.datetime.combine(day, dt.time(), COUNTY_ZONE) + dt.timedelta(hours=float(h))
        for (_, day), h in zip(visits, late, strict=True)
    ]
    execute(
        """UPDATE bench_on_its_way w SET came = v.came
           FROM unnest(%s::bigint[], %s::date[], %s::timestamptz[]) AS v (identity_id, visit_on, came)
           WHERE w.identity_id = v.identity_id AND w.visit_on = v.visit_on""",
        [[identity for identity, _ in visits], [day for _, day in visits], came],
    )
    return execute("DELETE FROM surveillance_caserecord WHERE visit_on > %s", [start])


def come(now: dt.datetime) -> int:
    """The diagnoses that have arrived by now, as intake would store them; how many days are to be counted anew."""
    return execute(_COME, {"now": now})


def by_evening(counts: pl.DataFrame, seed: int, wrong: set[tuple[str, dt.date]]) -> dict[dt.date, pl.DataFrame]:
    """Figures of the places by the day on whose evening they are in. wrong: (organisation, day) told on time."""
    rng = stream(seed, "delays", 1)
    parts = []
    for source, own in counts.group_by("source", maintain_order=True):
        told = own.select("organisation", "day").unique(maintain_order=True)
        late = hours(str(source[0]), told.height, rng) if source[0] in settings()["delays"] else np.zeros(told.height)
        days = np.ceil(np.maximum(late - EVENING, 0) / 24).astype(np.int64)
        on_time = [key in wrong for key in told.iter_rows()]
        told = told.with_columns(late=np.where(on_time, 0, days))
        told = told.with_columns(evening=pl.col("day") + pl.duration(days="late")).drop("late")
        parts.append(own.join(told, on=["organisation", "day"], maintain_order="left"))
    whole: pl.DataFrame = pl.concat(parts)
    return {day: part.drop("evening") for (day,), part in whole.partition_by("evening", as_dict=True).items()}
