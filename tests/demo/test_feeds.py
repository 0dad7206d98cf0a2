"""The feeds: standard enough for a public library, and dirty in every way that was planted."""

from __future__ import annotations

from datetime import timedelta

import orjson
import polars as pl
import pytest
from fhir.resources.R4B import get_fhir_model_class

from tests.demo.small_county import AS_OF, is_utf8

KINDS = {
    "homophone",
    "look-alike",
    "order-swap",
    "birth-swap",
    "id-15",
    "id-missing",
    "id-typo",
    "phone-reuse",
    "mothers-id",
}
BAD = {
    "impossible-date",
    "empty-code",
    "text-for-number",
    "no-person",
    "future-date",
    "wrong-sex-code",
    "impossible-birth",
}


def test_bundles_are_fhir_r4_and_their_references_resolve(small):
    bundles = sorted(small.glob("feeds/*/HIS01/visit-*.json"))
    assert len(bundles) > 50
    for path in bundles[:40]:
        bundle = orjson.loads(path.read_bytes())
        get_fhir_model_class("Bundle").model_validate(bundle)
        own = {entry["fullUrl"] for entry in bundle["entry"]}
        assert len(own) == len(bundle["entry"])
        assert bundle["entry"][0]["resource"]["resourceType"] == "Patient"
        for entry in bundle["entry"]:
            resource = entry["resource"]
            for name in ("subject", "encounter"):
                if name in resource:
                    assert resource[name]["reference"] in own
            assert entry["request"] == {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}


@pytest.mark.parametrize("kind", ["Patient", "Encounter", "Observation", "Condition", "MedicationRequest", "Procedure"])
def test_bulk_files_are_fhir_r4(small, kind):
    lines = [line for path in small.glob(f"feeds/*/HIS01/{kind}-*.ndjson") for line in path.read_bytes().splitlines()]
    assert lines
    for line in lines[:60]:
        resource = orjson.loads(line)
        get_fhir_model_class(kind).model_validate(resource)
        assert resource["meta"]["source"] == "HIS01"


def test_referred_people_reached_the_hospital(small):
    """A completed ServiceRequest after the reading that asked for it; the newest stand in bundles."""
    found = [
        entry["resource"]
        for path in small.glob("feeds/*/HIS01/visit-*.json")
        for entry in orjson.loads(path.read_bytes())["entry"]
        if entry["resource"]["resourceType"] == "ServiceRequest"
    ]
    assert len(found) >= 3
    for resource in found:
        get_fhir_model_class("ServiceRequest").model_validate(resource)
        assert resource["code"]["coding"][0]["code"] in {"referral", "urgent-referral"}


def test_every_bulk_subject_has_its_patient(small):
    folder = next(small.glob("feeds/*/HIS01"))
    patients = {orjson.loads(line)["id"] for p in folder.glob("Patient-*") for line in p.read_bytes().splitlines()}
    for path in folder.glob("Observation-*.ndjson"):
        for line in path.read_bytes().splitlines():
            assert orjson.loads(line)["subject"]["reference"].removeprefix("Patient/") in patients


def messages(small, source: str) -> list[list[list[str]]]:
    text = "".join(p.read_bytes().decode() for p in sorted(small.glob(f"feeds/*/{source}/*.hl7")))
    assert "\n" not in text
    parts = [f"MSH{part}" for part in text.split("MSH") if part]
    return [[segment.split("|") for segment in part.split("\r") if segment] for part in parts]


def test_laboratory_messages(small, truth):
    found = messages(small, "LIS01")
    kinds = {message[0][8] for message in found}
    assert {"ADT^A04", "ADT^A31", "ORU^R01"} <= kinds
    ids = set(truth("identities").filter(pl.col("source") == "LIS01")["source_id"])
    for message in found:
        head, person = message[0], next(s for s in message if s[0] == "PID")
        assert head[1] == "^~\\&"
        assert head[2] == "LIS01"
        assert head[11] == "2.4"
        assert person[3].split("^")[0] in ids
        assert len(person[7]) == 8
        if head[8] == "ORU^R01":
            results = [s for s in message if s[0] == "OBX"]
            assert results
            for result in results:
                assert float(result[5]) > 0
                assert result[11] == "F"


def test_old_ward_system_admits(small):
    assert "ADT^A01" in {message[0][8] for message in messages(small, "IPD01")}


def test_the_hospital_with_hl7_only(tmp_path):
    """From 10,000 residents on there is a second, older hospital: HL7v2 for everything."""
    from healthbrain.demo import generate

    generate(tmp_path, residents=10_000, seed=2, as_of=AS_OF)
    kinds = {message[0][8] for message in messages(tmp_path, "HIS02")}
    assert {"ADT^A01", "ADT^A04", "ADT^A08", "ORU^R01"} <= kinds
    assert not list(tmp_path.glob("feeds/*/HIS02/*.json"))


def test_every_kind_of_duplicate_is_planted(truth):
    errors = truth("duplicates")["errors"].str.split("+").explode()
    assert KINDS <= set(errors) <= KINDS | {"none"}
    assert (truth("duplicates")["errors"] == "none").mean() < 0.02


