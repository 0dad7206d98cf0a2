"""One embedded PostgreSQL for the whole run, in a folder of its own; never the developer's data."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django
import pytest

if "HEALTHBRAIN_TEST_HOME" in os.environ:
    os.environ["HEALTHBRAIN_HOME"] = os.environ["HEALTHBRAIN_TEST_HOME"]
else:
    os.environ["HEALTHBRAIN_HOME"] = tempfile.mkdtemp(prefix="healthbrain-test-")
    # Exit handlers run last in, first out: registered before the server's own, this runs after the server stopped.
    atexit.register(shutil.rmtree, os.environ["HEALTHBRAIN_HOME"], ignore_errors=True)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthbrain.settings")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's sync API runs an event loop in this thread

# Here and not in pyproject.toml: pytest-django would read the settings before the folder above is named.
django.setup()

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The test database; TRUNCATE of append-only tables is allowed here only, because Django's flush needs it."""
    with django_db_blocker.unblock():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER audit_no_truncate")
            cursor.execute("ALTER TABLE surveillance_eventstep DISABLE TRIGGER surveillance_steps_no_truncate")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Debian's Chromium. Missing: skipped with the reason; under CI=true a failure."""
    if CHROMIUM.exists():
        return str(CHROMIUM)
    if os.environ.get("CI") == "true":
        pytest.fail("CI=true but no Chromium at /usr/bin/chromium: .ci/run must install it")
    pytest.skip("needs Chromium at /usr/bin/chromium (Debian: apt-get install chromium fonts-noto-cjk)")


@pytest.fixture(scope="session")
def browser(chromium_path):
    """One browser for the session."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, headless=True, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def open_as(browser, live_server, request):
    """A page signed in: `open_as("steward")`, a name the folder's `enter` fixture knows, or a signed-in client.

    `page.base` is the server's address; `page.problems` what the scripts and the content policy complain about.
    csp=False lets a test put axe into the page.
    """
    contexts = []

    def opened(who, width=1366, height=768, *, language="zh-hans", view="standard", csp=True, touch=False):
        client = request.getfixturevalue("enter")(who) if isinstance(who, str) else who
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, locale="zh-CN", bypass_csp=not csp, has_touch=touch)
        contexts.append(context)
        cookies = {"sessionid": client.cookies["sessionid"].value, "django_language": language, "hb_view": view}
        context.add_cookies([{"name": n, "value": v, "url": live_server.url} for n, v in cookies.items()])
        page = context.new_page()
        page.set_default_timeout(120_000)  # a busy machine, a first page
        page.base, page.problems = live_server.url, []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda said: page.problems.append(said.text) if _complaint(said) else None)
        return page

    yield opened
    for context in contexts:
        context.close()


def _complaint(said) -> bool:
    """An error that is not about the network: tests cut it on purpose, and refused requests are answers."""
    network = ("Failed to load resource", "ERR_", "htmx:")
    return said.type == "error" and not any(word in said.text for word in network)
