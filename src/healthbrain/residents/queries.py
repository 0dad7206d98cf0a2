"""Reads of the index. Rows about people go out only through the gate; exports and $match name their use."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Right
from django.db.models.lookups import Exact

from healthbrain.access.gate import broke_glass, require, visible
from healthbrain.access.rules import Actor
from healthbrain.kernel import db
from healthbrain.kernel.errors import NotAllowed, NotFound
from healthbrain.residents import candidates, train
from healthbrain.residents.linkage import linkage_report
from healthbrain.residents.models import Resident
from healthbrain.residents.rules import id_number, names
from healthbrain.residents.rules.decide import code_of, explain, judge
from healthbrain.residents.rules.person import person as make_person

__all__ = [
    "Candidate", "IdentityRow", "ResidentRow", "ReviewRow", "export_links", "export_residents", "find", "identities_of",
    "link_history", "linkage_report", "match_candidates", "open_reviews", "resident", "residents", "reviews",
]  # fmt: skip
_DIGITS = re.compile(r"[\dXx*]{4,18}")
_LATIN = re.compile(r"[A-Za-z ']+")
_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class ResidentRow:
    """The golden record."""

    id: int
    name: str
    sex: str
    birth_date: dt.date | None
    id_number: str | None
    phone: str | None
    address: str | None
    division_code: str | None
    home_organisation_id: int | None
    home_organisation: str | None
    deceased_on: dt.date | None
    moved_on: dt.date | None
    merged_into: int | None


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """What one source says, why it is linked here, and how sure that is."""

    identity_id: int
    source: str
    source_name: str
    source_id: str
    name: str
    sex: str
    birth_date: dt.date | None
    id_number: str | None
    phone: str | None
    address: str | None
    division_code: str | None
    resident_id: int | None
    score: float | None
    rule: str | None
    explanation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """An unsure pair, both sides whole."""

    id: int
    score: float
    explanation: Mapping[str, Any]
    status: str
    left: IdentityRow
    right: IdentityRow


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resident who may be the person asked about. `grade` as FHIR's match-grade: certain, probable, possible."""

    resident_id: int
    score: float
    grade: str
    explanation: Mapping[str, Any]


def _rows(found: QuerySet[Resident]) -> list[ResidentRow]:
    columns = [f.name for f in fields(ResidentRow) if f.name != "home_organisation"]
    values = found.annotate(organisation_name=F("home_organisation__name")).values(*columns, "organisation_name")
    return [ResidentRow(home_organisation=row.pop("organisation_name"), **row) for row in values]


def _tail(column: str, tail: str) -> Q:
    return Q(Exact(Right(column, 4), tail[-4:])) & Q(**{f"{column}__endswith": tail})


def _condition(text: str) -> Q | None:
    """What `text` asks for, as one indexed condition; None when it asks for nothing that can be looked up."""
    parsed = id_number.parse(text)
    if parsed:
        return Q(id_number=parsed.number)
    plain = id_number.clean(text)
    if _DIGITS.fullmatch(plain):
        if len(plain) == 11 and plain.startswith("1"):
            return Q(phone=plain)
        tail = plain.rsplit("*", 1)[-1]
        return _tail("id_number", tail) | _tail("phone", tail) if len(tail) >= 4 else None
    if _LATIN.fullmatch(text):
        letters = re.sub(r"[^a-z]", "", text.lower())
        return Q(name_initials__startswith=letters) | Q(name_pinyin__startswith=letters) if len(letters) >= 2 else None
    name = names.tidy(text)
    return Q(name__startswith=name) if name else None


def find(
    actor: Actor, text: str, purpose: str, limit: int = 20, *, permission: str = "record.search"
) -> list[ResidentRow]:
    """Living records by name, pinyin or initials, identity number or its tail, phone or its tail (four figures up).

    permission: what the desk that searches is for; roles without a right to records search for their own work only.
    Raises NotAllowed for a role that may not search or an unknown purpose. Cost: one indexed query.
    """
    require(actor, permission)
    condition = _condition(text.strip())
    if condition is None:
        return []
    found = visible(Resident.objects.filter(condition, merged_into__isnull=True), actor, purpose)
    return _rows(found.order_by("name", "birth_date", "id")[:limit])


