"""The CapabilityStatement is a promise: each interaction, parameter, include and operation it states is tried."""

from __future__ import annotations

import pytest

from tests.fhir.conftest import Fhir

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.fhir.fhir_urls")]

COMMON = ["AllergyIntolerance", "Bundle", "Condition", "DiagnosticReport", "DocumentReference", "Encounter", "Group",
          "Immunization", "Location", "MedicationRequest", "Observation", "Organization", "Parameters", "Patient",
          "Practitioner", "Procedure", "QuestionnaireResponse", "RiskAssessment", "ServiceRequest", "Task"]  # fmt: skip
SAMPLES = {"token": "a|b", "reference": "Patient/x", "date": "ge2024-01", "string": "ab", "quantity": "gt5",
           "number": "5", "uri": "urn:x"}  # fmt: skip
LENIENT = {"Prefer": "handling=lenient"}
STRICT = {"Prefer": "handling=strict"}


@pytest.fixture(scope="module")
def statement(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return Fhir(token="").get("/metadata").json()


def stated(statement, kind):
    return next(r for r in statement["rest"][0]["resource"] if r["type"] == kind)


def sample(parameter):
    if parameter["type"] == "composite":
        return {"code-value-date": "a$2024"}.get(parameter["name"], "a$5$5" if "window" in parameter["name"] else "a$5")
    return SAMPLES[parameter["type"]]


def try_interactions(fhir, kind, interactions):
    """Each stated interaction by the verb R4 gives it; returns those tried."""
    made = fhir.send("POST", f"/{kind}", {"resourceType": kind, "language": "zh"}, **LENIENT)
    own = made.json()["id"]
    here = f"/{kind}/{own}"
    patch = [{"op": "replace", "path": "/language", "value": "en"}]
    answers = {
        "create": (made.status_code, 201),
        "read": (fhir.get(here).status_code, 200),
        "update": (fhir.put({"resourceType": kind, "id": own, "language": "ja"}, **LENIENT).status_code, 200),
        "patch": (fhir.send("PATCH", here, patch, kind="application/json-patch+json", **LENIENT).status_code, 200),
        "vread": (fhir.get(f"{here}/_history/1").json()["language"], "zh"),
        "search-type": (fhir.ids(f"/{kind}?_id={own}"), [own]),
        "history-instance": (len(fhir.get(f"{here}/_history").json()["entry"]), 3),
        "history-type": (len(fhir.get(f"/{kind}/_history").json()["entry"]), 3),
        "delete": (fhir.send("DELETE", here).status_code, 204),
    }
    assert {name: got for name, (got, _) in answers.items()} == {name: want for name, (_, want) in answers.items()}
    assert {i["code"] for i in interactions} == set(answers)


def try_parameters(fhir, resource):
    kind = resource["type"]
    for start in range(0, len(resource["searchParam"]), 6):  # several at a time: each must be read, run and kept
        some = resource["searchParam"][start : start + 6]
        asked = "&".join(f"{p['name']}={sample(p)}" for p in some)
        response = fhir.get(f"/{kind}?{asked}", **STRICT)
        assert response.status_code == 200, (asked, response.content)
        assert response.json()["total"] == 0 if "total" in response.json() else True
    includes = "&".join(f"_include={name}" for name in resource.get("searchInclude", []))
    back = "&".join(f"_revinclude={name}" for name in resource.get("searchRevInclude", []))
    response = fhir.get(f"/{kind}?{includes}&{back}", **STRICT)
    assert response.status_code == 200, response.content


@pytest.mark.parametrize("kind", COMMON)
def test_what_is_stated_of_a_type_is_done(fhir, statement, kind):
    resource = stated(statement, kind)
    try_interactions(fhir, kind, resource["interaction"])
    try_parameters(fhir, resource)


@pytest.mark.slow
def test_what_is_stated_of_every_type_is_done(fhir, statement):
    for resource in statement["rest"][0]["resource"]:
        try_interactions(fhir, resource["type"], resource["interaction"])
        try_parameters(fhir, resource)


def test_conditions_formats_and_operations_are_as_stated(fhir, statement):
    patient = stated(statement, "Patient")
    assert {key: patient[key] for key in ("conditionalCreate", "conditionalUpdate", "updateCreate", "readHistory")} == (
        dict.fromkeys(("conditionalCreate", "conditionalUpdate", "updateCreate", "readHistory"), True)
    )
    body = {"resourceType": "Patient", "identifier": [{"system": "urn:c", "value": "1"}]}
    assert fhir.send("POST", "/Patient", body, If_None_Exist="identifier=urn:c|1").status_code == 201
    again = fhir.send("POST", "/Patient", body, If_None_Exist="identifier=urn:c|1")
    assert again.status_code == 200
    own = again.json()["id"]
    assert patient["conditionalRead"] == "full-support"
    assert fhir.get(f"/Patient/{own}", If_None_Match='W/"1"').status_code == 304
    assert fhir.send("PUT", "/Patient?identifier=urn:c|1", body | {"active": True}).status_code == 200
    for form, patch in zip(
        statement["patchFormat"], ([{"op": "remove", "path": "/active"}], {"active": True}), strict=True
    ):
        assert fhir.send("PATCH", f"/Patient/{own}", patch, kind=form).status_code == 200
    for form in statement["format"]:
        assert fhir.get("/Patient", Accept=form if "/" in form else "*/*").status_code == 200
        assert fhir.get(f"/Patient?_format={form.replace('+', '%2B')}").status_code == 200
    assert {o["name"] for o in patient["operation"]} == {"match", "everything", "validate"}
    assert fhir.send("POST", "/Patient/$match", body).status_code == 200
    assert fhir.get(f"/Patient/{own}/$everything").status_code == 200
    assert fhir.send("POST", "/Patient/$validate", body).status_code == 200
    assert patient["conditionalDelete"] == "single"
    assert fhir.send("DELETE", "/Patient?identifier=urn:c|1").status_code == 204


def test_system_interactions_are_as_stated(fhir, statement):
    rest = statement["rest"][0]
    assert [i["code"] for i in rest["interaction"]] == ["transaction", "batch", "search-system", "history-system"]
    for kind in ("transaction", "batch"):
        entry = {
            "resource": {"resourceType": "Basic", "code": {"text": kind}},
            "request": {"method": "POST", "url": "Basic"},
        }
        answer = fhir.send("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]}).json()
        assert answer["entry"][0]["response"]["status"].startswith("201")
    asked = "&".join(f"{p['name']}={SAMPLES[p['type']]}" for p in rest["searchParam"])
    assert fhir.get(f"?{asked}", **STRICT).status_code == 200
    assert len(fhir.get("/_history?_count=1").json()["entry"]) == 1


def test_the_statement_is_valid_and_its_modes_differ(fhir, statement):
    for kind, asked in (
        ("CapabilityStatement", ""),
        ("CapabilityStatement", "?mode=normative"),
        ("TerminologyCapabilities", "?mode=terminology"),
    ):
        found = Fhir(token="").get(f"/metadata{asked}").json()
        assert found["resourceType"] == kind
        checked = fhir.send("POST", f"/{kind}/$validate", found).json()
        assert [i["severity"] for i in checked["issue"]] == ["information"], checked
    normative = Fhir(token="").get("/metadata?mode=normative").json()["rest"][0]["resource"]
    assert (
        {"Patient", "Observation"}
        <= {r["type"] for r in normative}
        < {r["type"] for r in statement["rest"][0]["resource"]}
    )
    assert Fhir(token="").get("/metadata?mode=both").status_code == 400
    assert len(statement["rest"][0]["resource"]) == 146


def test_another_version_of_fhir_is_refused(system):
    client = Fhir()
    assert client.get("/metadata", Accept="application/fhir+json; fhirVersion=3.0").status_code == 406
    assert client.get("/metadata", Accept="application/fhir+json; fhirVersion=4.0").status_code == 200
    body = b'{"resourceType":"Patient"}'
    assert client.send("POST", "/Patient", body, kind="application/fhir+json; fhirVersion=5.0").status_code == 415
