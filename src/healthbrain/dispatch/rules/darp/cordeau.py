"""The dial-a-ride file format of Cordeau & Laporte (2003): set a, set b, R1a to R10b.

First line: vehicles, rides (set R and a count both ends, others the requests), route duration, capacity, ride limit.
Then one line per node: number, x, y, service minutes, load, earliest, latest. Node 0 is the depot, 1..n the pickups,
n+1..2n their deliveries; a last line 2n+1 repeating the depot may follow. Ways and times are Euclidean, unrounded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from healthbrain.dispatch.rules.darp.model import End, Instance, Key, Load, Request, Vehicle, Window
from healthbrain.kernel.errors import Invalid


class _Node(NamedTuple):
    line: int
    number: int
    x: float
    y: float
    service: float
    load: int
    window: Window


def parse(text: str, *, name: str = "") -> Instance:
    """The instance in this text. Request i has key i, pickup place i and delivery place n+i; the depot is place 0.

    Raises Invalid naming the line when the text is not of the format.
    """
    rows = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not rows:
        raise Invalid("The file is empty.", hint="Expected the dial-a-ride format of Cordeau & Laporte.")
    vehicles, count, duration, capacity, ride = _numbers(*rows[0], wanted=5)
    nodes = [_node(line, words) for line, words in rows[1:]]
    if len(nodes) < 3:
        raise Invalid(f"The first line announces {count:g} rides, but {len(nodes)} nodes follow.")
    if len(nodes) % 2 == 0:
        nodes = _without_end_depot(nodes)
    requests = (len(nodes) - 1) // 2
    if count not in (requests, 2 * requests):
        raise Invalid(f"The first line announces {count:g} rides, but {len(nodes)} nodes follow.")
    if vehicles < 1 or vehicles != int(vehicles):
        raise Invalid(f"Line {rows[0][0]}: {vehicles:g} is no number of vehicles.")
    for expected, node in enumerate(nodes):
        if node.number != expected:
            raise Invalid(f"Line {node.line}: expected node {expected}, found {node.number}.")
    fleet = tuple(
        Vehicle(key, 0, 0, (Load(int(capacity)),), nodes[0].window, duration) for key in range(1, int(vehicles) + 1)
    )
    rides = tuple(_request(key, nodes[key], nodes[requests + key], ride) for key in range(1, requests + 1))
    points = np.array([(node.x, node.y) for node in nodes])
    ways = np.hypot(points[:, None, 0] - points[None, :, 0], points[:, None, 1] - points[None, :, 1])
    return Instance(rides, fleet, ways, ways, name)


def _request(key: Key, pickup: _Node, delivery: _Node, ride: float) -> Request:
    if pickup.load <= 0 or pickup.load + delivery.load != 0:
        raise Invalid(
            f"Line {delivery.line}: node {delivery.number} sets down {-delivery.load}, "
            f"but its pickup on line {pickup.line} takes up {pickup.load}."
        )
    up, down = (End(node.number, node.window, node.service) for node in (pickup, delivery))
    return Request(key, up, down, Load(pickup.load), ride)


def _without_end_depot(nodes: list[_Node]) -> list[_Node]:
    """The last line may repeat the depot as node 2n+1."""
    if len(nodes) > 1 and nodes[-1].load == 0 and (nodes[-1].x, nodes[-1].y) == (nodes[0].x, nodes[0].y):
        return nodes[:-1]
    raise Invalid(f"{len(nodes)} nodes: without the depot that is an odd number, so a ride lacks one end.")


def _numbers(line: int, words: list[str], wanted: int) -> list[float]:
    if len(words) != wanted:
        raise Invalid(f"Line {line}: {len(words)} numbers, expected {wanted}.")
    return [_number(line, word) for word in words]


def _number(line: int, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Invalid(f"Line {line}: {word} is no number.")
    return value


def _node(line: int, words: list[str]) -> _Node:
    number, x, y, service, load, earliest, latest = _numbers(line, words, 7)
    if earliest > latest:
        raise Invalid(f"Line {line}: node {number:g} opens at {earliest:g} after it closes at {latest:g}.")
    if service < 0:
        raise Invalid(f"Line {line}: node {number:g} has a service time below zero.")
    if number != int(number) or load != int(load):
        raise Invalid(f"Line {line}: node number and load must be whole numbers.")
    return _Node(line, int(number), x, y, service, int(load), Window(earliest, latest))
