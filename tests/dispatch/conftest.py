"""The 120 centre of the emergency tests, the vehicles of the transport tests, and people signed in to their pages."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.dispatch import emergency_county, transport_county


@pytest.fixture
def centre(db):
    return emergency_county.build()


@pytest.fixture
def day(db):
    """A day of planned transport: fleet, drivers, a planner, patients."""
    return transport_county.build()


@pytest.fixture
def enter(centre):
    def sign_in(name: str) -> Client:
        client = Client()
        client.force_login(centre.accounts[name], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in
