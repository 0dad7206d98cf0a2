"""Write the compact FHIR R4 tables in `src/healthbrain/knowledge/fhir/` from the unpacked npm package.

    npm pack hl7.fhir.r4.examples@4.0.1 && tar xzf hl7.fhir.r4.examples-4.0.1.tgz
    python scripts/generate_r4.py package

The package (HL7, CC0-1.0) holds the R4 definitions as well as the examples. Written: `structure.json` (element → type,
cardinality, whether a summary shows it, codes of required bindings), `search.json` (search parameter → kind and element
paths) and `constraints.json` (type → its invariants: key, severity, FHIRPath, words).
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src" / "healthbrain" / "knowledge" / "fhir"
ORIGIN = {
    "origin": "hl7.fhir.r4.examples 4.0.1 (HL7 International), definitions of FHIR R4 v4.0.1",
    "licence": "CC0-1.0",
    "generator": "scripts/generate_r4.py",
}
MAX_CODES = 300  # larger required value sets (currencies, MIME types, languages) are not enumerated
MAX_TARGETS = 20
INHERITED = {"id", "extension", "modifierExtension", "meta", "implicitRules", "language", "text", "contained"}
MARKS = "?!*+~"
CARDINALITY = {(0, "1"): "?", (1, "1"): "!", (0, "*"): "*", (1, "*"): "+"}


def load(folder: Path, prefix: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{prefix}-*.json"))]


class ValueSets:
    """Codes of a value set, by walking `compose`; None where it cannot be enumerated from the package."""

    def __init__(self, folder: Path) -> None:
        self.sets = {v["url"]: v for v in load(folder, "ValueSet")}
        self.systems = {s["url"]: s for s in load(folder, "CodeSystem")}

    def codes(self, url: str) -> list[str] | None:
        found = self.sets.get(url.split("|")[0])
        if found is None or "compose" not in found:
            return None
        result: set[str] = set()
        for include in found["compose"]["include"]:
            part = self._include(include)
            if part is None:
                return None
            result |= part
        if found["compose"].get("exclude"):
            return None
        return sorted(result) if len(result) <= MAX_CODES else None

    def _include(self, include: dict[str, Any]) -> set[str] | None:
        if "filter" in include:
            return None
        if "valueSet" in include:
            parts = [self.codes(url) for url in include["valueSet"]]
            return set().union(*(p for p in parts if p)) if all(p is not None for p in parts) else None
        if "concept" in include:
            return {concept["code"] for concept in include["concept"]}
        system = self.systems.get(include["system"])
        if system is None or system.get("content") != "complete":
            return None
        return set(_all_codes(system.get("concept", [])))


def _all_codes(concepts: list[dict[str, Any]]) -> list[str]:
    result = []
    for concept in concepts:
        result.append(concept["code"])
        result.extend(_all_codes(concept.get("concept", [])))
    return result


def type_code(entry: dict[str, Any]) -> str:
    for extension in entry.get("extension", []):
        if extension["url"].endswith("structuredefinition-fhir-type"):
            return str(extension.get("valueUrl") or extension.get("valueUri"))
    code = str(entry["code"])
    return {"http://hl7.org/fhirpath/System.String": "string"}.get(code, code)


class Structure:
    """All concrete types and backbone elements: {type: {element: "!code@3"}}."""

    def __init__(self, folder: Path) -> None:
        self.value_sets = ValueSets(folder)
        self.bindings: list[list[str]] = []
        self.binding_ids: dict[str, int | None] = {}
        self.types: dict[str, dict[str, str]] = defaultdict(dict)
        self.resources: list[str] = []
        for definition in load(folder, "StructureDefinition"):
            if definition.get("derivation") == "constraint" or definition["kind"] in {"logical", "primitive-type"}:
                continue
            if definition["kind"] == "resource" and not definition["abstract"]:
                self.resources.append(definition["type"])
            for element in definition["snapshot"]["element"][1:]:
                self.add(element, definition["kind"] == "resource")

    def add(self, element: dict[str, Any], in_resource: bool) -> None:
        owner, _, name = element["path"].rpartition(".")
        self.types[owner]  # a type without own elements (Element, BackboneElement) still exists
        if in_resource and name in INHERITED and "." not in owner and owner != "DomainResource":
            if name == "id":
                self.types[owner]["id"] = "?id"
            elif not (name in {"language", "text", "contained"} and owner in {"Bundle", "Parameters", "Binary"}):
                self.types[owner][name] = self.spec(element)
            return
        self.types[owner][name] = self.spec(element)

    def spec(self, element: dict[str, Any]) -> str:
        mark = CARDINALITY[min(element["min"], 1), "1" if element["max"] == "1" else "*"]
        mark += "~" if element.get("isSummary") else ""
        if "contentReference" in element:
            return f"{mark}{element['contentReference'].removeprefix('#')}"
        codes = list(dict.fromkeys(type_code(entry) for entry in element.get("type", [])))
        if element["path"].endswith("[x]"):
            return mark + ",".join(codes)
        code = codes[0]
        if code in {"BackboneElement", "Element"} and element["path"].count(".") >= 1:
            code = element["path"]
        return f"{mark}{code}{self.binding(element) if code == 'code' else ''}"

    def binding(self, element: dict[str, Any]) -> str:
        binding = element.get("binding", {})
        if binding.get("strength") != "required" or "valueSet" not in binding:
            return ""
        url = binding["valueSet"]
        if url not in self.binding_ids:
            codes = self.value_sets.codes(url)
            self.binding_ids[url] = None
            if codes:
                self.binding_ids[url] = len(self.bindings)
                self.bindings.append(codes)
        number = self.binding_ids[url]
        return "" if number is None else f"@{number}"

    def drop_inherited(self) -> None:
        """Elements every domain resource has are written once, under `DomainResource`."""
        common = self.types["DomainResource"] | {"id": "?id"}
        for resource in self.resources:
            own = self.types[resource]
            if all(own.get(k) == v for k, v in common.items()):
                self.types[resource] = {k: v for k, v in own.items() if k not in common}
            else:
                own["^"] = ""  # not a DomainResource: everything it has is listed here
        self.types["DomainResource"] = common


TERM = re.compile(r"^\(?(?P<path>[A-Z]\w*(?:\.\w+)*)(?: as (?P<as1>\w+)\)?|\.as\((?P<as2>\w+)\))?(?P<rest>\.\w+)?$")
SAID = re.compile(r"([\w.]+)\.exists\(\) and \1 != false")


class Search:
    """Search parameters whose expressions are plain paths: {type: {code: "kind path:Type path:Type"}}."""

    def __init__(self, folder: Path, structure: Structure) -> None:
        self.structure = structure
        self.found: dict[str, dict[str, str]] = defaultdict(dict)
        self.skipped: list[str] = []
        parameters = load(folder, "SearchParameter")
        codes = {parameter["url"]: parameter["code"] for parameter in parameters}
        for parameter in parameters:
            expression = parameter.get("expression", "")
            if parameter["id"].startswith("example") or "extension(" in expression or not expression:
                continue
            if parameter["type"] == "special" or parameter["code"].startswith("_"):
                continue
            for base in parameter["base"]:
                if parameter["type"] == "composite":
                    self.add_composite(base, parameter, codes)
                else:
                    self.add(base, parameter)

    def add(self, base: str, parameter: dict[str, Any]) -> None:
        paths: list[str] = []
        is_said = SAID.fullmatch(parameter["expression"])
        for term in [is_said[1]] if is_said else parameter["expression"].split("|"):
            paths += self.paths(base, term.strip())
        if paths:
            kind = "exists" if is_said else self.kind(parameter)
            self.found[base][parameter["code"]] = " ".join([kind, *dict.fromkeys(paths)])
        else:
            self.skipped.append(f"{base}.{parameter['code']}: {parameter['expression']}")

    def add_composite(self, base: str, parameter: dict[str, Any], codes: dict[str, str]) -> None:
        """`composite!code,value-quantity component:…`: the parameters it joins, and the element both must stand in."""
        parts = [codes[component["definition"]] for component in parameter["component"]]
        if any("%" in component["expression"] for component in parameter["component"]):
            self.skipped.append(f"{base}.{parameter['code']}: joins different elements")
            return
        paths: list[str] = []
        for term in parameter["expression"].split("|"):
            paths += [f"@:{base}"] if term.strip() == base else self.paths(base, term.strip())
        self.found[base][parameter["code"]] = " ".join([f"composite!{','.join(parts)}", *paths])

    @staticmethod
    def kind(parameter: dict[str, Any]) -> str:
        """A reference names the types it may point to, unless it may point to nearly everything."""
        targets = parameter.get("target", [])
        return f"reference!{','.join(targets)}" if 0 < len(targets) <= MAX_TARGETS else str(parameter["type"])

    def paths(self, base: str, term: str) -> list[str]:
        target = re.search(r"\.where\(resolve\(\) is (\w+)\)", term)
        contact = re.search(r"\.where\(system='(\w+)'\)", term)
        term = re.sub(r"\.where\((resolve\(\) is \w+|system='\w+')\)", "", term)
        match = TERM.match(term)
        if match is None or match["path"].split(".")[0] != base:
            return []
        steps = match["path"].split(".")[1:]
        cast = match["as1"] or match["as2"]
        result = self.resolve(base, steps, cast, (match["rest"] or "").removeprefix("."))
        if target:
            result = [f"{path}>{target[1]}" for path in result]
        return [f"{path}={contact[1]}" for path in result] if contact else result

    def resolve(self, base: str, steps: list[str], cast: str | None, rest: str) -> list[str]:
        owners = [(base, "")]
        for step in steps:
            owners = [found for owner, path in owners for found in self.step(owner, path, step)]
        if cast:
            cast = {"DateTime": "dateTime"}.get(cast, cast)
            owners = [(owner, path) for owner, path in owners if owner == cast]
        if rest:
            owners = [found for owner, path in owners for found in self.step(owner, path, rest)]
        return [f"{path.removeprefix('.')}:{owner}" for owner, path in owners]

    def step(self, owner: str, path: str, name: str) -> list[tuple[str, str]]:
        fields = self.structure.types.get(owner, {}) | (
            self.structure.types["DomainResource"] if owner in self.structure.resources else {}
        )
        if name in fields:
            return [(fields[name].lstrip(MARKS).split("@")[0], f"{path}.{name}")]
        kinds = fields.get(f"{name}[x]", "").lstrip(MARKS)
        return [(kind, f"{path}.{name}{kind[0].upper()}{kind[1:]}") for kind in kinds.split(",") if kind]


def constraints(folder: Path) -> dict[str, list[list[str]]]:
    """The invariants of each type and backbone element: [key, severity, FHIRPath, words], inherited ones left out."""
    found: dict[str, list[list[str]]] = {}
    for definition in load(folder, "StructureDefinition"):
        if definition.get("derivation") == "constraint" and definition["type"] not in {"Quantity"}:
            continue
        if definition["kind"] in {"logical", "primitive-type"} or definition["id"] != definition["type"]:
            continue
        for element in definition["snapshot"]["element"]:
            own = [c for c in element.get("constraint", []) if c.get("expression") and keep(c, definition["id"])]
            if own and (element["path"] == definition["id"] or is_backbone(element)):
                found[element["path"]] = [[c["key"], c["severity"], c["expression"], c["human"]] for c in own]
    return found


def keep(constraint: dict[str, Any], definition: str) -> bool:
    """What all types inherit stands once, with the type it is of. Left out: ele-1 (an element has a value or children),
    which the structural check finds, and dom-6 (a narrative is good practice), which no feed of data fulfils.
    """
    key = constraint["key"]
    home = "DomainResource" if key.startswith("dom-") else "Extension" if key == "ext-1" else definition
    return key not in {"ele-1", "dom-6"} and definition == home


def is_backbone(element: dict[str, Any]) -> bool:
    return any(entry.get("code") in {"BackboneElement", "Element"} for entry in element.get("type", []))


def write(name: str, content: dict[str, Any]) -> None:
    path = TARGET / name
    rows = [f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in content.items()]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")


def main(folder: Path) -> None:
    structure = Structure(folder)
    structure.drop_inherited()
    search = Search(folder, structure)
    TARGET.mkdir(parents=True, exist_ok=True)
    head = ORIGIN | {"resources": structure.resources, "bindings": structure.bindings}
    write("structure.json", head | structure.types)
    write("constraints.json", ORIGIN | dict(sorted(constraints(folder).items())))
    write("search.json", ORIGIN | dict(sorted(search.found.items())))
    sys.stdout.write("\n".join(["Search parameters that are not plain paths:", *search.skipped, ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
