# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""HL7 v2: what is on the wire, what it means, what is answered. Expectations are read off the messages by hand."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from healthbrain.records.rules import hl7v2, r4

PID = "PID|1||P77^^^HIS01^MR~330197195001010017^^^^NI||张^小明||19500101|M|||和平路1号^^云溪市^^310000||13800000000"
ORU = "\r".join([
    r"MSH|^~\&|LIS01|H01|HB|COUNTY|20240305083000||ORU^R01^ORU_R01|M1|P|2.5",
    PID,
    "PV1|1|O|||||||||||||||||V9",
    "ORC|RE|PL1|F1",
    "OBR|1|PL1|F1|BIO^生化全套^L|||20240305080000|||||||||||||||20240305083000||LAB|F",
    "OBX|1|NM|14771-0^空腹血糖^LN||7.2|mmol/L^^UCUM|3.9-6.1|H|||F|||20240305081500",
    "NTE|1||标本轻度溶血",
    "OBX|2|NM|2823-3^血钾^LN||<3.5|mmol/L|>=3.5|L~↓|||C",
    "OBX|3|CWE|5195-3^乙肝表面抗原^LN||N^阴性^L||||||F",
    "OBX|4|ST|5792-7^尿糖^LN||++||阴性|A|||P",
    "OBX|5|SN|14804-9^滴度^LN||^1^:^128||||||F",
    "OBX|6|TX|11502-2^报告^LN||第一行||||||F",
    "OBX|7|TX|11502-2^报告^LN||第二行||||||F",
    "OBX|8|NM|2160-0^肌酐^LN||错误|umol/L|||||D",
    "OBX|9|ST|4548-4^糖化^LN||6.9|%|||||F",
])  # fmt: skip


def read(text, **options):
    found = list(hl7v2.messages(text.encode("utf-8") if isinstance(text, str) else text))
    assert len(found) == 1
    resources, issues = hl7v2.to_resources(found[0], **options)
    return found[0], resources, issues


def by_type(resources, kind):
    return [r for r in resources if r["resourceType"] == kind]


def test_laboratory_report():
    message, resources, issues = read(ORU)
    assert (message.kind, message.trigger, message.control_id, message.source) == ("ORU", "R01", "M1", "LIS01|H01")
    [patient], [report] = by_type(resources, "Patient"), by_type(resources, "DiagnosticReport")
    results = by_type(resources, "Observation")
    assert [i.path for i in issues] == ["OBX[8]-5"]

    assert patient["name"] == [{"use": "official", "text": "张小明", "family": "张", "given": ["小明"]}]
    assert (patient["gender"], patient["birthDate"]) == ("male", "1950-01-01")
    assert patient["telecom"] == [{"system": "phone", "value": "13800000000"}]
    assert patient["address"] == [
        {"text": "云溪市和平路1号", "line": ["和平路1号"], "city": "云溪市", "postalCode": "310000"}
    ]
    numbers = {i["system"]: i["value"] for i in patient["identifier"]}
    assert numbers["urn:oid:2.16.156.10011.1.3"] == "330197195001010017"
    assert numbers["urn:healthbrain:source:LIS01|H01"] == "P77"

    assert report["status"] == "final"
    assert report["effectiveDateTime"] == "2024-03-05T08:00:00+08:00"
    assert report["issued"] == "2024-03-05T08:30:00+08:00"
    assert [r["reference"] for r in report["result"]] == [f"Observation/{o['id']}" for o in results]
    assert all(o["subject"] == {"reference": f"Patient/{patient['id']}"} for o in results)

    glucose, potassium, antigen, urine, titre, text, creatinine, hba1c = results
    assert glucose["code"] == {
        "coding": [{"system": "http://loinc.org", "code": "14771-0", "display": "空腹血糖"}],
        "text": "空腹血糖",
    }
    assert glucose["valueQuantity"] == {
        "value": 7.2,
        "unit": "mmol/L",
        "system": "http://unitsofmeasure.org",
        "code": "mmol/L",
    }
    assert glucose["effectiveDateTime"] == "2024-03-05T08:15:00+08:00"
    assert glucose["referenceRange"][0]["low"]["value"] == 3.9
    assert glucose["referenceRange"][0]["high"]["value"] == 6.1
    assert [c["coding"][0]["code"] for c in glucose["interpretation"]] == ["H"]
    assert glucose["note"] == [{"text": "标本轻度溶血"}]
    assert potassium["valueQuantity"] == {"value": 3.5, "comparator": "<", "unit": "mmol/L"}
    assert potassium["status"] == "corrected"
    assert potassium["effectiveDateTime"] == "2024-03-05T08:00:00+08:00"
    assert [c["coding"][0]["code"] for c in potassium["interpretation"]] == ["L", "L"]
    assert potassium["referenceRange"][0]["low"]["value"] == 3.5
    assert antigen["valueCodeableConcept"]["text"] == "阴性"
    assert (urine["valueString"], urine["status"], urine["referenceRange"]) == ("++", "preliminary", [{"text": "阴性"}])
    assert titre["valueRatio"] == {"numerator": {"value": 1}, "denominator": {"value": 128}}
    assert text["valueString"] == "第一行\n第二行"
    assert (creatinine["status"], creatinine["valueString"]) == ("entered-in-error", "错误")
    assert hba1c["valueQuantity"] == {"value": 6.9, "unit": "%"}


