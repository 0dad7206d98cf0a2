"""The space-time scan within the daily pass: neighbouring townships, each only a little above its usual count."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from healthbrain.county.models import Place
from healthbrain.surveillance.actions.signals import run_pass
from healthbrain.surveillance.models import DailyCount, Signal, SignalStep
from healthbrain.surveillance.rules.life import Place as Where
from healthbrain.surveillance.rules.regions import neighbours, told_of
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty, at

DAY = dt.timedelta(days=1)
GRID = [(x, y) for y in range(3) for x in range(4)]  # twelve townships, code 330197001 ... 330197012


def code(n: int) -> str:
    return f"330197{n + 1:03d}"


def towns() -> None:
    county = Place.objects.get(code="330197")
    for n, (x, y) in enumerate(GRID):
        Place.objects.update_or_create(
            code=code(n), defaults={"name": f"第{n + 1}镇", "parent": county, "tile_x": x, "tile_y": y}
        )


def usual(days: int = 200) -> np.ndarray:
    """Two ambulance calls a day in each township, Poisson."""
    return np.random.default_rng(7).poisson(2.0, (len(GRID), days))


def store(counts: np.ndarray, last: dt.date = TODAY) -> None:
    DailyCount.objects.filter(source="ems").delete()
    DailyCount.objects.bulk_create(
        DailyCount(
            place_code=code(t), source="ems", syndrome="febrile-respiratory", basis="report", count=int(n),
            arrived=NOW, day=last - (counts.shape[1] - 1 - d) * DAY,
        )
        for (t, d), n in np.ndenumerate(counts) if n
    )  # fmt: skip


def planted(members: tuple[int, ...], extra: tuple[int, ...]) -> np.ndarray:
    counts = usual()
    counts[:, -7:] = 2
    for n, more in enumerate(extra):
        counts[list(members), counts.shape[1] - len(extra) + n] += more
    return counts


def test_neighbours_are_the_own_township_first_then_tiles_that_touch() -> None:
    tiles = {"A": (0, 0), "B": (1, 1), "C": (3, 0)}
    zones = neighbours(["A", "B", "A", "C", "B", "?"], tiles)
    assert zones.order[0].tolist() == [0, 1, 2]  # ring: same township and touching tiles, at most half of the six
    assert zones.order[3].tolist() == [3, -1, -1]
    assert zones.order[5].tolist() == [5, -1, -1]


@pytest.mark.parametrize(
    ("members", "townships", "place"),
    [
        (["330197001"], ["330197001"], Where("township", code="330197001")),
        (["330197001", "330197002"], ["330197001", "330197002"], Where("county", code="330197")),
        (["a", "b"], ["330197001", "330197001"], Where("township", code="330197001")),
    ],
)
def test_a_cluster_is_told_of_the_smallest_place_around_it(members, townships, place) -> None:
    assert told_of([Where("township", code=m) for m in members], townships) == place


def test_four_neighbours_slightly_up_are_one_cluster_that_none_of_them_shows(small: SmallCounty) -> None:
    towns()
    store(usual())
    run_pass(now=at(TODAY, 7), everything=True)
    assert not Signal.objects.exists()
    corner = (0, 1, 4, 5)  # a square of tiles
    store(planted(corner, (2, 2, 2)))
    run_pass(now=NOW, everything=True)
    signal = Signal.objects.get()
    assert (signal.method, signal.place_kind, signal.place_code, signal.level) == (
        "scan", "county", "330197", "statistical",
    )  # fmt: skip
    (finding,) = signal.detail["findings"]
    assert set(finding["members"]) >= {f"township:{code(n)}" for n in corner}
    assert len(finding["members"]) <= 6
    assert signal.recurrence_days >= 365
    assert "相邻地点" in signal.sentence_zh
    assert "neighbouring places together" in signal.sentence_en


def test_a_cluster_is_new_unchanged_grown_and_over(small: SmallCounty) -> None:
    towns()
    corner = (0, 1, 4, 5)
    store(planted(corner, (2, 2, 2)))
    run_pass(now=NOW, everything=True)
    first = Signal.objects.get()
    assert run_pass(now=NOW + dt.timedelta(minutes=5), everything=True).signals == ()  # the same again is no news
    tomorrow = np.concatenate([planted(corner, (2, 2, 2)), np.full((len(GRID), 1), 2)], axis=1)
    tomorrow[list(corner), -1] += 3
    store(tomorrow, TODAY + DAY)
    assert run_pass(now=at(TODAY + DAY), everything=True).signals == (first.pk,)
    assert Signal.objects.get().life == "grown"
    quiet = np.concatenate([tomorrow, np.full((len(GRID), 12), 2)], axis=1)
    store(quiet, TODAY + 13 * DAY)
    run_pass(now=at(TODAY + 13 * DAY), everything=True)
    assert Signal.objects.get().life == "over"
    assert [s.kind for s in SignalStep.objects.order_by("pk")] == ["new", "grown", "over"]


# A source without a past -----------------------------------------------------------------------------------------


def young(days: int = 28) -> np.ndarray:
    return np.random.default_rng(3).poisson(1.0, (len(GRID), days))


def test_a_cluster_in_a_source_of_four_weeks_is_found_without_a_past(small: SmallCounty) -> None:
    """Nothing says what is usual yet; the places' shares of the last weeks do."""
    towns()
    store(young())
    run_pass(now=at(TODAY, 7), everything=True)
    assert not Signal.objects.exists()
    counts = young()
    counts[[0, 1], -3:] += 6
    store(counts)
    run_pass(now=NOW, everything=True)
    signal = Signal.objects.get()
    assert (signal.method, signal.source) == ("scan", "ems")
    (finding,) = signal.detail["findings"]
    assert set(finding["members"]) == {f"township:{code(n)}" for n in (0, 1)}
    assert finding["observed"] == counts[[0, 1], -3:].sum()
    # By the totals of places and days alone (Kulldorff 2005, eq. 1).
    assert finding["expected"] == pytest.approx(counts[[0, 1]].sum() * counts[:, -3:].sum() / counts.sum(), abs=0.01)


def test_a_place_that_joins_a_young_source_is_no_cluster(small: SmallCounty) -> None:
    """Its first days are many cases where none were: it had not spoken before."""
    towns()
    counts = young()
    counts[5, :-6] = 0
    counts[5, -6:] = 6
    store(counts)
    run_pass(now=NOW, everything=True)
    assert not Signal.objects.exists()


def test_a_source_of_ten_days_says_nothing_yet(small: SmallCounty) -> None:
    towns()
    counts = young(10)
    counts[[0, 1, 4, 5], -2:] += 6
    store(counts)
    run_pass(now=NOW, everything=True)
    assert not Signal.objects.exists()
