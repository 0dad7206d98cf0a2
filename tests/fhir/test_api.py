"""The FHIR API by hand: status codes, headers, versions, conditions, errors."""

from __future__ import annotations

import pytest

from healthbrain.audit.models import AuditEvent
from healthbrain.kernel import db
from tests.fhir.conftest import Fhir, connected_system

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.fhir.fhir_urls")]

PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:mrn", "value": "17"}],
    "name": [{"text": "张小明", "family": "张", "given": ["小明"]}],
    "gender": "male",
    "birthDate": "1950-03-07",
}


def outcome(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith("application/fhir+json")
    body = response.json()
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"][0]["code"] == code
    assert body["issue"][0]["severity"] in {"error", "fatal"}
    return body


def test_life_of_a_resource(fhir):
    made = fhir.send("POST", "/Patient", PATIENT | {"id": "ignored"})
    assert made.status_code == 201
    own = made.json()["id"]
    assert own != "ignored"
    assert made["ETag"] == 'W/"1"'
    assert made["Location"].endswith(f"/fhir/Patient/{own}/_history/1")

    read = fhir.get(f"/Patient/{own}")
    assert read.status_code == 200
    assert read["ETag"] == 'W/"1"'
    assert read.json()["meta"]["versionId"] == "1"
    assert {k: v for k, v in read.json().items() if k not in {"id", "meta"}} == PATIENT
    assert fhir.get(f"/Patient/{own}", If_None_Match='W/"1"').status_code == 304

    changed = fhir.put(PATIENT | {"id": own, "gender": "female"}, If_Match='W/"1"')
    assert (changed.status_code, changed["ETag"]) == (200, 'W/"2"')
    outcome(fhir.put(PATIENT | {"id": own}, If_Match='W/"1"'), 412, "conflict")
    assert fhir.get(f"/Patient/{own}/_history/1").json()["gender"] == "male"
    assert fhir.get(f"/Patient/{own}/_history/2").json()["gender"] == "female"
    outcome(fhir.get(f"/Patient/{own}/_history/9"), 404, "not-found")

    gone = fhir.send("DELETE", f"/Patient/{own}")
    assert (gone.status_code, gone.content) == (204, b"")
    outcome(fhir.get(f"/Patient/{own}"), 410, "deleted")
    assert fhir.send("DELETE", f"/Patient/{own}").status_code == 204
    assert fhir.ids("/Patient?identifier=17") == []
    assert fhir.get(f"/Patient/{own}/_history/1").status_code == 200

    back = fhir.put(PATIENT | {"id": own})
    assert (back.status_code, back["ETag"]) == (201, 'W/"4"')
    history = fhir.get(f"/Patient/{own}/_history").json()
    assert history["type"] == "history"
    assert [e["request"]["method"] for e in history["entry"]] == ["PUT", "DELETE", "PUT", "POST"]
    assert "resource" not in history["entry"][1]


@pytest.mark.parametrize(("at", "versions"), [
    ("2024-01", []), ("2024-02-01", ["1"]), ("2024-02", ["1"]), ("2024-03-10T12:00:00%2B08:00", ["1"]),
    ("2024-03-10", ["2", "1"]), ("2024-03-11", ["2"]), ("2024-05", ["3", "2"]), ("2025", ["3"]),
    ("2024", ["3", "2", "1"]),
])  # fmt: skip
def test_history_says_which_version_held_at_a_time(fhir, at, versions):
    for gender in ("male", "female", "other"):
        fhir.put({"resourceType": "Patient", "id": "h", "gender": gender})
    days = {1: "2024-02-01", 2: "2024-03-10T20:00", 3: "2024-05-20"}
    for table in ("records_resource", "records_resourceversion"):
        for version, day in days.items():
            db.execute(f"UPDATE {table} SET updated = %s WHERE version = %s", (f"{day}+08:00", version))
    for path in ("/Patient/h/_history", "/Patient/_history"):
        found = fhir.get(f"{path}?_at={at}").json().get("entry", [])
        assert [e["resource"]["meta"]["versionId"] for e in found] == versions


def test_update_creates_and_the_same_content_again_is_no_new_version(fhir):
    first = fhir.put(PATIENT | {"id": "p-1"})
    assert (first.status_code, first["ETag"]) == (201, 'W/"1"')
    again = fhir.put(PATIENT | {"id": "p-1"})
    assert (again.status_code, again["ETag"]) == (200, 'W/"1"')


def test_conditional_create_update_delete(fhir):
    first = fhir.send("POST", "/Patient", PATIENT, If_None_Exist="identifier=urn:mrn|17")
    second = fhir.send("POST", "/Patient", PATIENT, If_None_Exist="identifier=urn:mrn|17")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    changed = fhir.send("PUT", "/Patient?identifier=urn:mrn|17", PATIENT | {"gender": "female"})
    assert (changed.status_code, changed.json()["id"], changed["ETag"]) == (200, first.json()["id"], 'W/"2"')
    new = fhir.send(
        "PUT", "/Patient?identifier=urn:mrn|18", PATIENT | {"identifier": [{"system": "urn:mrn", "value": "18"}]}
    )
    assert new.status_code == 201
    outcome(fhir.send("PUT", "/Patient?birthdate=1950-03-07", PATIENT), 412, "multiple-matches")
    outcome(fhir.send("PUT", "/Patient", PATIENT), 400, "invalid")
    assert fhir.send("DELETE", "/Patient?identifier=urn:mrn|18").status_code == 204
    outcome(fhir.get(f"/Patient/{new.json()['id']}"), 410, "deleted")


def test_patches(fhir):
    fhir.put(PATIENT | {"id": "p-2"})
    operations = [
        {"op": "test", "path": "/gender", "value": "male"},
        {"op": "replace", "path": "/gender", "value": "female"},
        {"op": "add", "path": "/name/0/given/-", "value": "二"},
        {"op": "remove", "path": "/birthDate"},
    ]
    done = fhir.send("PATCH", "/Patient/p-2", operations, kind="application/json-patch+json")
    assert (done.status_code, done["ETag"]) == (200, 'W/"2"')
    assert done.json()["gender"] == "female"
    assert done.json()["name"][0]["given"] == ["小明", "二"]
    assert "birthDate" not in done.json()
    outcome(fhir.send("PATCH", "/Patient/p-2", operations, kind="application/json-patch+json"), 422, "processing")
    merged = fhir.send(
        "PATCH", "/Patient/p-2", {"birthDate": "1951", "gender": None}, kind="application/merge-patch+json"
    )
    assert merged.json()["birthDate"] == "1951"
    assert "gender" not in merged.json()
    outcome(
        fhir.send("PATCH", "/Patient/p-2", {"gender": "x"}, kind="application/merge-patch+json"), 422, "code-invalid"
    )
    outcome(fhir.send("PATCH", "/Patient/p-2", "<x/>", kind="application/xml"), 415, "not-supported")
    fhirpath = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": []}]}
    outcome(fhir.send("PATCH", "/Patient/p-2", fhirpath), 415, "not-supported")


OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}

