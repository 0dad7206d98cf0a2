# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""$everything, $match, and the compartment of one patient."""

from __future__ import annotations

import pytest

from tests.fhir.conftest import Fhir, connected_system
from tests.fhir.small_county import ZHANG, observation, page_through

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.fhir.fhir_urls")]


def test_compartment_is_the_search_about_one_patient(county):
    here = county.ids("/Patient/zhang/Observation")
    assert here
    assert here == county.ids("/Observation?patient=zhang")
    assert county.get("/Patient/zhang/Nonsense").status_code == 404


def test_everything_and_match(county):
    everything = county.get("/Patient/zhang/$everything").json()["entry"]
    found = sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in everything)
    assert found == ["Condition/c1", "Encounter/e1", "Observation/g1", "Observation/g2", "Organization/h1", "Patient/zhang",
                     "RiskAssessment/r1"]  # fmt: skip
    only = county.get("/Patient/zhang/$everything?_type=Observation&start=2024-04-01").json()["entry"]
    assert [e["resource"]["id"] for e in only] == ["g2"]
    pages = page_through(county, "/Patient/zhang/$everything?_count=2&_type=Observation,Condition,Encounter,Patient")
    assert sorted(own for page in pages for own in page) == ["c1", "e1", "g1", "g2", "zhang"]
    # a later page asks the same question: dates of care in March and April 2024, and what has no date
    for bounds in ("start=2024-03-01&end=2024-04-30", "_since=2000-01-01&start=2024-03-01&end=2024-04"):
        pages = page_through(county, f"/Patient/zhang/$everything?_count=1&{bounds}")
        assert sorted({own for page in pages for own in page}) == ["e1", "g1", "g2", "h1", "r1", "zhang"]
    posted = {
        "resourceType": "Parameters",
        "parameter": [{"name": "_count", "valueInteger": 2}, {"name": "_type", "valueCode": "Observation"}],
    }
    assert len(county.send("POST", "/Patient/zhang/$everything", posted).json()["entry"]) == 2
    for wrong in ("_type=Nonsense", "start=2024-13", "_count=-1", "_cursor=zz"):
        assert county.get(f"/Patient/zhang/$everything?{wrong}").status_code == 400
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": {k: v for k, v in ZHANG.items() if k != "id"}}],
    }
    best = county.send("POST", "/Patient/$match", asked).json()["entry"][0]
    assert best["resource"]["id"] == "zhang"
    assert best["search"]["score"] > 0.5
    assert best["search"]["extension"][0]["valueCode"] in {"certain", "probable"}

    def ask(**more):
        asked["parameter"][1:] = [{"name": name, **value} for name, value in more.items()]
        return county.send("POST", "/Patient/$match", asked)

    certain = ask(onlyCertainMatches={"valueBoolean": True}, count={"valueInteger": 1}).json()
    assert all(e["search"]["extension"][0]["valueCode"] == "certain" for e in certain.get("entry", []))
    assert len(ask(count={"valueInteger": 1}).json()["entry"]) == 1
    for wrong in ({"valueInteger": 0}, {"valueInteger": -1}, {"valueString": "x"}):
        assert ask(count=wrong).status_code == 400
    for parameter in (
        {"name": ["resource"]},
        {"name": "resource", "resource": {"resourceType": "Patient", "name": "x"}},
        5,
    ):
        wrong = {"resourceType": "Parameters", "parameter": [parameter]}
        assert county.send("POST", "/Patient/$match", wrong).status_code == 400
    endless = {"resourceType": "Patient", "name": [{"text": "王" * 100_000}], "birthDate": "0001-01-01"}
    assert county.send("POST", "/Patient/$match", endless).status_code == 200


def test_merged_identities_are_read_together(county):
    """Two Patients of two sources that are one person by ID number: $everything of either shows both."""
    number = [{"system": "urn:oid:2.16.156.10011.1.3", "value": "330199195807126511"}]
    person = {"name": [{"text": "李建国"}], "gender": "male", "birthDate": "1958-07-12", "identifier": number}
    connected_system("token-of-another", code="OTHER")
    other = Fhir("token-of-another")
    for client, own in ((county, "li-1"), (other, "li-2")):
        assert client.put({"resourceType": "Patient", "id": own} | person).status_code == 201
        assert client.put(observation(f"o-{own}", f"Patient/{own}", "14771-0", "2024-01-01", 5)).status_code == 201
    for own in ("li-1", "li-2"):
        entries = county.get(f"/Patient/{own}/$everything").json()["entry"]
        assert sorted(e["resource"]["id"] for e in entries) == ["li-1", "li-2", "o-li-1", "o-li-2"]
