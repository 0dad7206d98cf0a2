"""Clocks, grades, chains and curves: tables worked by hand, brute force, properties."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import healthbrain
from healthbrain.surveillance.rules import chains, clocks, curve, grading

KNOWLEDGE = Path(healthbrain.__file__).parent / "knowledge" / "surveillance"
CLOCKS = clocks.parse_clocks(yaml.safe_load((KNOWLEDGE / "clocks.yaml").read_text(encoding="utf-8")))
CRITERIA = grading.parse_criteria(yaml.safe_load((KNOWLEDGE / "grades.yaml").read_text(encoding="utf-8")))
EIGHT = dt.datetime.fromisoformat("2026-03-10T08:00")  # county time without a zone
days = st.dates(dt.date(2026, 1, 1), dt.date(2026, 3, 31))


def after(**span: float) -> dt.datetime:
    return EIGHT + dt.timedelta(**span)


def one(key: str) -> clocks.Clock:
    return next(c for c in CLOCKS if c.key == key)


@pytest.mark.parametrize(
    ("key", "start", "end", "now", "state"),
    [
        ("data-to-signal", None, None, after(hours=1), "waiting"),
        ("data-to-signal", EIGHT, None, after(minutes=20), "running"),
        ("data-to-signal", EIGHT, None, after(minutes=25), "soon"),
        ("data-to-signal", EIGHT, None, after(minutes=31), "late"),
        ("data-to-signal", EIGHT, after(minutes=30), after(days=9), "met"),
        ("data-to-signal", EIGHT, after(minutes=30, seconds=1), after(days=9), "missed"),
        ("signal-to-handling", EIGHT, after(hours=6), after(days=9), "met"),
        ("signal-to-handling", EIGHT, after(hours=7), after(days=9), "missed"),
        ("detect", EIGHT, after(days=7), after(days=9), "met"),
        ("notify", EIGHT, after(hours=25), after(days=9), "missed"),
        ("respond", EIGHT, None, after(days=8), "late"),
    ],
)
def test_a_clock_at_a_moment(key, start, end, now, state):
    clock = one(key)
    assert clocks.read_clock(clock, {clock.start: start, clock.end: end}, now).state == state


def test_an_end_before_its_start_took_no_time():
    read = clocks.read_clock(one("detect"), {"first_case_at": EIGHT, "signal_at": after(days=-2)}, after(days=1))
    assert (read.state, read.elapsed) == ("met", dt.timedelta(0))


@pytest.mark.parametrize("text", ["half an hour", "5", "0 days", "-1 hours", "2 weeks"])
def test_a_bad_limit_is_refused(text):
    with pytest.raises(ValueError, match=r"limit|could not convert"):
        clocks.parse_limit(text)


def test_every_clock_and_criterion_names_its_document():
    assert all(c.source["document"] and c.source["date"] for c in CLOCKS)
    used = {c.source for c in (*CRITERIA.reportable, *CRITERIA.grades)}
    assert used <= set(CRITERIA.sources)
    assert all(CRITERIA.sources[key]["document"] and CRITERIA.sources[key]["date"] for key in used)


def onsets(*counts: int) -> list[dt.date]:
    return [dt.date(2026, 3, 1) + dt.timedelta(days=n) for n, count in enumerate(counts) for _ in range(count)]


@pytest.mark.parametrize(
    ("disease", "setting", "counts", "more", "hours", "asked_by"),
    [
        # 20 in 7 days: 2006 norm, within 2 hours; 19 is a school cluster (5 in 3 days), within 24.
        ("norovirus", "school", (4, 6, 10), {}, 2, "diarrhoea-20"),
        ("norovirus", "school", (4, 6, 9), {}, 24, "norovirus-cluster"),
        # the window rolls: 20 cases over eight days, 12 and 13 of them in any seven
        ("norovirus", "nursing-home", (1, 0, 0, 3, 0, 0, 0, 1), {}, None, None),
        ("norovirus", "workplace", (0,) * 3 + (8, 0, 0, 6, 0, 6), {}, 2, "diarrhoea-20"),
        ("varicella", "school", (2, 2, 2, 2, 1, 0, 1), {}, 2, "rash-and-mumps"),
        ("varicella", "school", (2, 2, 2, 2, 1, 0, 0, 1), {}, 24, "class-3-days"),
        ("varicella", "village", (10,), {}, None, None),
        ("", "school", (3,), {}, 24, "class-1-day"),
        ("", "school", (2, 0, 0), {}, None, None),
        ("", "childcare", (2, 2, 2), {}, 24, "class-3-days"),
        ("influenza", "school", (12,), {}, 24, "class-3-days"),
        ("influenza", "school", (12, 18), {}, 2, "influenza-30"),
        ("influenza", "other", (1,), {"hospitalised": 5}, 2, "influenza-hospitalised"),
        ("infectious-diarrhoea", "other", (1,), {"deaths": 1}, 2, "diarrhoea-death"),
        ("cholera", "other", (1,), {}, 2, "class-a"),
    ],
)
def test_what_is_reportable_and_by_when(disease, setting, counts, more, hours, asked_by):
    verdict = grading.judge(CRITERIA, grading.Known(disease, setting, onsets(*counts), **more))
    assert (verdict.hours, verdict.asked_by and verdict.asked_by.criterion.key) == (hours, asked_by)
    assert verdict.due(EIGHT) == (None if hours is None else after(hours=hours))


@pytest.mark.parametrize(
    ("disease", "counts", "more", "grade"),
    [
        ("cholera", (9,), {}, "IV"), ("cholera", (10,), {}, "III"), ("plague", (1, 1, 1, 1, 0, 1), {}, "II"),
        ("plague", (1, 1, 1, 1, 0, 0, 1), {}, ""), ("food-poisoning", (30,), {}, "IV"),
        ("food-poisoning", (29,), {}, ""), ("food-poisoning", (100,), {}, "III"),
        ("food-poisoning", (30,), {"deaths": 1}, "III"), ("norovirus", (40,), {}, ""),
    ],
)  # fmt: skip
def test_the_most_serious_grade_counts(disease, counts, more, grade):
    assert grading.judge(CRITERIA, grading.Known(disease, "other", onsets(*counts), **more)).grade == grade


@given(st.lists(days, max_size=40), st.integers(1, 20))
def test_the_densest_window_is_found(found, width):
    brute = max((sum(0 <= (other - day).days < width for other in found) for day in found), default=0)
    seen, first, last = grading.densest(found, width)
    assert seen == brute
    if seen:
        assert (last - first).days < width
        assert sum(first <= day <= last for day in found) == seen


DAY = [dt.date(2026, 3, 1) + dt.timedelta(days=n) for n in range(10)]


def test_a_chain_is_placed_by_generation():
    chain = chains.layout({"a": DAY[0], "b": DAY[2], "c": DAY[3], "d": DAY[5], "e": DAY[1]},
                          [("a", "c"), ("a", "b"), ("b", "d")])  # fmt: skip
    assert [(n.key, n.column, n.row, n.generation, n.offspring) for n in chain.nodes] == [
        ("a", 0, 0, 0, 2), ("b", 2, 1, 1, 1), ("d", 5, 2, 2, 0), ("c", 3, 3, 1, 0), ("e", 1, 4, 0, 0),
    ]  # fmt: skip
    assert (chain.generations, sorted(chain.serial), chain.columns) == ((2, 2, 1), [2, 3, 3], 6)
    assert chains.offspring_mean(chain) == pytest.approx(3 / 4)
    assert chains.offspring_mean(chain, until_column=2) == pytest.approx(3 / 2)


@pytest.mark.parametrize("links", [[("a", "b"), ("b", "a")], [("a", "a")], [("a", "c"), ("b", "c")], [("a", "x")]])
def test_no_circles_no_second_infector_no_strangers(links):
    with pytest.raises(ValueError, match="case"):
        chains.layout({"a": DAY[0], "b": DAY[1], "c": DAY[2]}, links)


@given(st.integers(2, 30).flatmap(lambda n: st.tuples(
    st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40))))  # fmt: skip
def test_links_taken_one_by_one_stay_a_forest(made):
    size, wanted = made
    links: list[tuple[int, int]] = []
    for infector, infectee in wanted:
        if infectee not in {child for _, child in links} and not chains.closes_a_circle(links, infector, infectee):
            links.append((infector, infectee))
    chain = chains.layout({n: DAY[n % 10] for n in range(size)}, links)
    assert sorted(n.key for n in chain.nodes) == list(range(size))
    assert sorted(n.row for n in chain.nodes) == list(range(size))
    assert sum(chain.generations) == size
    generation = {n.key: n.generation for n in chain.nodes}
    assert all(generation[child] == generation[parent] + 1 for parent, child in links)


moments = st.datetimes(EIGHT, EIGHT + dt.timedelta(days=30))


@given(st.lists(st.tuples(moments, st.sampled_from(["suspected", "confirmed"])), max_size=50),
       st.sampled_from(curve.WIDTHS))  # fmt: skip
def test_every_case_stands_in_its_bar(found, hours):
    bars = curve.epidemic_curve(found, hours)
    assert sum(bar.total for bar in bars) == len(found)
    for bar in bars:
        end = bar.start + dt.timedelta(hours=hours)
        for kind in ("suspected", "confirmed"):
            assert bar.counts.get(kind, 0) == sum(bar.start <= at < end and k == kind for at, k in found)
    assert all(b.start - a.start == dt.timedelta(hours=hours) for a, b in itertools.pairwise(bars))
    assert not bars or (bars[0].total and bars[-1].total)


@pytest.mark.parametrize(
    ("span_hours", "incubation", "hours"),
    [(20, None, 1), (72, None, 3), (24 * 20, None, 24), (60, 36, 12), (60, 24, 6)],
)
def test_the_width_of_a_bar(span_hours, incubation, hours):
    assert curve.width_for(EIGHT, after(hours=span_hours), incubation) == hours


def test_attack_rates_highest_first_and_without_a_denominator_last():
    rates = curve.attack_rates({"三1": 9, "三2": 2, "食堂": 1}, {"三1": 45, "三2": 44, "三3": 46})
    assert [(r.group, r.cases, r.population) for r in rates] == [
        ("三1", 9, 45), ("三2", 2, 44), ("三3", 0, 46), ("食堂", 1, None)]  # fmt: skip
    assert rates[0].rate == 0.2
    assert rates[-1].rate is None
