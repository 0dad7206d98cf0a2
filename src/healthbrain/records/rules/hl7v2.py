"""HL7 v2 messages as FHIR R4 resources: ADT, ORU, orders; anything else is kept whole as a document.

    for message in hl7v2.messages(data):
        resources, issues = hl7v2.to_resources(message)
        reply = hl7v2.ack(message, "AA")

Ids are functions of the source and its own numbers, so a repeated message gives the same resources again. A message
with a `fatal` issue gives no resources: its sender is told (AE), its raw text kept by the caller.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from healthbrain.kernel.ids import stable_id
from healthbrain.records.rules import codes
from healthbrain.records.rules import hl7v2_types as types
from healthbrain.records.rules.hl7v2_results import Report
from healthbrain.records.rules.hl7v2_types import Element, at, part
from healthbrain.records.rules.hl7v2_wire import Message, ack, messages, parse
from healthbrain.records.rules.r4 import Issue

__all__ = ["Issue", "Message", "ack", "messages", "parse", "person_id", "to_resources"]

GENDER = {
    "M": "male",
    "F": "female",
    "1": "male",
    "2": "female",
    "男": "male",
    "女": "female",
    "U": "unknown",
    "0": "unknown",
}
CLASSES = {"I": "IMP", "O": "AMB", "E": "EMER", "P": "PRENC", "R": "AMB", "B": "IMP"}  # HL7 table 0004 → v3 ActCode
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ENCOUNTER_STATUS = {"A03": "finished", "A11": "cancelled", "A05": "planned", "A14": "planned", "A38": "cancelled"}
VISITS = {f"A{n:02}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 38)}
PERSONS = VISITS | {"A28", "A31", "A40"}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ORDER_STATUS = {  # ORC-1 (table 0119) → R4 request-status
    **dict.fromkeys(("NW", "XO", "OK", "RL", "SN", "PA", "CH"), "active"),
    **dict.fromkeys(("CA", "OC", "CR", "DC", "OD"), "revoked"),
    **dict.fromkeys(("HD", "OH"), "on-hold"),
}


def to_resources(message: Message, source: str | None = None) -> tuple[list[Element], list[Issue]]:
    """The message's resources, and what was odd about it. `source` overrides what the message calls its sender."""
    issues = list(message.issues)
    if any(issue.severity == "fatal" for issue in issues):
        return [], issues
    name = source or message.source
    if not name:
        issues.append(Issue("fatal", "required", "MSH-3", "没有发送方 (MSH-3 and MSH-4 are empty)"))
        return [], issues
    if message.header(11) in {"T", "D"}:  # HL7 table 0103: what is sent to try out a connection is nobody's record
        text = f"MSH-11 为 {message.header(11)}:测试消息不入正式库 (training or debugging message)"
        issues.append(Issue("fatal", "not-production", "MSH-11", text))
        return [], issues
    handler = _handler(message)
    if handler is None:
        return [_document(message, name, issues)], issues
    person = person_id(message)
    if not person:
        where = "PID-3" if message.first("PID") else "PID"
        issues.append(Issue("fatal", "required", where, "没有患者编号,无法归到个人 (no patient id)"))
        return [], issues
    return handler(message, name, _reference(name, person), issues), issues


type Handler = Callable[[Message, str, Element, list[Issue]], list[Element]]


def _handler(message: Message) -> Handler | None:
    if message.kind == "ADT" and message.trigger in PERSONS:
        return _adt
    if message.kind == "ORU":
        return _oru
    if message.kind in {"ORM", "OMG", "OML", "OMP", "RDE"}:
        return _orders
    return None


# --- the person ---------------------------------------------------------------------------------------------------


def person_id(message: Message, segment: str = "PID", number: int = 3) -> str:
    """What the source calls the person: the medical record number of PID-3, else its first id, else PID-2 or PID-4."""
    pid = message.first(segment)
    found = [message.parts(raw) for raw in message.repeats(at(pid, number))]
    kinds = [(pieces[0].strip(), pieces[4].strip().upper() if len(pieces) > 4 else "") for pieces in found]
    kinds = [(value, kind) for value, kind in kinds if value]
    own = [value for value, kind in kinds if kind in {"MR", "PI", "PN", "PT", ""}]
    other = [value for value, _ in kinds]
    spare = [] if segment != "PID" else [part(message, pid, 2), part(message, pid, 4)]
    return next((value for value in (*own, *other, *spare) if value), "")


