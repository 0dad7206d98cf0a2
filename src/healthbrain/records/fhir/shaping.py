"""What of a resource is sent: `_elements` and `_summary` (R4 search.html#summary, #elements)."""

from __future__ import annotations

from typing import Any

from healthbrain.records.rules import exact, r4_tables
from healthbrain.records.rules.search import Query

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
ALWAYS = {"resourceType", "id", "meta"}


def shaped(body: bytes, query: Query) -> bytes:
    """The resource with only what was asked for; tagged SUBSETTED, for it must not be sent back as an update."""
    if not query.elements and query.summary == "false":
        return body
    resource: dict[str, Any] = exact.loads(body)
    elements = r4_tables.structure().types.get(str(resource.get("resourceType")), {})
    if query.elements:
        kept = _named(resource, {*query.elements, *_required(elements)})
    elif query.summary == "text":
        kept = _named(resource, {"text", *_required(elements)})
    elif query.summary == "data":
        kept = {key: value for key, value in resource.items() if key != "text"}
    else:
        kept = _named(resource, {"implicitRules"}) | _summary(resource, elements)
    meta = dict(kept.get("meta") or {})
    meta["tag"] = [*meta.get("tag", []), SUBSETTED]
    head = {key: kept[key] for key in ("resourceType", "id") if key in kept}
    return exact.dumps(head | {"meta": meta} | {k: v for k, v in kept.items() if k not in ALWAYS})


def _required(elements: dict[str, r4_tables.Element]) -> set[str]:
    return {name for element in elements.values() if element.required for name in (element.name, element.choice or "")}


def _named(resource: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Elements by name; a choice by its stem too: `value` is valueQuantity."""
    elements = r4_tables.structure().types.get(str(resource.get("resourceType")), {})
    stems = {element.name: element.choice for element in elements.values()}
    return {
        key: value
        for key, value in resource.items()
        if key in ALWAYS or (own := key.removeprefix("_")) in names or stems.get(own) in names
    }


def _summary(node: dict[str, Any], elements: dict[str, r4_tables.Element]) -> dict[str, Any]:
    """What the definitions mark as summary, inside backbone elements too; required elements are never left out."""
    kept: dict[str, Any] = {}
    for key, value in node.items():
        element = elements.get(key.removeprefix("_"))
        if element is None or not (element.summary or element.required):
            continue
        inner = r4_tables.structure().types.get(element.type, {}) if "." in element.type else {}
        if inner and isinstance(value, list):
            kept[key] = [_summary(item, inner) if isinstance(item, dict) else item for item in value]
        else:
            kept[key] = _summary(value, inner) if inner and isinstance(value, dict) else value
    return kept
