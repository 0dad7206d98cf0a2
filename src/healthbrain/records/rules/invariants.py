"""The invariants of R4 on a resource: HL7's own FHIRPath expressions, run by fhirpathpy.

About 2 ms for one result, 10 ms on average over HL7's examples, and 0.2 s once to compile those of all types: to be
afforded where somebody asks whether a resource is right ($validate), not at the door where thousands a second come in.
What the library cannot evaluate (resolve(), dom-3 with several references, rng-2 on quantities) is passed over.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from healthbrain.records.rules import r4_tables
from healthbrain.records.rules.r4 import Issue
from healthbrain.records.rules.r4_tables import Constraint

MISREAD = {"que-7"}  # "answer is Boolean": fhirpathpy 2.2 does not take FHIR's boolean for FHIRPath's
type Check = Callable[[Any, dict[str, Any]], list[Any]]


def findings(resource: dict[str, Any]) -> list[Issue]:
    """Each invariant that does not hold, with where. `resource` is structurally readable R4."""
    kind = resource["resourceType"]
    return list(_walk(resource, kind, kind, resource, resource))


def _walk(node: dict[str, Any], kind: str, path: str, own: dict[str, Any], root: dict[str, Any]) -> Iterator[Issue]:
    """Findings on `node`, of type `kind`, and below. `own`: the resource it stands in; `root`: the outermost."""
    for constraint in _of_type(kind):
        if not _holds(constraint, node, kind, own, root):
            text = f"不满足 {constraint.key} (invariant): {constraint.words}"
            yield Issue(constraint.severity, "invariant", path, text)
    elements = r4_tables.structure().types.get(kind, {})
    for name, value in node.items():
        element = elements.get(name)
        if element is None:
            continue
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, dict):
                here = f"{path}.{name}[{number}]" if isinstance(value, list) else f"{path}.{name}"
                if element.type != "Resource":
                    yield from _walk(item, element.type, here, own, root)
                elif isinstance(inner := item.get("resourceType"), str):
                    yield from _walk(item, inner, here, item, root if name == "contained" else item)


def _of_type(kind: str) -> list[Constraint]:
    known = r4_tables.constraints()
    shared = known["DomainResource"] if "contained" in r4_tables.structure().types.get(kind, {}) else []
    return [*shared, *(constraint for constraint in known.get(kind, []) if constraint.key not in MISREAD)]


def _holds(constraint: Constraint, node: dict[str, Any], kind: str, own: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether it is true of the node, or cannot be decided."""
    typed = _typed()
    variables = {"resource": typed(own, own["resourceType"]), "rootResource": typed(root, root["resourceType"])}
    try:
        return bool(_compiled(constraint.expression)(typed(node, kind), variables) in ([True], []))
    except Exception:  # the library raises bare ones for what it has not implemented
        return True


@functools.cache
def _typed() -> Callable[[Any, str], Any]:
    from fhirpathpy.engine.nodes import ResourceNode  # reads 4 MB of grammar tables: only where invariants are asked

    create: Callable[[Any, str], Any] = ResourceNode.create_node
    return create


@functools.cache
def _compiled(expression: str) -> Check:
    import fhirpathpy
    from fhirpathpy.models import models

    options = {"userInvocationTable": {"hasValue": HAS_VALUE}, "traceFn": lambda *_: None}
    check: Check = fhirpathpy.compile(expression, models["r4"], options)
    return check


def _has_value(nodes: list[Any]) -> bool:
    """FHIRPath `hasValue()`: one primitive with a value (R4 fhirpath.html#functions)."""
    values = [getattr(node, "data", node) for node in nodes]
    return len(values) == 1 and values[0] is not None and not isinstance(values[0], dict | list)


HAS_VALUE = {"fn": _has_value, "arity": {0: []}, "nullable": False}
