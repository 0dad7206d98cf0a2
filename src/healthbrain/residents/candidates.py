"""Candidates of new identities among those stored: one query over the blocking indexes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import psycopg
from django.db import connection

from healthbrain.kernel import db
from healthbrain.residents.persons import CROWDED
from healthbrain.residents.rules.compare import Person, person
from healthbrain.residents.rules.decide import Population

# One digit of the year wrong, or two of them exchanged (differences of those are multiples of nine).
_YEARS = sorted({s * n for s in (1, -1) for n in (*range(1, 10), *range(10, 100, 10), *range(18, 82, 9))})
_FIELDS = "name, sex, birth_date, id_number, id_number_raw, phone, address, division_code"
_FEW = 1_000
_STANDS = "0"  # NameCount's row of this name holds how many identities there are in all

_BLOCKS = f"""
    (SELECT i.id FROM residents_identity i WHERE i.id_number = n.id_number LIMIT 40)
    UNION (SELECT i.id FROM residents_identity i
           WHERE i.birth_date = n.birth_date AND i.surname = ANY(n.surnames) LIMIT 120)
    UNION (SELECT i.id FROM residents_identity i
           WHERE i.birth_date = n.birth_date AND i.given = n.given AND n.given <> '' LIMIT 40)
    UNION (SELECT i.id FROM residents_identity i
           WHERE i.pinyin = n.pinyin AND n.pinyin <> '' AND i.birth_date >= date_trunc('year', n.birth_date)::date
             AND i.birth_date < (date_trunc('year', n.birth_date) + interval '1 year')::date LIMIT 60)
    UNION (SELECT i.id FROM residents_identity i
           WHERE i.pinyin = n.pinyin AND n.pinyin <> ''
             AND i.birth_date = ANY(ARRAY(SELECT (n.birth_date + make_interval(years => y))::date
                                          FROM unnest(ARRAY{_YEARS}) AS y)) LIMIT 40)
    UNION (SELECT i.id FROM residents_identity i
           WHERE i.pinyin = n.pinyin AND n.pinyin <> '' AND (i.birth_date IS NULL) LIMIT 20)
    UNION (SELECT i.id FROM residents_identity i
           WHERE i.pinyin = n.pinyin AND n.pinyin <> '' AND n.birth_date IS NULL LIMIT 40)
    UNION (SELECT i.id FROM residents_identity i WHERE i.phone = n.phone LIMIT {CROWDED + 2})"""


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored identity and whose it is (None while it is new itself)."""

    person: Person
    resident_id: int | None
    resident_number: str
    resident_birth: str


def prepared(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows of a query planned once a connection: planning the candidate query costs more than running it."""
    connection.ensure_connection()
    few = all(len(p) <= _FEW for p in params if isinstance(p, list))  # a plan made for few is wrong for a million
    with psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(sql, params, prepare=few).fetchall()


def _date(value: Any) -> str:
    return value.strftime("%Y%m%d") if value else ""


def _person(identity_id: int, row: Sequence[Any]) -> Person:
    name, sex, born, number, raw, phone, address, division = row
    return person(
        id=identity_id, name=name, sex=sex, birth_date=_date(born), id_number=number, id_number_raw=raw, phone=phone,
        address=address, division_code=division,
    )  # fmt: skip


def load(identity_ids: Sequence[int]) -> list[Person]:
    """These identities as the matcher sees them."""
    rows = prepared(
        f"SELECT id, {_FIELDS} FROM residents_identity WHERE id = ANY(%s::bigint[]) ORDER BY id", (list(identity_ids),)
    )
    return [_person(row[0], row[1:]) for row in rows]


def surnames(p: Person) -> list[str]:
    """The surname, and what would stand in its place had the parts of the name been exchanged."""
    from healthbrain.residents.rules import names

    return list(dict.fromkeys([p.surname, *names.syllables(p.name)[:4]])) if p.surname else []


def _keys(people: Sequence[Person]) -> tuple[list[Any], ...]:
    return (
        [p.id for p in people],
        [p.number or None for p in people],
        [p.born or None for p in people],
        [" ".join(surnames(p)) for p in people],
        [p.given for p in people],
        [p.pinyin for p in people],
        [p.phone or None for p in people],
    )


def find(people: Sequence[Person]) -> dict[int, list[Stored]]:
    """For each person the stored identities sharing a blocking key. One query; about 1 ms each at 5 M identities."""
    columns = ", ".join(f"i.{column}" for column in _FIELDS.split(", "))
    # Each step here touches a handful of rows by index. Statistics that a bulk load has outrun must not talk the
    # planner into reading whole tables once a candidate.
    db.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
    rows = prepared(
        f"""WITH n AS MATERIALIZED (
                SELECT id, id_number, born::date AS birth_date, string_to_array(surnames, ' ') AS surnames, given,
                       pinyin,
                       phone
                FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                  AS t(id, id_number, born, surnames, given, pinyin, phone))
            SELECT n.id, l.resident_id, r.id_number, r.birth_date, i.id, {columns}
            FROM n CROSS JOIN LATERAL ({_BLOCKS}) AS c(id) JOIN residents_identity i ON i.id = c.id
            LEFT JOIN residents_link l ON l.identity_id = i.id LEFT JOIN residents_resident r ON r.id = l.resident_id
            WHERE i.id <> n.id""",
        _keys(people),
    )
    db.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on")
    found: dict[int, list[Stored]] = {p.id: [] for p in people}
    for new_id, resident, number, birth, identity, *fields in rows:
        found[new_id].append(Stored(_person(identity, fields), resident, number or "", _date(birth)))
    return found


def crowded(p: Person, stored: Sequence[Stored]) -> bool:
    """Whether the person's phone is an institution's rather than a family's."""
    return bool(p.phone) and sum(s.person.phone == p.phone for s in stored) >= CROWDED


def population(people: Sequence[Person]) -> Population:
    """How many identities there are and how common these names are, as of the last count."""
    wanted = [_STANDS, *{p.pinyin for p in people}]
    counts: dict[str, int] = dict(
        prepared("SELECT pinyin, identities FROM residents_namecount WHERE pinyin = ANY(%s::text[])", (wanted,))
    )
    return Population(counts.pop(_STANDS, 0), counts)


def count_names() -> Population:
    """Count the names anew, and keep the counts. About 1 s for a million identities."""
    db.execute("DELETE FROM residents_namecount")
    db.execute(
        """INSERT INTO residents_namecount (pinyin, identities)
           SELECT pinyin, count(*) FROM residents_identity WHERE pinyin <> '' GROUP BY pinyin
           UNION ALL SELECT %s, count(*) FROM residents_identity WHERE pinyin <> ''""",
        (_STANDS,),
    )
    counts = Counter(dict(db.select("SELECT pinyin, identities FROM residents_namecount")))
    return Population(counts.pop(_STANDS, 0), counts)


def frame(query: str, params: Sequence[Any] = ()) -> pl.DataFrame:
    """Rows of a query as a frame, by COPY inside the current transaction; dates as pl.Date, ids as integers."""
    buffer = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)", params) as copy:
        for block in copy:
            buffer.write(block)
    buffer.seek(0)
    kinds: dict[str, Any] = dict.fromkeys(("id", "resident_id"), pl.Int64)
    kinds |= dict.fromkeys(("birth_date", "resident_birth"), pl.Date) | dict.fromkeys(_FIELDS.split(", "), pl.Utf8)
    return pl.read_csv(
        buffer, schema_overrides=kinds | {"birth_date": pl.Date, "resident_number": pl.Utf8}, infer_schema_length=0
    )
