"""healthbrain dispatch darp: the JSON other tools read, checked from the file's own numbers; errors that say why."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from healthbrain.cli.dispatch_darp import darp
from healthbrain.kernel.errors import Invalid

from .test_darp import FILE


def test_the_plan_of_a_file_as_json(tmp_path: Path) -> None:
    file = tmp_path / "small.txt"
    file.write_text(FILE)
    result = CliRunner().invoke(darp, [str(file), "--seconds", "0.3", "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    plan = json.loads(result.stdout)
    nodes = {int(row[0]): [float(x) for x in row[1:]] for row in map(str.split, FILE.splitlines()[1:])}
    way, begun, left, seen = 0.0, {}, {}, []
    for route in plan["routes"]:
        stops = route["stops"]
        assert stops[0]["node"] == stops[-1]["node"] == 0
        assert stops[-1]["begin"] - stops[0]["departure"] <= 480 + 1e-6
        for a, b in itertools.pairwise(stops):
            drive = math.dist(nodes[a["node"]][:2], nodes[b["node"]][:2])
            way += drive
            assert b["arrival"] >= a["departure"] + drive - 1e-6
        for stop in stops[1:-1]:
            _, _, service, _, early, late = nodes[stop["node"]]
            assert early - 1e-6 <= stop["begin"] <= late + 1e-6
            assert stop["begin"] >= stop["arrival"] - 1e-6
            assert stop["departure"] >= stop["begin"] + service - 1e-6
            begun[stop["node"]], left[stop["node"]] = stop["begin"], stop["departure"]
            seen.append(stop["node"])
        order = [stop["node"] for stop in stops]
        assert all((n + 3 in order and order.index(n) < order.index(n + 3)) for n in order if 1 <= n <= 3)
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    assert all(begun[n + 3] - left[n] <= 30 + 1e-6 for n in (1, 2, 3))
    assert plan["cost"] == pytest.approx(way)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("2 6 480 3 30", "two 6 480 3 30", r"broken\.txt: Line 1: two is no number"),
        ("5 5.0 5.0 3 -1 0 1440", "5 5.0 nan 3 -1 0 1440", r"Line 7: nan is no number"),
        (FILE.partition("\n")[2], "", r"announces 6 rides, but 0 nodes follow"),
        ("5 5.0 5.0 3 -1 0 1440", "5 5.0 5.0 3 -1 0 50", r"2: the pickup window .* cannot be met"),
        ("6 -5.0 -5.0 3 -1 0 1440", "6 -50.0 -5.0 3 -1 0 1440", r"3: the direct ride takes 56\.0 min, its limit is 30"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_reason(tmp_path: Path, old: str, new: str, why: str) -> None:
    file = tmp_path / "broken.txt"
    assert old in FILE
    file.write_text(FILE.replace(old, new))
    with pytest.raises(Invalid, match=why):
        CliRunner().invoke(darp, [str(file), "--seconds", "0.1", "--json"], catch_exceptions=False)


@pytest.mark.parametrize(
    "written", [lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t.replace(" ", "\t"), str.rstrip]
)
def test_a_file_from_any_editor_is_the_same_file(tmp_path: Path, written: Callable[[str], str]) -> None:
    file = tmp_path / "edited.txt"
    file.write_bytes(written(FILE).encode())
    result = CliRunner().invoke(darp, [str(file), "--seconds", "0.1", "--json"], catch_exceptions=False)
    assert sum(len(route["stops"]) - 2 for route in json.loads(result.stdout)["routes"]) == 6


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"cannot read .*gone\.txt"):
        CliRunner().invoke(darp, [str(tmp_path / "gone.txt")], catch_exceptions=False)
