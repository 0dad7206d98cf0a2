"""Cases of the last days that are still to be reported: estimated from the place's own delays, or not at all."""

from __future__ import annotations

import datetime as dt
import json
import re

from django.test import Client

from healthbrain.access.models import Account
from healthbrain.residents.models import Resident
from healthbrain.surveillance.actions.signals import run_pass
from healthbrain.surveillance.models import CaseRecord, DirtyCount, Signal
from healthbrain.surveillance.queries import signals as queries
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty, at

DAY = dt.timedelta(days=1)
VILLAGE = "330197001101"


def cases(small: SmallCounty, delays: tuple[int, ...], days: int = 42, loaded_on: dt.date | None = None) -> None:
    """Every day as many children with hand, foot and mouth disease as there are delays; only what has come by today."""
    told = [(TODAY - back * DAY, delay) for back in range(days) for delay in delays if delay <= back]
    people = Resident.objects.bulk_create(
        Resident(
            name=f"童{n}", birth_date=dt.date(2022, 1, 1), division_code=VILLAGE,
            home_organisation=small.organisations["V"],
        )
        for n in range(len(told))
    )  # fmt: skip
    CaseRecord.objects.bulk_create(
        CaseRecord(
            resident_id=person.pk, syndrome="hfmd", source="diagnosis", onset_on=day, visit_on=day,
            report_on=loaded_on or day + delay * DAY, organisation=small.organisations["H"], recorded=NOW,
        )
        for person, (day, delay) in zip(people, told, strict=True)
    )  # fmt: skip
    DirtyCount.objects.bulk_create(
        DirtyCount(source="ledger", syndrome="hfmd", day=TODAY - back * DAY, since=NOW) for back in range(days)
    )


def detail(small: SmallCounty) -> queries.SignalDetail:
    run_pass(now=at(TODAY, 21))
    return queries.signal(small.actor("disease_control", "D"), Signal.objects.get(place_code=VILLAGE).pk)


def test_four_a_day_reported_over_four_days_are_expected_today_although_one_is_known(small: SmallCounty) -> None:
    cases(small, (0, 1, 2, 3))
    found = detail(small)
    assert found.series[-4:] == [4, 3, 2, 1]
    assert [one.day for one in found.estimates] == [TODAY - 2 * DAY, TODAY - DAY, TODAY]
    assert all(one.low <= 4 <= one.high for one in found.estimates)
    assert all(3 <= one.median <= 5 for one in found.estimates)
    oldest, _, newest = found.estimates
    assert newest.high - newest.low > oldest.high - oldest.low  # the less is known, the wider
    assert {one.percent for one in found.estimates} == {90}


def test_what_is_reported_the_same_day_needs_no_estimate(small: SmallCounty) -> None:
    cases(small, (0, 0, 0, 0))
    assert detail(small).estimates == ()


def test_too_few_cases_teach_no_delays(small: SmallCounty) -> None:
    cases(small, (0, 1, 2, 3), days=7)
    assert detail(small).estimates == ()


def test_a_load_of_old_records_is_not_the_rhythm_of_reporting(small: SmallCounty) -> None:
    cases(small, (0, 1, 2, 3), loaded_on=TODAY)
    assert detail(small).estimates == ()


def test_the_desk_draws_the_estimate_lighter_and_says_that_it_is_one(small: SmallCounty) -> None:
    cases(small, (0, 1, 2, 3))
    found = detail(small)
    officer = Client(HTTP_ACCEPT_LANGUAGE="zh-hans")
    account = Account.objects.get(username="disease_control-D")
    officer.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    text = officer.get(f"/signals/{found.row.id}").content.decode()
    option = json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1])
    counted, to_come = (s for s in option["series"] if s["type"] == "bar")
    assert counted["stack"] == to_come["stack"]
    assert to_come["name"] == "估计：尚未报来"
    newest = found.estimates[-1]
    assert to_come["data"][-1] == newest.median - 1
    assert to_come["data"][:-3] == [None] * (len(found.series) - 3)
    assert f"{newest.median}（{newest.low}–{newest.high}）" in text
    assert "90% 区间" in text
    assert "浅色部分是估计" in text
