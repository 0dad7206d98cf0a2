"""Ambulance calls as a source: a triaged call counts for its township, in the dispatcher's own transaction."""

from __future__ import annotations

from healthbrain.county.events import CallTriaged
from healthbrain.kernel import db
from healthbrain.surveillance.cases import CHANNEL
from healthbrain.surveillance.knowledge import classifier

# A call without a known township counts for the county.
_COUNT = """
    WITH place AS (
        SELECT COALESCE(NULLIF(%(township)s, ''), (SELECT min(code) FROM county_place WHERE length(code) = 6)) AS code
    ), counted AS (
        INSERT INTO surveillance_dailycount AS d (place_code, source, syndrome, age_group, day, basis, count, arrived)
        SELECT code, 'ems', syndrome, '', %(day)s, 'report', 1, now()
        FROM place, unnest(%(syndromes)s::text[]) AS s (syndrome) WHERE code IS NOT NULL
        ON CONFLICT (source, syndrome, organisation_id, place_code, day, age_group, basis)
        DO UPDATE SET count = d.count + 1, arrived = now()
        RETURNING syndrome, day
    )
    INSERT INTO surveillance_dirtycount (source, syndrome, day, since) SELECT 'count', syndrome, day, now() FROM counted
"""


def on_call_triaged(event: CallTriaged) -> None:
    """One more call of this type (`calls` in knowledge/syndromes); a type that speaks of no syndrome counts nothing."""
    syndromes = sorted(classifier().calls.get(event.suspected, ()))
    if syndromes and db.execute(
        _COUNT, {"township": event.township, "day": event.day, "syndromes": syndromes}
    ):  # fmt: skip
        db.notify(CHANNEL)