# method, path, body, content type, status, issue code
ERRORS = [
    ("GET", "/Patient/none", None, "", 404, "not-found"),
    ("GET", "/Nonsense/1", None, "", 404, "not-supported"),
    ("GET", "/Nonsense", None, "", 404, "not-supported"),
    ("GET", "/Patient/1/2/3/4", None, "", 404, "not-found"),
    ("GET", "/Patient/1/$nonsense", None, "", 404, "not-found"),
    ("PUT", "", {}, "application/fhir+json", 405, "not-supported"),
    ("POST", "/metadata", {}, "application/fhir+json", 405, "not-supported"),
    ("POST", "/Patient", b"{", "application/fhir+json", 400, "structure"),
    ("POST", "/Patient", b"", "application/fhir+json", 400, "required"),
    ("POST", "/Patient", b'{"resourceType":"Patient","na', "application/fhir+json", 400, "structure"),
    ("POST", "/Patient", b"[" * 2000 + b"]" * 2000, "application/fhir+json", 400, "too-long"),
    ("POST", "/Patient", ("[" * 300 + "]" * 300).encode(), "application/fhir+json", 400, "too-long"),
    ("POST", "/Patient", b"{}", "application/fhir+json", 400, "not-supported"),
    ("POST", "/Patient", b'{"resourceType":"Patient","name":"x"}', "application/fhir+json", 400, "structure"),
    ("POST", "/Patient", OBSERVATION, "application/fhir+json", 400, "invalid"),
    ("POST", "/Patient", {"resourceType": "Patient", "gender": "M"}, "application/fhir+json", 422, "code-invalid"),
    ("POST", "/Patient", "<Patient/>", "application/fhir+xml", 415, "not-supported"),
    (
        "PUT",
        "/Patient/a",
        {"resourceType": "Patient", "id": "b", "active": True},
        "application/fhir+json",
        400,
        "invalid",
    ),
    ("PUT", "/Patient/" + "x" * 65, {"resourceType": "Patient", "id": "x" * 65}, "application/fhir+json", 422, "value"),
    ("GET", "?_type=Nonsense", None, "", 400, "invalid"),
    ("GET", "/Patient?name=", None, "", 400, "invalid"),
    ("GET", "/Patient?birthdate=2024-13", None, "", 400, "invalid"),
    ("GET", "/Patient?_count=many", None, "", 400, "invalid"),
    ("GET", "/Patient?_cursor=zzz", None, "", 400, "invalid"),
    ("GET", "/Patient?name:sounds=x", None, "", 400, "not-supported"),
    ("GET", "/Observation?value-quantity=gtx", None, "", 400, "invalid"),
    ("GET", "/Observation?subject.colour=red", None, "", 400, "not-supported"),
    ("GET", "/Patient?_format=xml", None, "", 406, "not-supported"),
    ("POST", "", {"resourceType": "Patient"}, "application/fhir+json", 400, "invalid"),
    ("POST", "", {"resourceType": "Bundle", "type": "collection"}, "application/fhir+json", 422, "processing"),
    (
        "POST",
        "",
        {"resourceType": "Bundle", "type": "transaction", "entry": [{}]},
        "application/fhir+json",
        400,
        "required",
    ),
    ("DELETE", "/Patient/none", None, "", 404, "not-found"),
    ("GET", "/Patient/none/$everything", None, "", 404, "not-found"),
    ("POST", "/Patient/$match", {"resourceType": "Parameters"}, "application/fhir+json", 400, "required"),
]


