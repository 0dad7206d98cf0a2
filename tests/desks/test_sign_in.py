"""Signing in: one-time link, password with second factor, lock-out; the shell shows each role only its own desks."""

from __future__ import annotations

import gzip
import re

import pyotp
import pytest
from django.test import Client

from healthbrain.access import actions
from healthbrain.access.models import Account
from healthbrain.access.rules import SYSTEM
from healthbrain.county.models import Organisation

pytestmark = pytest.mark.django_db
PASSWORD = "long-enough-for-a-village"


@pytest.fixture
def account() -> Account:
    county = Organisation.objects.create(code="C", name="安澜区", kind="county", path="/1/")
    made = actions.create_account(
        by=SYSTEM, username="guan", name="李主任", role="administrator", organisation_id=county.pk
    )
    made.set_password(PASSWORD)
    made.save()
    return made


def post(client: Client, **values: str):
    return client.post("/sign-in", values)


def test_a_link_is_used_up_by_its_button_not_by_being_looked_at(account):
    token = actions.sign_in_link(by=SYSTEM, account_id=account.pk)
    preview, person, thief = Client(), Client(), Client()
    assert preview.get(f"/sign-in/{token}").status_code == 200  # a chat program fetching a preview
    assert person.post(f"/sign-in/{token}").headers["Location"] == "/administrator"
    refused = thief.post(f"/sign-in/{token}")
    assert refused.status_code == 403
    assert "已用过" in refused.content.decode()


def test_password_then_second_factor(account):
    client = Client()
    assert post(client, username="guan", password=PASSWORD).headers["Location"] == "/administrator"
    page = client.post("/account/second-factor").content.decode()
    assert "<svg" in page  # the QR code, drawn here
    secret = Account.objects.get(pk=account.pk).totp_secret
    assert client.post("/account/second-factor", {"code": pyotp.TOTP(secret).now()}).status_code == 302
    client.post("/sign-out")
    assert post(client, username="guan", password=PASSWORD).status_code == 403


def test_five_wrong_answers_lock_and_the_page_says_for_how_long(account):
    client = Client()
    for _ in range(5):
        assert "不对" in post(client, username="guan", password="guess").content.decode()
    assert "15 分钟后再试" in post(client, username="guan", password=PASSWORD).content.decode()


def test_after_signing_in_one_lands_only_on_our_own_pages(account):
    answer = post(Client(), username="guan", password=PASSWORD, next="https://elsewhere.example/")
    assert answer.headers["Location"] == "/administrator"


def test_an_administrator_sees_no_residents_desk(account):
    client = Client()
    client.force_login(account)
    page = client.get("/account").content.decode()
    assert "/today" not in page
    assert client.get("/today").status_code == 403


def test_pages_of_people_are_not_kept_by_the_browser(account):
    client = Client()
    client.force_login(account)
    assert client.get("/account").headers["Cache-Control"] == "no-store"


def test_a_slow_line_carries_pages_small_and_each_file_once(account):
    client = Client(headers={"accept-encoding": "gzip"})
    page = client.get("/sign-in")
    whole = gzip.decompress(page.content).decode()
    assert len(page.content) < len(whole.encode()) / 2
    addresses = re.findall(r'(?:href|src)="(/static/[^"]*\.(?:css|js)[^"]*)"', whole)
    assert len(addresses) > 5
    for address in addresses:
        assert re.search(r"\?v=[0-9a-f]{8}$", address), address
        assert "immutable" in client.get(address)["Cache-Control"]


def test_views_and_languages_are_remembered(account):
    client = Client()
    client.force_login(account)
    client.post("/preferences", {"view": "elder", "language": "en", "next": "/account"})
    page = client.get("/account").content.decode()
    assert 'lang="en"' in page
    assert '<body class="elder"' in page
