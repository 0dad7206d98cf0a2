# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""How an answer comes: order, pages, what is included, how much of each resource."""

from __future__ import annotations

import pytest

from tests.fhir.small_county import SMITH, observation, page_through

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.fhir.fhir_urls")]


@pytest.mark.parametrize(
    ("path", "pages"),
    [
        ("/Observation?_sort=date&_count=4", [["k1", "g1", "g2", "t1"], ["g3", "bp"]]),
        ("/Observation?_sort=-date&_count=2", [["bp", "g3"], ["t1", "g2"], ["g1", "k1"]]),
        ("/Patient?_sort=birthdate&_count=2", [["zhang", "wang"], ["smith"]]),
        ("/Patient?_sort=-gender,birthdate&_count=1", [["zhang"], ["wang"], ["smith"]]),
        ("/Observation?code=14771-0&_sort=-value-quantity&_count=2", [["g1", "g3"], ["g2"]]),
        ("/Observation?subject=Patient/zhang&_sort=_id", [["g1", "g2"]]),
    ],
)
def test_sort_and_pages(county, path, pages):
    assert page_through(county, path) == pages


@pytest.mark.parametrize("down", [False, True])
def test_pages_by_birth_show_everybody_in_order(county, down):
    """Known by year or month only, in one year, in years nobody counts with, and not at all: those come last."""
    born = ["1951", "1951-03", "1951-03-02", "1951-03-09", "1951-04-01", "1984-02-01", "1984-03-01"]
    last = [None, "1750-01-01"]
    for number, text in enumerate([*born, *last]):
        county.put(
            {"resourceType": "Patient", "id": f"b{number}", "active": True} | ({"birthDate": text} if text else {})
        )
    everybody = [
        ["zhang", "1950-03-07"],
        ["wang", "1950-11-30"],
        ["smith", "1984-02"],
        *([f"b{n}", t] for n, t in enumerate(born)),
    ]
    expected = [own for own, text in sorted(everybody, key=lambda row: row[1], reverse=down)]
    try:
        for count in (1, 2, 50):
            sort = "-birthdate" if down else "birthdate"
            found = [own for page in page_through(county, f"/Patient?_sort={sort}&_count={count}") for own in page]
            assert found[: len(expected)] == expected
            assert sorted(found[len(expected) :]) == ["b7", "b8"]
    finally:
        for number in range(len(born) + len(last)):
            county.send("DELETE", f"/Patient/b{number}")


@pytest.mark.parametrize("extra", ["", "&_sort=_lastUpdated", "&patient=wang,zhang", "&_sort=status"])
def test_pages_without_a_useful_order_still_show_each_once(county, extra):
    expected = {"bp", "g1", "g2", "g3", "k1", "t1"} if "patient" not in extra else {"g1", "g2", "g3", "k1"}
    pages = page_through(county, f"/Observation?_count=2{extra}")
    assert sorted(own for page in pages for own in page) == sorted(expected)
    assert all(len(page) <= 2 for page in pages)


