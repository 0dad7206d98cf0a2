"""NDJSON lines converted by kind are what the builder makes of each: any line, any order, any value."""

from __future__ import annotations

import datetime as dt

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from healthbrain.records.intake import messages
from healthbrain.records.intake.fhir import Builder, Feed, Naming, source_of
from healthbrain.records.intake.lines import Kind, Lines, split
from healthbrain.records.rules import exact

AS_OF = dt.date(2026, 4, 1)

DAYS = st.sampled_from(
    ["2026-03-20", "2026-02-30", "2026-03-20T08:30:00+08:00", "2026-03-20T00:30:00Z", "2026-03-20T23:59:59-05:00",
     "2027-01-01", "1950-03", "2026-03-20T08:30:00.123+08:00", "2026-03-20T08:30:00", "", "1899-12-31"]
)  # fmt: skip
NUMBERS = st.sampled_from(
    ["138", "8.0", "7.25", "1e3", "-0", "0", "-3.5", "0.0001", "0.00001", "99999999999", "183.12345", '"138"', "null"]
) | st.decimals(0, 500, places=2).map(str)
REFERENCES = st.sampled_from(
    ["Patient/p1", "Patient/p2", "Organization/H1", "Encounter/e1", "Patient/1/_history/2", "#in", "urn:uuid:1",
     "http://x/Patient/9", "Patient?identifier=a|b", "p1", "Practitioner/d.1"]
)  # fmt: skip
IDS = st.text("ab1-.", min_size=1, max_size=8) | st.sampled_from(["x" * 64, "x" * 65, "坏", "a b"])
TEXTS = st.sampled_from(
    ["空腹血糖", 'say "yes"', "2026-03-20", "7000003", "hb-mark-0-", "back\\slash", "line\nend", "é"]
)
CODES = st.sampled_from(
    ['{"system":"http://loinc.org","code":"8480-6"}', '{"system":"http://loinc.org","code":"14771-0"}',
     '{"system":"http://hl7.org/fhir/sid/icd-10","code":"I10"}', '{"code":"A1"}']
)  # fmt: skip
UNITS = st.sampled_from(['"mmHg"', '"mmol/L"', '"mg/dL"', '"weeks"'])


USUAL = {  # what senders send, most of the time
    "ID": st.text("ab1-.", min_size=1, max_size=8),
    "DAY": st.sampled_from(["2026-03-20T08:30:00+08:00", "2026-02-28T00:00:00+08:00", "2027-01-01T00:00:00+08:00",
                            "2026-02-30T00:00:00+08:00"]),
    "NUMBER": st.decimals(-1, 500, places=2).map(lambda number: str(number.normalize())) | st.integers(0, 300).map(str),
    "REFERENCE": st.sampled_from(["Patient/p1", "Patient/p2", "Patient/p3"]),
}  # fmt: skip
UNUSUAL = {"ID": IDS, "DAY": DAYS, "NUMBER": NUMBERS, "REFERENCE": REFERENCES}


@st.composite
def kinds(draw):
    """A template with holes for what changes, and for texts that rarely do."""
    type_ = draw(st.sampled_from(["Observation", "Condition", "Encounter", "MedicationDispense", "Patient", "Basic"]))
    code, unit = draw(CODES), draw(UNITS)
    needed = {
        "Observation": ['"status":"final"', f'"code":{{"coding":[{code}]}}'],
        "Condition": ['"subject":{"reference":"REFERENCE"}'],
        "Encounter": ['"status":"finished"', '"class":{"code":"IMP"}'],
        "MedicationDispense": ['"status":"completed"', '"medicationCodeableConcept":{"text":"TEXT"}'],
        "Patient": [],
        "Basic": ['"code":{"text":"TEXT"}'],
    }[type_]
    more = {
        "Observation": [
            '"effectiveDateTime":"DAY"', f'"valueQuantity":{{"value":NUMBER,"unit":{unit}}}', '"issued":"DAY"',
            f'"component":[{{"code":{{"coding":[{code}]}},"valueQuantity":{{"value":NUMBER,"unit":{unit}}}}}]',
            '"performer":[{"reference":"REFERENCE"}]', '"status":"entered-in-error"', '"valueString":"TEXT"',
            '"referenceRange":[{"low":{"value":NUMBER}}]',
        ],
        "Condition": [f'"code":{{"coding":[{code}]}}', '"onsetDateTime":"DAY"', '"recordedDate":"DAY"'],
        "Encounter": ['"period":{"start":"DAY","end":"DAY"}', '"serviceProvider":{"reference":"Organization/ID"}'],
        "MedicationDispense": ['"whenHandedOver":"DAY"', '"daysSupply":{"value":NUMBER,"code":"d"}'],
        "Patient": ['"name":[{"text":"TEXT"}]', '"birthDate":"DAY"'],
        "Basic": ['"created":"DAY"'],
    }[type_]  # fmt: skip
    common = [
        '"subject":{"reference":"REFERENCE"}', '"meta":{"source":"lab"}', '"encounter":{"reference":"REFERENCE"}',
        '"identifier":[{"system":"urn:x","value":"TEXT"}]', '"identifier":[{"value":"DAY"}]',
    ]  # fmt: skip
    odd = ['"odd":"TEXT"', '"subject":{"identifier":{"value":"TEXT"}}', '"id":"again"', '"text":{"status":"generated"}']
    some = st.lists(st.sampled_from(more), unique=True), st.lists(st.sampled_from(common), max_size=3, unique=True)
    chosen = needed + draw(some[0]) + draw(some[1])
    if draw(st.integers(0, 4)) == 0:
        chosen.append(draw(st.sampled_from(odd)))
    compact = '{"resourceType":"TYPE","id":"ID"'
    head = draw(st.sampled_from([compact, compact, compact, '{ "resourceType" : "TYPE" , "id" : "ID"']))
    return head.replace("TYPE", type_) + "," + ",".join(draw(st.permutations(chosen))) + "}"


