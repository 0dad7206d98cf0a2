"""The 120 centre of the emergency tests, and people signed in to its pages."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.dispatch import emergency_county


@pytest.fixture
def centre(db):
    return emergency_county.build()


@pytest.fixture
def enter(centre):
    def sign_in(name: str) -> Client:
        client = Client()
        client.force_login(centre.accounts[name], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


@pytest.fixture
def open_as(browser, live_server, centre, enter):
    contexts = []

    def opened(name: str, width: int = 1366, height: int = 768, csp: bool = True):
        session = enter(name).cookies["sessionid"].value
        context = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN", bypass_csp=not csp)
        contexts.append(context)
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.problems = []
        page.on("pageerror", lambda e: page.problems.append(str(e)))
        page.base = live_server.url
        return page

    yield opened
    for context in contexts:
        context.close()