def _reference(source: str, person: str) -> Element:
    return {"reference": f"Patient/{stable_id(source, 'Patient', person)}"}


def _patient(message: Message, source: str, issues: list[Issue]) -> Element:
    pid = message.first("PID")
    person = person_id(message)
    found = [types.identifier(message, raw, source) for raw in message.repeats(at(pid, 3))]
    if card := part(message, pid, 19):  # PID-19 is where Chinese systems put the resident identity number
        found.append(types.identifier(message, message.component.join([card, "", "", "", "NI"]), source))
    numbers = _distinct([item for item in found if item])
    own = {"system": "".join(f"urn:healthbrain:source:{source}".split()), "value": person}
    telecoms = [types.telecom(message, raw) for n in (13, 14) for raw in message.repeats(at(pid, n))]
    patient: Element = {
        "resourceType": "Patient",
        "id": stable_id(source, "Patient", person),
        "identifier": [own | {"use": "usual"}, *(n for n in numbers if n | own != n)],
        "name": [n for raw in message.repeats(at(pid, 5)) if (n := types.human_name(message, raw))],
        "telecom": [t for t in telecoms if t],
        "gender": GENDER.get(part(message, pid, 8).upper(), "other" if part(message, pid, 8) else "unknown"),
        "birthDate": _birth_date(message, pid, issues),
        "address": [a for raw in message.repeats(at(pid, 11)) if (a := types.address(message, raw))],
    }
    _death(message, pid, patient)
    return {key: value for key, value in patient.items() if value}


def _distinct(items: list[Element]) -> list[Element]:
    return list({(item.get("system"), item["value"]): item for item in items}.values())


def _birth_date(message: Message, pid: list[str], issues: list[Issue]) -> str | None:
    raw = part(message, pid, 7)
    if not raw:
        return None
    found = types.date(raw)
    if found is None:
        issues.append(Issue("warning", "value", "PID-7", f"出生日期不存在: {raw[:40]} (not a date)"))
    return found


def _death(message: Message, pid: list[str], patient: Element) -> None:
    if moment := types.timestamp(part(message, pid, 29)):
        patient["deceasedDateTime"] = moment
    elif part(message, pid, 30).upper() == "Y":
        patient["deceasedBoolean"] = True


# --- ADT ----------------------------------------------------------------------------------------------------------


def _adt(message: Message, source: str, person: Element, issues: list[Issue]) -> list[Element]:
    patient = _patient(message, source, issues)
    found = [patient]
    if message.trigger == "A40":
        _merge(message, source, patient, issues)
        return found
    pv1 = message.first("PV1") if message.trigger in VISITS else []
    conditions = _diagnoses(message, source, person, pv1, issues)
    if pv1:
        found.append(_encounter(message, source, person, pv1, conditions))
    elif message.trigger in VISITS:
        issues.append(Issue("warning", "required", "PV1", "没有就诊段,不记就诊 (no PV1)"))
    return found + conditions


def _merge(message: Message, source: str, patient: Element, issues: list[Issue]) -> None:
    """A40: the sender says two of its numbers are one person. A steward decides; the resource says what was said."""
    prior = person_id(message, "MRG", 1)
    if not prior:
        issues.append(Issue("error", "required", "MRG-1", "合并消息没有被合并的编号 (no prior id)"))
        return
    patient["link"] = [{"other": _reference(source, prior), "type": "replaces"}]
    text = f"发送方要求合并: {prior} → {person_id(message)},待人工确认 (merge, for a person to decide)"
    issues.append(Issue("information", "business-rule", "MRG-1", text))


def _visit_number(message: Message, pv1: list[str]) -> str:
    return part(message, pv1, 19) or part(message, pv1, 50)


def _encounter_id(message: Message, source: str, person: Element, pv1: list[str]) -> str:
    """By visit number; without one by person and admission time, the best the sender gives."""
    number = _visit_number(message, pv1)
    own = [number] if number else [person["reference"], part(message, pv1, 44) or message.header(7)]
    return stable_id(source, "Encounter", *own)


