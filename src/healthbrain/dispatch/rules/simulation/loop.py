"""The event loop, compiled. Nothing random happens here: every draw is made per call beforehand, so that two policies
meet the very same calls (common random numbers)."""

from __future__ import annotations

from healthbrain.dispatch.rules.compiled import compiled
from healthbrain.dispatch.rules.simulation.cover import best_move, best_station, table_move, table_station
from healthbrain.dispatch.rules.simulation.state import (
    AT_HOSPITAL,
    AT_SCENE,
    HOME,
    IDLE,
    MEXCLP,
    MOVING,
    NEVER,
    TO_HOSPITAL,
    TO_SCENE,
)

_FAR = 2**30


@compiled
def ahead(v, now, t, s):  # type: ignore[no-untyped-def]
    """The next waypoint of a free vehicle and when it is there. Moves the vehicle's bookmark along its way."""
    k = s.site[v]
    if s.status[v] == IDLE:
        return k, now
    at, when = s.node[v], s.leaves[v]
    while (when < now or t.waypoint_of[at] < 0) and t.left[k, at] > 0:
        step = t.onward[k, at]
        when += t.left[k, at] - t.left[k, step]
        at = step
        if when <= now:
            s.node[v], s.leaves[v] = at, when
    return t.waypoint_of[at], max(when, now)


@compiled
def turning_point(v, now, row, t, s):  # type: ignore[no-untyped-def]
    """Where a vehicle on its way to a call can be turned: the first waypoint ahead on a shortest way; -1 if none."""
    start, gone = s.start[v], now - s.leaves[v]
    if gone <= 0:
        return start, s.leaves[v]
    best, found = NEVER, -1
    for u in range(len(row)):
        passed = t.between[start, u]
        if gone <= passed < best and passed + row[u] == row[start]:
            best, found = passed, u
    return found, s.leaves[v] + best


@compiled
def arrival_of(v, c, now, t, calls, policy, s):  # type: ignore[no-untyped-def]
    """When vehicle v would be at call c, the waypoint it leaves from, and when; NEVER if it may not go."""
    status, p = s.status[v], calls.priority[c]
    row = t.response[policy.siren[p], calls.place[c]]
    if status <= MOVING:
        w, when = ahead(v, now, t, s)
        leaves = when + (calls.chute[c] if status == IDLE else policy.chute_moving)
    elif status == TO_SCENE and policy.reassign[p] and calls.priority[s.call[v]] > p:
        other = s.call[v]
        way = t.response[policy.siren[calls.priority[other]], calls.place[other]]
        if (
            policy.siren[calls.priority[other]] != 0
        ):  # slow way: between-times are the siren's, so turn it where it began
            w, when = (s.start[v], s.leaves[v]) if now <= s.leaves[v] else (-1, NEVER)
        else:
            w, when = turning_point(v, now, way, t, s)
        leaves = when + policy.chute_moving
    else:
        return NEVER, -1, NEVER
    if w < 0 or row[w] >= _FAR:
        return NEVER, -1, NEVER
    return leaves + row[w], w, leaves


@compiled
def cover_cost(v, policy, s):  # type: ignore[no-untyped-def]
    """What taking this vehicle away costs in expected coverage; nothing for one that was already on a call."""
    if s.status[v] == TO_SCENE:
        return 0.0
    total = 0.0
    reach = policy.reach
    for i in range(len(policy.demand)):
        if reach[s.site[v], i] > 0.0:
            k = 0.0
            for site in range(len(s.free_at)):
                k += s.free_at[site] * reach[site, i]
            total += policy.demand[i] * policy.busy ** (k - 1.0)
    return total


