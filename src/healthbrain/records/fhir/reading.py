"""Read, vread, history. Every read is one audit event with the ids it showed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.ids import resource_key
from healthbrain.records.fhir.auth import PURPOSE, Caller, scope
from healthbrain.records.fhir.outcome import FhirError, bundle, entry
from healthbrain.records.rules.search import DEFAULT_COUNT, count_of, read_cursor, write_cursor
from healthbrain.records.rules.search_values import interval


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a resource as it lies in the store."""

    type: str
    id: str
    version: int
    updated: dt.datetime
    deleted: bool
    body: bytes
    identity_id: int | None

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


COLUMNS = "r.type, r.id, r.version, r.updated, r.deleted, r.body, r.identity_id"


def stored(row: Sequence[Any]) -> Stored:
    kind, own, version, updated, deleted, body, identity_id = row[:7]
    return Stored(kind, own, version, updated, deleted, bytes(body), identity_id)


def record_look(caller: Caller, action: str, subject: str, rows: Sequence[Stored], **detail: Any) -> None:
    """The audit event of a look; names the resident when everything shown is one person's."""
    identities = {row.identity_id for row in rows if row.identity_id is not None}
    residents = set()
    if identities:
        found = db.select(
            "SELECT DISTINCT resident_id FROM residents_link WHERE identity_id = ANY(%s) LIMIT 2", (list(identities),)
        )
        residents = {row[0] for row in found}
    audit.record(
        by=caller.actor,
        action=action,
        resident_id=residents.pop() if len(residents) == 1 else None,
        subject=subject,
        purpose=PURPOSE,
        detail={"source": caller.source, "ids": [row.reference for row in rows]} | detail,
    )


def current(caller: Caller, resource_type: str, resource_id: str) -> Stored:
    """The current version, deleted or not. FhirError 404 when there is none, or none the caller may see."""
    inside, params = scope(caller)
    rows = db.select(
        f"SELECT {COLUMNS} FROM records_resource r WHERE r.key = %s AND {inside}",
        (resource_key(resource_type, resource_id), *params),
    )
    if not rows:
        raise FhirError(404, f"没有这个资源 (not found): {resource_type}/{resource_id}")
    return stored(rows[0])


def read(caller: Caller, resource_type: str, resource_id: str) -> Stored:
    """FHIR read; 410 once deleted."""
    found = current(caller, resource_type, resource_id)
    if found.deleted:
        raise FhirError(410, f"资源已删除 (deleted): {found.reference}")
    record_look(caller, "fhir.read", found.reference, [found])
    return found


def vread(caller: Caller, resource_type: str, resource_id: str, version: str) -> Stored:
    """FHIR vread."""
    latest = current(caller, resource_type, resource_id)
    found = latest if str(latest.version) == version else _earlier(latest, version)
    if found.deleted:
        raise FhirError(410, f"此版本是删除 (this version is a deletion): {found.reference}")
    record_look(caller, "fhir.read", f"{found.reference}/_history/{version}", [found])
    return found


def _earlier(latest: Stored, version: str) -> Stored:
    number = int(version) if version.isdecimal() and len(version) < 10 else 0
    rows = db.select(
        "SELECT version, updated, deleted, body FROM records_resourceversion WHERE key = %s AND version = %s",
        (resource_key(latest.type, latest.id), number),
    )
    if not rows:
        raise FhirError(404, f"没有这个版本 (no such version): {latest.reference}/_history/{version}")
    row = rows[0]
    return Stored(latest.type, latest.id, row[0], row[1], row[2], bytes(row[3]), latest.identity_id)


def types_held() -> list[str]:
    """The types of resource there are: one step in the index for each, however many rows it has."""
    rows = db.select(
        """WITH RECURSIVE held (type) AS (
             SELECT min(type) FROM records_resource
             UNION ALL SELECT (SELECT min(r.type) FROM records_resource r WHERE r.type > held.type) FROM held
             WHERE held.type IS NOT NULL)
           SELECT type FROM held WHERE type IS NOT NULL"""
    )
    return [row[0] for row in rows]


