"""Cases follow the ledger: who has a watched syndrome or disease, in the transaction of the record that says so."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from healthbrain.kernel import db
from healthbrain.records.events import EventsRecorded
from healthbrain.residents.events import ResidentsChanged
from healthbrain.surveillance.knowledge import classifier

CHANNEL = "dirty"
# A diagnosis in the three characters that every ICD-10 code has finds its prefixes by equality; the rest is compared.
_FOUND = """
    SELECT e.id AS event_id, e.identity_id, w.syndrome, 'diagnosis' AS source, e.at::date AS day,
           e.organisation_id, e.recorded
    FROM records_event e
    JOIN unnest(%(three)s::text[], %(prefix)s::text[], %(keys)s::text[]) AS w (three, prefix, syndrome)
      ON substr(e.code, 7, 3) = w.three AND starts_with(e.code, w.prefix)
    WHERE e.identity_id = ANY(%(ids)s::bigint[]) AND e.kind = 'condition' AND e.flag = 0
      AND NOT EXISTS (SELECT FROM records_superseded s WHERE s.event_id = e.id)
    UNION ALL
    SELECT e.id, e.identity_id, w.syndrome, 'laboratory', e.at::date, e.organisation_id, e.recorded
    FROM records_event e
    JOIN unnest(%(codes)s::text[], %(answers)s::text[], %(results)s::text[]) AS w (code, answer, syndrome)
      ON e.code = w.code AND e.text = w.answer
    WHERE e.identity_id = ANY(%(ids)s::bigint[]) AND e.kind = 'observation' AND e.flag = 0 AND e.text IS NOT NULL
      AND NOT EXISTS (SELECT FROM records_superseded s WHERE s.event_id = e.id)
"""
_FOLLOW = f"""
    WITH found AS MATERIALIZED (
        SELECT event_id, syndrome, min(identity_id) AS identity_id, min(source) AS source, min(day) AS day,
               min(organisation_id) AS organisation_id, min(recorded) AS recorded
        FROM ({_FOUND}) AS every GROUP BY event_id, syndrome
    ), gone AS (
        DELETE FROM surveillance_caserecord c
        WHERE c.identity_id = ANY(%(ids)s::bigint[]) AND c.event_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM found f WHERE f.event_id = c.event_id AND f.syndrome = c.syndrome)
        RETURNING c.syndrome, c.visit_on
    ), came AS (
        INSERT INTO surveillance_caserecord (event_id, identity_id, syndrome, source, onset_on, visit_on, report_on,
                                             organisation_id, recorded)
        SELECT event_id, identity_id, syndrome, source, day, day,
               (recorded AT TIME ZONE 'Asia/Shanghai')::date, organisation_id, recorded FROM found
        ON CONFLICT (event_id, syndrome) DO NOTHING
        RETURNING syndrome, visit_on
    )
    INSERT INTO surveillance_dirtycount (source, syndrome, day, since)
    SELECT DISTINCT 'ledger', syndrome, visit_on, now()
    FROM (SELECT * FROM gone UNION ALL SELECT * FROM came) AS touched RETURNING 1
"""


@functools.cache
def _patterns() -> dict[str, list[str]]:
    known = classifier()
    diagnoses = [(prefix, key) for prefix, keys in known.icd10.items() for key in keys]
    results = [(code, answer, key) for (code, answer), keys in known.laboratory.items() for key in keys]
    return {
        "three": [prefix[:3] for prefix, _ in diagnoses],
        "prefix": [f"icd10|{prefix}" for prefix, _ in diagnoses],
        "keys": [key for _, key in diagnoses],
        "codes": [code for code, _, _ in results],
        "answers": [answer for _, answer, _ in results],
        "results": [key for _, _, key in results],
    }


@functools.lru_cache(maxsize=65_536)
def _watched(code: str) -> bool:
    """Whether an event of this code can be a case."""
    if code.startswith("icd10|"):
        return bool(classifier().of_diagnosis(code))
    return code in _patterns()["codes"]


def on_events_recorded(event: EventsRecorded) -> None:
    """New, corrected or withdrawn events of these identities: their cases made anew, the touched days marked.

    No statement when all are new and of codes that are no case; else one: it reads the diagnoses and coded answers
    these identities have ever had.
    """
    if event.codes is not None and not any(map(_watched, event.codes)):
        return
    if event.identity_ids and db.prepared(_FOLLOW, {**_patterns(), "ids": list(event.identity_ids)}):
        db.notify(CHANNEL)


def on_residents_changed(event: ResidentsChanged) -> None:
    """Merged, un-merged or moved: the same cases may now be one person's, or live elsewhere."""
    mark_residents(event.resident_ids)


def mark_residents(resident_ids: Iterable[int]) -> int:
    marked = db.prepared(
        """INSERT INTO surveillance_dirtycount (source, syndrome, day, since)
           SELECT DISTINCT 'ledger', c.syndrome, c.visit_on, now()
           FROM residents_link l JOIN surveillance_caserecord c ON c.identity_id = l.identity_id
           WHERE l.resident_id = ANY(%s::bigint[]) RETURNING 1""",
        [list(resident_ids)],
    )
    return len(marked)