def test_every_resource_is_valid_r4_for_us_and_for_the_oracle():
    for text in (ORU, ADT, ORDER):
        for resource in read(text)[1]:
            assert r4.check(resource) == []
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_a_repeated_or_corrected_message_names_the_same_resources():
    first, again = read(ORU)[1], read(ORU)[1]
    assert first == again
    corrected = "\r".join(line for line in ORU.split("\r") if not line.startswith("OBX") or "2823-3" in line)
    corrected = corrected.replace("M1|P", "M2|P").replace("OBX|2|", "OBX|1|").replace("<3.5", "4.1")
    [result] = by_type(read(corrected)[1], "Observation")
    assert result["id"] == by_type(first, "Observation")[1]["id"]
    assert read(ORU, source="other")[1][0]["id"] != first[0]["id"]


ADT = "\r".join([
    r"MSH|^~\&|HIS01|H01|||20240301101500||ADT^A01|M2|P|2.4",
    "EVN|A01|20240301101500",
    "PID|1||P77||ZHANG^XIAOMING||19500101|F|||||||||||330197195001010017",
    "PV1|1|I|W1^101^1" + "|" * 16 + "V9" + "|" * 25 + "20240301100000",
    "PV1_BROKEN",
    "DG1|1||I10.x00^高血压^I10|||W",
    "DG1|2||E11.900^2型糖尿病^I10|||F",
])  # fmt: skip


def adt(trigger, **replaced):
    text = ADT.replace("A01", trigger).replace("\rPV1_BROKEN", "")
    for old, new in replaced.items():
        text = text.replace(old, new)
    return read(text)


def test_admission():
    _, resources, _ = adt("A01")
    [patient], [visit] = by_type(resources, "Patient"), by_type(resources, "Encounter")
    high, sugar = by_type(resources, "Condition")
    assert patient["name"][0]["text"] == "XIAOMING ZHANG"
    assert {i["value"] for i in patient["identifier"]} == {"P77", "330197195001010017"}
    assert (visit["status"], visit["class"]["code"]) == ("in-progress", "IMP")
    assert visit["period"] == {"start": "2024-03-01T10:00:00+08:00"}
    assert visit["identifier"][0]["value"] == "V9"
    assert visit["serviceProvider"]["identifier"]["value"] == "H01"
    assert high["code"]["coding"][0] == {
        "system": "http://hl7.org/fhir/sid/icd-10",
        "code": "I10.x00",
        "display": "高血压",
    }
    assert high["verificationStatus"]["coding"][0]["code"] == "provisional"
    assert sugar["verificationStatus"]["coding"][0]["code"] == "confirmed"
    assert high["encounter"] == {"reference": f"Encounter/{visit['id']}"}