def history(
    caller: Caller, base: str, resource_type: str = "", resource_id: str = "", *, parameters: dict[str, str]
) -> bytes:
    """History of one resource, of a type or of everything, newest first; `_count`, `_since`, `_at`, `_cursor`.

    Each type fills a page from its newest, the versions kept fill one, and the newest of them all are taken.
    """
    if resource_id:
        current(caller, resource_type, resource_id)  # 404 for what never was
    count = count_of(parameters.get("_count") or str(DEFAULT_COUNT))
    wheres = _history_of(caller, resource_type, resource_id)
    after, values = _page(parameters)
    order = "ORDER BY updated DESC, key, version DESC LIMIT %s"
    parts = [(_CURRENT, *where) for where in wheres]
    parts.append((_EARLIER, *(wheres[0] if resource_type else scope(caller))))
    pages = [f"(SELECT * FROM ({rows} WHERE {where}) h WHERE {after} {order})" for rows, where, _ in parts]
    rows = db.select(
        f"SELECT * FROM ({' UNION ALL '.join(pages)}) h {order}",
        [*(value for _, _, params in parts for value in (*params, *values, count + 1)), count + 1],
    )
    found = [stored(row) for row in rows[:count]]
    subject = "/".join(part for part in (resource_type, resource_id) if part)
    record_look(caller, "fhir.history", subject or "system", found)
    here = f"{base}/{subject}".rstrip("/") + "/_history"
    asked = {name: value for name, value in parameters.items() if name in {"_count", "_since", "_at"}}
    links = {"self": f"{here}?{urlencode(asked)}".rstrip("?")}
    if len(rows) > count > 0:
        last = rows[count - 1]
        mark = write_cursor([last[3].isoformat(), str(last[7]), last[2]])
        links["next"] = f"{here}?{urlencode(asked | {'_cursor': mark})}"
    return bundle("history", links, [_version_entry(base, row) for row in found])


_CURRENT = """SELECT r.type, r.id, r.version, r.updated, r.deleted, r.body, r.identity_id, r.key,
           NULL::timestamptz AS until
    FROM records_resource r"""
_EARLIER = """SELECT r.type, r.id, v.version, v.updated, v.deleted, v.body, r.identity_id, r.key,
           coalesce(n.updated, r.updated) AS until
    FROM records_resourceversion v JOIN records_resource r ON r.key = v.key AND v.version < r.version
    LEFT JOIN records_resourceversion n ON n.key = v.key AND n.version = v.version + 1"""


def _history_of(caller: Caller, resource_type: str, resource_id: str) -> list[tuple[str, list[Any]]]:
    """Whose history it is: one condition, or one for each type."""
    inside, params = scope(caller)
    if resource_id:
        return [(f"r.key = %s AND {inside}", [resource_key(resource_type, resource_id), *params])]
    return [
        (f"r.type = %s AND {inside}", [kind, *params]) for kind in ([resource_type] if resource_type else types_held())
    ]


def _page(parameters: dict[str, str]) -> tuple[str, list[Any]]:
    """The condition on a version: made since (`_since`), current at some time within (`_at`), behind the cursor."""
    since, cursor = parameters.get("_since"), parameters.get("_cursor")
    conditions, values = ["TRUE"], list[Any]()
    if at := parameters.get("_at"):
        span = interval(at)
        conditions.append(
            "updated < %s AT TIME ZONE 'Asia/Shanghai' AND (until IS NULL OR until > %s AT TIME ZONE 'Asia/Shanghai')"
        )
        values += [span.high, span.low]
    if since:
        try:
            moment = dt.datetime.fromisoformat(since.replace(" ", "+"))
        except ValueError as error:
            raise FhirError(400, f"_since 不是时间 (not an instant): {since}") from error
        conditions.append("updated >= %s")
        values.append(moment)
    if cursor:
        mark = read_cursor(cursor)
        if len(mark) != 3 or [type(part) for part in mark] != [str, str, int]:
            raise FhirError(400, "翻页标记无效 (invalid cursor)")
        conditions.append(
            "updated <= %s::timestamptz AND (updated < %s::timestamptz OR key > %s::uuid"
            " OR (key = %s::uuid AND version < %s))"
        )
        values += [mark[0], mark[0], mark[1], mark[1], mark[2]]
    return " AND ".join(conditions), values


def _version_entry(base: str, row: Stored) -> bytes:
    method = "DELETE" if row.deleted else ("POST" if row.version == 1 else "PUT")
    url = f"{base}/{row.reference}"
    status = {"DELETE": "204", "POST": "201"}.get(method, "200")
    request = {"method": method, "url": row.type if method == "POST" else row.reference}
    response = {"status": status, "etag": f'W/"{row.version}"', "lastModified": row.updated.isoformat()}
    if row.deleted:
        return orjson.dumps({"fullUrl": url, "request": request, "response": response})
    return entry(url, row.body, request=request, response=response)
