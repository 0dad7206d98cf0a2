"""One view for each shape of address under /fhir."""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_http_date_safe

from healthbrain import __version__
from healthbrain.kernel.clock import now
from healthbrain.records.fhir import (
    bundles,
    capability,
    operations,
    reading,
    searching,
    shaping,
    validating,
    writing,
)  # fmt: skip
from healthbrain.records.fhir.auth import SAFE, Caller, caller_of
from healthbrain.records.fhir.http import base_of, body_of, empty, fhir, fhir_atomic, prefers, query_of
from healthbrain.records.fhir.outcome import FhirError, answer, error_answer, outcome, versioned
from healthbrain.records.fhir.reading import Stored
from healthbrain.records.fhir.writing import Result
from healthbrain.records.rules import r4_tables
from healthbrain.records.rules.search import parse

JSON_PATCH = "application/json-patch+json"
MERGE_PATCHES = {"application/merge-patch+json", "application/json", "application/fhir+json"}


def _known(resource_type: str) -> None:
    if resource_type not in r4_tables.structure().resources:
        raise FhirError(404, f"不是 R4 资源类型 (unknown resource type): {resource_type[:60]}", "not-supported")


def _refused(request: HttpRequest, allowed: str) -> HttpResponse:
    response = error_answer(FhirError(405, f"此地址不支持 {request.method} (method not allowed)"))
    response["Allow"] = allowed
    return response


def _pairs(request: HttpRequest) -> list[tuple[str, str]]:
    return parse_qsl(query_of(request), keep_blank_values=True)


@fhir
def metadata(request: HttpRequest) -> HttpResponse:
    """The CapabilityStatement; open to anyone, as the standard asks. `mode`: full, normative, terminology."""
    if request.method not in SAFE:
        return _refused(request, "GET")
    mode = request.GET.get("mode", "full")
    if mode not in capability.MODES:
        raise FhirError(400, f"mode 应为 {', '.join(capability.MODES)} (must be one of these): {mode[:40]}")
    return answer(capability.MODES[mode](base_of(request), __version__, now()))


