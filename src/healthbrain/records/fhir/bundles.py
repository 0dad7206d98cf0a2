"""POST /fhir: transaction and batch.

A transaction of plain creates and updates goes to intake whole, set-based: that is what hospitals send all day. One
with reads, deletes, patches or conditions is worked off entry by entry, in FHIR's order, in one database transaction.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from django.db import transaction

from healthbrain.kernel.errors import HealthBrainError
from healthbrain.records import actions
from healthbrain.records.fhir import reading, searching, writing
from healthbrain.records.fhir.auth import Caller
from healthbrain.records.fhir.outcome import FhirError, error_resource
from healthbrain.records.rules import r4_tables
from healthbrain.records.rules.r4 import Issue

type Entry = dict[str, Any]

METHODS = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")  # the order R4 http.html#trules prescribes
MAX_SLOW = 2000  # entries worked off one by one in one request


def process(caller: Caller, base: str, bundle: Any) -> dict[str, Any]:
    """The response Bundle. FhirError when a transaction cannot be done as a whole; a batch reports entry by entry."""
    entries = _entries(bundle)
    if bundle["type"] == "transaction":
        if _plain(entries):
            return actions.store_bundle(bundle, source=caller.source, by=caller.actor)
        with transaction.atomic():
            responses = _transaction(caller, base, entries)
    else:
        _bounded(entries)
        responses = [_separately(caller, base, entry) for entry in entries]
    return {"resourceType": "Bundle", "type": f"{bundle['type']}-response", "entry": responses}


def _entries(bundle: Any) -> list[Entry]:
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise FhirError(400, "应提交 Bundle (a Bundle is expected)")
    if bundle.get("type") not in {"transaction", "batch"}:
        raise FhirError(422, f"Bundle.type 应为 transaction 或 batch: {str(bundle.get('type'))[:40]}")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise FhirError(400, "Bundle.entry 应为数组 (must be an array)", "structure")
    for number, entry in enumerate(entries):
        _check_entry(entry, number)
    return entries


def _check_entry(entry: Any, number: int) -> None:
    where = f"Bundle.entry[{number}]"
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or request.get("method") not in METHODS or not isinstance(request.get("url"), str):
        issue = Issue("error", "required", f"{where}.request", "缺少 request.method 或 request.url (missing)")
        raise FhirError(400, issue.text, issues=[issue])


def _plain(entries: list[Entry]) -> bool:
    """Only creates and updates by id, without conditions."""
    for entry in entries:
        request = entry["request"]
        if request["method"] not in {"POST", "PUT"} or "?" in request["url"]:
            return False
        if request.get("ifNoneExist") or request.get("ifMatch") or not isinstance(entry.get("resource"), dict):
            return False
    return True


def _bounded(entries: list[Entry]) -> None:
    if len(entries) > MAX_SLOW:
        raise FhirError(413, f"一次最多 {MAX_SLOW} 条 (too many entries)", "too-costly")


# --- one by one -----------------------------------------------------------------------------------------------------


def _transaction(caller: Caller, base: str, entries: list[Entry]) -> list[Entry]:
    """All or nothing. References between entries (fullUrl) are rewritten to the ids their targets get."""
    _bounded(entries)
    order = sorted(range(len(entries)), key=lambda i: METHODS.index(entries[i]["request"]["method"]))
    names = _names(caller, entries)
    responses: list[Entry] = [{}] * len(entries)
    for number in order:
        entry = entries[number]
        if "resource" in entry:
            entry["resource"] = _renamed(entry["resource"], names)
        try:
            responses[number] = _perform(caller, base, entry, given=names.get(str(entry.get("fullUrl"))))
        except FhirError as error:
            at = f"Bundle.entry[{number}]"
            found = error.issues or [Issue("error", error.code, "", error.text)]
            issues = [Issue(i.severity, i.code, f"{at}.resource.{i.path}" if i.path else at, i.text) for i in found]
            raise FhirError(error.status, error.text, error.code, issues) from error
    return responses


def _names(caller: Caller, entries: list[Entry]) -> dict[str, str]:
    """fullUrl → Type/id of what each entry will be; a conditional create takes the id of its match."""
    names: dict[str, str] = {}
    for entry in entries:
        url, resource, request = entry.get("fullUrl"), entry.get("resource"), entry["request"]
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(url, str) or not isinstance(kind, str) or kind not in r4_tables.structure().resources:
            continue
        condition = _condition(request)
        matches = writing.matching(caller, kind, condition) if condition else []
        if matches:
            names[url] = matches[0].reference
        elif request["method"] == "POST":
            names[url] = f"{kind}/{uuid.uuid4()}"
        elif request["method"] == "PUT":
            own = request["url"].partition("?")[0].partition("/")[2] or (resource or {}).get("id") or uuid.uuid4()
            names[url] = f"{kind}/{own}"
    return names


def _condition(request: Entry) -> str:
    if request["method"] == "POST":
        return str(request.get("ifNoneExist") or "")
    return str(request["url"].partition("?")[2]) if request["method"] == "PUT" else ""


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        found = {key: _renamed(value, names) for key, value in node.items()}
        if isinstance(target := found.get("reference"), str) and target in names:
            found["reference"] = names[target]
        return found
    return [_renamed(item, names) for item in node] if isinstance(node, list) else node


def _separately(caller: Caller, base: str, entry: Entry) -> Entry:
    """One entry of a batch: its error is its own."""
    try:
        with transaction.atomic():
            return _perform(caller, base, entry, given=None)
    except FhirError as error:
        failure = error
    except HealthBrainError as error:
        failure = FhirError(error.status, str(error), issues=getattr(error, "issues", ()))
    return {"response": {"status": str(failure.status), "outcome": error_resource(failure)}}


def _perform(caller: Caller, base: str, entry: Entry, *, given: str | None) -> Entry:
    request = entry["request"]
    method, url = request["method"], request["url"]
    path, _, query = url.partition("?")
    steps = [step for step in urlsplit(path).path.strip("/").split("/") if step]
    if not steps or steps[0] not in r4_tables.structure().resources:
        raise FhirError(404, f"没有这个地址 (unknown url): {url[:200]}")
    if method in {"GET", "HEAD"}:
        return _get(caller, base, steps, query)
    if not caller.actor.may("fhir.write"):
        raise FhirError(403, "没有权限 (not permitted): fhir.write")
    if method == "DELETE":
        return _delete(caller, steps, query, request)
    if method == "PATCH":
        return _patch(caller, steps, entry)
    resource = writing.checked(entry.get("resource"), steps[0], lenient=True)
    return _response(base, _write(caller, steps, query, request, resource, given))


def _write(
    caller: Caller, steps: list[str], query: str, request: Entry, resource: Entry, given: str | None
) -> writing.Result:
    if_match = str(request.get("ifMatch") or "")
    if request["method"] == "PUT" and len(steps) == 2:
        return writing.update(caller, steps[0], steps[1], resource, if_match=if_match)
    if request["method"] == "PUT" and query:
        if given:
            resource["id"] = given.partition("/")[2]
        return writing.update_where(caller, steps[0], query, resource, if_match=if_match)
    if request["method"] != "POST" or len(steps) != 1:
        raise FhirError(400, f"地址不完整 (incomplete url): {request['url'][:200]}")
    condition, new_id = str(request.get("ifNoneExist") or ""), (given or "").partition("/")[2]
    return writing.create(caller, steps[0], resource, if_none_exist=condition, new_id=new_id)


def _response(base: str, result: writing.Result) -> Entry:
    row = result.stored
    return {
        "fullUrl": f"{base}/{row.reference}",
        "resource": orjson.loads(row.body),
        "response": {
            "status": str(result.status),
            "location": f"{base}/{row.reference}/_history/{row.version}",
            "etag": f'W/"{row.version}"',
            "lastModified": row.updated.isoformat(),
        },
    }


def _get(caller: Caller, base: str, steps: list[str], query: str) -> Entry:
    if len(steps) == 1:
        body = searching.search(caller, base, steps[0], parse_qsl(query, keep_blank_values=True), lenient=False)
        return {"resource": orjson.loads(body), "response": {"status": "200"}}
    if len(steps) == 2:
        row = reading.read(caller, steps[0], steps[1])
    elif len(steps) == 4 and steps[2] == "_history":
        row = reading.vread(caller, steps[0], steps[1], steps[3])
    else:
        raise FhirError(404, f"没有这个地址 (unknown url): {'/'.join(steps)[:200]}")
    return {"resource": orjson.loads(row.body), "response": {"status": "200", "etag": f'W/"{row.version}"'}}


def _delete(caller: Caller, steps: list[str], query: str, request: Entry) -> Entry:
    if len(steps) == 1 and query:
        matches = writing.matching(caller, steps[0], query)
        steps = [steps[0], matches[0].id] if matches else steps
        if not matches:
            return {"response": {"status": "204"}}
    if len(steps) != 2:
        raise FhirError(400, f"地址不完整 (incomplete url): {request['url'][:200]}")
    version = writing.delete(caller, steps[0], steps[1], if_match=str(request.get("ifMatch") or ""))
    return {"response": {"status": "204"} | ({"etag": f'W/"{version}"'} if version else {})}


def _patch(caller: Caller, steps: list[str], entry: Entry) -> Entry:
    """A JSON Patch travels in a bundle as a Binary (R4 http.html#patch)."""
    resource = entry.get("resource")
    data = resource.get("data") if isinstance(resource, dict) and resource.get("resourceType") == "Binary" else None
    if len(steps) != 2 or not isinstance(data, str):
        raise FhirError(422, "PATCH 的内容应为 Binary 里的 JSON Patch (a Binary is expected)")
    try:
        change = orjson.loads(base64.b64decode(data, validate=True))
    except (binascii.Error, orjson.JSONDecodeError) as error:
        raise FhirError(400, "PATCH 内容不是 JSON (not JSON)") from error
    if_match = str(entry["request"].get("ifMatch") or "")
    result = writing.patched(caller, steps[0], steps[1], change, "patch", if_match=if_match, lenient=True)
    row = result.stored
    return {"resource": orjson.loads(row.body), "response": {"status": "200", "etag": f'W/"{row.version}"'}}
