# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""Search against a small county written out by hand; every expectation is worked out on paper."""

from __future__ import annotations

import pytest

from healthbrain.access.rules import SYSTEM
from healthbrain.kernel import db
from healthbrain.records.fhir.auth import Caller
from healthbrain.records.fhir.searching import where_of
from healthbrain.records.rules.search import parse
from tests.fhir.conftest import Fhir, connected_system

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.fhir.fhir_urls")]

LAB = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}


def observation(own, subject, code, at, value=None, **more):
    made = {
        "resourceType": "Observation",
        "id": own,
        "status": "final",
        "category": [{"coding": [LAB]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": subject},
        "effectiveDateTime": at,
    }
    if value is not None:
        made["valueQuantity"] = {
            "value": value,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        }
    return made | more


ZHANG = {"resourceType": "Patient", "id": "zhang", "identifier": [{"system": "urn:mrn", "value": "A1"}, {"value": "Z9"}],
         "name": [{"text": "张小明", "family": "张", "given": ["小明"]}], "gender": "male", "birthDate": "1950-03-07", "active": True,
         "telecom": [{"system": "phone", "value": "13800000001"}],
         "address": [{"text": "云溪县青石镇和平村1号", "city": "云溪"}]}  # fmt: skip
WANG = {"resourceType": "Patient", "id": "wang", "identifier": [{"system": "urn:mrn", "value": "A2"}],
        "name": [{"text": "王芳", "family": "王", "given": ["芳"]}], "gender": "female", "birthDate": "1950-11-30"}  # fmt: skip
SMITH = {"resourceType": "Patient", "id": "smith", "identifier": [{"system": "urn:other", "value": "A1"}],
         "name": [{"family": "Smithsonian-Jones", "given": ["Chloé"]}], "gender": "female", "birthDate": "1984-02"}  # fmt: skip
COUNTY = [
    {"resourceType": "Organization", "id": "h1", "name": "县人民医院", "identifier": [{"value": "H1"}]},
    ZHANG,
    WANG | {"managingOrganization": {"reference": "Organization/h1"}},
    SMITH,
    observation("g1", "Patient/zhang", "14771-0", "2024-03-05T08:00:00+08:00", 7.2, performer=[{"reference": "Organization/h1"}]),
    observation("g2", "Patient/zhang", "14771-0", "2024-04-05", 5.4),
    observation("g3", "Patient/wang", "14771-0", "2024-04-30T23:30:00+08:00", 5.44, status="preliminary"),
    observation("k1", "Patient/wang", "2823-3", "2023", 4.1),
    observation("t1", "Patient/smith", "2093-3", "2024-04-05T10:00:00Z", valueString="Not Done"),
    observation("bp", "Patient/smith", "85354-9", "2024-05-01", component=[
        {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}, "valueQuantity": {"value": 152, "unit": "mmHg"}},
        {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]}, "valueQuantity": {"value": 88, "unit": "mmHg"}}]),
    {"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/zhang"},
     "period": {"start": "2024-03-05T07:00:00+08:00", "end": "2024-03-06T07:00:00+08:00"}},
    {"resourceType": "Condition", "id": "c1", "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I10"}]},
     "subject": {"reference": "Patient/zhang"}, "onsetDateTime": "2015", "encounter": {"reference": "Encounter/e1"},
     "recordedDate": "2020-06-01"},
    {"resourceType": "Condition", "id": "c2", "code": {"coding": [{"system": "urn:own", "code": "I10"}], "text": "高血压"},
     "subject": {"reference": "Patient/wang"}, "onsetPeriod": {"start": "2019-01-01", "end": "2019-12-31"}},
    {"resourceType": "RiskAssessment", "id": "r1", "status": "final", "subject": {"reference": "Patient/zhang"},
     "prediction": [{"probabilityDecimal": 0.25}]},
]  # fmt: skip

