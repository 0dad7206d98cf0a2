"""The knowledge of roads: default speeds, siren factor, straight-line estimate. A county's folder overrides."""

from __future__ import annotations

from typing import Any

from healthbrain.dispatch.rules.roads import StraightLine
from healthbrain.dispatch.rules.siren import Learning
from healthbrain.kernel.knowledge import load


def _roads() -> dict[str, Any]:
    return load("dispatch", "roads.yaml")


def speeds() -> dict[str, float]:
    """km/h by OpenStreetMap highway class, normal driving."""
    return {name: float(entry["value"]) for name, entry in _roads()["speeds"].items()}


def maxspeed_share() -> float:
    """Share of a posted limit that is really driven."""
    return float(_roads()["maxspeed_share"]["value"])


def siren_factor() -> float:
    """Siren speed over normal speed, until the county has learned its own (rules/siren.py)."""
    return float(_roads()["siren_factor"]["value"])


def off_road() -> dict[str, float]:
    """Profile → km/h between a point and its road."""
    return {name: float(_roads()["off_road"][name]) for name in ("siren", "normal")}


def straight_line(profile: str = "siren") -> StraightLine:
    """How an arrival is estimated where no road leads."""
    rule = _roads()["straight_line"]
    return StraightLine(float(rule["detour"]), float(rule[profile]), snap_limit())


def learning() -> Learning:
    """When and how far siren factors may move away from the default."""
    rule = _roads()["learning"]
    return Learning(minimum=int(rule["minimum"]["value"]), prior=float(rule["prior"]["value"]), default=siren_factor())


def snap_limit() -> float:
    """Metres to the nearest road beyond which a place is off the map."""
    return float(_roads()["snap_limit"]["value"])
