"""The simulated year: against queueing theory, against arrivals counted by hand, and what must always hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from healthbrain.dispatch.rules.coverage import make_coverage
from healthbrain.dispatch.rules.demand import draw_calls, fit_rates, flat_rate
from healthbrain.dispatch.rules.simulate import (
    PlaySettings,
    Service,
    Stream,
    figure,
    make_policy,
    make_stream,
    measures,
    simulate,
    with_given,
)
from healthbrain.dispatch.rules.simulation.network import make_network, make_places
from tests.dispatch.grid import times

MINUTE = 60_000
SIDE = 7
PLAY = PlaySettings(target_s=300, chute_moving_s=0, tolerance_s={2: 60, 3: 120}, busy=0.3, minimum_gain=0.01)
ALL = ("closest", "reassignment", "tolerance", "dmexclp", "compliance", "dmexclp+reassignment+tolerance")


def world(stations, hospitals=(24,), side=SIDE):
    """Network, places (every crossing), and a coverage of the whole town."""
    travel = times(side)
    network = make_network(travel["siren"], travel["normal"], stations, hospitals)
    everywhere = np.arange(side * side)
    places = make_places(network, everywhere)
    coverage = make_coverage(travel["siren"], everywhere, np.ones(side * side), stations, target_s=240, busy=0.3)
    return network, places, coverage


def stream_of(rows, *, chute=1, scene=10, handover=5, transported=1) -> Stream:
    """Calls from (minute, node, priority), all with the same durations in minutes."""
    time, place, priority = (np.array([r[k] for r in rows], dtype=np.int64) for k in range(3))
    same = [np.full(len(rows), m * MINUTE) for m in (chute, scene, handover)]
    return Stream(time * MINUTE, place, priority, *same, np.full(len(rows), transported))


def play(stations, homes, stream, policy="closest", settings=PLAY, hospitals=(24,)):
    network, places, coverage = world(stations, hospitals)
    return simulate(network, places, stream, homes, make_policy(policy, network, coverage, len(homes), settings))


def minutes(values):
    return (np.asarray(values) / MINUTE).tolist()


def test_one_vehicle_call_by_call_as_counted_on_the_map():
    # station 0 (0,0), hospital 24 (3,3). Siren 1 min a block, normal 2.
    calls = [
        (0, 2, 1),  # turnout 1 + 2 blocks = 3; scene to 13; to hospital 4 blocks normal: 21; handover to 26; home 38
        (30, 24, 1),  # returning: at 30 two blocks from the hospital, on a crossing: 2 blocks back = 2; scene to 42;
        # it is at the hospital already: 47, home at 59
        (100, 6, 2),  # at home: 1 + 6 = 7; scene to 117, hospital 6 blocks 12: 129, handover 134
        (101, 0, 2),  # waits for it: free at 134 at the hospital, 6 blocks siren = 140: 39
    ]
    outcome = play([0], [0], stream_of(calls))
    assert minutes(outcome.response) == [3.0, 2.0, 7.0, 39.0]
    assert minutes(outcome.waited) == [0.0, 0.0, 0.0, 33.0]
    assert outcome.vehicle.tolist() == [0, 0, 0, 0]


def test_a_vehicle_between_crossings_turns_at_the_next_one():
    # free at 26 at (3,3), 2 min a block: at 29 it is half way between two crossings, the next is reached at 30
    outcome = play([0], [0], stream_of([(0, 2, 1), (29, 24, 1)]))
    assert minutes(outcome.response) == [3.0, 3.0]


def test_the_closest_free_vehicle_goes_and_slow_priorities_drive_slowly():
    outcome = play([0, 48], [0, 1], stream_of([(0, 47, 1), (500, 1, 1)]))
    assert (outcome.vehicle.tolist(), minutes(outcome.response)) == ([1, 0], [2.0, 2.0])
    slow = play([0, 48], [0, 1], stream_of([(0, 47, 3)]), settings=replace(PLAY, slow=frozenset({3})))
    assert minutes(slow.response) == [3.0]


def test_a_more_urgent_call_takes_the_vehicle_and_the_other_one_waits_its_turn():
    calls = [(0, 6, 3), (3, 2, 1)]  # at minute 3 the vehicle is at (2,0), right at the urgent call
    kept = play([0], [0], stream_of(calls), hospitals=[6])
    assert minutes(kept.response)[0] == 7.0
    taken = play([0], [0], stream_of(calls), "reassignment", hospitals=[6])
    assert minutes(taken.response)[1] == 0.0
    # urgent: scene to 13, hospital (6,0) 4 blocks at normal speed to 21, handover to 26: there the other one waits
    assert minutes(taken.response)[0] == 26.0
    assert (taken.sent.tolist(), minutes(taken.waited)[0]) == ([2, 1], 0.0)  # its first dispatch is kept


def test_the_most_urgent_waiting_call_is_next_then_the_longest_waiting():
    outcome = play([0], [0], stream_of([(0, 0, 1), (1, 1, 3), (2, 1, 2), (3, 1, 1), (4, 1, 1)]))
    order = np.argsort(np.arange(5) * MINUTE + outcome.response)
    assert order.tolist() == [0, 3, 4, 2, 1]


def test_waiting_is_what_erlang_c_says():
    # M/M/3 with load 2: P(wait) = 4/9, mean wait = P(wait) / (3 − 2) of a service. Travel on this map is nothing.
    travel = times(2)
    quick = {name: t.with_changes(dict.fromkeys(range(t.graph.arcs), 1)) for name, t in travel.items()}
    network = make_network(quick["siren"], quick["normal"], [0], [0])
    places = make_places(network, [0])
    coverage = make_coverage(quick["siren"], [0], [1], [0], target_s=60, busy=0.5)
    random = np.random.default_rng(8)
    time = np.cumsum(random.exponential(10 * MINUTE, 120_000)).astype(np.int64)
    service = Service((0, 0), (20, 1), (0, 0), 0.0)
    stream = make_stream(time, np.zeros(len(time)), np.ones(len(time)), service, random)
    policy = make_policy("closest", network, coverage, 3, PLAY)
    outcome = simulate(network, places, stream, [0, 0, 0], policy)
    assert (outcome.waited > 0).mean() == pytest.approx(4 / 9, abs=0.015)
    assert outcome.waited.mean() / MINUTE == pytest.approx(4 / 9 * 20, rel=0.06)
    assert outcome.busy.mean() == pytest.approx(2 / 3, abs=0.01)


def busy_stream(seed, per_day=260, days=20):
    random = np.random.default_rng(seed)
    drawn = draw_calls(flat_rate(np.arange(SIDE * SIDE), per_day, [5, 3, 2]), days, random)
    return make_stream(drawn.time, drawn.place, drawn.priority, Service((1, 0.5), (10, 1), (10, 1), 0.7), random)


@pytest.mark.parametrize("policy", ALL)
def test_every_call_is_served_and_none_faster_than_the_road_allows(policy):
    stations = [0, 6, 42, 48]
    stream = busy_stream(3)
    outcome = play(stations, [0, 1, 2, 3, 0, 1], stream, policy)
    assert (outcome.response >= 0).all()
    assert (outcome.vehicle >= 0).all()
    assert (outcome.response >= outcome.waited).all()
    assert ((outcome.busy > 0) & (outcome.busy < 1)).all()
    sent_once = outcome.sent == 1
    assert sent_once.all() == ("reassignment" not in policy)
    assert (outcome.moves.sum() > 0) == ("dmexclp" in policy or "compliance" in policy)


def test_moves_stay_within_the_cap_of_a_shift():
    outcome = play([0, 6, 42, 48], [0, 1, 2, 3], busy_stream(4, 100), "dmexclp", replace(PLAY, per_shift=1, shift_h=24))
    assert 0 < outcome.moves.max() <= 21


def test_the_same_seed_gives_the_same_year_and_policies_meet_the_same_calls():
    stations, homes = [0, 6, 42, 48], [0, 1, 2, 3]
    a, b = (play(stations, homes, busy_stream(5), "dmexclp") for _ in range(2))
    assert np.array_equal(a.response, b.response)
    assert not np.array_equal(a.response, play(stations, homes, busy_stream(6), "dmexclp").response[: len(a.response)])
    one, two = busy_stream(5), busy_stream(5)
    for name in ("time", "place", "scene", "handover", "transported"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_common_random_numbers_make_differences_steadier_than_separate_runs():
    stations, homes = [0, 6, 42, 48], [0, 1, 2, 3, 0]
    late = {}
    for policy in ("closest", "dmexclp"):
        found = [(play(stations, homes, s, policy), s) for s in (busy_stream(k, 120) for k in range(8))]
        late[policy] = np.array([measures(o, s, 300)["mean"] for o, s in found])
    paired = np.var(late["dmexclp"] - late["closest"])
    assert paired < 0.6 * (np.var(late["dmexclp"]) + np.var(late["closest"]))
    assert late["dmexclp"].mean() < late["closest"].mean()


def test_unreachable_calls_are_left_out_and_said_so():
    network, places, coverage = world([0])
    places.response_siren[5] = 2**30
    outcome = simulate(
        network, places, stream_of([(0, 5, 1), (1, 2, 1)]), [0], make_policy("closest", network, coverage, 1, PLAY)
    )
    assert (outcome.response[0], minutes(outcome.response)[1]) == (-1, 3.0)


def test_a_policy_that_is_not_there_is_refused():
    network, _, coverage = world([0])
    for name in ("nearest", "dmexclp+compliance", ""):
        with pytest.raises(ValueError, match="no such policy"):
            make_policy(name, network, coverage, 1, PLAY)


def test_history_overrides_drawn_durations_only_where_it_knows():
    stream = stream_of([(0, 0, 1), (1, 0, 1)])
    known = with_given(stream, {"scene": np.array([-1, 7 * MINUTE]), "transported": np.array([0, -1])})
    assert minutes(known.scene) == [10.0, 7.0]
    assert known.transported.tolist() == [0, 1]


def test_rates_come_back_from_drawn_calls():
    model = flat_rate([3, 9], 100, [6, 3, 1], [3, 1])
    rising = replace(model, per_hour=np.where(np.arange(168) % 24 < 12, 2.0, 6.0))
    drawn = draw_calls(rising, 700, np.random.default_rng(1))
    fitted = fit_rates(drawn.time, rising.places[drawn.place], drawn.priority)
    assert fitted.per_hour[:12].mean() == pytest.approx(2.0, rel=0.03)
    assert fitted.per_hour[12:24].mean() == pytest.approx(6.0, rel=0.03)
    assert dict(zip(fitted.places.tolist(), fitted.share, strict=True)) == pytest.approx({3: 0.75, 9: 0.25}, abs=0.01)
    assert fitted.priority.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.01)
    assert fitted.per_day == pytest.approx(96, rel=0.02)
    # the same history read from a Wednesday on is shifted by two days
    late = fit_rates(drawn.time, drawn.place, drawn.priority, week_offset_hours=48)
    assert late.per_hour[48:60].mean() == pytest.approx(2.0, rel=0.03)


def test_intervals_are_students():
    # mean 3, s = 1.5811, t(0.975, 4) = 2.7764: half width 1.9632
    found = figure([1, 2, 3, 4, 5])
    assert (found.mean, round(found.low, 4), round(found.high, 4)) == (3.0, 1.0368, 4.9632)
    assert figure([7.0]) == type(found)(7.0, None, None)
