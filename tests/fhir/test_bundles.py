# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""POST /fhir by people who read the standard, and by people who did not."""

from __future__ import annotations

import pytest

from tests.fhir.test_api import OBSERVATION, PATIENT, entry, glucose, outcome

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.fhir.fhir_urls")]

PERSON = "urn:uuid:00000000-0000-4000-8000-00000000000a"


def send(fhir, *entries, kind="transaction", **headers):
    return fhir.send("POST", "", {"resourceType": "Bundle", "type": kind, "entry": list(entries)}, **headers)


def basic(own, text="x"):
    return {"resourceType": "Basic", "id": own, "code": {"text": text}}


# what a transaction refuses as a whole: entries, status, issue code, number of the entry that is named
REFUSED = {
    "a fullUrl used twice": ([entry("POST", "Patient", PATIENT, PERSON), entry("POST", "Patient", PATIENT, PERSON)], 400, "duplicate", 1),
    "one resource put twice": ([entry("PUT", "Basic/a", basic("a")), entry("PUT", "Basic/a", basic("a", "y"))], 400, "duplicate", 1),
    "put and deleted": ([entry("PUT", "Basic/a", basic("a")), entry("DELETE", "Basic/a")], 400, "duplicate", 1),
    "another id than the url": ([entry("PUT", "Basic/a", basic("b"))], 400, "invalid", 0),
    "another type than the url": ([entry("PUT", "Observation/a", PATIENT)], 400, "invalid", 0),
    "another type than created": ([entry("POST", "Observation", PATIENT)], 400, "invalid", 0),
    "a create with an id": ([entry("POST", "Patient/a", PATIENT)], 400, "invalid", 0),
    "an update of nothing": ([entry("PUT", "Patient", PATIENT)], 400, "required", 0),
    "no url": ([entry("POST", "", PATIENT)], 400, "invalid", 0),
    "no resource": ([entry("POST", "Patient")], 400, "required", 0),
    "no object": ([5], 400, "required", 0),
    "a method nobody knows": ([entry("MERGE", "Patient", PATIENT)], 400, "required", 0),
    "a way out of the house": ([entry("PUT", "Patient/../x", PATIENT)], 422, "structure", None),
    "a reference that asks and finds nobody": ([entry("POST", "Observation", glucose("Patient?identifier=urn:mrn|none"))], 412, "not-found", 0),
    "a reference that asks what nobody knows": ([entry("POST", "Observation", glucose("Patient?colour=red"))], 400, "not-supported", 0),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_transaction_that_makes_no_sense_is_refused_and_says_where(fhir, what):
    entries, status, code, number = REFUSED[what]
    good = entry("PUT", "Basic/good", basic("good"))
    body = outcome(send(fhir, *entries, good), status, code)
    if number is not None:
        assert body["issue"][0]["expression"] == [f"Bundle.entry[{number}]"]
    assert fhir.get("/Basic/good").status_code == 404


@pytest.mark.parametrize("kind", [["transaction"], None, "collection", 5])
def test_a_bundle_of_another_type(fhir, kind):
    outcome(send(fhir, entry("POST", "Patient", PATIENT), kind=kind), 422, "processing")


def test_references_that_ask_are_resolved_once_and_for_all(fhir):
    fhir.put(PATIENT | {"id": "asked"})
    asking = glucose("Patient?identifier=urn:mrn|17")
    with_delete = [
        entry("POST", "Observation", asking | {"identifier": [{"value": "2"}]}),
        entry("DELETE", "Basic/none?x"),
    ]
    assert send(fhir, entry("POST", "Observation", asking)).status_code == 200
    assert send(fhir, with_delete[0], entry("GET", "Patient/asked")).status_code == 200  # the way entry by entry too
    assert len(fhir.ids("/Observation?patient=asked")) == 2
    fhir.put(PATIENT | {"id": "second"})
    outcome(send(fhir, entry("POST", "Observation", asking)), 412, "multiple-matches")


def test_urls_may_be_absolute_or_start_with_a_slash(fhir):
    urls = ("http://testserver/fhir/Basic/u1", "/Basic/u2")
    answer = send(fhir, *(entry("PUT", url, basic(url[-2:])) for url in urls))
    assert answer.status_code == 200, answer.content
    assert fhir.ids("/Basic?_id=u1,u2") == ["u1", "u2"]


def test_what_is_not_valid_is_kept_unless_the_client_is_strict(fhir):
    odd = entry("PUT", "Patient/odd", PATIENT | {"id": "odd", "gender": "M"})
    outcome(send(fhir, odd, Prefer="handling=strict"), 422, "code-invalid")
    assert fhir.get("/Patient/odd").status_code == 404
    assert send(fhir, odd).status_code == 200
    assert fhir.get("/Patient/odd").json()["gender"] == "M"


def test_each_entry_of_a_batch_stands_for_itself(fhir):
    fhir.put(PATIENT | {"id": "b"})
    fhir.put(glucose("Patient/b", id="g"))
    tried = [
        (5, "400"),
        ({"request": {}}, "400"),
        (entry("PUT", "Basic/x", basic("y")), "400"),
        (entry("POST", "Patient", {"resourceType": "Patient", "name": "x"}), "400"),
        (entry("PUT", "Patient/b", PATIENT | {"id": "b"}, ifMatch='W/"9"'), "412"),
        (entry("DELETE", "Basic?code=none"), "204"),
        (entry("GET", "Patient/none"), "404"),
        (entry("GET", "Nonsense"), "404"),
        (entry("GET", "Patient?gender=male&name:sounds=x"), "400"),
        (entry("GET", "Patient/b/_history"), "200"),
        (entry("GET", "Patient/_history?_count=1"), "200"),
        (entry("GET", "_history?_count=1"), "200"),
        (entry("GET", "?_type=Patient,Observation"), "200"),
        (entry("GET", "Patient/b/$everything"), "200"),
        (entry("GET", "Patient/b/Observation"), "200"),
        (entry("GET", "Patient/b/_history/1"), "200"),
        (entry("GET", "Patient/b", ifNoneMatch='W/"1"'), "304"),
        (entry("POST", "Patient/$match", PATIENT), "200"),
    ]
    answer = send(fhir, *(e for e, _ in tried), kind="batch")
    assert answer.status_code == 200, answer.content
    responses = answer.json()["entry"]
    assert [r["response"]["status"] for r in responses] == [status for _, status in tried]
    assert all(r["response"]["outcome"]["issue"] for r in responses if r["response"]["status"] >= "4")
    found = {number: responses[number]["resource"] for number in (9, 12, 13, 14)}
    assert [len(found[n]["entry"]) for n in (9, 13, 14)] == [1, 2, 1]
    assert {e["resource"]["resourceType"] for e in found[12]["entry"]} == {"Patient", "Observation"}


def test_ten_thousand_entries_go_in_whole(fhir):
    entries = [entry("POST", "Basic", {"resourceType": "Basic", "identifier": [{"value": str(n)}], "code": {"text": "x"}})
               for n in range(10_000)]  # fmt: skip
    answer = send(fhir, *entries)
    assert answer.status_code == 200
    assert fhir.get("/Basic?_summary=count").json()["total"] == 10_000
    many = send(fhir, *(entry("GET", "Basic?_count=1") for _ in range(2001)), kind="batch")
    outcome(many, 413, "too-costly")


def test_circles_end(fhir):
    """Organisations that are part of each other, and contained ones that are."""
    pair = [entry("PUT", f"Organization/{a}", {"resourceType": "Organization", "id": a, "name": a,
                                              "partOf": {"reference": f"Organization/{b}"}})
            for a, b in (("c1", "c2"), ("c2", "c1"))]  # fmt: skip
    assert send(fhir, *pair).status_code == 200
    asked = "/Organization?_id=c1&_include:iterate=Organization:partof&_revinclude:iterate=Organization:partof"
    assert sorted(e["resource"]["id"] for e in fhir.get(asked).json()["entry"]) == ["c1", "c2"]
    contained = [
        {"resourceType": "Organization", "id": a, "partOf": {"reference": f"#{b}"}}
        for a, b in (("o1", "o2"), ("o2", "o1"))
    ]
    made = fhir.send(
        "POST", "/Observation", OBSERVATION | {"contained": contained, "performer": [{"reference": "#o1"}]}
    )
    assert made.status_code == 201
    assert (
        len(
            fhir.get(f"/Observation?_id={made.json()['id']}&_include=*&_include:iterate=Organization:partof").json()[
                "entry"
            ]
        )
        == 1
    )
    assert fhir.get(f"/Observation/{made.json()['id']}/$validate").status_code == 200