@pytest.mark.parametrize(
    ("trigger", "status", "end"),
    [("A03", "finished", "2024-03-01T10:15:00+08:00"), ("A04", "in-progress", None), ("A08", "in-progress", None),
     ("A11", "cancelled", None), ("A05", "planned", None)],
)  # fmt: skip
def test_events_of_a_visit(trigger, status, end):
    [visit] = by_type(adt(trigger)[1], "Encounter")
    assert (visit["status"], visit["period"].get("end")) == (status, end)
    assert visit["id"] == by_type(adt("A01")[1], "Encounter")[0]["id"]


@pytest.mark.parametrize(
    ("trigger", "replaced"),
    [("A28", {}), ("A31", {}), ("A08", {"PV1|": "ZV1|"})],
    ids=["A28", "A31", "A08 without PV1"],
)
def test_a_message_without_a_visit_makes_none_and_loses_no_diagnosis(trigger, replaced):
    _, resources, _ = adt(trigger, **replaced)
    assert not by_type(resources, "Encounter")
    high, sugar = by_type(resources, "Condition")
    assert [c["code"]["coding"][0]["code"] for c in (high, sugar)] == ["I10.x00", "E11.900"]
    assert (high["subject"], "encounter" in high) == ({"reference": f"Patient/{resources[0]['id']}"}, False)
    assert high["recordedDate"] == "2024-03-01T10:15:00+08:00"
    again = adt(trigger, **replaced, M2="M3", **{"20240301101500": "20240401101500"})[1]
    assert [c["id"] for c in by_type(again, "Condition")] == [high["id"], sugar["id"]]
    dated = adt(trigger, **replaced, **{"I10||": "I10||20240105|"})[1]
    assert [c["recordedDate"] for c in by_type(dated, "Condition")] == ["2024-01-05"] * 2


def test_merge_is_reported_for_a_person_not_done():
    _, resources, issues = read(
        "MSH|^~\\&|HIS01|H01|||20240301||ADT^A40|M9|P|2.4\rPID|1||P77||张三||19500101|M\rMRG|P12^^^HIS01"
    )
    [patient] = resources
    other = by_type(read("MSH|^~\\&|HIS01|H01|||20240301||ADT^A28|M8|P|2.4\rPID|1||P12")[1], "Patient")[0]
    assert patient["link"] == [{"other": {"reference": f"Patient/{other['id']}"}, "type": "replaces"}]
    assert [(i.severity, i.path) for i in issues] == [("information", "MRG-1")]


ORDER = "\r".join([
    r"MSH|^~\&|HIS01|H01|||20240301||ORM^O01|M3|P|2.4", "PID|1||P77||张三",
    "ORC|NW|PL7|||||||20240301090000", "OBR|1|PL7||CBC^血常规^L",
    "ORC|CA|PL8", "RXO|C08CA01^氨氯地平^ATC",
])  # fmt: skip


def test_orders():
    _, resources, issues = read(ORDER)
    assert issues == []
    [request], [medicine] = by_type(resources, "ServiceRequest"), by_type(resources, "MedicationRequest")
    assert (request["status"], request["authoredOn"]) == ("active", "2024-03-01T09:00:00+08:00")
    assert medicine["status"] == "cancelled"
    assert medicine["medicationCodeableConcept"]["coding"][0]["code"] == "C08CA01"


def test_what_we_do_not_interpret_is_kept_whole():
    text = "MSH|^~\\&|HIS01|H01|||20240301||SIU^S12|M4|P|2.4\rPID|1||P77\rSCH|1"
    _, [document], issues = read(text)
    assert document["resourceType"] == "DocumentReference"
    assert [i.code for i in issues] == ["not-supported"]
    import base64

    assert base64.b64decode(document["content"][0]["attachment"]["data"]) == text.encode()


