"""Where a free vehicle should stand: DMEXCLP and compliance tables, compiled for the loop (formulas in
rules/coverage.py)."""

from __future__ import annotations

import numpy as np

from healthbrain.dispatch.rules.compiled import compiled


@compiled
def weigh(free_at, reach, demand, busy, weight):  # type: ignore[no-untyped-def]
    """Fills `weight` [Z] with d_i (1 - q) q^k_i for the free vehicles bound for each station [S]."""
    stations, zones = reach.shape
    for i in range(zones):
        weight[i] = demand[i] * (1.0 - busy)
    for s in range(stations):
        if free_at[s] > 0:
            factor = busy ** free_at[s] - 1.0
            for i in range(zones):
                weight[i] *= 1.0 + factor * reach[s, i]


@compiled
def overlap(a, b, reach, weight):  # type: ignore[no-untyped-def]
    """Σ weight over zones that both stations reach."""
    total = 0.0
    for i in range(len(weight)):
        total += reach[a, i] * reach[b, i] * weight[i]
    return total


@compiled
def nearest_station(node, left):  # type: ignore[no-untyped-def]
    """The station with the shortest way from a node."""
    best = 0
    for s in range(len(left)):
        if left[s, node] < left[best, node]:
            best = s
    return best


@compiled
def best_station(node, free_at, left, policy, weight):  # type: ignore[no-untyped-def]
    """Where one more free vehicle brings most: gain less `price` per hour of driving. All full: the nearest."""
    weigh(free_at, policy.reach, policy.demand, policy.busy, weight)
    best, value = -1, -1e18
    for s in range(len(free_at)):
        if free_at[s] < policy.capacity[s]:
            gain = overlap(s, s, policy.reach, weight) - policy.price * left[s, node] / 3.6e6
            if gain > value:
                best, value = s, gain
    return best if best >= 0 else nearest_station(node, left)


@compiled
def best_move(free_at, drive, policy, weight):  # type: ignore[no-untyped-def]
    """The pair (from, to) of stations whose move gains most, or (-1, -1).

    Net gain = gain at `to` without the vehicle, less the loss at `from`; exact, as one vehicle less divides the
    weights
    of its zones by q.
    """
    q, reach = policy.busy, policy.reach
    weigh(free_at, reach, policy.demand, q, weight)
    gain = np.empty(len(free_at))
    for s in range(len(free_at)):
        gain[s] = overlap(s, s, reach, weight)
    best, origin, target = policy.minimum, -1, -1
    for a in range(len(free_at)):
        if free_at[a] == 0:
            continue
        lost = gain[a] / q
        for b in range(len(free_at)):
            if a == b or free_at[b] >= policy.capacity[b] or drive[a, b] > policy.longest:
                continue
            cost = lost + policy.price * drive[a, b] / 3.6e6
            if gain[b] / q - cost <= best:  # even if `from` reached all that `to` reaches it would not win
                continue
            net = gain[b] + (1.0 / q - 1.0) * overlap(a, b, reach, weight) - cost
            if net > best:
                best, origin, target = net, a, b
    return origin, target


@compiled
def table_station(node, free_at, need, left):  # type: ignore[no-untyped-def]
    """The nearest station that holds fewer than the table wants; without one, the nearest of all."""
    best = -1
    for s in range(len(free_at)):
        if free_at[s] < need[s] and (best < 0 or left[s, node] < left[best, node]):
            best = s
    return best if best >= 0 else nearest_station(node, left)


@compiled
def table_move(free_at, need, drive, longest):  # type: ignore[no-untyped-def]
    """From a station with too many to one with too few, the shortest such drive, or (-1, -1)."""
    origin, target, best = -1, -1, longest + 1
    for a in range(len(free_at)):
        if free_at[a] > need[a]:
            for b in range(len(free_at)):
                if free_at[b] < need[b] and drive[a, b] < best:
                    origin, target, best = a, b, drive[a, b]
    return origin, target
