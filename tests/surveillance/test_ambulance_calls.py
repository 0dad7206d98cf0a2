"""A triaged ambulance call becomes a count of its township, and an unusual week of them a signal."""

from __future__ import annotations

import datetime as dt

from django.db import connection

from healthbrain.county.events import CallTriaged
from healthbrain.kernel.bus import publish
from healthbrain.surveillance.actions.signals import run_pass
from healthbrain.surveillance.models import DailyCount, DirtyCount, Signal
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty, at

DAY = dt.timedelta(days=1)
TOWN = "330197001"


def test_a_triaged_call_counts_once_for_each_syndrome_it_speaks_of(small: SmallCounty) -> None:
    for suspected, township in (("breathing", TOWN), ("breathing", TOWN), ("bleeding", TOWN), ("stroke", TOWN),
                                ("breathing", "")):  # fmt: skip
        publish(CallTriaged(TODAY, township, suspected))
    rows = DailyCount.objects.filter(source="ems").order_by("place_code", "syndrome")
    assert [(r.place_code, r.syndrome, r.day, r.count) for r in rows] == [
        ("330197", "febrile-respiratory", TODAY, 1),
        (TOWN, "febrile-haemorrhagic", TODAY, 1),
        (TOWN, "febrile-respiratory", TODAY, 2),
    ]
    assert DirtyCount.objects.filter(source="count", day=TODAY).count() == 4


def test_the_dispatchers_types_speak_of_all_five_syndromes(small: SmallCounty) -> None:
    """What the question tree can end with, counted: fever, vomiting, rash and seizure beside breathing and bleeding."""
    for suspected in ("fever", "vomiting", "rash", "convulsion", "bleeding", "other", "trauma"):
        publish(CallTriaged(TODAY, TOWN, suspected))
    rows = DailyCount.objects.filter(source="ems").order_by("syndrome")
    assert [(r.syndrome, r.count) for r in rows] == [
        ("diarrhoea", 1), ("encephalitis-meningitis", 1), ("febrile-haemorrhagic", 1), ("febrile-rash", 1),
        ("febrile-respiratory", 1),
    ]  # fmt: skip


def test_the_count_goes_with_the_transaction_that_is_rolled_back(small: SmallCounty) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before_call")
        publish(CallTriaged(TODAY, TOWN, "breathing"))
        cursor.execute("ROLLBACK TO SAVEPOINT before_call")
    assert not DailyCount.objects.exists()


def history(days: int, *newest: int) -> None:
    """A call on every third day, then these counts on the last days."""
    usual = [int(n % 3 == 0) for n in range(days)] + list(newest)
    DailyCount.objects.bulk_create(
        DailyCount(
            place_code=TOWN, source="ems", syndrome="febrile-respiratory", basis="report", count=n, arrived=NOW,
            day=TODAY - (len(usual) - 1 - i) * DAY,
        )
        for i, n in enumerate(usual) if n
    )  # fmt: skip


def test_an_unusual_day_of_calls_is_a_signal_at_once(small: SmallCounty) -> None:
    history(200, 2, 5)
    run_pass(now=at(TODAY, 7), everything=True)
    assert not Signal.objects.filter(last_day=TODAY, observed__gte=8).exists()
    for _ in range(6):
        publish(CallTriaged(TODAY, TOWN, "breathing"))
    run_pass(now=NOW)
    signal = Signal.objects.get()
    assert (signal.place_kind, signal.place_code, signal.source, signal.method) == ("township", TOWN, "ems", "own")
    assert signal.observed >= 11
    assert "120 呼救" in signal.sentence_zh


def test_a_source_that_has_just_begun_to_speak_is_no_rise(small: SmallCounty) -> None:
    """Half a year of pharmacy counts, the first ambulance calls this week."""
    DailyCount.objects.bulk_create(
        DailyCount(
            organisation=small.organisations["H"], source="fever-clinic", syndrome="febrile-respiratory",
            basis="report", count=6 + n % 3, arrived=NOW, day=TODAY - n * DAY,
        )
        for n in range(180)
    )  # fmt: skip
    for back in range(6):
        for _ in range(2):
            publish(CallTriaged(TODAY - back * DAY, TOWN, "breathing"))
    run_pass(now=NOW, everything=True)
    assert not Signal.objects.exists()


def test_a_partial_pass_leaves_the_signal_of_another_source_standing(small: SmallCounty) -> None:
    history(200, 4, 11)
    run_pass(now=NOW, everything=True)
    signal = Signal.objects.get()
    _, identity = small.resident("甲", dt.date(1980, 1, 1))
    small.diagnose(identity, "J10.1", TODAY)
    run_pass(now=NOW + dt.timedelta(minutes=1))
    signal.refresh_from_db()
    assert signal.life != "over"
