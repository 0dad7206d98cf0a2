# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""Requests of every bad kind over HTTP: the right status, an OperationOutcome, and nothing of them in the store."""

from __future__ import annotations

import json
import random

import pytest

from healthbrain.records.models import Resource
from tests.fhir.test_api import PATIENT, outcome

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.fhir.fhir_urls")]

TEXT = json.dumps(PATIENT, ensure_ascii=False)
JSON = "application/fhir+json"
DEEP = '{"resourceType":"Patient","extension":' * 150 + "1" + "}" * 150

# body, content type, status, issue code
BODIES = {
    "truncated": (TEXT[:-9].encode(), JSON, 400, "structure"),
    "UTF-16": (TEXT.encode("utf-16"), JSON, 400, "structure"),
    "UTF-16, said so": (TEXT.encode("utf-16"), f"{JSON}; charset=utf-16", 415, "not-supported"),
    "GBK": (TEXT.encode("gbk"), JSON, 400, "structure"),
    "a raw NUL": (b'{"resourceType":"Patient","name":[{"text":"a\0b"}]}', JSON, 400, "structure"),
    "an escaped NUL": (rb'{"resourceType":"Patient","name":[{"text":"a\u0000b"}]}', JSON, 400, "value"),
    "a NUL nobody looks at": (rb'{"resourceType":"Patient","foo":{"a":["\u0000"]}}', JSON, 400, "structure"),
    "a NUL in a name": (rb'{"resourceType":"Patient","fo\u0000o":1}', JSON, 400, "structure"),
    "half a character": (rb'{"resourceType":"Patient","name":[{"text":"\ud800"}]}', JSON, 400, "structure"),
    "a name twice": (b'{"resourceType":"Patient","gender":"male","gender":"female"}', JSON, 400, "structure"),
    "a name twice, deep": (b'{"resourceType":"Patient","name":[{"text":"a","text":"b"}]}', JSON, 400, "structure"),
    "1e400": (b'{"resourceType":"Patient","multipleBirthInteger":1e400}', JSON, 400, "structure"),
    "NaN": (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', JSON, 400, "structure"),
    "a number of 5,000 digits": (b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 5000 + b"}", JSON, 400, "structure"),
    "a string of 2 MB": (json.dumps({"resourceType": "Patient", "name": [{"text": "x" * (2 << 20)}]}).encode(), JSON, 422, "too-long"),
    "17 MB": (b'{"a":"' + b"x" * (17 << 20) + b'"}', JSON, 413, "too-long"),
    "deep": (DEEP.encode(), JSON, 400, "structure"),
    "gzip": (TEXT.encode(), JSON, 415, "not-supported"),
    "a form": (TEXT.encode(), "application/x-www-form-urlencoded", 415, "not-supported"),
    "plain text": (TEXT.encode(), "text/plain", 415, "not-supported"),
    "an array": (b"[]", JSON, 400, "structure"),
    "null": (b"null", JSON, 400, "structure"),
}  # fmt: skip


@pytest.mark.parametrize("what", BODIES)
def test_bad_bodies(fhir, what):
    body, kind, status, code = BODIES[what]
    headers = {"Content_Encoding": "gzip"} if what == "gzip" else {}
    outcome(fhir.send("POST", "/Patient", body, kind=kind, **headers), status, code)
    assert not Resource.objects.exists()


@pytest.mark.parametrize("lenient", [{}, {"Prefer": "handling=lenient"}])
def test_a_byte_order_mark_and_an_emoji_are_no_fault(fhir, lenient):
    body = b"\xef\xbb\xbf" + json.dumps({"resourceType": "Patient", "name": [{"text": "😀"}]}).encode()
    made = fhir.send("POST", "/Patient", body, **lenient)
    assert made.status_code == 201
    assert made.json()["name"][0]["text"] == "😀"


def test_texts_nobody_can_index_are_stored_all_the_same(fhir):
    """9,000 characters that do not compress are more than an index entry of PostgreSQL holds."""
    long = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    body = {"resourceType": "Patient", "id": "long", "name": [{"text": "王" * 50_000, "family": long}],
            "identifier": [{"system": long, "value": long}], "telecom": [{"system": "phone", "value": long}],
            "address": [{"text": long}]}  # fmt: skip
    assert fhir.put(body).status_code == 201
    assert fhir.ids(f"/Patient?family={long}") == ["long"]
    assert fhir.put({"resourceType": "Observation", "id": "o", "status": "final", "code": {"coding": [{"system": long, "code": long}]},
                     "subject": {"identifier": {"value": long}}, "valueQuantity": {"value": 1, "unit": long}}).status_code == 201  # fmt: skip
    assert fhir.ids(f"/Observation?code={long}") == ["o"]


def test_one_poisoned_row_does_not_break_the_search_of_all(fhir):
    """A NUL inside an undefined element would make every search that reads the resource fail."""
    fhir.put({"resourceType": "Basic", "id": "good", "code": {"text": "x"}})
    poison = rb'{"resourceType":"Basic","id":"bad","code":{"text":"x"},"foo":{"bar":"a\u0000b"}}'
    outcome(fhir.send("PUT", "/Basic/bad", poison, Prefer="handling=lenient"), 400, "structure")
    assert fhir.ids("/Basic?author:missing=true") == ["good"]


def test_only_new_and_only_this_version(fhir):
    fhir.put(PATIENT | {"id": "n"}, If_None_Match="*")
    outcome(fhir.put(PATIENT | {"id": "n", "gender": "female"}, If_None_Match="*"), 412, "conflict")
    outcome(fhir.put(PATIENT | {"id": "n"}, If_Match="garbage"), 412, "conflict")
    outcome(fhir.put(PATIENT | {"id": "never"}, If_Match='W/"1"'), 412, "conflict")
    outcome(fhir.send("DELETE", "/Patient/n", If_Match='W/"7"'), 412, "conflict")
    outcome(fhir.send("PUT", "/Patient/n", PATIENT), 400, "required")  # R4: the body carries the id
    assert fhir.get("/Patient/n").json()["gender"] == "male"


@pytest.mark.parametrize(
    "condition", ["???", "colour=red", "_count=1", "identifier=urn:mrn|17&colour=red", "identifier=", "_format=json"]
)
def test_a_condition_is_taken_whole_or_not_at_all(fhir, condition):
    """A part passed over would create a second patient, or delete another one."""
    fhir.put(PATIENT | {"id": "one"})
    assert fhir.send("POST", "/Patient", PATIENT, If_None_Exist=condition).status_code == 400
    assert fhir.send("DELETE", f"/Patient?{condition}").status_code == 400
    assert fhir.send("PUT", f"/Patient?{condition}", PATIENT).status_code == 400
    assert fhir.ids("/Patient?identifier=17") == ["one"]


# address, status
ADDRESSES = {"/Patient/%00": 404, "/Patient/%ff": 404, "/Patient/中文": 404, "/patient/x": 404, "/Patient/": 404, "//Patient": 404,
             "/Patient/..%2f..%2fmetadata": 404, "/Patient/" + "a" * 3000: 404, "/Patient?name=%00": 400, "/Patient?name=%ff": 200,
             "/Patient?_cursor=" + "A" * 3000: 400, "/Patient/_history?_count=-1": 400, "/Patient/_history?_count=0": 200,
             "/Patient/_history?_since=yesterday": 400, "/Patient/_history?_at=gt2024": 400, "/Patient/_history?_cursor=WzEsMSwxXQ": 400,
             "/_history?_since=2024-01-01T00:00:00%2B08:00": 200, "/Patient/x/_history/1e9": 404, "/Patient/$everything": 404}  # fmt: skip


@pytest.mark.parametrize(("address", "status"), ADDRESSES.items())
def test_addresses(fhir, address, status):
    response = fhir.get(address)
    assert response.status_code == status, response.content
    assert response.json()["resourceType"] == ("Bundle" if status == 200 else "OperationOutcome")


def test_history_of_everything_with_deletions_pages_under_one_question(fhir):
    for n in range(3):
        fhir.put({"resourceType": "Basic", "id": f"h{n}", "code": {"text": "1"}})
    since = fhir.get("/Basic/h2").json()["meta"]["lastUpdated"]
    fhir.put({"resourceType": "Basic", "id": "h0", "code": {"text": "2"}})
    fhir.send("DELETE", "/Basic/h1")
    outcome(fhir.get("/Basic/h1/_history/2"), 410, "deleted")
    url, seen = f"/_history?_count=1&_since={since.replace('+', '%2B')}", []
    while url:
        body = fhir.get(url).json()
        seen += [(e["request"]["method"], e["fullUrl"].rpartition("/")[2]) for e in body.get("entry", [])]
        url = next((link["url"].split("/fhir")[1] for link in body["link"] if link["relation"] == "next"), "")
    assert seen == [("DELETE", "h1"), ("PUT", "h0"), ("POST", "h2")]


# resource, and the invariant of R4 it breaks
BROKEN = {
    "pat-1": {"resourceType": "Patient", "contact": [{"gender": "male"}]},
    "obs-6": {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueInteger": 1, "dataAbsentReason": {"text": "x"}},
    "obs-3": {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "referenceRange": [{"age": {"low": {"value": 1}}}]},
    "obs-7": {"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "a"}]}, "valueInteger": 1,
              "component": [{"code": {"coding": [{"code": "a"}]}}]},
    "per-1": {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "period": {"start": "2024-02-01", "end": "2024-01-01"}},
    "qty-3": {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueQuantity": {"value": 1, "code": "mmol/L"}},
    "ext-1": {"resourceType": "Patient", "extension": [{"url": "urn:x"}]},
    "ref-1": {"resourceType": "Patient", "managingOrganization": {"reference": "#nobody"}},
    "con-4": {"resourceType": "Condition", "subject": {"display": "x"}, "abatementDateTime": "2024",
              "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}},
    "bdl-7": {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x", "resource": PATIENT}] * 2},
}  # fmt: skip


@pytest.mark.parametrize("key", BROKEN)
def test_validate_holds_the_invariants_of_r4(fhir, key):
    kind = BROKEN[key]["resourceType"]
    issues = fhir.send("POST", f"/{kind}/$validate", BROKEN[key]).json()["issue"]
    assert any(f" {key} " in i["diagnostics"] and i["code"] == "invariant" for i in issues), issues
    assert not Resource.objects.exists()


def test_validate_says_what_it_did_not_check_and_of_what(fhir):
    fhir.put(PATIENT | {"id": "v"})

    def found(method, path, body=None):
        return [(i["severity"], i["code"]) for i in fhir.send(method, path, body).json()["issue"]]

    fine = [("information", "informational")]
    assert found("GET", "/Patient/v/$validate") == fine
    assert found("POST", "/Patient/v/$validate?mode=update", PATIENT | {"id": "v"}) == fine
    assert found("POST", "/Patient/v/$validate?mode=update", PATIENT | {"id": "w"}) == [("error", "invalid")]
    assert found("POST", "/Observation/$validate", PATIENT) == [("error", "invalid")]
    wrapped = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": PATIENT}, {"name": "profile", "valueUri": "urn:x"}],
    }
    assert found("POST", "/Patient/$validate", wrapped) == [("warning", "not-supported")]
    outcome(fhir.send("POST", "/Patient/$validate?mode=guess", PATIENT), 400, "value")
    assert fhir.send("GET", "/Patient/$validate").status_code == 405