def test_duplicates_are_second_registrations_of_one_person(truth, sheet):
    rows, identities = truth("duplicates"), truth("identities")
    owner = dict(identities.select(pl.concat_str("source", "source_id"), "person").iter_rows())
    for source, twin, original, person in rows.select("source", "source_id", "of_source_id", "person").iter_rows():
        assert twin != original
        assert owner[source + twin] == owner[source + original] == person


def test_a_newborn_carries_its_mothers_number(truth, sheet):
    rows = truth("duplicates").filter(pl.col("errors").str.contains("mothers-id"), pl.col("source") == "PH")
    people = {p["person"]: p for p in truth("people").iter_rows(named=True)}
    persons = {r["source_id"]: r for r in sheet("persons", "PH").iter_rows(named=True)}
    assert rows.height >= 1
    for twin, person in rows.select("source_id", "person").iter_rows():
        mother = people[people[person]["mother"]]
        assert persons[twin]["id_number"] == mother["id_number"]
        assert persons[twin]["name"] in {mother["name"] + "之子", mother["name"] + "之女"}


def test_dirty_values_and_units(truth):
    rows = truth("dirty_values")
    assert set(rows["dirt"]) == {"implausible", "mixed-unit-declared", "mixed-unit-undeclared"}
    sugar = rows.filter(pl.col("code") == "14771-0", pl.col("dirt") == "mixed-unit-declared")
    assert sugar["unit"].unique().to_list() == ["mg/dL"]
    assert sugar["value"].cast(pl.Float64).min() > 60  # 3.9 mmol/L is 70 mg/dL
    systolic = rows.filter(pl.col("code") == "8480-6", pl.col("dirt") == "implausible")
    assert systolic["value"].cast(pl.Float64).min() > 300


def test_bad_rows_stand_where_the_labels_say(small, truth):
    labels = truth("bad_rows")
    assert set(labels["kind"]) == BAD
    wrong = {
        "impossible-date": lambda r: "20260230" in r or "2026-02-30" in r,
        "empty-code": lambda r: ',"",' in r or ",," in r,
        "text-for-number": lambda r: "偏高" in r,
        "no-person": lambda r: r.split(",")[1] in {"", '""'},
        "future-date": lambda r: "2099-" in r,
        "wrong-sex-code": lambda r: r.split(",")[3] == "5",
        "impossible-birth": lambda r: "20260230" in r,
    }
    for source, name, line, kind in labels.iter_rows():
        path = next(small.glob(f"feeds/*/{source}/{name}"))
        text = path.read_text("utf-8" if is_utf8(path) else "gbk").splitlines()
        assert wrong[kind](text[line - 1]), (name, line, kind)


def test_late_and_repeated_rows(small, sheet, truth):
    assert truth("late")["late"].min() >= 4
    assert list(small.glob("feeds/*/PH/observations-*-late.csv"))
    rows = sheet("observations", "PH").drop("file")
    assert rows.height - rows.unique().height >= 20
    assert list(small.glob("feeds/*/HIS01/visit-*-again.json")) or truth("repeated").filter(source="HIS01").height


def test_one_centre_fell_silent_and_one_never_spoke(small, truth):
    organisations = pl.read_csv(small / "register" / "organisations.csv")
    absent = organisations.filter(~pl.col("connected"))
    assert absent.height == 1
    assert not (small / "feeds" / absent["code"][0]).exists()
    dark = pl.read_csv(next(small.glob("feeds/*/CHC01/encounters-000.csv")))
    last = dark["start"].max()
    assert last < (AS_OF - timedelta(days=2)).isoformat()
    reasons = truth("withheld")["reason"].value_counts()
    assert set(reasons["reason"]) == {"silent", "not-connected"}


def test_one_file_is_gbk_and_one_is_a_workbook(small):
    assert not is_utf8(next(small.glob("feeds/*/CHC01/persons-000.csv")))
    from python_calamine import CalamineWorkbook

    rows = (
        CalamineWorkbook.from_path(next(small.glob("feeds/*/PH/procedures-000.xlsx"))).get_sheet_by_index(0).to_python()
    )
    assert rows[0] == ["source", "source_id", "code", "performed", "organisation"]
    assert len(rows) > 5


def test_most_people_are_known_to_two_to_four_sources(truth):
    known = truth("identities").filter(~pl.col("duplicate")).group_by("person").agg(pl.col("source").n_unique())
    assert known["source"].is_between(2, 4).mean() > 0.7


def test_registers_hang_together(small, truth):
    def read(name: str) -> pl.DataFrame:
        return pl.read_csv(small / "register" / f"{name}.csv", infer_schema=False)

    organisations, places, teams, sources, contracts = map(
        read, ("organisations", "places", "teams", "sources", "contracts")
    )
    codes = set(organisations["code"])
    assert set(organisations["parent_code"].drop_nulls()) <= codes
    assert set(places["organisation_code"]) <= codes
    assert set(teams["organisation_code"]) <= codes
    assert set(sources["organisation_code"]) <= codes
    assert set(contracts["team_code"]) <= set(teams["code"])
    owned = truth("identities").select("source", "source_id")
    assert contracts.join(owned, on=["source", "source_id"], how="anti").is_empty()
    towns = places.filter(pl.col("code").str.len_chars() == 9)
    assert towns.select("tile_x", "tile_y").is_unique().all()
