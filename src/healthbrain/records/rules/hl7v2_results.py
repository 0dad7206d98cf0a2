"""OBX and its report: ORU^R01 as DiagnosticReport and Observation."""

from __future__ import annotations

import functools
from typing import Any

from healthbrain.kernel.ids import stable_id
from healthbrain.records.rules import hl7v2_types as types
from healthbrain.records.rules.hl7v2_types import Element, at, part
from healthbrain.records.rules.hl7v2_wire import Message
from healthbrain.records.rules.r4 import Issue

OBSERVATION_STATUS = {  # HL7 table 0085 → R4 observation-status
    **dict.fromkeys("FU", "final"),
    **dict.fromkeys("C", "corrected"),
    **dict.fromkeys("PRSB", "preliminary"),
    **dict.fromkeys("I", "registered"),
    **dict.fromkeys("DW", "entered-in-error"),
    **dict.fromkeys("XN", "cancelled"),
    "A": "amended",
}
REPORT_STATUS = {  # HL7 table 0123 → R4 diagnostic-report-status
    **dict.fromkeys("F", "final"),
    **dict.fromkeys("C", "corrected"),
    **dict.fromkeys("P", "preliminary"),
    **dict.fromkeys("A", "partial"),
    **dict.fromkeys("RMY", "preliminary"),
    **dict.fromkeys("OIS", "registered"),
    **dict.fromkeys("X", "cancelled"),
}
FLAGS = {
    "↑": "H",
    "↓": "L",
    "↑↑": "HH",
    "↓↓": "LL",
    "偏高": "H",
    "偏低": "L",
    "高": "H",
    "低": "L",
    "异常": "A",
    "正常": "N",
}
FLAG_CODES = {*"HLNA", "HH", "LL", "AA", "HU", "LU", "<", ">", *"SRI", "MS", "VS", "U", "D", "B", "W", "POS", "NEG"}
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
IMAGING = {"RAD", "CT", "NMR", "RUS", "OUS", "NMS", "XRC", "VUS", "CUS", "RX"}
TEXTS = {"TX", "FT"}