def _encounter(message: Message, source: str, person: Element, pv1: list[str], conditions: list[Element]) -> Element:
    kind = part(message, pv1, 2)
    code = CLASSES.get(kind.upper()) or codes.encounter_class(kind) or "AMB"
    start = types.timestamp(part(message, pv1, 44)) or _event_time(message)
    end = types.timestamp(part(message, pv1, 45))
    if message.trigger == "A03" and end is None:
        end = _event_time(message)
    number = _visit_number(message, pv1)
    facility = part(message, pv1, 39) or message.facility
    found: Element = {
        "resourceType": "Encounter",
        "id": _encounter_id(message, source, person, pv1),
        "identifier": [{"system": "".join(f"urn:healthbrain:source:{source}:visit".split()), "value": number}]
        if number
        else [],
        "status": ENCOUNTER_STATUS.get(message.trigger) or ("finished" if end else "in-progress"),
        "class": {"system": ACT, "code": code},
        "subject": person,
        "participant": [{"individual": {"display": name}} for name in _doctors(message, pv1)],
        "period": {key: value for key, value in (("start", start), ("end", end)) if value},
        "diagnosis": [_diagnosis_of(c, i) for i, c in enumerate(conditions, 1)],
        "location": _location(message, pv1),
        "serviceProvider": {"type": "Organization", "identifier": {"value": facility}} if facility else None,
    }
    return {key: value for key, value in found.items() if value}


def _event_time(message: Message) -> str | None:
    evn = message.first("EVN")
    stamps = (part(message, evn, 6), part(message, evn, 2), message.header(7))
    return next((moment for stamp in stamps if (moment := types.timestamp(stamp))), None)


def _doctors(message: Message, pv1: list[str]) -> list[str]:
    """Attending doctor, XCN: number^family^given."""
    found = [message.parts(raw) for raw in message.repeats(at(pv1, 7))]
    names = ["".join(piece.strip() for piece in pieces[1:3]) or pieces[0].strip() for pieces in found]
    return [name for name in names if name]


def _location(message: Message, pv1: list[str]) -> list[Element]:
    pieces = [piece for piece in message.parts(at(pv1, 3))[:3] if piece.strip()]
    return [{"location": {"display": " ".join(pieces)}}] if pieces else []


def _diagnosis_of(condition: Element, rank: int) -> Element:
    return {"condition": {"reference": f"Condition/{condition['id']}"}, "rank": rank}


def _diagnoses(message: Message, source: str, person: Element, pv1: list[str], issues: list[Issue]) -> list[Element]:
    """DG1: one Condition for each code of a visit; of no visit, for each code and day of the person."""
    visit = _encounter_id(message, source, person, pv1) if pv1 else ""
    found: dict[str, Element] = {}
    rows = [segment for segment in message.segments if segment[0] == "DG1"]
    for number, dg1 in enumerate(rows, 1):
        code = types.concept(message, at(dg1, 3), "condition")
        if code is None and (text := part(message, dg1, 4)):
            code = {"text": text}
        if code is None:
            issues.append(Issue("error", "required", f"DG1[{number}]-3", "诊断没有代码 (diagnosis without a code)"))
            continue
        name = code["coding"][0]["code"] if "coding" in code else code["text"]
        own = [visit] if visit else [person["reference"], part(message, dg1, 5)]
        key = stable_id(source, "Condition", *own, name)
        moment = types.timestamp(part(message, dg1, 5)) or _event_time(message)
        found[key] = {
            "resourceType": "Condition",
            "id": key,
            "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
            "verificationStatus": {"coding": [{"system": VERIFIED, "code": _certainty(message, dg1)}]},
            "code": code,
            "subject": person,
        }
        found[key] |= {"encounter": {"reference": f"Encounter/{visit}"}} if visit else {}
        found[key] |= {"recordedDate": moment} if moment else {}
    return list(found.values())


def _certainty(message: Message, dg1: list[str]) -> str:
    """DG1-6 (table 0052): a working diagnosis is not yet confirmed."""
    return "provisional" if part(message, dg1, 6).upper() == "W" else "confirmed"