@compiled
def choose(c, now, t, calls, policy, s):  # type: ignore[no-untyped-def]
    """The vehicle for a call, or -1: shortest arrival; with a tolerance, the least coverage lost within it."""
    p = calls.priority[c]
    row = t.response[policy.siren[p], calls.place[c]]
    last = TO_SCENE if policy.reassign[p] else MOVING
    best, soonest = -1, NEVER
    for v in range(len(s.status)):
        s.reach[v] = NEVER
        if s.status[v] == IDLE:  # most vehicles, and nothing to look up but the table
            if row[s.site[v]] < _FAR:
                s.reach[v] = now + calls.chute[c] + row[s.site[v]]
        elif s.status[v] <= last:
            s.reach[v] = arrival_of(v, c, now, t, calls, policy, s)[0]
        if s.reach[v] < soonest:
            best, soonest = v, s.reach[v]
    tolerance = policy.tolerance[p]
    if best < 0 or tolerance == 0:
        return best
    least = 1e18
    for v in range(len(s.status)):
        if s.reach[v] <= soonest + tolerance:
            cost = cover_cost(v, policy, s)
            if cost < least:
                best, least = v, cost
    return best


@compiled
def wait(c, front, calls, s):  # type: ignore[no-untyped-def]
    """Put a call in the queue of its priority; `front` for one that had a vehicle and lost it."""
    p = calls.priority[c]
    if s.head[p] < 0:
        s.head[p] = s.tail[p] = c
        s.after[c] = -1
    elif front:
        s.after[c] = s.head[p]
        s.head[p] = c
    else:
        s.after[s.tail[p]] = c
        s.after[c] = -1
        s.tail[p] = c


@compiled
def next_waiting(s):  # type: ignore[no-untyped-def]
    """Take the most urgent, longest waiting call out of the queue; -1 if none waits."""
    for p in range(len(s.head)):
        c = s.head[p]
        if c >= 0:
            s.head[p] = s.after[c]
            return c
    return -1


@compiled
def send(v, c, now, t, calls, policy, s):  # type: ignore[no-untyped-def]
    """Vehicle v goes to call c. Returns the call it leaves behind, or -1."""
    arrival, w, leaves = arrival_of(v, c, now, t, calls, policy, s)
    behind = s.call[v] if s.status[v] == TO_SCENE else -1
    if behind < 0:
        s.free_at[s.site[v]] -= 1
        s.taken[v] = now
    else:
        s.arrival[behind] = -1
    s.status[v], s.call[v], s.start[v], s.leaves[v], s.until[v] = TO_SCENE, c, w, leaves, arrival
    note(v, c, now, arrival, s)
    return behind


@compiled
def note(v, c, now, arrival, s):  # type: ignore[no-untyped-def]
    """Write down that v is on its way to c. The first sending is kept even when another vehicle goes in the end."""
    if s.first[c] < 0:
        s.first[c] = now
    s.arrival[c], s.vehicle[c] = arrival, v
    s.sent[c] += 1


@compiled
def head_for(v, site, node, leaves, now, t, s):  # type: ignore[no-untyped-def]
    """Free vehicle v, at `node` when the clock is `leaves`, drives to a station."""
    s.site[v] = site
    s.free_at[site] += 1
    s.node[v], s.leaves[v] = node, leaves
    there = leaves + t.left[site, node]
    s.status[v], s.until[v] = (MOVING, there) if there > now else (IDLE, NEVER)


@compiled
def free(v, node, now, t, calls, policy, s):  # type: ignore[no-untyped-def]
    """Vehicle v is free at `node`: the next waiting call, else a station by the policy."""
    s.call[v] = -1
    c = next_waiting(s)
    if c >= 0:
        to_waiting(v, c, node, now, t, calls, policy, s)
        return
    if policy.relocation == HOME:
        site = s.home[v]
    elif policy.relocation == MEXCLP:
        site = best_station(node, s.free_at, t.left, policy, s.weight)
    else:
        count = s.free_at.sum() + 1
        site = table_station(node, s.free_at, policy.need[count], t.left)
    head_for(v, site, node, now, now, t, s)