TABLE = {
    # tokens
    "Patient?identifier=A1": "smith zhang",
    "Patient?identifier=urn:mrn|A1": "zhang",
    "Patient?identifier=|Z9": "zhang",
    "Patient?identifier=urn:mrn|": "wang zhang",
    "Patient?identifier=A1,A2": "smith wang zhang",
    "Patient?gender=female": "smith wang",
    "Patient?gender:not=female": "zhang",
    "Patient?active=true": "zhang",
    "Patient?active:missing=true": "smith wang",
    "Patient?phone=13800000001": "zhang",
    "Patient?telecom=13800000001": "zhang",
    "Patient?_id=wang,zhang": "wang zhang",
    "Observation?code=14771-0": "g1 g2 g3",
    "Observation?code=http://loinc.org|14771-0": "g1 g2 g3",
    "Observation?code=urn:x|14771-0": "",
    "Observation?code=14771-0,2823-3": "g1 g2 g3 k1",
    "Observation?code=14771-0&status=final": "g1 g2",
    "Observation?code:not=14771-0": "bp k1 t1",
    "Observation?category=laboratory&subject=Patient/wang": "g3 k1",
    "Observation?component-code=8480-6": "bp",
    "Observation?combo-code=8480-6,2823-3": "bp k1",
    "Condition?code=I10": "c1 c2",
    "Condition?code=http://hl7.org/fhir/sid/icd-10|I10": "c1",
    "Condition?code=urn:own|I10": "c2",
    "Condition?code:text=血压": "c2",
    # references
    "Observation?subject=Patient/zhang": "g1 g2",
    "Observation?subject=zhang": "g1 g2",
    "Observation?patient=zhang": "g1 g2",
    "Observation?patient=Patient/zhang": "g1 g2",
    "Observation?subject:Patient=zhang": "g1 g2",
    "Observation?performer=Organization/h1": "g1",
    "Observation?performer:missing=true&code=14771-0": "g2 g3",
    "Patient?organization=h1": "wang",
    "Condition?encounter=Encounter/e1": "c1",
    # chains
    "Observation?subject.identifier=urn:mrn|A1": "g1 g2",
    "Observation?patient.name=王": "g3 k1",
    "Observation?subject:Patient.birthdate=1984-02": "bp t1",
    "Observation?patient.organization.name=县人民": "g3 k1",
    "Patient?_has:Observation:patient:code=2823-3": "wang",
    "Patient?_has:Condition:patient:code=I10": "wang zhang",
    "Patient?_has:Observation:subject:value-quantity=gt7": "zhang smith",
    # strings
    "Patient?name=张": "zhang",
    "Patient?name=小": "zhang",
    "Patient?family=张": "zhang",
    "Patient?given=张": "",
    "Patient?family=SMITH": "smith",
    "Patient?family=smithsonian-j": "smith",
    "Patient?family=smithsonian-x": "",
    "Patient?given=chloe": "smith",
    "Patient?given:exact=Chloé": "smith",
    "Patient?given:exact=chloé": "",
    "Patient?name:contains=小明": "zhang",
    "Patient?name:contains=JONES": "smith",
    "Patient?address=云溪县": "zhang",
    "Patient?address:contains=和平": "zhang",
    "Patient?address-city=云": "zhang",
    "Patient?name=张,王": "wang zhang",
    # dates on the column: the first moment counts
    "Observation?date=2024-04-05": "g2 t1",
    "Observation?date=2024-04": "g2 g3 t1",
    "Observation?date=2024": "bp g1 g2 g3 t1",
    "Observation?date=ne2024": "k1",
    "Observation?date=ge2024-04-05": "bp g2 g3 t1",
    "Observation?date=gt2024-04-05": "bp g3",
    "Observation?date=lt2024-04": "g1 k1",
    "Observation?date=le2024-04-05&code=14771-0": "g1 g2",
    "Observation?date=sa2024-04-05": "bp g3",
    "Observation?date=eb2024-03-05": "k1",
    "Observation?date=ge2024-03-05&date=lt2024-03-06": "g1",
    "Observation?date=2024-03-05T08:00:00%2B08:00": "g1",
    "Observation?date=2024-03-05T00:00:00Z": "g1",
    "Observation?date=2024-04-05T18:00:00%2B08:00": "t1",
    "Observation?date=2023,2024-05": "bp k1",
    # a period is compared as a period: e1 is from 5 March 07:00 to 6 March 07:00
    "Encounter?date=2024-03-05": "",  # equal means inside, and it ends the day after
    "Encounter?date=2024-03": "e1",
    "Encounter?date=ne2024-03-05": "e1",
    "Encounter?date=gt2024-03-05": "e1",
    "Encounter?date=gt2024-03-06": "",
    "Encounter?date=lt2024-03-05T08:00:00%2B08:00": "e1",
    "Encounter?date=lt2024-03-05": "",
    "Encounter?date=sa2024-03-04": "e1",
    "Encounter?date=sa2024-03-05": "",
    "Encounter?date=eb2024-03-06": "",
    "Encounter?date=eb2024-03-07": "e1",
    "Encounter?date=ap2024-03-04": "e1",  # a day either side
    "Encounter?date=ap2024-03-08": "",
    "Observation?date=ap2024-04-04": "g2 t1",
    "Condition?onset-date=ap2020": "c2",
    # composites: both parts in one element
    "Observation?code-value-quantity=14771-0$gt7": "g1",
    "Observation?code-value-quantity=http://loinc.org|14771-0$lt7": "g2 g3",
    "Observation?code-value-quantity=2823-3$gt4,14771-0$gt7": "g1 k1",
    "Observation?code-value-quantity=8480-6$gt100": "",  # that is a component's code
    "Observation?component-code-value-quantity=8480-6$gt150": "bp",
    "Observation?component-code-value-quantity=8480-6$gt160": "",
    "Observation?component-code-value-quantity=8462-4$gt100": "",
    "Observation?combo-code-value-quantity=8480-6$gt150,14771-0$gt7": "bp g1",
    "Observation?code-value-string=2093-3$not": "t1",
    "Patient?_has:Observation:patient:component-code-value-quantity=8480-6$152": "smith",
    # dates in the resource: ranges are compared
    "Patient?birthdate=1950-03-07": "zhang",
    "Patient?birthdate=1950": "wang zhang",
    "Patient?birthdate=ge1950-11": "smith wang",
    "Patient?birthdate=lt1950-11": "zhang",
    "Patient?birthdate=1950-03,1984-02": "smith zhang",
    "Condition?onset-date=2015": "c1",
    "Condition?onset-date=2019-06-01": "",
    "Condition?onset-date=2019": "c2",
    "Condition?onset-date=le2019-06-01": "c1 c2",
    "Condition?onset-date=gt2019-06-01": "c2",
    "Condition?onset-date=sa2015": "c2",
    "Condition?recorded-date=2020-06": "c1",
    "Condition?recorded-date:missing=true": "c2",
    "Patient?_lastUpdated=lt2000": "",
    "Patient?_lastUpdated=ge2000&gender=male": "zhang",
    # quantities and numbers: 5.4 means 5.35 to 5.45
    "Observation?value-quantity=5.4": "g2 g3",
    "Observation?value-quantity=5.40": "g2",
    "Observation?value-quantity=gt5.4": "bp g1 g3".replace("bp ", ""),
    "Observation?value-quantity=ge5.4": "g1 g2 g3",
    "Observation?value-quantity=lt5": "k1",
    "Observation?value-quantity=ne5.4": "g1 k1",
    "Observation?value-quantity=ap5": "g2 g3",
    "Observation?value-quantity=7.2|http://unitsofmeasure.org|mmol/L": "g1",
    "Observation?value-quantity=7.2||mmol/L": "g1",
    "Observation?value-quantity=7.2||mg/dL": "",
    "Observation?component-value-quantity=gt150": "bp",
    "Observation?combo-value-quantity=gt7": "bp g1",
    "Observation?value-string=not": "t1",
    "RiskAssessment?probability=0.25": "r1",
    "RiskAssessment?probability=gt0.3": "",
}
TABLE["Patient?_has:Observation:subject:value-quantity=gt7"] = "zhang"
TABLE["Observation?value-quantity=gt5.4"] = "g1 g3"


