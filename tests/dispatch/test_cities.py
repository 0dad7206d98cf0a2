"""Cities from files, an OSM extract, the synthetic county, siren speeds, and the outside commands on a hand-made
town."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import osmium
import pytest
from click.testing import CliRunner

from healthbrain.cli.dispatch import dispatch
from healthbrain.dispatch.cities import city_travel, load_city, load_roads
from healthbrain.dispatch.osm import load_osm, speed
from healthbrain.dispatch.rules.siren import Learning, learn_factors
from healthbrain.dispatch.rules.travel import TravelTimes
from healthbrain.dispatch.synthetic_roads import Tile, coordinates, synthetic_county
from healthbrain.kernel.errors import HealthBrainError, Invalid

NODES = "nodes,,,\nindex,x,y,offRoadAccess,\n" + "".join(f"{k}.0,{174 + k / 100},-36.0,1.0,\n" for k in range(1, 7))
MINUTE = 1 / 1440


def arcs(minute=MINUTE):
    """A road of six crossings, a minute apart with sirens, two without."""
    pairs = [(a, a + 1) for a in range(1, 6)] + [(a + 1, a) for a in range(1, 6)]
    rows = "".join(f"{i}.0,{a}.0,{b}.0,0.89,{minute},{2 * minute},\n" for i, (a, b) in enumerate(pairs, 1))
    return (
        "miscData,,,\narcForm,numModes,\ndirected,2,\n,\narcs,,,\nindex,fromNode,toNode,distance,mode_1,mode_2,\n"
        + rows
    )


@pytest.fixture
def city(tmp_path, monkeypatch):
    """A city folder as JEMSS writes it; caches below the temporary folder."""
    monkeypatch.setenv("HEALTHBRAIN_HOME", str(tmp_path / "home"))
    folder = tmp_path / "town"
    folder.mkdir()
    with zipfile.ZipFile(folder / "roads.zip", "w") as packed:
        packed.writestr("nodes.csv", NODES)
        packed.writestr("arcs.csv", arcs())
    (folder / "map_1.csv").write_text("map,1,,\nxMin,xMax,yMin,yMax,xScale,yScale\n174,175,-37,-35,88.99,111.32\n")
    (folder / "stations_1.csv").write_text(
        "stations,,\nindex,x,y,capacity,,ID,NAME\n7,174.01,-36.0,2,,1,West\n9,174.06,-36.0,2,,2,East\n"
    )
    (folder / "hospitals_1.csv").write_text('hospitals,,"note, quoted"\nindex,x,y,name\n1,174.03,-36.0,Middle\n')
    (folder / "ambulances_1.csv").write_text("ambulances,,,\nindex,stationIndex,class,\n1,7,1,\n2,9,1,\n")
    (folder / "demand_1.csv").write_text(
        "demandModes,,,,\nmodeIndex,rasterIndex,priority,arrivalRate,note\n1,1,highPriority,6,\n2,1,lowPriority,4,\n"
    )
    (folder / "travel_1.csv").write_text(
        "travelModes,,\ntravelModeIndex,offRoadSpeed,note\n1,1128,siren\n2,792,\n,,\ntravelSets,,\n"
        "travelSetIndex,priority,travelModeIndex\n1,highPriority,1\n1,lowPriority,2\n"
    )
    return folder


def test_a_jemss_folder_is_read_whole(city, tmp_path):
    found = load_city(city)
    assert [(s.index, s.name, s.capacity) for s in found.stations] == [(7, "West", 2), (9, "East", 2)]
    assert (found.homes, found.rates, found.hospitals[0].name) == ((0, 1), {1: 6.0, 3: 4.0}, "Middle")
    assert found.graph.scale == (88_990.0, 111_320.0)
    assert dict(found.graph.off_road) == {"siren": 47.0, "normal": 33.0}
    for _ in range(2):  # built, then read back from the kept copy
        travel = city_travel(found.graph, tmp_path / "kept")
        assert travel["siren"].one_to_many(0, range(6)).tolist() == [k * 60_000 for k in range(6)]
        assert travel["normal"].time(5, 0) == 600_000


def test_a_damaged_kept_hierarchy_is_built_anew(city, tmp_path):
    graph = load_roads(city)
    city_travel(graph, tmp_path / "kept")
    for file in (tmp_path / "kept").rglob("order"):
        file.write_bytes(b"rubbish")
    assert city_travel(graph, tmp_path / "kept")["siren"].time(0, 5) == 300_000


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("arcs.csv", arcs().replace("3.0,3.0,4.0,", "3.0,3.0,99.0,"), "line 9: 没有节点 no node 99"),
        ("arcs.csv", arcs().replace(f"{MINUTE},{2 * MINUTE},\n2.0", "x,1,\n2.0"), "line 7: mode_1"),
        ("arcs.csv", arcs(minute=5), "impossible travel time"),
        ("arcs.csv", "", "no header"),
        ("nodes.csv", NODES.replace("174.03", "abc"), "line 5: x"),
    ],
)
def test_wrong_roads_are_named_by_row(city, file, text, said):
    (city / "roads.zip").unlink()
    (city / "nodes.csv").write_text(NODES)
    (city / "arcs.csv").write_text(arcs())
    (city / file).write_text(text)
    with pytest.raises(Invalid, match="(?s)" + said):
        load_roads(city)


def test_a_station_off_the_map_or_a_missing_file_is_named(city):
    (city / "stations_1.csv").write_text("stations,,\nindex,x,y\n1,170.0,-36.0\n")
    with pytest.raises(Invalid, match=r"line 3.*outside"):
        load_city(city)
    (city / "stations_1.csv").unlink()
    with pytest.raises(Invalid, match="missing"):
        load_city(city)


def run(*arguments):
    return CliRunner().invoke(dispatch, [str(a) for a in arguments])


def said(result):
    assert isinstance(result.exception, HealthBrainError)
    return str(result.exception)


def calls_file(city, text):
    path = city.parent / "calls.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_simulate_answers_in_json_with_intervals(city):
    rows = "".join(f"c{k},{90 * k},{174.01 + k % 6 / 100},-36.0,{1 + k % 3}\n" for k in range(60))
    calls = calls_file(city, "id,time,x,y,priority\n" + rows)
    out = city.parent / "out.csv"
    common = ("simulate", "--city", city, "--calls", calls, "--json")
    result = run(*common, "--policy", "dmexclp+reassignment", "--replications", 3, "--out", out)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert (answer["calls"], answer["ambulances"], answer["homes"], answer["unreached"]) == (60, 2, [7, 9], 0)
    assert answer["mean_minutes"]["low"] <= answer["mean_minutes"]["mean"] <= answer["mean_minutes"]["high"]
    assert out.read_text().splitlines()[0].startswith("id,time,priority,waited,response,vehicle")
    assert len(out.read_text().splitlines()) == 61
    again = json.loads(run(*common, "--policy", "dmexclp+reassignment", "--replications", 3).output)
    assert {k: v for k, v in again.items() if k != "seconds_per_replication"} == {
        k: v for k, v in answer.items() if k != "seconds_per_replication"
    }
    drawn = json.loads(run("simulate", "--city", city, "--ambulances", 3, "--days", 5, "--json").output)
    assert (drawn["ambulances"], 30 < drawn["calls"] < 75) == (3, True)
    assert "only 4 places" in said(run("simulate", "--city", city, "--ambulances", 5, "--days", 5))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("id,time,x,y,priority\n", "no rows"),
        ("id,time,x,y\n1,0,174.01,-36\n", "missing column priority"),
        ("id,time,x,y,priority,colour\n1,0,174.01,-36,1,red\n", "unknown column colour"),
        ("id,time,x,y,priority\n1,0,174.01,-36,1\n2,5,175.9,-36,1\n", "line 3.*outside the map"),
        ("id,time,x,y,priority\n1,0,174.01,-36,1\n1,5,174.02,-36,1\n", "line 3.*line 2 too"),
        ("id,time,x,y,priority\n1,0,174.01,-36,7\n", "line 2: priority"),
        ("id,time,x,y,priority\n1,-4,174.01,-36,1\n", "line 2: time"),
        ("id,time,x,y,priority\n1,0,174.01,-36,1\n2,1e15,174.01,-36,1\n", "line 3: time.*3660 days"),
        ("id,time,x,y,priority\n1,2020-01-01T00:00,174.01,-36,1\n2,9999-12-31T00:00,174.01,-36,1\n", "line 3: time"),
        ("id,time,x,y,priority\n1,yesterday,174.01,-36,1\n", "line 2: time"),
        ("id,time,x,y,priority\n1,0,,-36,1\n", "line 2: x"),
        ("id,time,x,y,priority,scene\n1,0,174.01,-36,1,-3\n", "line 2: scene"),
        ("id,time,x,y,priority,scene\n1,0,174.01,-36,1,1e15\n", "line 2: scene"),
    ],
)
def test_mistakes_in_calls_are_one_line_with_the_row(city, text, what):
    message = said(run("simulate", "--city", city, "--calls", calls_file(city, text)))
    assert "\n" not in message
    import re

    assert re.search(what, message), message


VEHICLES = "id,x,y,status,capability,updated,wait,priority,station\n"


def test_rank_orders_marks_and_warns(city):
    path = city.parent / "vehicles.csv"
    path.write_text(
        VEHICLES
        + "W,174.01,-36.0,idle,als,2026-11-22T10:00:00+08:00,,,7\n"  # 1 turnout + 3
        + "R,174.06,-36.0,returning,bls,2026-11-22T09:00:00+08:00,,,\n"  # 2, position an hour old
        + "C,174.04,-36.0,clearing,als;monitor,0,5,,\n"  # 5 minutes to wait
        + "F,174.03,-36.0,rolling,als,2026-11-22T12:00:00+08:00,,3,\n"  # 1, clock two hours ahead
        + "B,174.04,-36.0,transporting,als,0,,,\n"
    )
    base = ("rank", "--city", city, "--vehicles", path, "--call", "174.04,-36.0", "--now", "2026-11-22T10:00:00+08:00")
    answer = json.loads(run(*base, "--json").output)
    assert [(o["vehicle"], o["doubt"]) for o in answer["options"]] == [
        ("F", "future"),
        ("R", "ancient"),
        ("W", ""),
        ("C", ""),
    ]
    assert [h["name"] for h in answer["hospitals"]] == ["Middle"]
    assert any("clock is ahead: F" in w for w in answer["warnings"])
    needing = json.loads(run(*base, "--json", "--type", "chest-pain").output)["options"]
    assert [o["vehicle"] for o in needing] == ["F", "W", "C", "R"]
    assert needing[-1]["missing"] == ["als"]
    path.write_text(VEHICLES + "W,174.01,-36.0,idle,als,0,,,7\nZ,10,10,idle,als,0,,,\n")
    assert "straight-line estimates: Z" in json.loads(run(*base, "--json").output)["warnings"][0]
    off = json.loads(run(*base[:5], "--call", "174.04,-36.05", *base[7:], "--json").output)
    assert all(o["estimated"] for o in off["options"])
    assert "straight-line" in off["warnings"][0]
    assert "outside the map" in said(run(*base[:5], "--call", "10,10"))
    assert "X,Y" in said(run(*base[:5], "--call", "10"))
    assert "unknown type" in said(run(*base, "--type", "sadness"))


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("A,174.01,-36,sleeping,,,,,", "line 2.*unknown status"),
        ("A,174.01,-36,idle,,soon,,,", "line 2.*updated"),
        ("A,174.01,-36,idle,,,,,55", "line 2.*no station 55"),
        ("A,,-36,idle,,,,,", "line 2.*x"),
        ("A,174.01,-36,idle,,,,,7.5", "line 2.*no station 7.5"),
        ("A,174.01,-36,clearing,,,-5,,", "line 2.*wait.*negative"),
    ],
)
def test_mistakes_in_vehicles_are_one_line_with_the_row(city, row, what):
    import re

    path = city.parent / "vehicles.csv"
    path.write_text(VEHICLES + row + "\n")
    assert re.search(what, said(run("rank", "--city", city, "--vehicles", path, "--call", "174.04,-36.0")))


OSM = """<osm version="0.6">
<node id="1" lat="30.0" lon="120.0" version="1"/><node id="2" lat="30.01" lon="120.0" version="1"/>
<node id="3" lat="30.01" lon="120.01" version="1"/><node id="4" lat="30.0" lon="120.01" version="1"/>
<way id="5" version="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/></way>
<way id="6" version="1"><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/><tag k="oneway" v="-1"/><tag
k="maxspeed" v="50"/></way>
<way id="7" version="1"><nd ref="3"/><nd ref="4"/><tag k="highway" v="motorway"/></way>
<way id="8" version="1"><nd ref="4"/><nd ref="1"/><tag k="highway" v="footway"/></way>
<way id="9" version="1"><nd ref="4"/><nd ref="1"/><tag k="highway" v="service"/><tag k="access" v="private"/></way>
<way id="10" version="1"><nd ref="4"/><nd ref="2"/><tag k="highway" v="service"/><tag k="access" v="no"/><tag
k="emergency" v="yes"/></way>
</osm>"""


def test_an_osm_extract_gives_drivable_ways_one_way_rules_and_speeds(tmp_path):
    (tmp_path / "map.osm").write_text(OSM)
    graph = load_osm(tmp_path / "map.osm")
    city = tmp_path / "city"
    city.mkdir()
    with osmium.SimpleWriter(str(city / "county.osm.pbf")) as packed:
        for one in osmium.FileProcessor(str(tmp_path / "map.osm")):
            packed.add(one)
    assert load_roads(city).fingerprint == graph.fingerprint  # the folder of a city, or of the county's own roads
    ways = {
        (int(a), int(b)): graph.classes[k] for a, b, k in zip(graph.tail, graph.head, graph.road_class, strict=True)
    }
    assert ways == {
        (0, 1): "residential", (1, 0): "residential", (2, 1): "primary", (2, 3): "motorway",
        (3, 1): "service", (1, 3): "service",
    }  # fmt: skip
    first = graph.times["normal"][(graph.tail == 2) & (graph.head == 1)][0]
    assert first == pytest.approx(
        963.99 * 3600 / 40, rel=1e-3
    )  # 0.01° at 30° north, 50 km/h posted, four fifths driven
    (tmp_path / "no.osm").write_text('<osm version="0.6"></osm>')
    with pytest.raises(Invalid, match="no drivable road"):
        load_osm(tmp_path / "no.osm")


@pytest.mark.parametrize(
    ("tag", "kmh"), [("50", 40), ("30 mph", 38.62), (None, 25), ("none", 25), ("signals", 25), ("0", 25)]
)
def test_posted_speeds(tag, kmh):
    assert speed(tag, 25, 0.8) == pytest.approx(kmh, abs=0.01)


def test_a_synthetic_county_is_connected_seeded_and_says_so():
    tiles = [Tile(f"33019700{t + 1}", t % 2, t // 2) for t in range(4)]
    tiles += [Tile(f"33019700{t + 1}10{v}", v % 3, v // 3) for t in range(4) for v in range(6)]
    places = coordinates(tiles)
    graph = synthetic_county(places)
    assert graph.synthetic
    assert len(graph.doors) / graph.nodes > 0.99
    travel = TravelTimes(graph, "siren")
    between = travel.many_to_many(range(28), range(28))
    assert between.max() < 60 * 60_000  # every place reaches every other within the hour
    assert [tuple(p) for p in np.round(np.c_[graph.x, graph.y][:28], 3)] == [places[c] for c in sorted(places)]
    same = synthetic_county(coordinates(tiles))
    assert same.fingerprint == graph.fingerprint
    assert synthetic_county(coordinates(tiles, seed=2), seed=2).fingerprint != graph.fingerprint
    assert len(synthetic_county({"330197001": (0.0, 0.0)}).doors) > 1


def test_siren_factors_come_back_through_noise_and_wrong_clocks():
    random = np.random.default_rng(2)
    spent = random.gamma(2.0, 120_000, (600, 3)) * np.array([1.0, 1.0, 0.0])
    observed = (spent / np.array([1.3, 1.8, 1.0])).sum(axis=1) * random.normal(1, 0.08, 600)
    observed[:60] *= 4  # a tenth pressed "on scene" far too late
    observed[60:70] = 0
    rules = Learning(minimum=30, prior=2, default=1.42)
    street, motorway, lane = learn_factors(spent, observed, ("street", "motorway", "lane"), rules)
    assert street.factor == pytest.approx(1.3, abs=0.05)
    assert motorway.factor == pytest.approx(1.8, abs=0.1)
    assert (lane.learned, lane.factor, lane.drives) == (False, 1.42, 0)
    few = learn_factors(spent[100:120], observed[100:120], ("street", "motorway", "lane"), rules)
    assert {one.factor for one in few} == {1.42}
    pulled = learn_factors(spent[100:140], observed[100:140], ("street", "motorway", "lane"), Learning(30, 5000, 1.42))
    assert pulled[0].factor == pytest.approx(1.42, abs=0.02)
    assert learn_factors(np.zeros((0, 2)), np.zeros(0), ("a", "b"), rules)[0].factor == 1.42