# --- results and orders -------------------------------------------------------------------------------------------


def _oru(message: Message, source: str, person: Element, issues: list[Issue]) -> list[Element]:
    """Each OBR with its OBX. OBX before any OBR get a report of their own."""
    reports: list[Report] = []
    orc: list[str] = []
    number = 0
    for segment in message.segments:
        name = segment[0]
        if name == "ORC":
            orc = segment
        elif name == "OBR":
            reports.append(Report(message, source, person, segment, orc))
        elif name == "OBX":
            number += 1
            if not reports:
                issues.append(Issue("warning", "structure", "OBR", "结果前没有 OBR 段 (OBX without OBR)"))
                reports.append(Report(message, source, person, ["OBR"], orc))
            reports[-1].add(segment, number, issues)
        elif name == "NTE" and reports:
            reports[-1].note(segment)
    if not reports:
        issues.append(Issue("error", "required", "OBR", "没有检验结果 (no OBR, no OBX)"))
    found = [_patient(message, source, issues)]
    for report in reports:
        found += [report.resource(), *report.observations]
    return found


def _orders(message: Message, source: str, person: Element, issues: list[Issue]) -> list[Element]:
    """ORC with OBR → ServiceRequest; with RXO or RXE → MedicationRequest."""
    found = [_patient(message, source, issues)]
    orc: list[str] = []
    for segment in message.segments:
        if segment[0] == "ORC":
            orc = segment
        elif segment[0] in {"OBR", "RXO", "RXE"}:
            order = _order(message, source, person, orc, segment)
            if order is None:
                issues.append(Issue("error", "required", segment[0], "医嘱没有项目代码 (order without a code)"))
            else:
                found.append(order)
    return found


def _order(message: Message, source: str, person: Element, orc: list[str], row: list[str]) -> Element | None:
    place = {"OBR": 4, "RXO": 1, "RXE": 2}[row[0]]
    code = types.concept(message, at(row, place), "" if row[0] == "OBR" else "medication")
    if code is None:
        return None
    service = row[0] == "OBR"
    numbers = [
        part(message, orc, 2),
        part(message, orc, 3),
        *((part(message, row, n) for n in (2, 3)) if service else ()),
    ]
    number = next((n for n in numbers if n), message.control_id)
    kind = "ServiceRequest" if service else "MedicationRequest"
    control, state = part(message, orc, 1).upper(), part(message, orc, 5).upper()
    status = "completed" if state == "CM" else ORDER_STATUS.get(control, "active")
    moment = types.timestamp(part(message, orc, 9)) or types.timestamp(message.header(7))
    found: Element = {
        "resourceType": kind,
        "id": stable_id(source, kind, number, part(message, row, place)),
        "identifier": [{"system": "".join(f"urn:healthbrain:source:{source}:order".split()), "value": number}],
        "status": {"revoked": "cancelled"}.get(status, status) if not service else status,
        "intent": "order",
        "code" if service else "medicationCodeableConcept": code,
        "subject": person,
    }
    return found | ({"authoredOn": moment} if moment else {})


# --- everything else ----------------------------------------------------------------------------------------------


def _document(message: Message, source: str, issues: list[Issue]) -> Element:
    """A message we do not interpret, kept whole."""
    name = "^".join(piece for piece in (message.kind, message.trigger) if piece) or "?"
    issues.append(Issue("warning", "not-supported", "MSH-9", f"不解读的消息 {name},原文已保存 (kept whole)"))
    person = person_id(message)
    data = base64.b64encode(message.raw).decode()
    moment = types.timestamp(message.header(7))
    found: Element = {
        "resourceType": "DocumentReference",
        "id": stable_id(source, "DocumentReference", message.control_id or message.raw.hex()),
        "status": "current",
        "type": {"text": f"HL7v2 {name}"},
        "subject": _reference(source, person) if person else None,
        "date": moment if moment and len(moment) > 10 else None,
        "content": [{"attachment": {"contentType": "x-application/hl7-v2+er7", "data": data}}],
    }
    return {key: value for key, value in found.items() if value}