# --- the wire -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_line_ends_frames_and_envelopes(end):
    one, two = ORU.replace("\r", end), ADT.replace("\r", end)
    framed = f"\x0b{one}{end}\x1c\r\x0b{two}{end}\x1c\r"
    wrapped = f"FHS|^~\\&|X{end}BHS|^~\\&|X{end}{one}{end}{two}{end}BTS|2{end}FTS|1{end}"
    for text in (framed, wrapped, one + end + two, "\ufeff" + one + end + end + two):
        found = list(hl7v2.messages(text.encode()))
        assert [(m.kind, m.control_id) for m in found] == [("ORU", "M1"), ("ADT", "M2")]
        assert [len(hl7v2.to_resources(m)[0]) for m in found] == [10, 4]


def test_odd_delimiters_give_the_same_resources():
    table = str.maketrans({"|": "#", "^": "*", "~": "!", "\\": "@", "&": "%"})
    assert read(ORU.translate(table))[1] == read(ORU)[1]


@pytest.mark.parametrize(
    ("charset", "declared"), [("gb18030", "GB 18030-2000"), ("gb18030", ""), ("utf-8", "UNICODE UTF-8"), ("utf-8", "")]
)
def test_encodings(charset, declared):
    text = ORU.replace("P|2.5", f"P|2.5||||||{declared}") if declared else ORU
    message, resources, issues = read(text.encode(charset))
    assert message.charset == charset
    assert resources[0]["name"][0]["text"] == "张小明"
    assert [i.path for i in issues if i.path == "MSH-18"] == (
        ["MSH-18"] if charset == "gb18030" and not declared else []
    )


def test_gbk_trail_bytes_are_not_delimiters():
    """俓 ends with 0x5C (the escape) in GBK, 倈 with 0x7C (the separator)."""
    assert "俓".encode("gbk")[1:] == b"\\"
    assert "倈".encode("gbk")[1:] == b"|"
    text = "MSH|^~\\&|H|F|||20240301||ADT^A28|1|P|2.4||||||GBK\rPID|1||7||俓^倈"
    assert read(text.encode("gbk"))[1][0]["name"][0]["text"] == "俓倈"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(r"a\F\b", "a|b"), (r"a\S\b\T\c\R\d", "a^b&c~d"), (r"C:\E\dir", "C:\\dir"), (r"\X48656C6C6F\!", "Hello!"),
     (r"line\.br\two", "line\ntwo"), (r"\H\bold\N\ ", "bold "), (r"lone \ stays", "lone \\ stays"), (r"\Zown\x", "x"),
     (r"50\E\F\E\60", "50\\F\\60"), ('""', ""), (r"\X4\ odd", "\\X4\\ odd")],
)  # fmt: skip
def test_escapes(raw, expected):
    assert hl7v2.parse(b"MSH|^~\\&|A|B|||20240301||ADT^A01|1|P|2.4").text(raw) == expected


def test_line_break_inside_a_text_is_put_right():
    text = ORU.replace("第一行", "第一行\n还是第一行").replace("\rOBX|7|TX|11502-2^报告^LN||第二行||||||F", "")
    message, resources, _ = read(text)
    assert [i.code for i in message.issues] == ["structure"]
    assert any(o.get("valueString", "").startswith("第一行\n还是第一行") for o in by_type(resources, "Observation"))


FATAL = [
    (b"hello", "MSH"),
    (b"MSH", "MSH"),
    (b"MSH|^~\\&|A", "MSH"),
    (b"MSHA^~\\&AxAyAzAzAzAzAzAz", "MSH-1"),
    (b"MSH|^~\\&|||||20240301||ADT^A01|1|P|2.4\rPID|1||7", "MSH-3"),
    (b"MSH|^~\\&|A|B|||20240301||ADT^A01|1|P|2.4", "PID"),
    (b"MSH|^~\\&|A|B|||20240301||ADT^A01|1|T|2.4\rPID|1||7", "MSH-11"),
    (b"MSH|^~\\&|A|B|||20240301||ADT^A01|1|D^A|2.4\rPID|1||7", "MSH-11"),
    (b"MSH|^~\\&|A|B|||20240301||ORU^R01|1|P|2.4\rPID|1||\rOBX|1|NM|1^x||5", "PID-3"),
]


