"""Golden records: one resident's fields from all identities linked to him, by `rules.survivorship`."""

from __future__ import annotations

from collections.abc import Collection

from healthbrain.kernel import bus
from healthbrain.kernel.db import prepared
from healthbrain.residents import following, history
from healthbrain.residents.events import ResidentsChanged
from healthbrain.residents.rules.survivorship import FIELDS, order_by

_UNNAMED = "i.name ~ '之[大小长次双]?[子女婴]' OR i.name ~ '(婴儿|新生儿|宝宝|未命名|未取名|不详|未知|佚名)'"
_OWN_NUMBER = "i.id_number IS NOT NULL AND substr(i.id_number, 7, 8) = to_char(i.birth_date, 'YYYYMMDD')"


def _best(column: str) -> str:
    known = f"i.{column} <> ''" if column in {"name", "initials", "pinyin"} else f"i.{column} IS NOT NULL"
    known = "i.sex <> '0'" if column == "sex" else known
    return f"(array_agg(i.{column} ORDER BY {order_by(column)}) FILTER (WHERE {known}))[1]"


def _chosen() -> str:
    return ", ".join(f"{_best(column)} AS {column}" for column in FIELDS)


def refresh(resident_ids: Collection[int]) -> list[int]:
    """Rebuild these golden records from their links, making the residents that do not exist; ids that changed.

    Who has one identity is what that says; words are weighed only where there are several. A resident without links
    stays as a tombstone. Cost: one statement.
    """
    if not resident_ids:
        return []
    rows = prepared(
        f"""
        WITH said AS (
            SELECT l.resident_id, count(*) OVER (PARTITION BY l.resident_id) AS identities, i.*, s.approved,
                   CASE WHEN o.kind IN ('township', 'village') THEN o.id END AS source_organisation
            FROM residents_link l JOIN residents_identity i ON i.id = l.identity_id
            JOIN county_source s ON s.id = i.source_id LEFT JOIN county_organisation o ON o.id = s.organisation_id
            WHERE l.resident_id = ANY(%s::bigint[])
        ), weighed AS (
            SELECT i.*, ({_UNNAMED}) AS unnamed, ({_OWN_NUMBER}) AS verified FROM said i WHERE i.identities > 1
        ), best AS (
            SELECT i.resident_id, {_chosen()}
            FROM weighed i GROUP BY i.resident_id
            UNION ALL SELECT resident_id, {", ".join(FIELDS)} FROM said WHERE identities = 1
        )
        INSERT INTO residents_resident AS r (id, name, name_initials, name_pinyin, sex, birth_date, id_number, phone,
            address, division_code, deceased_on, moved_on, home_organisation_id, created, updated)
        SELECT b.resident_id, coalesce(b.name, ''), coalesce(b.initials, ''), coalesce(b.pinyin, ''),
               coalesce(b.sex, '0'), b.birth_date, b.id_number, b.phone, b.address, b.division_code, b.deceased_on,
               b.moved_on,
               coalesce(village.organisation_id, township.organisation_id, b.source_organisation,
                        county.organisation_id), now(), now()
        FROM best b
        LEFT JOIN county_place village ON village.code = left(b.division_code, 12)
        LEFT JOIN county_place township ON township.code = left(b.division_code, 9)
        LEFT JOIN county_place county ON county.code = left(b.division_code, 6)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_initials = excluded.name_initials,
            name_pinyin = excluded.name_pinyin, sex = excluded.sex, birth_date = excluded.birth_date,
            id_number = excluded.id_number, phone = excluded.phone, address = excluded.address,
            division_code = excluded.division_code, deceased_on = excluded.deceased_on,
            moved_on = excluded.moved_on, merged_into = NULL,
            home_organisation_id = excluded.home_organisation_id, updated = now()
        WHERE (r.name, r.sex, r.birth_date, r.id_number, r.phone, r.address, r.division_code, r.deceased_on,
               r.moved_on, r.home_organisation_id, r.merged_into)
            IS DISTINCT FROM (excluded.name, excluded.sex, excluded.birth_date, excluded.id_number, excluded.phone,
               excluded.address, excluded.division_code, excluded.deceased_on, excluded.moved_on,
               excluded.home_organisation_id, NULL)
        RETURNING r.id""",
        (list(resident_ids),),
    )
    return [row[0] for row in rows]


def after_moves(resident_ids: Collection[int]) -> None:
    """Golden records, tombstones, what follows them and the event after links moved."""
    refresh(resident_ids)
    history.bury(resident_ids)
    following.moved(resident_ids)
    bus.publish(ResidentsChanged(sorted(resident_ids)))