@fhir_atomic
def root(request: HttpRequest) -> HttpResponse:
    """Transaction and batch; a search over all types."""
    if request.method in {"GET", "HEAD"}:
        return _search(request, "", _pairs(request))
    if request.method != "POST":
        return _refused(request, "GET, POST")
    caller = caller_of(request, write=True)
    bundle = body_of(request, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    return answer(bundles.process(caller, base_of(request), bundle, strict=prefers(request, "handling=strict")))


@fhir_atomic
def resource_type(request: HttpRequest, kind: str) -> HttpResponse:
    """Search and create; update, patch and delete by condition."""
    _known(kind)
    if request.method in {"GET", "HEAD"}:
        return _search(request, kind, _pairs(request))
    caller = caller_of(request, write=True)
    condition = query_of(request)
    if request.method == "POST":
        resource = writing.checked(body_of(request), kind, lenient=prefers(request, "handling=lenient"))
        given = request.headers.get("If-None-Exist")
        condition = _condition(condition) if given is None else given or "?"
        return _written(request, writing.create(caller, kind, resource, if_none_exist=condition))
    if request.method == "PUT":
        resource = writing.checked(body_of(request), kind, lenient=prefers(request, "handling=lenient"))
        result = writing.update_where(caller, kind, condition, resource, if_match=request.headers.get("If-Match", ""))
        return _written(request, result)
    if request.method in {"PATCH", "DELETE"}:
        matches = writing.matching(caller, kind, condition)
        if not matches:
            return empty(204) if request.method == "DELETE" else _nothing(condition)
        return _changed(request, caller, kind, matches[0].id)
    return _refused(request, "GET, POST, PUT, PATCH, DELETE")


def _condition(text: str) -> str:
    """The condition of a create, without what only asks for a format."""
    pairs = [p for p in parse_qsl(text.partition("?")[2] or text) if p[0] not in {"_format", "_pretty"}]
    return text if pairs else ""


def _nothing(condition: str) -> HttpResponse:
    raise FhirError(404, f"没有匹配的资源 (no match): {condition[:200]}")


@fhir_atomic
def search_by_post(request: HttpRequest, kind: str = "") -> HttpResponse:
    """POST _search: the same search, its parameters in the body."""
    if kind:
        _known(kind)
    if request.method != "POST":
        return _refused(request, "POST")
    pairs = _pairs(request)
    if request.content_type == "application/x-www-form-urlencoded":
        pairs += parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    elif request.body:
        raise FhirError(415, "参数应为 application/x-www-form-urlencoded (form encoding expected)")
    return _search(request, kind, pairs)


@fhir_atomic
def compartment(request: HttpRequest, own: str, kind: str) -> HttpResponse:
    """GET Patient/[id]/[type]: the search of that type about this patient (R4 http.html#2.21.0.8, compartments)."""
    _known(kind)
    if request.method not in {"GET", "HEAD"}:
        return _refused(request, "GET")
    caller, strict = caller_of(request, write=False), prefers(request, "handling=strict")
    return answer(searching.in_compartment(caller, base_of(request), own, kind, _pairs(request), strict=strict))


def _search(request: HttpRequest, kind: str, pairs: list[tuple[str, str]]) -> HttpResponse:
    caller = caller_of(request, write=False)
    strict = prefers(request, "handling=strict")
    return answer(searching.search(caller, base_of(request), kind, pairs, strict=strict))


@fhir_atomic
def instance(request: HttpRequest, kind: str, own: str) -> HttpResponse:
    """Read, update, patch, delete."""
    _known(kind)
    if own.startswith("$"):
        raise FhirError(404, f"没有这个操作 (no such operation here): {kind}/{own[:60]}", "not-supported")
    if request.method in {"GET", "HEAD"}:
        found = reading.read(caller_of(request, write=False), kind, own)
        return _seen(request, found)
    if request.method not in {"PUT", "PATCH", "DELETE"}:
        return _refused(request, "GET, PUT, PATCH, DELETE")
    caller = caller_of(request, write=True)
    if request.method == "PUT":
        resource = writing.checked(body_of(request), kind, lenient=prefers(request, "handling=lenient"))
        if resource.get("id") is None:
            raise FhirError(400, "内容缺少 id (the resource must carry the id of the URL)", "required")
        if_match, is_new = request.headers.get("If-Match", ""), request.headers.get("If-None-Match", "").strip() == "*"
        return _written(request, writing.update(caller, kind, own, resource, if_match=if_match, only_new=is_new))
    return _changed(request, caller, kind, own)


def _changed(request: HttpRequest, caller: Caller, kind: str, own: str) -> HttpResponse:
    """PATCH or DELETE of one resource."""
    if_match = request.headers.get("If-Match", "")
    if request.method == "DELETE":
        version = writing.delete(caller, kind, own, if_match=if_match)
        return empty(204, ETag=f'W/"{version}"') if version else empty(204)
    content_type = (request.content_type or "").lower()
    if content_type != JSON_PATCH and content_type not in MERGE_PATCHES:
        raise FhirError(415, f"不支持的补丁类型 (unsupported patch type): {content_type[:80]}")
    form = "patch" if content_type == JSON_PATCH else "merge"
    lenient, change = prefers(request, "handling=lenient"), body_of(request)
    if form == "merge" and kind != "Parameters" and isinstance(change, dict) and "parameter" in change:
        raise FhirError(415, "不支持 FHIRPath 补丁,请用 JSON Patch (FHIRPath Patch is not supported, JSON Patch is)")
    result = writing.patched(caller, kind, own, change, form, if_match=if_match, lenient=lenient)
    return _written(request, result)


def _seen(request: HttpRequest, found: Stored) -> HttpResponse:
    """A resource, or 304 when the client has this version (R4 http.html#cread)."""
    known = request.headers.get("If-None-Match", "").strip().removeprefix("W/").strip('"')
    since = None if known else parse_http_date_safe(request.headers.get("If-Modified-Since", ""))
    if known == str(found.version) or (since is not None and int(found.updated.timestamp()) <= since):
        return empty(304, ETag=f'W/"{found.version}"')
    asked = [pair for pair in _pairs(request) if pair[0] in {"_summary", "_elements"}]
    query = parse(found.type, asked)
    if query.summary == "count":
        raise FhirError(400, "_summary=count 只用于检索 (for searches only)")
    return versioned(shaping.shaped(found.body, query), found.version, found.updated)


def _written(request: HttpRequest, result: Result) -> HttpResponse:
    """What a write answers: the resource, or what Prefer asks for instead; Location on creation."""
    row = result.stored
    location = f"{base_of(request)}/{row.reference}/_history/{row.version}"
    if prefers(request, "return=minimal"):
        return empty(result.status, ETag=f'W/"{row.version}"', Location=location)
    if prefers(request, "return=operationoutcome"):
        return answer(outcome([]), result.status, ETag=f'W/"{row.version}"', Location=location)
    response = versioned(row.body, row.version, row.updated, result.status)
    response["Location"] = location
    return response


@fhir_atomic
def history(request: HttpRequest, kind: str = "", own: str = "") -> HttpResponse:
    """History of a resource, of a type or of everything."""
    if kind:
        _known(kind)
    if request.method not in {"GET", "HEAD"}:
        return _refused(request, "GET")
    caller = caller_of(request, write=False)
    return answer(reading.history(caller, base_of(request), kind, own, parameters=dict(_pairs(request))))


@fhir_atomic
def version(request: HttpRequest, kind: str, own: str, number: str) -> HttpResponse:
    """vread."""
    _known(kind)
    if request.method not in {"GET", "HEAD"}:
        return _refused(request, "GET")
    found = reading.vread(caller_of(request, write=False), kind, own, number)
    return _seen(request, found)


@fhir_atomic
def everything(request: HttpRequest, own: str) -> HttpResponse:
    """Patient/x/$everything."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return _refused(request, "GET, POST")
    caller = caller_of(request, write=False)
    given = operations.parameters_of(body_of(request)) if request.method == "POST" and request.body else {}
    asked = dict(_pairs(request)) | {name: str(value) for name, value in given.items()}
    return answer(operations.everything(caller, base_of(request), own, asked))


@fhir_atomic
def match(request: HttpRequest) -> HttpResponse:
    """Patient/$match."""
    if request.method != "POST":
        return _refused(request, "POST")
    caller = caller_of(request, write=False)
    return answer(operations.match(caller, base_of(request), body_of(request)))


@fhir_atomic
def validate(request: HttpRequest, kind: str, own: str = "") -> HttpResponse:
    """$validate: what is wrong with a resource, nothing stored. Of a stored one when none is sent."""
    _known(kind)
    if request.method not in {"GET", "HEAD", "POST"} or (request.method != "POST" and not own):
        return _refused(request, "POST")
    caller = caller_of(request, write=False)
    asked, content = dict(_pairs(request)), None
    if request.method == "POST" and request.body:
        content = body_of(request)
        if isinstance(content, dict) and content.get("resourceType") == "Parameters" and kind != "Parameters":
            given = operations.parameters_of(content)
            content = given.pop("resource", None)
            asked |= {name: str(value) for name, value in given.items()}
    if content is None and own:
        content = orjson.loads(reading.read(caller, kind, own).body)
    return answer(outcome(validating.findings(content, kind, own, asked)))


@fhir_atomic
def unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Any other address under /fhir."""
    caller_of(request, write=False)
    raise FhirError(404, f"没有这个地址 (unknown address): /fhir/{rest[:200]}")
