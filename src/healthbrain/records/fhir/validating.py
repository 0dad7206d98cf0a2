"""$validate: structure, required codes and invariants of R4, as one list of findings; nothing is stored."""

from __future__ import annotations

from typing import Any

from healthbrain.records.fhir.outcome import FhirError
from healthbrain.records.rules import invariants, r4
from healthbrain.records.rules.r4 import Issue

MODES = {"create", "update", "delete", "profile"}
CORE = "http://hl7.org/fhir/StructureDefinition/"


def findings(content: Any, kind: str, own: str, parameters: dict[str, str]) -> list[Issue]:
    """What is wrong with `content` as a resource of type `kind`. FhirError 400 for a mode nobody defined.

    `parameters`: `mode` (update: the id must be `own`) and `profile`; other profiles than R4 itself are said to be
    unchecked, not passed over.
    """
    mode = parameters.get("mode", "")
    if mode and mode not in MODES:
        raise FhirError(400, f"mode 应为 {', '.join(sorted(MODES))} (must be one of these): {mode[:40]}", "value")
    if mode == "delete" and own:
        return []
    found = r4.check(content)
    if not r4.readable(found):
        return found
    if content["resourceType"] != kind:
        return [Issue("error", "invalid", kind, f"内容是 {content['resourceType']} (type differs from the URL)")]
    if mode == "update" and own and content.get("id") != own:
        found.append(Issue("error", "invalid", f"{kind}.id", "id 与地址不同 (id differs from the URL)"))
    profile = parameters.get("profile", "")
    if profile and profile.partition("|")[0] != CORE + kind:
        found.append(Issue("warning", "not-supported", "", f"未按此规范校验 (profile not checked): {profile[:200]}"))
    return found + invariants.findings(content)
