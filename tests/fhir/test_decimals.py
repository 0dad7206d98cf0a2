"""A decimal comes back with the digits it was sent with (R4 datatypes.html#decimal), whichever way it goes."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthbrain.records import actions, mllp
from healthbrain.records.models import Event, Resource
from healthbrain.records.rules import exact

WRITTEN = ["7.20", "7.2", "7.0", "7.00", "7", "0.10", "-0.50", "120.000", "1.50e3", "1E-2", "0.1234567890123456780"]


def observation(number: str) -> str:
    return (
        '{"resourceType":"Observation","id":"d-1","status":"final","code":{"coding":[{"system":"http://loinc.org",'
        '"code":"14771-0"}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2024-03-05",'
        f'"valueQuantity":{{"value":{number},"unit":"mmol/L"}},"note":[{{"text":"3.10, as said"}}]}}'
    )


class Written(str):
    """A number as it stands in the text."""


def said(content: bytes) -> list[str]:
    """Every number under `value` as it stands in the text."""
    found: list[str] = []

    def pairs(items):
        found.extend(v for k, v in items if k == "value" and isinstance(v, Written))
        return dict(items)

    json.loads(content, object_pairs_hook=pairs, parse_float=Written, parse_int=Written)
    return found


@pytest.mark.parametrize("number", WRITTEN)
def test_written_read_searched_patched(fhir, number):
    assert said(fhir.send("PUT", "/Observation/d-1", observation(number)).content) == [number]
    note = [{"op": "replace", "path": "/note/0/text", "value": "other"}]
    kind = "application/json-patch+json"
    assert said(fhir.send("PATCH", "/Observation/d-1", note, kind=kind).content) == [number]
    for path in ("/Observation/d-1", "/Observation/d-1/_history/1", "/Observation/d-1?_elements=value",
                 "/Observation?subject=Patient/p", "/Observation?_summary=true&subject=Patient/p"):  # fmt: skip
        assert said(fhir.get(path).content) == [number], path
    assert said(fhir.get("/Observation/d-1/_history").content) == [number] * 2
    assert fhir.ids(f"/Observation?value-quantity={float(number)}&subject=Patient/p") == ["d-1"]


@pytest.mark.parametrize("url", ["Observation/d-1", "Observation?identifier=none"])
@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_in_bundles(fhir, kind, url):
    request = json.dumps({"method": "PUT", "url": url})
    entry = f'{{"request":{request},"resource":{observation("7.20")}}}'
    text = f'{{"resourceType":"Bundle","type":"{kind}","entry":[{entry}]}}'
    assert fhir.send("POST", "", text).status_code == 200
    [stored] = Resource.objects.filter(type="Observation")
    assert said(bytes(stored.body)) == ["7.20"]
    look = {"resourceType": "Bundle", "type": "batch",
            "entry": [{"request": {"method": "GET", "url": f"Observation/{stored.id}"}}]}  # fmt: skip
    assert said(fhir.send("POST", "", look).content) == ["7.20"]


@pytest.mark.django_db(transaction=True)
def test_in_files_and_messages(tmp_path):
    """Lines one by one and by kind (from the third line of a kind on), a Bundle, HL7v2."""
    numbers = ["7.20", "7.30", "7.40", "6.99", "120.000"]
    lines = [observation(n).replace('"d-1"', f'"l-{i}"') for i, n in enumerate(numbers)]
    (tmp_path / "lab.ndjson").write_text("\n".join(lines))
    (tmp_path / "lab.json").write_text(
        f'{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{observation("5.50")}}}]}}'
    )
    assert actions.ingest([tmp_path / "lab.ndjson", tmp_path / "lab.json"], source="lab").rejected == 0
    oru = ("MSH|^~\\&|LIS|H|||20240305083000||ORU^R01|M1|P|2.5\rPID|1||P1^^^H^MR||张三\rOBR|1||F1|X\r"
           "OBX|1|NM|14771-0^G^LN||7.20|mmol/L|3.90-6.10||||F|||20240305081500\r")  # fmt: skip
    assert b"MSA|AA" in mllp.ingest_message(oru.encode())[0]
    stored = [n for r in Resource.objects.filter(type="Observation") for n in said(bytes(r.body))]
    assert sorted(stored) == sorted([*numbers, "5.50", "7.20", "3.90", "6.10"])
    # The ledger computes with the value.
    assert sorted(Event.objects.values_list("value", flat=True)) == [5.5, 6.99, 7.2, 7.2, 7.3, 7.4, 120]


DECIMALS = st.builds(
    "{}{}{}".format,
    st.integers(-999_999_999, 999_999_999),
    st.sampled_from(["", ".0", ".10", ".25", ".1234567890123456780"]) | st.integers(0, 999).map(".{}".format),
    st.sampled_from(["", "", "e0", "E-3", "e+24", "E10"]),
)
JSON = st.recursive(
    DECIMALS | st.sampled_from(['"1.10, 2.20}"', '"e5 "', '"张"']) | st.sampled_from(["null", "true"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda x: "[" + ", ".join(x) + "]")
        | st.lists(inner, max_size=3).map(lambda x: "{" + ",".join(f'"{i}":{v}' for i, v in enumerate(x)) + "}")
    ),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_no_number_is_written_otherwise(text):
    def as_said(data):
        return json.loads(data, parse_float=str, parse_int=str)

    assert as_said(exact.dumps(exact.loads(f"[{text}]"))) == as_said(f"[{text}]")
