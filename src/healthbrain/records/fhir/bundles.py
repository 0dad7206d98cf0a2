"""POST /fhir: transaction and batch.

A transaction of plain creates and updates goes to intake whole, set-based: that is what hospitals send all day. One
with reads, deletes, patches or conditions is worked off entry by entry, in FHIR's order, in one database transaction.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.db import transaction

from healthbrain.kernel.errors import HealthBrainError
from healthbrain.records import actions
from healthbrain.records.fhir import operations, reading, searching, writing
from healthbrain.records.fhir.auth import Caller
from healthbrain.records.fhir.outcome import FhirError, error_resource
from healthbrain.records.rules import exact, r4_tables
from healthbrain.records.rules.r4 import Issue
from healthbrain.records.rules.search import SearchError

type Entry = dict[str, Any]

METHODS = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")  # the order R4 http.html#trules prescribes
MAX_SLOW = 2000  # entries worked off one by one in one request


def process(caller: Caller, base: str, bundle: Any, *, strict: bool = False) -> dict[str, Any]:
    """The response Bundle. FhirError when a transaction cannot be done as a whole; a batch reports entry by entry.

    What is readable but not valid R4 is taken, as from files, unless `strict`.
    """
    entries = _entries(bundle)
    if bundle["type"] == "transaction":
        _agree(entries, base)
        _point(caller, entries)
        if _plain(entries) and not strict:
            return actions.store_bundle(bundle, source=caller.source, by=caller.actor)
        with transaction.atomic():
            responses = _transaction(caller, base, entries, strict)
    else:
        _bounded(entries)
        responses = [_separately(caller, base, entry, strict) for entry in entries]
    return {"resourceType": "Bundle", "type": f"{bundle['type']}-response", "entry": responses}


def _entries(bundle: Any) -> list[Any]:
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise FhirError(400, "应提交 Bundle (a Bundle is expected)")
    if str(bundle.get("type")) not in {"transaction", "batch"}:
        raise FhirError(422, f"Bundle.type 应为 transaction 或 batch: {str(bundle.get('type'))[:40]}")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise FhirError(400, "Bundle.entry 应为数组 (must be an array)", "structure")
    return entries


def _agree(entries: list[Any], base: str) -> None:
    """A transaction that makes sense: every entry says what to do, no two say it of one resource (R4 http.html#trules),
    and no fullUrl means two things (bdl-7)."""
    urls: set[str] = set()
    touched: set[str] = set()
    for number, entry in enumerate(entries):
        try:
            _check_entry(entry, base)
            request, url = entry["request"], entry.get("fullUrl")
            if isinstance(url, str) and url in urls:
                raise FhirError(400, f"fullUrl 重复 (used twice): {url[:200]}", "duplicate")
            urls.add(str(url)) if url else None
            if request["method"] in {"PUT", "PATCH", "DELETE"} and "?" not in request["url"]:
                if request["url"] in touched:
                    raise FhirError(400, f"同一资源出现两次 (one resource twice): {request['url'][:200]}", "duplicate")
                touched.add(request["url"])
        except FhirError as error:
            raise _at(error, number) from error


def _check_entry(entry: Any, base: str) -> None:
    """That an entry says what to do, with its url relative to the base; FhirError 400 where url and resource differ."""
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or request.get("method") not in METHODS or not isinstance(request.get("url"), str):
        raise FhirError(400, "缺少 request.method 或 request.url (missing)", "required")
    request["url"] = request["url"].removeprefix(base).lstrip("/")
    path, _, query = request["url"].partition("?")
    kind, _, own = path.partition("/")
    resource = entry.get("resource")
    if request["method"] not in {"POST", "PUT"} or own.startswith("$"):
        return
    if not isinstance(resource, dict):
        raise FhirError(400, "缺少资源 (resource missing)", "required")
    if resource.get("resourceType") != kind:
        text = f"地址是 {path[:80]},内容是 {str(resource.get('resourceType'))[:80]} (type differs from the URL)"
        raise FhirError(400, text)
    if request["method"] == "POST" and own:
        raise FhirError(400, f"新增的地址只写类型 (only the type in the url of a create): {path[:80]}")
    if request["method"] == "PUT" and not own and not query:
        raise FhirError(400, f"缺少 id 或条件 (id or condition missing): {path[:80]}", "required")
    if request["method"] == "PUT" and own and resource.get("id", own) != own:
        raise FhirError(400, f"地址与内容的 id 不同 (id differs from the URL): {str(resource.get('id'))[:80]}")


def _at(error: FhirError, number: int) -> FhirError:
    """The error, said of this entry."""
    at = f"Bundle.entry[{number}]"
    found = error.issues or [Issue("error", error.code, "", error.text)]
    issues = [Issue(i.severity, i.code, f"{at}.resource.{i.path}" if i.path else at, i.text) for i in found]
    return FhirError(error.status, error.text, error.code, issues)


def _point(caller: Caller, entries: list[Entry]) -> None:
    """Conditional references (`Patient?identifier=…`) become the one resource they match (R4 http.html#trules)."""
    known: dict[str, str] = {}
    for number, entry in enumerate(entries):
        for holder in _conditional(entry.get("resource")):
            text = holder["reference"]
            if text not in known:
                kind, _, condition = text.partition("?")
                try:
                    matches = writing.matching(caller, kind, condition)
                    if not matches:
                        raise FhirError(
                            412, f"条件引用没有匹配 (no match for this reference): {text[:200]}", "not-found"
                        )
                except FhirError as error:
                    raise _at(error, number) from error
                known[text] = matches[0].reference
            holder["reference"] = known[text]


def _conditional(node: Any) -> Iterator[Entry]:
    """Every object below whose reference asks a question."""
    if type(node) is dict:
        text = node.get("reference")
        if type(text) is str and "?" in text and text.partition("?")[0] in r4_tables.structure().resources:
            yield node
        for value in node.values():
            if type(value) is dict or type(value) is list:
                yield from _conditional(value)
    elif type(node) is list:
        for item in node:
            yield from _conditional(item)


def _plain(entries: list[Entry]) -> bool:
    """Only creates and updates by id, without conditions."""
    for entry in entries:
        request = entry["request"]
        if request["method"] not in {"POST", "PUT"} or "?" in request["url"]:
            return False
        if request.get("ifNoneExist") or request.get("ifMatch"):
            return False
    return True


def _bounded(entries: list[Any]) -> None:
    if len(entries) > MAX_SLOW:
        raise FhirError(413, f"一次最多 {MAX_SLOW} 条 (too many entries)", "too-costly")


# --- one by one -----------------------------------------------------------------------------------------------------


def _transaction(caller: Caller, base: str, entries: list[Entry], strict: bool) -> list[Entry]:
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
            responses[number] = _perform(caller, base, entry, strict, given=names.get(str(entry.get("fullUrl"))))
        except FhirError as error:
            raise _at(error, number) from error
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


def _separately(caller: Caller, base: str, entry: Any, strict: bool) -> Entry:
    """One entry of a batch: its error is its own."""
    try:
        with transaction.atomic():
            _check_entry(entry, base)
            return _perform(caller, base, entry, strict, given=None)
    except FhirError as error:
        failure = error
    except SearchError as error:
        failure = FhirError(400, str(error), error.code)
    except HealthBrainError as error:
        failure = FhirError(error.status, str(error), issues=getattr(error, "issues", ()))
    return {"response": {"status": str(failure.status), "outcome": error_resource(failure)}}


def _perform(caller: Caller, base: str, entry: Entry, strict: bool, *, given: str | None) -> Entry:
    request = entry["request"]
    method, url = request["method"], request["url"]
    path, _, query = url.partition("?")
    steps = [step for step in path.strip("/").split("/") if step]
    if method in {"GET", "HEAD"}:
        return _get(caller, base, steps, query, request, strict)
    if not steps or steps[0] not in r4_tables.structure().resources:
        raise FhirError(404, f"没有这个地址 (unknown url): {url[:200]}")
    if steps == ["Patient", "$match"]:
        return _read(operations.match(caller, base, entry.get("resource")))
    if not caller.actor.may("fhir.write"):
        raise FhirError(403, "没有权限 (not permitted): fhir.write")
    if method == "DELETE":
        return _delete(caller, steps, query, request)
    if method == "PATCH":
        return _patch(caller, steps, entry)
    resource = entry["resource"]
    if method == "PUT" and len(steps) == 2:
        resource.setdefault("id", steps[1])
    resource = writing.checked(resource, steps[0], lenient=not strict)
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
        "resource": orjson.Fragment(row.body),
        "response": {
            "status": str(result.status),
            "location": f"{base}/{row.reference}/_history/{row.version}",
            "etag": f'W/"{row.version}"',
            "lastModified": row.updated.isoformat(),
        },
    }


def _get(caller: Caller, base: str, steps: list[str], query: str, request: Entry, strict: bool) -> Entry:
    """What the same GET would answer by itself."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if steps and steps[0] not in {*r4_tables.structure().resources, "_history"}:
        raise FhirError(404, f"没有这个地址 (unknown url): {'/'.join(steps)[:200]}")
    match steps:
        case [] | [_] if steps != ["_history"]:
            return _read(searching.search(caller, base, "".join(steps), pairs, strict=strict))
        case [*path, "_history"] if len(path) < 3:
            return _read(reading.history(caller, base, *path, parameters=dict(pairs)))
        case ["Patient", own, "$everything"]:
            return _read(operations.everything(caller, base, own, dict(pairs)))
        case ["Patient", own, kind] if kind in r4_tables.structure().resources:
            return _read(searching.in_compartment(caller, base, own, kind, pairs, strict=strict))
        case [kind, own]:
            row = reading.read(caller, kind, own)
        case [kind, own, "_history", number]:
            row = reading.vread(caller, kind, own, number)
        case _:
            raise FhirError(404, f"没有这个地址 (unknown url): {'/'.join(steps)[:200]}")
    etag = f'W/"{row.version}"'
    if request.get("ifNoneMatch") == etag:
        return {"response": {"status": "304", "etag": etag}}
    return {"resource": orjson.Fragment(row.body), "response": {"status": "200", "etag": etag}}


def _read(body: bytes) -> Entry:
    return {"resource": orjson.Fragment(body), "response": {"status": "200"}}


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
        change = exact.loads(base64.b64decode(data, validate=True))
    except (binascii.Error, orjson.JSONDecodeError) as error:
        raise FhirError(400, "PATCH 内容不是 JSON (not JSON)") from error
    if_match = str(entry["request"].get("ifMatch") or "")
    result = writing.patched(caller, steps[0], steps[1], change, "patch", if_match=if_match, lenient=True)
    row = result.stored
    return {"resource": orjson.Fragment(row.body), "response": {"status": "200", "etag": f'W/"{row.version}"'}}