class Report:
    """One OBR with the OBX that follow it."""

    def __init__(self, message: Message, source: str, person: Element, obr: list[str], orc: list[str]) -> None:
        self.message, self.source, self.person, self.obr = message, source, person, obr
        orders = (part(message, obr, 3), part(message, orc, 3), part(message, obr, 2), part(message, orc, 2))
        self.filler, self.placer = orders[0] or orders[1], orders[2] or orders[3]
        self.code = types.concept(message, at(obr, 4)) or {"text": "检验报告"}
        self.time = types.timestamp(part(message, obr, 7)) or types.timestamp(part(message, obr, 14))
        order = self.filler or self.placer
        own = [order] if order else [person["reference"], part(message, obr, 7) or message.control_id]
        self.key = (source, *own, part(message, obr, 4) or "report")
        self.id = stable_id(self.source, "DiagnosticReport", *self.key)
        section = part(message, obr, 24).upper()
        self.section = section
        self.observations: list[Element] = []
        self.attachments: list[Element] = []
        self.remarks: list[str] = []
        self.seen: dict[tuple[str, str], int] = {}
        category = "imaging" if section in IMAGING else "laboratory"
        self.category = [{"coding": [{"system": CATEGORIES, "code": category}]}]
        facility = part(message, obr, 44) or part(message, message.first("PV1"), 39) or message.facility
        self.performer = [{"type": "Organization", "identifier": {"value": facility}}] if facility else []

    def resource(self) -> Element:
        """The DiagnosticReport."""
        identifiers = [("FILL", self.filler), ("PLAC", self.placer)]
        found: Element = {
            "resourceType": "DiagnosticReport",
            "id": self.id,
            "identifier": [_number(kind, value, self.source) for kind, value in identifiers if value],
            "status": REPORT_STATUS.get(part(self.message, self.obr, 25), "unknown"),
            "category": [{"coding": [{"system": SECTIONS, "code": self.section or "LAB"}]}],
            "code": self.code,
            "subject": self.person,
            "effectiveDateTime": self.time,
            "issued": _instant(types.timestamp(part(self.message, self.obr, 22))),
            "performer": self.performer,
            "result": [{"reference": f"Observation/{o['id']}"} for o in self.observations],
            "conclusion": "\n".join(self.remarks),
            "presentedForm": self.attachments,
        }
        return {key: value for key, value in found.items() if value}

    # --- one OBX

    def add(self, obx: list[str], number: int, issues: list[Issue]) -> None:
        message, where = self.message, f"OBX[{number}]"
        kind = part(message, obx, 2).upper()
        code = types.concept(message, at(obx, 3), "observation")
        if code is None:
            issues.append(Issue("error", "required", f"{where}-3", "缺少项目代码,此结果未入库 (no observation id)"))
            return
        if kind in {"ED", "RP"}:
            self._attach(obx, code)
            return
        name = (part(message, obx, 3) or code.get("text", ""), part(message, obx, 4))
        if kind in TEXTS and self._continues(name, obx):
            return
        self.seen[name] = self.seen.get(name, 0) + 1
        own = [*name, str(self.seen[name])] if self.seen[name] > 1 else [*name]
        found = {
            "resourceType": "Observation",
            "id": stable_id("Observation", *self.key, *own),
            "status": self._status(obx),
            "category": self.category,
            "code": code,
            "subject": self.person,
        }
        self._when(found, obx, where, issues)
        if self.performer:
            found["performer"] = self.performer
        units = types.unit(message, at(obx, 6))
        self._value(found, kind, at(obx, 5), units, where, issues)
        self._judged(found, obx, units)
        self.observations.append(found)

    def note(self, nte: list[str]) -> None:
        """NTE-3 belongs to the result before it; before any result, to the report's conclusion."""
        text = "\n".join(self.message.text(raw) for raw in self.message.repeats(at(nte, 3))).strip()
        if text and self.observations:
            self.observations[-1].setdefault("note", []).append({"text": text})
        elif text:
            self.remarks.append(text)

    def _status(self, obx: list[str]) -> str:
        given = part(self.message, obx, 11).upper()
        if given:
            return OBSERVATION_STATUS.get(given, "unknown")
        report = REPORT_STATUS.get(part(self.message, self.obr, 25), "unknown")
        return "preliminary" if report == "partial" else report

    def _when(self, found: Element, obx: list[str], where: str, issues: list[Issue]) -> None:
        raw = part(self.message, obx, 14)
        moment = types.timestamp(raw) if raw else None
        if raw and moment is None:
            issues.append(Issue("warning", "value", f"{where}-14", f"时间无法识别: {raw[:40]} (not a time)"))
        moment = moment or self.time or types.timestamp(self.message.header(7))
        if moment:
            found["effectiveDateTime"] = moment
        else:
            issues.append(Issue("warning", "required", f"{where}-14", "没有检验时间 (no time of observation)"))

    def _judged(self, found: Element, obx: list[str], units: Element) -> None:
        if raw := at(obx, 8):
            flags = [_flag(self.message.parts(item)[0]) for item in self.message.repeats(raw)]
            if flags := [flag for flag in flags if flag]:
                found["interpretation"] = flags
        if text := self.message.text(at(obx, 7)).strip():
            found["referenceRange"] = [types.reference_range(text, units)]

    def _value(self, found: Element, kind: str, raw: str, units: Element, where: str, issues: list[Issue]) -> None:
        if not raw or raw == '""':
            if found["status"] not in {"cancelled", "registered", "entered-in-error"}:
                system = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
                found["dataAbsentReason"] = {"coding": [{"system": system, "code": "unknown"}]}
            return
        name, value = value_of(self.message, kind, raw, units)
        if kind == "NM" and name == "valueString":
            issues.append(Issue("warning", "value", f"{where}-5", f"应为数字: {value[:40]} (not a number)"))
        if value:
            found[name] = value

    def _continues(self, name: tuple[str, str], obx: list[str]) -> bool:
        """Long texts come as several OBX with the same code: one Observation, lines joined."""
        last = self.observations[-1] if self.observations else None
        if name not in self.seen or last is None or "valueString" not in last:
            return False
        line = value_of(self.message, "TX", at(obx, 5), {})[1]
        last["valueString"] += "\n" + line
        return True

    def _attach(self, obx: list[str], code: Element) -> None:
        """ED: source^type^subtype^encoding^data; RP: pointer^application."""
        pieces = [*self.message.parts(at(obx, 5)), *[""] * 5]
        title = code.get("text") or code["coding"][0]["code"]
        if part(self.message, obx, 2).upper() == "RP":
            self.attachments.append({"url": "".join(pieces[0].split()), "title": title})
        elif pieces[3].lower() == "base64" and pieces[4]:
            kind = {"PDF": "application/pdf", "JPEG": "image/jpeg"}.get(pieces[2].upper(), "application/octet-stream")
            self.attachments.append({"contentType": kind, "data": "".join(pieces[4].split()), "title": title})


