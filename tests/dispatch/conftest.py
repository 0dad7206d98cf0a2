"""The 120 centre of the emergency tests."""

from __future__ import annotations

import pytest

from tests.dispatch import emergency_county


@pytest.fixture
def centre(db):
    return emergency_county.build()