def included(client, path):
    entries = client.get(path).json().get("entry", [])
    return sorted(f"{e['search']['mode'][0]}:{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries)


def test_include_and_revinclude(county):
    assert included(county, "/Observation?_id=g1&_include=Observation:subject&_include=Observation:performer") == [
        "i:Organization/h1", "i:Patient/zhang", "m:Observation/g1"]  # fmt: skip
    assert included(county, "/Observation?_id=g1&_include=Observation:subject:Group") == ["m:Observation/g1"]
    assert included(county, "/Patient?_id=zhang&_revinclude=Condition:patient&_revinclude=Encounter:subject") == [
        "i:Condition/c1", "i:Encounter/e1", "m:Patient/zhang"]  # fmt: skip
    assert included(county, "/Observation?_id=k1&_include=Observation:subject&_include:iterate=Patient:organization") == [
        "i:Organization/h1", "i:Patient/wang", "m:Observation/k1"]  # fmt: skip


def test_wildcard_includes(county):
    assert included(county, "/Observation?_id=g1&_include=Observation:*") == [
        "i:Organization/h1", "i:Patient/zhang", "m:Observation/g1"]  # fmt: skip
    assert included(county, "/Condition?_id=c1&_include=*") == ["i:Encounter/e1", "i:Patient/zhang", "m:Condition/c1"]
    assert included(county, "/Encounter?_id=e1&_revinclude=Condition:*") == ["i:Condition/c1", "m:Encounter/e1"]
    everything = included(county, "/Patient?_id=zhang&_revinclude=*")
    assert everything == ["i:Condition/c1", "i:Encounter/e1", "i:Observation/g1", "i:Observation/g2",
                          "i:RiskAssessment/r1", "m:Patient/zhang"]  # fmt: skip


def test_pages_stay_true_while_others_write(county):
    """New rows neither shift nor repeat what a client is paging through."""
    for extra in ("", "&_sort=-date"):
        first = county.get(f"/Observation?_count=2&status=final{extra}").json()
        seen = [e["resource"]["id"] for e in first["entry"]]
        for n, at in enumerate(("1999-01-01", "2024-04-01", "2030-01-01")):
            county.put(observation(f"new-{n}{extra[-4:]}", "Patient/wang", "1-1", at))
        url = next(link["url"] for link in first["link"] if link["relation"] == "next").split("/fhir")[1]
        seen += [own for page in page_through(county, url) for own in page]
        assert len(seen) == len(set(seen))
        assert {"bp", "g1", "g2", "k1", "t1"} <= set(seen)
        for n in range(3):
            county.send("DELETE", f"/Observation/new-{n}{extra[-4:]}")


def test_summaries(county):
    """R4 search.html#summary, of a Patient whose definition marks contact and communication as no summary."""
    county.put({**SMITH, "id": "sum", "text": {"status": "generated", "div": "<div>x</div>"}, "maritalStatus": {"text": "m"},
                "contact": [{"name": {"text": "c"}}], "link": [{"other": {"reference": "Patient/smith"}, "type": "seealso"}]})  # fmt: skip
    kept = {"id", "meta", "resourceType"}
    expected = {
        "_summary=true": {"identifier", "name", "gender", "birthDate", "deceasedBoolean", "link"},
        "_summary=text": {"text"},
        "_summary=data": {
            "identifier",
            "name",
            "gender",
            "birthDate",
            "deceasedBoolean",
            "link",
            "contact",
            "maritalStatus",
        },
        "_elements=gender,maritalStatus": {"gender", "maritalStatus"},
    }
    for asked, elements in expected.items():
        [found] = county.get(f"/Patient?_id=sum&{asked}").json()["entry"]
        for resource in (found["resource"], county.get(f"/Patient/sum?{asked}").json()):
            assert set(resource) == kept | elements, asked
            assert resource["meta"]["tag"][-1]["code"] == "SUBSETTED"
    whole = county.get("/Patient/sum?_summary=false").json()
    assert "tag" not in whole["meta"]
    assert {"text", "contact"} <= set(whole)
    result = county.get("/Observation/bp?_elements=subject").json()
    assert set(result) == kept | {"subject", "status", "code"}  # required elements are never left out
    assert county.get("/Patient/sum?_summary=count").status_code == 400
    county.send("DELETE", "/Patient/sum")


def test_total_elements_summary(county):
    assert county.get("/Observation?_summary=count").json() | {"link": 0} == {
        "resourceType": "Bundle", "type": "searchset", "total": 6, "link": 0}  # fmt: skip
    assert county.get("/Observation?_count=0").json()["total"] == 6
    assert county.get("/Observation?_count=2&_total=accurate").json()["total"] == 6
    assert "total" not in county.get("/Observation?_count=2&_total=none").json()
    assert county.get("/Observation?_summary=count&_total=none").json()["total"] == 6
    assert county.get("/Observation?patient=zhang&_count=1").json()["total"] == 2
    [found] = county.get("/Patient?_id=zhang&_elements=gender").json()["entry"]
    assert set(found["resource"]) == {"resourceType", "id", "meta", "gender"}
    assert found["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
