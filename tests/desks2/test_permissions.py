"""Role × page: who gets in. Written out, so that a change of a role shows here."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.sweep.walk import costs, crawl

from .conftest import text_of

# page → roles that may see it; everybody else gets 403, a stranger the sign-in page
CARE = {"village_doctor", "township_doctor"}
READERS = CARE | {"hospital_doctor", "steward"}
PAGES = {
    "/find": READERS,
    "/residents/{east}": READERS,
    "/residents/{east}?view=who": READERS,
    "/county": {"township_doctor", "bureau", "steward"},
    "/county/definition/rate": {"township_doctor", "bureau", "steward"},
    "/county/export/feeds.xlsx": {"township_doctor", "bureau", "steward"},
    "/county/list?measure=hypertension.enrolled": {"township_doctor", "bureau"},
    "/county/list?measure=hypertension.enrolled&export=xlsx": {"township_doctor", "bureau"},
    "/steward": {"steward"},
    "/steward/rejects": {"steward"},
    "/steward/reviews": {"steward"},
    "/steward/residents/{east}": {"steward"},
    "/steward/quarantine": {"steward"},
    "/steward/upload": {"steward"},
    "/thresholds": {"township_doctor", "hospital_doctor", "bureau", "steward"},
    "/administrator": {"administrator"},
    "/administrator/accounts/new": {"administrator"},
    "/administrator/roles": {"administrator"},
    "/administrator/audit": {"auditor"},
}
ROLES = (
    "village_doctor",
    "township_doctor",
    "hospital_doctor",
    "bureau",
    "steward",
    "administrator",
    "auditor",
    "resident",
)


@pytest.mark.parametrize("role", ROLES)
def test_role_by_page(county, sign_in, role):
    client = sign_in(role)
    client.post("/find/purpose", {"purpose": "treatment"})
    got = {page: client.get(page.format(east=county.east.pk)).status_code for page in PAGES}
    assert got == {page: 200 if role in roles else 403 for page, roles in PAGES.items()}


@pytest.mark.parametrize("role", ROLES)
def test_no_page_a_role_reaches_asks_much_of_the_database(sign_in, county, batch, role):
    """Neither many questions nor one a row; tests.sweep does the same over a whole demo county."""
    client = sign_in(role)
    client.post("/find/purpose", {"purpose": "treatment"})
    visited = crawl(role, client)
    assert len(visited) >= 3
    assert costs(visited) == []


def test_a_stranger_is_sent_to_sign_in(county, client):
    for page in PAGES:
        answer = client.get(page.format(east=county.east.pk))
        assert (answer.status_code, answer.url.split("?")[0]) == (302, "/sign-in"), page


POSTS = {
    "/steward/reviews/1/decide": {"steward"},
    "/steward/residents/{east}/unmerge": {"steward"},
    "/steward/batches/1/rollback": {"steward"},
    "/administrator/accounts/1/unlock": {"administrator"},
    "/administrator/audit/verify": {"auditor"},
    "/residents/{east}/break-glass": CARE | {"hospital_doctor"},
}


@pytest.mark.parametrize("role", ROLES)
def test_role_by_change(county, sign_in, role):
    client = sign_in(role)
    for address, roles in POSTS.items():
        status = client.post(address.format(east=county.east.pk), {}).status_code
        assert (status != 403) == (role in roles), (address, status)


def test_changes_are_posts(county, sign_in):
    client = sign_in("steward")
    for address in (
        "/steward/reviews/1/decide",
        "/steward/batches/1/rollback",
        f"/steward/residents/{county.east.pk}/merge",
    ):
        assert client.get(address).status_code == 405


def test_what_cannot_be_shown_says_what_to_do_in_the_readers_language(county, sign_in, monkeypatch):
    """No bare page of the framework: a wrong address, a stale form, a fault of ours, a refusal."""
    client = sign_in("village_doctor")
    client.raise_request_exception = False
    monkeypatch.setattr("healthbrain.desks.common.home_of", lambda actor: 1 / 0)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    for status, answer in (
        (404, client.get("/no/such/page")),
        (500, client.get("/")),
        (403, strict.post("/account/password", {})),
    ):
        assert answer.status_code == status
        page = text_of(answer)
        assert re.search(r"<h1>[^<]*[\u4e00-\u9fff][^<A-Za-z]*</h1>\s*<p>[^<A-Za-z]+</p>", page), status
        assert 'href="/"' in page
    client.cookies["django_language"] = "en"
    for path in ("/no/such/page", "/residents/999999", "/today/tasks/999999/why"):
        page = text_of(client.get(path))
        assert re.search(r"<h1>[A-Z]", page), page[page.index("<h1>") :]
        assert not re.search(r"[\u4e00-\u9fff]", page), path
