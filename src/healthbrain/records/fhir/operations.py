"""Operations: Patient/x/$everything, Patient/$match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from healthbrain.kernel import db
from healthbrain.kernel.ids import resource_key
from healthbrain.records.fhir import reading, searching
from healthbrain.records.fhir.auth import Caller, scope
from healthbrain.records.fhir.outcome import FhirError, bundle, entry
from healthbrain.records.fhir.reading import COLUMNS, Stored, record_look, stored
from healthbrain.records.intake.patients import person_of
from healthbrain.records.rules import r4, r4_tables
from healthbrain.records.rules.search import DEFAULT_COUNT, MAX_COUNT, count_of, read_cursor, write_cursor
from healthbrain.records.rules.search_values import interval
from healthbrain.residents import queries as residents

EVERYTHING_COUNT = 200
NARROWING = ("_type", "_since", "start", "end", "_count")
NAMED = {"Organization", "Practitioner", "PractitionerRole", "Location", "Medication", "Device"}
MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


def identities_like(identity_id: int) -> list[int]:
    """All identities of the same resident: what merging joined, reading joins."""
    rows = db.select(
        "SELECT other.identity_id FROM residents_link mine"
        " JOIN residents_link other ON other.resident_id = mine.resident_id WHERE mine.identity_id = %s",
        (identity_id,),
    )
    return [row[0] for row in rows] or [identity_id]


def parameters_of(content: Any) -> dict[str, Any]:
    """The parameters of an operation by name, each with its value or resource. FhirError 400 for anything else."""
    if not isinstance(content, dict) or content.get("resourceType") != "Parameters":
        raise FhirError(400, "应提交 Parameters (Parameters expected)")
    issues = r4.check({**content, "parameter": [_bare(p) for p in _rows(content)]} if _rows(content) else content)
    if not r4.readable(issues):
        raise FhirError(400, "参数无法解析 (unreadable Parameters)", "structure", issues)
    found: dict[str, Any] = {}
    for row in _rows(content):
        values = [value for key, value in row.items() if key.startswith("value") or key == "resource"]
        if values:
            found[row["name"]] = values[0]
    return found


def _rows(content: dict[str, Any]) -> list[Any]:
    rows = content.get("parameter")
    return rows if isinstance(rows, list) else []


def _bare(row: Any) -> Any:
    """A parameter without its resource, which has findings of its own."""
    return {k: v for k, v in row.items() if k != "resource"} if isinstance(row, dict) else row


def everything(caller: Caller, base: str, patient_id: str, parameters: dict[str, str]) -> bytes:
    """All that is known about the person behind a Patient, over every source, newest version of each resource.

    One index range for each of the person's identities; paged by key. `start` and `end` bound the dates of care: what
    has no date (the person himself, an allergy) always belongs.
    """
    patient = reading.current(caller, "Patient", patient_id)
    if patient.deleted:
        raise FhirError(410, f"资源已删除 (deleted): {patient.reference}")
    where, params = _narrowed(parameters)
    count = count_of(parameters.get("_count") or str(EVERYTHING_COUNT))
    identities = identities_like(patient.identity_id) if patient.identity_id is not None else []
    inside, values = scope(caller)
    rows = db.select(
        f"SELECT {COLUMNS}, r.key::text FROM records_resource r WHERE (r.identity_id = ANY(%s) OR r.key = %s)"
        f" AND NOT r.deleted AND {inside} AND {where} ORDER BY r.key::text LIMIT %s",
        (identities, resource_key("Patient", patient.id), *values, *params, count + 1),
    )
    found = [stored(row) for row in rows[:count]]
    first = "_cursor" not in parameters
    named = _also(caller, found, parameters.get("_type", ""))
    record_look(caller, "fhir.everything", patient.reference, found)
    here = f"{base}/{patient.reference}/$everything"
    asked = {name: value for name, value in parameters.items() if name in NARROWING}
    links = {"self": f"{here}?{urlencode(asked)}".rstrip("?")}
    if len(rows) > count > 0:
        links["next"] = f"{here}?{urlencode(asked | {'_cursor': write_cursor([rows[count - 1][7]])})}"
    modes = [(found, "match"), (named, "include")]
    entries = [entry(f"{base}/{r.reference}", r.body, search={"mode": mode}) for rs, mode in modes for r in rs]
    return bundle("searchset", links, entries, len(found) if first and len(rows) <= count else None)


def _narrowed(parameters: dict[str, str]) -> tuple[str, list[Any]]:
    """`_type`, `_since`, `start`, `end` and the cursor. Other parameters are passed over, as in a search."""
    pieces, params = ["TRUE"], list[Any]()
    if kinds := parameters.get("_type"):
        if unknown := [kind for kind in kinds.split(",") if kind not in r4_tables.structure().resources]:
            raise FhirError(400, f"不是 R4 资源类型 (unknown resource type): {unknown[0][:60]}", "not-supported")
        pieces.append("r.type = ANY(%s)")
        params.append(kinds.split(","))
    for name, sql in (
        ("_since", "r.updated >= %s AT TIME ZONE 'Asia/Shanghai'"),
        ("start", "(r.at IS NULL OR r.at >= %s)"),
        ("end", "(r.at IS NULL OR r.at < %s)"),
    ):
        if text := parameters.get(name):
            span = interval(text)
            pieces.append(sql)
            params.append(span.high if name == "end" else span.low)
    if mark := parameters.get("_cursor"):
        params.append(str(read_cursor(mark)[0]))
        pieces.append("r.key::text > %s")
    return " AND ".join(pieces), params


def _also(caller: Caller, rows: Sequence[Stored], kinds: str) -> list[Stored]:
    """Organisations, practitioners, places and medicines the resources name; of `kinds` where these were asked for."""
    wanted: set[tuple[str, str]] = set()
    allowed = NAMED & set(kinds.split(",")) if kinds else NAMED
    for row in rows if allowed else ():
        for text in _references(orjson.loads(row.body)):
            kind, _, own = text.partition("/")
            if kind in allowed:
                wanted.add((kind, own))
    shown = {row.reference for row in rows}
    found = searching.by_keys(caller, [resource_key(*pair) for pair in sorted(wanted)[: searching.INCLUDE_LIMIT]])
    return [row for row in found if row.reference not in shown]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["reference"]] if isinstance(node.get("reference"), str) else []
        return own + [text for value in node.values() for text in _references(value)]
    return [text for item in node for text in _references(item)] if isinstance(node, list) else []


# --- $match ---------------------------------------------------------------------------------------------------------


def match(caller: Caller, base: str, content: Any) -> bytes:
    """Patient/$match: residents that may be this person, best first, each with its score and grade."""
    resource, limit, certain_only = _match_input(content)
    found: list[bytes] = []
    shown: list[Stored] = []
    for candidate in residents.match_candidates(**_person(resource), limit=limit):
        if certain_only and candidate.grade != "certain":
            continue
        for row in _patients_of(caller, candidate.resident_id):
            extension = [{"url": MATCH_GRADE, "valueCode": candidate.grade}]
            score = {"extension": extension, "mode": "match", "score": round(candidate.score, 4)}
            found.append(entry(f"{base}/{row.reference}", row.body, search=score))
            shown.append(row)
    record_look(caller, "fhir.match", "Patient/$match", shown)
    return bundle("searchset", {"self": f"{base}/Patient/$match"}, found[:limit], min(len(found), limit))


def _match_input(content: Any) -> tuple[dict[str, Any], int, bool]:
    """The Patient inside Parameters, or bare as many clients send it; how many at most; only the certain."""
    bare = isinstance(content, dict) and content.get("resourceType") == "Patient"
    named = {"resource": content} if bare else parameters_of(content)
    resource, limit = named.get("resource"), named.get("count", DEFAULT_COUNT)
    if not isinstance(resource, dict) or resource.get("resourceType") != "Patient":
        raise FhirError(400, "缺少参数 resource: Patient (missing)", "required")
    if not r4.readable(issues := r4.check(resource)):
        raise FhirError(400, "资源无法解析 (unreadable resource)", "structure", issues)
    if type(limit) is not int or limit < 1:
        raise FhirError(400, f"count 应为正整数 (must be a positive whole number): {str(limit)[:40]}", "value")
    return resource, min(limit, MAX_COUNT), named.get("onlyCertainMatches") is True


def _person(resource: dict[str, Any]) -> dict[str, Any]:
    """What the matcher takes, from a Patient."""
    name, sex, birth_date, number, phone, address, *_ = person_of(resource)
    return {
        "name": (name or "")[:100],  # the index of residents keeps no more, and comparing costs the square of it
        "sex": sex or "0",
        "birth_date": birth_date if birth_date and birth_date.year >= 1800 else None,
        "number": number,
        "phone": phone,
        "address": address[:300] if address else None,
    }


def _patients_of(caller: Caller, resident_id: int) -> list[Stored]:
    inside, params = scope(caller)
    rows = db.select(
        f"SELECT {COLUMNS} FROM residents_link l JOIN records_resource r ON r.identity_id = l.identity_id"
        f" WHERE l.resident_id = %s AND r.type = 'Patient' AND NOT r.deleted AND {inside} ORDER BY r.updated DESC",
        (resident_id, *params),
    )
    return [stored(row) for row in rows]
