"""What the loop reads and writes: named tuples of arrays, which numba takes as they are. S stations, W waypoints,
Z zones, C places, N calls, V vehicles. All times are int64 milliseconds unless the name says otherwise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from healthbrain.dispatch.rules.simulation.network import Network, Places

IDLE, MOVING, TO_SCENE, AT_SCENE, TO_HOSPITAL, AT_HOSPITAL = 0, 1, 2, 3, 4, 5
NEVER = 1 << 60
HOME, MEXCLP, TABLE = 0, 1, 2  # where a free vehicle goes

Array = np.ndarray[Any, Any]


class Tables(NamedTuple):
    """Travel times, see `network`. `stations`, `hospitals`: their nodes; hospital k is waypoint S + k."""

    stations: Array
    hospitals: Array
    place_node: Array
    response: Array  # [2, C, W]: with sirens, at normal speed
    hospital: Array  # [C]
    hospital_ms: Array  # [C]
    waypoints: Array  # their nodes
    waypoint_of: Array  # node → number or -1
    onward: Array  # [S, nodes]
    left: Array  # [S, nodes]
    between: Array  # [W, W]
    drive: Array  # [S, S], normal speed


class Calls(NamedTuple):
    """The stream of calls, sorted by time, with everything that chance decides about them."""

    time: Array
    place: Array
    priority: Array
    chute: Array
    scene: Array
    transported: Array
    handover: Array


class Policy(NamedTuple):
    """The rules of play as the loop wants them."""

    siren: Array  # [priorities + 1] 0 = with sirens, 1 = without
    reassign: Array  # [priorities + 1] may take a vehicle from a lower priority
    tolerance: Array  # [priorities + 1]
    chute_moving: int
    relocation: int
    capacity: Array  # [S]
    reach: Array  # float64 [S, Z], 1 = within target
    demand: Array  # float64 [Z]
    busy: float
    minimum: float
    price: float
    longest: int
    per_shift: int
    shift: int
    need: Array  # [V + 1, S], compliance table


class State(NamedTuple):
    """Vehicles, waiting calls, and what came of each call."""

    status: Array
    until: Array  # next event
    site: Array  # station it is at or bound for
    home: Array
    call: Array
    node: Array  # bookmark of a moving vehicle: a node passed …
    leaves: Array  # … and when; on the way to a call: when the wheels roll
    start: Array  # waypoint it left from to a call
    moves: Array  # in the running shift
    shift: Array
    reach: Array  # scratch: when it would be at the call in hand
    free_at: Array  # [S] free vehicles bound for each station
    weight: Array  # [Z] scratch
    head: Array  # waiting calls, a list per priority
    tail: Array
    after: Array
    first: Array  # per call: when a vehicle was first sent
    arrival: Array
    vehicle: Array
    sent: Array  # per call: how often a vehicle was sent
    taken: Array  # per vehicle: since when it is on calls
    busy_ms: Array
    moved: Array  # per vehicle: moves made
    moved_ms: Array


def make_tables(network: Network, places: Places) -> Tables:
    """The tables as the loop reads them."""
    return Tables(
        network.stations,
        network.hospitals,
        places.nodes,
        np.stack([places.response_siren, places.response_normal])
        if places.response_normal is not places.response_siren
        else places.response_siren[None],
        places.hospital,
        places.hospital_ms,
        network.waypoints,
        network.waypoint_of,
        network.onward,
        network.left_ms,
        network.between,
        np.ascontiguousarray(network.left_ms[:, network.stations].T),
    )


def make_state(homes: Array, calls: int, stations: int, zones: int, priorities: int) -> State:
    """All vehicles idle at home, nothing waiting."""
    v = len(homes)
    home = np.asarray(homes, dtype=np.int64)
    return State(
        status=np.zeros(v, np.int64),
        until=np.full(v, NEVER, np.int64),
        site=home.copy(),
        home=home,
        call=np.full(v, -1, np.int64),
        node=np.zeros(v, np.int64),
        leaves=np.zeros(v, np.int64),
        start=home.copy(),
        moves=np.zeros(v, np.int64),
        shift=np.zeros(v, np.int64),
        reach=np.zeros(v, np.int64),
        free_at=np.bincount(home, minlength=stations).astype(np.int64),
        weight=np.zeros(zones),
        head=np.full(priorities + 1, -1, np.int64),
        tail=np.full(priorities + 1, -1, np.int64),
        after=np.full(calls, -1, np.int64),
        first=np.full(calls, -1, np.int64),
        arrival=np.full(calls, -1, np.int64),
        vehicle=np.full(calls, -1, np.int64),
        sent=np.zeros(calls, np.int64),
        taken=np.zeros(v, np.int64),
        busy_ms=np.zeros(v, np.int64),
        moved=np.zeros(v, np.int64),
        moved_ms=np.zeros(v, np.int64),
    )
