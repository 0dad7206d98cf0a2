"""Who sees whom: role × purpose × place."""

from __future__ import annotations

import datetime as dt

import pytest

from healthbrain.access.gate import page, require, scope_sql, visible
from healthbrain.access.models import Account
from healthbrain.access.roles import PERMISSIONS, ROLES
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.county.models import Organisation, Team
from healthbrain.kernel.clock import today
from healthbrain.kernel.errors import NotAllowed
from healthbrain.residents.models import Contract, Resident


@pytest.fixture
def county(db):
    """County /1/ with two townships, one village each; one resident at each village and one without a place."""
    made = {}
    for code, parent in (
        ("county", None),
        ("east", "county"),
        ("east-1", "east"),
        ("west", "county"),
        ("west-1", "west"),
    ):
        upper = made.get(parent)
        organisation = Organisation.objects.create(code=code, name=code, kind="village", parent=upper, path=f"?{code}")
        organisation.path = f"{upper.path if upper else '/'}{organisation.pk}/"
        organisation.save()
        made[code] = organisation
    for name in ("east-1", "west-1"):
        Resident.objects.create(name=name, home_organisation=made[name])
    Resident.objects.create(name="nowhere")
    return made


def actor(role: str, organisation: Organisation, resident_id: int | None = None) -> Actor:
    return Actor(
        account_id=1,
        name="x",
        role=role,
        organisation_id=organisation.pk,
        path=organisation.path,
        resident_id=resident_id,
    )


def test_whoever_signed_with_a_team_is_its_resident_while_the_contract_runs(county):
    team = Team.objects.create(code="T", name="东浦团队", organisation=county["east-1"])
    person, day = Resident.objects.get(name="west-1"), today()
    doctor = actor("village_doctor", county["east-1"])

    def seen() -> list[str]:
        return sorted(visible(Resident.objects.all(), doctor, "public-health").values_list("name", flat=True))

    contract = Contract.objects.create(resident=person, team=team, starts=day - dt.timedelta(365), ends=day)
    assert seen() == ["east-1", "west-1"]
    assert not visible(Resident.objects.filter(name="nowhere"), doctor, "public-health").exists()
    contract.ends = day - dt.timedelta(1)
    contract.save()
    assert seen() == ["east-1"]


# role, works at, purpose → residents it sees
CASES = [
    ("village_doctor", "east-1", "public-health", ["east-1"]),
    ("village_doctor", "west-1", "treatment", ["west-1"]),
    ("township_doctor", "east", "public-health", ["east-1"]),
    ("hospital_doctor", "west", "public-health", ["west-1"]),
    ("hospital_doctor", "west", "treatment", ["east-1", "nowhere", "west-1"]),
    ("steward", "county", "data-quality", ["east-1", "nowhere", "west-1"]),
    ("bureau", "county", "quality", ["east-1", "nowhere", "west-1"]),
]


@pytest.mark.parametrize(("role", "place", "purpose", "expected"), CASES)
def test_visible_rows(county, role: str, place: str, purpose: str, expected: list[str]) -> None:
    who = actor(role, county[place])
    assert sorted(visible(Resident.objects.all(), who, purpose).values_list("name", flat=True)) == expected


@pytest.mark.parametrize(("role", "place", "purpose", "expected"), CASES)
def test_scope_sql_says_the_same(county, role: str, place: str, purpose: str, expected: list[str]) -> None:
    from healthbrain.kernel.db import select

    condition, params = scope_sql(actor(role, county[place]), purpose, "coalesce(o.path, '')")
    rows = select(
        "SELECT r.name FROM residents_resident r LEFT JOIN county_organisation o ON o.id = r.home_organisation_id "
        f"WHERE {condition} ORDER BY r.name",
        params,
    )
    assert [name for (name,) in rows] == expected


def test_a_sibling_whose_id_begins_alike_is_not_in_scope(county) -> None:
    """/1/2/ must not open /1/21/."""
    who = Actor(account_id=1, name="x", role="village_doctor", organisation_id=2, path="/1/2/")
    other = Organisation.objects.create(code="x", name="x", kind="village", path="/1/21/")
    Resident.objects.create(name="sibling", home_organisation=other)
    assert not visible(Resident.objects.filter(name="sibling"), who, "treatment").exists()


def test_a_resident_sees_only_himself(county) -> None:
    me = Resident.objects.get(name="east-1")
    who = actor("resident", county["county"], me.pk)
    assert list(visible(Resident.objects.all(), who, "self")) == [me]


def test_no_purpose_no_rows(county) -> None:
    with pytest.raises(NotAllowed):
        visible(Resident.objects.all(), actor("steward", county["county"]), "curiosity")


def test_a_model_without_scope_cannot_pass(county) -> None:
    with pytest.raises(LookupError):
        visible(Account.objects.all(), actor("steward", county["county"]), "quality")


def test_separation_of_duties() -> None:
    """GB/T 22239-2019 8.1.4: who manages accounts sees no record; who reads the log manages nothing."""
    assert ROLES["administrator"].permissions == {"accounts.manage"}
    assert ROLES["auditor"].permissions == {"audit.read"}


def test_every_permission_of_a_role_is_a_known_one() -> None:
    for role in ROLES.values():
        assert role.permissions <= PERMISSIONS.keys(), role.key
        assert role.held_by.endswith((".", "。"))


def test_require() -> None:
    require(SYSTEM, "fhir.write")
    with pytest.raises(NotAllowed):
        require(Actor(account_id=1, name="x", role="bureau", organisation_id=1, path="/1/"), "care.work")
    with pytest.raises(NotAllowed):
        require(Actor(account_id=1, name="x", role="former", organisation_id=1, path="/1/"), "care.work")


def test_a_page_with_a_misspelt_permission_does_not_load() -> None:
    with pytest.raises(LookupError):
        page(permission="care.wrok")