def resident(actor: Actor, resident_id: int, purpose: str) -> ResidentRow:
    """One golden record. A merged one leads to the resident who has its identities now (`id` tells).

    Raises NotFound, or NotAllowed when it exists outside the actor's scope and no emergency opening is in force.
    """
    return residents(actor, [resident_id], purpose)[0]


def residents(actor: Actor, resident_ids: list[int], purpose: str) -> list[ResidentRow]:
    """Several golden records, in the order asked for; errors as `resident`."""
    rows = _seen(actor, resident_ids, purpose)
    targets = [i if i in rows and rows[i].merged_into is None else _living(i) for i in resident_ids]
    if moved := set(targets) - set(resident_ids):
        rows |= _seen(actor, moved, purpose)
    for target in targets:
        if target in rows:
            continue
        if not Resident.objects.filter(pk=target).exists():
            raise NotFound("没有这位居民 No such resident")
        if not broke_glass(actor, target):
            raise NotAllowed("这位居民不在您的责任区 This resident is outside your scope")
        rows |= {row.id: row for row in _rows(Resident.objects.filter(pk=target))}
    return [rows[target] for target in targets]


def _seen(actor: Actor, resident_ids: Iterable[int], purpose: str) -> dict[int, ResidentRow]:
    found = visible(Resident.objects.filter(pk__in=list(resident_ids)), actor, purpose)
    return {row.id: row for row in _rows(found)}


def _living(resident_id: int) -> int:
    """Follow tombstones to the resident who has the identities now."""
    rows = db.select(
        """WITH RECURSIVE chain(id, next, depth) AS (
               SELECT id, merged_into, 0 FROM residents_resident WHERE id = %s
               UNION ALL SELECT r.id, r.merged_into, depth + 1 FROM chain JOIN residents_resident r ON r.id = chain.next
               WHERE depth < 20)
           SELECT id FROM chain ORDER BY depth DESC LIMIT 1""",
        (resident_id,),
    )
    return int(rows[0][0]) if rows else resident_id


_IDENTITY = """i.id, s.code, s.name, i.source_key, i.name, i.sex, i.birth_date,
    coalesce(i.id_number, i.id_number_raw), i.phone,
    i.address, i.division_code, l.resident_id, l.score, l.rule, coalesce(l.explanation, '{}'::jsonb)::text"""
_JOINED = (
    "residents_identity i JOIN county_source s ON s.id = i.source_id LEFT JOIN residents_link l ON l.identity_id = i.id"
)


def _identity(row: tuple[Any, ...]) -> IdentityRow:
    import orjson

    return IdentityRow(*(*row[:-1], orjson.loads(row[-1])))


def identities_of(resident_id: int) -> list[IdentityRow]:
    """What each source says about a resident. The caller has opened the resident through the gate."""
    rows = db.select(f"SELECT {_IDENTITY} FROM {_JOINED} WHERE l.resident_id = %s ORDER BY i.id", (resident_id,))
    return [_identity(row) for row in rows]


def open_reviews() -> int:
    """How many pairs wait for a person."""
    return int(db.select("SELECT count(*) FROM residents_review WHERE status = 'open'")[0][0])


def set_aside(actor: Actor) -> list[dict[str, Any]]:
    """Whose data broke the comparison: identity_id, resident_id, source, source_id, error, at; newest first."""
    require(actor, "steward.work")
    return db.select_dicts(
        """SELECT l.identity_id, l.resident_id, s.code AS source, i.source_key AS source_id,
                  l.explanation ->> 'error' AS error, l.linked_at AS at
           FROM residents_link l JOIN residents_identity i ON i.id = l.identity_id
           JOIN county_source s ON s.id = i.source_id
           WHERE l.rule = 'not-compared' ORDER BY l.linked_at DESC LIMIT 200"""
    )