@compiled
def to_waiting(v, c, node, now, t, calls, policy, s):  # type: ignore[no-untyped-def]
    """From where it became free, v goes to a waiting call: by the nearest waypoint on its ways to the stations."""
    row = t.response[policy.siren[calls.priority[c]], calls.place[c]]
    best, w, leaves = NEVER, -1, now
    s.status[v] = MOVING
    for k in range(len(t.stations)):
        s.site[v], s.node[v], s.leaves[v] = k, node, now
        u, when = ahead(v, now, t, s)
        if u >= 0 and when + row[u] < best:
            best, w, leaves = when + row[u], u, when
    leaves += policy.chute_moving
    s.taken[v] = now
    s.status[v], s.call[v], s.start[v], s.leaves[v] = TO_SCENE, c, w, leaves
    s.until[v] = leaves + row[w]
    note(v, c, now, s.until[v], s)


@compiled
def move_up(now, t, policy, s):  # type: ignore[no-untyped-def]
    """After a vehicle was sent out: the one move that pays, if any, by the vehicle that is there soonest."""
    if policy.relocation == HOME:
        return
    if policy.relocation == MEXCLP:
        origin, target = best_move(s.free_at, t.drive, policy, s.weight)
    else:
        origin, target = table_move(s.free_at, policy.need[s.free_at.sum()], t.drive, policy.longest)
    if origin < 0:
        return
    best, soonest, at, leaves = -1, NEVER, -1, NEVER
    for v in range(len(s.status)):
        if s.site[v] == origin and s.status[v] <= MOVING and may_move(v, now, policy, s):
            w, when = ahead(v, now, t, s)
            there = when + t.left[target, t.waypoints[w]]
            if there < soonest:
                best, soonest, at, leaves = v, there, t.waypoints[w], when
    if best < 0:
        return
    s.free_at[origin] -= 1
    s.moves[best] += 1
    s.moved[best] += 1
    s.moved_ms[best] += soonest - now
    head_for(best, target, at, leaves, now, t, s)


@compiled
def may_move(v, now, policy, s):  # type: ignore[no-untyped-def]
    """Has this crew moves left in its shift?"""
    shift = now // policy.shift
    if s.shift[v] != shift:
        s.shift[v], s.moves[v] = shift, 0
    return s.moves[v] < policy.per_shift


@compiled
def answer(c, now, t, calls, policy, s):  # type: ignore[no-untyped-def]
    """A call comes in, or lost its vehicle: send one, and go on with the call that vehicle leaves behind."""
    front = False
    while c >= 0:
        v = choose(c, now, t, calls, policy, s)
        if v < 0:
            wait(c, front, calls, s)
            return
        c = send(v, c, now, t, calls, policy, s)
        front = True


@compiled
def proceed(v, now, t, calls, policy, s):  # type: ignore[no-untyped-def]
    """The next step of a vehicle whose time has come. True when it became free."""
    status, c = s.status[v], s.call[v]
    if status == MOVING:
        s.status[v], s.until[v] = IDLE, NEVER
    elif status == TO_SCENE:
        s.status[v], s.until[v] = AT_SCENE, now + calls.scene[c]
    elif status == AT_SCENE and calls.transported[c] and t.hospital[calls.place[c]] >= 0:
        s.status[v], s.until[v] = TO_HOSPITAL, now + t.hospital_ms[calls.place[c]]
    elif status == TO_HOSPITAL:
        s.status[v], s.until[v] = AT_HOSPITAL, now + calls.handover[c]
    else:
        place = calls.place[c]
        node = t.hospitals[t.hospital[place]] if status == AT_HOSPITAL else t.place_node[place]
        s.busy_ms[v] += now - s.taken[v]
        free(v, node, now, t, calls, policy, s)
        return True
    return False


@compiled
def run(t, calls, policy, s):  # type: ignore[no-untyped-def]
    """All calls until every vehicle is still. Ties: vehicles before calls, lower numbers first."""
    c, count = 0, len(calls.time)
    while True:
        v = s.until.argmin()
        now = s.until[v]
        if c < count and calls.time[c] < now:
            answer(c, calls.time[c], t, calls, policy, s)
            move_up(calls.time[c], t, policy, s)
            c += 1
        elif now == NEVER:
            return
        else:
            proceed(v, now, t, calls, policy, s)