@pytest.mark.parametrize(("method", "path", "body", "kind", "status", "code"), ERRORS)
def test_every_error_is_an_operation_outcome(fhir, method, path, body, kind, status, code):
    outcome(fhir.send(method, path, body, kind=kind), status, code)


def test_a_compartment_holds_what_speaks_of_patients(fhir):
    fhir.put(PATIENT | {"id": "c-1"})
    fhir.put({"resourceType": "Organization", "id": "c-2", "name": "x"})
    assert fhir.get("/Patient/c-1/Encounter").json()["total"] == 0
    outcome(fhir.get("/Patient/c-1/Organization"), 404, "not-supported")


def test_a_client_that_has_it_is_not_sent_it_again(fhir):
    made = fhir.put(PATIENT | {"id": "m-1"})
    assert fhir.get("/Patient/m-1", If_Modified_Since=made["Last-Modified"]).status_code == 304
    assert fhir.get("/Patient/m-1", If_Modified_Since="Sun, 01 Nov 2020 00:00:00 GMT").status_code == 200
    assert fhir.get("/Patient/m-1", If_Modified_Since="yesterday").status_code == 200
    assert fhir.get("/Patient/m-1", If_Modified_Since=made["Last-Modified"], If_None_Match='W/"7"').status_code == 200


def test_who_may_ask(system):
    refused = Fhir(token="").get("/Patient")
    outcome(refused, 401, "login")
    assert refused["WWW-Authenticate"].startswith("Bearer")
    outcome(Fhir(token="wrong").get("/Patient"), 401, "login")
    outcome(Fhir(token="").get("/no/such/long/address/here"), 401, "login")
    connected_system("token-of-a-doctor", role="village_doctor", code="V1")
    outcome(Fhir(token="token-of-a-doctor").get("/Patient"), 403, "forbidden")
    assert Fhir(token="").get("/metadata").status_code == 200


def test_a_look_is_one_audit_event_with_the_ids(fhir):
    fhir.put(PATIENT | {"id": "p-3"})
    before = AuditEvent.objects.count()
    fhir.get("/Patient?identifier=17")
    fhir.get("/Patient/p-3")
    events = list(AuditEvent.objects.order_by("id")[before:])
    assert [e.action for e in events] == ["fhir.search", "fhir.read"]
    assert all(e.detail["ids"] == ["Patient/p-3"] for e in events)
    assert len({e.resident_id for e in events}) == 1
    assert events[0].resident_id is not None


def test_prefer_and_handling(fhir):
    made = fhir.put(PATIENT | {"id": "p-4"}, Prefer="return=minimal")
    assert (made.status_code, made.content) == (201, b"")
    assert made["Location"].endswith("/Patient/p-4/_history/1")
    odd = {"resourceType": "Patient", "id": "p-5", "gender": "M"}
    assert fhir.put(odd).status_code == 422
    assert fhir.put(odd, Prefer="handling=lenient").status_code == 201
    outcome(fhir.get("/Patient?colour=red&gender=M", Prefer="handling=strict"), 400, "not-supported")
    found = fhir.get("/Patient?colour=red&gender=M").json()  # the default: passed over, and said so
    assert "colour" not in found["link"][0]["url"]
    assert [e["search"]["mode"] for e in found["entry"]] == ["match", "outcome"]
    assert "colour" in found["entry"][1]["resource"]["issue"][0]["diagnostics"]