def reviews(actor: Actor, *, status: str = "open", limit: int = 50, offset: int = 0) -> list[ReviewRow]:
    """Pairs for the steward, the likeliest first. Raises NotAllowed for other roles."""
    import orjson

    require(actor, "steward.work")
    rows = db.select(
        """SELECT id, score, explanation::text, status, left_id, right_id FROM residents_review WHERE status = %s
           ORDER BY score DESC, id LIMIT %s OFFSET %s""",
        (status, limit, offset),
    )
    wanted = [identity for row in rows for identity in row[4:]]
    sides = {
        row[0]: _identity(row)
        for row in db.select(f"SELECT {_IDENTITY} FROM {_JOINED} WHERE i.id = ANY(%s)", (wanted,))
    }
    return [ReviewRow(r[0], r[1], orjson.loads(r[2]), r[3], sides[r[4]], sides[r[5]]) for r in rows]


def link_history(resident_id: int) -> list[dict[str, Any]]:
    """Every move of an identity into or out of a resident, newest first, with the group to undo it by."""
    return db.select_dicts(
        """SELECT identity_id, from_resident_id, to_resident_id, rule, account_id, "group"::text AS "group", at,
                  explanation ->> 'reason' AS reason
           FROM residents_linkchange WHERE from_resident_id = %s OR to_resident_id = %s ORDER BY id DESC LIMIT 200""",
        (resident_id, resident_id),
    )


def _chunks(sql: str) -> Iterator[tuple[Any, ...]]:
    last = 0
    while rows := db.select(sql, (last, _CHUNK)):
        yield from rows
        last = rows[-1][-1]


def export_links() -> Iterator[tuple[str, str, int, float | None, str]]:
    """(source, source_id, resident_id, score, rule) of every linked identity; for the command line."""
    for row in _chunks(
        """SELECT s.code, i.source_key, l.resident_id, l.score, l.rule, l.identity_id
           FROM residents_link l JOIN residents_identity i ON i.id = l.identity_id
           JOIN county_source s ON s.id = i.source_id WHERE l.identity_id > %s ORDER BY l.identity_id LIMIT %s"""
    ):
        yield row[:5]


def export_residents() -> Iterator[tuple[int, str, str, dt.date | None, int]]:
    """(resident_id, name, sex, birth_date, sources: how many identities) of everybody living in the index."""
    for row in _chunks(
        """SELECT r.id, r.name, r.sex, r.birth_date,
                  (SELECT count(*) FROM residents_link l WHERE l.resident_id = r.id), r.id
           FROM residents_resident r WHERE r.merged_into IS NULL AND r.id > %s ORDER BY r.id LIMIT %s"""
    ):
        yield row[:5]


def match_candidates(
    *,
    name: str = "",
    sex: str = "0",
    birth_date: dt.date | None = None,
    number: str | None = None,
    phone: str | None = None,
    address: str | None = None,
    limit: int = 10,
) -> list[Candidate]:
    """Residents who may be this person, the likeliest first: FHIR's Patient/$match. Stores nothing."""
    parsed = id_number.parse(number)
    asked = make_person(
        id=0, name=name, sex=sex, birth_date=f"{birth_date:%Y%m%d}" if birth_date else "",
        id_number=parsed.number if parsed else None, id_number_raw=id_number.clean(number) or None, phone=phone,
        address=address,
    )  # fmt: skip
    with transaction.atomic(), db.by_index():
        model, found = train.model(), candidates.find([asked])
    asked, crowd = replace(asked, phone="" if found.crowded else asked.phone), found.population
    best: dict[int, Candidate] = {}
    for stored in found.of[0]:
        seen = judge(model, crowd, asked, stored.person)
        if stored.resident_id is None or seen.total < model.ask_bits - 7:
            continue
        score = 1.0 if seen.total > 50 else 2**seen.total / (1 + 2**seen.total)
        grade = {"link": "certain", "ask": "probable"}.get(seen.decision, "possible")
        why = explain(model, code_of(seen.outcomes), seen.rarity, crowd.prior_bits()) | {"veto": seen.veto}
        if stored.resident_id not in best or best[stored.resident_id].score < score:
            best[stored.resident_id] = Candidate(stored.resident_id, round(score, 6), grade, why)
    return sorted(best.values(), key=lambda c: (-c.score, c.resident_id))[:limit]
