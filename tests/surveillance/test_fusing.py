"""Three weak sources of one township speak together in the daily pass; one alone does not."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from django.test import Client

from healthbrain.access.models import Account
from healthbrain.surveillance.actions.signals import run_pass
from healthbrain.surveillance.models import DailyCount, Signal, Site
from healthbrain.surveillance.queries import signals as queries
from healthbrain.surveillance.rules.fusion import smallest
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty, at

DAY = dt.timedelta(days=1)
TOWN = "330197001"
USUAL = {"diagnosis": 4.0, "pharmacy": 9.0, "ems": 3.0}
MORE = {"diagnosis": 6, "pharmacy": 9, "ems": 5}  # on the newest day: one source's p-value is about 0.01


def store(small: SmallCounty, raised: tuple[str, ...]) -> None:
    """Poisson counts of half a year, the last week at its mean, the newest day raised."""
    Site.objects.get_or_create(
        organisation=small.organisations["V"], defaults={"kind": "pharmacy", "township_id": TOWN}
    )
    rng = np.random.default_rng(11)
    for source, mean in USUAL.items():
        counts = rng.poisson(mean, 200)
        counts[-7:] = int(mean)
        counts[-1] += MORE[source] if source in raised else 0
        where = {"organisation": small.organisations["V"]} if source == "pharmacy" else {"place_code": TOWN}
        DailyCount.objects.bulk_create(
            DailyCount(
                **where, source=source, basis="report", count=int(n), arrived=NOW, day=TODAY - (199 - i) * DAY,
                syndrome="cold-cough" if source == "pharmacy" else "febrile-respiratory",
            )
            for i, n in enumerate(counts) if n
        )  # fmt: skip


@pytest.mark.parametrize("alone", sorted(USUAL))
def test_one_weak_source_alone_says_nothing(small: SmallCounty, alone: str) -> None:
    store(small, (alone,))
    run_pass(now=at(TODAY, 21), everything=True)
    assert not Signal.objects.exists()


def test_three_weak_sources_together_are_a_signal_that_names_them(small: SmallCounty) -> None:
    store(small, tuple(USUAL))
    run_pass(now=at(TODAY, 21), everything=True)
    signal = Signal.objects.get()
    assert (signal.method, signal.place_code, signal.syndrome, signal.level) == (
        "fusion", TOWN, "febrile-respiratory", "statistical",
    )  # fmt: skip
    (finding,) = signal.detail["findings"]
    told = {one["source"]: one for one in finding["sources"]}
    assert told.keys() == USUAL.keys()
    assert all(0.002 < one["pvalue"] < 0.1 for one in told.values())
    assert signal.pvalue < min(one["pvalue"] for one in told.values())
    assert signal.detail["sources"] == ["diagnosis", "ems", "pharmacy"]
    assert "同时升高" in signal.sentence_zh
    officer = small.actor("disease_control", "D")
    assert queries.signals(officer, as_of=TODAY).rows[0].sources == ("diagnosis", "ems", "pharmacy")
    desk = Client(HTTP_ACCEPT_LANGUAGE="zh-hans")
    account = Account.objects.get(pk=officer.account_id)
    desk.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    text = desk.get(f"/signals/{signal.pk}").content.decode()
    assert "多源合并" in text
    for one in told.values():
        assert f"p={one['pvalue']:.2g}" in text


def test_the_smallest_of_several_p_values_is_as_rare_as_it_is_among_them() -> None:
    """Two series at 0.1: 1 - 0.9 × 0.9. A silent one does not count; all silent is unknown."""
    found = smallest(np.array([[0.1, 0.3, np.nan], [0.5, np.nan, np.nan]]))
    assert found[:2] == pytest.approx([0.19, 0.3])
    assert np.isnan(found[2])
