"""Operations: Patient/x/$everything, Patient/$match, $validate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from healthbrain.kernel import db
from healthbrain.kernel.ids import resource_key
from healthbrain.records.fhir import reading, searching
from healthbrain.records.fhir.auth import Caller, scope
from healthbrain.records.fhir.outcome import FhirError, bundle, entry
from healthbrain.records.fhir.reading import COLUMNS, Stored, record_look, stored
from healthbrain.records.intake.patients import person_of
from healthbrain.records.rules.search import DEFAULT_COUNT, MAX_COUNT, SearchError, read_cursor, write_cursor
from healthbrain.records.rules.search_values import Interval, interval
from healthbrain.residents import queries as residents

EVERYTHING_COUNT = 200
MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


def identities_like(identity_id: int) -> list[int]:
    """All identities of the same resident: what merging joined, reading joins."""
    rows = db.select(
        "SELECT other.identity_id FROM residents_link mine"
        " JOIN residents_link other ON other.resident_id = mine.resident_id WHERE mine.identity_id = %s",
        (identity_id,),
    )
    return [row[0] for row in rows] or [identity_id]


def everything(caller: Caller, base: str, patient_id: str, parameters: dict[str, str]) -> bytes:
    """All that is known about the person behind a Patient, over every source, newest version of each resource.

    One index range for each of the person's identities; paged by key.
    """
    patient = reading.current(caller, "Patient", patient_id)
    if patient.deleted:
        raise FhirError(410, f"资源已删除 (deleted): {patient.reference}")
    where, params = _narrowed(parameters)
    count = _count(parameters.get("_count", ""))
    identities = identities_like(patient.identity_id) if patient.identity_id is not None else []
    inside, values = scope(caller)
    rows = db.select(
        f"SELECT {COLUMNS}, r.key::text FROM records_resource r WHERE (r.identity_id = ANY(%s) OR r.key = %s)"
        f" AND NOT r.deleted AND {inside} AND {where} ORDER BY r.key::text LIMIT %s",
        (identities, resource_key("Patient", patient.id), *values, *params, count + 1),
    )
    found = [stored(row) for row in rows[:count]]
    first = "_cursor" not in parameters
    named = _also(caller, found) if first or found else []
    record_look(caller, "fhir.everything", patient.reference, found)
    here = f"{base}/{patient.reference}/$everything"
    links = {"self": here}
    if len(rows) > count:
        links["next"] = f"{here}?_count={count}&_cursor={write_cursor([rows[count - 1][7]])}"
    modes = [(found, "match"), (named, "include")]
    entries = [entry(f"{base}/{r.reference}", r.body, search={"mode": mode}) for rs, mode in modes for r in rs]
    return bundle("searchset", links, entries, len(found) if first and len(rows) <= count else None)


def _count(text: str) -> int:
    return min(int(text), MAX_COUNT) if text.isdecimal() and int(text) else EVERYTHING_COUNT


def _narrowed(parameters: dict[str, str]) -> tuple[str, list[Any]]:
    """`_type`, `_since`, `start`, `end` and the cursor."""
    pieces, params = ["TRUE"], list[Any]()
    if kinds := parameters.get("_type"):
        pieces.append("r.type = ANY(%s)")
        params.append(kinds.split(","))
    for name, sql in (("_since", "r.updated >= %s"), ("start", "r.at >= %s"), ("end", "r.at < %s")):
        if text := parameters.get(name):
            span = _interval(text)
            pieces.append(sql)
            params.append(span.high if name == "end" else span.low)
    if mark := parameters.get("_cursor"):
        try:
            params.append(str(read_cursor(mark)[0]))
        except SearchError as error:
            raise FhirError(400, str(error), error.code) from error
        pieces.append("r.key::text > %s")
    return " AND ".join(pieces), params


def _interval(text: str) -> Interval:
    try:
        return interval(text)
    except SearchError as error:
        raise FhirError(400, str(error), error.code) from error


def _also(caller: Caller, rows: Sequence[Stored]) -> list[Stored]:
    """Organisations, practitioners, places and medicines the resources name."""
    wanted: set[tuple[str, str]] = set()
    for row in rows:
        for text in _references(orjson.loads(row.body)):
            kind, _, own = text.partition("/")
            if kind in {"Organization", "Practitioner", "PractitionerRole", "Location", "Medication", "Device"}:
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
    """The Patient inside Parameters, or bare as many clients send it."""
    if not isinstance(content, dict):
        raise FhirError(400, "应提交 Parameters 或 Patient (Parameters expected)")
    if content.get("resourceType") == "Patient":
        return content, DEFAULT_COUNT, False
    rows = [p for p in content.get("parameter") or [] if isinstance(p, dict)]
    named = {p.get("name"): p for p in rows}
    resource = named.get("resource", {}).get("resource")
    if not isinstance(resource, dict) or resource.get("resourceType") != "Patient":
        raise FhirError(400, "缺少参数 resource: Patient (missing)", "required")
    limit = named.get("count", {}).get("valueInteger")
    certain = named.get("onlyCertainMatches", {}).get("valueBoolean") is True
    return resource, min(limit, MAX_COUNT) if isinstance(limit, int) and limit > 0 else DEFAULT_COUNT, certain


def _person(resource: dict[str, Any]) -> dict[str, Any]:
    """What the matcher takes, from a Patient."""
    name, sex, birth_date, number, phone, address, *_ = person_of(resource)
    return {
        "name": name or "",
        "sex": sex or "0",
        "birth_date": birth_date,
        "number": number,
        "phone": phone,
        "address": address,
    }


def _patients_of(caller: Caller, resident_id: int) -> list[Stored]:
    inside, params = scope(caller)
    rows = db.select(
        f"SELECT {COLUMNS} FROM residents_link l JOIN records_resource r ON r.identity_id = l.identity_id"
        f" WHERE l.resident_id = %s AND r.type = 'Patient' AND NOT r.deleted AND {inside} ORDER BY r.updated DESC",
        (resident_id, *params),
    )
    return [stored(row) for row in rows]
