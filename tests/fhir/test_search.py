# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""What a search finds in a small county; every expectation is worked out on paper."""

from __future__ import annotations

import itertools
import json

import pytest

from healthbrain.access.rules import SYSTEM
from healthbrain.kernel import db
from healthbrain.records.fhir.auth import Caller
from healthbrain.records.fhir.searching import where_of
from healthbrain.records.rules import index, ledger, search_sql
from healthbrain.records.rules.search import parse
from healthbrain.records.rules.search_json import asked, json_of
from healthbrain.records.rules.search_values import PREFIXES
from tests.fhir.small_county import page_through

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.fhir.fhir_urls")]

TABLE = {
    # tokens
    "Patient?identifier=A1": "smith zhang",
    "Patient?identifier=urn:mrn|A1": "zhang",
    "Patient?identifier=|Z9": "zhang",
    "Patient?identifier=urn:mrn|": "wang zhang",
    "Patient?identifier=A1,A2": "smith wang zhang",
    "Patient?gender=female": "smith wang",
    "Patient?gender:not=female": "zhang",
    "Patient?deceased=true": "smith wang",
    "Patient?deceased=false": "zhang",
    "Patient?deceased:not=true": "zhang",
    "Patient?deceased=true&gender=male": "",
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
    "Condition?category:text=problem": "c1",
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
    "Patient?name:contains=SÔNIAN": "smith",
    "Patient?family=smithsonián-jónes": "smith",
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
    "Condition?onset-date:missing=true": "",
    "Patient?birthdate:missing=false": "smith wang zhang",
    "Patient?address:missing=false": "zhang",
    "Patient?organization:missing=true": "smith zhang",
    "Observation?value-quantity:missing=true": "bp t1",
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


@pytest.mark.parametrize(("search", "expected"), TABLE.items(), ids=str)
def test_search(county, search, expected):
    assert county.ids("/" + search) == sorted(expected.split())


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


def test_references_that_name_this_server_or_a_version_are_references_to_the_resource(county):
    """References among what is sent together stay what the bundle says they are (R4 http.html#trules)."""
    here = "http://testserver/fhir"
    for own, subject in (
        ("ab", f"{here}/Patient/zhang"),
        ("vr", "Patient/zhang/_history/1"),
        ("ex", "http://other/fhir/Patient/zhang"),
    ):
        county.put({"resourceType": "Basic", "id": own, "code": {"text": "x"}, "subject": {"reference": subject}})
    assert county.ids("/Basic?subject=Patient/zhang") == ["ab", "vr"]
    assert county.ids(f"/Basic?subject={here}/Patient/zhang") == ["ab", "vr"]
    assert county.ids("/Basic?patient.name=张") == ["ab", "vr"]
    assert county.ids("/Basic?subject=http://other/fhir/Patient/zhang") == ["ex"]
    new = {"resourceType": "Patient", "identifier": [{"system": "urn:new", "value": "1"}]}
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": f"{here}/Patient/mine"}}
    entries = [{"fullUrl": f"{here}/Patient/mine", "resource": new, "request": {"method": "POST", "url": "Patient"}},
               {"resource": basic, "request": {"method": "POST", "url": "Basic"}}]  # fmt: skip
    county.send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    [own] = county.ids("/Patient?identifier=urn:new|1")
    [basic_id] = county.ids(f"/Basic?subject=Patient/{own}")
    for path in ("/Basic/ab", "/Basic/vr", "/Basic/ex", f"/Patient/{own}", f"/Basic/{basic_id}"):
        assert county.send("DELETE", path).status_code == 204


def test_search_by_post(county):
    form = "code=14771-0&value-quantity=gt7"
    response = county.send("POST", "/Observation/_search", form, kind="application/x-www-form-urlencoded")
    assert [e["resource"]["id"] for e in response.json()["entry"]] == ["g1"]
    assert county.send("POST", "/Observation/_search?code=2823-3", "").json()["entry"][0]["resource"]["id"] == "k1"


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


ENDS = [None, "2024", "2024-03", "2024-03-04", "2024-03-05", "2024-03-05T07:00:00+08:00", "2024-03-06T00:00:00+08:00"]
VALUES = [*ENDS[1:], "2024-03-05T07:00", "2025-01-01"]


def stored(number, body):
    """A resource with its tokens and its date, as intake writes them."""
    db.execute(
        """INSERT INTO records_resource (key, type, id, version, updated, source_id, at, content_hash, deleted, tokens, body)
           VALUES (gen_random_uuid(), %s, %s, 1, now(), 1, %s, '', false, %s, %s)""",
        (body["resourceType"], f"own-{number}", ledger.date_of(body), index.tokens(body), json.dumps(body).encode()),
    )


def assert_fast_is_slow(kind, code, values):
    """The columns and tokens find what the resources themselves say, under every comparison."""
    for prefix, value in itertools.product(["", *sorted(PREFIXES)], values):
        asked_for = parse(kind, [(code, prefix + value)]).criteria[0]
        fast, one = search_sql.condition(kind, asked_for)
        slow, two = asked(asked_for.parameter, "", prefix + value, json_of("r"))
        sql = f"SELECT id FROM records_resource r WHERE type = '{kind}' AND id ^@ 'own-' AND coalesce({fast}, false) <> ({slow})"
        assert db.select(sql, [*one, *two]) == [], prefix + value


@pytest.mark.parametrize(("kind", "code", "element"), [
    ("Encounter", "date", "period"), ("Condition", "onset-date", "onsetPeriod"), ("Observation", "date", "effectivePeriod")])  # fmt: skip
def test_periods_by_their_column_are_what_the_resources_themselves_say(county, kind, code, element):
    """Every start with every end, known and not: no difference. A date of another element is none."""
    for number, (start, end) in enumerate(itertools.product(ENDS, ENDS)):
        if start and end and start[: len(end)] > end[: len(start)]:
            continue  # ends before it starts
        period = {name: text for name, text in (("start", start), ("end", end)) if text}
        stored(number, {"resourceType": kind, element: period})
    for other in ("recordedDate", "issued"):
        stored(other, {"resourceType": kind, other: "2024-03-05T08:00:00+08:00"})
    stored(
        "timing",
        {
            "resourceType": "Observation",
            "effectiveTiming": {"event": ["2024-03-05T08:00:00+08:00"]},
            "issued": "2025-01-01T00:00:00Z",
        },
    )
    assert_fast_is_slow(kind, code, VALUES)


def test_dates_of_birth_by_their_tokens_are_what_the_resources_themselves_say(county):
    born = [
        "1923",
        "1923-12",
        "1923-12-31",
        "1924-01-01",
        "1924",
        "1924-02",
        "1924-02-28",
        "1924-02-29",
        "1924-03-01",
        "2024-12-31",
    ]
    for number, text in enumerate([*born, None]):
        stored(number, {"resourceType": "Patient"} | ({"birthDate": text} if text else {}))
    assert_fast_is_slow(
        "Patient", "birthdate", [*born, "1800", "2099-12-31", "1924-02-28T12:00:00+08:00", "1924-02-29T00:00"]
    )


@pytest.mark.parametrize("search", [s for s in TABLE if "." in s.partition("=")[0] or "_has" in s])
def test_a_chain_over_many_finds_what_one_over_few_does(county, search, monkeypatch):
    monkeypatch.setattr(search_sql, "CHAIN_FEW", 0)
    assert county.ids("/" + search) == sorted(TABLE[search].split())
    assert county.get(f"/{search}&_summary=count").json()["total"] == len(TABLE[search].split())