@pytest.fixture(scope="module")
def county(django_db_setup, django_db_blocker):
    """The county, stored once for all searches of this module, taken away at its end."""
    from django.core.management import call_command

    with django_db_blocker.unblock():
        connected_system("token-of-the-search", code="SEARCH")
        client = Fhir("token-of-the-search")
        content = [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in COUNTY
        ]
        response = client.send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": content})
        assert response.status_code == 200, response.content
        yield client
        call_command("flush", verbosity=0, interactive=False)


@pytest.mark.parametrize(("search", "expected"), TABLE.items(), ids=str)
def test_search(county, search, expected):
    assert county.ids("/" + search) == sorted(expected.split())


def page_through(client, path):
    found, url = [], path
    while url:
        body = client.get(url).json()
        found.append([e["resource"]["id"] for e in body.get("entry", [])])
        url = next((link["url"].split("/fhir")[1] for link in body["link"] if link["relation"] == "next"), "")
    return found


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


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("?_type=Patient,Condition&_lastUpdated=ge2000", "c1 c2 smith wang zhang"),
        ("?_type=Observation,Condition,Encounter&patient=zhang", "c1 e1 g1 g2"),
        ("?_type=Condition,Encounter&subject.identifier=urn:mrn|A1", "c1 e1"),
        ("?_type=Observation&code-value-quantity=14771-0$gt7", "g1"),
        ("?_id=zhang,g1", "g1 zhang"),
        ("?_type=Observation,RiskAssessment&_id=r1,zhang", "r1"),
    ],
)
def test_search_over_types(county, search, expected):
    assert county.ids(search) == sorted(expected.split())
    form = search[1:].replace("|", "%7C").replace("$", "%24")
    posted = county.send("POST", "/_search", form, kind="application/x-www-form-urlencoded").json()
    assert sorted(e["resource"]["id"] for e in posted["entry"]) == sorted(expected.split())