@st.composite
def feeds(draw):
    lines = []
    for template in draw(st.lists(kinds(), min_size=1, max_size=3)):
        values, text = draw(st.sampled_from([USUAL, USUAL, UNUSUAL])), draw(TEXTS)
        for _ in range(draw(st.integers(2, 6))):
            line = template
            for hole, some in values.items():
                while hole in line:
                    line = line.replace(hole, draw(some), 1)
            lines.append(line.replace("TEXT", orjson.dumps(text).decode()[1:-1]))
    return [line.encode() + b"\n" for line in draw(st.permutations(lines))]


def one_by_one(lines: list[bytes], given: str | None):
    builder = Builder(AS_OF)
    for row, line in enumerate(lines, 1):
        try:
            resource = exact.loads(line)
        except orjson.JSONDecodeError as error:
            messages._unreadable(builder, row, line, error)
            continue
        builder.add(resource, Naming(source_of(resource, Feed(given))), row, raw=line)
    return builder.prepared(len(lines))


def by_kind(lines: list[bytes], given: str | None):
    return messages.convert(messages.MessageChunk("ndjson", lines, 1, len(lines), Feed(given), AS_OF))


@settings(max_examples=300, deadline=None)
@given(feeds(), st.sampled_from([None, "given"]))
def test_by_kind_is_one_by_one(lines, given_source):
    left, right = by_kind(lines, given_source), one_by_one(lines, given_source)
    for name in ("resources", "events", "persons"):
        assert getattr(left, name).rows() == getattr(right, name).rows()
    assert (left.rejects, left.notes, left.rows, left.by_type) == (
        right.rejects, right.notes, right.rows, right.by_type
    )  # fmt: skip


RESULT = (
    '{"resourceType":"Observation","id":"ID","meta":{"source":"lab"},"status":"final","subject":{"reference":"PATIENT"},'
    '"effectiveDateTime":"AT","code":{"coding":[{"system":"http://loinc.org","code":"14771-0"}]},'
    '"valueQuantity":{"value":NUMBER,"unit":"mg/dL"}}'
)


def result(own: str, patient: str, at: str, number: str) -> bytes:
    line = RESULT.replace("ID", own).replace("PATIENT", patient).replace("AT", at).replace("NUMBER", number)
    return line.encode() + b"\n"


def test_from_the_second_line_on_a_kind_is_known():
    """What changes comes out changed: 108, 126 and 144 mg/dL of glucose (18 mg/dL to 1 mmol/L) in mmol/L."""
    kinds, builder = Lines(Feed()), Builder(AS_OF)
    lines = [result(f"o{n}", f"Patient/p{n}", f"2026-03-2{n}T08:30:00+08:00", str(90 + 18 * n)) for n in range(4)]
    taken = [kinds.add(parts, n, builder, {}) for n, parts in enumerate(split(lines))]
    assert taken == [False, True, True, True]
    (kind,) = kinds.kinds.values()
    assert isinstance(kind, Kind)
    assert [row[6] for row in builder.resources] == ["p1", "p2", "p3"]
    assert [(f"{event[4]:%F %R}", round(event[5], 2), event[6]) for event in builder.events] == [
        ("2026-03-21 08:30", 6.0, "mmol/L"),
        ("2026-03-22 08:30", 7.0, "mmol/L"),
        ("2026-03-23 08:30", 8.0, "mmol/L"),
    ]


def test_one_who_is_named_twice_is_one_search_token():
    result = '{"resourceType":"Observation","id":"ID","status":"final","code":{"text":"x"},"performer":[PERFORMERS]}'
    lines = [
        result.replace("ID", f"o{n}")
        .replace("PERFORMERS", ",".join(f'{{"reference":"Practitioner/{who}"}}' for who in named))
        .encode()
        for n, named in enumerate([("a", "b"), ("a", "c"), ("d", "d"), ("e", "a")])
    ]
    tokens = [row["tokens"].split("\x00") for row in by_kind(lines, None).resources.rows(named=True)]
    assert [sum(token.startswith("performer=") for token in found) for found in tokens] == [2, 2, 1, 2]
    assert by_kind(lines, None).resources.rows() == one_by_one(lines, None).resources.rows()


def test_lines_that_are_no_kinds_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("healthbrain.records.intake.lines.MANY", 10)
    kinds, builder = Lines(Feed()), Builder(AS_OF)
    lines = [f'{{"resourceType":"Basic","id":"a{n}","code":{{"text":"{n}"}}}}'.encode() for n in range(50)]
    for n, parts in enumerate(split(lines)):
        kinds.add(parts, n, builder, {})
    assert len(kinds.kinds) <= 10
