"""The ranked list, as a dispatcher would check it on a map: blocks of one minute, so every arrival can be counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from healthbrain.dispatch.rules.coverage import (
    MoveUpSettings,
    Standing,
    compliance_table,
    make_coverage,
    move_up,
)
from healthbrain.dispatch.rules.destination import Hospital, destinations
from healthbrain.dispatch.rules.rank import Call, RankSettings, Vehicle, rank
from healthbrain.dispatch.rules.travel import TravelTimes
from tests.dispatch.grid import ESTIMATE, times, town

SETTINGS = RankSettings(estimate=ESTIMATE, chute_s=60, chute_moving_s=0, tolerance_s={2: 120, 3: 300})
TRAVEL = times()["siren"]
HERE = Call(3, 3, 1)


def order(call, vehicles, coverage=None, settings=SETTINGS, travel=TRAVEL):
    return [(o.vehicle, o.eta_s) for o in rank(call, vehicles, travel, coverage, settings)]


def test_priority_1_is_strictly_the_shortest_arrival_of_all_who_can_come():
    vehicles = [
        Vehicle("idle 3 blocks", 0, 3, "idle"),  # 1 turnout + 3
        Vehicle("returning 3 blocks", 3, 0, "returning"),  # 3
        Vehicle("clearing at 1 block", 4, 3, "clearing", wait_s=30),  # 0.5 + 1
        Vehicle("rolling to a 3, 2 blocks", 5, 3, "rolling", priority=3),  # 2
        Vehicle("rolling to a 1", 3, 3, "rolling", priority=1),
        Vehicle("on scene next door", 3, 3, "on-scene"),
        Vehicle("off", 3, 3, "off"),
    ]
    assert order(HERE, vehicles) == [
        ("clearing at 1 block", 90.0),
        ("rolling to a 3, 2 blocks", 120.0),
        ("returning 3 blocks", 180.0),
        ("idle 3 blocks", 240.0),
    ]


def test_only_priority_1_takes_a_vehicle_from_another_call():
    vehicles = [Vehicle("near", 3, 3, "rolling", priority=3), Vehicle("far", 0, 0, "idle")]
    assert [v for v, _ in order(Call(3, 3, 2), vehicles)] == ["far"]
    assert [v for v, _ in order(HERE, vehicles)] == ["near", "far"]


def test_below_priority_1_the_one_that_costs_least_coverage_within_the_tolerance():
    travel = times()["siren"]
    # calls come from the left edge; `keeper` is the only one who covers them
    coverage = make_coverage(travel, [14, 21, 28], [1, 1, 1], [21, 27], target_s=120, busy=0.4)
    vehicles = [Vehicle("keeper", 2, 3, "idle", site=0), Vehicle("spare", 5, 3, "idle", site=1)]
    assert order(HERE, vehicles, coverage) == [("keeper", 120.0), ("spare", 180.0)]
    assert order(Call(3, 3, 2), vehicles, coverage) == [("spare", 180.0), ("keeper", 120.0)]
    first = rank(Call(3, 3, 2), vehicles, travel, coverage, SETTINGS)[0]
    assert first.recommended
    assert "least coverage" in first.reasons[0].en
    strict = replace(SETTINGS, tolerance_s={2: 30})
    assert order(Call(3, 3, 2), vehicles, coverage, strict)[0][0] == "keeper"


def test_coverage_lost_is_what_mexclp_says_by_hand():
    travel = times()["siren"]
    # two vehicles reach zone 21, one of them zone 27: q = 0.4, demand 3 : 1
    coverage = make_coverage(travel, [21, 27], [3, 1], [21, 22, 27], target_s=60, busy=0.4)
    vehicles = [
        Vehicle("a", 0, 3, "idle", site=0),
        Vehicle("b", 1, 3, "idle", site=1),
        Vehicle("c", 6, 3, "idle", site=2),
    ]
    lost = {o.vehicle: o.coverage_lost for o in rank(HERE, vehicles, travel, coverage, SETTINGS)}
    assert lost == {
        "a": pytest.approx(0.75 * 0.6 * 0.4),
        "b": pytest.approx(0.75 * 0.6 * 0.4),
        "c": pytest.approx(0.25 * 0.6),
    }


def test_what_a_vehicle_lacks_puts_it_below_and_is_said():
    vehicles = [Vehicle("bls", 3, 3, "idle", frozenset({"bls"})), Vehicle("als", 0, 0, "idle", frozenset({"als"}))]
    options = rank(replace(HERE, needs=frozenset({"als"})), vehicles, TRAVEL, None, SETTINGS)
    assert [(o.vehicle, o.missing, o.recommended) for o in options] == [("als", (), True), ("bls", ("als",), False)]
    assert any(r.en == "lacks als" and r.zh == "缺少 als" for r in options[1].reasons)


@pytest.mark.parametrize(
    ("age", "doubt"),
    [(0, ""), (299, ""), (301, "ancient"), (None, "ancient"), (-119, ""), (-121, "future"), (-3600, "future")],
)
def test_old_and_future_positions_are_used_and_marked(age, doubt):
    option = rank(HERE, [Vehicle("v", 0, 3, "idle", age_s=age)], TRAVEL, None, SETTINGS)[0]
    assert (option.doubt, option.eta_s) == (doubt, 240.0)
    assert bool(doubt) == any("last seen" in r.en for r in option.reasons)


def test_where_roads_are_cut_the_estimate_stands_marked_and_nobody_is_lost():
    graph = town()
    # the corner (0, 0) is cut off: close every arc out of node 0
    cut = TravelTimes(graph, "siren").with_changes(closed=np.flatnonzero(graph.tail == 0))
    options = rank(Call(3, 0, 1), [Vehicle("cut off", 0, 0, "returning")], cut, None, SETTINGS)
    assert (options[0].estimated, options[0].eta_s) == (True, 540.0)  # 3 km × 1.5 at 30 km/h
    far = rank(Call(3, 12, 1), [Vehicle("v", 3, 6, "returning")], TRAVEL, None, SETTINGS)[0]
    assert (far.estimated, far.eta_s) == (True, 1080.0)  # 6 km beyond the last road


def test_no_vehicle_is_an_empty_list():
    assert rank(HERE, [], TRAVEL, None, SETTINGS) == []
    assert rank(HERE, [Vehicle("v", 0, 0, "transporting")], TRAVEL, None, SETTINGS) == []


def test_move_up_fills_the_gap_once_and_respects_the_caps():
    travel = times()["siren"]
    sites = [0, 6, 24]  # two corners and the middle
    coverage = make_coverage(travel, [0, 6, 24], [1, 1, 2], sites, target_s=60, busy=0.3)
    between = travel.many_to_many(sites, sites)
    standing = [Standing("a", 0), Standing("b", 0, moves=1)]
    rules = MoveUpSettings(minimum_gain=0.02, per_shift=2, longest_s=3600)
    advice = move_up(standing, coverage, between, rules)
    # from two at the corner to one in the middle: gain 0.5 · 0.7, loss 0.25 · 0.7 · 0.3
    assert [(m.vehicle, m.origin, m.target) for m in advice] == [("a", 0, 2)]
    assert advice[0].gain == pytest.approx(0.5 * 0.7 - 0.25 * 0.7 * 0.3)
    tired = [replace(s, moves=2) for s in standing]
    assert move_up(tired, coverage, between, rules) == []
    assert move_up(standing, coverage, between, replace(rules, minimum_gain=0.4)) == []
    assert move_up(standing, coverage, between, replace(rules, longest_s=60)) == []


def test_compliance_table_grows_by_one_and_respects_places():
    coverage = make_coverage(times()["siren"], [0, 6, 24], [1, 2, 4], [0, 6, 24], target_s=60, busy=0.5)
    # gains by hand: 4/14; then 2/14 at site 1 (as much as a second at 2, lower number first); then the second at 2
    assert compliance_table(coverage, 3) == [(), (2,), (1, 2), (1, 2, 2)]
    assert compliance_table(coverage, 4, {0: 1, 1: 1, 2: 1}) == [(), (2,), (1, 2), (0, 1, 2)]


HOSPITALS = [
    Hospital("near", "区人民医院", 3, 2, frozenset({"trauma"}), {"": 4}),
    Hospital("heart", "中医院", 3, 6, frozenset({"chest-pain"}), {"chest-pain": 1}),
    Hospital("far", "市一院", 0, 0, frozenset({"chest-pain", "stroke"})),
]


@pytest.mark.parametrize(
    ("centre", "change", "first", "extra"),
    [
        ("", {}, "near", 0.0),
        ("trauma", {}, "near", 0.0),
        ("chest-pain", {}, "heart", 2.0),
        ("stroke", {}, "far", 5.0),
        ("chest-pain", {"heart": {"free": {"chest-pain": 0}}}, "far", 5.0),
        ("chest-pain", {"heart": {"diverting": frozenset({"chest-pain"})}}, "far", 5.0),
        ("maternal", {}, "near", 0.0),  # nobody can: the nearest open one
        ("", {"near": {"diverting": frozenset({""})}}, "heart", 2.0),
    ],
)
def test_destination_weighs_the_centre_against_the_nearest(centre, change, first, extra):
    hospitals = [replace(h, **change.get(h.id, {})) for h in HOSPITALS]
    options = destinations((3, 3), centre, hospitals, TRAVEL, ESTIMATE)
    assert (options[0].hospital, options[0].extra_min, options[0].recommended) == (first, extra, True)
    assert len(options) == 3


def test_unreported_places_are_said_to_be_unreported():
    far = next(d for d in destinations((3, 3), "stroke", HOSPITALS, TRAVEL, ESTIMATE) if d.hospital == "far")
    assert far.free is None
    assert any("not reported" in r.en for r in far.reasons)
