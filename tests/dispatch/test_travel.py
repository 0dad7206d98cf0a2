"""Travel times: two engines against the schoolbook algorithm, after changes too; what happens where no road leads."""

from __future__ import annotations

import heapq
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthbrain.dispatch.rules.engines import kit
from healthbrain.dispatch.rules.roads import UNREACHABLE, RoadGraph, StraightLine, straight_line_estimate
from healthbrain.dispatch.rules.travel import TravelTimes

ENGINES = ["dijkstra", *(["hierarchy"] if kit else [])]


def graph_of(nodes: int, arcs: list[tuple[int, int, int]], xy: np.ndarray | None = None) -> RoadGraph:
    """A graph from (from, to, milliseconds); places are the node numbers on a line, in km, unless given."""
    places = np.c_[np.arange(nodes), np.zeros(nodes)] if xy is None else xy
    tail, head, ms = (np.array([a[k] for a in arcs], dtype=np.int64) for k in range(3))
    return RoadGraph(
        x=places[:, 0].astype(float),
        y=places[:, 1].astype(float),
        scale=(1000.0, 1000.0),
        tail=tail,
        head=head,
        length_m=ms / 10.0,
        road_class=np.zeros(len(arcs), dtype=np.int64),
        classes=("street",),
        times={"siren": ms, "normal": ms * 2},
        off_road={"siren": 36.0, "normal": 18.0},
    )


def schoolbook(nodes: int, arcs: list[tuple[int, int, int]], source: int) -> list[int]:
    """Dijkstra 1959, as on the blackboard."""
    best, heap = [UNREACHABLE] * nodes, [(0, source)]
    best[source] = 0
    while heap:
        far, node = heapq.heappop(heap)
        if far > best[node]:
            continue
        for a, b, ms in arcs:
            if a == node and far + ms < best[b]:
                best[b] = far + ms
                heapq.heappush(heap, (best[b], b))
    return best


@st.composite
def networks(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, int]]]:
    """Small networks with everything real data has: one-way arcs, parallel arcs, self-loops, islands."""
    nodes = draw(st.integers(2, 9))
    node = st.integers(0, nodes - 1)
    return nodes, draw(st.lists(st.tuples(node, node, st.integers(1, 5_000)), min_size=1, max_size=24))


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(network=networks(), data=st.data())
def test_every_pair_equals_dijkstra_before_and_after_changes(engine, network, data):
    nodes, arcs = network
    travel = TravelTimes(graph_of(nodes, arcs), "siren", engine=engine)
    everyone = np.arange(nodes)
    assert travel.many_to_many(everyone, everyone).tolist() == [schoolbook(nodes, arcs, s) for s in range(nodes)]

    number = st.integers(0, len(arcs) - 1)
    slower = data.draw(st.dictionaries(number, st.integers(1, 9_000), max_size=4))
    closed = sorted(data.draw(st.sets(number, max_size=3)))
    after = [(a, b, slower.get(i, ms)) for i, (a, b, ms) in enumerate(arcs) if i not in closed]
    changed = travel.with_changes(slower, closed)
    assert changed.many_to_many(everyone, everyone).tolist() == [schoolbook(nodes, after, s) for s in range(nodes)]
    assert travel.many_to_many(everyone, everyone).tolist() == [schoolbook(nodes, arcs, s) for s in range(nodes)]


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(network=networks())
def test_a_path_is_a_real_way_of_the_stated_length(engine, network):
    nodes, arcs = network
    travel = TravelTimes(graph_of(nodes, arcs), "siren", engine=engine)
    for source in range(nodes):
        best = schoolbook(nodes, arcs, source)
        for target in range(nodes):
            route = travel.path(source, target)
            if best[target] == UNREACHABLE:
                assert route is None
                continue
            assert route is not None
            assert (route.ms, route.at_ms[-1]) == (best[target], best[target])
            assert (route.nodes[0], route.nodes[-1]) == (source, target)
            for k, arc in enumerate(route.arcs):
                assert arcs[arc][:2] == (route.nodes[k], route.nodes[k + 1])


@pytest.mark.parametrize("engine", ENGINES)
def test_reachable_area_is_what_dijkstra_says(engine):
    arcs = [(0, 1, 40_000), (1, 2, 30_000), (2, 0, 10_000), (2, 3, 60_000)]
    nodes, ms = TravelTimes(graph_of(4, arcs), "siren", engine=engine).reachable(0, 1.2)
    assert dict(zip(nodes.tolist(), ms.tolist(), strict=True)) == {0: 0, 1: 40_000, 2: 70_000}


@pytest.mark.parametrize("engine", ENGINES)
def test_many_threads_may_ask_at_once(engine):
    draw = np.random.default_rng(5)
    arcs = [(int(a), int(b), int(ms)) for a, b, ms in draw.integers(1, 300, size=(1500, 3))]
    travel = TravelTimes(graph_of(300, arcs), "siren", engine=engine)
    pairs = draw.integers(0, 300, size=(200, 2)).tolist()
    alone = [travel.time(a, b) for a, b in pairs]
    with ThreadPoolExecutor(8) as pool:
        for answers in pool.map(lambda _: [travel.time(a, b) for a, b in pairs], range(8)):
            assert answers == alone


def test_points_snap_to_doors_not_to_motorways_or_dead_pockets():
    # 0 ↔ 1 ↔ 2 the town; 3 → 4 a pocket that the data never connects; 1 is motorway
    arcs = [(0, 1, 1000), (1, 0, 1000), (1, 2, 1000), (2, 1, 1000), (3, 4, 1000)]
    graph = graph_of(5, arcs)
    graph = RoadGraph(**{**graph.__dict__, "access": np.array([True, False, True, True, True])})
    travel = TravelTimes(graph, "siren", engine="dijkstra")
    snap = travel.snap([[1.1, 0.0], [3.4, 0.0], [0.0, 0.1]])
    assert snap.node.tolist() == [2, 2, 0]
    assert snap.access_ms[2] == 10_000  # 100 m at 36 km/h
    moving = travel.snap([[1.1, 0.0]], on_road=True)
    assert (moving.node.tolist(), moving.access_ms.tolist()) == ([1], [0])


def test_where_no_road_leads_the_straight_line_stands_and_is_marked():
    graph = graph_of(3, [(0, 1, 60_000), (1, 0, 60_000), (2, 0, 60_000)])
    travel = TravelTimes(graph, "siren", engine="dijkstra")
    closed = travel.with_changes(closed=[0])
    rule = StraightLine(detour=1.5, kmh=30.0)
    found = closed.between([[0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]], rule)
    assert found.estimated.tolist() == [[True, False]]
    assert found.ms.tolist() == [[180_000, 0]]  # 1 km × 1.5 at 30 km/h = 3 min
    assert straight_line_estimate(graph, [[0, 0]], [[0, 2]], rule).tolist() == [[360_000]]
    off_map = travel.between([[0.0, 0.0]], [[1.0, 4.0], [1.0, 0.0]], StraightLine(1.5, 30.0, beyond_m=3000.0))
    assert off_map.estimated.tolist() == [[True, False]]  # 4 km from any road; on it


def test_a_network_that_names_missing_nodes_is_refused():
    with pytest.raises(ValueError, match="not there"):
        graph_of(2, [(0, 2, 10)])
    with pytest.raises(ValueError, match="times of"):
        graph_of(2, [(0, 1, 0)])
    with pytest.raises(ValueError, match="not in the network"):
        TravelTimes(graph_of(2, [(0, 1, 5)]), "siren").time(0, 7)