@functools.lru_cache(256)
def _flag(text: str) -> Element | None:
    text = text.strip()
    code = FLAGS.get(text, text.upper())
    if code in FLAG_CODES:
        return {"coding": [{"system": INTERPRETATION, "code": code}]}
    return {"text": text} if text else None


def value_of(message: Message, kind: str, raw: str, units: Element) -> tuple[str, Any]:
    """OBX-5 by OBX-2 as (value[x] name, value). What cannot be read as its type stays as text: nothing is lost."""
    if kind == "NM" and (found := types.quantity(raw, units)):
        return "valueQuantity", found
    repeats = message.repeats(raw)
    if kind in {"CE", "CWE", "CNE", "CF"}:
        concepts = [found for item in repeats if (found := types.concept(message, item))]
        return "valueCodeableConcept", _merged(concepts)
    texts = [" ".join(p for p in message.parts(item) if p).strip() for item in repeats]
    plain = ("\n" if kind in TEXTS else ", ").join(text for text in texts if text)
    if kind == "SN":
        return _structured(message, repeats[0], units) or ("valueString", plain)
    if kind in {"DT", "TS", "DTM"} and (moment := types.timestamp(message.parts(raw)[0])):
        return "valueDateTime", moment
    is_number = kind == "NM" or (kind in {"ST", ""} and units)  # many laboratories send each number as ST
    if is_number and len(repeats) == 1 and (found := types.quantity(plain, units)):
        return "valueQuantity", found
    return "valueString", plain


def _merged(concepts: list[Element]) -> Element:
    """Repeated coded answers as one concept."""
    if len(concepts) < 2:
        return concepts[0] if concepts else {}
    codings = [coding for concept in concepts for coding in concept.get("coding", [])]
    text = ", ".join(c.get("text") or c["coding"][0]["code"] for c in concepts)
    return {"coding": codings, "text": text} if codings else {"text": text}


def _structured(message: Message, raw: str, units: Element) -> tuple[str, Any] | None:
    """SN: comparator^number^separator^number: a compared quantity, a range (1-2) or a titre (1:128)."""
    sign, first, between, second = ([*message.parts(raw), *[""] * 4])[:4]
    one, two = types.number(first.strip()), types.number(second.strip())
    if two is None:
        found = types.quantity(f"{sign.strip() if sign.strip() != '=' else ''}{first}", units)
        return ("valueQuantity", found) if found else None
    if between.strip() in {":", "/"} and one is not None:
        return "valueRatio", {"numerator": {"value": one}, "denominator": {"value": two}}
    if between.strip() == "-" and one is not None:
        return "valueRange", {"low": {"value": one} | units, "high": {"value": two} | units}
    return None


def _number(kind: str, value: str, source: str) -> Element:
    return {
        "type": {"coding": [{"system": types.IDENTIFIER_TYPES, "code": kind}]},
        "system": "".join(f"urn:healthbrain:source:{source}:order".split()),
        "value": value,
    }


def _instant(moment: str | None) -> str | None:
    return moment if moment and len(moment) > 10 else None