def test_search_over_types_pages_and_refuses_what_one_type_does_not_know(county):
    pages = page_through(county, "?_type=Patient,Observation&_sort=-_lastUpdated&_count=4")
    assert sorted(own for page in pages for own in page) == sorted(
        ["bp", "g1", "g2", "g3", "k1", "t1", "smith", "wang", "zhang"]
    )
    strict = county.get("?_type=Patient,Observation&code=x", Prefer="handling=strict")
    assert (strict.status_code, strict.json()["issue"][0]["code"]) == (400, "not-supported")


# What may never be passed over: the answer would be to another question.
REFUSED = ["value-string:sounds=x", "subject:foo=1", "_sort=colour", "_include=Observation:colour", "_summary=short", "_count=-1",
           "_count=" + "9" * 5000 + "x", "_revinclude:up=Patient:link", "subject.colour=1", "_has:Observation:colour:code=1",
           "code-value-quantity=14771-0", "code-value-quantity=14771-0$gt7$x", "code-value-quantity=$gt7", "code=,",
           "date=2024-02-30", "date=20240230", "_cursor=WzFd", "_cursor=WyJhIiwxXQ", "_summary=text&_include=Observation:subject",
           "value-quantity=1e999", "value-quantity=NaN", "_total=most", "code:in=urn:x", "_filter=code eq x", "_content=x", "_list=x"]  # fmt: skip


@pytest.mark.parametrize("asked", REFUSED)
@pytest.mark.parametrize("handling", ["lenient", "strict"])
def test_refused_in_either_handling(county, asked, handling):
    response = county.get(f"/Observation?{asked}", Prefer=f"handling={handling}")
    assert response.status_code == 400, response.content
    assert response.json()["resourceType"] == "OperationOutcome"


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
        "_summary=true": {"identifier", "name", "gender", "birthDate", "link"},
        "_summary=text": {"text"},
        "_summary=data": {"identifier", "name", "gender", "birthDate", "link", "contact", "maritalStatus"},
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
    assert county.get("/Observation?patient=zhang&_count=1").json()["total"] == 2
    [found] = county.get("/Patient?_id=zhang&_elements=gender").json()["entry"]
    assert set(found["resource"]) == {"resourceType", "id", "meta", "gender"}
    assert found["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_search_by_post(county):
    form = "code=14771-0&value-quantity=gt7"
    response = county.send("POST", "/Observation/_search", form, kind="application/x-www-form-urlencoded")
    assert [e["resource"]["id"] for e in response.json()["entry"]] == ["g1"]
    assert county.send("POST", "/Observation/_search?code=2823-3", "").json()["entry"][0]["resource"]["id"] == "k1"


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


def test_a_search_for_one_person_uses_the_token_index(county):
    """Among 20,000 results, by the planner's own choice."""
    db.execute(
        """INSERT INTO records_resource (key, type, id, version, updated, source_id, at, content_hash, deleted, tokens, body)
           SELECT gen_random_uuid(), 'Observation', 'x' || n, 1, now(), (SELECT min(id) FROM county_source), now(), '', false,
                  ARRAY['code=loinc|14771-0', 'status=final', 'subject=Patient/x' || n %% 2000], '{}'
           FROM generate_series(1, 20000) n"""
    )
    db.execute("ANALYZE records_resource")
    where, params = where_of(Caller(SYSTEM, "x"), parse("Observation", [("patient", "x7"), ("code", "14771-0")]))
    sql = f"EXPLAIN SELECT * FROM records_resource r WHERE {where} ORDER BY r.key::text LIMIT 21"
    plan = "\n".join(row[0] for row in db.select(sql, params))
    assert "Bitmap Index Scan on resource_tokens" in plan
