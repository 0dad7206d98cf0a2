import pytest

from tests.surveillance import signals_county


@pytest.fixture
def small(db) -> signals_county.SmallCounty:
    """A county of one township with a school and a kindergarten."""
    return signals_county.make()
