"""Candidates of new identities among those stored: one query over the blocking indexes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.db import connection

from healthbrain.kernel import db
from healthbrain.residents.persons import CROWDED
from healthbrain.residents.rules.decide import Population
from healthbrain.residents.rules.person import Person, person

# One digit of the year wrong, or two of them exchanged (differences of those are multiples of nine).
_YEARS = sorted({s * n for s in (1, -1) for n in (*range(1, 10), *range(10, 100, 10), *range(18, 82, 9))})
_FIELDS = "name, sex, birth_date, id_number, id_number_raw, phone, address, division_code"
_STANDS = "0"  # NameCount's row of this name holds how many identities there are in all

# (what is looked up by one index, how many at most). A key more common than that is cut off there, in no order: the
# placeholder birthday of a common surname (1 January, 王), or a common name within one year. Who is cut off from one
# block is still found by the narrower ones, so what is lost is a person whose given name, number and phone differ as
# well. The synthetic county of 1.65 million residents has at most 106 in the second block and 79 in the fourth.
_BLOCKS = (
    ("i.id_number = n.id_number", 40),
    ("i.birth_date = n.birth_date AND i.surname = ANY(n.surnames)", 120),
    ("i.birth_date = n.birth_date AND i.given = n.given AND n.given <> ''", 40),
    (
        """i.pinyin = n.pinyin AND n.pinyin <> '' AND i.birth_date >= date_trunc('year', n.birth_date)::date
           AND i.birth_date < (date_trunc('year', n.birth_date) + interval '1 year')::date""",
        120,
    ),
    (
        f"""i.pinyin = n.pinyin AND n.pinyin <> '' AND i.birth_date = ANY(ARRAY(
                SELECT (n.birth_date + make_interval(years => y))::date FROM unnest(ARRAY{_YEARS}) AS y))""",
        40,
    ),
    ("i.pinyin = n.pinyin AND n.pinyin <> '' AND i.birth_date IS NULL", 20),
    ("i.pinyin = n.pinyin AND n.pinyin <> '' AND n.birth_date IS NULL", 40),
    ("i.phone = n.phone", CROWDED),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored identity and whose it is (None while it is new itself)."""

    person: Person
    resident_id: int | None
    resident_number: str
    resident_birth: str


@dataclass(slots=True)
class Found:
    """The candidates of some people, and the crowd they are found in. `crowded`: whose phone is an institution's."""

    of: dict[int, list[Stored]]
    population: Population
    crowded: set[int]


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
    rows = db.prepared(
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


def _crowded(phone: str) -> str:
    """SQL: whether more than CROWDED identities give this phone."""
    return f"EXISTS (SELECT FROM residents_identity x WHERE x.phone = {phone} OFFSET {CROWDED})"


def _find() -> str:
    blocks = " UNION ".join(f"(SELECT i.id FROM residents_identity i WHERE {key} LIMIT {n})" for key, n in _BLOCKS)
    columns = ", ".join(f"i.{column}" for column in _FIELDS.split(", ")).replace(
        "i.phone", f"CASE WHEN NOT {_crowded('i.phone')} THEN i.phone END"
    )
    return f"""
        WITH t AS MATERIALIZED (
            SELECT id, id_number, born::date AS birth_date, string_to_array(surnames, ' ') AS surnames, given, pinyin,
                   phone AS given_phone, CASE WHEN NOT {_crowded("t.phone")} THEN phone END AS phone
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
              AS t(id, id_number, born, surnames, given, pinyin, phone)
        ), n AS MATERIALIZED (
            SELECT t.*, c.identities FROM t LEFT JOIN residents_namecount c ON c.pinyin = t.pinyin
        )
        SELECT n.id, n.pinyin, n.identities, n.given_phone IS DISTINCT FROM n.phone,
               (SELECT identities FROM residents_namecount WHERE pinyin = '{_STANDS}'), c.identities,
               l.resident_id, r.id_number, r.birth_date, i.id, {columns}
        FROM n CROSS JOIN LATERAL ({blocks}) AS found(id) JOIN residents_identity i ON i.id = found.id
        LEFT JOIN residents_namecount c ON c.pinyin = i.pinyin
        LEFT JOIN residents_link l ON l.identity_id = i.id LEFT JOIN residents_resident r ON r.id = l.resident_id
        WHERE i.id <> n.id"""


_FIND = _find()


def find(people: Sequence[Person]) -> Found:
    """For each person the stored identities sharing a blocking key, and how common the names are as of the last count.

    One statement; call it in `db.by_index`. It grows with the candidates (about 10 a person, a few hundred at most: see
    `_BLOCKS`), not with the county.
    """
    found: dict[int, list[Stored]] = {p.id: [] for p in people}
    total, names, crowded = 0, dict[str, int](), set[int]()
    rows = db.prepared(_FIND, _keys(people))
    for new_id, pinyin, bearers, shared, everybody, others, resident, number, birth, identity, *fields in rows:
        who = _person(identity, fields)
        total, names[pinyin], names[who.pinyin] = everybody or 0, bearers or 0, others or 0
        if shared:
            crowded.add(new_id)
        found[new_id].append(Stored(who, resident, number or "", _date(birth)))
    return Found(found, Population(total, names), crowded)


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