@pytest.mark.parametrize(("data", "path"), FATAL)
def test_what_cannot_be_used_says_where(data, path):
    [message] = hl7v2.messages(data)
    resources, issues = hl7v2.to_resources(message)
    assert resources == []
    assert [i.path for i in issues if i.severity == "fatal"] == [path]
    assert message.raw == data


def test_missing_segments_and_impossible_dates_are_tolerated():
    _, resources, issues = read(
        "MSH|^~\\&|A|B|||20240301||ORU^R01|1|P|2.4\rPID|1||7||||20260230\rOBX|1|NM|14771-0||5.5|mmol/L"
    )
    assert {"OBR", "PID-7"} <= {i.path for i in issues}
    [result] = by_type(resources, "Observation")
    assert result["code"]["coding"][0] == {"system": "http://loinc.org", "code": "14771-0"}
    assert result["effectiveDateTime"] == "2024-03-01"
    assert result["status"] == "unknown"
    assert "birthDate" not in resources[0]


def test_acknowledgement():
    message = read(ORU)[0]
    at = dt.datetime(2024, 3, 5, 9, 0, 1)  # noqa: DTZ001
    assert hl7v2.ack(message, "AA", at=at) == (
        b"MSH|^~\\&|HB|COUNTY|LIS01|H01|20240305090001||ACK^R01^ACK|AM1|P|2.5\rMSA|AA|M1|\r"
    )
    refused = hl7v2.ack(message, "AE", "坏了|真的", "OBX[2]-5", reason="value", at=at).decode()
    assert refused.split("\r")[1:] == [
        "MSA|AE|M1|坏了\\F\\真的",
        "ERR||OBX^2^5|102^Data type error^HL70357|E||||坏了\\F\\真的",
        "",
    ]
    gbk = read(ORU.replace("P|2.5", "P|2.5||||||GBK").encode("gb18030"))[0]
    assert "坏" in hl7v2.ack(gbk, "AE", "坏").decode("gb18030")
    [garbage] = hl7v2.messages(b"hello")
    assert b"MSA|AR|" in hl7v2.ack(garbage, "AR", "x")


@given(st.binary(max_size=300))
@settings(max_examples=400, deadline=None)
def test_no_bytes_break_the_reader(data):
    for text in (data, b"MSH" + data, b"MSH|^~\\&|A|B|||2024||ORU^R01|1|P|2.4\rPID|1||7\r" + data):
        for message in hl7v2.messages(text):
            hl7v2.to_resources(message)
            hl7v2.ack(message, "AE", "x", "PID-3")


lines = st.sampled_from(["MSH", "PID", "PV1", "OBR", "OBX", "ORC", "DG1", "MRG", "NTE", "RXO", "EVN"])
fields = st.lists(st.text(st.sampled_from('|^~\\&"ANM0123456789-.<>年一F\x0b\x1c'), max_size=12), max_size=25)


@given(
    st.lists(st.tuples(lines, fields), max_size=6), st.sampled_from(["ORU^R01", "ADT^A01", "ADT^A40", "ORM^O01", "X^Y"])
)
@settings(max_examples=300, deadline=None)
def test_no_segments_break_the_mapping_and_what_comes_out_can_be_stored(rows, kind):
    body = "\r".join("|".join([name, *values]) for name, values in rows)
    for message in hl7v2.messages(f"MSH|^~\\&|A|B|||20240301||{kind}|1|P|2.4\rPID|1||7\r{body}".encode()):
        for resource in hl7v2.to_resources(message)[0]:
            assert r4.readable(r4.check(resource)), (resource, r4.check(resource))


def test_five_thousand_messages_a_second():
    """A report of three results, parsed and mapped, by process time on one core; the bound leaves room for a busy machine."""
    short = "\r".join(line for line in ORU.split("\r") if line[:3] != "OBX" or line[4] in "123").encode()
    data = (short + b"\r") * 500
    started = time.process_time()
    assert sum(len(hl7v2.to_resources(message)[0]) for message in hl7v2.messages(data)) == 500 * 5
    assert time.process_time() - started < 500 / 5000 * 3
