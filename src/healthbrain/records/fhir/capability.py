"""The CapabilityStatement, made from the same tables that answer: what it says is what is done."""

from __future__ import annotations

import datetime as dt
from typing import Any

from healthbrain.records.rules import r4_tables, search_sql
from healthbrain.records.rules.search import COMMON, MAX_COUNT, MODIFIERS
from healthbrain.records.rules.search_order import AT

INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")
NORMATIVE = {  # R4 versions.html#std-process: resource types of maturity N
    *("Binary", "Bundle", "CapabilityStatement", "CodeSystem", "Observation", "OperationDefinition"),
    *("OperationOutcome", "Parameters", "Patient", "StructureDefinition", "ValueSet"),
}
SEARCHES = (
    "Also: chains and _has over indexed references, _include, _revinclude, _sort (not by reference or composite),"
    f" _count up to {MAX_COUNT}, _total, _summary, _elements, POST _search. Patient/[id]/[type] is the search by"
    " `patient`, of types that have it. A search that takes more than 20 s is refused (too-costly): what is not indexed"
    " reads every resource of the type. Patch: JSON Patch and merge patch, no FHIRPath Patch."
)
KINDS = {"id": "token", "updated": "date", "exists": "token"}
MATCH = {"name": "match", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-match"}
EVERYTHING = {
    "name": "everything",
    "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything",
    "documentation": "Of one patient: Patient/[id]/$everything. Not served for all patients at once.",
}
VALIDATE = {"name": "validate", "definition": "http://hl7.org/fhir/OperationDefinition/Resource-validate"}


def statement(base: str, version: str, as_of: dt.datetime) -> dict[str, Any]:
    """The server's CapabilityStatement."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": as_of.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "Health Brain", "version": version},
        "implementation": {"description": "Health Brain (健康大脑)", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": ["application/json-patch+json", "application/merge-patch+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": SEARCHES,
                "security": {"description": "Authorization: Bearer <token>, issued by the administrator."},
                "resource": [_resource(name) for name in sorted(r4_tables.structure().resources)],
                "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
                "searchParam": [_parameter("", p) for p in COMMON.values()],
            }
        ],
    }


def normative(base: str, version: str, as_of: dt.datetime) -> dict[str, Any]:
    """Only what rests on resource types that are normative in R4."""
    whole = statement(base, version, as_of)
    [rest] = whole["rest"]
    kept = [resource for resource in rest["resource"] if resource["type"] in NORMATIVE]
    return whole | {"rest": [rest | {"resource": kept}]}


def terminology(base: str, version: str, as_of: dt.datetime) -> dict[str, Any]:
    """The TerminologyCapabilities: code systems are kept as they come, none is expanded or validated."""
    return {
        "resourceType": "TerminologyCapabilities",
        "status": "active",
        "date": as_of.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "Health Brain", "version": version},
        "implementation": {"description": "Health Brain (健康大脑)", "url": base},
    }


MODES = {"full": statement, "normative": normative, "terminology": terminology}


def _resource(name: str) -> dict[str, Any]:
    parameters = [*COMMON.values(), *r4_tables.search_parameters().get(name, {}).values()]
    references = [p.code for p in parameters if p.kind == "reference"]
    operations = [VALIDATE, *([MATCH, EVERYTHING] if name == "Patient" else [])]
    found = {
        "type": name,
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": ["*", f"{name}:*", *(f"{name}:{code}" for code in references)] if references else [],
        "searchRevInclude": _referring(name),
        "searchParam": [_parameter(name, p) for p in parameters],
        "operation": operations,
    }
    return {key: value for key, value in found.items() if value != []}  # FHIR allows no empty array


def _parameter(resource_type: str, parameter: r4_tables.Parameter) -> dict[str, Any]:
    indexed = (
        parameter.kind in {"id", "updated"}
        or AT.get(resource_type) == parameter.code
        or any(search_sql.token_names(resource_type, code) for code in (parameter.code, *parameter.parts))
    )
    if not resource_type:
        return {"name": parameter.code, "type": KINDS.get(parameter.kind, parameter.kind)}
    known = [*MODIFIERS[parameter.kind], *(["[type]"] if parameter.kind == "reference" else [])]
    modifiers = ", ".join(f":{name}" for name in sorted(known))
    words = ["indexed" if indexed else "not indexed: combine with an indexed parameter"]
    if modifiers:
        words.append(f"modifiers {modifiers}")
    kind = KINDS.get(parameter.kind, parameter.kind)
    return {"name": parameter.code, "type": kind, "documentation": "; ".join(words)}


def _referring(name: str) -> list[str]:
    """What `_revinclude` can bring along: indexed references that may point to this type."""
    found = []
    for other, parameters in r4_tables.search_parameters().items():
        for code, parameter in parameters.items():
            if parameter.kind == "reference" and name in parameter.targets and search_sql.token_names(other, code):
                found.append(f"{other}:{code}")
    return sorted(found)
