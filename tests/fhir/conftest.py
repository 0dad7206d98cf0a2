"""A connected system with a token, and a small client that speaks FHIR JSON."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from healthbrain.access.models import Account, ApiToken
from healthbrain.county.models import Organisation, Source
from healthbrain.kernel.crypto import digest
from tests.fhir.small_county import COUNTY

TOKEN = "token-of-the-first-hospital"


def connected_system(token=TOKEN, role="system", code="HIS01"):
    """An account with a token, made by hand."""
    county, _ = Organisation.objects.get_or_create(
        code="county", defaults={"name": "测试县", "kind": "county", "path": "/1/"}
    )
    source, _ = Source.objects.get_or_create(code=code, defaults={"name": "医院系统", "approved": True})
    account = Account.objects.create(username=f"{role}-{token[:20]}", name="系统", role=role, organisation=county)
    ApiToken.objects.create(account=account, source=source, token_hash=digest(token.encode()))
    return account


class Fhir:
    """HTTP verbs with JSON in and out."""

    def __init__(self, token=TOKEN):
        # As a system outside: without a cookie, and with Django's check for one switched on as it is in service.
        self.client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token}"} if token else {})

    def send(self, method, path, content=None, kind="application/fhir+json", **headers):
        data = content if isinstance(content, bytes | str) else json.dumps(content) if content is not None else ""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(method, f"/fhir{path}", data, content_type=kind, headers=named)

    def get(self, path, **headers):
        return self.send("GET", path, **headers)

    def put(self, resource, **headers):
        return self.send("PUT", f"/{resource['resourceType']}/{resource['id']}", resource, **headers)

    def ids(self, path):
        """The ids of the matches of a search, sorted."""
        response = self.get(path)
        assert response.status_code == 200, response.content
        entries = response.json().get("entry", [])
        return sorted(e["resource"]["id"] for e in entries if e["search"]["mode"] == "match")


@pytest.fixture
def system(db):
    return connected_system()


@pytest.fixture
def fhir(system):
    return Fhir()


@pytest.fixture(scope="module")
def county(django_db_setup, django_db_blocker):
    """The small county, stored once for all searches of a module, taken away at its end."""
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