def entry(method, url, resource=None, full_url=None, **request):
    made = {"request": {"method": method, "url": url} | request}
    return made | ({"resource": resource} if resource else {}) | ({"fullUrl": full_url} if full_url else {})


def glucose(subject, **more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "14771-0"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2024-03-05",
        "valueQuantity": {"value": 7.2, "unit": "mmol/L"},
    } | more


def test_transaction_of_plain_creates_resolves_references(fhir):
    patient, result = "urn:uuid:00000000-0000-4000-8000-000000000001", "urn:uuid:00000000-0000-4000-8000-000000000002"
    content = [entry("POST", "Patient", PATIENT, patient), entry("POST", "Observation", glucose(patient), result)]
    response = fhir.send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": content})
    assert response.status_code == 200, response.content
    body = response.json()
    assert body["type"] == "transaction-response"
    assert [e["response"]["status"][:3] for e in body["entry"]] == ["201", "201"]
    own = body["entry"][0]["response"]["location"].split("Patient/")[1].split("/")[0]
    assert len(fhir.ids(f"/Observation?subject=Patient/{own}&code=14771-0")) == 1


def test_transaction_with_conditions_is_all_or_nothing(fhir):
    fhir.put(PATIENT | {"id": "p-6"})
    patient = "urn:uuid:00000000-0000-4000-8000-000000000003"
    good = [
        entry("GET", "Patient?identifier=17"),
        entry("POST", "Observation", glucose(patient)),
        entry("POST", "Patient", PATIENT, patient, ifNoneExist="identifier=urn:mrn|17"),
        entry("PUT", "Patient/p-7", PATIENT | {"id": "p-7", "identifier": [{"value": "7"}]}),
    ]
    response = fhir.send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": good})
    assert response.status_code == 200, response.content
    statuses = [e["response"]["status"] for e in response.json()["entry"]]
    assert statuses == ["200", "201", "200", "201"]
    assert response.json()["entry"][0]["resource"]["total"] == 1
    assert len(fhir.ids("/Observation?patient=p-6")) == 1

    bad = [entry("DELETE", "Patient/p-7"), entry("PUT", "Patient/p-8", PATIENT | {"id": "p-9"})]
    body = outcome(
        fhir.send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": bad}), 400, "invalid"
    )
    assert body["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert fhir.get("/Patient/p-7").status_code == 200
    assert fhir.get("/Patient/p-8").status_code == 404


def test_batch_reports_entry_by_entry(fhir):
    content = [
        entry("PUT", "Patient/p-10", PATIENT | {"id": "p-10"}),
        entry("GET", "Patient/none"),
        entry("GET", "Patient/p-10"),
        entry("PATCH", "Patient/p-10"),
        entry("DELETE", "Patient/p-10"),
        entry("POST", "Nonsense", {"resourceType": "Nonsense"}),
    ]
    response = fhir.send("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": content})
    assert response.status_code == 200
    found = response.json()["entry"]
    assert [e["response"]["status"] for e in found] == ["201", "404", "200", "422", "204", "404"]
    assert found[1]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert found[2]["resource"]["id"] == "p-10"


def test_type_history_pages_to_the_end(fhir):
    for n in range(5):
        fhir.put(PATIENT | {"id": f"h-{n}"})
        fhir.put(PATIENT | {"id": f"h-{n}", "gender": "female"})
    seen, url = [], "/Patient/_history?_count=3"
    while url:
        body = fhir.get(url).json()
        seen += [(e["resource"]["id"], e["resource"]["meta"]["versionId"]) for e in body["entry"]]
        url = next((link["url"].split("/fhir")[1] for link in body["link"] if link["relation"] == "next"), "")
    assert sorted(seen) == sorted((f"h-{n}", v) for n in range(5) for v in ("1", "2"))


def test_validate_and_metadata(fhir):
    good = fhir.send("POST", "/Patient/$validate", PATIENT).json()
    assert [i["severity"] for i in good["issue"]] == ["information"]
    bad = fhir.send("POST", "/Patient/$validate", PATIENT | {"gender": "M"}).json()
    assert bad["issue"][0]["expression"] == ["Patient.gender"]
    statement = fhir.get("/metadata").json()
    assert statement["fhirVersion"] == "4.0.1"
    assert (
        fhir.send("POST", "/CapabilityStatement/$validate", statement).json()["issue"][0]["severity"] == "information"
    )
    kinds = {r["type"]: r for r in statement["rest"][0]["resource"]}
    assert len(kinds) == 148 - 2
    assert {"name", "identifier", "birthdate", "_id"} <= {p["name"] for p in kinds["Patient"]["searchParam"]}
