"""Create, update, patch, delete, and their conditional forms. What is stored goes through `records.actions`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from healthbrain.kernel import db
from healthbrain.kernel.ids import resource_key
from healthbrain.records import actions
from healthbrain.records.fhir import reading, searching
from healthbrain.records.fhir.auth import Caller
from healthbrain.records.fhir.outcome import FhirError
from healthbrain.records.fhir.reading import Stored
from healthbrain.records.rules import exact, patch, r4
from healthbrain.records.rules.search import SearchError, parse

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What a write left in the store, and the HTTP status that says what it did."""

    stored: Stored
    status: int


def checked(resource: Any, resource_type: str, *, lenient: bool) -> Resource:
    """The resource when it is valid R4 of this type. FhirError 400 (unreadable) or 422 (not valid) with all findings.

    `lenient` keeps what is readable in spite of its errors, as intake does.
    """
    issues = r4.check(resource)
    if not r4.readable(issues):
        raise FhirError(400, "资源无法解析 (unreadable resource)", "structure", issues)
    if resource["resourceType"] != resource_type:
        raise FhirError(400, f"地址是 {resource_type},内容是 {resource['resourceType']} (type differs from the URL)")
    if not lenient and any(issue.severity == "error" for issue in issues):
        raise FhirError(422, "资源不合 R4 (not valid R4)", "invalid", issues)
    found: Resource = resource
    return found


def create(
    caller: Caller, resource_type: str, resource: Resource, *, if_none_exist: str = "", new_id: str = ""
) -> Result:
    """FHIR create: the server gives the id (`new_id` in a transaction that has told it already).

    With a condition: one match is returned (200), several are refused (412).
    """
    if if_none_exist:
        matches = matching(caller, resource_type, if_none_exist)
        if matches:
            return Result(matches[0], 200)
    resource["id"] = new_id or str(uuid.uuid4())
    return Result(_put(caller, resource_type, resource), 201)


def update(
    caller: Caller,
    resource_type: str,
    resource_id: str,
    resource: Resource,
    *,
    if_match: str = "",
    only_new: bool = False,
) -> Result:
    """FHIR update; creates what is not there. `if_match` is the ETag the client read; `only_new` refuses to replace."""
    if resource.get("id", resource_id) != resource_id:
        raise FhirError(400, f"地址与内容的 id 不同 (id differs from the URL): {resource.get('id')}")
    held = _locked(resource_type, resource_id)
    _match(held, if_match)
    if only_new and held and not held[1]:
        raise FhirError(412, "资源已存在 (If-None-Match: * does not hold)")
    resource["id"] = resource_id
    return Result(_put(caller, resource_type, resource), 200 if held and not held[1] else 201)


def update_where(
    caller: Caller, resource_type: str, condition: str, resource: Resource, *, if_match: str = ""
) -> Result:
    """Conditional update: no match creates, one is updated, several are refused."""
    matches = matching(caller, resource_type, condition)
    if not matches:
        if isinstance(resource.get("id"), str):
            return update(caller, resource_type, resource["id"], resource)
        return create(caller, resource_type, resource)
    if resource.get("id", matches[0].id) != matches[0].id:
        raise FhirError(400, "id 与匹配到的资源不同 (id differs from the match)")
    return update(caller, resource_type, matches[0].id, resource, if_match=if_match)


def patched(
    caller: Caller, resource_type: str, resource_id: str, change: Any, kind: str, *, if_match: str = "", lenient: bool
) -> Result:
    """JSON Patch (`kind` "patch") or merge patch on the current version."""
    held = _locked(resource_type, resource_id)
    current = reading.current(caller, resource_type, resource_id)
    if current.deleted:
        raise FhirError(410, f"资源已删除 (deleted): {current.reference}")
    _match(held, if_match)
    before = exact.loads(current.body)
    try:
        after = patch.apply(before, change) if kind == "patch" else patch.merge(before, change)
    except patch.PatchError as error:
        raise FhirError(422, str(error)) from error
    after = checked(after, resource_type, lenient=lenient)
    if after.get("id") != resource_id:
        raise FhirError(422, "不能修改 id (the id cannot be changed)")
    return Result(_put(caller, resource_type, after), 200)


def delete(caller: Caller, resource_type: str, resource_id: str, *, if_match: str = "") -> int | None:
    """FHIR delete; the version of the deletion, None when it was gone already. 404 for what never was."""
    held = _locked(resource_type, resource_id)
    found = reading.current(caller, resource_type, resource_id)
    if found.deleted:
        return None
    _match(held, if_match)
    actions.delete_resource(resource_type, resource_id, by=caller.actor)
    return found.version + 1


def matching(caller: Caller, resource_type: str, condition: str) -> list[Stored]:
    """What a condition matches: none or one. FhirError 412 for several, 400 for a bad or empty condition."""
    pairs = parse_qsl(condition.partition("?")[2] or condition, keep_blank_values=True)
    pairs = [pair for pair in pairs if pair[0] not in {"_format", "_pretty"}]
    if not pairs:
        raise FhirError(400, f"条件为空 (empty condition): {condition[:200]}")
    try:
        query = parse(resource_type, [*pairs, ("_count", "2"), ("_total", "none")], strict=True)
        if not query.criteria:
            raise FhirError(400, f"条件为空 (empty condition): {condition[:200]}")
        found = searching.run(caller, query).rows
    except SearchError as error:
        raise FhirError(400, str(error), error.code) from error
    if len(found) > 1:
        raise FhirError(412, f"条件匹配到多个资源 (several matches): {condition[:200]}", "multiple-matches")
    return found


def _locked(resource_type: str, resource_id: str) -> tuple[int, bool] | None:
    """(version, deleted), locked until commit, so that two updates with one ETag cannot both win."""
    rows = db.select(
        "SELECT version, deleted FROM records_resource WHERE key = %s FOR UPDATE",
        (resource_key(resource_type, resource_id),),
    )
    return rows[0] if rows else None


def _match(held: tuple[int, bool] | None, if_match: str) -> None:
    if not if_match or if_match.strip() == "*":
        return
    wanted = if_match.strip().removeprefix("W/").strip('"')
    if held is None or str(held[0]) != wanted:
        version = held[0] if held else "-"
        raise FhirError(412, f"版本已变,当前为 {version} (If-Match does not hold)")


def _put(caller: Caller, resource_type: str, resource: Resource) -> Stored:
    actions.put_resource(resource, source=caller.source, by=caller.actor)
    return reading.current(caller, resource_type, resource["id"])
